/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * size_reader.h - asks a worker without rights how many bytes objects of client libraries hold.
 *
 * An object's structures lie in memory that its program chose, so dbleak follows none of them: see
 * host/parser.h.  Of an answer only numbers are kept that an object can have.
 */
#ifndef DBLEAK_CAPTURE_SIZE_READER_H
#define DBLEAK_CAPTURE_SIZE_READER_H

#include "user/capture/clientlib/object_size.h"
#include "user/capture/clientlib/sqlite_cache.h"
#include "user/capture/host/parser.h"

/* The nursery is borrowed; parser_close closes it.  0 or -errno. */
int size_reader_open(struct parser **out, struct nursery *nursery);

/* Asks about n objects of one process, at least one, and at most SIZES_MOST.  Returns of how many,
 * from the first on, `out` has the sizes now: the others are for another question.  Or -errno, as
 * parser_ask. */
int size_reader_ask(struct parser *p, uint32_t pid, uint64_t start_ns,
		    const struct object_wanted *wanted, size_t n, struct object_size *out);

/* Asks what SQLite may hold for a connection.  0, and *kib as sqlite_cache_kib returns it; or
 * -errno, as parser_ask. */
int size_reader_cache(struct parser *p, uint32_t pid, uint64_t start_ns,
		      const struct sqlite_cache_wanted *wanted, uint32_t *kib);

/* Writes why sizes of objects of a process are missing: a clause for EV_GAP.  False: they are not.
 */
bool size_reader_gap(struct parser *p, uint32_t pid, uint64_t start_ns, char *text, size_t size);

#endif
