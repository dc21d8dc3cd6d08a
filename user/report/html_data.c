/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * html_data.c - see html_data.h.
 */
#include "user/report/html_data.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "user/report/block.h"
#include "user/report/finding.h"
#include "user/report/names.h"
#include "user/report/rank.h"
#include "user/report/strings.h"
#include "user/report/where.h"

#define PROCESSES_MOST	 300
#define ENDPOINTS_MOST	 32    /* of one process */
#define SESSIONS_MOST	 40    /* likewise */
#define FINDINGS_MOST	 40    /* likewise */
#define HELD_MOST	 3000  /* stacks of what is held */
#define HELD_FRAMES_MOST 30000 /* of these; the rest have their owner's line only */
#define LIFE_FRAMES_MOST 20000 /* of the stacks of connections, likewise */
#define FRAME_COLUMNS	 400
#define SECONDS_MOST	 1e9

/* A call stack of the page: of connections, or of what is held. */
struct page_stack {
	const struct timeline_stack *life;
	const struct held_view *held;
};

struct html_data {
	FILE *out;
	const struct html_input *in;
	struct strings strings;
	/* of stacks: index on the page from 1, by number in the timeline; 0: not written yet */
	uint32_t *stack_index;
	struct page_stack *stacks;
	size_t stack_count;
};

/* Milliseconds; -1 not known. */
static long long ms_of(double seconds)
{
	if (!isfinite(seconds) || seconds < 0 || seconds > SECONDS_MOST)
		return -1;
	return (long long)(seconds * 1e3);
}

static void put_count(FILE *out, uint64_t n)
{
	if (n == UNKNOWN64)
		fputs("-1", out);
	else
		fprintf(out, "%" PRIu64, n);
}

static size_t words_index(struct html_data *d, const struct words *w)
{
	return strings_add(&d->strings, w->text, w->length);
}

static size_t frame_index(struct html_data *d, const struct frame_view *f)
{
	struct words w = {0};

	if (!f || (!f->function && !f->file && !f->module))
		return 0;
	words_frame(&w, f, FRAME_COLUMNS);
	return words_index(d, &w);
}

static size_t stack_index(struct html_data *d, const struct timeline_stack *s)
{
	if (!s)
		return 0;
	if (!d->stack_index[s->number]) {
		d->stacks[d->stack_count++].life = s;
		d->stack_index[s->number] = (uint32_t)d->stack_count;
	}
	return d->stack_index[s->number];
}

/*
 * The parts of a process.
 */

/* Twelve numbers for each: see FIELDS in data.js. */
static void put_lives(struct html_data *d, const struct timeline_process *p)
{
	size_t endpoints[ENDPOINTS_MOST] = {0};

	for (size_t i = 0; i < p->process->endpoint_count && i < ENDPOINTS_MOST; i++) {
		struct words w = {0};

		words_endpoint(&w, &p->process->endpoints[i]);
		endpoints[i] = words_index(d, &w);
	}
	fputs(",\"lives\":[", d->out);
	for (size_t i = 0; i < p->life_count; i++) {
		const struct life_view *l = &p->lives[i];

		fprintf(d->out, "%s%lld,%lld,%lld,%lld,%lld,%u,%u,%" PRIu64 ",%zu,%zu,%zu,%zu",
			i ? "," : "", ms_of(l->born), ms_of(l->used), ms_of(l->transaction),
			ms_of(l->waiting), ms_of(l->closed), l->tid, l->flags, l->requests,
			l->endpoint < ENDPOINTS_MOST ? endpoints[l->endpoint] : 0,
			stack_index(d, l->opened_at), stack_index(d, l->begun_at),
			strings_add(&d->strings, l->sql, l->sql_length));
	}
	fputc(']', d->out);
}

/* The first prediction of the process that is about its memory. */
static void put_prediction(struct html_data *d, const struct process_view *p)
{
	for (size_t i = 0; i < p->finding_count; i++) {
		const struct finding_view *f = &p->findings[i];
		struct words w = {0};

		if (!finding_is_memory(f) || !f->exhausts_limit || f->exhausts_seconds < 0)
			continue;
		words_limit(&w, p, f);
		fprintf(d->out, ",\"predicted\":[%lld,%lld,%lld,%zu]", ms_of(f->exhausts_seconds),
			ms_of(f->exhausts_earliest), ms_of(f->exhausts_latest), words_index(d, &w));
		return;
	}
}

