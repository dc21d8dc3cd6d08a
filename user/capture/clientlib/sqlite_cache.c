/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite_cache.c - see sqlite_cache.h.
 */
#include "user/capture/clientlib/sqlite_cache.h"

#include <string.h>

#include "bpf/event.h"
#include "user/capture/clientlib/sqlite_cache_state.h"

#define PAGE_MOST (64 << 10)

static bool is_main(const struct memory *m, const struct database *d)
{
	char name[5] = "";

	return !memory_read(m, d->name, name, sizeof(name)) && !memcmp(name, "main", sizeof(name));
}

/* The database's cache in KiB.  SQLite's cache_size is in pages if positive, else in KiB. */
static uint64_t cache_of(const struct memory *m, const struct database *d)
{
	int32_t size = 0;
	uint64_t kib;

	if (!d->schema || memory_read(m, d->schema + AT_CACHE_SIZE, &size, sizeof(size)))
		return SQLITE_CACHE_LEAST;
	kib = size < 0 ? -(int64_t)size : (int64_t)size * (PAGE_MOST >> 10);
	return kib > SQLITE_CACHE_LEAST ? kib : SQLITE_CACHE_LEAST;
}

/* Whether temporary tables lie in memory, or may: then they and sorting may take any amount. */
static bool temporaries_in_memory(const struct memory *m, uint64_t connection,
				  const struct probe_field *autocommit)
{
	uint8_t store = TEMP_STORE_MEMORY; /* follows autoCommit */

	return autocommit->size != 1 ||
	       memory_read(m, connection + autocommit->offset + 1, &store, sizeof(store)) ||
	       store >= TEMP_STORE_MEMORY;
}

uint32_t sqlite_cache_kib(const struct memory *m, const struct sqlite_cache_wanted *wanted)
{
	struct database each[DATABASES_MOST];
	struct databases all;
	uint64_t kib, most = wanted->file_bytes >> 10;

	if (temporaries_in_memory(m, wanted->connection, &wanted->autocommit) ||
	    memory_read(m, wanted->connection + AT_DATABASES, &all, sizeof(all)) || all.count < 2 ||
	    all.count > DATABASES_MOST ||
	    memory_read(m, all.at, each, (size_t)all.count * sizeof(each[0])) ||
	    !is_main(m, &each[0]))
		return UNKNOWN32;
	kib = cache_of(m, &each[0]);
	kib += kib < most ? kib : most; /* once to sort, once for pages */
	for (int32_t i = 1; i < all.count; i++)
		if (each[i].tree) /* temporary tables count only if there are any */
			kib += cache_of(m, &each[i]);
	return kib < UNKNOWN32 ? (uint32_t)kib : UNKNOWN32;
}
