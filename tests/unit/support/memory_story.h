/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory_story.h - verbs of a story (story.h) about memory.  Sizes are megabytes of 1,000,000
 * bytes.
 */
#ifndef MEMORY_STORY_H
#define MEMORY_STORY_H

#include "tests/unit/support/story.h"

#define MB_REPORTED 1000000.0

static inline struct ev_memory memory_of(uint32_t pid, double megabytes)
{
	return (struct ev_memory){.start_ns = process_start(pid),
				  .anonymous_bytes = (uint64_t)(megabytes * MB_REPORTED),
				  .swapped_bytes = 0,
				  .file_bytes = 12000000,
				  .limit_bytes = UNKNOWN64,
				  .limit_used_bytes = UNKNOWN64,
				  .pid = pid,
				  .tier = EV_TIER_GROWTH};
}

static inline void tell_memory(struct ev_memory *m)
{
	story_tell(m, EV_MEMORY, sizeof(*m));
}

/* It has so much now. */
static inline void has(uint32_t pid, double megabytes)
{
	struct ev_memory m = memory_of(pid, megabytes);

	tell_memory(&m);
}

/* What is taken under one stack, known from samples of pages. */
static inline struct ev_memory_site pages_of(uint32_t pid, uint64_t site, uint64_t stack)
{
	return (struct ev_memory_site){.start_ns = process_start(pid),
				       .site = site,
				       .stack = stack,
				       .taken = UNKNOWN64,
				       .freed = UNKNOWN64,
				       .first_ns = story.now,
				       .last_ns = story.now,
				       .pid = pid,
				       .tier = EV_TIER_GROWTH,
				       .flags = EV_MEMORY_ESTIMATED};
}

/* The same, known from each call of the allocator. */
static inline struct ev_memory_site blocks_of(uint32_t pid, uint64_t site, uint64_t stack)
{
	struct ev_memory_site s = pages_of(pid, site, stack);

	s.taken = s.freed = 0;
	s.tier = EV_TIER_FULL;
	s.flags = 0;
	snprintf(s.object, sizeof(s.object), "malloc");
	return s;
}

static inline void tell_taken(struct ev_memory_site *s)
{
	story_tell(s, EV_MEMORY_SITE, sizeof(*s));
}

/* So much is taken there, and so much of it given back. */
static inline void takes(struct ev_memory_site *s, double taken, double given_back)
{
	s->taken_bytes += (uint64_t)(taken * MB_REPORTED);
	s->held_bytes += (uint64_t)((taken - given_back) * MB_REPORTED);
	if (s->flags & EV_MEMORY_ESTIMATED)
		s->error_bytes = s->held_bytes / 10;
	s->last_ns = story.now;
	tell_taken(s);
}

/* A line of a Python program without a driver below it. */
static inline uint64_t at_line(uint32_t pid, const char *file, uint32_t line, const char *function)
{
	const struct place_reported frames[] = {
		{EV_LANG_PYTHON, function, file, NULL, line, 0, 0},
		{EV_LANG_PYTHON, "<module>", "/srv/shop/main.py", NULL, 9, 0, 0},
	};

	return tell_stack(pid, frames, sizeof(frames) / sizeof(frames[0]));
}

/* A line of a C program. */
static inline uint64_t at_c_line(uint32_t pid, uint32_t line, const char *function)
{
	const struct place_reported frames[] = {
		{EV_LANG_NATIVE, "malloc", NULL, "/usr/lib/x86_64-linux-gnu/libc.so.6", 0, 0x9a1c0,
		 0},
		{EV_LANG_NATIVE, function, "/srv/feed/store.c", "/srv/feed/feed", line,
		 0x4000 + line, 0},
		{EV_LANG_NATIVE, "main", "/srv/feed/main.c", "/srv/feed/feed", 12, 0x3000, 0},
	};

	return tell_stack(pid, frames, sizeof(frames) / sizeof(frames[0]));
}

#endif
