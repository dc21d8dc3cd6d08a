/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * brief.c - see brief.h.
 */
#include "user/report/brief.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/base/escape.h"
#include "user/report/finding.h"
#include "user/report/leaks.h"
#include "user/report/names.h"

/* A field; a tab or an end of line in it would be another one. */
static void brief_field(FILE *out, const char *text)
{
	struct escape_unit unit;

	for (size_t left = strlen(text); left;) {
		size_t used = escape_next(&unit, text, left);

		fputs(unit.text, out);
		text += used;
		left -= used;
	}
	fputc('\t', out);
}

/* Objects, or bytes of memory. */
static void brief_count(FILE *out, const struct leak *l)
{
	const struct finding_view *f = &l->sum;
	uint64_t n = finding_is_memory(f) ? (f->memory.grown ? f->memory.grown : f->memory.held)
					  : f->open;

	if (n == UNKNOWN64)
		fputs("?\t", out);
	else
		fprintf(out, "%" PRIu64 "\t", n);
}

static void brief_since(FILE *out, const struct report_view *v, const struct finding_view *f)
{
	uint64_t end_ns = v->start_realtime_ns + (uint64_t)(v->seconds > 0 ? v->seconds * 1e9 : 0);
	bool known = isfinite(f->oldest_seconds) && f->oldest_seconds >= 0 &&
		     v->start_realtime_ns && f->oldest_seconds * 1e9 < (double)end_ns;
	time_t since = known ? (time_t)((end_ns - (uint64_t)(f->oldest_seconds * 1e9)) / 1000000000)
			     : 0;
	char text[32];
	struct tm tm;

	if (!known || !gmtime_r(&since, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(text, sizeof(text), "?");
	fprintf(out, "%s\t", text);
}

static void brief_line(FILE *out, const struct report_view *v, const struct leak *l)
{
	struct words process = {0}, line = {0};

	words_process(&process, l->process->comm, l->process->pid);
	words_leak_line(&line, l);
	brief_field(out, verdict_name(l->sum.verdict));
	brief_count(out, l);
	brief_field(out, finding_is_memory(&l->sum) ? "bytes" : finding_noun(&l->sum));
	brief_field(out, process.text);
	brief_field(out, line.text);
	brief_since(out, v, &l->sum);
	fprintf(out, "%s%s\n", l->finding->fingerprint,
		!v->baseline.given  ? ""
		: l->finding->known ? "\tknown"
				    : "\tnew");
}

int report_brief(FILE *out, const struct report_view *v)
{
	size_t count;
	struct leak *leaks = leaks_list(v, &count);

	if (!leaks)
		return -ENOMEM;
	errno = 0;
	for (size_t i = 0; i < count; i++)
		brief_line(out, v, &leaks[i]);
	free(leaks);
	return ferror(out) ? (errno ? -errno : -EIO) : 0;
}
