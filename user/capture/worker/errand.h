/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * errand.h - the two things that take CAP_SYS_ADMIN, done by a small child all along a watch.
 *
 * It opens what we name by a number and hands over the descriptor; no other bpf(2) call is left to
 * it, and no file to write.  So we can give that capability up.
 */
#ifndef DBLEAK_CAPTURE_ERRAND_H
#define DBLEAK_CAPTURE_ERRAND_H

#include <stdint.h>

struct errands;

/* NULL: cannot be had, or is of no use for want of rights.  The child ends with us. */
struct errands *errands_open(void);
/* Accepts NULL. */
void errands_close(struct errands *e);

/* With NULL in place of a child we try ourselves. */

/* Counting the run time of programs costs each run a little, so it is on for short times only:
 * until this descriptor is closed.  Or -errno. */
int errand_clock(struct errands *e);
/* /proc/PID/pagemap that shows the numbers of page frames.  Or -errno. */
int errand_pagemap(struct errands *e, uint32_t pid);

#endif
