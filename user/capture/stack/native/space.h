/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * space.h - the code that processes map, read while they live and kept when they end.
 *
 * An address that no known mapping holds makes /proc/PID/maps be read again, but not every time:
 * the cost is bounded.  The processes used longest ago are forgotten.
 */
#ifndef DBLEAK_CAPTURE_SPACE_H
#define DBLEAK_CAPTURE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/stack/native/jit_map.h"
#include "user/capture/stack/native/module.h"
#include "user/capture/stack/native/supply_wire.h"

struct spaces;
struct space;

struct mapping {
	uint64_t start, end, offset;
	uint64_t device, inode; /* as maps shows them, for comparing */
	struct module *module;	/* of MAPPING_FILE */
	enum mapping_kind kind;
	uint32_t path; /* only while the list is read */
	bool is_new;
};

/* asking: the socket for requests about mappings (supply.h); borrowed. */
int spaces_open(struct spaces **out, struct modules *modules, int asking);
void spaces_close(struct spaces *ss);

/* Returns the space of a process, read now if it was not known.  NULL: no memory. */
struct space *spaces_get(struct spaces *ss, uint32_t pid, uint64_t start_ns);
/* Reads the maps again, because the process may run another program now. */
void space_renew(struct spaces *ss, struct space *s);
/* The same, but only if image differs from the image of the last call; image 0: not known. */
void space_renew_for(struct spaces *ss, struct space *s, uint32_t image);
/* Copies the parent's mappings to a process that was gone before its own could be read. */
void space_inherit(struct space *s, const struct space *parent);
/* Has the process no known mapping?  True if it was gone when its maps were to be read. */
bool space_is_empty(const struct space *s);

/* Finds the mapping of code at this address; NULL: no code is mapped there. */
const struct mapping *space_find(struct spaces *ss, struct space *s, uint64_t address);
/* Finds the name of code that the process made itself, valid until the next call; NULL: the process
 * gives none. */
struct known *space_jit(struct spaces *ss, struct space *s, uint64_t address);

/* Opens debug files for the program of a mapping.  Valid as long as space, mapping and context
 * are. */
struct space_files {
	const struct space *space;
	const struct mapping *mapping;
};
struct debug_files space_files(struct space_files *context);

#endif
