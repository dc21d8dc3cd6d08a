/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * gaps.c - see gaps.h.
 */
#include "user/judge/gaps.h"

#include <string.h>

#include "user/judge/rule_input.h"
#include "user/judge/site.h"
#include "user/judge/words.h"

static struct gap_view *gap_add(struct arena *a, struct report_view *v,
				const struct process_model *p)
{
	struct gap_view *g = &v->gaps[v->gap_count++];

	g->pid = p ? p->pid : 0;
	g->comm = p ? arena_string(a, p->comm) : NULL;
	return g;
}

/* The names of the numbers in signal.h. */
static const char *signal_name(uint32_t number)
{
	static const char *const names[] = {
		[4] = "SIGILL", [5] = "SIGTRAP", [6] = "SIGABRT", [11] = "SIGSEGV"};
	const size_t n = sizeof(names) / sizeof(names[0]);

	return number < n && names[number] ? names[number] : "a signal";
}

static void list_withdrawn(const struct model *m, struct arena *a, struct report_view *v)
{
	const struct ev_withdrawn *w = &m->withdrawn;
	struct gap_view *g;

	if (!w->pid)
		return;
	g = gap_add(a, v, NULL);
	g->pid = w->pid;
	g->comm = arena_string(a, w->comm);
	g->withdrawn = true;
	g->reason = arena_format(
		a,
		"died of %s at a probe, %.1f s after the start. dbleak removed all its probes at "
		"once, and adds none. Calls of client libraries are not visible from then on",
		signal_name(w->signal), seconds(w->head.ns - m->begin.head.ns));
}

static void list_reported_gaps(const struct model *m, struct arena *a, struct report_view *v)
{
	for (size_t i = 0; i < m->gap_count; i++) {
		const struct gap *g = &m->gaps[i];
		struct gap_view *gap = gap_add(a, v, model_process(m, g->pid, g->start_ns));

		gap->pid = g->pid;
		gap->reason = arena_string(a, g->text);
	}
}

#define OBSCURE_LEAST 10 /* fewer would not have been judged anyway */

static bool is_reported(const struct report_view *v, const struct gap_view *g)
{
	for (const struct gap_view *other = v->gaps; other < g; other++)
		if (other->pid == g->pid && other->reason && !strcmp(other->reason, g->reason))
			return true;
	return false;
}

/* Lists sites where too many objects are freed by calls that no probe sees. */
static void list_obscure_sites(const struct model *m, struct arena *a, struct report_view *v)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&m->processes, &at))) {
		const struct process_model *p = slot->value;

		for (const struct site_model *site = p->sites; site; site = site->next) {
			const struct ev_site *state = &site->state;
			struct gap_view *g;

			if (state->acquired - state->released < OBSCURE_LEAST ||
			    !site_is_obscure(site))
				continue;
			g = gap_add(a, v, p);
			g->reason = arena_format(a,
						 "some %s are freed in ways dbleak cannot see: "
						 "their leaks cannot be counted",
						 *state->object ? state->object : "objects");
			if (!g->reason || is_reported(v, g))
				v->gap_count--;
		}
	}
}

/* Names what the probes of a library count, in words for the report. */
static const char *counted_of(uint32_t library)
{
	switch (library) {
	case EV_LIBRARY_LIBPQ:
		return "results";
	case EV_LIBRARY_MYSQL:
		return "results and statements";
	case EV_LIBRARY_SQLITE:
		return "connections and statements";
	default:
		return "calls";
	}
}

/* Says how many places and stacks were beyond what the model keeps. */
static void list_refused(const struct model *m, struct arena *a, struct report_view *v)
{
	struct gap_view *g;

	if (!m->code.refused)
		return;
	g = gap_add(a, v, NULL);
	g->subject = "source lines";
	g->reason = arena_format(a, "source lines: no room for %s of them; some leaks have no line",
				 count_words(a, m->code.refused));
}

