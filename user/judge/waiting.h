/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * waiting.h - which threads of a process, and which tasks of its event loops, wait for a connection
 * of a pool, and where.
 *
 * A table in waiting.c lists the functions in which pools let their callers wait.  A pool that the
 * program made itself waits in a queue, a condition or a semaphore of the language, as worker
 * threads at rest do.  Such a thread counts only if the program's own line names what it waits for:
 * a connection, a session, a pool of the database.
 */
#ifndef DBLEAK_JUDGE_WAITING_H
#define DBLEAK_JUDGE_WAITING_H

#include "user/judge/rule_input.h"
#include "user/judge/site.h"

/* The threads that wait for a connection. */
struct waiters {
	const char *pool; /* what they wait in: "QueuePool"; NULL: nobody waits, or not known */
	bool named;	  /* by the table of pools; else by the words of the program */
	bool requests;	  /* they are requests without an answer: pool, place, stack unknown */
	size_t count;
	size_t tasks;		   /* of them: tasks of an event loop */
	uint64_t since_ns;	   /* since when the first of them waits */
	const struct place *place; /* the line where most of them wait; NULL: not known */
	uint64_t stack;		   /* a stack that leads there; 0: not known */
};

/* Threads that wait for less are not counted: a busy pool lets its callers wait for a moment. */
#define WAITING_LEAST_NS 500000000ULL

void waiters_find(const struct rule_input *s, struct waiters *w);
/* Does this thread wait for a connection of a pool? */
bool waits_for_connection(const struct rule_input *s, const struct thread_model *t);
/* Does a thread of the process wait for a reply on this connection? */
bool waits_for_reply(const struct rule_input *s, const struct connection *c);
/* Are tasks of an event loop known of this process? */
bool has_tasks(const struct process_model *p);
/* The thread, asleep; NULL: it runs, has ended, or was never looked at. */
const struct thread_model *thread_asleep(const struct process_model *p, uint32_t tid);

#endif
