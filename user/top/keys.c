/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * keys.c - see keys.h.
 */
#include "user/top/keys.h"

#include <stdio.h>
#include <string.h>

#include "user/base/utf8.h"

const char *const top_by_names[TOP_BYS] = {
	[TOP_BY_PROCESS] = "process",
	[TOP_BY_SITE] = "line",
	[TOP_BY_ENDPOINT] = "database",
	[TOP_BY_CONTAINER] = "container",
};

const char *const top_sort_names[TOP_SORTS] = {
	[TOP_SORT_URGENCY] = "urgency",
	[TOP_SORT_NAME] = "name",
	[TOP_SORT_OPEN] = "open",
	[TOP_SORT_IDLE] = "idle",
	[TOP_SORT_TRANSACTION] = "transaction",
	[TOP_SORT_WAITING] = "waiting",
	[TOP_SORT_RATE] = "rate",
	[TOP_SORT_OLDEST] = "oldest",
	[TOP_SORT_MEMORY] = "memory",
};

void top_cursor_follow(struct top_state *s, const struct top_rows *rows)
{
	for (size_t i = 0; s->key && i < rows->count; i++)
		if (rows->rows[i].key == s->key)
			s->line = i;
	if (s->line >= rows->count)
		s->line = rows->count ? rows->count - 1 : 0;
}

/* The cursor at the top stays there: whoever has not moved it wants to see the worst. */
static void cursor_to(struct top_state *s, const struct top_rows *rows, size_t line)
{
	if (!rows->count)
		return;
	s->line = line < rows->count ? line : rows->count - 1;
	s->key = s->line ? rows->rows[s->line].key : 0;
}

static void list_begin(struct top_state *s)
{
	s->line = s->first = 0;
	s->key = 0;
}

static size_t less(size_t n, size_t by)
{
	return n > by ? n - by : 0;
}

static void go_to(struct top_state *s, enum top_mode page)
{
	s->mode = page;
	s->scroll = 0;
}

static void enter_process(struct top_state *s, const struct process_view *p)
{
	s->process = row_key_of_process(p);
	go_to(s, TOP_INSIDE);
}

/* Into a process; into a row of several, to see them. */
static void enter(struct top_state *s, const struct top_rows *rows)
{
	const struct top_row *row;

	if (s->line >= rows->count)
		return;
	row = &rows->rows[s->line];
	if (row->by == TOP_BY_PROCESS || row->processes == 1) {
		enter_process(s, row->process);
		return;
	}
	s->within = row->key;
	s->within_by = row->by;
	snprintf(s->within_name, sizeof(s->within_name), "%s", row->name);
	s->by = TOP_BY_PROCESS;
	list_begin(s);
}

/* Back by one step: out of a row that was entered, then the filter goes. */
static void leave_view(struct top_state *s)
{
	if (s->within) {
		s->by = s->within_by;
		list_begin(s);
		s->key = s->within;
		s->within = 0;
		return;
	}
	if (*s->filter)
		list_begin(s);
	*s->filter = '\0';
}

static void group_by(struct top_state *s, enum top_by by)
{
	s->by = by;
	s->within = 0;
	list_begin(s);
}

static void sort_by(struct top_state *s, enum top_sort sort)
{
	s->reversed = s->sort == sort && sort != TOP_SORT_URGENCY ? !s->reversed : false;
	s->sort = sort;
	list_begin(s);
}

static void sort_menu(struct top_state *s)
{
	s->sort_choice = s->sort;
	s->mode = TOP_SORT;
}

/* Keys that do the same wherever they are typed, but in the filter.  Returns whether it was one. */
static bool key_everywhere(struct top_state *s, uint32_t key)
{
	switch (key) {
	case 'q':
	case TOP_KEY_F1 + 9:
		s->quit = true;
		return true;
	case ' ':
	case 'Z':
		s->frozen = !s->frozen;
		return true;
	case 'r':
		s->record = !s->record;
		return true;
	case '?':
	case 'h':
	case TOP_KEY_F1:
		go_to(s, TOP_HELP);
		return true;
	case 'c':
		go_to(s, TOP_COVERAGE);
		return true;
	default:
		return false;
	}
}

static bool key_moves(struct top_state *s, const struct top_rows *rows, size_t page, uint32_t key)
{
	switch (key) {
	case TOP_KEY_UP:
	case 'k':
		cursor_to(s, rows, less(s->line, 1));
		return true;
	case TOP_KEY_DOWN:
	case 'j':
		cursor_to(s, rows, s->line + 1);
		return true;
	case TOP_KEY_PAGE_UP:
		cursor_to(s, rows, less(s->line, page ? page : 1));
		return true;
	case TOP_KEY_PAGE_DOWN:
		cursor_to(s, rows, s->line + (page ? page : 1));
		return true;
	case TOP_KEY_HOME:
		cursor_to(s, rows, 0);
		return true;
	case TOP_KEY_END:
		cursor_to(s, rows, SIZE_MAX);
		return true;
	default:
		return false;
	}
}

