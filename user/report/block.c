/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * block.c - see block.h.
 */
#include "user/report/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/finding.h"
#include "user/report/names.h"
#include "user/report/present.h"
#include "user/report/where.h"

#define ENTRIES_SHOWN  5  /* of one process */
#define ENTRIES_MARKUP 40 /* likewise, on a page that scrolls */
#define ROWS_MOST      8
#define ASPECTS_MOST   4
#define SQL_LINES      3
#define EVIDENCE_LINES 3
#define ENTRY_INDENT   2
#define DETAIL_INDENT  4

static const enum page_colour colours[] = {
	[VERDICT_BIG] = PAGE_YELLOW,
	[VERDICT_STUCK] = PAGE_YELLOW,
	[VERDICT_LEAKING] = PAGE_RED,
};

/* Findings told together: those that differ only in their line, and what is part of them. */
struct entry {
	const struct finding_view *rows[ROWS_MOST], *aspects[ASPECTS_MOST];
	size_t row_count, aspect_count;
	struct finding_view sum; /* of the rows; all else is as in the first */
};

/* The lines printed last of a process, so that it is not said again. */
struct said {
	const char *limit, *endpoint, *sql, *now, *fix;
	struct words limit_text;
};

static void print_detail(struct page *p, const char *label, const char *text, unsigned max_lines)
{
	struct page_field field = {.indent = DETAIL_INDENT,
				   .label = label,
				   .label_columns = PAGE_LABEL,
				   .max_lines = max_lines};

	page_field(p, &field, text);
}

static bool block_same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/*
 * Entries.
 */

static bool same_function(const struct frame_view *a, const struct frame_view *b)
{
	return a && b && a->line && b->line && a->function && a->file &&
	       block_same_text(a->function, b->function) && block_same_text(a->file, b->file);
}

static bool is_row_of(const struct finding_view *f, const struct finding_view *first)
{
	return f->cause == first->cause && f->resource == first->resource &&
	       f->verdict == first->verdict && block_same_text(f->endpoint, first->endpoint) &&
	       block_same_text(f->object, first->object) && same_function(f->site, first->site);
}

static uint64_t add_known(uint64_t a, uint64_t b)
{
	return a == UNKNOWN64 || b == UNKNOWN64 ? UNKNOWN64 : a + b;
}

static void entry_add_row(struct entry *e, const struct finding_view *f)
{
	struct finding_view *sum = &e->sum;

	if (!e->row_count) {
		*sum = *f;
	} else {
		if (f->confidence < sum->confidence)
			sum->confidence = f->confidence;
		sum->acquired = add_known(sum->acquired, f->acquired);
		sum->released = add_known(sum->released, f->released);
		sum->open = add_known(sum->open, f->open);
		sum->earlier += f->earlier;
		sum->in_transaction = add_known(sum->in_transaction, f->in_transaction);
		sum->bytes = add_known(sum->bytes, f->bytes);
		if (sum->growth_per_minute >= 0 && f->growth_per_minute >= 0)
			sum->growth_per_minute += f->growth_per_minute;
		if (f->oldest_seconds > sum->oldest_seconds)
			sum->oldest_seconds = f->oldest_seconds;
		sum->memory.held += f->memory.held;
		if (sum->memory.per_minute >= 0 && f->memory.per_minute >= 0)
			sum->memory.per_minute += f->memory.per_minute;
	}
	e->rows[e->row_count++] = f;
}

static void entry_add_aspects(struct entry *e, const struct process_view *p)
{
	for (size_t i = 0; i < p->finding_count; i++)
		for (size_t row = 0; row < e->row_count; row++)
			if (p->findings[i].part_of == e->rows[row] &&
			    e->aspect_count < ASPECTS_MOST)
				e->aspects[e->aspect_count++] = &p->findings[i];
}

/* Returns the entries of a process, the worst first, in an array that the caller frees; NULL
 * without memory. */
static struct entry *entries_of(const struct process_view *p, size_t *count)
{
	struct entry *all = calloc(p->finding_count + 1, sizeof(*all));

	*count = 0;
	for (size_t i = 0; all && i < p->finding_count; i++) {
		const struct finding_view *f = &p->findings[i];
		size_t at = 0;

		if (f->part_of)
			continue;
		while (at < *count &&
		       !(all[at].row_count < ROWS_MOST && is_row_of(f, all[at].rows[0])))
			at++;
		entry_add_row(&all[at], f);
		*count += at == *count;
	}
	for (size_t i = 0; all && i < *count; i++)
		entry_add_aspects(&all[i], p);
	return all;
}

/*
 * The labels, in their order.
 */

