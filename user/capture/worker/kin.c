/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kin.c - see kin.h.
 */
#include "user/capture/worker/kin.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS 1000000000ULL

/* Fields 14 to 17 of /proc/PID/stat: utime, stime, and both again for children that were waited
 * for.  The process name before them may hold spaces and brackets. */
static uint64_t ticks_of(pid_t pid)
{
	unsigned long long user, kernel, waited_user, waited_kernel;
	char path[64], text[1024], *at;
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu %llu %llu",
			  &user, &kernel, &waited_user, &waited_kernel) != 4)
		return 0;
	return user + kernel + waited_user + waited_kernel;
}

uint64_t kin_cpu_ns(pid_t pid)
{
	uint64_t ticks;
	char path[64];
	int child;
	FILE *f;

	if (pid <= 0)
		return 0;
	ticks = ticks_of(pid);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &child) == 1)
		ticks += ticks_of(child);
	if (f)
		fclose(f);
	return ticks * SECOND_NS / (uint64_t)sysconf(_SC_CLK_TCK);
}
