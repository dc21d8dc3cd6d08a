/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * block.c - the part of the text report that shows one guilty process and what it leaks.
 *
 * Each finding looks the same: what, where, how many, the last SQL, why we say so, what to do.
 */
#include "user/report/block.h"

#include <math.h>
#include <string.h>

#include "user/report/names.h"
#include "user/report/where.h"

#define FINDINGS_SHOWN 5 /* of one process */
#define SQL_LINES      3
#define DETAIL_INDENT  4

static const struct {
	const char *label;
	enum page_colour colour;
} labels[] = {
	[VERDICT_LEAKING] = {"LEAKING", PAGE_RED},
	[VERDICT_STUCK] = {"STUCK", PAGE_YELLOW},
	[VERDICT_BIG] = {"BIG", PAGE_YELLOW},
};

static const struct {
	const char *one, *many;
} headlines[] = {
	[CAUSE_UNCLOSED_CONNECTION] = {"a connection never closed", "connections never closed"},
	[CAUSE_OPEN_TRANSACTION] = {"a transaction left open", "transactions left open"},
	[CAUSE_UNCLOSED_STATEMENT] = {"a prepared statement never closed",
				      "prepared statements never closed"},
	[CAUSE_CACHE_GROWTH] = {"a cache without bound", "a cache without bound"},
	[CAUSE_UNBOUNDED_RESULT] = {"a large result fetched whole", "large results fetched whole"},
	[CAUSE_UNFREED_RESULT] = {"a result never freed", "results never freed"},
	[CAUSE_UNCLOSED_CURSOR] = {"a cursor left open", "cursors left open"},
	[CAUSE_WAL_GROWTH] = {"a reader behind which the write-ahead log grows",
			      "readers behind which the write-ahead log grows"},
	[CAUSE_UNFREED_MEMORY] = {"a buffer never freed", "buffers never freed"},
};

static const struct {
	const char *acquired, *released;
} verbs[] = {
	[RESOURCE_CONNECTION] = {"opened", "closed"},  [RESOURCE_TRANSACTION] = {"begun", "ended"},
	[RESOURCE_STATEMENT] = {"prepared", "closed"}, [RESOURCE_CURSOR] = {"opened", "closed"},
	[RESOURCE_RESULT] = {"read", "freed"},	       [RESOURCE_MEMORY] = {"allocated", "freed"},
};

static bool block_is_known(double value)
{
	return isfinite(value) && value >= 0;
}

/* The command line without the program's own name: python3 app.py is known by its script. */
static const char *arguments_of(const struct process_view *p)
{
	const char *line = p->cmdline ? p->cmdline : "";
	size_t first = strcspn(line, " "), comm = p->comm ? strlen(p->comm) : 0;

	if (!comm || first < comm || memcmp(line + first - comm, p->comm, comm) ||
	    (first > comm && line[first - comm - 1] != '/'))
		return line;
	return line + first + strspn(line + first, " ");
}

static void print_detail(struct page *p, const char *label, const char *text, unsigned max_lines)
{
	struct page_field field = {.indent = DETAIL_INDENT,
				   .label = label,
				   .label_columns = PAGE_LABEL,
				   .max_lines = max_lines};

	page_field(p, &field, text);
}

static void print_title(struct page *page, const struct process_view *p)
{
	struct words left = {0}, place = {0};

	words_process_state(&left, p);
	words_add(&left, "  %s", arguments_of(p));
	words_place(&place, p);
	page_title(page, labels[p->verdict].label, labels[p->verdict].colour, left.text,
		   place.text);
	/* A name that was cut is no use to those who must type it. */
	if (strlen(place.text) > PAGE_PLACE_COLUMNS)
		print_detail(page, "in", place.text, 0);
}

/* Is the finding about memory itself?  Memory of objects is counted in findings about them. */
static bool is_memory(const struct finding_view *f)
{
	return f->resource == RESOURCE_MEMORY && f->memory.tier != EV_TIER_OFF && !f->object;
}

