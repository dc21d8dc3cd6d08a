/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kin.h - processor time of the processes that work for us.
 */
#ifndef DBLEAK_CAPTURE_KIN_H
#define DBLEAK_CAPTURE_KIN_H

#include <stdint.h>
#include <sys/types.h>

/* Sums a process, its living children (where the kernel lists them) and all children it has waited
 * for.  The resolution is the clock tick.  0: the process is gone, or pid is 0. */
uint64_t kin_cpu_ns(pid_t pid);

#endif
