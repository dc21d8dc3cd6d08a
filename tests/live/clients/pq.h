/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/* libpq in short form; the endpoint comes from PGHOST and its like. */
#ifndef CLIENTS_PQ_H
#define CLIENTS_PQ_H

#include <libpq-fe.h>

#include "common.h"

static inline PGconn *pq_open(void)
{
	PGconn *connection = PQconnectdb(""); /* LEAK: any */

	if (PQstatus(connection) != CONNECTION_OK)
		fail("connect", PQerrorMessage(connection));
	return connection;
}

static inline void pq_run(PGconn *connection, const char *sql)
{
	PGresult *result = PQexec(connection, sql); /* LEAK: any */
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE)
		fail(sql, PQerrorMessage(connection));
	PQclear(result);
}

#endif
