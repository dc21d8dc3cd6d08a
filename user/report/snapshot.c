/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * snapshot.c - the part of the text report that shows one look: what is open now, as a table.
 *
 * A snapshot accuses nobody, so the table has no verdicts.  Rows that deserve a second look come
 * first: sockets whose server has hung up, then the most connections.
 */
#include "user/report/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/report/names.h"

#define ROWS_SHOWN 50

struct snapshot_row {
	const struct process_view *process;
	const struct endpoint_view *endpoint;
};

/* Short enough for a cell of four. */
static void words_cell_count(struct words *w, uint64_t n)
{
	if (n == UNKNOWN64)
		words_add(w, "?");
	else if (n < 10000)
		words_add(w, "%" PRIu64, n);
	else if (n < 1000000)
		words_add(w, "%" PRIu64 "k", n / 1000);
	else
		words_add(w, n < 1000000000 ? "%" PRIu64 "M" : ">1G", n / 1000000);
}

static void fill_process(struct words *w, const struct snapshot_row *r)
{
	words_process(w, r->process->comm, r->process->pid);
}

static void fill_container(struct words *w, const struct snapshot_row *r)
{
	const char *container = container_of(r->process);

	if (container)
		words_add(w, "%.*s", container == r->process->container_id ? 12 : EV_NAME_LEN,
			  container);
}

static const char *short_name(enum ev_database database)
{
	static const char *const names[] = {
		[EV_DB_UNKNOWN] = "?",	   [EV_DB_POSTGRESQL] = "pg", [EV_DB_MYSQL] = "mysql",
		[EV_DB_SQLITE] = "sqlite", [EV_DB_REDIS] = "redis",
	};

	return database < sizeof(names) / sizeof(names[0]) ? names[database] : "?";
}

static void fill_database(struct words *w, const struct snapshot_row *r)
{
	const struct endpoint_view *e = r->endpoint;

	words_add(w, "%s%s %s", short_name(e->database), e->guessed && e->database ? "?" : "",
		  e->address ? e->address : "?");
	if (e->name && *e->name)
		words_add(w, "/%s", e->name);
}

static void fill_open(struct words *w, const struct snapshot_row *r)
{
	words_cell_count(w, r->endpoint->connections.open);
}

static void fill_idle(struct words *w, const struct snapshot_row *r)
{
	words_cell_count(w, r->endpoint->connections.idle);
}

static void fill_in_transaction(struct words *w, const struct snapshot_row *r)
{
	words_cell_count(w, r->endpoint->connections.in_transaction);
}

static void fill_hung_up(struct words *w, const struct snapshot_row *r)
{
	words_cell_count(w, r->endpoint->connections.close_wait);
}

static void fill_oldest(struct words *w, const struct snapshot_row *r)
{
	double seconds = r->endpoint->oldest_idle_seconds;

	if (isfinite(seconds) && seconds >= 0)
		words_duration(w, seconds);
	else
		words_add(w, "?");
}

/* Text columns take what their rows need, up to their width; the database gets what is left. */
static const struct snapshot_column {
	const char *title;
	size_t columns;
	bool right;
	void (*fill)(struct words *w, const struct snapshot_row *r);
} table[] = {
	{"PROCESS", 22, false, fill_process},	{"CONTAINER", 12, false, fill_container},
	{"DATABASE", 48, false, fill_database}, {"OPEN", 5, true, fill_open},
	{"IDLE", 5, true, fill_idle},		{"IN-TX", 6, true, fill_in_transaction},
	{"HUNG", 5, true, fill_hung_up},	{"OLDEST", 9, true, fill_oldest},
};

#define TABLE_COLUMNS (sizeof(table) / sizeof(table[0]))

static int descending(uint64_t a, uint64_t b)
{
	return a == b ? 0 : a > b ? -1 : 1;
}

/* Unknown sorts as none. */
static uint64_t known(uint64_t n)
{
	return n == UNKNOWN64 ? 0 : n;
}

static int row_compare(const void *first, const void *second)
{
	const struct snapshot_row *a = first, *b = second;
	const struct endpoint_view *x = a->endpoint, *y = b->endpoint;
	int order = descending(known(x->connections.close_wait), known(y->connections.close_wait));

	if (!order)
		order = descending(known(x->connections.open), known(y->connections.open));
	if (!order && x->oldest_idle_seconds != y->oldest_idle_seconds)
		order = x->oldest_idle_seconds > y->oldest_idle_seconds ? -1 : 1;
	if (!order)
		order = -descending(a->process->pid, b->process->pid);
	return order ? order : x < y ? -1 : x > y;
}

static size_t count_rows(const struct report_view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->process_count; i++)
		n += v->processes[i].endpoint_count;
	return n;
}

/* Returns rows, which the caller frees.  There is room for one at least, so NULL means no memory.
 */
static struct snapshot_row *collect_rows(const struct report_view *v, size_t count)
{
	struct snapshot_row *rows = calloc(count + 1, sizeof(*rows));
	size_t at = 0;

