/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * list.c - see list.h.
 *
 * The guilty line stands below its row, not in a column: so 80 columns show it, and 20, too.
 */
#include "user/top/list.h"

#include <stdio.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/report/finding.h"
#include "user/report/names.h"
#include "user/report/present.h"
#include "user/report/where.h"

#define GAP	      1
#define PID_LEAST     5 /* columns */
#define NAME_LEAST    11
#define NAME_LONG     28 /* of a database, a line, a container */
#define NAME_MOST     48
#define TREND_MOST    60
#define HEADING_LEAST 4	 /* lines: with fewer, all are for rows */
#define LINE_INDENT   2	 /* of the guilty line */
#define LINE_NARROW   40 /* columns: below that each of them counts */
#define LEVELS	      8

static const enum screen_style verdict_styles[] = {
	[VERDICT_OK] = STYLE_PLAIN,	 [VERDICT_UNKNOWN] = STYLE_PLAIN,
	[VERDICT_BOUNDED] = STYLE_PLAIN, [VERDICT_BIG] = STYLE_YELLOW,
	[VERDICT_STUCK] = STYLE_YELLOW,	 [VERDICT_LEAKING] = STYLE_RED,
};

/*
 * Cells.
 */

/* Counts of up to five digits as they are, then 123k and 12M. */
static void words_short(struct words *w, uint64_t n)
{
	if (n == UNKNOWN64)
		words_add(w, "-");
	else if (n < 100000)
		words_add(w, "%u", (unsigned int)n);
	else if (n < 10000000)
		words_add(w, "%uk", (unsigned int)(n / 1000));
	else
		words_add(w, "%lluM", (unsigned long long)(n / 1000000));
}

static void cell_verdict(struct words *w, const struct top_row *row)
{
	words_add(w, "%s", verdict_name(row->verdict));
}

static void cell_open(struct words *w, const struct top_row *row)
{
	words_short(w, row->open);
}

static void cell_idle(struct words *w, const struct top_row *row)
{
	words_short(w, row->idle);
}

static void cell_transaction(struct words *w, const struct top_row *row)
{
	words_short(w, row->in_transaction);
}

static void cell_waiting(struct words *w, const struct top_row *row)
{
	words_short(w, row->waiting);
}

static void cell_rate(struct words *w, const struct top_row *row)
{
	if (row->per_second < 0)
		words_add(w, "-");
	else if (row->per_second == 0 || row->per_second >= 99.5)
		words_short(w, (uint64_t)(row->per_second + 0.5));
	else
		words_add(w, "%.1f", row->per_second);
}

static void cell_oldest(struct words *w, const struct top_row *row)
{
	if (row->oldest_seconds < 0)
		words_add(w, "-");
	else
		words_duration(w, row->oldest_seconds);
}

static void cell_memory(struct words *w, const struct top_row *row)
{
	if (row->memory == UNKNOWN64)
		words_add(w, "-");
	else
		words_bytes(w, row->memory);
}

enum list_column {
	COLUMN_VERDICT,
	COLUMN_NAME,
	COLUMN_OPEN,
	COLUMN_IDLE,
	COLUMN_TRANSACTION,
	COLUMN_WAITING,
	COLUMN_RATE,
	COLUMN_OLDEST,
	COLUMN_MEMORY,
	COLUMN_TREND,
	COLUMNS,
};

