/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present_state.h - what is kept of the threads that sleep, for present.c and its test.
 */
#ifndef DBLEAK_CAPTURE_PRESENT_STATE_H
#define DBLEAK_CAPTURE_PRESENT_STATE_H

#include "bpf/stack/raw_thread.h"
#include "user/base/table.h"
#include "user/capture/stack/present.h"
#include "user/capture/stack/python_thread.h"

#define PRESENT_REQUESTS 256 /* of a process, in one look */
#define PRESENT_CALLS	 256
#define PRESENT_ASKED	 1024 /* descriptors, in one look */

/* A thread that slept at the last look, or a task of an event loop that was suspended. */
struct present_thread {
	struct ev_thread out; /* as told, or to be told once its stack has names */
	uint64_t start_ns;
	uint64_t switches; /* of a task: what it awaits, and from where (python_task.identity) */
	uint64_t sample;   /* of its stack */
	uint64_t look;	   /* the last one that found it so */
	uint32_t pid, tid, fd;
	bool python; /* its Python frames were read */
	bool due, told;
	bool listed;   /* of the thread of an event loop: its tasks were read in this sleep */
	uint32_t loop; /* of a task: the thread of its event loop; 0: a thread */
	bool doubtful; /* of a task: told once it is found unchanged */
	struct present_thread *next_asking; /* during a look: those that wait on a descriptor */
};

/* A stack that was read, before its copy, struct raw_stack. */
struct present_read {
	struct present_read *next;
	struct raw_thread thread;
	struct raw_thread loop; /* of a task: the thread of its event loop; tid 0: a thread */
	bool python;
	bool alone; /* of a task: no other thread can be that of its event loop */
	bool whole; /* of a task: all tasks were read */
};

/* The tasks of a process. */
struct present_tasks {
	uint64_t set;	 /* as in python_tasks_at */
	uint64_t look;	 /* the last one that asked, */
	uint64_t slept;	 /* that found the thread of the event loop asleep since the one before, */
	uint64_t blind;	 /* and in which not all could be read */
	uint32_t loop;	 /* that thread */
	uint32_t misses; /* how often in a row not all could be read */
	uint64_t wait;	 /* looks until the next one that asks; grows while there are no tasks */
	bool gap;	 /* told that some are not read */
};

struct present_came {
	uint64_t ns;
	uint16_t port;
	bool mute; /* its socket has never sent anything */
};

struct present_call {
	uint64_t id; /* of its socket */
	uint64_t ns; /* when it sent last; UNKNOWN64: it connects yet */
	uint16_t port;
};

/* The requests that a process may have to answer, during a look. */
struct present_requests {
	uint8_t ports[65536 / 8]; /* where it listens */
	size_t count;
	struct present_came came[PRESENT_REQUESTS];
	size_t call_count;
	struct present_call calls[PRESENT_CALLS]; /* sockets that sent something, with no answer */
};

struct presents {
	struct kernel *kernel;
	struct kernel_threads *threads;
	struct readers *readers;
	const struct runtimes *runtimes; /* NULL: not known yet */
	struct presents_host host;
	struct table known;	/* struct present_thread by tid and start of the process */
	struct table tasks;	/* struct present_tasks by pid and start of the process */
	struct table answering; /* processes told to have requests; the value has no meaning */
	uint64_t due_ns, look;
	bool refused; /* by the kernel: no look can be had */
	/* during a look */
	struct present_process processes[THREAD_PROCESSES];
	struct present_requests *requests;
	size_t process_count;
	struct raw_thread *seen;
	size_t seen_count, seen_room;
	struct present_read *reads, **reads_end; /* in the order in which they were read */
	struct present_thread *asking;
	uint64_t read_until_ns;
	size_t natives;
	bool left; /* threads were left for the next look */
	struct raw_stack *raw;
	struct python_thread *python; /* of the process looked at last */
	size_t python_count;
	int python_err; /* of their list */
	uint32_t python_pid;
	uint64_t python_start_ns;
	uint64_t ahead_at[PYTHON_FRAMES_MOST];		/* innermost frames of its threads, */
	struct python_frames ahead[PYTHON_FRAMES_MOST]; /* and what was read of them */
	size_t ahead_count;
};

/* For present_task.c. */

/* The entry of a thread or a task, which is added; NULL: no memory. */
struct present_thread *present_known(struct presents *p, const struct raw_thread *t);
/* Begins the sample in p->raw, and ends it once its frames are there. */
void present_raw_begin(struct presents *p, const struct raw_thread *t, uint16_t runtime);
void present_raw_end(struct presents *p);
/* Keeps a copy of what was read until the kernel has said that the thread did not run; NULL: no
 * memory. */
struct present_read *present_keep(struct presents *p, const struct raw_thread *t, bool python);
/* Reports that it is not known any more where the thread or the task is. */
void present_moves(struct presents *p, struct present_thread *k);

#endif
