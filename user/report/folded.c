/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * folded.c - see folded.h.
 */
#include "user/report/folded.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/report/held_names.h"

/* One frame.  A semicolon would end it, so a comma stands for that. */
static void folded_frame(FILE *out, const char *text)
{
	struct escape_unit unit;

	for (size_t left = strlen(text); left;) {
		size_t used = escape_next(&unit, text, left);

		fputs(*unit.text == ';' ? "," : unit.text, out);
		text += used;
		left -= used;
	}
}

static void folded_words(FILE *out, const struct frame_view *f)
{
	struct words w = {0};

	words_held_frame(&w, f);
	fputc(';', out);
	folded_frame(out, w.text);
}

static void folded_line(FILE *out, const struct held_view *v, enum held_kind kind)
{
	fprintf(out, "%s;", held_name(kind));
	folded_frame(out, v->process->comm ? v->process->comm : "?");
	if (!v->stack_count)
		folded_words(out, &held_no_stack);
	for (size_t i = v->stack_count; i-- > 0;)
		folded_words(out, &v->stack[i]);
	fprintf(out, " %" PRIu64 "\n", v->count[kind]);
}

static void folded_kind(FILE *out, const struct held *h, enum held_kind kind)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->all[i].count[kind])
			folded_line(out, &h->all[i], kind);
}

int report_folded(FILE *out, const struct report_view *v, const struct held *h)
{
	errno = 0;
	if (held_worst(v, h) == HELD_BYTES)
		folded_kind(out, h, HELD_BYTES);
	else
		for (int kind = 0; kind < HELD_BYTES; kind++)
			folded_kind(out, h, kind);
	return ferror(out) ? (errno ? -errno : -EIO) : 0;
}
