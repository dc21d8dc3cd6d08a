/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_storm PROCESSES SECONDS DSN - as many processes, each with transactions that begin at some
 * depth of calls, 100 a second and more, until the time is over.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define DEPTH	 12
#define PAUSE_US 8000

static __attribute__((noinline)) int deep(PGconn *c, int depth)
{
	PGresult *r;
	int ok;

	if (depth) {
		ok = deep(c, depth - 1);
		return ok + !depth; /* no tail call */
	}
	r = PQexec(c, "select 1");
	ok = PQresultStatus(r) == PGRES_TUPLES_OK;
	PQclear(r);
	return ok;
}

static int storm(const char *dsn, double seconds)
{
	PGconn *c = PQconnectdb(dsn);
	time_t until = time(NULL) + (time_t)seconds;

	if (PQstatus(c) != CONNECTION_OK) {
		fprintf(stderr, "stack_storm: %s", PQerrorMessage(c));
		return 1;
	}
	while (time(NULL) < until) {
		if (!deep(c, DEPTH))
			return 1;
		usleep(PAUSE_US);
	}
	PQfinish(c);
	return 0;
}

int main(int argc, char **argv)
{
	int processes = argc > 3 ? atoi(argv[1]) : 0;

	if (processes < 1) {
		fprintf(stderr, "usage: stack_storm PROCESSES SECONDS DSN\n");
		return 2;
	}
	for (int i = 0; i < processes; i++) {
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(storm(argv[3], atof(argv[2])));
	}
	printf("ready\n");
	fflush(stdout);
	getchar();
	return 0;
}
