/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * module.h - mapped files, each kept once however many processes map it, with the rules and names
 * found for places in their code.
 *
 * All this runs in one process that may die: see native.h.  Files are identified by device, inode
 * and a stamp, so a file that was replaced is another one.  The number of files, the number of
 * places and the memory of debug information are bounded.  What was used longest ago is forgotten
 * first, and read again when needed.
 */
#ifndef DBLEAK_CAPTURE_MODULE_H
#define DBLEAK_CAPTURE_MODULE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/stack/native/debug_file.h"
#include "user/capture/stack/native/guard.h"
#include "user/capture/stack/native/known.h"
#include "user/capture/stack/native/unwind.h"

struct modules;
struct module;

/* A place in the code of a file. */
struct code_place {
	struct unwind_rule *rule; /* NULL: none */
	struct known **frames;	  /* the innermost first */
	uint16_t count;
	bool ruled, named; /* the rule, the frames have been looked for */
};

/* Identifies a file in one state.  stamp: the time of its last change plus its size. */
struct module_identity {
	uint64_t device, inode, stamp;
};

int modules_open(struct modules **out, struct guard *guard);
void modules_close(struct modules *ms);

/* Finds a known file; release it with module_put.  NULL: not known. */
struct module *modules_find(struct modules *ms, const struct module_identity *identity);
/* Adds a file that is not known yet; release it with module_put.  fd, which stays the caller's, is
 * that file; path: as its process sees it.  NULL: no memory. */
struct module *modules_add(struct modules *ms, const struct module_identity *identity, int fd,
			   const char *path);
/* Finds the code that the kernel maps into every process (vDSO), if it has this size; else NULL. */
struct module *modules_vdso(struct modules *ms, uint64_t size);
struct module *module_again(struct module *m);
void module_put(struct module *m);

/* Could the file be read as ELF? */
bool module_is_read(const struct module *m);
const char *module_path(const struct module *m);

/* Finds the place of an offset in the file, valid until the next call; NULL: no code stands there,
 * or no memory.  The place may have neither rule nor names yet. */
struct code_place *module_place(struct modules *ms, struct module *m, uint64_t offset);
void module_rule(struct modules *ms, struct module *m, uint64_t offset, struct code_place *place,
		 const struct debug_files *files);
void module_name(struct modules *ms, struct module *m, uint64_t offset, struct code_place *place,
		 const struct debug_files *files);

#endif
