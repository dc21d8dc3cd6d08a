/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * answer.c - see answer.h.
 */
#include "user/report/answer.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "user/report/finding.h"
#include "user/report/names.h"
#include "user/report/present.h"
#include "user/report/rank.h"
#include "user/report/server_limit.h"

#define NOUNS_MOST 4
#define URGENT	   3600	  /* seconds to a limit: somebody has to get up */
#define NEAR	   604800 /* later limits are not worth a sentence */
#define LONG_WATCH 300	  /* seconds: what leaks slowly has shown by then */

static const struct {
	const char *word;
	enum page_colour colour;
	const char *one, *many, *one_past, *many_past, *after;
	const char *more_one, *more_many; /* behind a worse verdict */
} verdicts[] = {
	[VERDICT_BIG] = {"LARGE RESULTS:", PAGE_YELLOW, "reads", "read", "read", "read",
			 " into memory at once", "reads large results", "read large results"},
	[VERDICT_STUCK] = {"STUCK:", PAGE_YELLOW, "keeps", "keep", "kept", "kept", " open and idle",
			   "is stuck", "are stuck"},
	[VERDICT_LEAKING] = {"LEAK:", PAGE_RED, "leaks", "leak", "leaked", "leaked", "", "", ""},
};

static size_t count_verdict(const struct report_view *v, enum verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < v->process_count; i++)
		n += v->processes[i].verdict == verdict;
	return n;
}

static size_t count_ended(const struct process_view *const *guilty, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += guilty[i]->exited;
	return n;
}

/* "connections, transactions and memory": what the processes of that verdict have, each once. */
static void words_nouns(struct words *w, const struct process_view *const *guilty, size_t count,
			enum verdict verdict)
{
	const char *nouns[NOUNS_MOST];
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; guilty[i]->verdict == verdict && j < guilty[i]->finding_count;
		     j++) {
			const struct finding_view *f = &guilty[i]->findings[j];
			size_t at = 0;

			if (f->verdict != verdict || f->part_of)
				continue;
			while (at < n && strcmp(nouns[at], finding_noun(f)))
				at++;
			if (at == n && n < NOUNS_MOST)
				nouns[n++] = finding_noun(f);
		}
	for (size_t i = 0; i < n; i++)
		words_add(w, "%s%s", !i ? " " : i + 1 < n ? ", " : " and ", nouns[i]);
}

static void words_guilty_processes(struct words *w, const struct report_view *v, size_t n)
{
	words_count(w, n);
	if (n < v->process_count) {
		words_add(w, " of ");
		words_count(w, v->process_count);
		words_add(w, " processes");
	} else {
		words_add(w, n == 1 ? " process" : " processes");
	}
}

static void words_ended(struct words *w, size_t ended, size_t count)
{
	if (!ended)
		return;
	if (ended < count) {
		words_add(w, " ");
		words_plural(w, ended, "has ended.", "have ended.");
		return;
	}
	words_add(w, count == 1 ? " It has ended" : " They have ended");
	words_add(w, ": nothing to do on this host.");
}

static void words_server(struct words *w, const struct report_view *v, const struct server_fill *s)
{
	double end = (double)v->start_realtime_ns + (v->seconds + s->seconds) * 1e9;

	bool urgent = s->seconds < URGENT;

	words_add(w, urgent ? " ACT NOW" : " CHECK THE DATABASE'S LIMIT");
	if (isfinite(s->seconds)) {
		words_add(w, ": ");
		words_server_full(w, s);
		if (v->start_realtime_ns)
			words_clock(w, (uint64_t)end, s->seconds);
	}
	words_add(w, urgent ? "; check its limit." : ".");
}

