/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * heap_loop pairs SECONDS: malloc(64) and free, over and over; prints the nanoseconds a pair, of
 * the fastest of its batches. heap_loop blocks N: takes N blocks, says "ready", gives back all but
 * a third when standard input ends, and prints how many it keeps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH 500 /* short: what is fastest met nobody else's work */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void pairs(double seconds)
{
	double begun = now(), best = 1e9, at;
	void *volatile p;

	while (now() < begun + seconds) {
		at = now();
		for (int i = 0; i < BATCH; i++) {
			p = malloc(64);
			free(p);
		}
		at = (now() - at) / BATCH * 1e9;
		best = at < best ? at : best;
	}
	printf("%f\n", best);
}

static void blocks(size_t n)
{
	void **block = malloc(n * sizeof(*block));
	size_t kept = 0;
	char byte;

	for (size_t i = 0; block && i < n; i++)
		block[i] = malloc(48);
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	for (size_t i = 0; block && i < n; i++) {
		if (i % 3 == 0)
			kept++;
		else
			free(block[i]);
	}
	printf("%zu\n", kept);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "pairs"))
		pairs(atof(argv[2]));
	else if (argc > 2)
		blocks(strtoul(argv[2], NULL, 10));
	return 0;
}
