/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * native.h - native stacks, copied by the kernel half, unwound and named.
 *
 * The work is done in a process of its own, because the files that it must read belong to whoever
 * runs the watched programs: it has no rights at all (cage.h), little memory, little time for each
 * file, and may die.  Then another takes its place, and a file that is to blame is not read again.
 * Nothing here waits, but for native_flush.
 */
#ifndef DBLEAK_CAPTURE_NATIVE_H
#define DBLEAK_CAPTURE_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/stack/raw_stack.h"
#include "user/capture/stack/native/frame.h"

struct native;
struct nursery;

/* A stack, or the caller of a library, as it was asked for. */
struct native_answer {
	uint64_t id;	   /* as asked */
	uint64_t start_ns; /* of the process */
	uint64_t key;	   /* equal lists of frames, equal keys: also of other processes; never 0 */
	uint32_t pid;
	uint32_t flags;		    /* enum ev_stack_flag */
	const struct frame *frames; /* the innermost first; texts of one fit in ev_frame.text */
	size_t count;	    /* at most EV_STACK_FRAMES; 0: nothing is known of it, or lost */
	uint64_t shape_key; /* as in raw_stack.shape */
	const struct stack_shape *shape; /* where its return addresses lay; NULL not known */
};

/* Frames are the reader's own, valid during the call.  Must not call native_*. */
typedef void (*native_fn)(void *context, const struct native_answer *answer);

struct native_counts {
	uint64_t asked, answered;
	uint64_t lost;	   /* asked, and refused for want of room or answered with no frame, for the
			    * worker died or was late */
	uint64_t deaths;   /* of workers */
	uint64_t given_up; /* files that are not read any more, for what they did to workers */
	uint64_t cpu_ns;   /* processor time of all workers */
	uint64_t rss_bytes; /* of the worker at work; 0 none */
};

/* Starts the worker, as NURSERY_NATIVE of a nursery, which is borrowed.  0 or -errno. */
int native_open(struct native **out, struct nursery *nursery);
/* Ends the worker; what was not answered is not told. */
void native_close(struct native *n);

/* Readable when native_step is due, for poll(2) and epoll; the same until native_close. */
int native_fd(const struct native *n);

/* Asks for a stack: of a raw_stack with RUNTIME_NATIVE.  0; -EAGAIN it is lost and counted. */
int native_stack(struct native *n, const struct raw_stack *raw);
/* Asks who the caller of a library is: address is what its call returns to.  The answer has one
 * place, with what was inlined there, and EV_STACK_CALLER.  0; -EAGAIN it is lost and counted. */
int native_caller(struct native *n, uint64_t id, uint32_t pid, uint64_t start_ns, uint64_t address);
/* This process will have stacks: what it maps is looked at while it lives.  Optional, and cheap
 * when said again; best said once a process has loaded its libraries. */
void native_process(struct native *n, uint32_t pid, uint64_t start_ns);

/* Hands out what has been answered, at most some hundreds; the descriptor stays readable if there
 * is more.  Returns how many, or -errno. */
int native_step(struct native *n, native_fn fn, void *context);
/* Hands out all that is still to come, but waits no longer than so; what is late then is lost.
 * Returns how many answers were in time, or -errno. */
int native_flush(struct native *n, int timeout_ms, native_fn fn, void *context);

struct native_counts native_counts(const struct native *n);

#endif
