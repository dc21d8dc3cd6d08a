/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_skel.h - the loaded skeleton, for the files named kernel*.c and no other.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_SKEL_H
#define DBLEAK_CAPTURE_KERNEL_SKEL_H

#include "kernel.h"

struct dbleak;
struct bpf_link;

struct dbleak *kernel_skeleton(struct kernel *k);
/* Loads n programs in an object of their own, on the maps of the first; *more is NULL before, or was
 * loaded so before.  It goes with k.  0 or -errno, and *more NULL. */
int kernel_load_more(struct kernel *k, struct dbleak **more, const char *const *programs, size_t n);
/* Loads the programs that only some need.  0, also when that is done, or -errno. */
int kernel_load_late(struct kernel *k);
/* NULL: not loaded. */
struct dbleak *kernel_late(struct kernel *k);
/* Where the object with the allocator programs is, or will be. */
struct dbleak **kernel_heap_object(struct kernel *k);
/* Likewise, with that of client libraries' calls of it. */
struct dbleak **kernel_library_heap_object(struct kernel *k);
/* Reads an iterator to its end. */
int kernel_read_iterator(struct kernel *k, struct bpf_link *link, kernel_record_fn fn,
			 void *context);

/* The iterators over what client libraries handed out. */
enum kernel_sweep { SWEEP_SITES, SWEEP_LINKS, SWEEP_HANDLES, KERNEL_SWEEPS };
struct bpf_link *kernel_link(struct kernel *k, enum kernel_sweep which);

#endif
