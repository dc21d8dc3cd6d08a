/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/* libmariadb in short form; the endpoint comes from DB_HOST and its like. */
#ifndef CLIENTS_MY_H
#define CLIENTS_MY_H

#include <mysql.h>

#include "common.h"

static inline const char *my_password(void)
{
	const char *password = getenv("DB_PASSWORD");

	return password ? password : "";
}

static inline MYSQL *my_open(unsigned long flags)
{
	const char *path = getenv("DB_SOCKET"), *port = getenv("DB_PORT");
	MYSQL *connection = mysql_init(NULL);
	const char *user = getenv("DB_USER"), *password = my_password();
	unsigned int local = 1;

	mysql_optionsv(connection, MYSQL_OPT_LOCAL_INFILE, &local);
	if (getenv("DB_TLS"))
		mysql_ssl_set(connection, NULL, NULL, getenv("DB_TLS"), NULL, NULL);
	if (!mysql_real_connect(connection, getenv("DB_HOST"), user, password, /* LEAK: any */
				getenv("DB_NAME"), port ? (unsigned)atoi(port) : 0,
				path && *path ? path : NULL, flags))
		fail("connect", mysql_error(connection));
	return connection;
}

static inline void my_run(MYSQL *connection, const char *sql)
{
	if (mysql_query(connection, sql)) /* LEAK: any */
		fail(sql, mysql_error(connection));
	do
		mysql_free_result(mysql_store_result(connection));
	while (mysql_next_result(connection) == 0);
}

#endif
