/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * inside.c - see inside.h.
 */
#include "user/top/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/block.h"
#include "user/report/coverage.h"
#include "user/report/present.h"
#include "user/report/where.h"

#define INDENT	    4
#define KEY_COLUMNS 16
#define LINE_SIZE   PAGE_BUFFER

/* A page that is written into memory. */
struct sheet {
	struct page page;
	char *text;
	size_t length;
};

static bool sheet_begin(struct sheet *s, size_t columns)
{
	*s = (struct sheet){.page = {.colour = true, .columns = page_width(columns ? columns : 1)}};
	s->page.out = open_memstream(&s->text, &s->length);
	return s->page.out;
}

static char *sheet_end(struct sheet *s)
{
	int err = page_finish(&s->page);

	if (!fclose(s->page.out) && !err)
		return s->text;
	free(s->text);
	return NULL;
}

static void print_text(struct page *page, const char *label, const char *text)
{
	page_field(
		page,
		&(struct page_field){.indent = INDENT, .label = label, .label_columns = PAGE_LABEL},
		text);
}

/* A stack of now, as the stack of a finding is printed. */
static void print_present_stack(struct page *page, const char *title, const struct frame_view *site,
				const struct frame_view *stack, size_t count)
{
	struct finding_view now = {.site = site, .stack = stack, .stack_count = count};

	if (!count)
		return;
	page_line(page);
	page_headline(page, 2, PAGE_BOLD, title, "");
	where_print(page, &now, INDENT, true);
}

static void print_waiters(struct page *page, const struct waiters_view *v)
{
	struct words w = {0};

	words_waiters(&w, v, page->columns);
	if (w.length)
		print_text(page, "waiting", w.text);
	print_present_stack(page, "Where they wait now", v->site, v->stack, v->stack_count);
}

static void print_now(struct page *page, const struct process_view *p)
{
	for (size_t i = 0; i < p->finding_count; i++) {
		const struct finding_view *f = &p->findings[i];

		print_present_stack(page, "Where they wait now", f->waiters.site, f->waiters.stack,
				    f->waiters.stack_count);
		print_present_stack(page, "Where the thread that used the oldest one last is now",
				    f->holder.site, f->holder.stack, f->holder.stack_count);
	}
	for (size_t i = 0; !p->finding_count && i < p->endpoint_count; i++)
		print_waiters(page, &p->endpoints[i].waiters);
}

char *inside_process(const struct process_view *p, size_t columns)
{
	struct sheet s;

	if (!sheet_begin(&s, columns))
		return NULL;
	block_print(&s.page, p, true);
	print_now(&s.page, p);
	return sheet_end(&s);
}

char *inside_preview(const struct process_view *p, size_t columns)
{
	struct sheet s;

	if (!sheet_begin(&s, columns))
		return NULL;
	block_print(&s.page, p, false);
	if (!p->finding_count)
		block_endpoints(&s.page, p);
	return sheet_end(&s);
}

char *inside_coverage(const struct report_view *v, size_t columns)
{
	struct sheet s;

	if (!sheet_begin(&s, columns))
		return NULL;
	coverage_print_harm(&s.page, v);
	coverage_print(&s.page, v, true);
	return sheet_end(&s);
}

static const struct {
	const char *keys, *what;
} keys[] = {
	{"Enter", "look into the row: lines, stacks, SQL, where threads are now"},
	{"Esc", "back; in the list: the filter goes"},
	{"1 2 3 4, Tab", "one row for each process, line, database, container or unit"},
	{"s > F6", "choose the column to sort by"},
	{"I", "the other way round"},
	{"M", "sort by memory"},
	{"/ F3 F4", "show only rows with that text in name, line, SQL or place"},
	{"t F5", "processes below their parents"},
	{"Space Z", "freeze the screen, and go on"},
	{"r", "keep a recording for \"dbleak report\"; once more: keep none"},
	{"c", "what dbleak does not see here, and its own cost"},
	{"q F10", "end, with the report"},
	{"", ""},
	{"OPEN, IDLE", "connections that are open now; of them, those idle outside a transaction"},
	{"IN TX", "of them, those inside an open transaction"},
	{"WAIT", "threads or requests that wait for a connection"},
	{"NEW/S", "connections opened a second, lately"},
	{"OLDEST", "how long the longest idle one is idle"},
	{"TREND", "how OPEN went: one sign for each look, the latest at the right"},
	{"VERDICT", "leaking, stuck (held and idle), big (large results), bounded (stopped "
		    "growing), unknown (cannot tell), ok (no leak seen)"},
};

char *inside_keys(size_t columns)
{
	struct sheet s;

	if (!sheet_begin(&s, columns))
		return NULL;
	page_paragraph(&s.page, "The worst row comes first, its guilty line below.", PAGE_BOLD, "");
	page_line(&s.page);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct page_field field = {
			.label = keys[i].keys, .colour = PAGE_BOLD, .label_columns = KEY_COLUMNS};

		if (*keys[i].keys)
			page_field(&s.page, &field, keys[i].what);
		else
			page_line(&s.page);
	}
	return sheet_end(&s);
}

/* The style that a colour of page.c asks for, and its length in *used; 0: text is no colour. */
static enum screen_style style_at(const char *text, size_t *used)
{
	static const struct {
		const char *code;
		enum screen_style style;
	} codes[] = {
		{"\033[0m", STYLE_PLAIN},     {"\033[1m", STYLE_BOLD},	 {"\033[32m", STYLE_GREEN},
		{"\033[1;33m", STYLE_YELLOW}, {"\033[1;31m", STYLE_RED},
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		*used = strlen(codes[i].code);
		if (!strncmp(text, codes[i].code, *used))
			return codes[i].style;
	}
	*used = 0;
	return STYLE_PLAIN;
}

/* Draws one line of a page, up to its end. */
static void draw_line(struct screen *screen, size_t row, const char *text, size_t length)
{
	enum screen_style style = STYLE_PLAIN;
	size_t column = 0, at = 0;
	char part[LINE_SIZE];

	while (at < length && column < screen->columns) {
		size_t used, n = 0;
		enum screen_style next = style_at(text + at, &used);

		if (used) {
			style = next;
			at += used;
			continue;
		}
		while (at < length && n + 1 < sizeof(part) && (text[at] != '\033' || !n))
			part[n++] = text[at++];
		part[n] = '\0';
		column += screen_text(screen, row, column, screen->columns, style, part);
	}
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; n++) {
		const char *end = strchr(text, '\n');

		text = end ? end + 1 : text + strlen(text);
	}
	return n;
}

size_t inside_draw(struct screen *screen, size_t top, size_t lines, const char *text,
		   size_t *scroll)
{
	size_t count = count_lines(text);
	size_t last = count > lines ? count - lines : 0;

	if (*scroll > last)
		*scroll = last;
	for (size_t i = 0; *text && i < *scroll + lines; i++) {
		size_t length = strcspn(text, "\n");

		if (i >= *scroll)
			draw_line(screen, top + i - *scroll, text, length);
		text += length + !!text[length];
	}
	return count;
}
