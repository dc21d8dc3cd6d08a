/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pages.c - see pages.h.
 */
#include "user/capture/memory/pages.h"

#include <errno.h>
#include <stdlib.h>

#define HUGE_MASK 511 /* pages of 4 KB in one of 2 MB, less one */

void pages_free(struct pages *p)
{
	free(p->items);
	*p = (struct pages){};
}

/* Uniform in [0, 1). */
static double chance(struct pages *p)
{
	p->seed = p->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (double)(p->seed >> 11) / (double)(1ULL << 53);
}

/* A page with less than the least weight survives with a probability of its weight / least.  Its
 * weight is then raised to the least, so sums stay right on average. */
static bool survives(struct pages *p, struct sampled_page *page)
{
	if (page->bytes >= p->least)
		return true;
	if (chance(p) * (double)p->least >= (double)page->bytes)
		return false;
	page->bytes = p->least;
	return true;
}

static void drop(struct pages *p, size_t i)
{
	p->items[i] = p->items[--p->count];
}

static uint64_t mean_bytes(const struct pages *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->count; i++)
		sum += p->items[i].bytes;
	return sum / p->count;
}

static size_t most_of(const struct pages *p)
{
	return p->most ? p->most : PAGES_MOST;
}

static void thin(struct pages *p)
{
	while (p->count > most_of(p) / 2) {
		uint64_t least = 2 * mean_bytes(p);

		p->least = least > p->least ? least : 2 * p->least;
		for (size_t i = p->count; i-- > 0;)
			if (!survives(p, &p->items[i]))
				drop(p, i);
	}
}

int pages_add(struct pages *p, const struct sampled_page *page)
{
	struct sampled_page new = *page;

	if (!p->items)
		p->items = calloc(most_of(p), sizeof(*p->items));
	if (!p->items)
		return -ENOMEM;
	for (size_t i = 0; i < p->count; i++)
		if (p->items[i].number == page->number) {
			drop(p, i);
			break;
		}
	if (p->count == most_of(p))
		thin(p);
	if (survives(p, &new))
		p->items[p->count++] = new;
	return 0;
}

void pages_name(struct pages *p, uint64_t stack, uint32_t site)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->items[i].site == PAGES_UNNAMED && p->items[i].stack == stack)
			p->items[i].site = site;
}

/* Whether the page is the same memory as before.  Another frame at the same place is other memory.
 * Two exceptions: the page was in swap, or the kernel moved small pages into a huge one, which the
 * alignment of the frame shows. */
static bool is_same(struct pages *p, struct sampled_page *page, uint64_t frame)
{
	bool same = !page->frame || page->frame == frame || page->swapped ||
		    (frame & HUGE_MASK) == (page->number & HUGE_MASK);

	p->blind |= !frame;
	page->frame = frame;
	page->swapped = false;
	return same;
}

static bool pages_is_held(struct pages *p, struct sampled_page *page, uint64_t entry)
{
	if (entry & PAGEMAP_PRESENT)
		return is_same(p, page, entry & PAGEMAP_FRAME);
	page->swapped = entry & PAGEMAP_SWAPPED;
	return page->swapped;
}

size_t pages_next(const struct pages *p, uint64_t *addresses, size_t most)
{
	size_t n = 0;

	for (; n < most && n < p->left; n++)
		addresses[n] = p->items[p->left - 1 - n].address;
	return n;
}

static void check(struct pages *p, size_t i, pages_look look, pages_owner page_owner, void *context)
{
	struct sampled_page *page = &p->items[i];

	if (!pages_is_held(p, page, look(context, page->number))) {
		drop(p, i);
		return;
	}
	page->seen = true;
	page->looks++;
	if (page->page_owner != PAGE_OWNER_FREED && !page->swapped)
		page->page_owner = page_owner(context, page);
}

/* Goes from the last page to the first: if one is gone, the page that takes its place was looked
 * for before. */
bool pages_check(struct pages *p, uint64_t now_ns, size_t most, pages_look look,
		 pages_owner page_owner, void *context)
{
	if (!p->left || p->left > p->count)
		p->left = p->count;
	for (; p->left && most; p->left--) {
		if (now_ns - p->items[p->left - 1].born_ns < PAGES_YOUNG_NS)
			continue;
		check(p, p->left - 1, look, page_owner, context);
		most--;
	}
	return !p->left;
}
