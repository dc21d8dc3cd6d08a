/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * births.h - a thread that tells of each selected process as soon as it is made.
 *
 * A child that fork made runs at once, and its first calls are missed until it has probes of its
 * own. Whoever reads all records may be late by what else he does; this thread does nothing else.
 */
#ifndef DBLEAK_CAPTURE_BIRTHS_H
#define DBLEAK_CAPTURE_BIRTHS_H

#include "user/capture/kernel/kernel.h"

struct births;

/* Begins the thread, which calls fn for each process that was made, replaced or ended.  kernel is
 * borrowed and stays until births_close.  0 or -errno: there is no thread. */
int births_open(struct births **out, struct kernel *kernel, kernel_task_fn fn, void *context);
/* Waits until fn has returned.  Accepts NULL. */
void births_close(struct births *b);

#endif
