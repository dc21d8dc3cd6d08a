/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_object.h - reads code objects from the memory of a Python process.
 *
 * While dbleak traces, a worker without rights does this (object_worker.c).  Only code objects,
 * strings and line tables of Python itself are believed.
 */
#ifndef DBLEAK_CAPTURE_PYTHON_OBJECT_H
#define DBLEAK_CAPTURE_PYTHON_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "user/capture/stack/python_build.h"

#define PYTHON_LINES_MOST 65536 /* bytes of one table */
#define PYTHON_SPANS_MOST (PYTHON_LINES_MOST / 2)
/* Bytes of one string, so that two fit a record. */
#define PYTHON_TEXT_MOST (EV_FRAME_TEXT_LEN / 2 - 1)

/* A code object that ran: its address, and the check of its identity (python.h of the kernel half).
 */
struct python_wanted {
	uint64_t code;
	uint32_t check, reserved;
};

/* The contents of a code object. */
struct python_told {
	const char *function, *file; /* at most PYTHON_TEXT_MOST bytes, UTF-8 */
	const struct python_span *spans;
	size_t span_count;
	uint32_t first_line;
};

/* Takes the code object wanted[i].  All of it is valid during the call. */
typedef void python_told_fn(void *context, size_t i, const struct python_told *told);

struct python_process {
	uint64_t start_ns;
	uint32_t pid;
};

struct python_objects;

/* Buffers, for the life of the worker: its end frees them.  0 or -ENOMEM. */
int python_objects_open(struct python_objects **out);

/* Reads at most STACK_FRAMES code objects, and tells each that can be read whole and is the one
 * wanted.  0, or -errno: the process's memory cannot be read. */
int python_objects_read(struct python_objects *o, const struct python_code_layout *layout,
			const struct python_process *process, const struct python_wanted *wanted,
			size_t n, python_told_fn *fn, void *context);

#endif