/* Says how many SQL texts and gaps were beyond what the model keeps. */
static void list_left_out(const struct model *m, struct arena *a, struct report_view *v)
{
	struct gap_view *g;

	if (m->texts_refused) {
		g = gap_add(a, v, NULL);
		g->subject = "SQL texts";
		g->reason = arena_format(
			a, "SQL texts: no room for %s of them; some leaks have no SQL",
			count_words(a, m->texts_refused));
	}
	if (m->gaps_refused) {
		g = gap_add(a, v, NULL);
		g->subject = "gaps";
		g->reason = arena_format(a,
					 "%s more reasons are not listed here, there were too many",
					 count_words(a, m->gaps_refused));
	}
}

/* Says how many processes with findings were dropped because there were too many to keep. */
static void list_forgotten(const struct model *m, struct arena *a, struct report_view *v)
{
	struct gap_view *g;

	if (!m->forgotten.accused)
		return;
	g = gap_add(a, v, NULL);
	g->subject = "ended processes";
	g->reason = arena_format(
		a, "ended processes: %s with leaks are not listed, there were too many",
		count_words(a, m->forgotten.accused));
}

static const struct {
	const char *beyond; /* with one number: the share */
	const char *full;   /* the whole table was full */
} lacks[EV_TABLES] = {
	[EV_TABLE_STATEMENTS] = {"more than %s prepared statements at once: the others are only "
				 "counted, without SQL and line",
				 "too many prepared statements on this host: some are only "
				 "counted, without SQL and line"},
	[EV_TABLE_ENCRYPTED] = {"more than %s encrypted connections at once: transactions of the "
				"others are not visible",
				"too many encrypted connections on this host: transactions of some "
				"are not visible"},
	[EV_TABLE_CONNECTIONS] = {"more than %s connections of client libraries at once: the "
				  "others are missing, so counts are too low",
				  "too many connections of client libraries on this host: some are "
				  "missing, so counts are too low"},
	[EV_TABLE_SITES] = {"more than %s lines call client libraries: the others are missing, so "
			    "counts are too low",
			    "too many lines on this host call client libraries: some are missing, "
			    "so counts are too low"},
	[EV_TABLE_OBJECTS] = {"more than %s objects of client libraries at once: the others are "
			      "missing, so counts are too low",
			      "too many objects of client libraries on this host: some are "
			      "missing, so counts are too low"},
	[EV_TABLE_TEXTS] = {"more than %s new SQL texts in a second: some leaks have no SQL", NULL},
};

/* Says what was not followed of a process for lack of room. */
static void list_unfollowed_of(struct arena *a, struct report_view *v,
			       const struct process_model *p)
{
	const struct ev_unfollowed *u = &p->unfollowed;

	for (int i = 0; i < EV_TABLES; i++) {
		if (u->refused[i] > u->crowded[i])
			gap_add(a, v, p)->reason = arena_format(a, lacks[i].beyond,
								count_words(a, u->share[i]));
		if (u->crowded[i] && lacks[i].full)
			gap_add(a, v, p)->reason = lacks[i].full;
	}
	if (u->unsent)
		gap_add(a, v, p)->reason =
			"some events of this process were dropped: some details are missing";
}

#define UNFOLLOWED_GAPS (2 * EV_TABLES + 1) /* of one process at most */

static size_t count_unfollowed(const struct model *m)
{
	struct table_slot *slot;
	size_t at = 0, n = 0;

	while ((slot = table_next(&m->processes, &at)))
		n += ((const struct process_model *)slot->value)->unfollowed.head.ns != 0;
	return n;
}

static void list_unfollowed(const struct model *m, struct arena *a, struct report_view *v)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&m->processes, &at)))
		list_unfollowed_of(a, v, slot->value);
}

static void list_detached(const struct model *m, struct arena *a, struct report_view *v)
{
	for (const struct library_model *l = m->first_library; l; l = l->next) {
		const char *slash = strrchr(l->state.path, '/');
		const char *name = slash ? slash + 1 : l->state.path;
		struct gap_view *g;

		if (!l->detached_ns)
			continue;
		g = gap_add(a, v, NULL);
		g->subject = arena_format(a, "%s of %.*s", counted_of(l->state.library),
					  (int)strcspn(name, "."), name);
		g->reason = arena_format(
			a, "%s: counted only for the first %.0f s, then the budget was used up",
			g->subject ? g->subject : "", seconds(l->detached_ns - m->begin.head.ns));
	}
}