static void put_memory(struct html_data *d, const struct timeline_process *p)
{
	const struct memory_view *m = &p->process->memory;
	struct words w = {0};

	words_process_memory(&w, p->process, false);
	fprintf(d->out, ",\"rss\":%zu", words_index(d, &w));
	if (!p->memory_count)
		return;
	fprintf(d->out, ",\"memory\":{\"from\":%lld,\"width\":%lld,\"kib\":[",
		(long long)(p->memory_start * 1e3), ms_of(p->memory_width));
	for (size_t i = 0; i < p->memory_count; i++)
		fprintf(d->out, "%s%" PRIu64, i ? "," : "", p->memory[i] / 1024);
	fputs("],\"end\":", d->out);
	put_count(d->out, m->end);
	fputs(",\"limit\":", d->out);
	put_count(d->out, m->limit);
	fputs(",\"used\":", d->out);
	put_count(d->out, m->limit_used);
	fprintf(d->out, ",\"of\":%zu", strings_text(&d->strings, m->limit_of));
	put_prediction(d, p->process);
	fputc('}', d->out);
}

static void put_endpoints(struct html_data *d, const struct process_view *p)
{
	fputs(",\"endpoints\":[", d->out);
	for (size_t i = 0; i < p->endpoint_count && i < ENDPOINTS_MOST; i++) {
		const struct endpoint_view *e = &p->endpoints[i];
		const uint64_t counts[] = {
			e->connections.open,   e->connections.peak,	    e->connections.opened,
			e->connections.closed, e->connections.pre_existing, e->connections.idle,
			e->transactions.open,  e->connections.close_wait,   e->waiters.count,
		};
		struct words w = {0};

		words_endpoint(&w, e);
		fprintf(d->out, "%s[%zu", i ? "," : "", words_index(d, &w));
		for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
			fputc(',', d->out);
			put_count(d->out, counts[k]);
		}
		fputc(']', d->out);
	}
	fputc(']', d->out);
}

static void put_session(struct html_data *d, const struct session_view *s, size_t n)
{
	fprintf(d->out, "%s[", n ? "," : "");
	put_count(d->out, s->session);
	fprintf(d->out, ",%u,%d,%d,%lld,%lld,%zu,%zu]", s->pid, s->status, s->busy,
		ms_of(s->transaction_seconds), ms_of(s->state_seconds),
		strings_text(&d->strings, s->application), strings_text(&d->strings, s->sql));
}

static void put_sessions(struct html_data *d, const struct process_view *p)
{
	size_t n = 0;

	fputs(",\"sessions\":[", d->out);
	for (size_t i = 0; i < p->finding_count; i++)
		for (size_t k = 0; k < p->findings[i].session_count && n < SESSIONS_MOST; k++)
			put_session(d, &p->findings[i].sessions[k], n++);
	fputc(']', d->out);
}

/* The kind of what is held in which the line of a finding stands out. */
static enum held_kind kind_of(const struct finding_view *f)
{
	switch (f->resource) {
	case RESOURCE_CONNECTION:
		return f->in_transaction && 2 * f->in_transaction > f->open ? HELD_TRANSACTIONS
									    : HELD_CONNECTIONS;
	case RESOURCE_TRANSACTION:
		return HELD_TRANSACTIONS;
	case RESOURCE_MEMORY:
	case RESOURCE_RESULT:
		return HELD_BYTES;
	default:
		return HELD_STATEMENTS;
	}
}

/* Headlines, lines, kinds and SQL of the findings: what the tables mark as accused. */
static void put_findings(struct html_data *d, const struct process_view *p)
{
	size_t n = 0;

	fputs(",\"findings\":[", d->out);
	for (size_t i = 0; i < p->finding_count && n < FINDINGS_MOST; i++) {
		struct words w = {0};

		words_headline(&w, &p->findings[i], p->exited);
		fprintf(d->out, "%s[%zu,%zu,%d,%zu]", n++ ? "," : "", words_index(d, &w),
			frame_index(d, p->findings[i].site), kind_of(&p->findings[i]),
			strings_text(&d->strings, p->findings[i].sql));
	}
	fputc(']', d->out);
}

static long guilty_index(const struct html_input *in, const struct process_view *p)
{
	for (size_t i = 0; i < in->guilty_count; i++)
		if (in->guilty[i] == p)
			return (long)i;
	return -1;
}

static void put_process(struct html_data *d, const struct timeline_process *p)
{
	struct words title = {0};

	words_title(&title, p->process);
	fprintf(d->out,
		"{\"title\":%zu,\"guilty\":%ld,\"verdict\":\"%s\",\"ended\":%lld,"
		"\"left\":%" PRIu64,
		words_index(d, &title), guilty_index(d->in, p->process),
		verdict_name(p->process->verdict), ms_of(p->ended), p->left_out);
	put_findings(d, p->process);
	put_lives(d, p);
	put_memory(d, p);
	put_endpoints(d, p->process);
	put_sessions(d, p->process);
	fputs("}\n", d->out);
}

