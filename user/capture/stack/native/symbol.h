/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * symbol.h - unwind rules and names for the addresses in the code of one ELF file.
 *
 * Files of watched programs may be hostile, and the libraries that read them here are large: only a
 * process that may die does it.  Data is read when it is first needed, and kept until symbols_rest.
 * Addresses are the file's own, as its program headers and its symbols have them.
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

/* Takes over map, also on failure.  path: as the process sees the file; copied.  0 or -ENOMEM. */
int symbols_open(struct symbols **out, struct elf_map *map, const char *path);
void symbols_close(struct symbols *s);
/* Releases all data that can be read again.  Split debug files are looked for again then. */
void symbols_rest(struct symbols *s);

/* Returns the build id in hexadecimal digits; "" none. */
const char *symbols_build_id(const struct symbols *s);
/* Finds the address of the code at an offset in the file.  False: no code is there. */
bool symbols_address(const struct symbols *s, uint64_t offset, uint64_t *address);

/* Has any data been read that symbols_rest would release? */
bool symbols_are_awake(const struct symbols *s);

/* Returns the unwind rule of an address, which the caller frees.  NULL: there is none, or none that
 * is supported.  files: opens debug files, when they are first looked for; sources: DWARF may be
 * read, too. */
struct unwind_rule *symbols_rule(struct symbols *s, const struct debug_files *files,
				 uint64_t address, bool sources);
/* Reports the frames of an address, the innermost first; at least one, if only with its offset.
 * Returns how many. */
size_t symbols_name(struct symbols *s, const struct debug_files *files, uint64_t address,
		    bool sources, source_fn fn, void *context);

#endif
