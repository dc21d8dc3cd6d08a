/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * object_size.h - how much memory an object of a client library holds, read from the object itself.
 *
 * Nothing is taken on trust: a library's structures differ from version to version, and an object
 * may be changed or freed while it is looked at.  What does not fit together in every way that can
 * be checked is "not known", and never a wrong figure.
 */
#ifndef DBLEAK_CAPTURE_OBJECT_SIZE_H
#define DBLEAK_CAPTURE_OBJECT_SIZE_H

#include <stdint.h>

#include "user/capture/host/memory.h"
#include "user/capture/probe/probe_point.h"

/* Where a library keeps what its own accessors tell; size 0: not known. */
struct object_fields {
	struct probe_field memory; /* PQresultMemorySize */
	struct probe_field rows;   /* PQntuples */
};

struct object_size {
	uint64_t bytes; /* what freeing it would give back; UNKNOWN64 */
	uint64_t rows;	/* UNKNOWN64 */
};

/* object: what the probe table calls it ("PGresult"); parent: its connection, 0 not known. */
struct object_size object_size(const struct memory *m, const struct object_fields *fields,
			       const char *object, uint64_t address, uint64_t parent);

/* What the block at this address takes of glibc's heap, its head included.  UNKNOWN64: it is none
 * of glibc's, or not in use. */
uint64_t object_block(const struct memory *m, uint64_t address);

#endif