static void words_open(struct words *w, const struct finding_view *f, bool exited)
{
	words_comma(w);
	words_count(w, f->open);
	words_add(w, exited ? " %s at exit" : " still %s",
		  f->resource == RESOURCE_RESULT || f->resource == RESOURCE_MEMORY ? "held"
										   : "open");
	if (!f->in_transaction || f->in_transaction == UNKNOWN64)
		return;
	if (f->in_transaction >= f->open) {
		words_item(w, f->open == 1 ? "in a transaction" : "all in a transaction");
		return;
	}
	words_comma(w);
	words_count(w, f->in_transaction);
	words_add(w, " of them in a transaction");
}

static void words_oldest(struct words *w, const struct finding_view *f)
{
	if (!block_is_known(f->oldest_seconds)) {
		words_item(w, "age not known");
		return;
	}
	words_item(w, f->open == 1 ? "for " : "the oldest for ");
	words_add(w, f->oldest_is_minimum ? "at least " : "");
	words_duration(w, f->oldest_seconds);
}

static void words_growth(struct words *w, double per_minute)
{
	static const struct {
		double factor;
		const char *name;
	} units[] = {{1, "a minute"}, {60, "an hour"}, {1440, "a day"}};

	if (!block_is_known(per_minute))
		return;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double n = per_minute * units[i].factor;

		if (n < 0.95)
			continue;
		words_comma(w);
		words_count(w, n < 1e18 ? (uint64_t)(n + 0.5) : UNKNOWN64);
		words_add(w, " more %s", units[i].name);
		return;
	}
	words_item(w, "not growing");
}

static void words_size(struct words *w, const struct finding_view *f)
{
	if (f->rows != UNKNOWN64) {
		words_item(w, f->rows_exact ? "" : "about ");
		words_plural(w, f->rows, "row", "rows");
	}
	if (f->bytes != UNKNOWN64) {
		words_item(w, f->cause == CAUSE_WAL_GROWTH ? "the log has " : "");
		words_bytes(w, f->bytes);
	}
}

/* A finding may know only how many are open. */
static void words_balance(struct words *w, const struct finding_view *f)
{
	if (f->acquired == UNKNOWN64 && f->released == UNKNOWN64)
		return;
	words_count(w, f->acquired);
	words_add(w, " %s, ", verbs[f->resource].acquired);
	words_count(w, f->released);
	words_add(w, " %s", verbs[f->resource].released);
}

static void words_rate(struct words *w, double bytes_per_minute)
{
	static const struct {
		double factor;
		const char *name;
	} units[] = {{1, "a minute"}, {60, "an hour"}, {1440, "a day"}};
	size_t i = 0;

	if (!block_is_known(bytes_per_minute) || bytes_per_minute <= 0)
		return;
	while (i < 2 && bytes_per_minute * units[i].factor < 1e5)
		i++;
	words_comma(w);
	words_bytes(w, (uint64_t)(bytes_per_minute * units[i].factor));
	words_add(w, " more %s", units[i].name);
}

/* "96 MB more in 60 s, 71 MB of it taken here and still held, 70 MB more a minute" */
static void words_memory(struct words *w, const struct memory_cost *m)
{
	if (m->grown) {
		words_bytes(w, m->grown);
		words_add(w, " more in ");
		words_duration(w, m->seconds);
	}
	if (m->placed) {
		words_item(w, m->at_least ? "at least " : "");
		words_bytes(w, m->held);
		words_add(w, " taken here and still held");
	}
	words_rate(w, m->per_minute);
}

/* Prints what was counted.  A result that was too large is measured by its size, all else by what
 * was acquired and released. */
static void print_counts(struct page *page, const struct finding_view *f, bool exited)
{
	struct words w = {0};

	if (f->cause == CAUSE_UNBOUNDED_RESULT) {
		if (f->acquired > 1 && f->acquired != UNKNOWN64) {
			words_count(&w, f->acquired);
			words_add(&w, " such results");
		}
		words_size(&w, f);
	} else if (is_memory(f)) {
		words_memory(&w, &f->memory);
		if (f->open != UNKNOWN64)
			words_item(&w, "in ");
		if (f->open != UNKNOWN64)
			words_plural(&w, f->open, "block", "blocks");
	} else {
		words_balance(&w, f);
		words_open(&w, f, exited);
		words_oldest(&w, f);
		words_growth(&w, f->growth_per_minute);
		words_size(&w, f);
	}
	if (w.length)
		print_detail(page, "counted", w.text, 0);
}

