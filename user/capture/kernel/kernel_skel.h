/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_skel.h - the loaded skeleton, for the files kernel*.c only.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_SKEL_H
#define DBLEAK_CAPTURE_KERNEL_SKEL_H

struct dbleak;
struct bpf_link;
struct bpf_program;
struct ev_head;
struct kernel;

/* The skeleton, for its maps, .bss and .data.  For programs, call kernel_program. */
struct dbleak *kernel_skeleton(struct kernel *k);
/* A program of the start by its name; NULL: not loaded at the start. */
struct bpf_program *kernel_program(struct kernel *k, const char *name);

/* Programs that only some hosts need.  Each is in an object of its own, loaded in the background.
 */
enum kernel_more {
	MORE_TLS,
	MORE_GROWTH,
	MORE_POOLS,
	MORE_COLLECTIONS,
	MORE_LIBRARY_HEAP,
	MORE_HEAP_SESSION, /* a single program for entry and return, if the kernel has sessions */
	MORE_HEAP_PAIR,	   /* otherwise a program for each */
	MORE_THREADS,
	KERNEL_MORE
};

/* Begins to load the programs, unless that was done. */
void kernel_more_begin(struct kernel *k, enum kernel_more which);
/* 0: loaded; -EAGAIN: not yet; or the -errno of the load. */
int kernel_more_try(struct kernel *k, enum kernel_more which);
/* Waits until the programs are loaded.  0 or -errno. */
int kernel_more_wait(struct kernel *k, enum kernel_more which);
/* The object with these programs; NULL: not loaded, or not yet. */
struct dbleak *kernel_more(struct kernel *k, enum kernel_more which);

/* Maps whose changed elements a sweep hands over. */
enum kernel_sweep { SWEEP_STATEMENTS, SWEEP_SITES, SWEEP_LINKS, SWEEP_HANDLES, KERNEL_SWEEPS };
/* Hands over the changes of a map, by an iterator or, if the kernel refuses those, by a walk. */
int kernel_sweep_map(struct kernel *k, enum kernel_sweep which,
		     void (*fn)(void *context, const struct ev_head *record), void *context);

#endif
