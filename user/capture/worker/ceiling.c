/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ceiling.c - see ceiling.h.
 */
#include "user/capture/worker/ceiling.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

/* /proc/self/statm: pages in all, then the resident ones. */
uint64_t ceiling_resident(void)
{
	unsigned long long all, resident;
	FILE *f = fopen("/proc/self/statm", "re");
	bool read = f && fscanf(f, "%llu %llu", &all, &resident) == 2;

	if (f)
		fclose(f);
	return read ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

bool ceiling_is_reached(uint64_t most)
{
	if (ceiling_resident() <= most)
		return false;
	malloc_trim(0);
	return ceiling_resident() > most;
}
