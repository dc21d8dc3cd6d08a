/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * symbol.h - what one ELF file tells of the addresses in its code: how to unwind from there, and
 * what to call it.
 *
 * Files of watched programs are hostile, and the libraries that read them here are large: only a
 * process that may die does it.  What a file is asked for is read then and kept until told to
 * forget it.  Addresses are the file's own, as its program headers and its symbols have them.
 */
#ifndef DBLEAK_CAPTURE_SYMBOL_H
#define DBLEAK_CAPTURE_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/stack/native/debug_file.h"
#include "user/capture/stack/native/frame.h"
#include "user/capture/stack/native/source.h"
#include "user/capture/stack/native/unwind.h"

struct symbols;

/* map becomes the new one's, also when it fails.  path: as the process sees the file, copied.
 * 0 or -ENOMEM. */
int symbols_open(struct symbols **out, struct elf_map *map, const char *path);
void symbols_close(struct symbols *s);
/* Lets go of all that can be read again.  Files that were split are looked for again. */
void symbols_rest(struct symbols *s);

/* Hexadecimal digits, "" none. */
const char *symbols_build_id(const struct symbols *s);
/* The address of what stands there in the file; false: no code does. */
bool symbols_address(const struct symbols *s, uint64_t offset, uint64_t *address);

/* Has anything been read that symbols_rest would let go? */
bool symbols_are_awake(const struct symbols *s);

/* NULL: nothing is said of this address, or nothing that we understand.  The caller's to free.
 * files: who has debug files, for the first time that they are looked for; sources: DWARF may
 * be read too. */
struct unwind_rule *symbols_rule(struct symbols *s, const struct debug_files *files,
				 uint64_t address, bool sources);
/* Tells the frames of an address, the innermost first; at least one, if only with its offset.
 * Returns how many. */
size_t symbols_name(struct symbols *s, const struct debug_files *files, uint64_t address,
		    bool sources, source_fn fn, void *context);

#endif
