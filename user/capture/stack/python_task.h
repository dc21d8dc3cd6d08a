/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_task.h - reads which tasks of asyncio a Python process has, and where each is suspended.
 *
 * An asyncio program has one thread, which sleeps in its event loop.  What waits are its tasks: a
 * coroutine that awaits another one, and so on, until one awaits a future.  SQLAlchemy runs its own
 * code in a greenlet between two of these coroutines; its frames belong to the chain, too.
 *
 * A worker without rights does this, while the process runs on.  A task that ran meanwhile may be
 * told wrongly: the caller asks the kernel whether the thread of its loop ran.
 */
#ifndef DBLEAK_CAPTURE_PYTHON_TASK_H
#define DBLEAK_CAPTURE_PYTHON_TASK_H

#include <stdint.h>

#include "bpf/stack/raw_stack.h"
#include "user/capture/host/memory.h"
#include "user/capture/stack/python_build.h"

#define PYTHON_TASKS_MOST 4096

/* A task that is suspended. */
struct python_task {
	uint64_t task;	   /* address */
	uint64_t loop;	   /* address of its event loop */
	uint64_t identity; /* hash of what it awaits and from where: while it waits on, the same */
	uint32_t count, flags;		      /* flags: EV_STACK_CUT */
	struct raw_frame frame[STACK_FRAMES]; /* the innermost first, with their checks */
};

/* Takes a task, which is valid during the call. */
typedef void python_task_fn(void *context, const struct python_task *task);

/* Where to look. */
struct python_tasks_at {
	uint64_t runtime; /* address of _PyRuntime */
	uint64_t stack;	  /* stack pointer of the thread of the event loop */
	uint64_t set; /* where the tasks were found before; 0 not known.  Is set to that place. */
};

struct python_tasks {
	size_t count;
	uint32_t dropped; /* tasks beyond those that are read; at least so many */
	struct python_task task[PYTHON_TASKS_MOST];
	/* while they are read */
	uint64_t found[PYTHON_TASKS_MOST]; /* references, then tasks */
	uint64_t inner[PYTHON_TASKS_MOST]; /* those that another task awaits */
	size_t found_count, inner_count;
};

/* m: of memory_pages_look, or any other.  Reads the suspended tasks of all event loops.  A task
 * that another one awaits is not told by itself: its frames are inside those of the other.  0;
 * -ENOENT: the process has no asyncio; -ENOTSUP: its version is not read; or -errno. */
int python_tasks_read(struct python_tasks *out, const struct memory *m,
		      const struct python_row *row, const struct python_code_layout *code,
		      const struct python_task_layout *layout, struct python_tasks_at *at);

#endif
