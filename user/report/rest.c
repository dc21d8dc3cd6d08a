/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rest.c - see rest.h.
 */
#include "user/report/rest.h"

#include <string.h>

#include "user/report/block.h"
#include "user/report/names.h"
#include "user/report/present.h"

#define LINES_SHOWN  20	     /* of one verdict */
#define NAMES_SHOWN  12	     /* of processes without a leak */
#define SHARED_SHOWN 3	     /* of processes with one reason */
#define MUCH_MORE    1000000 /* bytes: less is not mentioned */
#define AT_EXIT_TOLD 3	     /* connections of one process */

static const char *lead_of(enum verdict verdict)
{
	if (verdict == VERDICT_BOUNDED)
		return "Stopped growing:";
	return verdict == VERDICT_UNKNOWN ? "Cannot tell:" : "No leak seen:";
}

static uint64_t connections_of(const struct process_view *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->endpoint_count; i++)
		if (p->endpoints[i].connections.open != UNKNOWN64)
			n += p->endpoints[i].connections.open;
	return n;
}

/* A script leaves one or two to its end; more are worth a look, although they prove no leak. */
static uint64_t at_exit_of(const struct process_view *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->endpoint_count; i++)
		n += p->endpoints[i].connections.at_exit;
	return n < AT_EXIT_TOLD ? 0 : n;
}

/* A name, and how many processes bear it. */
struct shared_name {
	const struct process_view *first;
	size_t count;
};

static bool same_name(const struct process_view *a, const struct process_view *b)
{
	return a->role == b->role && same_service(a, b);
}

/* Returns how many names were found, at most `room`. */
static size_t collect_names(const struct report_view *v, struct shared_name *names, size_t room)
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
			names[used++] = (struct shared_name){p, 0};
		names[at].count++;
	}
	return used;
}

/* "3 x gunicorn shop:app" */
static void words_many(struct words *w, const struct shared_name *name)
{
	words_add(w, "%zu x %s", name->count, name->first->comm ? name->first->comm : "?");
	words_service(w, name->first);
	words_add(w, "%s", role_of(name->first));
}

static void words_names(struct words *w, const struct shared_name *names, size_t used,
			size_t processes)
{
	for (size_t i = 0; i < used; i++) {
		words_add(w, i ? ", " : ": ");
		if (names[i].count > 1)
			words_many(w, &names[i]);
		else
			words_process_state(w, names[i].first);
		processes -= names[i].count;
	}
	if (processes) {
		words_add(w, " and ");
		words_plural(w, processes, "other", "others");
	}
}

/* "; memory 310 MB (+2 MB)", as `top` shows it */
static void words_memory_of_all(struct words *w, const struct report_view *v)
{
	uint64_t first = 0, now = 0;

	for (size_t i = 0; i < v->process_count; i++) {
		const struct process_view *p = &v->processes[i];

		if (p->verdict != VERDICT_OK || p->rss_start == UNKNOWN64 ||
		    p->rss_end == UNKNOWN64)
			continue;
		first += p->rss_start;
		now += p->rss_end;
	}
	if (!now)
		return;
	words_add(w, "; memory ");
	words_bytes(w, now);
	if (now < first + MUCH_MORE)
		return;
	words_add(w, " (+");
	words_bytes(w, now - first);
	words_add(w, ")");
}

/* "; 12,345 more ended earlier (20,000 connections)" */
static void words_ended_earlier(struct words *w, const struct report_view *v)
{
	if (!v->forgotten_processes)
		return;
	words_add(w, "; ");
	words_count(w, v->forgotten_processes);
	words_add(w, " more ended earlier (");
	words_plural(w, v->forgotten_connections, "connection", "connections");
	words_add(w, ")");
}

static void print_without_leak(struct page *page, const struct report_view *v)
{
	struct shared_name names[NAMES_SHOWN];
	uint64_t connections = 0, at_exit = 0;
	struct words w = {0};
	size_t processes = 0;

	for (size_t i = 0; i < v->process_count; i++) {
		if (v->processes[i].verdict != VERDICT_OK)
			continue;
		processes++;
		connections += connections_of(&v->processes[i]);
		at_exit += at_exit_of(&v->processes[i]);
	}
	if (!processes && !v->forgotten_processes)
		return;
	words_plural(&w, processes, "process", "processes");
	words_add(&w, ", ");
	words_plural(&w, connections, "connection open", "connections open");
	if (at_exit) {
		words_add(&w, ", ");
		words_count(&w, at_exit);
		words_add(&w, " closed only at the end");
	}
	words_names(&w, names, collect_names(v, names, NAMES_SHOWN), processes);
	words_memory_of_all(&w, v);
	words_ended_earlier(&w, v);
	page_paragraph(page, lead_of(VERDICT_OK), PAGE_GREEN, w.text);
}

