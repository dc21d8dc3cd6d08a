/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * guard.c - a shared page that outlives the worker, and two timers that end a slow worker.
 */
#include "user/capture/stack/native/guard.h"

#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "user/system/clock.h"

void guard_share(struct guard *g, void *shared)
{
	g->mark = shared;
}

void guard_learn(struct guard *g, const struct guard_file files[GUARD_FILES])
{
	memcpy(g->file, files, sizeof(g->file));
	g->count = GUARD_FILES;
}

static struct guard_file *guard_find(struct guard *g, uint32_t part, uint64_t device,
				     uint64_t inode)
{
	for (uint32_t i = 0; i < g->count; i++) {
		struct guard_file *file = &g->file[i];

		if (file->part == part && file->device == device && file->inode == inode)
			return file;
	}
	return NULL;
}

/* Finds a file in the list, or adds it.  In a full list it replaces the file with the fewest
 * deaths. */
static struct guard_file *find_or_add(struct guard *g, const struct guard_file *marked)
{
	struct guard_file *file = guard_find(g, marked->part, marked->device, marked->inode);

	if (file)
		return file;
	file = &g->file[0];
	if (g->count < GUARD_FILES)
		file = &g->file[g->count++];
	else
		for (uint32_t i = 1; i < GUARD_FILES; i++)
			if (g->file[i].deaths < file->deaths)
				file = &g->file[i];
	*file = (struct guard_file){marked->device, marked->inode, marked->part, 0};
	return file;
}

struct guard_file guard_take(struct guard *g)
{
	struct guard_file marked = {g->mark->device, g->mark->inode, g->mark->part, 0};

	g->mark->part = 0;
	return marked;
}

void guard_blame(struct guard *g, const struct guard_file *marked, bool out_of_time)
{
	struct guard_file *file;

	if (marked->part != GUARD_CODE && marked->part != GUARD_SOURCES)
		return;
	file = find_or_add(g, marked);
	if (file->deaths >= GUARD_DEATHS)
		return;
	file->deaths = out_of_time ? GUARD_DEATHS : file->deaths + 1;
	g->given_up += file->deaths == GUARD_DEATHS;
}

bool guard_allows(const struct guard *g, enum guard_part part, uint64_t device, uint64_t inode)
{
	const struct guard_file *file = guard_find((struct guard *)g, part, device, inode);

	return !file || file->deaths < GUARD_DEATHS;
}

void guard_enter(struct guard *g, enum guard_part part, uint64_t device, uint64_t inode)
{
	struct itimerval cpu = {.it_value.tv_sec = GUARD_CPU_SECONDS};

	g->entered_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	g->mark->device = device;
	g->mark->inode = inode;
	g->mark->part = part;
	setitimer(ITIMER_PROF, &cpu, NULL);
	alarm(GUARD_WALL_SECONDS);
}

uint64_t guard_leave(struct guard *g)
{
	struct itimerval none = {.it_value.tv_sec = 0};

	alarm(0);
	setitimer(ITIMER_PROF, &none, NULL);
	g->mark->part = 0;
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) - g->entered_ns;
}
