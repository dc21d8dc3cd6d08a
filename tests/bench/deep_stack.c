/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * deep_stack BYTES SECONDS CONNECTIONS DSN - short transactions with so many bytes of stack in use:
 * one on each connection, at once, and 90 a second; less than the stacks that are copied of a
 * process. Prints how many.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FRAME 256
#define RATE  90

static int transact(PGconn **c, long count)
{
	int ok = 1;

	for (long i = 0; i < count; i++) {
		PGresult *r = PQexec(c[i], "select 1");

		ok &= PQresultStatus(r) == PGRES_TUPLES_OK;
		PQclear(r);
	}
	return ok;
}

static __attribute__((noinline)) int deep(PGconn **c, long count, long bytes)
{
	volatile char room[FRAME];
	int ok;

	memset((char *)room, 1, sizeof(room));
	ok = bytes > FRAME ? deep(c, count, bytes - FRAME) : transact(c, count);
	return ok * room[FRAME / 2];
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	long count = argc == 5 ? atol(argv[3]) : 0, done = 0;
	PGconn *c[RATE];
	double end;

	if (count < 1 || count > RATE) {
		fprintf(stderr, "usage: deep_stack BYTES SECONDS CONNECTIONS DSN\n");
		return 2;
	}
	for (long i = 0; i < count; i++)
		c[i] = PQconnectdb(argv[4]);
	for (end = now() + atof(argv[2]); now() < end; done += count) {
		usleep((useconds_t)(1000000 * count / RATE));
		if (!deep(c, count, atol(argv[1])))
			return 1;
	}
	for (long i = 0; i < count; i++)
		PQfinish(c[i]);
	printf("%ld\n", done);
	return 0;
}
