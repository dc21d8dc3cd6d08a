/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory_pages.c - see memory_pages.h.
 */
#include "user/capture/host/memory_pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/table.h"

#define PAGE_BYTES 4096
#define PAGES_MOST 4096 /* 16 MB */
#define NEAR	   4	/* pages read with one that is missing: a pool of Python has so many */
#define TOGETHER   64	/* pages asked for at once */

struct memory_pages {
	struct table known; /* page -> struct kept_page */
	size_t count;
	bool full;
	int err; /* no memory of the process can be read any more; 0: it can */
	struct kept_page {
		bool got;
		uint8_t bytes[PAGE_BYTES];
	} page[PAGES_MOST];
};

int memory_pages_open(struct memory_pages **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void memory_pages_close(struct memory_pages *p)
{
	if (!p)
		return;
	table_free(&p->known);
	free(p);
}

static struct table_key page_key(uint64_t page)
{
	return (struct table_key){page, 0};
}

/* Adds a page that is not known yet to what is asked for.  False: there is no room. */
static bool page_want(struct memory_pages *p, uint64_t page, struct memory_want *wants, size_t *n)
{
	struct kept_page *kept;

	if (table_get(&p->known, page_key(page)))
		return true;
	if (p->count == PAGES_MOST || table_put(&p->known, page_key(page), &p->page[p->count])) {
		p->full = true;
		return false;
	}
	kept = &p->page[p->count++];
	kept->got = false;
	wants[(*n)++] = (struct memory_want){page, kept->bytes, PAGE_BYTES, false};
	return true;
}

static void pages_fetch(struct memory_pages *p, uint32_t pid, struct memory_want *wants, size_t n)
{
	int err = n ? memory_gather(pid, wants, n) : 0;

	if (err)
		p->err = err;
	for (size_t i = 0; i < n; i++) {
		struct kept_page *kept = table_get(&p->known, page_key(wants[i].address));

		if (kept)
			kept->got = !err && wants[i].got;
	}
}

/* The page, which is read with its neighbours if it is not known; NULL: it cannot be read. */
static const struct kept_page *page_kept(struct memory_pages *p, uint32_t pid, uint64_t page)
{
	struct kept_page *kept = table_get(&p->known, page_key(page));
	uint64_t first = page & ~(uint64_t)(NEAR * PAGE_BYTES - 1);
	struct memory_want wants[NEAR];
	size_t n = 0;

	if (!kept && !p->err) {
		page_want(p, page, wants, &n);
		for (size_t i = 0; i < NEAR; i++)
			page_want(p, first + i * PAGE_BYTES, wants, &n);
		pages_fetch(p, pid, wants, n);
		kept = table_get(&p->known, page_key(page));
	}
	return kept && kept->got ? kept : NULL;
}

static ssize_t pages_read(const struct memory *m, uint64_t address, void *to, size_t size)
{
	struct memory_pages *p = (struct memory_pages *)m->context;
	size_t done = 0;

	if (address + size < address)
		return -EFAULT;
	while (done < size) {
		uint64_t at = address + done, start = at & ~(uint64_t)(PAGE_BYTES - 1);
		size_t n = PAGE_BYTES - (size_t)(at - start);
		const struct kept_page *kept = page_kept(p, m->pid, start);

		if (!kept)
			break;
		n = n < size - done ? n : size - done;
		memcpy((char *)to + done, kept->bytes + (at - start), n);
		done += n;
	}
	if (done || !size)
		return (ssize_t)done;
	return p->err ? p->err : p->full ? -EDQUOT : -EFAULT;
}

struct memory memory_pages_look(struct memory_pages *p, uint32_t pid)
{
	table_free(&p->known);
	p->count = 0;
	p->full = false;
	p->err = 0;
	return (struct memory){.read = pages_read, .context = p, .pid = pid};
}

void memory_pages_ahead(const struct memory *m, const uint64_t *addresses, size_t n, size_t size)
{
	struct memory_pages *p = (struct memory_pages *)m->context;
	struct memory_want wants[TOGETHER];
	size_t wanted = 0;

	if (m->read != pages_read || p->err)
		return;
	for (size_t i = 0; i < n; i++) {
		uint64_t page = addresses[i] & ~(uint64_t)(PAGE_BYTES - 1);

		for (; page < addresses[i] + size && page + PAGE_BYTES > page; page += PAGE_BYTES) {
			if (!page_want(p, page, wants, &wanted))
				break;
			if (wanted == TOGETHER) {
				pages_fetch(p, m->pid, wants, wanted);
				wanted = 0;
			}
		}
	}
	pages_fetch(p, m->pid, wants, wanted);
}
