/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * folded.c - see folded.h.
 */
#include "user/report/folded.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/report/where.h"

#define UNKNOWN_STACK "unknown"

const char *held_name(enum held_kind kind)
{
	static const char *const names[HELD_KINDS] = {
		[HELD_CONNECTIONS] = "connections",
		[HELD_TRANSACTIONS] = "transactions",
		[HELD_STATEMENTS] = "statements",
		[HELD_BYTES] = "bytes",
	};

	return names[kind];
}

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

static void folded_line(FILE *out, const struct held_view *v, enum held_kind kind)
{
	fprintf(out, "%s;", held_name(kind));
	folded_frame(out, v->process->comm ? v->process->comm : "?");
	if (!v->stack_count)
		fputs(";" UNKNOWN_STACK, out);
	for (size_t i = v->stack_count; i-- > 0;) {
		struct words w = {0};

		words_line(&w, &v->stack[i], SIZE_MAX);
		fputc(';', out);
		folded_frame(out, w.text);
	}
	fprintf(out, " %" PRIu64 "\n", v->count[kind]);
}

static bool folded_kind(FILE *out, const struct held *h, enum held_kind kind)
{
	bool any = false;

	for (size_t i = 0; i < h->count; i++) {
		if (!h->all[i].count[kind])
			continue;
		folded_line(out, &h->all[i], kind);
		any = true;
	}
	return any;
}

/* The report lists what is worst first. */
static bool memory_is_worst(const struct report_view *v)
{
	for (size_t i = 0; i < v->process_count; i++)
		if (v->processes[i].finding_count)
			return v->processes[i].findings[0].resource == RESOURCE_MEMORY;
	return false;
}

int report_folded(FILE *out, const struct report_view *v, const struct held *h)
{
	bool any = memory_is_worst(v) && folded_kind(out, h, HELD_BYTES);

	errno = 0;
	for (int kind = 0; kind < HELD_BYTES && !memory_is_worst(v); kind++)
		any = folded_kind(out, h, kind) || any;
	if (!any)
		folded_kind(out, h, HELD_BYTES);
	return ferror(out) ? (errno ? -errno : -EIO) : 0;
}
