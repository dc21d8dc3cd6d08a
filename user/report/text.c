/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * text.c - the report for people: at most 80 columns, the guilty first, what to do about it.
 *
 * Order: one line of sum; a block for each guilty process; one line for all that is well; one for
 * each process that is bounded or unknown.  Then comes what was not seen and what was lost.
 */
#include "user/report/text.h"

#include <math.h>
#include <string.h>

#include "user/report/block.h"
#include "user/report/names.h"
#include "user/report/page.h"
#include "user/report/snapshot.h"

#define LINES_SHOWN 20	    /* of one kind of line, such as `unseen` */
#define NAMES_SHOWN 12	    /* on the line of processes that are well */
#define MUCH_MORE   1000000 /* bytes: less is not mentioned */

static const struct {
	const char *label;
	enum page_colour colour;
	const char *one, *many; /* in the sum of the first line */
} verdicts[] = {
	[VERDICT_LEAKING] = {"LEAKING", PAGE_RED, "leaks", "leak"},
	[VERDICT_STUCK] = {"STUCK", PAGE_YELLOW, "is stuck", "are stuck"},
	[VERDICT_BIG] = {"BIG", PAGE_YELLOW, "is big", "are big"},
	[VERDICT_BOUNDED] = {"bounded", PAGE_PLAIN, "", ""},
	[VERDICT_UNKNOWN] = {"unknown", PAGE_PLAIN, "", ""},
	[VERDICT_OK] = {"well", PAGE_GREEN, "", ""},
};

static const struct {
	const char *one, *many;
} losses[EV_LOSS_KINDS] = {
	[EV_LOSS_RING_FULL] = {"record did not fit the ring: detail is missing",
			       "records did not fit the ring: detail is missing"},
	[EV_LOSS_MAP_FULL] = {"object did not fit the kernel's tables: counts are too low",
			      "objects did not fit the kernel's tables: counts are too low"},
	[EV_LOSS_READ_FAULT] = {"read of program memory failed: detail is missing",
				"reads of program memory failed: detail is missing"},
	[EV_LOSS_MISSED_RETURN] = {"return of a probed call was missed: an outcome is not known",
				   "returns of probed calls were missed: outcomes are not known"},
	[EV_LOSS_TRUNCATED] = {"message was read in part: its contents are not known",
			       "messages were read in part: their contents are not known"},
};

static bool text_is_known(double value)
{
	return isfinite(value) && value >= 0;
}

static bool is_guilty(const struct process_view *p)
{
	return p->verdict >= VERDICT_BIG;
}

static size_t count_verdict(const struct report_view *v, enum verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < v->process_count; i++)
		n += v->processes[i].verdict == verdict;
	return n;
}

static uint64_t process_connections(const struct process_view *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->endpoint_count; i++)
		if (p->endpoints[i].connections.open != UNKNOWN64)
			n += p->endpoints[i].connections.open;
	return n;
}

static uint64_t count_losses(const struct report_view *v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < EV_LOSS_KINDS; i++)
		n += v->losses[i];
	return n;
}

/* A line that is not part of a block: label, then text beside it. */
static void text_print_line(struct page *p, const char *label, enum page_colour colour,
			    const char *text)
{
	struct page_field field = {.label = label, .colour = colour, .label_columns = PAGE_LABEL};

	page_field(p, &field, text);
}

static void print_rest_hidden(struct page *p, size_t count, size_t shown)
{
	struct words w = {0};

	if (count <= shown)
		return;
	words_add(&w, "... and ");
	words_count(&w, count - shown);
	words_add(&w, " more; -v shows all");
	text_print_line(p, "", PAGE_PLAIN, w.text);
}

/*
 * The first line.
 */

static void words_guilty(struct words *w, const struct report_view *v)
{
	static const enum verdict guilty[] = {VERDICT_LEAKING, VERDICT_STUCK, VERDICT_BIG};
	bool any = false;

	for (size_t i = 0; i < sizeof(guilty) / sizeof(guilty[0]); i++) {
		size_t n = count_verdict(v, guilty[i]);

		if (!n)
			continue;
		words_add(w, ", ");
		words_plural(w, n, verdicts[guilty[i]].one, verdicts[guilty[i]].many);
		any = true;
	}
	if (!any && v->process_count)
		words_add(w, ", none leaks");
}

static void words_cost(struct words *w, const struct report_view *v)
{
	if (text_is_known(v->cpu_percent))
		words_add(w, "; cost %.*f %% of a CPU", v->cpu_percent < 0.095 ? 2 : 1,
			  v->cpu_percent);
	else
		words_add(w, "; cost not known");
}

static uint64_t count_connections(const struct report_view *v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < v->process_count; i++)
		n += process_connections(&v->processes[i]);
	return n;
}

