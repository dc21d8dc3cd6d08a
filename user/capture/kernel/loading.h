/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * loading.h - loads an object into the kernel in a thread of its own, so that nobody waits for the
 * verifier: a tenth of a second, and several on a busy machine.
 *
 * libbpf lets one thread at a time use an object: until loading_end it is the thread's alone.
 */
#ifndef DBLEAK_CAPTURE_LOADING_H
#define DBLEAK_CAPTURE_LOADING_H

#include <stdbool.h>

struct bpf_object;
struct loading;

/* The object is open and borrowed.  NULL: there is no thread to be had, load it yourself. */
struct loading *loading_begin(struct bpf_object *object);
bool loading_is_done(const struct loading *l);
/* Waits until it is done.  0 or the -errno of the load. */
int loading_end(struct loading *l);

#endif
