/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pingpong.c - a byte that goes to and fro between two processes on one CPU, which shows a tax on
 * context switches: pingpong SECONDS LIBRARY...
 *
 * Both map the libraries and call none.  Prints round trips for each second of both processes'
 * time.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH 1000

static void die(const char *what, const char *why)
{
	fprintf(stderr, "pingpong: %s: %s\n", what, why);
	exit(1);
}

static double spent_by(int who)
{
	struct rusage usage;

	if (getrusage(who, &usage))
		die("getrusage", strerror(errno));
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void stay_here(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		die("one CPU", strerror(errno));
}

static void send_back(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1)
		if (write(to, &byte, 1) != 1)
			_exit(1);
	_exit(0);
}

static void round_trip(int to, int from)
{
	char byte = 0;

	if (write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1)
		die("the other end", strerror(errno));
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1, start;
	unsigned long trips = 0;
	int there[2], back[2];

	for (int i = 2; i < argc; i++)
		if (!dlopen(argv[i], RTLD_NOW))
			die(argv[i], dlerror());
	stay_here();
	if (pipe(there) || pipe(back))
		die("pipe", strerror(errno));
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(there[1]);
		send_back(there[0], back[1]);
	}
	close(there[0]);
	start = spent_by(RUSAGE_SELF);
	do { /* the other process works about as long */
		for (int i = 0; i < BATCH; i++)
			round_trip(there[1], back[0]);
		trips += BATCH;
	} while (2 * (spent_by(RUSAGE_SELF) - start) < seconds);
	close(there[1]);
	wait(NULL);
	printf("%.0f\n", trips / (spent_by(RUSAGE_SELF) - start + spent_by(RUSAGE_CHILDREN)));
	return 0;
}