/* Keys that choose what is shown, and how. */
static void key_chooses(struct top_state *s, uint32_t key)
{
	switch (key) {
	case '1':
	case '2':
	case '3':
	case '4':
		group_by(s, key - '1');
		break;
	case TOP_KEY_TAB:
		group_by(s, (s->by + 1) % TOP_BYS);
		break;
	case 's':
	case '>':
	case '.':
	case TOP_KEY_F1 + 5:
		sort_menu(s);
		break;
	case 'I':
		s->reversed = !s->reversed;
		list_begin(s);
		break;
	case 'M':
		sort_by(s, TOP_SORT_MEMORY);
		break;
	case 't':
	case TOP_KEY_F1 + 4:
		s->tree = !s->tree;
		list_begin(s);
		break;
	case '/':
	case '\\':
	case TOP_KEY_F1 + 2:
	case TOP_KEY_F1 + 3:
		s->mode = TOP_FILTER;
		break;
	default:
		break;
	}
}

static void key_in_list(struct top_state *s, const struct top_rows *rows, uint32_t key)
{
	switch (key) {
	case TOP_KEY_ENTER:
	case TOP_KEY_RIGHT:
		enter(s, rows);
		break;
	case TOP_KEY_ESCAPE:
	case TOP_KEY_LEFT:
	case TOP_KEY_BACKSPACE:
		leave_view(s);
		break;
	default:
		key_chooses(s, key);
		break;
	}
}

/* Takes away a whole character. */
static void filter_shorten(struct top_state *s)
{
	size_t n = strlen(s->filter);

	while (n && ((unsigned char)s->filter[n - 1] & 0xc0) == 0x80)
		n--;
	s->filter[n ? n - 1 : 0] = '\0';
}

static void filter_type(struct top_state *s, uint32_t key)
{
	size_t n = strlen(s->filter);
	char bytes[4];
	size_t length;

	if (key < ' ' || key == 0x7f || key >= 0x110000)
		return;
	length = utf8_put(bytes, key);
	if (n + length >= sizeof(s->filter))
		return;
	memcpy(s->filter + n, bytes, length);
	s->filter[n + length] = '\0';
}

static void key_in_filter(struct top_state *s, uint32_t key)
{
	switch (key) {
	case TOP_KEY_ENTER:
		s->mode = TOP_LIST;
		return;
	case TOP_KEY_ESCAPE:
		s->mode = TOP_LIST;
		*s->filter = '\0';
		break;
	case TOP_KEY_BACKSPACE:
		filter_shorten(s);
		break;
	default:
		filter_type(s, key);
		break;
	}
	list_begin(s);
}

static void key_in_sort(struct top_state *s, uint32_t key)
{
	switch (key) {
	case TOP_KEY_UP:
	case TOP_KEY_LEFT:
	case 'k':
		s->sort_choice = s->sort_choice ? s->sort_choice - 1 : TOP_SORTS - 1;
		break;
	case TOP_KEY_DOWN:
	case TOP_KEY_RIGHT:
	case 'j':
	case 's':
	case TOP_KEY_TAB:
		s->sort_choice = (s->sort_choice + 1) % TOP_SORTS;
		break;
	case TOP_KEY_ENTER:
		s->mode = TOP_LIST;
		sort_by(s, s->sort_choice);
		break;
	case TOP_KEY_ESCAPE:
	case 'q':
		s->mode = TOP_LIST;
		break;
	default:
		break;
	}
}

/* The end of a page is found when it is drawn. */
static void key_in_page(struct top_state *s, size_t page, uint32_t key)
{
	switch (key) {
	case TOP_KEY_UP:
	case 'k':
		s->scroll = less(s->scroll, 1);
		break;
	case TOP_KEY_DOWN:
	case 'j':
		s->scroll++;
		break;
	case TOP_KEY_PAGE_UP:
		s->scroll = less(s->scroll, page ? page : 1);
		break;
	case TOP_KEY_PAGE_DOWN:
		s->scroll += page ? page : 1;
		break;
	case TOP_KEY_HOME:
		s->scroll = 0;
		break;
	case TOP_KEY_END:
		s->scroll = SIZE_MAX / 2;
		break;
	case TOP_KEY_ESCAPE:
	case TOP_KEY_LEFT:
	case TOP_KEY_BACKSPACE:
	case TOP_KEY_ENTER:
		s->mode = TOP_LIST;
		break;
	default:
		break;
	}
}

void top_key_take(struct top_state *s, const struct top_rows *rows, size_t page_rows, uint32_t key)
{
	if (s->mode == TOP_FILTER)
		key_in_filter(s, key);
	else if (s->mode == TOP_SORT)
		key_in_sort(s, key);
	else if (key_everywhere(s, key))
		return;
	else if (s->mode != TOP_LIST)
		key_in_page(s, page_rows, key);
	else if (!key_moves(s, rows, page_rows, key))
		key_in_list(s, rows, key);
}
