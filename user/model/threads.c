/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * threads.c - the threads of a process that sleep, and the requests that it has not answered.
 *
 * A thread is kept from the record that it sleeps to the record that it moves.
 */
#include <errno.h>
#include <stdlib.h>

#include "user/model/apply.h"
#include "user/model/model.h"

#define THREADS_MOST 4096 /* of a process */

static struct thread_model *thread_of(struct process_model *p, uint32_t tid)
{
	for (size_t i = 0; i < p->thread_count; i++)
		if (p->threads[i].state.tid == tid)
			return &p->threads[i];
	return NULL;
}

static struct thread_model *thread_add(struct process_model *p)
{
	size_t room = p->thread_room ? 2 * p->thread_room : 16;
	struct thread_model *more;

	if (p->thread_count == p->thread_room) {
		more = realloc(p->threads, room * sizeof(*more));
		if (!more)
			return NULL;
		p->threads = more;
		p->thread_room = room;
	}
	return &p->threads[p->thread_count++];
}

int apply_thread(struct model *m, const struct ev_head *record)
{
	const struct ev_thread *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);
	struct thread_model *t;

	if (!p)
		return -ENOMEM;
	t = thread_of(p, ev->tid);
	if (ev->state != EV_THREAD_SLEEPS) {
		if (t)
			*t = p->threads[--p->thread_count];
		return 0;
	}
	if (t) {
		if (t->state.stack != ev->stack)
			t->first_ns = ev->head.ns;
		t->state = *ev;
		return 0;
	}
	if (p->thread_count >= THREADS_MOST)
		return 0;
	t = thread_add(p);
	if (!t)
		return -ENOMEM;
	*t = (struct thread_model){.state = *ev, .first_ns = ev->head.ns};
	return 0;
}

int apply_requests(struct model *m, const struct ev_head *record)
{
	const struct ev_requests *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	p->serving.state = (struct ev_serving){
		.head = ev->head, .came_ns = {ev->oldest_ns}, .unanswered = ev->unanswered};
	return 0;
}

int apply_serving(struct model *m, const struct ev_head *record)
{
	const struct ev_serving *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	if (!p->serving.state.unanswered) {
		p->serving.first_ns = ev->head.ns;
		p->serving.first_cpu_ns = ev->cpu_ns;
	}
	p->serving.state = *ev;
	return 0;
}