static void words_window(struct words *w, const struct report_view *v)
{
	words_add(w, v->mode == EV_MODE_RUN ? "a run of " : "");
	if (text_is_known(v->seconds))
		words_duration(w, v->seconds);
	else
		words_add(w, "unknown time");
}

static void words_processes(struct words *w, const struct report_view *v)
{
	if (v->process_count)
		words_plural(w, v->process_count, "process with a database",
			     "processes with a database");
	else
		words_add(w, "no process with a database");
}

/* A snapshot has no duration and accuses nobody. */
static void print_header(struct page *p, const struct report_view *v)
{
	struct page_field field = {.label = "dbleak", .colour = PAGE_BOLD, .label_columns = 8};
	struct words w = {0};

	if (v->mode == EV_MODE_SNAPSHOT) {
		words_add(&w, "one look, ");
		words_processes(&w, v);
		words_add(&w, ", ");
		words_plural(&w, count_connections(v), "connection open", "connections open");
	} else {
		words_window(&w, v);
		words_add(&w, ", ");
		words_processes(&w, v);
		words_guilty(&w, v);
	}
	if (v->mode != EV_MODE_SNAPSHOT || text_is_known(v->cpu_percent))
		words_cost(&w, v);
	words_add(&w, count_losses(v) ? "; some was lost" : "; nothing lost");
	page_field(p, &field, w.text);
}

/*
 * Processes that are well: names, with how many processes bear them.
 */

struct name {
	const struct process_view *first;
	size_t count;
};

static bool same_name(const struct process_view *a, const struct process_view *b)
{
	return a->role == b->role && !strcmp(a->comm ? a->comm : "?", b->comm ? b->comm : "?");
}

/* Returns how many names were found, at most `room`. */
static size_t collect_names(const struct report_view *v, struct name *names, size_t room)
{
	size_t used = 0, at;

	for (size_t i = 0; i < v->process_count; i++) {
		const struct process_view *p = &v->processes[i];

		if (p->verdict != VERDICT_OK)
			continue;
		for (at = 0; at < used && !same_name(names[at].first, p); at++)
			;
		if (at == room)
			continue;
		if (at == used)
			names[used++] = (struct name){p, 0};
		names[at].count++;
	}
	return used;
}

static void words_names(struct words *w, const struct name *names, size_t used, size_t processes)
{
	for (size_t i = 0; i < used; i++) {
		words_add(w, i ? ", " : ": ");
		if (names[i].count > 1)
			words_add(w, "%zu x %s%s", names[i].count,
				  names[i].first->comm ? names[i].first->comm : "?",
				  role_of(names[i].first));
		else
			words_process_state(w, names[i].first);
		processes -= names[i].count;
	}
	if (processes) {
		words_add(w, " and ");
		words_plural(w, processes, "other", "others");
	}
}

/* "; their memory 310 MB, 2 MB more than at first" */
static void words_well_memory(struct words *w, const struct report_view *v)
{
	uint64_t first = 0, now = 0, n = 0;

	for (size_t i = 0; i < v->process_count; i++) {
		const struct memory_view *m = &v->processes[i].memory;

		if (v->processes[i].verdict != VERDICT_OK || m->tier == EV_TIER_OFF ||
		    m->end == UNKNOWN64)
			continue;
		first += m->start;
		now += m->end;
		n++;
	}
	if (!n)
		return;
	words_add(w, "; memory ");
	words_bytes(w, now);
	if (now < first + MUCH_MORE)
		return;
	words_add(w, ", more by ");
	words_bytes(w, now - first);
}

/* "; 12,345 more ended earlier, after 20,000 connections" */
static void words_forgotten(struct words *w, const struct report_view *v)
{
	if (!v->forgotten_processes)
		return;
	words_add(w, "; ");
	words_plural(w, v->forgotten_processes, "more ended earlier", "more ended earlier");
	words_add(w, ", after ");
	words_plural(w, v->forgotten_connections, "connection", "connections");
}

static void print_well(struct page *page, const struct report_view *v)
{
	struct name names[NAMES_SHOWN];
	size_t processes = count_verdict(v, VERDICT_OK);
	uint64_t connections = 0;
	struct words w = {0};

	if (!processes && !v->forgotten_processes)
		return;
	for (size_t i = 0; i < v->process_count; i++)
		if (v->processes[i].verdict == VERDICT_OK)
			connections += process_connections(&v->processes[i]);
	words_plural(&w, processes, "process", "processes");
	words_add(&w, ", ");
	words_plural(&w, connections, "connection open", "connections open");
	words_names(&w, names, collect_names(v, names, NAMES_SHOWN), processes);
	words_well_memory(&w, v);
	words_forgotten(&w, v);
	text_print_line(page, "well", PAGE_GREEN, w.text);
}