/* rank: columns of a high one are left out first where the screen is narrow. */
static const struct list_column_row {
	const char *title;
	size_t width;
	unsigned int rank;
	bool right;
	enum top_sort sort; /* TOP_SORTS: none */
	void (*cell)(struct words *w, const struct top_row *row);
} table[COLUMNS] = {
	[COLUMN_VERDICT] = {"VERDICT", 7, 1, false, TOP_SORT_URGENCY, cell_verdict},
	[COLUMN_NAME] = {"", NAME_LEAST, 0, false, TOP_SORT_NAME, NULL},
	[COLUMN_OPEN] = {"OPEN", 5, 2, true, TOP_SORT_OPEN, cell_open},
	[COLUMN_IDLE] = {"IDLE", 5, 4, true, TOP_SORT_IDLE, cell_idle},
	[COLUMN_TRANSACTION] = {"IN TX", 5, 5, true, TOP_SORT_TRANSACTION, cell_transaction},
	[COLUMN_WAITING] = {"WAIT", 4, 3, true, TOP_SORT_WAITING, cell_waiting},
	[COLUMN_RATE] = {"NEW/S", 5, 6, true, TOP_SORT_RATE, cell_rate},
	[COLUMN_OLDEST] = {"OLDEST", 7, 7, true, TOP_SORT_OLDEST, cell_oldest},
	[COLUMN_MEMORY] = {"MEMORY", 6, 8, true, TOP_SORT_MEMORY, cell_memory},
	[COLUMN_TREND] = {"TREND", 9, 9, false, TOP_SORTS, NULL},
};

static const char *const name_titles[TOP_BYS] = {
	[TOP_BY_PROCESS] = "PID PROCESS",
	[TOP_BY_SITE] = "LINE",
	[TOP_BY_ENDPOINT] = "DATABASE",
	[TOP_BY_CONTAINER] = "CONTAINER OR UNIT",
};

/* Has a column nothing to say of such rows? */
static bool is_mute(size_t column, enum top_by by)
{
	return (by == TOP_BY_ENDPOINT && column == COLUMN_MEMORY) ||
	       (by == TOP_BY_SITE && column == COLUMN_IDLE);
}

/* Chooses the widths of columns; 0: it is left out. */
static void fit_columns(size_t widths[COLUMNS], size_t columns, enum top_by by)
{
	size_t used = 0, rest, width;

	memset(widths, 0, COLUMNS * sizeof(*widths));
	for (unsigned int rank = 0; rank < COLUMNS; rank++)
		for (size_t i = 0; i < COLUMNS; i++) {
			if (table[i].rank != rank || is_mute(i, by))
				continue;
			width = i == COLUMN_NAME && by != TOP_BY_PROCESS && columns >= LINE_NARROW
					? NAME_LONG
					: table[i].width;
			if (used + width + (used ? GAP : 0) > columns)
				break;
			widths[i] = width;
			used += width + (used ? GAP : 0);
		}
	if (!widths[COLUMN_NAME]) {
		widths[COLUMN_NAME] = columns;
		return;
	}
	rest = columns - used;
	widths[COLUMN_NAME] += rest;
	if (widths[COLUMN_NAME] <= NAME_MOST || !widths[COLUMN_TREND])
		return;
	rest = widths[COLUMN_NAME] - NAME_MOST;
	if (rest > TREND_MOST - table[COLUMN_TREND].width)
		rest = TREND_MOST - table[COLUMN_TREND].width;
	widths[COLUMN_NAME] -= rest;
	widths[COLUMN_TREND] += rest;
}

/* Found anew at each look at the list. */
struct list_layout {
	size_t columns[COLUMNS]; /* 0: left out */
	int pid;		 /* columns of the longest process id */
};

static int pid_columns(const struct top_rows *rows)
{
	uint32_t most = 0;
	char digits[16];
	int n;

	for (size_t i = 0; i < rows->count; i++)
		most = rows->rows[i].pid > most ? rows->rows[i].pid : most;
	n = snprintf(digits, sizeof(digits), "%u", most);
	return n > PID_LEAST ? n : PID_LEAST;
}

/*
 * The trend: one sign for each look.
 */

static unsigned int level_of(uint64_t count, uint64_t low, uint64_t high)
{
	uint64_t span = high - low;

	/* A value that hardly moves is drawn as a flat line, not as a mountain. */
	if (span < high / 50)
		return count ? LEVELS / 2 - 1 : 0;
	return span    ? (unsigned int)((count - low) * (LEVELS - 1) / span)
	       : count ? LEVELS / 2 - 1
		       : 0;
}

