/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * replay.c - a recording in, the report out: the pure half alone, built with sanitizers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/judge/forget.h"
#include "user/judge/judge.h"
#include "user/judge/timeline.h"
#include "user/record/dump.h"
#include "user/record/recording.h"
#include "user/report/explanation.h"
#include "user/report/html.h"
#include "user/report/json.h"
#include "user/report/text.h"

static int dump(struct recording *r)
{
	const struct ev_head *record;
	int n;

	while ((n = recording_next(r, &record)) > 0)
		if (dump_record(stdout, record))
			return 2;
	recording_close(r);
	return n < 0;
}

static int print(const char *form, const struct report_view *v)
{
	const struct text_options plain = {0};

	if (!strcmp(form, "json"))
		return report_json(stdout, v);
	return strcmp(form, "explain") ? report_text(stdout, v, &plain)
				       : report_explanation(stdout, v, &plain);
}

static int print_html(const struct model *m, const struct report_view *v)
{
	struct timeline *t = timeline_open(m, v, NULL);
	struct held *held = held_open(m, v, NULL);
	int err = t && held ? report_html(stdout, v, t, held) : -1;

	held_close(held);
	timeline_close(t);
	return err;
}

int main(int argc, char **argv)
{
	const struct ev_head *record;
	struct recording *r = NULL;
	struct report_view *v;
	struct model *m = model_open();
	FILE *file = argc > 2 ? fopen(argv[2], "r") : NULL;
	int n, err;

	if (!file || !m || recording_open_read(&r, file)) {
		fprintf(stderr,
			"usage: replay text|json|html|dump RECORDING, or explain RECORDING PID\n");
		return 2;
	}
	if (!strcmp(argv[1], "dump")) {
		model_close(m);
		return dump(r);
	}
	while ((n = recording_next(r, &record)) > 0)
		if (judge_apply(m, record))
			return 2;
	v = judge_explain(m, NULL, argc > 3 ? (uint32_t)atoi(argv[3]) : 0);
	if (!v)
		return 2;
	err = strcmp(argv[1], "html") ? print(argv[1], v) : print_html(m, v);
	view_close(v);
	model_close(m);
	recording_close(r);
	return err ? 2 : n < 0;
}
