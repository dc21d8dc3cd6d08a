/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite_cache_state.h - layouts of SQLite, for sqlite_cache.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_SQLITE_CACHE_STATE_H
#define DBLEAK_CAPTURE_SQLITE_CACHE_STATE_H

#include <stdint.h>

/* Parts of struct sqlite3, Db and Schema that have been at the same place since 3.8 at least. */
#define AT_DATABASES	  32 /* Db *aDb, then int nDb */
#define AT_CACHE_SIZE	  116
#define DATABASES_MOST	  12
#define TEMP_STORE_MEMORY 2

struct databases {
	uint64_t at;
	int32_t count;
	uint32_t other;
};

struct database {
	uint64_t name, tree;
	uint64_t safety;
	uint64_t schema;
};

#endif
