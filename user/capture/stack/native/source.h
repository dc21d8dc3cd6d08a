/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * source.h - functions, files and lines of addresses, from the DWARF of one file.
 *
 * Debug information of watched programs is data of an adversary, and libdw is no fortress: only a
 * process that may die reads it.  What it costs is not bounded here but by that process's limits.
 */
#ifndef DBLEAK_CAPTURE_SOURCE_H
#define DBLEAK_CAPTURE_SOURCE_H

#include <elfutils/libdw.h>
#include <stdint.h>

#include "user/capture/stack/native/frame.h"

struct source;

/* Texts are valid during the call; of a frame only function, file, line, column, language and
 * flags are set. */
typedef void (*source_fn)(void *context, const struct frame *frame);

/* elf is borrowed, and so is alternate (DWARF shared with other files, by dwz), if any.  NULL:
 * there is no DWARF. */
struct source *source_open(Elf *elf, Dwarf *alternate);
void source_close(struct source *s);
Dwarf *source_dwarf(struct source *s);

/* The place of this address and, for what is inlined there, of its callers, the innermost first.
 * Returns how many. */
size_t source_find(struct source *s, uint64_t address, source_fn fn, void *context);

#endif
