/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * display.c - see display.h.
 */
#include "user/top/display.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/report/answer.h"
#include "user/report/rank.h"
#include "user/top/arrange.h"
#include "user/top/inside.h"
#include "user/top/list.h"

#define ANSWER_LINES  3
#define TITLE_LEAST   8	 /* rows: with fewer there is no bar at the top */
#define TOTALS_LEAST  14 /* rows: with fewer there are no totals */
#define KEYS_LEAST    7	 /* rows: with fewer there are no keys at the bottom */
#define PREVIEW_LEAST 5	 /* rows that are free below the list */
#define ANSWER_SHORT  10 /* rows: with fewer the answer has one line */

void display_free(struct display *d)
{
	trends_free(&d->trends);
	rows_free(&d->rows);
	free(d->order);
	view_close(d->view);
	*d = (struct display){};
}

/* The rows as chosen now. */
static int display_arrange(struct display *d)
{
	struct top_state *s = &d->state;
	int err;

	if (!d->view)
		return 0;
	err = rows_fill(&d->rows, d->view, d->order, s->by, s->within_by, s->within);
	if (err)
		return err;
	rows_rate(&d->rows, &d->trends);
	arrange_filter(&d->rows, s->filter);
	arrange_sort(&d->rows, s->sort, s->reversed);
	if (s->tree)
		err = arrange_tree(&d->rows);
	top_cursor_follow(s, &d->rows);
	return err;
}

int display_take(struct display *d, struct report_view *v)
{
	const struct process_view **order = rows_order(v);
	int err;

	if (!order)
		return -ENOMEM;
	err = rows_look(&d->trends, v, order);
	if (err) {
		free(order);
		return err;
	}
	free(d->order);
	view_close(d->view);
	d->view = v;
	d->order = order;
	return display_arrange(d);
}

int display_key(struct display *d, uint32_t key)
{
	top_key_take(&d->state, &d->rows, d->page_rows, key);
	return display_arrange(d);
}

/*
 * The head.
 */

static void words_how_shown(struct words *w, const struct display *d)
{
	static const char *const pages[] = {[TOP_HELP] = "the keys",
					    [TOP_COVERAGE] = "what is not covered",
					    [TOP_INSIDE] = "one process"};
	const struct top_state *s = &d->state;

	if (s->mode >= TOP_HELP) {
		words_add(w, "%s", pages[s->mode]);
		return;
	}
	if (s->within)
		words_add(w, "%s", s->within_name);
	else
		words_add(w, "by %s", top_by_names[s->by]);
	if (s->tree && s->by == TOP_BY_PROCESS)
		words_item(w, "as a tree");
	words_item(w, "sorted by %s%s", top_sort_names[s->sort], s->reversed ? ", reversed" : "");
	if (*s->filter)
		words_item(w, "only \"%s\"", s->filter);
}

static void words_state(struct words *w, const struct display *d)
{
	if (d->state.mode < TOP_HELP && d->rows.count > 1)
		words_add(w, " row %zu of %zu", d->state.line + 1, d->rows.count);
	if (d->state.frozen)
		words_add(w, " FROZEN");
	if (d->is_recorded)
		words_add(w, " RECORDING");
}

static void draw_title(struct screen *s, const struct display *d)
{
	struct words w = {0}, right = {0};
	size_t used;

	words_add(&w, "dbleak top");
	if (d->view && d->view->host_name && *d->view->host_name)
		words_item(&w, "%s", d->view->host_name);
	if (d->view) {
		words_comma(&w);
		words_duration(&w, d->view->seconds);
	}
	words_comma(&w);
	words_how_shown(&w, d);
	words_state(&right, d);
	used = escape_columns(right.text, right.length);
	screen_paint(s, 0, 0, s->columns, STYLE_BAR);
	screen_text(s, 0, 0, s->columns > used ? s->columns - used : 0, STYLE_BAR, w.text);
	screen_text_right(s, 0, 0, s->columns, STYLE_BAR, right.text);
}

