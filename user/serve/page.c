/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * page.c - see page.h.
 */
#include "user/serve/page.h"

#include <string.h>

const struct served_page *page_find(const struct page_table *t, const char *path,
				    const char *accept)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct served_page *p = &t->pages[i];

		if (strcmp(p->path, path) != 0)
			continue;
		if (!p->accepted || (accept && strstr(accept, p->accepted)))
			return p;
	}
	return NULL;
}