static void block_print_row(struct page *page, const struct finding_view *f, bool first)
{
	size_t columns = page_room(page, DETAIL_INDENT, PAGE_LABEL);
	struct words w = {0}, rate = {0};

	words_frame(&w, f->site, columns);
	words_add(&w, "  ");
	if (finding_is_memory(f))
		words_bytes(&w, f->memory.held);
	else
		words_count(&w, f->open);
	words_add(&w, " %s", finding_left(f));
	words_rate(&rate, f, false);
	words_add(&w, "%s%s", rate.length ? ", " : "", rate.text);
	print_detail(page, first ? "where" : "", w.text, 0);
}

static void print_where(struct page *page, const struct entry *e, bool all)
{
	if (all || e->row_count == 1) {
		for (size_t i = 0; i < e->row_count; i++)
			where_print(page, e->rows[i], DETAIL_INDENT, all);
		return;
	}
	for (size_t i = 0; i < e->row_count; i++)
		block_print_row(page, e->rows[i], i == 0);
}

static const struct finding_view *transactions_of(const struct entry *e)
{
	for (size_t i = 0; i < e->aspect_count; i++)
		if (e->aspects[i]->resource == RESOURCE_TRANSACTION)
			return e->aspects[i];
	return NULL;
}

static void print_how_bad(struct page *page, const struct process_view *p, const struct entry *e,
			  bool first)
{
	const struct finding_view *transactions = transactions_of(e);
	struct words w = {0}, balance = {0};

	words_how_bad(&w, &e->sum);
	if (transactions)
		words_balance(&balance, transactions);
	if (balance.length)
		words_add(&w, "%sTransactions: %s", w.length ? ". " : "", balance.text);
	if (first) {
		struct words memory = {0};

		words_process_memory(&memory, p, finding_is_memory(&e->sum));
		if (memory.length)
			words_add(&w, "%s%s", w.length ? ". " : "", memory.text);
	}
	if (w.length)
		print_detail(page, "how bad", w.text, 0);
}

static void print_limit(struct page *page, const struct process_view *p, const struct entry *e,
			struct said *said)
{
	struct words w = {0};

	words_limit(&w, p, &e->sum);
	if (!w.length || !strcmp(w.text, said->limit_text.text))
		return;
	said->limit_text = w;
	print_detail(page, "limit", w.text, 0);
}

/* The columns of a text whose lines are counted: a narrow terminal shows as much as a file. */
static size_t columns_counted(const struct page *page)
{
	size_t columns = page->columns < PAGE_COLUMNS ? PAGE_COLUMNS : page->columns;

	return columns - DETAIL_INDENT - PAGE_LABEL;
}

static unsigned sql_lines(const struct page *page, const char *sql)
{
	size_t room = page_room(page, DETAIL_INDENT, PAGE_LABEL), length = strlen(sql);

	if (page_lines(sql, length, columns_counted(page)) <= SQL_LINES)
		return 0;
	return SQL_LINES * columns_counted(page) / room + (room < columns_counted(page));
}

static void print_database(struct page *page, const struct finding_view *f, struct said *said,
			   bool all)
{
	struct words w = {0};

	if (f->endpoint && !block_same_text(f->endpoint, said->endpoint)) {
		words_add(&w, "%s %s", engine_name(f->database), f->endpoint);
		print_detail(page, "database", w.text, 0);
		said->endpoint = f->endpoint;
	}
	if (f->sql && !block_same_text(f->sql, said->sql)) {
		print_detail(page, "last SQL", f->sql, all ? 0 : sql_lines(page, f->sql));
		said->sql = f->sql;
	}
}

static void print_advice(struct page *page, const struct finding_view *f, struct said *said)
{
	if (f->now && !block_same_text(f->now, said->now))
		print_detail(page, "now", f->now, 0);
	if (f->advice && !block_same_text(f->advice, said->fix))
		print_detail(page, "fix", f->advice, 0);
	said->now = f->now;
	said->fix = f->advice;
}

/* Adds a sentence unless it would pass the last line; the first one always stands. */
static void evidence_add(struct words *w, const struct page *page, const char *sentence, bool all)
{
	struct words more = *w;

	words_add(&more, "%s%s", more.length ? "; " : "", sentence);
	if (all || !w->length ||
	    page_lines(more.text, more.length, columns_counted(page)) <= EVIDENCE_LINES)
		*w = more;
}

static bool has_evidence_text(const struct finding_view *f, const char *text)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (block_same_text(f->evidence[i], text))
			return true;
	return false;
}

