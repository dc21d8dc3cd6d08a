/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present_story.h - where threads are now, told as records.
 */
#ifndef PRESENT_STORY_H
#define PRESENT_STORY_H

#include "tests/unit/support/story.h"

/* The thread sleeps since then (seconds), for that, at that stack. */
static inline struct ev_thread asleep(uint32_t pid, uint32_t tid, double since, enum ev_wait wait,
				      uint64_t stack)
{
	return (struct ev_thread){
		.start_ns = process_start(pid),
		.stack = stack,
		.since_ns = (uint64_t)((int64_t)STORY_START + (int64_t)(since * 1e9)),
		.state = EV_THREAD_SLEEPS,
		.wait = wait,
		.pid = pid,
		.tid = tid};
}

static inline void sleeps(uint32_t pid, uint32_t tid, double since, enum ev_wait wait,
			  uint64_t stack)
{
	struct ev_thread t = asleep(pid, tid, since, wait, stack);

	story_tell(&t, EV_THREAD, sizeof(t));
}

static inline void moves(uint32_t pid, uint32_t tid)
{
	struct ev_thread t = asleep(pid, tid, 0, EV_WAIT_UNKNOWN, 0);

	t.state = EV_THREAD_MOVES;
	story_tell(&t, EV_THREAD, sizeof(t));
}

#define DIST "/usr/lib/python3/dist-packages/"
#define LIB  "/usr/lib/python3.11/"

/* In SQLAlchemy's QueuePool, from that line. */
static inline uint64_t in_queue_pool(uint32_t pid, uint32_t line)
{
	const struct place_reported frames[] = {
		{EV_LANG_PYTHON, "Condition.wait", LIB "threading.py", NULL, 320, 0, 0},
		{EV_LANG_PYTHON, "Queue.get", DIST "sqlalchemy/util/queue.py", NULL, 180, 0, 0},
		{EV_LANG_PYTHON, "QueuePool._do_get", DIST "sqlalchemy/pool/impl.py", NULL, 130, 0,
		 0},
		{EV_LANG_PYTHON, "Engine.connect", DIST "sqlalchemy/engine/base.py", NULL, 3325, 0,
		 0},
		{EV_LANG_PYTHON, "request", "/srv/shop/orders.py", NULL, line, 0, 0},
		{EV_LANG_PYTHON, "Thread._bootstrap", LIB "threading.py", NULL, 995, 0, 0},
	};

	return tell_stack(pid, frames, sizeof(frames) / sizeof(frames[0]));
}

/* In a queue of the language, from that line; flags: of its frame. */
static inline uint64_t in_queue(uint32_t pid, uint32_t line, uint32_t flags)
{
	const struct place_reported frames[] = {
		{EV_LANG_PYTHON, "Condition.wait", LIB "threading.py", NULL, 320, 0, 0},
		{EV_LANG_PYTHON, "Queue.get", LIB "queue.py", NULL, 171, 0, 0},
		{EV_LANG_PYTHON, "handle", "/srv/shop/home.py", NULL, line, 0, flags},
		{EV_LANG_PYTHON, "Thread._bootstrap", LIB "threading.py", NULL, 995, 0, 0},
	};

	return tell_stack(pid, frames, sizeof(frames) / sizeof(frames[0]));
}

/* A task in SQLAlchemy's pool of connections for asyncio, from that line. */
static inline uint64_t in_async_pool(uint32_t pid, uint32_t line)
{
	const struct place_reported frames[] = {
		{EV_LANG_PYTHON, "Queue.get", LIB "asyncio/queues.py", NULL, 158, 0, 0},
		{EV_LANG_PYTHON, "wait_for", LIB "asyncio/tasks.py", NULL, 466, 0, 0},
		{EV_LANG_PYTHON, "await_only", DIST "sqlalchemy/util/_concurrency_py3k.py", NULL,
		 68, 0, 0},
		{EV_LANG_PYTHON, "AsyncAdaptedQueue.get", DIST "sqlalchemy/util/queue.py", NULL,
		 278, 0, 0},
		{EV_LANG_PYTHON, "QueuePool._do_get", DIST "sqlalchemy/pool/impl.py", NULL, 124, 0,
		 0},
		{EV_LANG_PYTHON, "request", "/srv/shop/orders.py", NULL, line, 0, 0},
	};

	return tell_stack(pid, frames, sizeof(frames) / sizeof(frames[0]));
}

/* A task that waits in that function of asyncio, called by that one of the pool, from that line. */
static inline uint64_t in_asyncio(uint32_t pid, const char *waits, const char *file,
				  const char *pool, const char *pool_file, uint32_t line,
				  uint32_t flags)
{
	const struct place_reported frames[] = {
		{EV_LANG_PYTHON, waits, file, NULL, 158, 0, 0},
		{EV_LANG_PYTHON, pool, pool_file, NULL, 24, 0, 0},
		{EV_LANG_PYTHON, "request", "/srv/shop/orders.py", NULL, line, 0, flags},
	};

	return tell_stack(pid, frames, sizeof(frames) / sizeof(frames[0]));
}

#undef DIST
#undef LIB

#endif
