/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite_run.c - how much memory a process took while a statement of SQLite handed out its rows.
 *
 * No probe shows the beginning of a run.  The run began after the last reset of the statement, and
 * after the last look that found it at rest.  If both are long before the rows, the process may
 * have grown for other reasons, and nothing is reported.
 */
#include "user/capture/clientlib/sqlite_run.h"

#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "user/capture/host/memory.h"
#include "user/capture/clientlib/sqlite_run_state.h"

#define UNSEEN_MOST_NS 2500000000ULL /* the longest time in which an unseen beginning may lie */

#define PAGE_MOST	(64 << 10)
#define CACHE_LEAST_KIB 2000 /* for any database: sorting may need so much */

void sqlite_run_look(struct sqlite_run *r, bool busy, uint64_t bytes, uint64_t now_ns)
{
	if (busy) {
		if (!r->busy_ns)
			r->busy_ns = now_ns;
		return;
	}
	r->busy_ns = 0;
	r->reported_bytes = 0;
	if (bytes == UNKNOWN64)
		return;
	r->rest[1] = r->rest[0];
	r->rest[0] = (struct sqlite_rest){now_ns, bytes};
}

/* The last look before `ns` that found the statement at rest; ns 0: none. */
static struct sqlite_rest rest_before(const struct sqlite_run *r, uint64_t ns)
{
	for (int i = 0; r && i < 2; i++)
		if (r->rest[i].ns < ns)
			return r->rest[i];
	return (struct sqlite_rest){0};
}

uint64_t sqlite_run_grown(const struct sqlite_run *r, const struct sqlite_rest *before,
			  const struct sqlite_rest *after, uint64_t *began_ns)
{
	struct sqlite_rest rest = rest_before(r, after->ns);
	uint64_t bytes = before->bytes, seen = after->ns;

	*began_ns = before->ns;
	if (rest.ns > before->ns) {
		*began_ns = rest.ns;
		bytes = rest.bytes > bytes ? rest.bytes : bytes;
	}
	if (r && r->busy_ns > *began_ns && r->busy_ns < seen)
		seen = r->busy_ns;
	if (seen - *began_ns > UNSEEN_MOST_NS || after->bytes == UNKNOWN64)
		return 0;
	return after->bytes > bytes ? after->bytes - bytes : 0;
}

uint64_t sqlite_run_memory(const struct procfs *procfs, uint32_t pid)
{
	unsigned long long resident, shared;
	char text[128];

	if (procfs_read(procfs, pid, "statm", text, sizeof(text)) <= 0 ||
	    sscanf(text, "%*u %llu %llu", &resident, &shared) != 2 || shared > resident)
		return UNKNOWN64;
	return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool read_at(uint32_t pid, uint64_t address, void *out, size_t size)
{
	return !memory_at(pid, address, out, size);
}

static bool is_main(uint32_t pid, const struct database *d)
{
	char name[5] = "";

	return read_at(pid, d->name, name, sizeof(name)) && !memcmp(name, "main", sizeof(name));
}

/* The database's cache in KiB.  SQLite's cache_size is in pages if positive, else in KiB. */
static uint64_t cache_of(uint32_t pid, const struct database *d)
{
	int32_t size = 0;
	uint64_t kib;

	if (!d->schema || !read_at(pid, d->schema + AT_CACHE_SIZE, &size, sizeof(size)))
		return CACHE_LEAST_KIB;
	kib = size < 0 ? -(int64_t)size : (int64_t)size * (PAGE_MOST >> 10);
	return kib > CACHE_LEAST_KIB ? kib : CACHE_LEAST_KIB;
}

/* Whether temporary tables lie in memory, or may: then they and sorting may take any amount. */
static bool temporaries_in_memory(uint32_t pid, uint64_t connection,
				  const struct probe_field *autocommit)
{
	uint8_t store = TEMP_STORE_MEMORY; /* follows autoCommit */

	return autocommit->size != 1 ||
	       !read_at(pid, connection + autocommit->offset + 1, &store, sizeof(store)) ||
	       store >= TEMP_STORE_MEMORY;
}

uint32_t sqlite_run_cache(uint32_t pid, uint64_t connection, const struct probe_field *autocommit,
			  uint64_t file_bytes)
{
	struct database each[DATABASES_MOST];
	struct databases all;
	uint64_t kib, most = file_bytes >> 10;

	if (temporaries_in_memory(pid, connection, autocommit) ||
	    !read_at(pid, connection + AT_DATABASES, &all, sizeof(all)) || all.count < 2 ||
	    all.count > DATABASES_MOST ||
	    !read_at(pid, all.at, each, (size_t)all.count * sizeof(each[0])) ||
	    !is_main(pid, &each[0]))
		return UNKNOWN32;
	kib = cache_of(pid, &each[0]);
	kib += kib < most ? kib : most; /* once to sort, once for pages */
	for (int32_t i = 1; i < all.count; i++)
		if (each[i].tree) /* temporary tables count only if there are any */
			kib += cache_of(pid, &each[i]);
	return kib < UNKNOWN32 ? (uint32_t)kib : UNKNOWN32;
}