/* A full pool is no limit that comes: requests wait already. */
static void words_waiting(struct words *w, const struct process_view *const *guilty, size_t count)
{
	uint64_t n[2] = {}, tasks = 0; /* threads and tasks; requests */

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; !guilty[i]->exited && j < guilty[i]->finding_count; j++) {
			const struct waiters_view *v = &guilty[i]->findings[j].waiters;

			n[v->requests] += v->count;
			tasks += v->tasks;
		}
	if (!n[0] && !n[1])
		return;
	words_add(w, " ACT NOW: ");
	if (n[0])
		words_who_waits(w, n[0], tasks);
	else
		words_requests_wait(w, n[1]);
	words_add(w, ".");
}

static void words_known_limit(struct words *w, const char *lead, const struct finding_view *f)
{
	words_add(w, " %s: ", lead);
	words_limit_met(w, f);
	words_add(w, ".");
}

static const struct finding_view *nearest_of_all(const struct process_view *const *guilty,
						 size_t count)
{
	const struct finding_view *nearest = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct finding_view *f = rank_nearest(guilty[i]);

		if (f && (!nearest || f->exhausts_seconds < nearest->exhausts_seconds))
			nearest = f;
	}
	return nearest;
}

/* The limit that is reached first, if that is soon.  The database's own is a guess, but the nearest
 * one most often. */
static void words_urgency(struct words *w, const struct report_view *v,
			  const struct process_view *const *guilty, size_t count)
{
	const struct server_fill server = server_fill_of(guilty, count);
	const struct finding_view *f = nearest_of_all(guilty, count);
	bool known = f && f->exhausts_seconds <= NEAR,
	     urgent = known && f->exhausts_seconds < URGENT;
	bool server_first = server.first && (!known || !(server.seconds > f->exhausts_seconds));

	if (server_first)
		words_server(w, v, &server);
	if (urgent)
		words_known_limit(w, server_first && server.seconds < URGENT ? "Then" : "ACT NOW",
				  f);
	else if (known && !server.first)
		words_known_limit(w, "First known limit", f);
	if (server.first && !server_first)
		words_server(w, v, &server);
}

static enum verdict worst_of_all(const struct process_view *const *guilty, size_t count)
{
	enum verdict worst = VERDICT_BIG;

	for (size_t i = 0; i < count; i++)
		if (guilty[i]->verdict > worst)
			worst = guilty[i]->verdict;
	return worst;
}

static struct answer answer_guilty(const struct report_view *v,
				   const struct process_view *const *guilty, size_t count)
{
	size_t ended = count_ended(guilty, count), n, judged = 0;
	enum verdict worst = worst_of_all(guilty, count);
	struct answer a = {.lead = verdicts[worst].word, .colour = verdicts[worst].colour};
	struct words *w = &a.words;

	n = count_verdict(v, worst);
	for (size_t i = 0; i < count; i++)
		judged += guilty[i]->verdict == worst && guilty[i]->exited;
	words_guilty_processes(w, v, n);
	words_add(w, " %s",
		  judged == n ? (n == 1 ? verdicts[worst].one_past : verdicts[worst].many_past)
			      : (n == 1 ? verdicts[worst].one : verdicts[worst].many));
	words_nouns(w, guilty, count, worst);
	words_add(w, "%s", verdicts[worst].after);
	for (enum verdict next = worst - 1; next >= VERDICT_BIG; next--) {
		if (!(n = count_verdict(v, next)))
			continue;
		words_comma(w);
		words_plural(w, n, verdicts[next].more_one, verdicts[next].more_many);
	}
	words_add(w, ".%s", worst == VERDICT_BIG ? " No leak seen." : "");
	if (v->baseline.given && !v->baseline.fresh)
		words_add(w, " Nothing new: the baseline has all of it.");
	words_ended(w, ended, count);
	words_waiting(w, guilty, count);
	words_urgency(w, v, guilty, count);
	return a;
}

static void words_span(struct words *w, const struct report_view *v)
{
	if (isfinite(v->seconds) && v->seconds >= 0)
		words_duration(w, v->seconds);
	else
		words_add(w, "an unknown time");
}

static void words_clients(struct words *w, size_t n)
{
	words_plural(w, n, "process with a database", "processes with a database");
}

