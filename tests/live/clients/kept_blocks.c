/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * As many small queries as it can, of whose results every twentieth is kept, or none:
 * kept_blocks leak|well|none, the last waits.  It says `held BYTES` ten times a second, by what
 * malloc has given since it began, and computes a sum that anybody can check.
 */
#include <malloc.h>
#include <time.h>

#include "pq.h"

static size_t given(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int leaks = argc > 1 && !strcmp(argv[1], "leak");
	PGconn *c;
	unsigned long long sum = 0, count = 0;
	size_t before;
	double said;

	nap(1000); /* the first look into its libraries may take so long */
	c = pq_open();
	pq_run(c, "select 1");
	before = given();
	said = now();
	ready();
	if (argc > 1 && !strcmp(argv[1], "none"))
		pause();
	for (unsigned i = 0;; i++) {
		PGresult *result = PQexec(c, "select 3, repeat('x', 3000)");

		sum += strtoull(PQgetvalue(result, 0, 0), NULL, 10);
		count++;
		if (!leaks || i % 20)
			PQclear(result);
		if (now() - said < 0.1)
			continue;
		said = now();
		printf("held %zu %d\n", given() - before, sum == 3 * count);
		fflush(stdout);
	}
}
