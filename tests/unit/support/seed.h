/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * seed.h - what tests make, kept for a fuzzer to start from: a test built with SEEDS writes files
 * to the working directory, any other does nothing.
 */
#ifndef SEED_H
#define SEED_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef SEEDS
#define SEED_BYTES_MAX 8192
#define SEED_COUNT_MAX 256

static inline void seed_keep(const char *kind, const void *bytes, size_t size)
{
	static int count;
	char name[64];
	FILE *out;

	if (size > SEED_BYTES_MAX || count == SEED_COUNT_MAX)
		return;
	snprintf(name, sizeof(name), "%s-%d", kind, count++);
	out = fopen(name, "w");
	if (!out || fwrite(bytes, 1, size, out) != size || fclose(out))
		abort();
}
#else
static inline void seed_keep(const char *kind, const void *bytes, size_t size)
{
	(void)kind;
	(void)bytes;
	(void)size;
}
#endif

#endif
