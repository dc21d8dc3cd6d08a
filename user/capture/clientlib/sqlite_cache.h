/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite_cache.h - how much of its process's memory SQLite itself may hold for a connection.
 */
#ifndef DBLEAK_CAPTURE_SQLITE_CACHE_H
#define DBLEAK_CAPTURE_SQLITE_CACHE_H

#include <stdint.h>

#include "user/capture/host/memory.h"
#include "user/capture/probe/probe_point.h"

#define SQLITE_CACHE_LEAST 2000 /* KiB, for any database: sorting may need so much */

struct sqlite_cache_wanted {
	uint64_t connection;
	struct probe_field autocommit; /* where it lies in the connection */
	uint64_t file_bytes; /* of its main file and log, which bounds the pages; UNKNOWN64 */
};

/* KiB that the library may hold to keep pages and to sort, at least SQLITE_CACHE_LEAST.  UNKNOWN32:
 * without bound, or not known.  While dbleak traces, a worker without rights does this
 * (size_worker.c). */
uint32_t sqlite_cache_kib(const struct memory *m, const struct sqlite_cache_wanted *wanted);

#endif
