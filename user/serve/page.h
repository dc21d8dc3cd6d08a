/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * page.h - one thing that dbleak serve tells: its path, its type, and who writes it.
 */
#ifndef DBLEAK_SERVE_PAGE_H
#define DBLEAK_SERVE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The first page of a path counts that the reader accepts. */
struct served_page {
	const char *path, *type; /* the path begins with a slash; the type is that of HTTP */
	const char *accepted;	 /* only for readers that accept this type; NULL: for all */
	const char *policy;    /* Content-Security-Policy; NULL: nothing may be loaded; "": none */
	unsigned int fresh_ms; /* told again for at least so long: of a page that costs much */
	bool open;	       /* needs no token */
	/* Writes the page.  0; or -errno: it is told as "not available", with what was written. */
	int (*write)(FILE *out, void *context);
};

struct page_table {
	const struct served_page *pages;
	size_t count;
};

#define PAGES_MOST 16

/* The page for a path and an Accept header (NULL: there is none); NULL: there is none. */
const struct served_page *page_find(const struct page_table *t, const char *path,
				    const char *accept);

#endif
