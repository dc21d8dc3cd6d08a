/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_load.h - decides which programs are loaded, when, and in which object.
 *
 * All objects come from the same skeleton and share the same maps; each has some of the programs.
 * The first two objects are loaded at the start, in parallel on two or more processors.  Programs
 * that only some hosts need come later, in the background.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_LOAD_H
#define DBLEAK_CAPTURE_KERNEL_LOAD_H

#include <stdbool.h>
#include <stddef.h>

struct bpf_program;
struct dbleak;
struct loading;

#define LOADED_PARTS 2

/* The objects of the start. */
struct loaded {
	struct dbleak *maps; /* also holds all programs on a single processor; NULL: not loaded */
	struct dbleak *parts[LOADED_PARTS]; /* objects with programs: `maps` alone, or two that
					       share its maps; unused: NULL */
	const char *door;		    /* "tracepoints", "fexit" or "none" */
};

/* Sets sizes and constants before the kernel creates the maps.  0 or -errno. */
typedef int loaded_fill_fn(struct dbleak *maps, void *context);

/* Loads the programs, with each door to the sockets in turn.  look_only: sweeps alone.  0, or
 * -errno with nothing loaded. */
int loaded_open(struct loaded *l, bool look_only, loaded_fill_fn *fill, void *context);
void loaded_close(struct loaded *l);
/* Finds a program of the start by its name; NULL: not loaded. */
struct bpf_program *loaded_program(const struct loaded *l, const char *name);
/* Returns the next program of the start.  Begin with *part 0 and p NULL. */
struct bpf_program *loaded_next(const struct loaded *l, struct bpf_program *p, size_t *part);
/* Attaches the programs that see sockets and processes.  0 or -errno. */
int loaded_attach(const struct loaded *l);

/* The kind of a program says what starts it. */
enum loaded_kind { PROGRAM_SOCKET, PROGRAM_LIFECYCLE, PROGRAM_SWEEP, PROGRAM_CLIENT };
enum loaded_kind program_kind(const struct bpf_program *p);

/* Programs that only some hosts need. */
struct loaded_more {
	struct dbleak *skel; /* NULL: not loaded, or not yet */
	struct dbleak *coming;
	struct loading *loading;
};

/* Begins to load n programs in the background, unless that was done.  The functions below return
 * its errors. */
void loaded_more_begin(struct loaded_more *m, const struct loaded *l, const char *const *programs,
		       size_t n);
/* Begins to load if need be, and does not wait.  0: loaded; -EAGAIN: not yet; or -errno. */
int loaded_more_try(struct loaded_more *m, const struct loaded *l, const char *const *programs,
		    size_t n);
/* Loads the programs, or waits until they are loaded.  0, or -errno with m->skel NULL. */
int loaded_more_wait(struct loaded_more *m, const struct loaded *l, const char *const *programs,
		     size_t n);
void loaded_more_close(struct loaded_more *m);

#endif
