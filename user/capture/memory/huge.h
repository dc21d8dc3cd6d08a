/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * huge.h - which pages larger than 4 KB the kernel gives to those who never asked for one by size.
 *
 * Pages of hugetlbfs are none of them: they are no anonymous memory, and are not counted.
 */
#ifndef DBLEAK_CAPTURE_HUGE_H
#define DBLEAK_CAPTURE_HUGE_H

#include <stdbool.h>

#include "bpf/memory/growth.h"

/* Where root is "/": whose areas get 2 MB at their first touch. */
enum growing_huge huge_pages(int root);
/* Do some get pages of sizes in between (Linux 6.8)? */
bool huge_between(int root);

#endif
