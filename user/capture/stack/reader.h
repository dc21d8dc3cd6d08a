/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * reader.h - gives each sample of the kernel half to the reader of its run time, and turns the
 * named frames into records.
 */
#ifndef DBLEAK_CAPTURE_READER_H
#define DBLEAK_CAPTURE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/kernel/kernel.h"
#include "user/capture/stack/python_task.h"
#include "user/capture/stack/python_thread.h"

struct nursery;
struct python_process;
struct readers;
struct runtimes;

struct readers_host {
	void *context;
	/* Reports one record; the host sets its time. */
	void (*tell)(void *context, struct ev_head *record);
};

/* kernel and nursery are borrowed, host is copied.  0 or -errno. */
int readers_open(struct readers **out, struct kernel *kernel, struct nursery *nursery,
		 const struct readers_host *host);
/* Accepts NULL. */
void readers_close(struct readers *r);

/* Sets the list of known interpreters; borrowed.  Without it no Python stack is read. */
void readers_runtimes(struct readers *r, const struct runtimes *runtimes);

/* Readable when readers_step is due. */
int readers_fd(const struct readers *r);
/* Takes in the stacks that were named since the last call.  0 or -errno. */
int readers_step(struct readers *r);
/* Waits for the stacks that are still being named, at most timeout_ms. */
void readers_finish(struct readers *r, int timeout_ms);

/* Announces a process whose stacks are likely to come, so that its mappings are read while it
 * lives. */
void readers_process(struct readers *r, uint32_t pid, uint64_t start_ns);
/* Take a RAW_STACK or a RAW_EVIDENCE of the kernel half. */
void readers_stack(struct readers *r, const struct ev_head *record);
void readers_evidence(struct readers *r, const struct ev_head *record);
/* Gives a site its place: the stack of this sample, or, without one, the library's caller
 * (site->caller).  is_caller: that caller is a line of the program, since the program is not
 * interpreted. */
void readers_site(struct readers *r, const struct ev_site *site, uint64_t stack, bool is_caller);

/* Lists the threads of a Python process, and reads the frames of some; as objects_threads and
 * objects_thread_frames. */
int readers_threads(struct readers *r, const struct python_build *build,
		    const struct python_process *process, uint64_t runtime,
		    struct python_thread *out, size_t most);
int readers_thread_frames(struct readers *r, const struct python_build *build,
			  const struct python_process *process, uint64_t runtime,
			  const uint64_t *frames, size_t n, struct python_frames *out);
/* Reads the tasks of a Python process; as objects_tasks. */
int readers_tasks(struct readers *r, const struct python_build *build,
		  const struct python_process *process, struct python_tasks_at *at,
		  uint32_t *dropped, python_task_fn *fn, void *context);

/* Finds the EV_STACK of a sample; see stacks_told. */
int readers_reported(struct readers *r, uint64_t sample, uint64_t *stack);

/* Stacks that were lost: no room, no answer of a worker, or a share of time used up. */
uint64_t readers_lost(const struct readers *r);

#endif
