/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * libmysqlclient, loaded by name from $MYSQLCLIENT, since its headers and libmariadb's are not to
 * be had together.
 */
#ifndef CLIENTS_MYSQLCLIENT_H
#define CLIENTS_MYSQLCLIENT_H

#include <dlfcn.h>

#include "common.h"

#define LIBRARY(name)                 \
	{                             \
#name, (void **)&name \
	}

static void *(*mysql_init)(void *);
static void *(*mysql_real_connect)(void *, const char *, const char *, const char *, const char *,
				   unsigned, const char *, unsigned long);
static int (*mysql_query)(void *, const char *);
static void *(*mysql_store_result)(void *);
static void *(*mysql_use_result)(void *);
static char **(*mysql_fetch_row)(void *);
static void (*mysql_free_result)(void *);
static void *(*mysql_stmt_init)(void *);
static int (*mysql_stmt_prepare)(void *, const char *, unsigned long);
static int (*mysql_stmt_execute)(void *);
static int (*mysql_stmt_store_result)(void *);
static _Bool (*mysql_stmt_close)(void *);
static void (*mysql_close)(void *);
static const char *(*mysql_error)(void *);

static void load_mysqlclient(void)
{
	static const struct {
		const char *name;
		void **to;
	} names[] = {
		LIBRARY(mysql_init),	     LIBRARY(mysql_real_connect),
		LIBRARY(mysql_query),	     LIBRARY(mysql_store_result),
		LIBRARY(mysql_use_result),   LIBRARY(mysql_fetch_row),
		LIBRARY(mysql_free_result),  LIBRARY(mysql_stmt_init),
		LIBRARY(mysql_stmt_prepare), LIBRARY(mysql_stmt_close),
		LIBRARY(mysql_stmt_execute), LIBRARY(mysql_stmt_store_result),
		LIBRARY(mysql_close),	     LIBRARY(mysql_error),
	};
	void *library = dlopen(getenv("MYSQLCLIENT"), RTLD_NOW);

	if (!library)
		fail("libmysqlclient", dlerror());
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		*names[i].to = dlsym(library, names[i].name);
		if (!*names[i].to)
			fail(names[i].name, "not in the library");
	}
	nap(1000); /* for the tracer to find it */
}

#endif
