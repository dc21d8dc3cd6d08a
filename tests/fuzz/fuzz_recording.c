/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_recording.c - any bytes as a recording, through model, judge, events and reports.
 *
 * Half of the inputs have their checksums made good first, else no damage would ever come past the
 * reader: the first byte says so, and the recording follows it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "user/judge/forget.h"
#include "user/judge/held.h"
#include "user/judge/judge.h"
#include "user/judge/timeline.h"
#include "user/record/recording.h"
#include "user/report/events.h"
#include "user/report/explanation.h"
#include "user/report/html.h"
#include "user/report/json.h"
#include "user/report/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPAIR	 1
#define SHOW_ALL 2
#define COLOUR	 4
#define EVENTS	 8
#define STEPS	 8 /* judgements on the way: each costs as much as the report */

/* Sets checksums, and the magic of what stands first. */
static void repair(uint8_t *bytes, size_t size)
{
	size_t at = 0;

	while (size - at >= sizeof(struct ev_head)) {
		struct ev_head head;

		memcpy(&head, bytes + at, sizeof(head));
		if (head.size < sizeof(head) || head.size > size - at)
			return;
		if (!at && head.size >= sizeof(struct ev_begin)) {
			uint64_t magic = EV_MAGIC;
			uint32_t version = EV_VERSION;

			memcpy(bytes + offsetof(struct ev_begin, magic), &magic, sizeof(magic));
			memcpy(bytes + offsetof(struct ev_begin, version), &version,
			       sizeof(version));
		}
		head.crc = crc32(0, bytes + at, offsetof(struct ev_head, crc));
		head.crc = crc32(head.crc, bytes + at + offsetof(struct ev_head, kind),
				 head.size - offsetof(struct ev_head, kind));
		memcpy(bytes + at, &head, sizeof(head));
		at += head.size;
	}
}

/* Every rule tells of the first process. */
static void explain(const struct model *m, uint32_t pid, const struct text_options *options,
		    FILE *out)
{
	struct report_view *view = judge_explain(m, NULL, pid);

	if (!view || report_explanation(out, view, options))
		abort();
	view_close(view);
}

static size_t times_in(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

#define PAGE_MOST 2000000

/* Whatever the recording says, the page has its two scripts, no other, and is not too large. */
static void page(const struct model *m, const struct report_view *view)
{
	struct timeline *t = timeline_open(m, view, NULL);
	struct held *held = held_open(m, view, NULL);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!t || !held || !out || report_html(out, view, t, held))
		abort();
	fclose(out);
	if (times_in(text, "<script") != 2 || times_in(text, "</script") != 2 ||
	    strlen(text) != size || size > PAGE_MOST)
		abort();
	free(text);
	held_close(held);
	timeline_close(t);
}

static void report(const struct model *m, uint8_t how)
{
	struct text_options options = {.colour = how & COLOUR, .show_all = how & SHOW_ALL};
	struct report_view *view = judge_view(m, NULL);
	FILE *out = fopen("/dev/null", "w");

	if (!view || !out)
		abort();
	if (report_text(out, view, &options) || report_json(out, view))
		abort();
	if (view->process_count)
		explain(m, view->processes[0].pid, &options, out);
	page(m, view);
	fclose(out);
	view_close(view);
}

static void tell(struct events *events, const struct model *m,
		 int (*step)(struct events *, const struct report_view *, FILE *))
{
	struct report_view *view = judge_view(m, NULL);
	FILE *out = fopen("/dev/null", "w");

	if (!view || !out || step(events, view, out))
		abort();
	fclose(out);
	view_close(view);
}

static void replay(uint8_t *bytes, size_t size, uint8_t how)
{
	struct events *events = events_open();
	int steps = how & EVENTS ? STEPS : 0;
	const struct ev_head *record;
	struct recording *recording;
	struct model *m = model_open();
	FILE *file = fmemopen(bytes, size, "r");
	int err;

	if (!m || !file || !events || recording_open_read(&recording, file))
		abort();
	while ((err = recording_next(recording, &record)) == 1) {
		if (judge_apply(m, record))
			abort();
		if (record->kind == EV_TICK && steps > 0 && steps--)
			tell(events, m, events_step);
	}
	recording_close(recording);
	if (how & EVENTS)
		tell(events, m, events_end);
	events_close(events);
	report(m, how);
	model_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes;

	if (size < 2)
		return 0;
	bytes = malloc(size - 1);
	if (!bytes)
		abort();
	memcpy(bytes, data + 1, size - 1);
	if (data[0] & REPAIR)
		repair(bytes, size - 1);
	replay(bytes, size - 1, data[0]);
	free(bytes);
	return 0;
}
