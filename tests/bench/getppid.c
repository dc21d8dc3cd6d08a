/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * getppid.c - system calls a second: getppid SECONDS.  The cheapest call shows a tax on all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCH 10000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double start = now(), seconds = argc == 2 ? atof(argv[1]) : 1, spent;
	unsigned long calls = 0;

	do {
		for (int i = 0; i < BATCH; i++)
			syscall(SYS_getppid);
		calls += BATCH;
		spent = now() - start;
	} while (spent < seconds);
	printf("%.0f\n", calls / spent);
	return 0;
}
