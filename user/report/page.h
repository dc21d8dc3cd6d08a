/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * page.h - lines for people: a label and its text, wrapped; numbers with human units.
 *
 * The only place of the text reports that writes.  All text is escaped here, whoever made it.
 * Refuses to know what a report is about.  A page of markup gets the same lines as HTML, so that
 * both reports have the same words.
 */
#ifndef DBLEAK_REPORT_PAGE_H
#define DBLEAK_REPORT_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PAGE_COLUMNS	   80 /* of a pipe or a file */
#define PAGE_COLUMNS_LEAST 20 /* a narrower terminal wraps lines by itself */
#define PAGE_COLUMNS_MOST  200
#define PAGE_COLUMNS_WIDE  2000			       /* --wide: more than any text has */
#define PAGE_BUFFER	   (4 * PAGE_COLUMNS_WIDE + 1) /* any line, escaped */
#define PAGE_LABEL	   10 /* columns of a label with the spaces after it */

enum page_colour { PAGE_PLAIN, PAGE_BOLD, PAGE_GREEN, PAGE_YELLOW, PAGE_RED };

struct page {
	FILE *out;
	bool colour;
	bool markup;	/* HTML: nothing is wrapped, and colours are classes */
	size_t columns; /* PAGE_COLUMNS_LEAST to PAGE_COLUMNS_MOST, or PAGE_COLUMNS_WIDE */
};

/* The columns of a page for a terminal of so many; 0: for a pipe or a file. */
size_t page_width(size_t terminal);

/* A sentence under construction; what passes its end is cut.  Zero is an empty one. */
struct words {
	char text[1536];
	size_t length;
};

void words_add(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds ", " unless the sentence is empty; words_item does so before its own text. */
void words_comma(struct words *w);
void words_item(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends a sentence: a full stop, and a space before the next one. */
void words_stop(struct words *w);

/* Functions that add a number: 12,345 (? for UNKNOWN64) · 31 s, 42 min, 5.2 h, 3 days · 45 MB · 1
 * process, 2 processes. */
void words_count(struct words *w, uint64_t n);
void words_duration(struct words *w, double seconds);
void words_bytes(struct words *w, uint64_t bytes);
void words_plural(struct words *w, uint64_t n, const char *one, const char *many);

/* A label, indented, and text wrapped beside it in at most max_lines lines; 0: as many as it
 * takes.  If there was more, the last line ends in "...".  On a narrow page the text stands below
 * its label. */
struct page_field {
	unsigned indent;
	const char *label;
	enum page_colour colour; /* of the label */
	unsigned label_columns;
	unsigned max_lines;
};

void page_field(struct page *p, const struct page_field *field, const char *text);

/* The columns that page_field has for text behind such an indent and label. */
size_t page_room(const struct page *p, unsigned indent, unsigned label_columns);

/* How many lines of so many columns a text of that length takes. */
size_t page_lines(const char *text, size_t length, size_t columns);

/* A paragraph: its first words coloured, the lines after the first indented. */
void page_paragraph(struct page *p, const char *lead, enum page_colour colour, const char *text);

/* A line with a text at its left and one at its right edge, at the 80th column if both fit there;
 * a second line if one is too short. */
void page_headline(struct page *p, unsigned indent, enum page_colour colour, const char *left,
		   const char *right);

/* Text padded with spaces to exactly `columns`; numbers stand at the right, text at the left. */
void page_cell(struct page *p, const char *text, size_t columns, bool right);

void page_line(struct page *p); /* ends a line */

/* 0, or -errno if anything written so far did not arrive. */
int page_finish(struct page *p);

#endif
