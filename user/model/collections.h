/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collections.h - the garbage collections of a process, and how many of them an object survived.
 */
#ifndef DBLEAK_MODEL_COLLECTIONS_H
#define DBLEAK_MODEL_COLLECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

#define COLLECTION_MARKS 16 /* times at which the number of full collections is remembered */

/* Zeroed: nothing was told. */
struct collections_model {
	struct ev_collections state; /* the latest; size 0: none */
	struct collection_mark {
		uint64_t ns, full;
	} marks[COLLECTION_MARKS]; /* the latest */
	size_t marked;
};

void collections_apply(struct collections_model *c, const struct ev_collections *ev);

/* Did capture look for a collector, and find nothing that tells of one? */
bool collections_are_hidden(const struct collections_model *c);
/* Are they counted, still, at the end of what was told? */
bool collections_are_counted(const struct collections_model *c);

/* Full collections that began after ns: rather too few than too many. */
uint64_t collections_full_since(const struct collections_model *c, uint64_t ns);
/* Is it known that nothing was collected since then, or since counting began, that could have freed
 * an object of any age?  Parts of HotSpot's heap are collected apart, so there any collection might
 * have. */
bool collections_none_since(const struct collections_model *c, uint64_t ns);

#endif