static void print_reason(struct page *page, const struct process_view *p, const char *label,
			 enum page_colour colour)
{
	struct words w = {0}, place = {0};

	words_process_state(&w, p);
	words_place(&place, p);
	if (p->runtime && *p->runtime)
		words_add(&w, " in %s", place.text);
	if (p->verdict_reason)
		words_add(&w, ": %s", p->verdict_reason);
	else if (p->verdict == VERDICT_UNKNOWN)
		words_add(&w, ": too little was seen to tell");
	text_print_line(page, label, colour, w.text);
}

static bool text_same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Processes of a verdict with one reason share a line. */
static bool same_reason(const struct process_view *a, const struct process_view *b)
{
	return a->verdict == b->verdict && text_same_text(a->verdict_reason, b->verdict_reason);
}

static bool reason_is_new(const struct report_view *v, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (same_reason(&v->processes[i], &v->processes[at]))
			return false;
	return true;
}

#define SHARED_SHOWN 3

static void print_shared_reason(struct page *page, const struct report_view *v, size_t at,
				const char *label, enum page_colour colour)
{
	const struct process_view *p = &v->processes[at];
	struct words w = {0};
	size_t count = 0;

	for (size_t i = at; i < v->process_count; i++) {
		if (!same_reason(p, &v->processes[i]) || ++count > SHARED_SHOWN)
			continue;
		words_comma(&w);
		words_process_state(&w, &v->processes[i]);
	}
	if (count == 1) {
		print_reason(page, p, label, colour);
		return;
	}
	if (count > SHARED_SHOWN) {
		words_add(&w, " and ");
		words_count(&w, count - SHARED_SHOWN);
		words_add(&w, " more");
	}
	words_add(&w, ": %s",
		  p->verdict_reason ? p->verdict_reason : "too little was seen to tell");
	text_print_line(page, label, colour, w.text);
}

/* Prints one line for each reason of a verdict, or with all for each process; the label on the
 * first. */
static void print_each(struct page *page, const struct report_view *v, enum verdict verdict,
		       bool all)
{
	enum page_colour colour = verdicts[verdict].colour;
	size_t reasons = 0, shown = 0;

	for (size_t i = 0; i < v->process_count; i++) {
		const char *label = shown ? "" : verdicts[verdict].label;

		if (v->processes[i].verdict != verdict)
			continue;
		if (all) {
			print_reason(page, &v->processes[i], label, colour);
			block_memory(page, &v->processes[i], true);
			block_endpoints(page, &v->processes[i]);
			shown++;
		} else if (reason_is_new(v, i) && reasons++ < LINES_SHOWN) {
			print_shared_reason(page, v, i, label, colour);
			shown++;
		}
	}
	if (!all)
		print_rest_hidden(page, reasons, LINES_SHOWN);
}

/*
 * Gaps: what was not seen.
 */

static bool gap_is_new(const struct report_view *v, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!!v->gaps[i].pid == !!v->gaps[at].pid &&
		    text_same_text(v->gaps[i].reason, v->gaps[at].reason))
			return false;
	return true;
}

/* The processes that a gap of this reason hides, or the whole host. */
static void words_hidden(struct words *w, const struct report_view *v, size_t at, bool all)
{
	size_t count = 0;

	if (v->gaps[at].subject)
		return; /* the reason names it */
	if (!v->gaps[at].pid) {
		words_add(w, "whole host: ");
		return;
	}
	for (size_t i = at; i < (all ? at + 1 : v->gap_count); i++) {
		const struct gap_view *gap = &v->gaps[i];

		if (!gap->pid || !text_same_text(gap->reason, v->gaps[at].reason) ||
		    ++count > SHARED_SHOWN)
			continue;
		words_comma(w);
		words_process(w, gap->comm, gap->pid);
	}
	if (count > SHARED_SHOWN) {
		words_add(w, " and ");
		words_count(w, count - SHARED_SHOWN);
		words_add(w, " more");
	}
	words_add(w, ": ");
}

static void print_gaps(struct page *page, const struct report_view *v, bool all)
{
	size_t reasons = 0, shown = 0;

	for (size_t i = 0; i < v->gap_count; i++) {
		struct words w = {0};

		if (v->gaps[i].withdrawn)
			continue; /* above all */
		if (!all && (!gap_is_new(v, i) || reasons++ >= LINES_SHOWN))
			continue;
		words_hidden(&w, v, i, all);
		words_add(&w, "%s", v->gaps[i].reason ? v->gaps[i].reason : "reason not known");
		text_print_line(page, shown++ ? "" : "unseen", PAGE_YELLOW, w.text);
	}
	if (!all)
		print_rest_hidden(page, reasons, LINES_SHOWN);
}

