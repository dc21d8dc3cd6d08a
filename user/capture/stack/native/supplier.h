/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * supplier.h - opens files for a worker, if they are files that such a worker may need.
 *
 * A worker may ask only about processes that were named to it.  It gets the files they map as code,
 * debug information below the folders for it or beside such a file, and perf's map.  All are
 * regular files: each is opened by path first, and for reading only when it turned out to be one.
 */
#ifndef DBLEAK_CAPTURE_SUPPLIER_H
#define DBLEAK_CAPTURE_SUPPLIER_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/worker/nursery.h"
#include "user/capture/stack/native/supply_wire.h"

struct supplier;

/* 0 or -errno. */
int supplier_open(struct supplier **out);
void supplier_close(struct supplier *s);

/* Lets the worker ask about this process from now on. */
void supplier_name(struct supplier *s, uint32_t pid, uint64_t start_ns);
/* Has this worker got that file of a process to read? */
bool supplier_gave(const struct supplier *s, uint64_t device, uint64_t inode);
/* Forgets all processes that were named and files that were given, since another worker starts. */
void supplier_forget(struct supplier *s);
/* Answers the worker's requests.  0, or -errno: the worker is gone, or sends nonsense. */
int supplier_step(struct supplier *s, struct nursling *worker);
/* Did the last step answer anything? */
bool supplier_is_asked(const struct supplier *s);

#endif
