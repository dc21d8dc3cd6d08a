/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_load.h - which programs are loaded, when, and in which object.
 *
 * All objects are the same skeleton on the same maps, each with some of its programs.  The first
 * two are loaded at the start, side by side where there are two processors; those that only some
 * need come later, in the background.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_LOAD_H
#define DBLEAK_CAPTURE_KERNEL_LOAD_H

#include <stdbool.h>
#include <stddef.h>

struct bpf_program;
struct dbleak;
struct loading;

#define LOADED_PARTS 2

/* What is loaded at the start. */
struct loaded {
	struct dbleak *maps; /* and on a single processor all programs; NULL: nothing is loaded */
	struct dbleak
		*parts[LOADED_PARTS]; /* the programs: maps itself, or on its maps; the rest NULL */
	const char *door;	      /* "tracepoints", "fexit" or "none" */
};

/* Sets sizes and constants before maps are made.  0 or -errno. */
typedef int loaded_fill_fn(struct dbleak *maps, void *context);

/* Tries each door to the sockets.  look_only: sweeps alone.  0 or -errno, and nothing loaded. */
int loaded_open(struct loaded *l, bool look_only, loaded_fill_fn *fill, void *context);
void loaded_close(struct loaded *l);
/* A program of the start by its name; NULL: not loaded. */
struct bpf_program *loaded_program(const struct loaded *l, const char *name);
/* The next of all programs that were loaded at the start; *part 0 and p NULL begin. */
struct bpf_program *loaded_next(const struct loaded *l, struct bpf_program *p, size_t *part);
/* Attaches those that see sockets and processes.  0 or -errno. */
int loaded_attach(const struct loaded *l);

/* Programs are told apart by what starts them. */
enum program_kind { PROGRAM_SOCKET, PROGRAM_LIFECYCLE, PROGRAM_SWEEP, PROGRAM_CLIENT };
enum program_kind program_kind(const struct bpf_program *p);

/* Programs that only some need. */
struct loaded_more {
	struct dbleak *skel; /* NULL: not loaded, or not yet */
	struct dbleak *coming;
	struct loading *loading;
};

/* Begins to load n programs in the background, unless that was done.  Errors wait for the next. */
void loaded_more_begin(struct loaded_more *m, const struct loaded *l, const char *const *programs,
		       size_t n);
/* The same without waiting: -EAGAIN they are not there yet. */
int loaded_more_try(struct loaded_more *m, const struct loaded *l, const char *const *programs,
		    size_t n);
/* Loads them, or waits until they are.  0 or -errno, and m->skel NULL. */
int loaded_more_wait(struct loaded_more *m, const struct loaded *l, const char *const *programs,
		     size_t n);
void loaded_more_close(struct loaded_more *m);

#endif