static void draw_trend(struct screen *screen, size_t line, size_t column, size_t width,
		       const struct trends *t, const struct top_row *row)
{
	static const char plain[] = "_.,-~=+#";
	uint64_t counts[TREND_LOOKS], low = UINT64_MAX, high = 0;
	size_t n = trends_counts(t, row->key, counts, width < TREND_LOOKS ? width : TREND_LOOKS);

	for (size_t i = 0; i < n; i++) {
		low = counts[i] < low ? counts[i] : low;
		high = counts[i] > high ? counts[i] : high;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned int level = level_of(counts[i], low, high);

		screen_sign(screen, line, column + width - n + i, STYLE_PLAIN, 0x2581 + level,
			    plain[level]);
	}
}

/*
 * Rows.
 */

/* The finding that is told below a row; NULL: none. */
static const struct finding_view *finding_told(const struct top_row *row)
{
	const struct process_view *p = row->process;

	if (row->verdict < VERDICT_BIG || !row->finding)
		return NULL;
	if (row->by == TOP_BY_SITE || !row->finding->part_of)
		return row->finding;
	for (size_t i = 0; i < p->finding_count; i++)
		if (!p->findings[i].part_of)
			return &p->findings[i];
	return row->finding;
}

static void words_guilty_line(struct words *w, const struct top_row *row,
			      const struct finding_view *f, size_t columns)
{
	struct words rate = {0};

	if (row->by == TOP_BY_SITE) {
		words_process(w, row->process->comm, row->process->pid);
		if (row->processes > 1)
			words_add(w, " and %zu more", row->processes - 1);
	} else if (f->site) {
		words_line(w, f->site, columns);
	} else {
		words_add(w, "unknown line");
	}
	words_add(w, f->known ? ": known, " : ": ");
	words_finding(w, f, row->process->exited);
	words_rate(&rate, f, true);
	if (rate.length)
		words_item(w, "%s", rate.text);
}

static const struct waiters_view *waiters_told(const struct top_row *row)
{
	for (size_t i = 0; row->waiting && i < row->process->endpoint_count; i++)
		if (row->process->endpoints[i].waiters.count)
			return &row->process->endpoints[i].waiters;
	return NULL;
}

/* Where they wait comes first, as in a guilty line. */
static void words_waiting_line(struct words *w, const struct waiters_view *v, size_t columns)
{
	struct waiters_view rest = *v;

	rest.site = NULL;
	if (v->site) {
		words_line(w, v->site, columns);
		words_add(w, ": ");
	}
	words_waiters(w, &rest, columns);
}

/* The line below a row: the guilty line, or who waits.  Empty: there is none. */
static void words_below(struct words *w, const struct top_row *row, size_t columns)
{
	const struct finding_view *f = finding_told(row);
	const struct waiters_view *waiters = f ? NULL : waiters_told(row);

	if (f)
		words_guilty_line(w, row, f, columns);
	else if (waiters)
		words_waiting_line(w, waiters, columns);
}

static size_t row_lines(const struct top_row *row)
{
	return finding_told(row) || waiters_told(row) ? 2 : 1;
}

static enum screen_style style_of(const struct top_row *row)
{
	return row->ended ? STYLE_DIM : verdict_styles[row->verdict];
}

static void words_name(struct words *w, const struct top_row *row, int pid, size_t columns)
{
	size_t used;

	words_add(w, "%*s", (int)(2 * row->depth), "");
	if (row->pid)
		words_add(w, "%*u ", pid, row->pid);
	used = w->length + (row->ended ? strlen(", ended") : 0);
	if (row->name_head && used + escape_columns(row->name, strlen(row->name)) > columns)
		words_add(w, "%.*s", (int)row->name_head, row->name);
	else
		words_add(w, "%s", row->name);
	words_add(w, "%s", row->ended ? ", ended" : "");
}

