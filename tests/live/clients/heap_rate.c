// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
/*
 * heap_rate.c SECONDS RATE KEEP - takes RATE blocks a second (0: as fast as it can) and gives them
 * back but for one of KEEP (0: all), of sizes from 16 bytes to 8 KiB.  Says what it holds in the
 * end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static unsigned long long held;
static unsigned seed = 1;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static __attribute__((noinline)) void *take(size_t size)
{
	char *p = malloc(size);

	if (!p)
		_exit(3);
	p[0] = 1;
	return p;
}

static void work(long keep)
{
	for (int i = 0; i < 100; i++) {
		seed = seed * 1103515245 + 12345;
		size_t size = 16U << (seed >> 16) % 10;
		void *p = take(size);

		if (keep && (seed >> 8) % keep == 0)
			held += size;
		else
			free(p);
	}
}

#define OLDER 321

int main(int argc, char **argv)
{
	static void *older[OLDER];
	double seconds = argc > 1 ? atof(argv[1]) : 1, rate = argc > 2 ? atof(argv[2]) : 0;
	long keep = argc > 3 ? atol(argv[3]) : 0;
	double begun = now(), done = 0;

	for (int i = 0; i < OLDER; i++)
		older[i] = malloc(100);
	puts("ready");
	fflush(stdout);
	while (now() - begun < seconds) {
		work(keep);
		done += 100;
		while (rate && done > rate * (now() - begun))
			usleep(1000);
	}
	for (int i = 0; i < OLDER; i++)
		free(older[i]);
	printf("%llu\n", held);
	fflush(stdout);
	if (seconds > 5) /* to be seen to have done so */
		sleep(1);
	return 0;
}
