/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * supplier.h - opens what a worker asks for, if it is what such a worker may need.
 *
 * That is: of processes that it was told of, files they map as code, debug information below the
 * folders for it or beside such a file, and perf's map; all of them regular files, opened by path
 * first and for reading only when they have turned out to be such.
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

/* A worker may ask about this process from now on. */
void supplier_name(struct supplier *s, uint32_t pid, uint64_t start_ns);
/* Another worker: nobody was named to it yet. */
void supplier_forget(struct supplier *s);
/* Answers what the worker has asked.  0, or -errno: the worker is gone, or asks nonsense. */
int supplier_step(struct supplier *s, struct nursling *worker);
/* Did the last step answer anything? */
bool supplier_is_asked(const struct supplier *s);

#endif
