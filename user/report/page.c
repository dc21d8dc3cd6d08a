/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * page.c - lines for people: a label and its text, wrapped; numbers with human units.
 *
 * The only place of the text reports that writes.  All text is escaped here, whoever made it.
 */
#include "user/report/page.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "bpf/event.h"
#include "user/base/count.h"
#include "user/base/escape.h"
#include "user/report/markup.h"

static const char *const colours[] = {
	[PAGE_PLAIN] = "",	   [PAGE_BOLD] = "\033[1m",
	[PAGE_GREEN] = "\033[32m", [PAGE_YELLOW] = "\033[1;33m",
	[PAGE_RED] = "\033[1;31m",
};

static const char *const classes[] = {
	[PAGE_PLAIN] = "plain",	  [PAGE_BOLD] = "bold", [PAGE_GREEN] = "green",
	[PAGE_YELLOW] = "yellow", [PAGE_RED] = "red",
};

size_t page_width(size_t terminal)
{
	if (!terminal)
		return PAGE_COLUMNS;
	if (terminal < PAGE_COLUMNS_LEAST)
		return PAGE_COLUMNS_LEAST;
	return terminal < PAGE_COLUMNS_MOST ? terminal : PAGE_COLUMNS_MOST;
}

static void words_vadd(struct words *w, const char *format, va_list args)
{
	size_t room = sizeof(w->text) - w->length;
	int n = vsnprintf(w->text + w->length, room, format, args);

	if (n > 0)
		w->length += (size_t)n < room ? (size_t)n : room - 1;
}

void words_add(struct words *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	words_vadd(w, format, args);
	va_end(args);
}

void words_comma(struct words *w)
{
	if (w->length)
		words_add(w, ", ");
}

void words_item(struct words *w, const char *format, ...)
{
	va_list args;

	words_comma(w);
	va_start(args, format);
	words_vadd(w, format, args);
	va_end(args);
}

void words_stop(struct words *w)
{
	words_add(w, ". ");
}

void words_count(struct words *w, uint64_t n)
{
	char text[COUNT_SIZE];

	words_add(w, "%s", n == UNKNOWN64 ? "?" : count_text(text, n));
}

/* A unit serves while the number, counted in it, is below its limit. */
struct unit {
	double size, limit;
	const char *name;
};

/* Prints one decimal where it says something: 2.5 h, but 31 s and 2 h. */
static void words_in_units(struct words *w, double value, const struct unit *unit)
{
	while (unit->limit > 0 && value / unit->size >= unit->limit)
		unit++;
	value /= unit->size;

	unsigned tenths = value < 9.95 ? (unsigned)(value * 10 + 0.5) : 0;

	words_add(w, "%.*f %s", tenths % 10 != 0, value, unit->name);
}

void words_duration(struct words *w, double seconds)
{
	static const struct unit units[] = {
		{1, 119.5, "s"},
		{60, 119.5, "min"},
		{3600, 47.5, "h"},
		{86400, 0, "days"},
	};

	words_in_units(w, seconds, units);
}

void words_bytes(struct words *w, uint64_t bytes)
{
	static const struct unit units[] = {
		{1, 1000, "B"},	    {1e3, 999.5, "kB"}, {1e6, 999.5, "MB"},
		{1e9, 999.5, "GB"}, {1e12, 0, "TB"},
	};

	words_in_units(w, (double)bytes, units);
}

void words_plural(struct words *w, uint64_t n, const char *one, const char *many)
{
	words_count(w, n);
	words_add(w, " %s", n == 1 ? one : many);
}

static void print_coloured(struct page *p, const char *text, enum page_colour colour)
{
	bool on = p->colour && colour != PAGE_PLAIN && *text;

	fprintf(p->out, "%s%s%s", on ? colours[colour] : "", text, on ? "\033[0m" : "");
}

/* A label in its own column; one that is too long for it is followed by one space. */
static size_t print_label(struct page *p, unsigned indent, const char *label, unsigned columns,
			  enum page_colour colour)
{
	size_t length = strlen(label), used = length < columns ? columns : length + 1;

	if (!columns)
		used = length;
	fprintf(p->out, "%*s", (int)indent, "");
	print_coloured(p, label, colour);
	return indent + used;
}

/* The length of a text without blanks at its end. */
static size_t trimmed(const char *text)
{
	size_t len = strlen(text);

	while (len && text[len - 1] == ' ')
		len--;
	return len;
}

/* The text wrapped from column `from` on; the cursor stands at column `at`. */
static void print_wrapped(struct page *p, const char *text, enum page_colour colour, size_t at,
			  size_t from, unsigned max_lines)
{
	size_t len, room = p->columns - from;
	char line[PAGE_BUFFER];

	text += strspn(text, " "); /* else a long word behind blanks leaves them on a line */
	len = trimmed(text);
	for (unsigned n = 1; len; n++) {
		size_t used = len;

		if (n == max_lines)
			escape_fit(line, sizeof(line), text, len, room, ESCAPE_CUT_END);
		else
			used = escape_line(line, sizeof(line), text, len, room);
		if (*line)
			fprintf(p->out, "%*s", (int)(from - at), "");
		print_coloured(p, line, colour);
		text += used;
		len -= used;
		at = 0;
		if (len)
			page_line(p);
	}
	page_line(p);
}