/* The reasons why it is not known when the collector of a language ran; NULL: it has none. */
static const char *const silent_collectors[EV_LANG_GO + 1] = {
	[EV_LANG_PYTHON] = "this Python is built without its probes (--with-dtrace)",
	[EV_LANG_PHP] = "PHP has no probe that tells",
	[EV_LANG_RUBY] = "Ruby is not asked",
	[EV_LANG_JAVASCRIPT] = "Node has no probe that tells",
	[EV_LANG_JAVA] = "this Java has no probes that tell",
	[EV_LANG_GO] = "Go has no probe that tells",
};

/* Would the finding be surer, or less sure, if it were known when the collector ran? */
static bool depends_on_collector(const struct finding_view *f)
{
	return (f->cause == CAUSE_UNCLOSED_CONNECTION || f->cause == CAUSE_UNCLOSED_CURSOR ||
		f->cause == CAUSE_CACHE_GROWTH || f->cause == CAUSE_UNFREED_MEMORY) &&
	       f->site && f->site->language <= EV_LANG_GO && silent_collectors[f->site->language];
}

static void list_collector_of(const struct process_view *p, struct arena *a, struct report_view *v)
{
	struct gap_view *g;

	for (size_t i = 0; i < p->finding_count; i++) {
		const struct finding_view *f = &p->findings[i];

		if (!depends_on_collector(f))
			continue;
		g = gap_add(a, v, NULL);
		g->pid = p->pid;
		g->comm = p->comm;
		g->reason = arena_format(
			a, "unknown whether its garbage collector ran: %s",
			p->collections.stopped
				? "to count that often would cost more than --max-overhead"
				: silent_collectors[f->site->language]);
		return;
	}
}

/* Says where it is not known whether the collector could have closed what a finding names. */
static void list_collectors(struct arena *a, struct report_view *v)
{
	for (size_t i = 0; i < v->process_count; i++) {
		const struct process_view *p = &v->processes[i];

		if (p->collections.hidden || p->collections.stopped)
			list_collector_of(p, a, v);
	}
}

/* The reason why the line of a finding is not known where a virtual machine runs the program; NULL:
 * it is, or none does. */
static const char *why_no_line(const struct finding_view *f)
{
	const char *why = NULL;

	for (size_t i = 0; !f->site && !why && i < f->stack_count; i++)
		why = site_machine(f->stack[i].module);
	return why;
}

/* Says once for each process how to get the lines that its findings lack. */
static void list_lineless(struct report_view *v)
{
	for (size_t i = 0; i < v->process_count; i++) {
		const struct process_view *p = &v->processes[i];
		const char *why = NULL;

		for (size_t n = 0; !why && n < p->finding_count; n++)
			why = why_no_line(&p->findings[n]);
		if (why)
			v->gaps[v->gap_count++] = (struct gap_view){
				.pid = p->pid, .comm = p->comm, .reason = why};
	}
}

int list_gaps(const struct model *m, struct arena *a, struct report_view *v)
{
	v->gaps = arena_alloc(a, (m->gap_count + m->sites.count + m->libraries.count +
				  UNFOLLOWED_GAPS * count_unfollowed(m) + v->process_count + 6) *
					 sizeof(*v->gaps));
	if (!v->gaps)
		return -1;
	list_withdrawn(m, a, v);
	list_reported_gaps(m, a, v);
	list_unfollowed(m, a, v);
	list_obscure_sites(m, a, v);
	list_detached(m, a, v);
	list_collectors(a, v);
	list_refused(m, a, v);
	list_left_out(m, a, v);
	list_forgotten(m, a, v);
	list_lineless(v);
	return 0;
}
