/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_thread.h - reads which frames the threads of a Python process have now.
 *
 * The kernel half walks the frames of a thread that does something (bpf/stack/stack_python.bpf.c).
 * The same walk is done here, for threads that sleep, from the memory of the process.  A thread may
 * wake up meanwhile: the caller asks the kernel whether it ran, and then throws its frames away.
 */
#ifndef DBLEAK_CAPTURE_PYTHON_THREAD_H
#define DBLEAK_CAPTURE_PYTHON_THREAD_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/stack/raw_stack.h"
#include "user/capture/host/memory.h"
#include "user/capture/stack/python_build.h"

struct python_thread {
	uint64_t self;	/* address of the C library's data of the thread, as raw_thread.thread_at */
	uint64_t frame; /* its innermost frame; 0: it runs no Python code */
};

#define PYTHON_THREADS_MOST 4096

/* The frames of a thread, as python_thread_frames reads them. */
struct python_frames {
	int32_t result;
	uint32_t count, flags; /* 0 unless the result is 0 */
	uint32_t reserved;
	struct raw_frame frame[STACK_FRAMES];
};

#define PYTHON_FRAMES_MOST 32 /* threads whose frames are asked for together */

/* Lists the threads of all interpreters of a process.  runtime: the address of its _PyRuntime.
 * Returns how many, at most `most`; or -errno if nothing could be read. */
int python_threads(const struct memory *m, const struct python_row *row, uint64_t runtime,
		   struct python_thread *out, size_t most);
/* Writes the frames from this one outward into out->frame, with the checks of their code objects,
 * and sets out->count and EV_STACK_CUT.  Returns 0; -ENOENT: they run no Python code; or -errno. */
int python_thread_frames(const struct memory *m, const struct python_row *row, uint64_t runtime,
			 uint64_t frame, struct raw_stack *out);

/* Reads one frame, without the check of its code object; *back: the address of the frame outside
 * it.  0 or -errno. */
int python_frame_read(const struct memory *m, const struct python_row *row, uint64_t frame,
		      struct raw_frame *out, uint64_t *back);
/* Adds the check of the code object's identity, as the kernel half does.  The interpreter's own
 * frames have none.  0 or -errno. */
int python_frame_check(const struct memory *m, const struct python_row *row, struct raw_frame *f);

#endif
