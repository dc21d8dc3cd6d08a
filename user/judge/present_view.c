/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present_view.c - see present_view.h.
 */
#include "user/judge/present_view.h"

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
				   .oldest_seconds = seconds(s->now_ns - w->since_ns),
				   .pool = w->pool};
	v->stack = stack_show(s, w->stack, &v->stack_count, &v->site);
}

void holder_show(const struct rule_input *s, struct holder_view *v, const struct life *l)
{
	const struct thread_model *t = l->user_tid ? thread_asleep(s->process, l->user_tid) : NULL;
	uint64_t since_ns;

	if (!t || s->process->exited_ns)
		return;
	*v = (struct holder_view){.state = HOLDER_WAITING,
				  .since_seconds = s->now_ns > t->state.since_ns
							   ? seconds(s->now_ns - t->state.since_ns)
							   : 0,
				  .waits_for = waits_elsewhere(s, l, &since_ns)};
	v->stack = stack_show(s, t->state.stack, &v->stack_count, &v->site);
}

const char *waits_elsewhere(const struct rule_input *s, const struct life *l, uint64_t *since_ns)
{
	const struct thread_model *t = l->user_tid ? thread_asleep(s->process, l->user_tid) : NULL;
	const struct ev_thread *ev = t ? &t->state : NULL;

	if (!ev || ev->wait != EV_WAIT_SOCKET || !ev->port ||
	    table_get(&s->model->connections, (struct table_key){ev->socket, 0}))
		return NULL;
	*since_ns = ev->since_ns;
	return socket_text(s->arena, ev->family, ev->address, ev->port);
}
