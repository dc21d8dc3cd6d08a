/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * speedscope.c - see speedscope.h.
 *
 * The format: https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts.  The
 * outermost frame is the process.
 */
#include "user/report/speedscope.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "user/base/json_quote.h"
#include "user/report/frame_index.h"
#include "user/report/held_names.h"

#define SCHEMA "https://www.speedscope.app/file-format-schema.json"

struct speedscope {
	FILE *out;
	struct frame_index frames;
	struct frame_view *processes; /* a frame for each of the report */
	const struct report_view *view;
	const struct held *held;
	bool failed; /* no memory */
};

static size_t frame_number(struct speedscope *s, const struct frame_view *f)
{
	size_t number = frame_index_of(&s->frames, f);

	s->failed = s->failed || !number;
	return number ? number - 1 : 0;
}

static const struct frame_view *process_frame(const struct speedscope *s,
					      const struct process_view *p)
{
	return &s->processes[p - s->view->processes];
}

static void put_stack(struct speedscope *s, const struct held_view *v)
{
	fprintf(s->out, "[%zu", frame_number(s, process_frame(s, v->process)));
	for (size_t i = v->stack_count; i-- > 0;)
		fprintf(s->out, ",%zu", frame_number(s, &v->stack[i]));
	if (!v->stack_count)
		fprintf(s->out, ",%zu", frame_number(s, &held_no_stack));
	fputc(']', s->out);
}

static void put_profile(struct speedscope *s, int kind)
{
	const char *comma = "";

	fprintf(s->out,
		"{\"type\":\"sampled\",\"name\":\"%s held\",\"unit\":\"%s\",\"startValue\":0,"
		"\"endValue\":%" PRIu64 ",\"samples\":[",
		held_name(kind), kind == HELD_BYTES ? "bytes" : "none", held_sum(s->held, kind));
	for (size_t i = 0; i < s->held->count; i++) {
		if (!s->held->all[i].count[kind])
			continue;
		fputs(comma, s->out);
		put_stack(s, &s->held->all[i]);
		comma = ",\n";
	}
	fputs("],\"weights\":[", s->out);
	comma = "";
	for (size_t i = 0; i < s->held->count; i++) {
		if (!s->held->all[i].count[kind])
			continue;
		fprintf(s->out, "%s%" PRIu64, comma, s->held->all[i].count[kind]);
		comma = ",";
	}
	fputs("]}", s->out);
}

static void put_frame(FILE *out, const struct frame_view *f)
{
	struct words name = {0};

	words_held_frame(&name, f);
	fputs("{\"name\":", out);
	json_quote(out, name.text);
	if (f->file) {
		fputs(",\"file\":", out);
		json_quote(out, f->file);
	}
	if (f->line)
		fprintf(out, ",\"line\":%" PRIu32, f->line);
	fputc('}', out);
}

/* The kinds that have a profile: those of which something is held, or connections. */
static bool has_profile(const struct held *h, int kind)
{
	bool any = false;

	for (int k = 0; k < HELD_KINDS; k++)
		any = any || held_sum(h, k);
	return any ? held_sum(h, kind) != 0 : kind == HELD_CONNECTIONS;
}

static void put_profiles(struct speedscope *s)
{
	size_t count = 0, active = 0;

	fputs("\"profiles\":[", s->out);
	for (int kind = 0; kind < HELD_KINDS; kind++) {
		if (!has_profile(s->held, kind))
			continue;
		if (kind == (int)held_worst(s->view, s->held))
			active = count;
		fputs(count++ ? ",\n" : "", s->out);
		put_profile(s, kind);
	}
	fprintf(s->out, "],\n\"activeProfileIndex\":%zu,\n", active);
}

/* Profiles come first, for they number the frames. */
static void put_file(struct speedscope *s)
{
	fputs("{\"$schema\":\"" SCHEMA "\",\n\"exporter\":\"dbleak\",\n\"name\":\"dbleak\",\n",
	      s->out);
	put_profiles(s);
	fputs("\"shared\":{\"frames\":[", s->out);
	for (size_t i = 0; i < s->frames.count; i++) {
		fputs(i ? ",\n" : "", s->out);
		put_frame(s->out, s->frames.all[i]);
	}
	fputs("]}}\n", s->out);
}

int report_speedscope(FILE *out, const struct report_view *v, const struct held *h)
{
	struct speedscope s = {.out = out, .view = v, .held = h};

	s.processes = calloc(v->process_count + 1, sizeof(*s.processes));
	if (!s.processes)
		return -ENOMEM;
	for (size_t i = 0; i < v->process_count; i++)
		s.processes[i].function = v->processes[i].comm ? v->processes[i].comm : "?";
	errno = 0;
	put_file(&s);
	frame_index_free(&s.frames);
	free(s.processes);
	if (s.failed)
		return -ENOMEM;
	return ferror(out) ? (errno ? -errno : -EIO) : 0;
}
