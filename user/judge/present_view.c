/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present_view.c - see present_view.h.
 */
#include "user/judge/present_view.h"

#include <stdlib.h>

#include "user/judge/describe.h"
#include "user/judge/origin.h"

/* Copies a stack into the view; *site: its frame that answers. */
static const struct frame_view *stack_show(const struct rule_input *s, uint64_t id, size_t *count,
					   const struct frame_view **site)
{
	const struct code_stack *stack = code_stack(&s->model->code, id);
	const struct code_frame *answers = stack ? places_frame(s->places, stack) : NULL;
	struct frame_view *frames;

	*count = 0;
	frames = stack ? arena_alloc(s->arena, (stack->count + 1) * sizeof(*frames)) : NULL;
	if (!frames)
		return NULL;
	for (uint32_t i = 0; i < stack->count; i++) {
		const struct code_frame *f = code_frame(&s->model->code, stack->frame[i]);

		frame_copy(s, f, &frames[i]);
		if (f && f == answers && !*site)
			*site = &frames[i];
	}
	*count = stack->count;
	return frames;
}

void waiters_show(const struct rule_input *s, struct waiters_view *v, const struct waiters *w)
{
	*v = (struct waiters_view){.count = w->count,
				   .tasks = w->tasks,
				   .oldest_seconds = seconds(s->now_ns - w->since_ns),
				   .pool = w->pool,
				   .requests = w->requests};
	v->stack = stack_show(s, w->stack, &v->stack_count, &v->site);
}

/* The thread of an event loop works for all its tasks, so its own line tells nothing. */
static bool runs_tasks(const struct rule_input *s, const struct thread_model *t)
{
	return t->state.wait == EV_WAIT_MANY && has_tasks(s->process);
}

void holder_show(const struct rule_input *s, struct holder_view *v, const struct life *l)
{
	const struct thread_model *t = l->user_tid ? thread_asleep(s->process, l->user_tid) : NULL;
	uint64_t since_ns;

	if (!t || s->process->exited_ns || runs_tasks(s, t))
		return;
	*v = (struct holder_view){.state = HOLDER_WAITING,
				  .since_seconds = s->now_ns > t->state.since_ns
							   ? seconds(s->now_ns - t->state.since_ns)
							   : 0,
				  .waits_for = waits_elsewhere(s, l, &since_ns)};
	v->stack = stack_show(s, t->state.stack, &v->stack_count, &v->site);
}

#define LINES_MOST 3

struct sleeping {
	const struct place *place;
	const struct ev_thread *first; /* that sleeps there for longest */
	size_t count;
};

static struct sleeping *sleeping_at(struct sleeping *all, size_t *n, const struct place *place)
{
	for (size_t i = 0; i < *n; i++)
		if (all[i].place == place)
			return &all[i];
	all[*n].place = place;
	return &all[(*n)++];
}

static int most_first(const void *a, const void *b)
{
	const struct sleeping *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->first->since_ns < y->first->since_ns ? -1
						       : x->first->since_ns > y->first->since_ns;
}

/* To which server a thread listens that is no database of ours; NULL: none, or not known. */
static const char *other_end(const struct rule_input *s, const struct ev_thread *ev)
{
	if (ev->wait != EV_WAIT_SOCKET || !ev->port ||
	    table_get(&s->model->connections, (struct table_key){ev->socket, 0}))
		return NULL;
	return socket_text(s->arena, ev->family, ev->address, ev->port);
}

void threads_show(const struct rule_input *s, struct finding_view *f)
{
	size_t room = s->process->thread_count, n = 0;
	struct sleeping *all = room ? calloc(room, sizeof(*all)) : NULL;
	struct threads_view *lines = arena_alloc(s->arena, LINES_MOST * sizeof(*lines));

	for (size_t i = 0; all && lines && i < room; i++) {
		const struct thread_model *t = &s->process->threads[i];
		const struct place *place = places_find(s->places, t->state.stack);
		struct sleeping *at;

		if (!place || waits_for_connection(s, t) || runs_tasks(s, t))
			continue;
		at = sleeping_at(all, &n, place);
		if (!at->count++ || t->state.since_ns < at->first->since_ns)
			at->first = &t->state;
	}
	if (n)
		qsort(all, n, sizeof(*all), most_first);
	for (size_t i = 0; i < n && i < LINES_MOST; i++) {
		struct frame_view *site = arena_alloc(s->arena, sizeof(*site));

		if (!site)
			break;
		frame_copy(s, all[i].place->frame, site);
		lines[i] = (struct threads_view){
			.count = all[i].count,
			.tasks = all[i].first->wait == EV_WAIT_TASK,
			.longest_seconds = s->now_ns > all[i].first->since_ns
						   ? seconds(s->now_ns - all[i].first->since_ns)
						   : 0,
			.waits_for = other_end(s, all[i].first),
			.site = site};
		f->thread_lines = i + 1;
	}
	f->threads = lines;
	free(all);
}

const char *waits_elsewhere(const struct rule_input *s, const struct life *l, uint64_t *since_ns)
{
	const struct thread_model *t = l->user_tid ? thread_asleep(s->process, l->user_tid) : NULL;

	if (!t)
		return NULL;
	*since_ns = t->state.since_ns;
	return other_end(s, &t->state);
}
