/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_room.h - how much room the rings and tables of the kernel half have.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_ROOM_H
#define DBLEAK_CAPTURE_KERNEL_ROOM_H

#include <stdint.h>

#include "bpf/settings.h"

struct dbleak;

#define ROOM_DIVISOR_MOST 1024 /* then the ring of events is one page */

/* Gives the rings and tables that all processes share one of so many parts of their room, from the
 * next load on.  0, or -EINVAL: not a power of two up to ROOM_DIVISOR_MOST. */
int kernel_room_divide(unsigned long divisor);
/* Entries that fit into a table. */
uint32_t kernel_room(enum ev_table table);
/* Sizes the maps before they are made.  0, or the negative error of libbpf. */
int kernel_room_fill(struct dbleak *maps);

#endif
