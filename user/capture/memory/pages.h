/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pages.h - a few pages of a process, each standing for so many bytes taken when it was touched
 * first, and whether they are still there.
 *
 * Pure but for its memory: what /proc/PID/pagemap says comes from a function of the caller.
 * Bounded: when it is full, small weights are thinned so that sums stay right on average.
 */
#ifndef DBLEAK_CAPTURE_PAGES_H
#define DBLEAK_CAPTURE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/capture/memory/pymalloc.h"

#define PAGES_MOST     4096
#define PAGES_UNNAMED  UINT32_MAX
#define PAGES_YOUNG_NS 50000000ULL /* a page is there a while after the fault that asks for it */

/* Of /proc/PID/pagemap, as Documentation/admin-guide/mm/pagemap.rst has them. */
#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_SWAPPED (1ULL << 62)
#define PAGEMAP_FRAME	((1ULL << 55) - 1) /* 0 for those who may not know it */

/* What was put there when the page was touched, where somebody can tell: memory given back to an
 * allocator stays, and others fill it. */
enum page_tenant {
	PAGE_TENANT_UNKNOWN = 0,
	PAGE_TENANT_LIVES = 1,
	PAGE_TENANT_GONE = 2, /* for good */
};

struct page {
	uint64_t number; /* address / 4096 */
	uint64_t address;
	struct pymalloc_print print;
	enum page_tenant tenant;
	uint64_t frame; /* 0 not known */
	uint64_t bytes; /* what it stands for */
	uint64_t born_ns;
	uint64_t stack; /* the sample's */
	uint32_t site;	/* PAGES_UNNAMED: its stack is not named yet */
	uint32_t looks; /* how often it was there when it was looked for */
	bool seen;	/* there since it was looked for */
	bool swapped;
};

/* Zeroed, but for most, is empty. */
struct pages {
	struct page *items;
	size_t count;
	size_t most;	/* of them; 0: PAGES_MOST */
	uint64_t least; /* what each stands for, at least */
	uint64_t seed;
	size_t left; /* to be looked for in this round; 0: the next begins one */
	bool blind;  /* frames are not shown: what came back in between is not told apart */
};

void pages_free(struct pages *p);

/* A page was touched.  One met at the same place before is gone.  0 or -ENOMEM. */
int pages_add(struct pages *p, const struct page *page);
/* The stack of some is named now. */
void pages_name(struct pages *p, uint64_t stack, uint32_t site);

/* The entry of a page; 0 where nothing is. */
typedef uint64_t (*pages_look)(void *context, uint64_t number);
/* Who lives at a page's address, which may be noted in its print. */
typedef enum page_tenant (*pages_tenant)(void *context, struct page *page);
/* The addresses of the next that are looked for in this round, that in whose callback we are first.
 * Returns how many, at most so many. */
size_t pages_next(const struct pages *p, uint64_t *addresses, size_t most);
/* Looks for those that are old enough, at most so many of this round, and forgets those that are
 * gone. Returns whether the round is over: all that were there at its beginning were looked for. */
bool pages_check(struct pages *p, uint64_t now_ns, size_t most, pages_look look,
		 pages_tenant tenant, void *context);

#endif
