/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * where.c - see where.h.
 */
#include "user/report/where.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "user/base/escape.h"

#define FRAMES_SHOWN	 48
#define FUNCTION_COLUMNS 32 /* of a name too long for its line */
#define NARROW		 40 /* columns: a name and its line may need two lines, uncut */

static const char *const stacks[] = {
	[EV_LANG_NATIVE] = "native stack",
	[EV_LANG_PYTHON] = "Python stack",
	[EV_LANG_PERL] = "Perl stack",
	[EV_LANG_PHP] = "PHP stack",
	[EV_LANG_RUBY] = "Ruby stack",
	[EV_LANG_JAVASCRIPT] = "native stack, named by the run time of JavaScript",
	[EV_LANG_JAVA] = "native stack, named by the run time of Java",
	[EV_LANG_GO] = "native stack, named by the program's table of lines",
};

static const struct {
	uint32_t flag;
	const char *says;
} of_frames[] =
	{
		{EV_FRAME_DEFINED, "exact line unknown: this is the first line of the function"},
		{EV_FRAME_EXPORTED, "function name is a guess: the nearest exported symbol"},
},
  of_stacks[] = {
	  {EV_STACK_CUT, "outer frames are missing"},
	  {EV_STACK_CALLER, "only the direct caller is known"},
	  {EV_STACK_GREENLET, "starts at a greenlet: what started that is unknown"},
	  {EV_STACK_NAMELESS, "the process ended before its stack could be read"},
};

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* The tail of a path in so many columns, from a component on where it can be. */
static const char *tail_of(const char *path, size_t columns)
{
	const char *slash = path;

	while (escape_columns(slash, strlen(slash)) > columns) {
		const char *next = strchr(slash + 1, '/');

		if (!next)
			break;
		slash = next;
	}
	while (*slash && escape_columns(slash, strlen(slash)) > columns)
		slash++;
	return slash;
}

/* Adds the position in the file: its line, or the address in the module. */
static void words_position(struct words *w, const struct frame_view *f)
{
	if (f->line)
		words_add(w, ":%" PRIu32, f->line);
	else if (!f->file && f->offset)
		words_add(w, "+0x%" PRIx64, f->offset);
}

/* Names that are no words, "<module>" and "f(int)", stand as they are. */
static void words_function(struct words *w, const struct frame_view *f, size_t columns)
{
	size_t n = f->function ? strlen(f->function) : 0;
	char name[PAGE_BUFFER];
	bool word = n && (isalnum((unsigned char)f->function[n - 1]) || f->function[n - 1] == '_');

	if (!n)
		return;
	words_add(w, " %s", f->flags & EV_FRAME_EXPORTED ? "near " : "");
	if (!columns) {
		words_add(w, "%s%s", f->function, word ? "()" : "");
		return;
	}
	escape_fit(name, sizeof(name), f->function, n, columns, ESCAPE_CUT_END);
	words_add(w, "%s%s", name, word ? "()" : "");
}

/* Returns the columns that the text takes. */
static size_t words_after(struct words *w, const struct frame_view *f, size_t function_columns)
{
	*w = (struct words){0};
	words_position(w, f);
	words_function(w, f, function_columns);
	return escape_columns(w->text, w->length);
}

void words_frame(struct words *w, const struct frame_view *f, size_t columns)
{
	const char *path = f->file ? f->file : f->module ? base_of(f->module) : "?";
	struct words after;
	size_t used = words_after(&after, f, 0),
	       base = escape_columns(base_of(path), strlen(base_of(path)));

	if (base + used <= columns && base + used + strlen(".../") > columns)
		path = base_of(path);
	if (escape_columns(path, strlen(path)) + used > columns)
		used = words_after(&after, f, FUNCTION_COLUMNS);
	if (escape_columns(path, strlen(path)) + used <= columns)
		words_add(w, "%s", path);
	else if (columns < NARROW)
		words_add(w, "%s", tail_of(base_of(path), FUNCTION_COLUMNS));
	else
		words_add(w, "...%s", tail_of(path, columns > used + 3 ? columns - used - 3 : 0));
	words_add(w, "%s", after.text);
}

void words_line(struct words *w, const struct frame_view *f, size_t columns)
{
	const char *path = f->file ? f->file : f->module ? f->module : "?";
	struct words after;

	words_after(&after, f, 0);
	words_add(w, "%s", base_of(path));
	if (escape_columns(base_of(path), strlen(base_of(path))) +
		    escape_columns(after.text, after.length) <=
	    columns)
		words_add(w, "%s", after.text);
	else
		words_position(w, f);
}