/* "open files 1024" reads better as "open files (1024)". */
static void print_until(struct page *page, const struct finding_view *f)
{
	const char *limit = f->exhausts_limit, *number = strrchr(limit, ' ');
	struct words w = {0};

	if (!strncmp(limit, "memory ", 7))
		words_add(&w, "memory (%s)", limit + 7);
	else if (number && number[1] && strspn(number + 1, "0123456789") == strlen(number + 1))
		words_add(&w, "%.*s (%s)", (int)(number - limit), limit, number + 1);
	else
		words_add(&w, "%s", limit);
	words_add(&w, " %s gone in about ", strncmp(limit, "memory ", 7) ? "are" : "is");
	words_duration(&w, f->exhausts_seconds);
	if (f->exhausts_earliest > 0 && f->exhausts_latest > 0) {
		words_add(&w, " (");
		words_duration(&w, f->exhausts_earliest);
		words_add(&w, " to ");
		words_duration(&w, f->exhausts_latest);
		words_add(&w, ")");
	}
	print_detail(page, "until", w.text, 0);
}

static void print_headline(struct page *page, const struct process_view *p,
			   const struct finding_view *f)
{
	struct page_field field = {.indent = 2, .label = "", .label_columns = 0};
	uint64_t n = f->cause == CAUSE_UNBOUNDED_RESULT ? f->acquired : f->open;
	struct words w = {0};

	if (is_memory(f))
		words_add(&w, "memory kept and never given back: ");
	else
		words_add(&w, "%s: ", n == 1 ? headlines[f->cause].one : headlines[f->cause].many);
	if (f->verdict != p->verdict)
		words_add(&w, "%s, ", verdict_name(f->verdict));
	words_add(&w, "%s, %s", kind_name(f->kind), confidence_name(f->confidence));
	page_field(page, &field, w.text);
}

static void print_finding(struct page *page, const struct process_view *p,
			  const struct finding_view *f, bool all)
{
	struct words w = {0};

	print_headline(page, p, f);
	where_print(page, f, DETAIL_INDENT, all);
	words_add(&w, "%s %s",
		  f->database == EV_DB_UNKNOWN ? "a database," : database_name(f->database),
		  f->endpoint ? f->endpoint : "address not known");
	if (!is_memory(f) || f->endpoint)
		print_detail(page, "at", w.text, 0);
	print_counts(page, f, p->exited);
	if (!is_memory(f) || f->sql)
		print_detail(page, "last", f->sql ? f->sql : "(its SQL was not seen)",
			     all ? 0 : SQL_LINES);
	for (size_t i = 0; i < f->evidence_count; i++)
		print_detail(page, i ? "" : "because", f->evidence[i], 0);
	if (f->advice)
		print_detail(page, "do", f->advice, 0);
	if (f->exhausts_limit && block_is_known(f->exhausts_seconds))
		print_until(page, f);
}

/* -v: all that was counted at one endpoint. */
static void print_endpoint(struct page *page, const struct endpoint_view *e)
{
	struct words w = {0};

	words_endpoint(&w, e);
	words_add(&w, ": ");
	words_plural(&w, e->connections.open, "connection open", "connections open");
	words_add(&w, " (most ");
	words_count(&w, e->connections.peak);
	words_add(&w, ", opened ");
	words_count(&w, e->connections.opened);
	words_add(&w, ", closed ");
	words_count(&w, e->connections.closed);
	words_add(&w, "), ");
	words_plural(&w, e->statements.open, "statement open", "statements open");
	words_add(&w, ", ");
	words_plural(&w, e->transactions.open, "transaction open", "transactions open");
	words_add(&w, " of ");
	words_count(&w, e->transactions.begun);
	print_detail(page, "holds", w.text, 0);
}

