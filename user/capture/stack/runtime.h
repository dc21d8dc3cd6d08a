/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * runtime.h - which processes run an interpreter, and which one.
 *
 * The symbols that a file exports show whether it holds an interpreter.  Each process that maps
 * such a file is entered into the kernel half's map, so that its stacks are walked as those of that
 * interpreter.  A new Python process is entered by a probe on the start of its interpreter.  The
 * functions here are for processes that run already, and for interpreters without such a probe.
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
/* Leaves the probes to reach, which removes them.  Accepts NULL. */
void runtimes_close(struct runtimes *r);

/* Looks for an interpreter in a file; call it once for each file.  True: the file has one, and
 * processes that map it are to be passed to runtimes_mapped. */
bool runtimes_file(struct runtimes *r, struct elf_file *elf, const struct library_file *file);
/* Was an interpreter found in this file? */
bool runtimes_has(const struct runtimes *r, uint64_t device, uint64_t inode);
/* Forgets a file that no process maps any more.  A file of runtimes_head_start stays while it
 * exists. */
void runtimes_gone(struct runtimes *r, uint64_t device, uint64_t inode);
/* Notes that a process maps a file, which may hold an interpreter. */
void runtimes_mapped(struct runtimes *r, const struct library_mapping *mapping);
/* Checks the latest mappings again; call it about once a second, or more often. */
void runtimes_step(struct runtimes *r, uint64_t now_ns);
/* Looks at the files where distributions keep interpreters, before any process maps them. */
void runtimes_head_start(struct runtimes *r);

/* Writes why the frames of a process that has an interpreter are not read: a clause such as "Python
 * 3.15: its version is not known".  False: nothing prevents reading them. */
bool runtimes_gap(const struct runtimes *r, uint32_t pid, char *text, size_t size);

/* The Python of raw_stack.row; NULL: there is no such row. */
const struct python_build *runtimes_python(const struct runtimes *r, uint32_t row);

#endif
