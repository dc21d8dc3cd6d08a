/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * keys.h - what a person has chosen in the live view, and how each key changes that.
 *
 * The keys are htop's where htop has one.  Nothing here draws or knows a terminal.
 */
#ifndef DBLEAK_TOP_KEYS_H
#define DBLEAK_TOP_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/top/rows.h"

/* The order of rows; TOP_SORT_URGENCY is that of the report. */
enum top_sort {
	TOP_SORT_URGENCY,
	TOP_SORT_NAME,
	TOP_SORT_OPEN,
	TOP_SORT_IDLE,
	TOP_SORT_TRANSACTION,
	TOP_SORT_WAITING,
	TOP_SORT_RATE,
	TOP_SORT_OLDEST,
	TOP_SORT_MEMORY,
	TOP_SORTS,
};

/* The part that takes the keys. */
enum top_mode {
	TOP_LIST,
	TOP_FILTER,   /* text is typed */
	TOP_SORT,     /* a column is chosen */
	TOP_HELP,     /* a page is read: the keys */
	TOP_COVERAGE, /* a page: what is not covered */
	TOP_INSIDE,   /* a page: one process */
};

/* Keys that are no character; characters are their Unicode numbers. */
enum top_key {
	TOP_KEY_NONE = 0,
	TOP_KEY_TAB = 9,
	TOP_KEY_ENTER = 13,
	TOP_KEY_ESCAPE = 27,
	TOP_KEY_UP = 0x200000,
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_BACKSPACE,
	TOP_KEY_F1, /* the others follow: TOP_KEY_F1 + 9 is F10 */
};

#define TOP_FILTER_SIZE 64 /* bytes, with the NUL */

struct top_state {
	enum top_by by;
	enum top_sort sort, sort_choice; /* choice: in the menu, not taken yet */
	bool reversed, tree, frozen, quit;
	bool record; /* asked for: whether that can be is for others to say */
	enum top_mode mode;
	char filter[TOP_FILTER_SIZE];
	/* The list: the cursor stands at a row, and follows it once it was moved. */
	size_t line, first; /* row under the cursor, row at the top of the screen */
	uint64_t key;	    /* of the row under the cursor; 0: stays at its line */
	/* The row that was entered before the list that is shown now; key 0: none. */
	uint64_t within;
	enum top_by within_by;
	char within_name[ROW_NAME];
	/* The page: of which process, and its first line on the screen. */
	uint64_t process;
	size_t scroll;
};

extern const char *const top_by_names[TOP_BYS];	    /* for --by */
extern const char *const top_sort_names[TOP_SORTS]; /* for --sort */

/* Takes a key.  rows: those of the list, in the order they are shown; page_rows: lines or rows that
 * the screen has room for. */
void top_key_take(struct top_state *s, const struct top_rows *rows, size_t page_rows, uint32_t key);

/* Puts the cursor onto its row again, after the rows have changed. */
void top_cursor_follow(struct top_state *s, const struct top_rows *rows);

#endif
