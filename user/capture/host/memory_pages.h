/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory_pages.h - memory of a process for one look that follows thousands of pointers.
 *
 * Each page is read once and kept, with its neighbours: an allocator keeps objects of one size
 * together.  A look at fewer objects does better with memory_for_look.
 */
#ifndef DBLEAK_CAPTURE_MEMORY_PAGES_H
#define DBLEAK_CAPTURE_MEMORY_PAGES_H

#include "user/capture/host/memory.h"

struct memory_pages;

/* 0 or -ENOMEM. */
int memory_pages_open(struct memory_pages **out);
/* Accepts NULL. */
void memory_pages_close(struct memory_pages *p);

/* Begins a look, without any page; valid until the next one. */
struct memory memory_pages_look(struct memory_pages *p, uint32_t pid);
/* Reads the pages of such a look together: those with size bytes from each address. */
void memory_pages_ahead(const struct memory *m, const uint64_t *addresses, size_t n, size_t size);

#endif
