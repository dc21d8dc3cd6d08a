/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pages.h - sampled pages of a process: each stands for some bytes taken at its first touch, and is
 * looked for later.
 *
 * Pure but for its memory: a function of the caller reads /proc/PID/pagemap.  Bounded: if it is
 * full, small weights are thinned out so that sums stay right on average.
 */
#ifndef DBLEAK_CAPTURE_PAGES_H
#define DBLEAK_CAPTURE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/capture/memory/pymalloc.h"

#define PAGES_MOST     4096
#define PAGES_UNNAMED  UINT32_MAX
#define PAGES_YOUNG_NS 50000000ULL /* a page comes a while after the fault that asks for it */

/* Bits of an entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst). */
#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_SWAPPED (1ULL << 62)
#define PAGEMAP_FRAME	((1ULL << 55) - 1) /* 0 without the right to know it */

/* The state of the object for which the page was touched, where it is known.  Memory given back to
 * an allocator stays mapped, and other objects fill it. */
enum page_owner {
	PAGE_OWNER_UNKNOWN = 0,
	PAGE_OWNER_ALIVE = 1,
	PAGE_OWNER_FREED = 2, /* for good */
};

struct sampled_page {
	uint64_t number; /* address / 4096 */
	uint64_t address;
	struct pymalloc_print print;
	enum page_owner page_owner;
	uint64_t frame; /* 0 not known */
	uint64_t bytes; /* what it stands for */
	uint64_t born_ns;
	uint64_t stack; /* the sample's */
	uint32_t site;	/* PAGES_UNNAMED: its stack is not named yet */
	uint32_t looks; /* how often a look found it */
	bool seen;	/* a look has found it */
	bool swapped;
};

/* A struct of zeroes (`most` aside) is empty. */
struct pages {
	struct sampled_page *items;
	size_t count;
	size_t most;	/* of them; 0: PAGES_MOST */
	uint64_t least; /* bytes that each stands for, at least */
	uint64_t seed;
	size_t left; /* to be looked for in this round; 0: the next call begins one */
	bool blind;  /* frames are not shown: memory given back and taken again counts as held */
};

void pages_free(struct pages *p);

/* Adds a page that was touched.  An older one at the same place is gone.  0 or -ENOMEM. */
int pages_add(struct pages *p, const struct sampled_page *page);
/* Gives a site to the pages whose stack is named now. */
void pages_name(struct pages *p, uint64_t stack, uint32_t site);

/* Reads the pagemap entry of a page; 0: nothing is there. */
typedef uint64_t (*pages_look)(void *context, uint64_t number);
/* Finds the state of the object at a page's address; may note the object in the page's print. */
typedef enum page_owner (*pages_owner)(void *context, struct sampled_page *page);
/* Finds the addresses of the next pages of this round, at most `most`.  In a callback the first is
 * the page of that callback.  Returns how many. */
size_t pages_next(const struct pages *p, uint64_t *addresses, size_t most);
/* Looks for pages that are old enough, at most `most` of this round, and forgets those that are
 * gone.  Returns whether the round is over: all pages of its beginning were looked for. */
bool pages_check(struct pages *p, uint64_t now_ns, size_t most, pages_look look,
		 pages_owner page_owner, void *context);

#endif
