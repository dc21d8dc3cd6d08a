/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * runtime.h - which processes run interpreted code, and who interprets it.
 *
 * Files that hold an interpreter are told apart by what they export; each process that maps one is
 * entered into the kernel half's map, so that its stacks are walked as that interpreter's.  A
 * Python is entered by its own first instructions; the rest here is for those that run already,
 * and for interpreters without such a place.
 */
#ifndef DBLEAK_CAPTURE_RUNTIME_H
#define DBLEAK_CAPTURE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/capture/elf/elf.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/host/library.h"
#include "user/capture/host/procfs.h"
#include "user/capture/stack/python_build.h"

struct reach;
struct runtimes;

/* All are borrowed.  0 or -errno. */
int runtimes_open(struct runtimes **out, struct kernel *kernel, const struct procfs *procfs,
		  struct reach *reach);
/* The probes are reach's to take out.  Accepts NULL. */
void runtimes_close(struct runtimes *r);

/* Looks for an interpreter in a file, once.  True: it has one, and whoever maps it is of interest.
 */
bool runtimes_file(struct runtimes *r, struct elf_file *elf, const struct library_file *file);
/* Has it one, as far as that was looked for? */
bool runtimes_has(const struct runtimes *r, uint64_t device, uint64_t inode);
/* Nobody maps the file any more: it is let go of. */
void runtimes_gone(struct runtimes *r, uint64_t device, uint64_t inode);
/* A process maps a file, which may have one. */
void runtimes_mapped(struct runtimes *r, const struct library_mapping *mapping);
/* Looks again at what was mapped lately; to be called about once a second, or more often. */
void runtimes_step(struct runtimes *r, uint64_t now_ns);
/* Files where distributions keep interpreters, before anybody maps them. */
void runtimes_head_start(struct runtimes *r);

/* Why the frames of this process, which has an interpreter, are not read: a clause such as "Python
 * 3.15: its version is not known".  False: nothing hinders. */
bool runtimes_gap(const struct runtimes *r, uint32_t pid, char *text, size_t size);

/* The Python of raw_stack.row; NULL: there is no such row. */
const struct python_build *runtimes_python(const struct runtimes *r, uint32_t row);

#endif