/* A pool that is full of work is no leak, and still what people look for. */
static void print_busy_pool(struct page *page, const struct process_view *p,
			    const struct endpoint_view *e)
{
	struct words w = {0};

	words_process_state(&w, p);
	words_add(&w, ": ");
	words_waiters(&w, &e->waiters, page->columns);
	words_add(&w, ". Its connections work meanwhile: the pool is too small, or its queries are "
		      "too slow");
	if (e->connections.open != UNKNOWN64) {
		words_add(&w, " (");
		words_plural(&w, e->connections.open, "connection", "connections");
		words_add(&w, ")");
	}
	words_add(&w, ".");
	page_paragraph(page, "Busy pool:", PAGE_YELLOW, w.text);
}

static void print_busy_pools(struct page *page, const struct report_view *v)
{
	size_t shown = 0;

	for (size_t i = 0; i < v->process_count; i++)
		for (size_t j = 0; j < v->processes[i].endpoint_count; j++) {
			const struct endpoint_view *e = &v->processes[i].endpoints[j];

			if (!e->waiters.count || !e->saturated ||
			    strcmp(e->saturated, "busy") != 0 || ++shown > LINES_SHOWN)
				continue;
			print_busy_pool(page, &v->processes[i], e);
		}
}

static const char *reason_of(const struct process_view *p)
{
	if (p->verdict_reason || p->verdict != VERDICT_UNKNOWN)
		return p->verdict_reason;
	return "not enough traffic to judge: watch longer";
}

static void print_reason(struct page *page, const struct process_view *p)
{
	struct words w = {0};

	words_title(&w, p);
	if (reason_of(p))
		words_add(&w, ": %s", reason_of(p));
	page_paragraph(page, lead_of(p->verdict), PAGE_PLAIN, w.text);
}

static bool same_reason(const struct process_view *a, const struct process_view *b)
{
	const char *x = reason_of(a), *y = reason_of(b);

	return a->verdict == b->verdict && (x == y || (x && y && !strcmp(x, y)));
}

static bool reason_is_new(const struct report_view *v, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (same_reason(&v->processes[i], &v->processes[at]))
			return false;
	return true;
}

/* Processes of a verdict with one reason share a paragraph. */
static void print_shared_reason(struct page *page, const struct report_view *v, size_t at)
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
		print_reason(page, p);
		return;
	}
	if (count > SHARED_SHOWN) {
		words_add(&w, " and ");
		words_count(&w, count - SHARED_SHOWN);
		words_add(&w, " more");
	}
	if (reason_of(p))
		words_add(&w, ": %s", reason_of(p));
	page_paragraph(page, lead_of(p->verdict), PAGE_PLAIN, w.text);
}

static void print_each(struct page *page, const struct report_view *v, enum verdict verdict)
{
	size_t reasons = 0;

	for (size_t i = 0; i < v->process_count; i++)
		if (v->processes[i].verdict == verdict && reason_is_new(v, i) &&
		    reasons++ < LINES_SHOWN)
			print_shared_reason(page, v, i);
	if (reasons > LINES_SHOWN) {
		struct words w = {0};

		words_count(&w, reasons - LINES_SHOWN);
		words_add(&w, " more; -v shows all");
		page_paragraph(page, "... and", PAGE_PLAIN, w.text);
	}
}

/* With -v: each process by itself, with all that it holds. */
static void print_whole(struct page *page, const struct report_view *v, enum verdict verdict)
{
	for (size_t i = 0; i < v->process_count; i++) {
		if (v->processes[i].verdict != verdict)
			continue;
		print_reason(page, &v->processes[i]);
		block_memory(page, &v->processes[i]);
		block_endpoints(page, &v->processes[i]);
	}
}

void rest_print(struct page *page, const struct report_view *v, bool all)
{
	static const enum verdict verdicts[] = {VERDICT_OK, VERDICT_BOUNDED, VERDICT_UNKNOWN};

	print_busy_pools(page, v);
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		if (all)
			print_whole(page, v, verdicts[i]);
		else if (verdicts[i] == VERDICT_OK)
			print_without_leak(page, v);
		else
			print_each(page, v, verdicts[i]);
	}
}