/* first: what is told before, perhaps f itself; what both say is said once. */
static void evidence_of(struct words *w, const struct page *page, const struct finding_view *f,
			const struct finding_view *first, const char *of, bool all)
{
	for (size_t i = 0; i < f->evidence_count; i++) {
		struct words sentence = {0};

		if (f != first && has_evidence_text(first, f->evidence[i]))
			continue;
		words_add(&sentence, "%s%s", i ? "" : of, f->evidence[i]);
		evidence_add(w, page, sentence.text, all);
	}
}

/* Each of several lines has evidence of its own, and without -v the first alone tells it. */
static void print_evidence(struct page *page, const struct entry *e, bool all)
{
	struct words w = {0};

	for (size_t row = 0; row < (all ? e->row_count : 1); row++) {
		const struct finding_view *f = e->rows[row];
		struct words of = {0};

		if (e->row_count > 1 && f->site)
			words_add(&of, "of line %u: ", f->site->line);
		evidence_of(&w, page, f, f, of.text, all);
		for (size_t at = 0; at < e->aspect_count; at++)
			if (e->aspects[at]->part_of == f)
				evidence_of(&w, page, e->aspects[at], f, "", all);
	}
	if (w.length)
		print_detail(page, "evidence", w.text, 0);
}

/* Transactions are told with the connections that they are open on; their line, if it differs. */
static void print_begun(struct page *page, const struct finding_view *f,
			const struct finding_view *whole)
{
	struct words w = {0};

	if (!f->site || (whole->site && f->site->line == whole->site->line &&
			 block_same_text(f->site->file, whole->site->file)))
		return;
	words_add(&w, "transactions begun at ");
	words_frame(&w, f->site, page_room(page, DETAIL_INDENT, PAGE_LABEL) - w.length);
	print_detail(page, "also", w.text, 0);
}

static void print_aspects(struct page *page, const struct process_view *p, const struct entry *e)
{
	for (size_t i = 0; i < e->aspect_count; i++) {
		const struct finding_view *f = e->aspects[i];
		struct words w = {0}, more = {0};

		if (f->resource == RESOURCE_TRANSACTION) {
			print_begun(page, f, f->part_of);
			continue;
		}
		words_headline(&w, f, p->exited);
		words_how_bad(&more, f);
		words_add(&w, "%s%s", more.length ? ": " : "", more.text);
		print_detail(page, "also", w.text, 0);
	}
}

/* The threads that wait, and where the one is now that used the oldest of them. */
static void print_present(struct page *page, const struct entry *e)
{
	const struct finding_view *transactions = transactions_of(e);
	size_t columns = page_room(page, DETAIL_INDENT, PAGE_LABEL);
	const struct holder_view *holder = &e->rows[0]->holder;
	struct words waiters = {0}, now = {0};

	if (holder->state == HOLDER_UNKNOWN && transactions)
		holder = &transactions->holder;
	words_waiters(&waiters, &e->rows[0]->waiters, columns);
	if (waiters.length)
		print_detail(page, "waiting", waiters.text, 0);
	words_holder(&now, holder, columns);
	if (now.length) {
		print_detail(page, "holder", now.text, 0);
		return;
	}
	words_threads(&now, e->rows[0], columns);
	if (now.length)
		print_detail(page, all_tasks(e->rows[0]) ? "tasks" : "threads", now.text, 0);
}

static void print_entry(struct page *page, const struct process_view *p, const struct entry *e,
			struct said *said, bool first, bool all)
{
	struct words headline = {0}, sure = {0};

	words_headline(&headline, &e->sum, p->exited);
	words_sure(&sure, &e->sum);
	page_headline(page, ENTRY_INDENT, PAGE_BOLD, headline.text, sure.text);
	print_where(page, e, all);
	if (e->rows[0]->test)
		print_detail(page, "test", e->rows[0]->test, 0);
	print_how_bad(page, p, e, first);
	print_limit(page, p, e, said);
	print_database(page, &e->sum, said, all);
	print_present(page, e);
	print_aspects(page, p, e);
	print_advice(page, &e->sum, said);
	print_evidence(page, e, all);
}

/*
 * With -v: all that the process holds.
 */

