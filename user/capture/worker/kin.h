/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kin.h - processor time of the processes that work for us.
 */
#ifndef DBLEAK_CAPTURE_KIN_H
#define DBLEAK_CAPTURE_KIN_H

#include <stdint.h>
#include <sys/types.h>

/* Of a process, of its children that live (where the kernel lists them), and of all that it has
 * waited for, in steps of the clock tick.  0 where it is gone, or pid is 0. */
uint64_t kin_cpu_ns(pid_t pid);

#endif
