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
#include <unistd.h>

#define UNSEEN_MOST_NS 2500000000ULL /* the longest time in which an unseen beginning may lie */

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
