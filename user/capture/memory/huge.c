/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * huge.c - reads /sys/kernel/mm/transparent_hugepage.
 *
 * Linux 6.8 has a switch for each size.  Each may inherit the older switch, which is for all sizes.
 */
#include "user/capture/memory/huge.h"

#include <stdio.h>
#include <string.h>

#include "user/base/file.h"

#define FOLDER	 "sys/kernel/mm/transparent_hugepage/"
#define WHOLE_KB 2048

static enum growing_huge read_switch(int root, const char *path, enum growing_huge inherited)
{
	char text[64];

	if (file_read(root, path, text, sizeof(text)) <= 0)
		return GROWING_HUGE_NEVER;
	return strstr(text, "[always]")	   ? GROWING_HUGE_ALWAYS
	       : strstr(text, "[madvise]") ? GROWING_HUGE_ASKED
	       : strstr(text, "[inherit]") ? inherited
					   : GROWING_HUGE_NEVER;
}

static enum growing_huge of_size(int root, unsigned kb, enum growing_huge of_all)
{
	char path[128];

	snprintf(path, sizeof(path), FOLDER "hugepages-%ukB/enabled", kb);
	return read_switch(root, path, of_all);
}

static enum growing_huge of_all_sizes(int root)
{
	return read_switch(root, FOLDER "enabled", GROWING_HUGE_NEVER);
}

enum growing_huge huge_pages(int root)
{
	enum growing_huge of_all = of_all_sizes(root);
	char text[64];

	if (file_read(root, FOLDER "hugepages-2048kB/enabled", text, sizeof(text)) <= 0)
		return of_all;
	return of_size(root, WHOLE_KB, of_all);
}

bool huge_between(int root)
{
	enum growing_huge of_all = of_all_sizes(root);

	for (unsigned kb = 8; kb < WHOLE_KB; kb *= 2)
		if (of_size(root, kb, of_all) != GROWING_HUGE_NEVER)
			return true;
	return false;
}
