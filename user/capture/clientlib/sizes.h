/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sizes.h - the memory behind the objects of client libraries that are reported one by one.
 *
 * An object is read when it is reported.  It is read again, ever more rarely, as long as it may
 * change: a result that is still being filled, a connection whose buffers grow.  A change is
 * reported again.  Reading costs the watched program nothing.  A worker does it (size_reader.h),
 * and is asked about many objects at once.
 */
#ifndef DBLEAK_CAPTURE_SIZES_H
#define DBLEAK_CAPTURE_SIZES_H

#include "bpf/clientlib/client.h"
#include "user/capture/clientlib/object_size.h"
#include "user/capture/clientlib/sqlite_cache.h"

#define SIZES_READ_MOST 256 /* objects */

struct client_host;
struct nursery;
struct sizes;

/* An object that is about to be reported. */
struct sizing {
	struct ev_handle *ev; /* its bytes are filled in, and its rows where they can be read */
	const struct object_fields *fields;
	const char *object; /* its name in the probe table */
};

/* Both are borrowed.  0 or -ENOMEM. */
int sizes_open(struct sizes **out, struct nursery *nursery, const struct client_host *host);
/* Accepts NULL. */
void sizes_close(struct sizes *s);

/* Objects are about to come: starts the worker, without waiting for it. */
void sizes_prepare(struct sizes *s);
/* Reads n objects, at most SIZES_READ_MOST.  One that nobody could read now, because its turn did
 * not come or a worker failed, has UNKNOWN64 bytes, and is reported again once it was read. */
void sizes_read(struct sizes *s, const struct sizing *each, size_t n);
/* KiB that SQLite itself may hold for a connection, as sqlite_cache_kib.  UNKNOWN32 also if nobody
 * could read that now, which is reported. */
uint32_t sizes_sqlite_cache(struct sizes *s, uint32_t pid, uint64_t start_ns,
			    const struct sqlite_cache_wanted *wanted);
/* The object is gone. */
void sizes_forget(struct sizes *s, const struct handle_key *key);
/* Reads the objects again whose turn it is. */
void sizes_sweep(struct sizes *s, uint64_t now_ns);
/* No sweep comes any more: reports which processes have objects that nobody could read so far. */
void sizes_end(struct sizes *s);

#endif
