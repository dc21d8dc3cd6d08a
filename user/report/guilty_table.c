/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * guilty_table.c - see guilty_table.h.
 */
#include "user/report/guilty_table.h"

#include <math.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/report/finding.h"
#include "user/report/markup.h"
#include "user/report/names.h"
#include "user/report/rank.h"
#include "user/report/server_limit.h"
#include "user/report/where.h"

#define INDENT	     2
#define GAP	     2
#define WHERE_LEAST  12 /* for a file and a line */
#define COLUMN_COUNT 5

/* The worst finding of a process; NULL: it has none. */
static const struct finding_view *worst_of(const struct process_view *p)
{
	return p->finding_count ? &p->findings[0] : NULL;
}

static void fill_process(struct words *w, const struct process_view *p, size_t columns)
{
	(void)columns;
	words_process(w, p->comm, p->pid);
}

static void fill_leaks(struct words *w, const struct process_view *p, size_t columns)
{
	const struct finding_view *f = worst_of(p);

	(void)columns;
	if (!f)
		return;
	words_add(w, "%s%s", f->verdict == VERDICT_STUCK ? "stuck " : "", finding_noun(f));
	if (f->verdict == VERDICT_LEAKING)
		words_item(w, "%s", confidence_name(f->confidence));
}

static void fill_rate(struct words *w, const struct process_view *p, size_t columns)
{
	struct finding_view all;

	(void)columns;
	if (!worst_of(p))
		return;
	all = *worst_of(p);
	for (size_t i = 1; i < p->finding_count; i++) {
		const struct finding_view *f = &p->findings[i];

		if (f->cause != all.cause || f->resource != all.resource || f->part_of)
			continue;
		if (f->growth_per_minute > 0)
			all.growth_per_minute += f->growth_per_minute;
		if (f->memory.per_minute > 0)
			all.memory.per_minute += f->memory.per_minute;
	}
	words_rate(w, &all, true);
}

static void fill_limit(struct words *w, const struct process_view *p, size_t columns)
{
	const struct finding_view *f = rank_nearest(p);
	double server = server_seconds(p);

	(void)columns;
	if (p->exited) {
		words_add(w, "(ended)");
	} else if (isfinite(server) && (!f || server < f->exhausts_seconds)) {
		words_add(w, "in ");
		words_duration(w, server);
		words_add(w, "?"); /* the first line says which limit that is */
	} else if (f) {
		words_add(w, "in ");
		words_duration(w, f->exhausts_seconds);
	} else {
		words_add(w, "not known");
	}
}

static void fill_where(struct words *w, const struct process_view *p, size_t columns)
{
	const struct finding_view *f = worst_of(p);

	if (f && f->site && columns)
		words_line(w, f->site, columns);
	else
		words_add(w, "unknown");
}

/* All take what their rows need; what is left is for the last. */
static const struct column {
	const char *title;
	size_t most;
	void (*fill)(struct words *w, const struct process_view *p, size_t columns);
} table[COLUMN_COUNT] = {
	{"PROCESS", 24, fill_process},
	{"PROBLEM", 24, fill_leaks},
	{"RATE", 20, fill_rate},
	{"LIMIT", 12, fill_limit},
	{"WHERE", PAGE_COLUMNS_WIDE, fill_where},
};

static size_t need_of(const struct column *c, const struct process_view *const *guilty,
		      size_t shown)
{
	size_t need = strlen(c->title);

	for (size_t i = 0; i < shown; i++) {
		struct words w = {0};
		size_t columns;

		c->fill(&w, guilty[i], 0);
		columns = escape_columns(w.text, w.length);
		if (columns > need)
			need = columns;
	}
	return need < c->most ? need : c->most;
}

/* Returns whether the page has room for all but the last; the last gets what is left, or 0. */
static bool fit(size_t *columns, size_t page, const struct process_view *const *guilty,
		size_t shown)
{
	size_t used = INDENT;

	for (size_t i = 0; i + 1 < COLUMN_COUNT; i++) {
		columns[i] = need_of(&table[i], guilty, shown);
		used += columns[i] + GAP;
	}
	columns[COLUMN_COUNT - 1] = used + WHERE_LEAST <= page ? page - used : 0;
	return used - GAP <= page;
}

/* A process of a table that the page is too narrow for. */
static void print_sentence(struct page *page, const struct process_view *p)
{
	struct words w = {0};

	for (size_t i = 0; i + 1 < COLUMN_COUNT; i++) {
		struct words cell = {0};

		table[i].fill(&cell, p, 0);
		words_add(&w, "%s%s%s",
			  !cell.length || !i ? ""
			  : i > 1	     ? ", "
					     : ": ",
			  table[i].fill == fill_limit && !p->exited ? "limit " : "", cell.text);
	}
	page_field(page, &(struct page_field){.indent = INDENT, .label = ""}, w.text);
}

static void print_row(struct page *page, const size_t *columns, const struct process_view *p)
{
	struct words row = {0};
	size_t at = 0;

	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		char cell[PAGE_BUFFER];
		struct words w = {0};

		if (!columns[i])
			continue;
		if (p)
			table[i].fill(&w, p, columns[i]);
		else
			words_add(&w, "%s", table[i].title);
		words_add(&row, "%*s",
			  i ? (int)(at + GAP - escape_columns(row.text, row.length)) : 0, "");
		escape_fit(cell, sizeof(cell), w.text, w.length, columns[i], ESCAPE_CUT_MIDDLE);
		words_add(&row, "%s", cell);
		at += columns[i] + (i ? GAP : 0);
	}
	page_headline(page, INDENT, PAGE_PLAIN, row.text, "");
}

/* A row links to the block of its process, the n-th of the page. */
static void print_markup_row(FILE *out, const struct process_view *p, size_t n)
{
	fputs("<tr>", out);
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		struct words w = {0};

		table[i].fill(&w, p, PAGE_COLUMNS);
		if (i)
			fputs("<td>", out);
		else
			fprintf(out, "<th scope=\"row\"><a href=\"#p%zu\">", n);
		markup_text(out, w.text);
		fputs(i ? "</td>" : "</a></th>", out);
	}
	fputs("</tr>\n", out);
}

static void print_markup(FILE *out, const struct process_view *const *guilty, size_t shown)
{
	fputs("<table class=\"guilty\"><thead><tr>", out);
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		fprintf(out, "<th scope=\"col\">%s</th>", table[i].title);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < shown; i++)
		print_markup_row(out, guilty[i], i);
	fputs("</tbody></table>\n", out);
}

void guilty_table_print(struct page *page, const struct process_view *const *guilty, size_t count,
			size_t shown)
{
	size_t columns[COLUMN_COUNT];
	struct words w = {0};
	bool fits;

	if (shown > count)
		shown = count;
	fits = fit(columns, page->columns, guilty, shown);
	page_line(page);
	if (page->markup)
		print_markup(page->out, guilty, shown);
	else if (fits)
		print_row(page, columns, NULL);
	for (size_t i = 0; i < shown && !page->markup; i++)
		if (fits)
			print_row(page, columns, guilty[i]);
		else
			print_sentence(page, guilty[i]);
	if (shown == count)
		return;
	words_add(&w, "... and ");
	words_count(&w, count - shown);
	words_add(&w, " more; -v shows all");
	page_field(page, &(struct page_field){.indent = INDENT, .label = ""}, w.text);
}
