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

#define PRESENT_REQUESTS 256  /* of a process, in one look */
#define PRESENT_ASKED	 1024 /* descriptors, in one look */

/* A thread that slept at the last look. */
struct present_thread {
	struct ev_thread out; /* as told, or to be told once its stack has names */
	uint64_t start_ns, switches;
	uint64_t sample; /* of its stack */
	uint64_t look;	 /* the last one that found it so */
	uint32_t pid, tid, fd;
	bool python; /* its Python frames were read */
	bool due, told;
	struct present_thread *next_asking; /* during a look: those that wait on a descriptor */
};

/* A stack that was read, before its copy, struct raw_stack. */
struct present_read {
	struct present_read *next;
	struct raw_thread thread;
	bool python;
};

struct present_came {
	uint16_t port;
	uint64_t ns;
};

/* The requests that a process may have to answer, during a look. */
struct present_requests {
	uint8_t ports[65536 / 8]; /* where it listens */
	size_t count;
	struct present_came came[PRESENT_REQUESTS];
};

struct presents {
	struct kernel *kernel;
	struct kernel_threads *threads;
	struct readers *readers;
	const struct runtimes *runtimes; /* NULL: not known yet */
	struct presents_host host;
	struct table known;	/* struct present_thread by tid and start of the process */
	struct table answering; /* processes told to have requests; the value has no meaning */
	uint64_t due_ns, look;
	bool refused; /* by the kernel: no look can be had */
	/* during a look */
	struct present_process processes[THREAD_PROCESSES];
	struct present_requests *requests;
	size_t process_count;
	struct raw_thread *seen;
	size_t seen_count, seen_room;
	struct present_read *reads;
	struct present_thread *asking;
	uint64_t read_until_ns;
	size_t natives;
	bool left; /* threads were left for the next look */
	struct raw_stack *raw;
	struct python_thread *python; /* of the process looked at last */
	size_t python_count;
	uint32_t python_pid;
	uint64_t python_start_ns;
};

#endif
