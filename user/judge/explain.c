/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * explain.c - see explain.h.  Without memory words are left out.
 */
#include "user/judge/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MOST 512

/* A larger copy of an array of so many values; the same array if it has room for one more.  NULL
 * without memory. */
static void *explain_room(struct arena *a, void *all, size_t count, size_t size)
{
	void *more;

	if (count & (count - 1)) /* grows when it is empty or a power of two */
		return all;
	more = arena_alloc(a, (count ? 2 * count : 1) * size);
	if (more && count)
		memcpy(more, all, count * size);
	return more;
}

static const char *explain_vwords(const struct rule_input *s, const char *format, va_list args)
{
	char text[WORDS_MOST];
	const char *words;

	vsnprintf(text, sizeof(text), format, args);
	words = arena_copy(s->arena, text, strlen(text));
	return words ? words : "";
}

const char *explain_words(const struct rule_input *s, const char *format, ...)
{
	const char *words;
	va_list args;

	va_start(args, format);
	words = explain_vwords(s, format, args);
	va_end(args);
	return words;
}

void explain_line(const struct rule_input *s, enum explained what, const char *format, ...)
{
	struct explanation *e = s->explanation;
	struct explained_rule *r = &e->rules[e->rule_count - 1];
	struct explained_line *more = explain_room(s->arena, r->lines, r->line_count,
						   sizeof(*more));
	va_list args;

	if (!more)
		return;
	va_start(args, format);
	r->lines = more;
	r->lines[r->line_count++] = (struct explained_line){what, explain_vwords(s, format, args)};
	va_end(args);
}

const char *explain_counts(const struct rule_input *s, const size_t *counts,
			   const char *const *words, size_t n)
{
	const char *list = "";

	for (size_t i = 0; i < n; i++)
		if (counts[i])
			list = explain_words(s, "%s%s%zu %s", list, *list ? ", " : "", counts[i],
					     words[i]);
	return *list ? list : "none";
}

/* The endpoint that is judged is the last one described. */
static const struct endpoint_view *explained_endpoint(const struct rule_input *s)
{
	return s->endpoint ? &s->view->endpoints[s->view->endpoint_count - 1] : NULL;
}

void explain_begin(struct rule_input *s, const char *title, const char *function,
		   const char *question)
{
	struct explanation *e = s->explanation;
	struct explained_rule *more;

	if (!e)
		return;
	more = explain_room(s->arena, e->rules, e->rule_count, sizeof(*more));
	if (!more) {
		s->explanation = NULL;
		return;
	}
	e->rules = more;
	e->rules[e->rule_count++] = (struct explained_rule){.title = title,
							    .function = function,
							    .question = question,
							    .endpoint = explained_endpoint(s)};
}

static const char *explained_site(const struct rule_input *s, const struct frame_view *site)
{
	if (!site)
		return "; no line of the program is known";
	if (site->file)
		return explain_words(s, "; at %s:%u", site->file, site->line);
	return explain_words(s, "; at %s+0x%llx", site->module ? site->module : "?",
			     (unsigned long long)site->offset);
}

void explain_end(struct rule_input *s, size_t before)
{
	for (size_t i = before; s->explanation && i < s->finding_count; i++) {
		const struct finding_view *f = &s->findings[i];
		const char *open = f->open == UNKNOWN64
					   ? ""
					   : explain_words(s, "; %llu open",
							   (unsigned long long)f->open);

		explain_line(s, EXPLAINED_FOUND, "%s: %s, %s, %s%s%s", cause_name(f->cause),
			     verdict_name(f->verdict), confidence_name(f->confidence),
			     kind_name(f->kind), open, explained_site(s, f->site));
	}
}
