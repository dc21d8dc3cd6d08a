/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * jit_map.h - names of code that a program compiles while it runs, as it tells perf of them.
 *
 * /tmp/perf-PID.map is the program's own word, so it is read as an adversary's: of bounded size,
 * each line by itself.  bcc_syms reads such files too, but without these bounds, whole at each
 * change, and it does not tell files and lines.
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
	void *known; /* whoever names it may keep something here; free(3) is called on it */
};

struct jit_map *jit_map_open(void);
void jit_map_close(struct jit_map *m);

/* Takes in what the file has more than when it was read last.  0 nothing new, 1 something, or
 * -errno. */
int jit_map_read(struct jit_map *m, int fd);
/* Takes in whole lines.  Returns how many bytes they were. */
size_t jit_map_add(struct jit_map *m, const char *bytes, size_t size);
/* In bytes, about. */
size_t jit_map_size(const struct jit_map *m);

/* The newest code at this address; NULL none.  Valid until the next line is taken in. */
struct jit_symbol *jit_map_find(struct jit_map *m, uint64_t address);

/* Takes a name apart as Node, Python and Java write them.  frame's texts stand in buf. */
#define JIT_NAME_MAX 1024
void jit_map_name(const struct jit_map *m, const struct jit_symbol *symbol, char buf[JIT_NAME_MAX],
		  struct frame *frame);

#endif
