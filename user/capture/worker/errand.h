/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * errand.h - a small child process does the two things that need CAP_SYS_ADMIN during a watch.
 *
 * The child takes a number as its order, opens what that number stands for and hands over the
 * descriptor.  Its filter allows no other bpf(2) call and no file to write.  So dbleak itself can
 * give up that capability.
 */
#ifndef DBLEAK_CAPTURE_ERRAND_H
#define DBLEAK_CAPTURE_ERRAND_H

#include <stdint.h>

struct errands;

/* NULL: no child could be started, or dbleak lacks the rights that the child is for.  The child
 * ends with us. */
struct errands *errands_open(void);
/* Accepts NULL. */
void errands_close(struct errands *e);

/* Without a child (NULL) both calls below try it in this process. */

/* Turns the counting of BPF programs' run time on until the returned descriptor is closed, or
 * returns -errno.  Close it soon: counting makes each run of a program slower. */
int errand_clock(struct errands *e);
/* Opens a /proc/PID/pagemap that shows page frame numbers.  A descriptor or -errno. */
int errand_pagemap(struct errands *e, uint32_t pid);

#endif
