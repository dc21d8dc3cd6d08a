/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * huge.h - which memory areas get transparent huge pages.
 *
 * Pages of hugetlbfs do not belong here: they are no anonymous memory, and are not counted.
 */
#ifndef DBLEAK_CAPTURE_HUGE_H
#define DBLEAK_CAPTURE_HUGE_H

#include <stdbool.h>

#include "bpf/memory/growth.h"

/* Says which areas get 2 MB at their first touch.  root: a descriptor of "/". */
enum growing_huge huge_pages(int root);
/* Whether some areas get pages of sizes between 4 KB and 2 MB (Linux 6.8). */
bool huge_between(int root);

#endif
