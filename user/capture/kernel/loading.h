/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * loading.h - loads an object into the kernel in a thread of its own.
 *
 * So the caller does not wait for the verifier: a tenth of a second, on a busy machine several.
 *
 * libbpf lets only one thread at a time use an object.  Do not touch the object until loading_end.
 */
#ifndef DBLEAK_CAPTURE_LOADING_H
#define DBLEAK_CAPTURE_LOADING_H

#include <stdbool.h>

struct bpf_object;
struct loading;

/* The object is open and borrowed.  NULL: no thread could be started, so load it yourself. */
struct loading *loading_begin(struct bpf_object *object);
bool loading_is_done(const struct loading *l);
/* Waits for the end of the load.  0 or the -errno of the load. */
int loading_end(struct loading *l);

#endif
