/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * serving.c - see serving.h.
 */
#include "user/judge/serving.h"

#include "user/judge/advice.h"

#define LOOKED_LEAST_NS SECOND_NS /* between the first look and the last */
#define CPU_SHARE_MOST	10	  /* one part in so many of a processor: who uses more computes */

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

/* The language of the frames where its threads sleep; UNKNOWN: machine code. */
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

/* Who waits in these languages is seen on the stack of a thread. */
static bool is_read_whole(enum ev_language language)
{
	return language == EV_LANG_PYTHON || language == EV_LANG_PHP || language == EV_LANG_PERL;
}

const char *serving_excuse(const struct rule_input *s)
{
	const struct serving_model *v = &s->process->serving;
	uint64_t looked_ns = v->state.head.ns - v->first_ns;

	if (is_read_whole(threads_language(s)))
		return "the stacks of its threads are read, and none waits for a connection";
	if (!v->state.cpu_ns || looked_ns < LOOKED_LEAST_NS)
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

	if (language <= EV_LANG_NATIVE)
		language = threads_language(s);
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
