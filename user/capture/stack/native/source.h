/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * source.h - functions, files and lines of addresses, from the DWARF of one file.
 *
 * Debug information of watched programs may be hostile, and libdw is not hardened against that:
 * only a process that may die reads it.  The cost is bounded by that process's limits, not here.
 */
#ifndef DBLEAK_CAPTURE_SOURCE_H
#define DBLEAK_CAPTURE_SOURCE_H

#include <elfutils/libdw.h>
#include <stdint.h>

#include "user/capture/stack/native/frame.h"

struct source;

/* Takes one frame, whose texts are valid during the call.  Only function, file, line, column,
 * language and flags are set. */
typedef void (*source_fn)(void *context, const struct frame *frame);

/* elf and alternate are borrowed; alternate: DWARF that dwz shares with other files, or NULL.
 * NULL: there is no DWARF. */
struct source *source_open(Elf *elf, Dwarf *alternate);
void source_close(struct source *s);
Dwarf *source_dwarf(struct source *s);

/* Reports the place of this address, the innermost first: inlined functions, then the function that
 * holds them.  Returns how many frames. */
size_t source_find(struct source *s, uint64_t address, source_fn fn, void *context);

#endif
