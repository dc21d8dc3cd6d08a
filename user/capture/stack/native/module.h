/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * module.h - mapped files, each once however many processes map it, and what was found out of the
 * places in their code.
 *
 * All in one process that may die: see native.h.  Files are known by device, inode and times, so
 * one that was replaced is another.  The number of files, of places and the memory of their debug
 * information are bounded; what was used last longest ago is forgotten first, and read again.
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

/* A place in the code of one file. */
struct place {
	struct unwind_rule *rule; /* NULL: none */
	struct known **frames;	  /* the innermost first */
	uint16_t count;
	bool ruled, named; /* have been looked for */
};

/* Which file, and in which state. */
struct module_identity {
	uint64_t device, inode, stamp;
};

int modules_open(struct modules **out, struct guard *guard);
void modules_close(struct modules *ms);

/* A file that is known, to be put back with module_put; NULL: it is not. */
struct module *modules_find(struct modules *ms, const struct module_identity *identity);
/* The same of one that is not known yet: fd, which stays the caller's, is that file; path: as its
 * process sees it.  NULL without memory. */
struct module *modules_add(struct modules *ms, const struct module_identity *identity, int fd,
			   const char *path);
/* The code that the kernel maps into each process, if this many bytes of it. */
struct module *modules_vdso(struct modules *ms, uint64_t size);
struct module *module_again(struct module *m);
void module_put(struct module *m);

/* Is there an ELF file that may be read? */
bool module_is_read(const struct module *m);
const char *module_path(const struct module *m);

/* The place of an offset in the file, valid until the next call; NULL: no code stands there, or no
 * memory.  It may be neither ruled nor named yet. */
struct place *module_place(struct modules *ms, struct module *m, uint64_t offset);
void module_rule(struct modules *ms, struct module *m, uint64_t offset, struct place *place,
		 const struct debug_files *files);
void module_name(struct modules *ms, struct module *m, uint64_t offset, struct place *place,
		 const struct debug_files *files);

#endif
