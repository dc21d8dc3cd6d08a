/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * process_entry.h - removes entries of maps by pid, whose values begin with a process's start time.
 */
#ifndef DBLEAK_CAPTURE_PROCESS_ENTRY_H
#define DBLEAK_CAPTURE_PROCESS_ENTRY_H

#include <stdint.h>

/* Removes a process's entry unless another process has its pid by now, whose entry stays.  room: of
 * a value's size, and overwritten.  0 or -errno; -ENOENT: it had none, or has none any more. */
int process_entry_forget(int map, uint32_t pid, uint64_t start_ns, void *room);

#endif