/* -v: the client libraries that were probed, and how soon. */
static void print_libraries(struct page *page, const struct report_view *v)
{
	for (size_t i = 0; i < v->library_count; i++) {
		const struct library_view *l = &v->libraries[i];
		struct words w = {0};

		words_add(&w, "%s: ", l->path ? l->path : "a file");
		words_plural(&w, l->probes, "probe", "probes");
		words_add(&w, " (");
		words_count(&w, l->cheap);
		words_add(&w, " cheap), ");
		words_plural(&w, l->hits, "hit", "hits");
		if (text_is_known(l->attach_seconds))
			words_add(&w, ", attached %.3f s after it was met", l->attach_seconds);
		else
			words_add(&w, ", not attached");
		words_add(&w, "%s", l->detached ? ", taken out to keep the budget" : "");
		text_print_line(page, i ? "" : "probed", PAGE_PLAIN, w.text);
	}
}

static void print_losses(struct page *page, const struct report_view *v)
{
	bool first = true;

	for (size_t i = 0; i < EV_LOSS_KINDS; i++) {
		struct words w = {0};

		if (!v->losses[i])
			continue;
		words_plural(&w, v->losses[i], losses[i].one, losses[i].many);
		text_print_line(page, first ? "lost" : "", PAGE_YELLOW, w.text);
		first = false;
	}
}

static void print_ignorance(struct page *page, const struct report_view *v, bool all)
{
	if (all)
		print_libraries(page, v);
	print_gaps(page, v, all);
	print_losses(page, v);
	if (v->cut)
		text_print_line(
			page, "cut", PAGE_YELLOW,
			"the recording has no clean end: what came after is not in this report");
	if (v->stepped_down)
		text_print_line(page, "less", PAGE_YELLOW,
				"detail was given up to stay within --max-overhead");
}

static void print_nothing(struct page *page, const struct report_view *v)
{
	struct words w = {0};

	if (v->mode == EV_MODE_SNAPSHOT) {
		words_add(&w, "no process has a database connection open now.");
	} else {
		words_add(&w, "no process had a database connection in ");
		words_add(&w, v->mode == EV_MODE_RUN ? "this run" : "the time watched");
		words_add(&w, ".");
	}
	words_add(&w, " Watched were all TCP and Unix sockets of the selected processes, for "
		      "PostgreSQL and MySQL by what they say and not by their port");
	if (v->library_count) {
		words_add(&w, ", and the calls of ");
		words_plural(&w, v->library_count, "client library", "client libraries");
	}
	words_add(&w, ". If you expected one, `dbleak doctor` tells what this host does not let us "
		      "see.");
	page_line(page);
	text_print_line(page, "nothing", PAGE_PLAIN, w.text);
}

static bool has_endpoint(const struct report_view *v)
{
	for (size_t i = 0; i < v->process_count; i++)
		if (v->processes[i].endpoint_count)
			return true;
	return false;
}

static int print_snapshot(struct page *page, const struct report_view *v,
			  const struct text_options *o)
{
	if (has_endpoint(v))
		return snapshot_table(page, v, o->show_all);
	print_nothing(page, v);
	return 0;
}

static void print_processes(struct page *page, const struct report_view *v, bool all)
{
	for (size_t i = 0; i < v->process_count; i++)
		if (is_guilty(&v->processes[i]))
			block_print(page, &v->processes[i], all);
	if (!v->process_count) {
		print_nothing(page, v);
		return;
	}
	page_line(page);
	if (all)
		print_each(page, v, VERDICT_OK, true);
	else
		print_well(page, v);
	print_each(page, v, VERDICT_BOUNDED, all);
	print_each(page, v, VERDICT_UNKNOWN, all);
}

/* A probe may have harmed a process: nothing is more urgent. */
static void print_withdrawn(struct page *page, const struct report_view *v)
{
	struct words w = {0};

	if (!v->gap_count || !v->gaps[0].withdrawn)
		return;
	words_hidden(&w, v, 0, false);
	words_add(&w, "%s.", v->gaps[0].reason ? v->gaps[0].reason : "died at a probe");
	text_print_line(page, "HARM", PAGE_RED, w.text);
	page_line(page);
}

int report_text(FILE *out, const struct report_view *v, const struct text_options *o)
{
	struct page page = {.out = out, .colour = o->colour};
	int err = 0;

	print_withdrawn(&page, v);
	print_header(&page, v);
	if (v->mode == EV_MODE_SNAPSHOT)
		err = print_snapshot(&page, v, o);
	else
		print_processes(&page, v, o->show_all);
	print_ignorance(&page, v, o->show_all);
	return err ? err : page_finish(&page);
}
