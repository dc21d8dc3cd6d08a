/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * coverage.c - see coverage.h.
 */
#include "user/report/coverage.h"

#include <math.h>
#include <string.h>

#include "user/report/names.h"

#define LINES_SHOWN   20
#define SHARED_SHOWN  3 /* of processes with one gap */
#define LABEL_COLUMNS 13
#define SHORT_WATCH   5 /* seconds: a percentage of less says nothing */

static const struct {
	const char *one, *many;
} losses[EV_LOSS_KINDS] = {
	[EV_LOSS_RING_FULL] = {"event was dropped: some details are missing",
			       "events were dropped: some details are missing"},
	[EV_LOSS_MAP_FULL] = {"object was not recorded: counts are too low",
			      "objects were not recorded: counts are too low"},
	[EV_LOSS_READ_FAULT] = {"read of program memory failed: some details are missing",
				"reads of program memory failed: some details are missing"},
	[EV_LOSS_MISSED_RETURN] = {"call ended unseen: its result is unknown",
				   "calls ended unseen: their results are unknown"},
	[EV_LOSS_TRUNCATED] =
		{"message or stack was not read whole: its SQL, state or line may be missing",
		 "messages or stacks were not read whole: SQL, state or lines may be missing"},
};

static bool coverage_same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static void print_labelled(struct page *p, const char *label, enum page_colour colour,
			   const char *text)
{
	struct page_field field = {
		.label = label, .colour = colour, .label_columns = LABEL_COLUMNS};

	page_field(p, &field, text);
}

static bool gap_is_new(const struct report_view *v, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!!v->gaps[i].pid == !!v->gaps[at].pid &&
		    coverage_same_text(v->gaps[i].reason, v->gaps[at].reason))
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

		if (!gap->pid || !coverage_same_text(gap->reason, v->gaps[at].reason) ||
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
	struct words more = {0};

	for (size_t i = 0; i < v->gap_count; i++) {
		struct words w = {0};

		if (v->gaps[i].withdrawn)
			continue; /* above all */
		if (!all && (!gap_is_new(v, i) || reasons++ >= LINES_SHOWN))
			continue;
		words_hidden(&w, v, i, all);
		words_add(&w, "%s", v->gaps[i].reason ? v->gaps[i].reason : "unknown reason");
		print_labelled(page, shown++ ? "" : "Not covered:", PAGE_YELLOW, w.text);
	}
	if (all || reasons <= LINES_SHOWN)
		return;
	words_add(&more, "... and ");
	words_count(&more, reasons - LINES_SHOWN);
	words_add(&more, " more; -v shows all");
	print_labelled(page, "", PAGE_PLAIN, more.text);
}

/* With -v: the client libraries that were probed, and how soon. */
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
		if (isfinite(l->attach_seconds) && l->attach_seconds >= 0)
			words_add(&w, ", attached after %.3f s", l->attach_seconds);
		else
			words_add(&w, ", not attached");
		words_add(&w, "%s", l->detached ? "; counting was switched off (budget)" : "");
		print_labelled(page, i ? "" : "Libraries:", PAGE_PLAIN, w.text);
	}
}

static bool print_losses(struct page *page, const struct report_view *v)
{
	bool any = false;

	for (size_t i = 0; i < EV_LOSS_KINDS; i++) {
		struct words w = {0};

		if (!v->losses[i])
			continue;
		words_plural(&w, v->losses[i], losses[i].one, losses[i].many);
		print_labelled(page, any ? "" : "Lost:", PAGE_YELLOW, w.text);
		any = true;
	}
	return any;
}

static void print_cost(struct page *page, const struct report_view *v, bool lost)
{
	struct words w = {0};

	if (!isfinite(v->cpu_percent) || v->cpu_percent < 0)
		words_add(&w, "used an unknown share of a CPU");
	else if (isfinite(v->seconds) && v->seconds < SHORT_WATCH)
		words_add(&w, "used %.1f s of CPU time", v->cpu_percent / 100 * v->seconds);
	else
		words_add(&w, "used %.*f %% of a CPU", v->cpu_percent < 0.095 ? 2 : 1,
			  v->cpu_percent);
	if (v->stepped_down)
		words_add(&w, " and looked less often");
	if (v->budget_percent >= 0 && (v->stepped_down || v->cpu_percent > v->budget_percent))
		words_add(&w, " (budget %g %%%s)", v->budget_percent,
			  v->stepped_down ? "" : "; a watch costs most at its start");
	else if (v->stepped_down)
		words_add(&w, " to keep its budget (--max-overhead)");
	words_add(&w, lost ? ". Events were lost, see above." : ". No events lost.");
	page_paragraph(page, "dbleak", PAGE_PLAIN, w.text);
}

#define GONE_SHOWN 3

/* The baseline's findings, in one line; --json has all of it. */
static void print_baseline(struct page *page, const struct baseline_view *b, bool all)
{
	size_t shown = all || b->gone_count <= GONE_SHOWN ? b->gone_count : GONE_SHOWN;
	struct words w = {0};

	words_add(&w, "has ");
	words_count(&w, b->known);
	words_add(&w, " of these findings, ");
	words_count(&w, b->fresh);
	words_add(&w, b->fresh == 1 ? " is new." : " are new.");
	if (b->gone_count) {
		words_add(&w, " ");
		words_plural(&w, b->gone_count, "of it was not seen any more",
			     "of it were not seen any more");
		for (size_t i = 0; i < shown; i++)
			words_add(&w, "%s%s", i ? ", " : ": ", b->gone[i]);
		words_add(&w, shown < b->gone_count ? ", ..." : ".");
	}
	page_paragraph(page, "Baseline", PAGE_PLAIN, w.text);
}

void coverage_print(struct page *page, const struct report_view *v, bool all)
{
	bool lost;

	if (all)
		print_libraries(page, v);
	print_gaps(page, v, all);
	lost = print_losses(page, v);
	if (v->baseline.given)
		print_baseline(page, &v->baseline, all);
	if (v->mode != EV_MODE_SNAPSHOT || v->cpu_percent >= 0 || lost)
		print_cost(page, v, lost);
}

void coverage_print_harm(struct page *page, const struct report_view *v)
{
	struct words w = {0};

	if (!v->gap_count || !v->gaps[0].withdrawn)
		return;
	words_hidden(&w, v, 0, false);
	words_add(&w, "%s.", v->gaps[0].reason ? v->gaps[0].reason : "died at a probe");
	page_paragraph(page, "HARM:", PAGE_RED, w.text);
	page_line(page);
}
