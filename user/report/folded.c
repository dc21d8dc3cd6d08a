/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * folded.c - see folded.h.
 */
#include "user/report/folded.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/report/frame_index.h"
#include "user/report/held_names.h"

/* Frames are written many times: each is made harmless once. */
struct folded {
	FILE *out;
	struct frame_index frames;
	char **texts; /* by number, less one; NULL: not made yet */
	size_t room;
	bool failed; /* no memory */
};

/* A semicolon would end a frame, so a comma stands for it.  The caller frees it; NULL without
 * memory. */
static char *folded_text(const char *text)
{
	char *safe = escape_terminal(text, strlen(text));

	for (char *c = safe; c && *c; c++)
		if (*c == ';')
			*c = ',';
	return safe;
}

static char **text_at(struct folded *f, size_t number)
{
	size_t room = f->room ? f->room : 256;
	char **texts;

	if (number <= f->room)
		return &f->texts[number - 1];
	while (room < number)
		room *= 2;
	texts = realloc(f->texts, room * sizeof(*texts));
	if (!texts)
		return NULL;
	memset(texts + f->room, 0, (room - f->room) * sizeof(*texts));
	f->texts = texts;
	f->room = room;
	return &texts[number - 1];
}

static void folded_frame(struct folded *f, const struct frame_view *frame)
{
	size_t number = frame_index_of(&f->frames, frame);
	char **text = number ? text_at(f, number) : NULL;

	if (text && !*text) {
		struct words w = {0};

		words_held_frame(&w, frame);
		*text = folded_text(w.text);
	}
	if (!text || !*text) {
		f->failed = true;
		return;
	}
	fputc(';', f->out);
	fputs(*text, f->out);
}

static void folded_line(struct folded *f, const struct held_view *v, enum held_kind kind)
{
	char *comm = folded_text(v->process->comm ? v->process->comm : "?");

	f->failed = f->failed || !comm;
	fprintf(f->out, "%s;%s", held_name(kind), comm ? comm : "?");
	free(comm);
	if (!v->stack_count)
		folded_frame(f, &held_no_stack);
	for (size_t i = v->stack_count; i-- > 0;)
		folded_frame(f, &v->stack[i]);
	fprintf(f->out, " %" PRIu64 "\n", v->count[kind]);
}

static void folded_kind(struct folded *f, const struct held *h, enum held_kind kind)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->all[i].count[kind])
			folded_line(f, &h->all[i], kind);
}

int report_folded(FILE *out, const struct report_view *v, const struct held *h)
{
	struct folded f = {.out = out};

	errno = 0;
	if (held_worst(v, h) == HELD_BYTES)
		folded_kind(&f, h, HELD_BYTES);
	else
		for (int kind = 0; kind < HELD_BYTES; kind++)
			folded_kind(&f, h, kind);
	for (size_t i = 0; i < f.room; i++)
		free(f.texts[i]);
	free(f.texts);
	frame_index_free(&f.frames);
	if (f.failed)
		return -ENOMEM;
	return ferror(out) ? (errno ? -errno : -EIO) : 0;
}