/* Wraps a text, its lead in a style of its own.  Returns the lines it took. */
static size_t draw_paragraph(struct screen *s, size_t row, size_t most, enum screen_style style,
			     const char *lead, const char *text)
{
	size_t columns = s->columns < ESCAPE_UNIT_COLUMNS ? ESCAPE_UNIT_COLUMNS : s->columns;
	size_t length, at = 0, lines = 0;
	char line[4 * SCREEN_COLUMNS_MOST + 1];
	struct words w = {0};

	words_add(&w, "%s%s%s", lead, *text ? " " : "", text);
	length = w.length;
	while (at < length && lines < most) {
		const char *part = w.text + at;

		at += escape_line(line, sizeof(line), part, length - at, columns);
		screen_text(s, row + lines, 0, s->columns, STYLE_BOLD,
			    lines + 1 == most ? part : line);
		lines++;
	}
	screen_paint(s, row, 0, escape_columns(lead, strlen(lead)), style);
	return lines;
}

static enum screen_style style_of_answer(enum page_colour colour)
{
	static const enum screen_style styles[] = {
		[PAGE_PLAIN] = STYLE_PLAIN,   [PAGE_BOLD] = STYLE_BOLD, [PAGE_GREEN] = STYLE_GREEN,
		[PAGE_YELLOW] = STYLE_YELLOW, [PAGE_RED] = STYLE_RED,
	};

	return styles[colour];
}

static size_t draw_answer(struct screen *s, size_t row, size_t most, const struct display *d)
{
	size_t guilty = 0;
	struct answer a;

	while (guilty < d->view->process_count && rank_is_guilty(d->order[guilty]))
		guilty++;
	a = answer_of(d->view, d->order, guilty);
	return draw_paragraph(s, row, most, style_of_answer(a.colour), a.lead, a.words.text);
}

static void words_totals(struct words *w, const struct report_view *v)
{
	uint64_t open = 0, idle = 0, in_transaction = 0, waiting = 0;

	for (size_t i = 0; i < v->process_count; i++)
		for (size_t j = 0; j < v->processes[i].endpoint_count; j++) {
			const struct endpoint_view *e = &v->processes[i].endpoints[j];

			open += e->connections.open != UNKNOWN64 ? e->connections.open : 0;
			idle += e->connections.idle != UNKNOWN64 ? e->connections.idle : 0;
			in_transaction += e->connections.in_transaction != UNKNOWN64
						  ? e->connections.in_transaction
						  : 0;
			waiting += e->waiters.count;
		}
	words_plural(w, open, "connection", "connections");
	words_add(w, ", ");
	words_count(w, idle);
	words_add(w, " idle, ");
	words_count(w, in_transaction);
	words_add(w, " in a transaction, ");
	words_count(w, waiting);
	words_add(w, " waiting");
	if (v->cpu_percent >= 0)
		words_add(w, "; dbleak: %.1f %% CPU", v->cpu_percent);
}

static void draw_totals(struct screen *s, size_t row, const struct report_view *v)
{
	struct words w = {0};

	words_totals(&w, v);
	screen_text(s, row, 0, s->columns, STYLE_DIM, w.text);
}

/* Returns the rows that the head takes. */
static size_t draw_head(struct screen *s, const struct display *d)
{
	size_t at = 0;

	if (s->rows >= TITLE_LEAST) {
		draw_title(s, d);
		at++;
	}
	if (!d->view)
		return at;
	at += draw_answer(s, at, s->rows < ANSWER_SHORT ? 1 : ANSWER_LINES, d);
	if (s->rows >= TOTALS_LEAST)
		draw_totals(s, at++, d->view);
	return at;
}

/*
 * The foot.
 */

static const char list_keys[] = "1-4 By  s Sort  / Filter  Space Freeze  Enter Look in  r Record  "
				"? Help  q Quit";
static const char page_keys[] = "Esc Back  Up Down PgUp PgDn Scroll  Space Freeze  q Quit";
static const char sort_keys[] = "Up Down Choose  Enter Sort  Esc Back";

static void draw_bar(struct screen *s, size_t row, const char *text)
{
	screen_paint(s, row, 0, s->columns, STYLE_BAR);
	screen_text(s, row, 0, s->columns, STYLE_BAR, text);
}

