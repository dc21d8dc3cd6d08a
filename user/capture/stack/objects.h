/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * objects.h - asks a sandboxed worker what objects in the memory of an interpreter say.
 *
 * The program chose the bytes, so a worker without rights parses them.  It reads no memory itself
 * but asks for it, and gets memory of that one process only.  Each answer is checked.  One question
 * has a limit of bytes and time, each process has a share of the time, and all have one together.
 *
 * A worker that is late, dies or sends nonsense is replaced.  A process that two workers failed on,
 * one after the other, is given up.  So are all for a while, if workers fail too often.
 */
#ifndef DBLEAK_CAPTURE_OBJECTS_H
#define DBLEAK_CAPTURE_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/stack/raw_stack.h"
#include "user/capture/host/memory.h"
#include "user/capture/stack/native/frame.h"
#include "user/capture/stack/python_object.h"
#include "user/capture/stack/python_task.h"
#include "user/capture/stack/python_thread.h"

struct nursery;
struct objects;
struct v8;

/* The nursery is borrowed.  The worker starts with the first question.  0 or -errno. */
int objects_open(struct objects **out, struct nursery *nursery);
/* Starts the worker now, so that the first question need not wait for that.  Does not block. */
void objects_prepare(struct objects *o);
/* Ends the worker.  Accepts NULL. */
void objects_close(struct objects *o);

/* The functions below that ask return -EBUSY: the process or all of them have used up their share
 * of time; -EDQUOT: the process is given up; -EIO: the worker failed now. */

/* As python_objects_read, which runs in the worker. */
int objects_python(struct objects *o, const struct python_code_layout *layout,
		   const struct python_process *process, const struct python_wanted *wanted,
		   size_t n, python_told_fn *fn, void *context);
/* As python_tasks_read, which runs in the worker; *dropped: tasks that are not told. */
int objects_tasks(struct objects *o, const struct python_build *build,
		  const struct python_process *process, struct python_tasks_at *at,
		  uint32_t *dropped, python_task_fn *fn, void *context);
/* As python_threads and, for n frames of threads, at most PYTHON_FRAMES_MOST, python_thread_frames,
 * which run in the worker. */
int objects_threads(struct objects *o, const struct python_row *row,
		    const struct python_process *process, uint64_t runtime,
		    struct python_thread *out, size_t most);
int objects_thread_frames(struct objects *o, const struct python_row *row,
			  const struct python_process *process, uint64_t runtime,
			  const uint64_t *frames, size_t n, struct python_frames *out);
/* As perl_read, php_read or, with v8, v8_read, which run in the worker. */
int objects_stack(struct objects *o, const struct raw_stack *raw, const struct v8 *v8,
		  struct texts *t, struct frame *frames, uint32_t *flags);

/* Questions about frames, of all processes so far, that one of these errors met. */
uint64_t objects_unread(const struct objects *o);

/* Writes why frames of a process are not read: a clause for EV_GAP.  False: they are. */
bool objects_gap(struct objects *o, uint32_t pid, uint64_t start_ns, char *text, size_t size);

#endif