#define CONTINUED  2  /* columns before the second line of a paragraph */
#define ROOM_LEAST 24 /* columns for text beside its label */

static bool is_narrow(const struct page *p, unsigned indent, unsigned label_columns)
{
	return p->columns < indent + label_columns + ROOM_LEAST;
}

size_t page_room(const struct page *p, unsigned indent, unsigned label_columns)
{
	return p->columns -
	       (is_narrow(p, indent, label_columns) ? CONTINUED : indent + label_columns);
}

size_t page_lines(const char *text, size_t length, size_t columns)
{
	size_t lines = 0;
	char line[PAGE_BUFFER];

	for (; length; lines++) {
		size_t used = escape_line(line, sizeof(line), text, length, columns);

		text += used;
		length -= used;
	}
	return lines;
}

/* The label has a line of its own, and no text is indented by more than a paragraph's. */
static void print_below(struct page *p, const struct page_field *field, const char *text)
{
	if (*field->label) {
		print_label(p, 0, field->label, 0, field->colour);
		page_line(p);
	}
	if (trimmed(text))
		print_wrapped(p, text, PAGE_PLAIN, 0, field->indent ? CONTINUED : 0,
			      field->max_lines);
}

void page_field(struct page *p, const struct page_field *field, const char *text)
{
	size_t from;

	if (!*field->label && !trimmed(text))
		return;
	if (p->markup) {
		markup_field(p->out, classes[field->colour], field->label, text);
		return;
	}
	if (is_narrow(p, field->indent, field->label_columns)) {
		print_below(p, field, text);
		return;
	}
	from = print_label(p, field->indent, field->label, field->label_columns, field->colour);
	print_wrapped(p, text, PAGE_PLAIN, field->indent + strlen(field->label), from,
		      field->max_lines);
}

void page_paragraph(struct page *p, const char *lead, enum page_colour colour, const char *text)
{
	size_t from = strlen(lead) + 1, len, used;
	char line[PAGE_BUFFER];

	text += strspn(text, " ");
	len = trimmed(text);
	if (p->markup) {
		markup_paragraph(p->out, classes[colour], lead, text);
		return;
	}
	if (from > p->columns) {
		print_wrapped(p, lead, colour, 0, 0, 0);
		page_field(p, &(struct page_field){.indent = CONTINUED, .label = ""}, text);
		return;
	}
	print_coloured(p, lead, colour);
	if (len && from + ESCAPE_UNIT_COLUMNS <= p->columns) {
		used = escape_line(line, sizeof(line), text, len, p->columns - from);
		fprintf(p->out, "%s%s", *line ? " " : "", line);
		text += used;
		len -= used;
	}
	page_line(p);
	if (len)
		page_field(p, &(struct page_field){.indent = CONTINUED, .label = ""}, text);
}

void page_headline(struct page *p, unsigned indent, enum page_colour colour, const char *left,
		   const char *right)
{
	size_t used = indent + escape_columns(left, trimmed(left));
	size_t end = escape_columns(right, trimmed(right)), edge = p->columns;
	char text[PAGE_BUFFER];

	if (p->markup) {
		markup_heading(p->out, indent ? 3 : 2, classes[colour], left, right);
		return;
	}
	if (used + 2 + end > p->columns) {
		print_wrapped(p, left, colour, 0, indent, 0);
		page_field(p, &(struct page_field){.indent = indent + CONTINUED, .label = ""},
			   right);
		return;
	}
	if (edge > PAGE_COLUMNS)
		edge = used + 2 + end > PAGE_COLUMNS ? used + 2 + end : PAGE_COLUMNS;
	fprintf(p->out, "%*s", (int)indent, "");
	escape_fit(text, sizeof(text), left, trimmed(left), p->columns, ESCAPE_CUT_END);
	print_coloured(p, text, colour);
	escape_fit(text, sizeof(text), right, trimmed(right), p->columns, ESCAPE_CUT_END);
	if (end)
		fprintf(p->out, "%*s%s", (int)(edge - used - end), "", text);
	page_line(p);
}

void page_cell(struct page *p, const char *text, size_t columns, bool right)
{
	char cell[PAGE_BUFFER];
	size_t used;

	if (columns > PAGE_COLUMNS_WIDE)
		columns = PAGE_COLUMNS_WIDE;
	used = escape_fit(cell, sizeof(cell), text, strlen(text), columns, ESCAPE_CUT_MIDDLE);
	if (p->markup) {
		fprintf(p->out, "%*s", right ? (int)(columns - used) : 0, "");
		markup_text(p->out, cell);
		fprintf(p->out, "%*s", right ? 0 : (int)(columns - used), "");
		return;
	}
	if (right)
		fprintf(p->out, "%*s%s", (int)(columns - used), "", cell);
	else
		fprintf(p->out, "%s%*s", cell, (int)(columns - used), "");
}

void page_line(struct page *p)
{
	fputc('\n', p->out);
}

int page_finish(struct page *p)
{
	errno = 0;
	if (fflush(p->out) || ferror(p->out))
		return errno ? -errno : -EIO;
	return 0;
}