/* Returns the rows that the foot takes. */
static size_t draw_foot(struct screen *s, const struct display *d)
{
	const struct top_state *state = &d->state;
	struct words w = {0};

	if (!s->rows)
		return 0;
	if (state->mode == TOP_FILTER)
		words_add(&w, "Filter: %s_   (Enter, Esc)", state->filter);
	else if (s->rows < KEYS_LEAST)
		return 0;
	else if (state->mode == TOP_SORT)
		words_add(&w, "%s", sort_keys);
	else if (state->mode != TOP_LIST)
		words_add(&w, "%s", page_keys);
	else if (d->recording)
		words_add(&w, "%s", d->recording);
	else
		words_add(&w, "%s", list_keys);
	draw_bar(s, s->rows - 1, w.text);
	return 1;
}

/*
 * The middle.
 */

static void draw_sort_menu(struct screen *s, size_t top, size_t lines,
			   const struct top_state *state)
{
	size_t first = state->sort_choice >= lines && lines ? state->sort_choice - lines + 1 : 0;

	for (size_t i = 0; i < lines && first + i < TOP_SORTS; i++)
		screen_text(s, top + i, 2, s->columns,
			    first + i == state->sort_choice ? STYLE_CURSOR : STYLE_PLAIN,
			    top_sort_names[first + i]);
}

static const struct process_view *process_inside(const struct display *d)
{
	for (size_t i = 0; d->view && i < d->view->process_count; i++)
		if (row_key_of_process(&d->view->processes[i]) == d->state.process)
			return &d->view->processes[i];
	return NULL;
}

static char *page_text(const struct display *d, size_t columns)
{
	const struct process_view *p;

	if (d->state.mode == TOP_HELP)
		return inside_keys(columns);
	if (d->state.mode == TOP_COVERAGE)
		return d->view ? inside_coverage(d->view, columns) : strdup("");
	p = process_inside(d);
	return p ? inside_process(p, columns)
		 : strdup("This process ended some time ago, and nothing is kept of it.\n");
}

static int draw_page(struct display *d, struct screen *s, size_t top, size_t lines)
{
	char *text = page_text(d, s->columns);

	if (!text)
		return -ENOMEM;
	inside_draw(s, top, lines, text, &d->state.scroll);
	d->page_rows = lines;
	free(text);
	return 0;
}

/* Room that no row needs shows more of the row under the cursor. */
static void draw_preview(struct screen *s, size_t top, size_t lines, const struct top_row *row)
{
	char *text = inside_preview(row->process, s->columns);
	size_t scroll = 0;

	if (text)
		inside_draw(s, top, lines, text, &scroll);
	free(text);
}

static void draw_list(struct display *d, struct screen *s, size_t top, size_t lines)
{
	size_t end;

	if (!d->rows.count) {
		screen_text(s, top + 1, 0, s->columns, STYLE_PLAIN,
			    *d->state.filter ? "No row has that text; Esc shows all."
			    : d->state.by == TOP_BY_SITE
				    ? "No line is accused of anything."
				    : "No process has a database connection yet.");
		return;
	}
	d->page_rows = list_draw(s, top, lines, &d->state, &d->rows, &d->trends, &end);
	if (top + lines >= end + PREVIEW_LEAST)
		draw_preview(s, end, top + lines - end, &d->rows.rows[d->state.line]);
}

int display_draw(struct display *d, struct screen *screen)
{
	bool page = d->state.mode >= TOP_HELP;
	size_t foot, top, lines;

	screen_clear(screen);
	foot = draw_foot(screen, d);
	if (page && screen->rows >= TITLE_LEAST)
		draw_title(screen, d);
	top = page ? screen->rows >= TITLE_LEAST : draw_head(screen, d);
	lines = screen->rows > top + foot ? screen->rows - top - foot : 0;
	if (page)
		return draw_page(d, screen, top, lines);
	if (d->state.mode == TOP_SORT)
		draw_sort_menu(screen, top, lines, &d->state);
	else
		draw_list(d, screen, top, lines);
	return 0;
}
