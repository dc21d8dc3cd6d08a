/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_skel.h - the loaded skeleton, for the files named kernel*.c and no other.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_SKEL_H
#define DBLEAK_CAPTURE_KERNEL_SKEL_H

struct dbleak;
struct bpf_link;
struct bpf_program;
struct ev_head;
struct kernel;

/* Its maps, .bss and .data; no programs: ask for those by name. */
struct dbleak *kernel_skeleton(struct kernel *k);
/* NULL: not among those loaded at the start. */
struct bpf_program *kernel_program(struct kernel *k, const char *name);

/* Programs that only some need: each is an object of its own, loaded in the background. */
enum kernel_more {
	MORE_TLS,
	MORE_GROWTH,
	MORE_POOLS,
	MORE_LIBRARY_HEAP,
	MORE_HEAP_SESSION, /* one program for both ends of a call, where the kernel has that */
	MORE_HEAP_PAIR,	   /* else one for each */
	KERNEL_MORE
};

/* Begins to load them, unless that was done. */
void kernel_more_begin(struct kernel *k, enum kernel_more which);
/* 0 they are loaded, -EAGAIN not yet, or the kernel's refusal. */
int kernel_more_try(struct kernel *k, enum kernel_more which);
/* Waits until they are.  0 or -errno. */
int kernel_more_wait(struct kernel *k, enum kernel_more which);
/* NULL: not loaded, or not yet. */
struct dbleak *kernel_more(struct kernel *k, enum kernel_more which);

/* Maps whose news a program of ours tells. */
enum kernel_sweep { SWEEP_STATEMENTS, SWEEP_SITES, SWEEP_LINKS, SWEEP_HANDLES, KERNEL_SWEEPS };
/* Hands over what is new in a map: by an iterator, or by a walk where the kernel refuses one. */
int kernel_sweep_map(struct kernel *k, enum kernel_sweep which,
		     void (*fn)(void *context, const struct ev_head *record), void *context);

#endif
