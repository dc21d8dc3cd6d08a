/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * native.h - unwinds and names native stacks that the kernel half copied.
 *
 * A worker process does it, because the files to be read belong to the users of the watched
 * programs and may be hostile.  The worker has no rights at all (cage.h), little memory, little
 * time for each file, and may die.  Then another takes its place, and a file that is to blame is
 * not read again.  Only native_flush waits.
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

/* The answer to native_stack or native_caller. */
struct native_answer {
	uint64_t id;	   /* as asked */
	uint64_t start_ns; /* of the process */
	uint64_t key;	   /* equal for equal lists of frames, also of other processes; never 0 */
	uint32_t pid;
	uint32_t flags;		    /* enum ev_stack_flag */
	const struct frame *frames; /* the innermost first; texts of one fit in ev_frame.text */
	size_t count;	    /* at most EV_STACK_FRAMES; 0: nothing is known, or the answer was
			     * lost */
	uint64_t shape_key; /* as in raw_stack.shape */
	const struct stack_shape *shape; /* where its return addresses lay; NULL not known */
};

/* Takes one answer, whose frames are valid during the call.  Must not call native_*. */
typedef void (*native_fn)(void *context, const struct native_answer *answer);

struct native_counts {
	uint64_t asked, answered;
	uint64_t lost;	    /* questions refused because there was no room, or answered with no
			     * frame because the worker died or was late */
	uint64_t deaths;    /* of workers */
	uint64_t given_up;  /* files that are not read any more, because workers died of them */
	uint64_t cpu_ns;    /* processor time of all workers */
	uint64_t rss_bytes; /* of the worker that runs now; 0 none */
};

/* Starts the worker in the role NURSERY_NATIVE; nursery is borrowed.  0 or -errno. */
int native_open(struct native **out, struct nursery *nursery);
/* Ends the worker; open questions get no answer. */
void native_close(struct native *n);

/* Readable when native_step is due, for poll(2) and epoll; the same until native_close. */
int native_fd(const struct native *n);

/* Asks for the frames of a raw_stack with RUNTIME_NATIVE.  Returns 0; -EAGAIN: the stack is lost
 * and counted. */
int native_stack(struct native *n, const struct raw_stack *raw);
/* Asks who the caller of a library is; address: the return address of the library's call.  The
 * answer has that place alone, with the functions inlined there, and EV_STACK_CALLER.  Returns 0;
 * -EAGAIN: the question is lost and counted. */
int native_caller(struct native *n, uint64_t id, uint32_t pid, uint64_t start_ns, uint64_t address);
/* Announces a process that will have stacks, so that its mappings are read while it lives.
 * Optional, and cheap to repeat; best called once the process has loaded its libraries. */
void native_process(struct native *n, uint32_t pid, uint64_t start_ns);

/* Hands out the answers that have come, at most some hundreds; the descriptor stays readable if
 * there are more.  Returns how many, or -errno. */
int native_step(struct native *n, native_fn fn, void *context);
/* Hands out all answers that are still to come, waiting at most timeout_ms; later ones are lost.
 * Returns how many answers were in time, or -errno. */
int native_flush(struct native *n, int timeout_ms, native_fn fn, void *context);

struct native_counts native_counts(const struct native *n);

#endif