/* The limit of a host says nothing of a process while less than half of it is used. */
static bool limit_matters(const struct memory_view *m)
{
	return m->limit != UNKNOWN64 && m->limit_of &&
	       (m->limit_kind != EV_LIMIT_HOST || m->limit_used == UNKNOWN64 ||
		m->limit_used >= m->limit / 2);
}

/* "from 45 MB to 141 MB, at most 150 MB; the limit is 537 MB (docker web1)" */
static void words_process_memory(struct words *w, const struct memory_view *m)
{
	words_add(w, "from ");
	words_bytes(w, m->start);
	words_add(w, " to ");
	words_bytes(w, m->end);
	if (m->peak > m->end && m->peak > m->start) {
		words_add(w, ", at most ");
		words_bytes(w, m->peak);
	}
	if (m->swapped && m->swapped != UNKNOWN64) {
		words_add(w, ", of which swapped out ");
		words_bytes(w, m->swapped);
	}
	if (!limit_matters(m))
		return;
	words_add(w, "; the limit of %s is ", m->limit_of);
	words_bytes(w, m->limit);
	if (m->limit_used != UNKNOWN64) {
		words_add(w, ", in use ");
		words_bytes(w, m->limit_used);
	}
}

static uint64_t held_at_most(const struct memory_site_view *m)
{
	return m->held + m->error < m->taken_bytes ? m->held + m->error : m->taken_bytes;
}

/* A figure below its own error is only a bound. */
static void words_memory_site(struct words *w, const struct memory_site_view *m)
{
	if (m->held == UNKNOWN64)
		words_add(w, "not known how much is");
	else if (m->error && m->error >= m->held)
		words_add(w, "at most ");
	if (m->held != UNKNOWN64)
		words_bytes(w, m->error && m->error >= m->held ? held_at_most(m) : m->held);
	words_add(w, " held of ");
	words_bytes(w, m->taken_bytes);
	words_add(w, " taken (%s%s%s): ", tier_name(m->tier), m->object ? ", " : "",
		  m->object ? m->object : "");
	if (m->site)
		words_frame(w, m->site, PAGE_COLUMNS);
	else
		words_add(w, "where is not known");
}

void block_memory(struct page *page, const struct process_view *p, bool all)
{
	struct words w = {0};

	if (p->memory.end == UNKNOWN64 || p->memory.tier == EV_TIER_OFF)
		return;
	words_process_memory(&w, &p->memory);
	print_detail(page, "memory", w.text, 0);
	for (size_t i = 0; all && i < p->memory.site_count; i++) {
		struct words site = {0};

		if (!p->memory.sites[i].held)
			continue;
		words_memory_site(&site, &p->memory.sites[i]);
		print_detail(page, "", site.text, 0);
	}
}

void block_endpoints(struct page *page, const struct process_view *p)
{
	for (size_t i = 0; i < p->endpoint_count; i++)
		print_endpoint(page, &p->endpoints[i]);
}

static void print_more_findings(struct page *page, size_t n)
{
	struct page_field field = {.indent = 2, .label = ""};
	struct words w = {0};

	words_add(&w, "... and ");
	words_plural(&w, n, "more finding; -v shows it", "more findings; -v shows them");
	page_field(page, &field, w.text);
}

void block_print(struct page *page, const struct process_view *p, bool all)
{
	size_t shown = all || p->finding_count < FINDINGS_SHOWN ? p->finding_count : FINDINGS_SHOWN;

	page_line(page);
	print_title(page, p);
	block_memory(page, p, all);
	for (size_t i = 0; i < shown; i++)
		print_finding(page, p, &p->findings[i], all);
	if (shown < p->finding_count)
		print_more_findings(page, p->finding_count - shown);
	if (!p->finding_count && p->verdict_reason)
		print_detail(page, "because", p->verdict_reason, 0);
	if (all)
		block_endpoints(page, p);
}