/*
 * What is held, and the stacks.
 */

/* For each: process, stack, and a count of each kind. */
static void put_held(struct html_data *d)
{
	const struct held *held = d->in->held;
	size_t n = 0;

	fputs("\"held\":[", d->out);
	for (size_t i = 0; i < held->count && n < HELD_MOST; i++) {
		const struct held_view *h = &held->all[i];
		size_t process = (size_t)(h->process - d->in->view->processes), stack = 0;

		if (process >= PROCESSES_MOST)
			continue;
		if (h->stack_count) {
			d->stacks[d->stack_count++].held = h;
			stack = d->stack_count;
		}
		fprintf(d->out, "%s[%zu,%zu", n++ ? "," : "", process, stack);
		for (size_t kind = 0; kind < HELD_KINDS; kind++)
			fprintf(d->out, ",%" PRIu64, h->count[kind]);
		fputc(']', d->out);
	}
	fprintf(d->out, "],\"held_left\":%zu,\n", held->count - n);
}

static size_t frames_of(const struct page_stack *s)
{
	return s->life ? s->life->count : s->held->stack_count;
}

static const struct frame_view *site_of(const struct page_stack *s)
{
	return s->life ? s->life->site : s->held->site;
}

static const struct frame_view *data_frame(const struct page_stack *s, size_t i)
{
	return s->life ? s->life->frames[i] : &s->held->stack[i];
}

static void put_stack(struct html_data *d, const struct page_stack *s)
{
	long site = -1;

	for (size_t i = 0; i < frames_of(s) && site < 0; i++)
		if (site_of(s) && data_frame(s, i) == site_of(s))
			site = (long)i;
	fprintf(d->out, ",[%ld", site);
	for (size_t i = 0; i < frames_of(s); i++)
		fprintf(d->out, ",%zu", frame_index(d, data_frame(s, i)));
	fputc(']', d->out);
}

/* Only the owner's line of a stack that does not fit. */
static void put_site(struct html_data *d, const struct page_stack *s)
{
	size_t site = frame_index(d, site_of(s));

	if (site)
		fprintf(d->out, ",[0,%zu]", site);
	else
		fputs(",[-1]", d->out);
}

/* Each stack: the place of its owner's line in it, from 0 (-1: not known), then its frames, the
 * innermost first.  Stack 0 is "not known". */
static void put_stacks(struct html_data *d)
{
	size_t lives = 0, held = 0;

	fputs("\"stacks\":[[-1]", d->out);
	for (size_t i = 0; i < d->stack_count; i++) {
		const struct page_stack *s = &d->stacks[i];
		size_t *used = s->life ? &lives : &held;

		if (*used + frames_of(s) > (s->life ? LIFE_FRAMES_MOST : HELD_FRAMES_MOST)) {
			put_site(d, s);
			continue;
		}
		*used += frames_of(s);
		put_stack(d, s);
	}
	fputs("],\n", d->out);
}

static void put_all(struct html_data *d)
{
	const struct report_view *v = d->in->view;
	const struct timeline *t = d->in->timeline;
	uint64_t left = t->left_out;
	size_t n = t->count < PROCESSES_MOST ? t->count : PROCESSES_MOST;

	fprintf(d->out, "{\"ms\":%lld,\"start\":%" PRIu64 ",\"processes\":[\n", ms_of(v->seconds),
		v->start_realtime_ns / 1000000);
	for (size_t i = 0; i < n; i++) {
		fputs(i ? "," : "", d->out);
		put_process(d, &t->all[i]);
	}
	for (size_t i = n; i < t->count; i++)
		left += t->all[i].life_count;
	fprintf(d->out, "],\"processes_left\":%zu,\"left\":%" PRIu64 ",\n", t->count - n, left);
	put_held(d);
	put_stacks(d);
	fprintf(d->out, "\"texts_left\":%" PRIu64 ",\"strings\":", d->strings.refused);
	strings_write(d->out, &d->strings);
	fputs("}\n", d->out);
}

int html_data(FILE *out, const struct html_input *in)
{
	struct html_data d = {.out = out, .in = in, .strings = {.arena = arena_open()}};
	size_t stacks = in->timeline->stack_count + HELD_MOST + 1;
	int err = -ENOMEM;

	if (d.strings.arena) {
		d.stack_index = arena_alloc(d.strings.arena, stacks * sizeof(*d.stack_index));
		d.stacks = arena_alloc(d.strings.arena, stacks * sizeof(*d.stacks));
	}
	if (d.stack_index && d.stacks) {
		put_all(&d);
		err = d.strings.err;
	}
	strings_free(&d.strings);
	arena_close(d.strings.arena);
	return err;
}