static void print_endpoint(struct page *page, const struct endpoint_view *e)
{
	struct words w = {0};

	words_endpoint(&w, e);
	words_add(&w, ": ");
	words_plural(&w, e->connections.open, "connection open", "connections open");
	words_add(&w, " (peak ");
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

/* "45 MB -> 141 MB (peak 150 MB); limit of docker web1: 175 MB of 537 MB used" */
static void words_anonymous_memory(struct words *w, const struct memory_view *m)
{
	words_add(w, "anonymous ");
	words_bytes(w, m->start);
	words_add(w, " -> ");
	words_bytes(w, m->end);
	if (m->peak != UNKNOWN64 && m->peak > m->end && m->peak > m->start) {
		words_add(w, ", peak ");
		words_bytes(w, m->peak);
	}
	if (m->swapped && m->swapped != UNKNOWN64) {
		words_add(w, ", swapped out ");
		words_bytes(w, m->swapped);
	}
	if (!limit_matters(m))
		return;
	words_add(w, "; limit of %s: ", m->limit_of);
	if (m->limit_used != UNKNOWN64) {
		words_bytes(w, m->limit_used);
		words_add(w, " of ");
	}
	words_bytes(w, m->limit);
	words_add(w, m->limit_used != UNKNOWN64 ? " used" : "");
}

static uint64_t held_at_most(const struct memory_site_view *m)
{
	return m->held + m->error < m->taken_bytes ? m->held + m->error : m->taken_bytes;
}

/* A figure below its own error is only a bound. */
static void words_memory_site(struct words *w, const struct memory_site_view *m, size_t columns)
{
	words_bytes(w, m->taken_bytes);
	words_add(w, " allocated, ");
	if (m->held == UNKNOWN64) {
		words_add(w, "unknown how much is not freed");
	} else {
		words_add(w, m->error && m->error >= m->held ? "at most " : "");
		words_bytes(w, m->error && m->error >= m->held ? held_at_most(m) : m->held);
		words_add(w, " not freed");
	}
	words_add(w, " (%s%s%s): ", tier_name(m->tier), m->object ? ", " : "",
		  m->object ? m->object : "");
	if (m->site)
		words_frame(w, m->site, columns);
	else
		words_add(w, "unknown line");
}

static void words_from_to(struct words *w, uint64_t start, uint64_t end, uint64_t peak)
{
	words_bytes(w, start);
	words_add(w, " -> ");
	words_bytes(w, end);
	if (peak != UNKNOWN64 && peak > end && peak > start && peak - end > peak / 10) {
		words_add(w, ", peak ");
		words_bytes(w, peak);
	}
}

void words_process_memory(struct words *w, const struct process_view *p, bool anonymous)
{
	const struct memory_view *m = &p->memory;

	if (anonymous && m->tier != EV_TIER_OFF && m->start != UNKNOWN64 && m->end != UNKNOWN64) {
		words_add(w, "Anonymous memory ");
		words_from_to(w, m->start, m->end, m->peak);
	} else if (p->rss_start != UNKNOWN64 && p->rss_end != UNKNOWN64 && p->rss_end) {
		words_add(w, "Memory ");
		words_from_to(w, p->rss_start, p->rss_end, p->rss_peak);
	}
}

void block_memory(struct page *page, const struct process_view *p)
{
	struct words w = {0};

	if (p->memory.end == UNKNOWN64 || p->memory.tier == EV_TIER_OFF)
		return;
	words_anonymous_memory(&w, &p->memory);
	print_detail(page, "memory", w.text, 0);
	for (size_t i = 0; i < p->memory.site_count; i++) {
		struct words site = {0};

		if (!p->memory.sites[i].held)
			continue;
		words_memory_site(&site, &p->memory.sites[i], page->columns);
		print_detail(page, "", site.text, 0);
	}
}

void block_endpoints(struct page *page, const struct process_view *p)
{
	for (size_t i = 0; i < p->endpoint_count; i++)
		print_endpoint(page, &p->endpoints[i]);
}

static void print_more_entries(struct page *page, size_t n)
{
	struct words w = {0};

	words_add(&w, "... and ");
	words_plural(&w, n, "more finding; -v shows it", "more findings; -v shows them");
	page_field(page, &(struct page_field){.indent = ENTRY_INDENT, .label = ""}, w.text);
}

static void print_title(struct page *page, const struct process_view *p)
{
	struct words w = {0};

	words_title(&w, p);
	page_headline(page, 0, colours[p->verdict], w.text, "");
}

int block_print(struct page *page, const struct process_view *p, bool all)
{
	size_t count, shown, most;
	struct entry *entries = entries_of(p, &count);
	struct said said = {};

	page_line(page);
	print_title(page, p);
	if (all && p->cmdline && *p->cmdline)
		print_detail(page, "command", p->cmdline, 0);
	if (all)
		block_memory(page, p);
	most = page->markup ? ENTRIES_MARKUP : ENTRIES_SHOWN;
	shown = all || count < most ? count : most;
	for (size_t i = 0; entries && i < shown; i++)
		print_entry(page, p, &entries[i], &said, i == 0, all);
	if (entries && shown < count)
		print_more_entries(page, count - shown);
	if (!p->finding_count && p->verdict_reason)
		print_detail(page, "evidence", p->verdict_reason, 0);
	if (all)
		block_endpoints(page, p);
	free(entries);
	return entries ? 0 : -ENOMEM;
}
