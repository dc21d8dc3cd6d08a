/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present_task.h - where the tasks of asyncio of a process are now, for present.c.
 *
 * Each is reported as EV_THREAD, as a thread is, with EV_WAIT_TASK.  No object tells since when a
 * task waits.  It is sure since the thread of its event loop ran last.  Else it is said since when
 * each look has found it there: whether it went and came back in between cannot be known, because
 * an allocator gives new objects the addresses of old ones.
 */
#ifndef DBLEAK_CAPTURE_PRESENT_TASK_H
#define DBLEAK_CAPTURE_PRESENT_TASK_H

#include <stdbool.h>

#include "user/capture/stack/present_state.h"

/* Does the thread sleep as one that runs an event loop? */
bool present_is_loop(const struct raw_thread *t);
/* Looks at the tasks of that thread's process, once for each look.  k: the thread as it is known,
 * if it has slept since the last look; NULL: it has run. */
void present_tasks_look(struct presents *p, struct present_thread *k, const struct raw_thread *t,
			const struct runtime_process *runtime);
/* Before a task is forgotten that no look has found again: does it stay because nothing has moved,
 * or because it could not be looked for? */
void present_task_stay(struct presents *p, struct present_thread *k);
/* Takes a task that was read.  slept: the thread of its event loop slept all the time. */
void present_task_believe(struct presents *p, const struct present_read *r, bool slept);

#endif