static void draw_row(struct screen *screen, size_t line, const struct list_layout *l,
		     const struct top_row *row, const struct trends *trends)
{
	size_t at = 0;

	for (size_t i = 0; i < COLUMNS; i++) {
		enum screen_style style = i <= COLUMN_NAME ? style_of(row) : STYLE_PLAIN;
		struct words w = {0};

		if (!l->columns[i])
			continue;
		if (i == COLUMN_TREND) {
			draw_trend(screen, line, at, l->columns[i], trends, row);
			continue;
		}
		if (i == COLUMN_NAME)
			words_name(&w, row, l->pid, l->columns[i]);
		else
			table[i].cell(&w, row);
		if (table[i].right)
			screen_text_right(screen, line, at, l->columns[i], style, w.text);
		else
			screen_text(screen, line, at, l->columns[i], style, w.text);
		at += l->columns[i] + GAP;
	}
}

static void draw_below(struct screen *screen, size_t line, const struct top_row *row)
{
	size_t indent = screen->columns < LINE_NARROW ? 1 : LINE_INDENT;
	struct words w = {0};

	words_below(&w, row, screen->columns > indent ? screen->columns - indent : 1);
	screen_text(screen, line, indent, screen->columns,
		    style_of(row) == STYLE_RED ? STYLE_BOLD : STYLE_PLAIN, w.text);
}

static void draw_heading(struct screen *screen, size_t line, const struct list_layout *l,
			 const struct top_state *s)
{
	size_t at = 0;

	screen_paint(screen, line, 0, screen->columns, STYLE_BAR);
	for (size_t i = 0; i < COLUMNS; i++) {
		const char *title = i == COLUMN_NAME ? name_titles[s->by] : table[i].title;
		size_t indent = i == COLUMN_NAME && s->by == TOP_BY_PROCESS ? (size_t)l->pid - 3
									    : 0;
		enum screen_style style = table[i].sort == s->sort ? STYLE_CURSOR : STYLE_BAR;

		if (!l->columns[i])
			continue;
		if (table[i].right)
			screen_text_right(screen, line, at, l->columns[i], style, title);
		else
			screen_text(screen, line, at + indent, l->columns[i] - indent, style,
				    title);
		at += l->columns[i] + GAP;
	}
}

/* The first row to show, so that the cursor's has room. */
static size_t first_shown(const struct top_state *s, const struct top_rows *rows, size_t lines)
{
	size_t first = s->first <= s->line ? s->first : s->line, used = 0;

	for (size_t i = first; i <= s->line && i < rows->count; i++)
		used += row_lines(&rows->rows[i]);
	while (first < s->line && used > lines)
		used -= row_lines(&rows->rows[first++]);
	return first;
}

static void paint_cursor(struct screen *screen, size_t from, size_t to)
{
	for (; from < to; from++)
		screen_paint(screen, from, 0, screen->columns, STYLE_CURSOR);
}

size_t list_draw(struct screen *screen, size_t top, size_t lines, struct top_state *s,
		 const struct top_rows *rows, const struct trends *trends, size_t *end)
{
	struct list_layout l = {.pid = pid_columns(rows)};
	size_t last = top + lines, line = top, i;

	fit_columns(l.columns, screen->columns, s->by);
	if (lines >= HEADING_LEAST)
		draw_heading(screen, line++, &l, s);
	s->first = first_shown(s, rows, last - line);
	for (i = s->first; i < rows->count && line < last; i++) {
		const struct top_row *row = &rows->rows[i];
		size_t from = line;

		draw_row(screen, line++, &l, row, trends);
		if (row_lines(row) == 2 && line < last)
			draw_below(screen, line++, row);
		if (i == s->line)
			paint_cursor(screen, from, line);
	}
	*end = line;
	return i - s->first;
}
