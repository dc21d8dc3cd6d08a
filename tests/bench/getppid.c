/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * getppid.c - the cheapest system call, which shows a tax on all: getppid SECONDS
 *
 * Prints calls for each second of processor time, so that other processes do not count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCH 10000

static double spent_so_far(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double start = spent_so_far(), seconds = argc == 2 ? atof(argv[1]) : 1, spent;
	unsigned long calls = 0;

	do {
		for (int i = 0; i < BATCH; i++)
			syscall(SYS_getppid);
		calls += BATCH;
		spent = spent_so_far() - start;
	} while (spent < seconds);
	printf("%.0f\n", calls / spent);
	return 0;
}