static struct answer answer_no_leak(const struct report_view *v)
{
	size_t unknown = count_verdict(v, VERDICT_UNKNOWN);
	struct answer a = {.lead = "NO LEAK SEEN", .colour = PAGE_GREEN};
	struct words *w = &a.words;

	if (unknown == v->process_count && !v->forgotten_processes) {
		a.lead = "CANNOT TELL:";
		a.colour = PAGE_YELLOW;
		words_clients(w, unknown);
		words_add(w, unknown == 1 ? ", which could not be judged."
					  : ", none of which could be judged.");
		return a;
	}
	words_add(w, "in ");
	words_span(w, v);
	words_add(w, ", ");
	words_clients(w, v->process_count);
	if (unknown) {
		words_add(w, ", of which ");
		words_count(w, unknown);
		words_add(w, " cannot be judged");
	}
	words_add(w, ".");
	return a;
}

static void words_start(struct words *w, const struct report_view *v)
{
	time_t seconds = (time_t)(v->start_realtime_ns / 1000000000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		words_add(w, "%04d-%02d-%02d %02d:%02d:%02d UTC", tm.tm_year + 1900, tm.tm_mon + 1,
			  tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* "of 12 s " of a command, "web1 for 12 s " of a host; the first line may have said how long. */
static void words_what(struct words *w, const struct report_view *v, bool span)
{
	bool named = v->mode != EV_MODE_RUN && v->host_name && *v->host_name;

	if (named)
		words_add(w, "%s ", v->host_name);
	if (!span)
		return;
	if (v->mode == EV_MODE_RUN)
		words_add(w, "of ");
	else if (named)
		words_add(w, "for ");
	words_span(w, v);
	words_add(w, " ");
}

static void print_window(struct page *page, const struct report_view *v, size_t guilty)
{
	const char *lead = v->mode == EV_MODE_RUN ? "Run" : "Watched";
	struct words w = {0};

	words_what(&w, v, guilty || !v->process_count);
	words_add(&w, "from ");
	words_start(&w, v);
	if (guilty) {
		words_add(&w, ", ");
		words_clients(&w, v->process_count);
	}
	words_add(&w, ".");
	if (!guilty && v->process_count && v->mode == EV_MODE_WATCH && v->seconds < LONG_WATCH)
		words_add(&w, " A slow leak needs longer: connections 1 min, memory 5 min.");
	page_paragraph(page, lead, PAGE_PLAIN, w.text);
}

static void print_one_look(struct page *page, const struct report_view *v)
{
	uint64_t open = 0;
	struct words w = {0};

	for (size_t i = 0; i < v->process_count; i++)
		for (size_t j = 0; j < v->processes[i].endpoint_count; j++)
			if (v->processes[i].endpoints[j].connections.open != UNKNOWN64)
				open += v->processes[i].endpoints[j].connections.open;
	words_clients(&w, v->process_count);
	words_add(&w, ", ");
	words_plural(&w, open, "connection open", "connections open");
	words_add(&w, ", at ");
	words_start(&w, v);
	words_add(&w, ".");
	page_paragraph(page, "ONE LOOK:", PAGE_BOLD, w.text);
}

struct answer answer_of(const struct report_view *v, const struct process_view *const *guilty,
			size_t count)
{
	if (count)
		return answer_guilty(v, guilty, count);
	if (v->process_count || v->forgotten_processes)
		return answer_no_leak(v);
	return (struct answer){.lead = "NO DATABASE CLIENT SEEN.", .colour = PAGE_BOLD};
}

void answer_print(struct page *page, const struct report_view *v,
		  const struct process_view *const *guilty, size_t count)
{
	struct answer a;

	if (v->cut)
		page_paragraph(page, "INCOMPLETE:", PAGE_YELLOW,
			       "the recording was cut, and what came after is not in this report.");
	if (v->mode == EV_MODE_SNAPSHOT) {
		print_one_look(page, v);
		return;
	}
	a = answer_of(v, guilty, count);
	page_paragraph(page, a.lead, a.colour, a.words.text);
	print_window(page, v, count);
}
