/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * space.h - what processes map as code, read while they live and kept when they end.
 *
 * Asks for /proc/PID/maps again when an address is asked for that is not there, but not at each
 * such: what it costs is bounded.  The processes used longest ago are forgotten.
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
	uint32_t path; /* while the list is read */
	bool is_new;
};

/* asking: where to ask for what processes map (supply.h); borrowed. */
int spaces_open(struct spaces **out, struct modules *modules, int asking);
void spaces_close(struct spaces *ss);

/* The process, read now if it was not known.  NULL without memory. */
struct space *spaces_get(struct spaces *ss, uint32_t pid, uint64_t start_ns);
/* Reads its maps again: it may run another program now. */
void space_renew(struct spaces *ss, struct space *s);
/* The same, if image is not the one that this was said of last. */
void space_renew_for(struct spaces *ss, struct space *s, uint32_t image);
/* It was gone before anything could be read of it: it has what its parent maps. */
void space_inherit(struct space *s, const struct space *parent);
/* Nothing was read of it: the process was gone. */
bool space_is_empty(const struct space *s);

/* What is mapped there; NULL nothing that can run. */
const struct mapping *space_find(struct spaces *ss, struct space *s, uint64_t address);
/* A name for code that the process made itself, valid until the next call; NULL it gives none. */
struct known *space_jit(struct spaces *ss, struct space *s, uint64_t address);

/* Who has the debug file of the program of a mapping; valid as long as both, and the context. */
struct space_files {
	const struct space *space;
	const struct mapping *mapping;
};
struct debug_files space_files(struct space_files *context);

#endif
