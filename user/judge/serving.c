/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * serving.c - see serving.h.
 */
#include "user/judge/serving.h"

#include <string.h>

#include "user/judge/advice.h"
#include "user/judge/waiting.h"

#define LOOKED_LEAST_NS SECOND_NS /* between the first look and the last */
#define CPU_SHARE_MOST	10	  /* a tenth of a processor: who uses more computes */

size_t serving_after(const struct rule_input *s, uint64_t after_ns, bool first_only,
		     uint64_t *oldest_ns)
{
	const struct ev_serving *v = &s->process->serving.state;
	size_t n = 0;

	for (size_t i = 0; i < v->unanswered && i < EV_SERVING_CAME; i++) {
		if (v->came_ns[i] <= after_ns || (first_only && !(v->first >> i & 1)))
			continue;
		if (!n++)
			*oldest_ns = v->came_ns[i];
	}
	/* The rest came later than all of these. */
	if (n && v->unanswered > EV_SERVING_CAME && !first_only)
		n += v->unanswered - EV_SERVING_CAME;
	return n;
}

static bool is_database(const struct rule_input *s, uint64_t socket)
{
	return table_get(&s->model->connections, (struct table_key){socket, 0}) != NULL;
}

/* Does it wait for servers that are no databases? */
static bool calls_others(const struct rule_input *s)
{
	const struct ev_serving *v = &s->process->serving.state;

	if (v->calls > EV_SERVING_CALLED)
		return true;
	for (size_t i = 0; i < v->calls; i++)
		if (!is_database(s, v->called[i]))
			return true;
	return false;
}

static bool waits_for_child(const struct rule_input *s)
{
	for (size_t i = 0; i < s->process->thread_count; i++)
		if (s->process->threads[i].state.wait == EV_WAIT_CHILD)
			return true;
	return false;
}

/* The language of the frames where its threads sleep; UNKNOWN: only machine code, or no stack. */
static enum ev_language threads_language(const struct rule_input *s)
{
	for (size_t i = 0; i < s->process->thread_count; i++) {
		const struct code_stack *stack = code_stack(&s->model->code,
							    s->process->threads[i].state.stack);

		for (uint32_t k = 0; stack && k < stack->count; k++) {
			const struct code_frame *f = code_frame(&s->model->code, stack->frame[k]);

			if (f && f->language > EV_LANG_NATIVE)
				return f->language;
		}
	}
	return EV_LANG_UNKNOWN;
}

/* Event loops of Python whose tasks are not read: parts of the paths of their files. */
static const char *const loops[] = {"/twisted/internet/", "/trio/_core/", "/curio/kernel.py",
				    "/asyncio/base_events.py"};

static bool is_loop_file(const char *file)
{
	for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++)
		if (strstr(file, loops[i]))
			return true;
	return false;
}

static bool has_loop(const struct rule_input *s, const struct code_stack *stack)
{
	for (uint32_t i = 0; i < stack->count; i++) {
		const struct code_frame *f = code_frame(&s->model->code, stack->frame[i]);

		if (f && f->file && is_loop_file(f->file))
			return true;
	}
	return false;
}

/* Why the stacks of Python's threads do not show who waits; NULL: they do.  An event loop that runs
 * in a greenlet, as that of gevent and eventlet, has all others in greenlets, too. */
static const char *hidden_waiters(const struct rule_input *s)
{
	for (size_t i = 0; i < s->process->thread_count; i++) {
		const struct ev_thread *t = &s->process->threads[i].state;
		const struct code_stack *stack = code_stack(&s->model->code, t->stack);

		if (!stack || t->wait != EV_WAIT_MANY)
			continue;
		if (stack->flags & EV_STACK_GREENLET)
			return "a greenlet that waits is on no thread's stack";
		if (!has_tasks(s->process) && has_loop(s, stack))
			return "what waits in the event loop has no stack that is read";
	}
	return NULL;
}

/* Who waits in these languages is seen on the stack of a thread. */
static bool is_read_whole(const struct rule_input *s, enum ev_language language)
{
	if (language == EV_LANG_PYTHON)
		return !hidden_waiters(s);
	return language == EV_LANG_PHP || language == EV_LANG_PERL;
}

const char *serving_excuse(const struct rule_input *s)
{
	const struct serving_model *v = &s->process->serving;
	uint64_t looked_ns = v->state.head.ns - v->first_ns;

	if (is_read_whole(s, threads_language(s)))
		return "the stacks of its threads are read, and none waits for a connection";
	if (!v->first_cpu_ns || !v->state.cpu_ns || looked_ns < LOOKED_LEAST_NS)
		return "they were seen for a moment only";
	if ((v->state.cpu_ns - v->first_cpu_ns) * CPU_SHARE_MOST > looked_ns)
		return "the process computes meanwhile";
	if (calls_others(s))
		return "the process waits for an answer of another server";
	return waits_for_child(s) ? "the process waits for a child" : NULL;
}

const char *serving_unseen(const struct rule_input *s, const struct finding_view *f)
{
	enum ev_language language = advice_language(s, f);
	const char *hidden;

	if (language <= EV_LANG_NATIVE)
		language = threads_language(s);
	hidden = language == EV_LANG_PYTHON ? hidden_waiters(s) : NULL;
	if (hidden)
		return hidden;
	switch (language) {
	case EV_LANG_JAVA:
		return "start java with -XX:+PreserveFramePointer, run `jcmd PID "
		       "Compiler.perfmap`, "
		       "watch again";
	case EV_LANG_JAVASCRIPT:
		return "what waits in JavaScript has no stack";
	case EV_LANG_RUBY:
		return "stacks of Ruby are not read";
	case EV_LANG_GO:
		return "a goroutine that waits is on no thread's stack";
	default:
		return "no stack of a thread shows it";
	}
}
