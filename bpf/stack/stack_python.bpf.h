/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_python.bpf.h - the walk over Python frames.
 */
#ifndef DBLEAK_STACK_PYTHON_BPF_H
#define DBLEAK_STACK_PYTHON_BPF_H

#include "bpf/stack/python.h"
#include "bpf/stack/stack_scratch.bpf.h"

#define PYTHON_UNKNOWN 1 /* no frame's address: it must be looked for */

/* The thread's innermost frame, by its own pointer to its state; 0 it has none. */
__u64 python_frame(__u64 runtime, __u32 index);
/* The same, by the interpreters' lists of threads. */
__u64 python_listed(__u64 runtime, __u32 index);
/* Frames from this one outward into the scratch; returns how many. */
__u32 python_frames(__u64 frame, __u32 index);
/* What they run is Python code. */
__u32 python_is_code(__u64 runtime, __u32 index);
/* Completes n frames that user space is to read: which objects their code is. */
__u32 python_checks(__u32 n, __u32 index);

/* Leaves the current thread's frames in the scratch, the innermost first, and says how many; 0 it
 * runs no Python code, or cannot be read.  runtime: the address of _PyRuntime; index: of its row.
 */
static __always_inline __u32 python_walk(__u64 runtime, __u32 index)
{
	__u64 frame = python_frame(runtime, index);

	if (frame == PYTHON_UNKNOWN)
		frame = python_listed(runtime, index);
	return frame ? python_frames(frame, index) : 0;
}

#endif
