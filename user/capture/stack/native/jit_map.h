/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * jit_map.h - names of code that a program compiles while it runs, from the map that it writes for
 * perf.
 *
 * The program itself writes /tmp/perf-PID.map, so the file may be hostile: its size is bounded, and
 * each line is checked by itself.  bcc_syms reads such files too, but without these bounds, whole
 * at each change, and without files and lines.
 */
#ifndef DBLEAK_CAPTURE_JIT_MAP_H
#define DBLEAK_CAPTURE_JIT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/capture/stack/native/frame.h"

struct jit_map;

struct jit_symbol {
	uint64_t start;
	uint32_t size;
	uint32_t text, length; /* of its name, within the map's text */
	void *known;	       /* the caller may keep something here; free(3) is called on it */
};

struct jit_map *jit_map_open(void);
void jit_map_close(struct jit_map *m);

/* Reads the part of the file that is new since the last call.  Returns 0: nothing new, 1:
 * something, or -errno. */
int jit_map_read(struct jit_map *m, int fd);
/* Adds whole lines.  Returns how many bytes they were. */
size_t jit_map_add(struct jit_map *m, const char *bytes, size_t size);
/* Returns the size in bytes, roughly. */
size_t jit_map_size(const struct jit_map *m);

/* Finds the newest code at this address; NULL: none.  Valid until the next line is added. */
struct jit_symbol *jit_map_find(struct jit_map *m, uint64_t address);

/* Splits a name into its parts, as Node, Python and Java write them.  The texts of frame stand in
 * buf. */
#define JIT_NAME_MAX 1024
void jit_map_name(const struct jit_map *m, const struct jit_symbol *symbol, char buf[JIT_NAME_MAX],
		  struct frame *frame);

#endif
