/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_python.bpf.h - the walk over Python frames.
 */
#ifndef DBLEAK_STACK_PYTHON_BPF_H
#define DBLEAK_STACK_PYTHON_BPF_H

#include "bpf/stack/python.h"
#include "bpf/stack/stack_scratch.bpf.h"

#define PYTHON_UNKNOWN 1 /* not a frame's address: search the lists of threads */

/* Returns the thread's innermost frame, found by its thread-local key; 0: none; PYTHON_UNKNOWN: not
 * found so. */
__u64 python_frame(__u64 runtime, __u32 index);
/* The same, found in the interpreters' lists of threads. */
__u64 python_listed(__u64 runtime, __u32 index);
/* Writes the frames from this one outward into the scratch.  Returns how many. */
__u32 python_frames(__u64 frame, __u32 index);
/* Do the frames in the scratch run Python code? */
__u32 python_is_code(__u64 runtime, __u32 index);
/* Adds the checks of code objects to n frames, for user space. */
__u32 python_checks(__u32 n, __u32 index);

/* Writes the current thread's frames into the scratch, the innermost first.  Returns how many; 0:
 * the thread runs no Python code, or cannot be read.  runtime: the address of _PyRuntime; index: of
 * its row. */
static __always_inline __u32 python_walk(__u64 runtime, __u32 index)
{
	__u64 frame = python_frame(runtime, index);

	if (frame == PYTHON_UNKNOWN)
		frame = python_listed(runtime, index);
	return frame ? python_frames(frame, index) : 0;
}

#endif