	if (!rows)
		return NULL;
	for (size_t i = 0; i < v->process_count; i++)
		for (size_t j = 0; j < v->processes[i].endpoint_count; j++)
			rows[at++] = (struct snapshot_row){&v->processes[i],
							   &v->processes[i].endpoints[j]};
	qsort(rows, count, sizeof(*rows), row_compare);
	return rows;
}

/* most: what the page grants the column. */
static size_t column_need(const struct snapshot_column *column, const struct snapshot_row *rows,
			  size_t count, size_t most)
{
	size_t need = 0;

	for (size_t i = 0; i < count; i++) {
		struct words w = {0};
		size_t columns;

		column->fill(&w, &rows[i]);
		columns = escape_columns(w.text, w.length);
		need = columns > need ? columns : need;
	}
	if (need && need < strlen(column->title))
		need = strlen(column->title);
	return need < most ? need : most;
}

/* The database is the last of the text columns, so what is left when it is reached is its own. */
static void fit_columns(size_t *columns, size_t left, const struct snapshot_row *rows, size_t count)
{
	bool wide = left == PAGE_COLUMNS_WIDE;

	for (size_t i = 0; i < TABLE_COLUMNS; i++)
		left -= table[i].right ? table[i].columns : 0;
	for (size_t i = 0; i < TABLE_COLUMNS; i++) {
		columns[i] = table[i].columns;
		if (table[i].right)
			continue;
		columns[i] = column_need(&table[i], rows, count, wide ? left : table[i].columns);
		if (columns[i] > left)
			columns[i] = left;
		left -= columns[i] + (columns[i] && left > columns[i]);
	}
}

/* A text column without any text, as CONTAINER on a host without containers, is not there. */
static void print_row(struct page *p, const size_t *columns, const struct snapshot_row *r)
{
	for (size_t i = 0; i < TABLE_COLUMNS; i++) {
		struct words w = {0};

		if (!columns[i])
			continue;
		if (r)
			table[i].fill(&w, r);
		else
			words_add(&w, "%s", table[i].title);
		page_cell(p, w.text, columns[i], table[i].right);
		if (!table[i].right && table[i].fill != fill_database)
			page_cell(p, "", 1, false);
	}
	page_line(p);
}

/* A row of a table that the page is too narrow for: "app[7] pg 10.0.0.5:5432: OPEN 5, IDLE 3". */
static void print_sentence(struct page *p, const struct snapshot_row *r)
{
	struct words process = {0}, w = {0};
	bool counted = false;

	fill_process(&process, r);
	for (size_t i = 1; i < TABLE_COLUMNS; i++) {
		struct words cell = {0};

		table[i].fill(&cell, r);
		if (!cell.length)
			continue;
		if (table[i].right)
			words_add(&w, "%s%s %s", counted ? ", " : ": ", table[i].title, cell.text);
		else
			words_add(&w, "%s%s", w.length ? " " : "", cell.text);
		counted = table[i].right;
	}
	page_paragraph(p, process.text, PAGE_PLAIN, w.text);
}

static void print_note(struct page *p, const char *label, const char *text)
{
	struct page_field field = {.label = label, .label_columns = PAGE_LABEL};

	page_field(p, &field, text);
}

static void print_more(struct page *p, size_t count, size_t shown)
{
	struct words w = {0};

	if (count <= shown)
		return;
	words_add(&w, "... and ");
	words_plural(&w, count - shown, "more row; -v shows it", "more rows; -v shows them");
	page_field(p, &(struct page_field){.label = ""}, w.text);
}

static void print_legend(struct page *p, const struct snapshot_row *first)
{
	struct words w = {0};

	print_note(p, "columns",
		   "IN-TX: in a transaction. HUNG: the server has closed its end, the client has "
		   "not (CLOSE_WAIT). OLDEST: the longest that one of them has been idle. ?: one "
		   "look cannot tell.");
	print_note(
		p, "note",
		"One look cannot prove a leak: an idle pool looks the same. Watch to see growth:");
	words_add(&w, "sudo dbleak watch -p %u --duration 60", first->process->pid);
	print_note(p, "", w.text);
}

int snapshot_table(struct page *p, const struct report_view *v, bool show_all)
{
	size_t count = count_rows(v), shown = show_all || count < ROWS_SHOWN ? count : ROWS_SHOWN;
	struct snapshot_row *rows = collect_rows(v, count);
	size_t columns[TABLE_COLUMNS];

	if (!rows)
		return -ENOMEM;
	page_line(p);
	if (p->columns >= PAGE_COLUMNS) {
		fit_columns(columns, p->columns, rows, shown);
		print_row(p, columns, NULL);
	}
	for (size_t i = 0; i < shown; i++)
		if (p->columns >= PAGE_COLUMNS)
			print_row(p, columns, &rows[i]);
		else
			print_sentence(p, &rows[i]);
	print_more(p, count, shown);
	page_line(p);
	if (count)
		print_legend(p, &rows[0]);
	free(rows);
	return 0;
}
