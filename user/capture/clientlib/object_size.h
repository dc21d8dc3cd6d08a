/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * object_size.h - how much memory an object of a client library holds, read from the object itself.
 *
 * No value is trusted: a library's structures differ from version to version, and an object may
 * change or be freed while it is read.  Every check must agree, or the size is "not known".  A
 * wrong figure is never reported.
 */
#ifndef DBLEAK_CAPTURE_OBJECT_SIZE_H
#define DBLEAK_CAPTURE_OBJECT_SIZE_H

#include <stdint.h>

#include "user/capture/host/memory.h"
#include "user/capture/probe/probe_point.h"

/* The fields that the library's own accessor functions read; size 0: not known. */
struct object_fields {
	struct probe_field memory; /* PQresultMemorySize */
	struct probe_field rows;   /* PQntuples */
};

/* An object whose size is wanted. */
struct object_wanted {
	struct object_fields fields;
	uint64_t address;
	uint64_t parent; /* its connection; 0: not known */
	uint32_t kind;	 /* of object_kind */
	uint32_t reserved;
};

#define OBJECT_BYTES_MOST (1ULL << 40)
#define OBJECT_ROW_LEAST  8 /* bytes: each row has a pointer */

struct object_size {
	uint64_t bytes; /* given back when it is freed; OBJECT_BYTES_MOST at most, or UNKNOWN64 */
	uint64_t rows;	/* that fit into those bytes; UNKNOWN64 */
};

#define OBJECT_UNSIZED UINT32_MAX

/* The number of a kind of objects, by its name in the probe table ("PGresult").  OBJECT_UNSIZED:
 * nobody can tell the size of such an object.  object may be NULL. */
uint32_t object_kind(const char *object);

/* While dbleak traces, a worker without rights does this (size_worker.c). */
struct object_size object_size(const struct memory *m, const struct object_wanted *wanted);

/* Bytes of glibc's heap that the block at this address takes, its head included.  UNKNOWN64: it is
 * not a block of glibc, or not in use. */
uint64_t object_block(const struct memory *m, uint64_t address);

#endif
