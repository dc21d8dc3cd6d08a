/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collector.c - see collector.h.
 */
#include "user/command/collector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/rights.h"
#include "user/report/otlp.h"
#include "user/serve/exporter.h"
#include "user/system/clock.h"

#define RECORDS_MOST 200  /* of one document */
#define DRAIN_MS     5000 /* a collector that is not there is tried for 3.5 s */

struct collector {
	const char *url;
	struct exporter *exporter;
	struct changes *changes;
	uint64_t looked_ms, told;
};

int collector_open(struct collector **out, const char *url)
{
	struct collector *c = calloc(1, sizeof(*c));
	struct export_target target;
	int err = -ENOMEM;

	*out = NULL;
	if (c)
		c->changes = changes_open();
	if (c && c->changes && export_target_parse(&target, url) == EXPORT_URL_GOOD)
		err = exporter_open(&c->exporter, &target, rights_end_asker);
	if (err) {
		changes_close(c ? c->changes : NULL);
		free(c);
		return err;
	}
	c->url = url;
	*out = c;
	return 0;
}

/* Losses are told as they come, but not each. */
static void tell_lost(struct collector *c, bool last)
{
	const char *why;
	uint64_t lost = exporter_lost(c->exporter, &why);

	if (lost == c->told || (c->told && !last))
		return;
	fprintf(stderr, "dbleak: --otlp %s: %llu records lost%s: %s\n", c->url,
		(unsigned long long)lost, last ? " in all" : "", why);
	c->told = lost;
}

static void offer_some(struct collector *c, const struct report_view *v,
		       const struct otlp_item *items, size_t count)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	int err = out ? report_otlp(out, v, items, count) : -ENOMEM;

	if (out && fclose(out) && !err)
		err = -ENOMEM;
	/* Without memory for it, it is lost as one that is too long. */
	exporter_offer(c->exporter, text, err ? EXPORT_MOST + 1 : length, count);
	free(text);
}

static int note_finding(void *context, const struct change *c)
{
	return otlp_items_add(context, c);
}

static int pass_process(void *context, const struct change *c)
{
	(void)context;
	(void)c;
	return 0;
}

static int pass_gap(void *context, const struct gap_view *gap)
{
	(void)context;
	(void)gap;
	return 0;
}

void collector_take(struct collector *c, const struct report_view *v)
{
	struct otlp_items news = {};
	const struct change_sink sink = {.process = pass_process,
					 .finding = note_finding,
					 .gap = pass_gap,
					 .context = &news};

	changes_step(c->changes, v, &sink);
	for (size_t i = 0; i < news.count; i += RECORDS_MOST)
		offer_some(c, v, news.items + i,
			   news.count - i < RECORDS_MOST ? news.count - i : RECORDS_MOST);
	free(news.items);
}

void collector_look(struct collector *c, const struct model *m, const struct site_patterns *library,
		    unsigned int ago_ms)
{
	uint64_t now = clock_monotonic_ms();
	struct report_view *v;

	exporter_step(c->exporter);
	tell_lost(c, false);
	if (now < c->looked_ms + ago_ms)
		return;
	c->looked_ms = now;
	v = judge_view(m, library);
	if (v)
		collector_take(c, v);
	view_close(v);
}

pid_t collector_pid(const struct collector *c)
{
	return exporter_pid(c->exporter);
}

void collector_close(struct collector *c)
{
	if (!c)
		return;
	exporter_drain(c->exporter, DRAIN_MS);
	tell_lost(c, true);
	exporter_close(c->exporter);
	changes_close(c->changes);
	free(c);
}