static void where_print_line(struct page *p, unsigned indent, const char *label, const char *text,
			     unsigned max_lines)
{
	struct page_field field = {.indent = indent,
				   .label = label,
				   .label_columns = PAGE_LABEL,
				   .max_lines = max_lines};

	page_field(p, &field, text);
}

/* Prints the whole place; the function on a second line if one line is too short for both. */
static void print_whole(struct page *p, unsigned indent, const char *label,
			const struct frame_view *f)
{
	const char *path = f->file ? f->file : f->module ? base_of(f->module) : "?";
	struct words place = {0}, function = {0};
	size_t columns = page_room(p, indent, PAGE_LABEL);

	words_add(&place, "%s", path);
	words_position(&place, f);
	words_function(&function, f, 0);
	words_add(&function, "%s", f->flags & EV_FRAME_INLINED ? ", inlined" : "");
	if (escape_columns(place.text, place.length) +
		    escape_columns(function.text, function.length) >
	    columns) {
		where_print_line(p, indent, label, place.text, 0);
		where_print_line(p, indent, "", function.text, 0);
		return;
	}
	words_add(&place, "%s", function.text);
	where_print_line(p, indent, label, place.text, 0);
}

/* A file name as a shell takes it: it may be called x;reboot. */
static void words_quoted(struct words *w, const char *name)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+-";

	if (*name && !name[strspn(name, plain)]) {
		words_add(w, "%s", name);
		return;
	}
	words_add(w, "'");
	for (const char *at = name; *at;) {
		size_t n = strcspn(at, "'");

		words_add(w, "%.*s%s", (int)n, at, at[n] ? "'\\''" : "");
		at += n + !!at[n];
	}
	words_add(w, "'");
}

/* The command that finds the line where the symbols are. */
static void print_resolve(struct page *page, const struct frame_view *f, unsigned indent)
{
	struct words w = {0};

	if (f->line || !f->offset || !f->module)
		return;
	words_add(&w, "addr2line -Cife ");
	words_quoted(&w, f->module);
	words_add(&w, " 0x%" PRIx64, f->offset);
	if (f->build_id)
		words_add(&w, " (build id %s)", f->build_id);
	where_print_line(page, indent, "line", w.text, 0);
}

static void print_how(struct page *page, const struct finding_view *f, unsigned indent)
{
	const struct frame_view *first = f->site ? f->site : &f->stack[0];
	struct words w = {0};

	if (first->language < sizeof(stacks) / sizeof(stacks[0]) && stacks[first->language])
		words_add(&w, "%s", stacks[first->language]);
	for (size_t i = 0; i < sizeof(of_frames) / sizeof(of_frames[0]); i++)
		if (first->flags & of_frames[i].flag)
			words_item(&w, "%s", of_frames[i].says);
	for (size_t i = 0; i < sizeof(of_stacks) / sizeof(of_stacks[0]); i++)
		if (f->stack_flags & of_stacks[i].flag)
			words_item(&w, "%s", of_stacks[i].says);
	where_print_line(page, indent, "how", w.text, 0);
}

static void print_stack(struct page *page, const struct finding_view *f, unsigned indent)
{
	size_t shown = f->stack_count < FRAMES_SHOWN ? f->stack_count : FRAMES_SHOWN;

	for (size_t i = 0; i < shown; i++)
		print_whole(page, indent, i ? "" : "stack", &f->stack[i]);
	if (shown < f->stack_count) {
		struct words w = {0};

		words_add(&w, "... and %zu outer frames", f->stack_count - shown);
		where_print_line(page, indent, "", w.text, 0);
	}
}

static void print_unknown(struct page *page, const struct finding_view *f, unsigned indent)
{
	const char *why = "unknown: no stack was recorded";
	struct words w = {0};

	if (f->stack_flags & EV_STACK_NAMELESS)
		why = "unknown: the process ended before its stack could be read";
	else if (f->stack_count)
		why = "unknown: no line of the program is on the stack";
	words_add(&w, "%s", why);
	if (f->to_get_line)
		words_add(&w, " (to get a line: %s)", f->to_get_line);
	where_print_line(page, indent, "where", w.text, 0);
}

void where_print(struct page *page, const struct finding_view *f, unsigned indent, bool all)
{
	struct words w = {0};

	if (!all && f->site) {
		size_t columns = page_room(page, indent, PAGE_LABEL);

		words_frame(&w, f->site, columns);
		where_print_line(page, indent, "where", w.text, columns >= NARROW);
		return;
	}
	if (f->site) {
		print_whole(page, indent, "where", f->site);
		print_resolve(page, f->site, indent);
	} else {
		print_unknown(page, f, indent);
	}
	if (!all || !f->stack_count)
		return;
	print_how(page, f, indent);
	print_stack(page, f, indent);
}
