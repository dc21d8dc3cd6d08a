/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rows.c - see rows.h.
 */
#include "user/top/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/program.h"
#include "user/base/service.h"
#include "user/report/names.h"
#include "user/report/rank.h"
#include "user/report/where.h"

#define SERVICE_SIZE 64

#define HASH_START 0xcbf29ce484222325ULL
#define HASH_PRIME 0x100000001b3ULL

void rows_free(struct top_rows *r)
{
	free(r->rows);
	*r = (struct top_rows){};
}

/*
 * Keys.
 */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	while (size--)
		hash = (hash ^ *at++) * HASH_PRIME;
	return hash;
}

/* With its end, so that "ab" "c" differs from "a" "bc". */
static uint64_t hash_string(uint64_t hash, const char *s)
{
	s = s ? s : "";
	return hash_bytes(hash, s, strlen(s) + 1);
}

static uint64_t key_begin(enum top_by by)
{
	return hash_bytes(HASH_START, &by, sizeof(by));
}

static uint64_t key_end(uint64_t hash)
{
	return hash ? hash : 1;
}

uint64_t row_key_of_process(const struct process_view *p)
{
	uint64_t hash = key_begin(TOP_BY_PROCESS);

	hash = hash_bytes(hash, &p->pid, sizeof(p->pid));
	return key_end(hash_bytes(hash, &p->start_realtime_ns, sizeof(p->start_realtime_ns)));
}

static uint64_t key_of_endpoint(const struct endpoint_view *e)
{
	uint64_t hash = key_begin(TOP_BY_ENDPOINT);

	hash = hash_bytes(hash, &e->database, sizeof(e->database));
	hash = hash_string(hash, e->address);
	return key_end(hash_string(hash_string(hash, e->name), e->user));
}

static uint64_t key_of_container(const struct process_view *p)
{
	struct words w = {0};

	words_place(&w, p);
	return key_end(hash_string(key_begin(TOP_BY_CONTAINER), w.text));
}

/* Lines of one cause and program are one row, whatever the number of its processes.  Programs of
 * two images may have the same path. */
static uint64_t key_of_site(const struct process_view *p, const struct finding_view *f)
{
	const struct frame_view *at = f->site;
	uint64_t hash = key_begin(TOP_BY_SITE);

	hash = hash_bytes(hash, &f->cause, sizeof(f->cause));
	hash = hash_string(hash_string(hash, p->comm), p->image);
	if (!at)
		return key_end(hash);
	hash = hash_string(hash_string(hash, at->file), at->module);
	hash = hash_string(hash, at->function);
	hash = hash_bytes(hash, &at->line, sizeof(at->line));
	return key_end(hash_bytes(hash, &at->offset, sizeof(at->offset)));
}

/*
 * The order of processes.
 */

static uint64_t waiting_of(const struct process_view *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->endpoint_count; i++)
		n += p->endpoints[i].waiters.count;
	return n;
}

static uint64_t open_of(const struct process_view *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->endpoint_count; i++)
		if (p->endpoints[i].connections.open != UNKNOWN64)
			n += p->endpoints[i].connections.open;
	return n;
}

static int most_busy_first(const void *a, const void *b)
{
	const struct process_view *x = *(const struct process_view *const *)a;
	const struct process_view *y = *(const struct process_view *const *)b;
	uint64_t m = waiting_of(x), n = waiting_of(y);

	if (x->exited != y->exited)
		return x->exited - y->exited;
	if (m != n)
		return m > n ? -1 : 1;
	m = open_of(x);
	n = open_of(y);
	if (m != n)
		return m > n ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

const struct process_view **rows_order(const struct report_view *v)
{
	size_t count;
	const struct process_view **all = rank_guilty(v, &count);
	size_t used = count;

	for (size_t i = 0; all && i < v->process_count; i++)
		if (!rank_is_guilty(&v->processes[i]))
			all[used++] = &v->processes[i];
	if (all)
		qsort(all + count, used - count, sizeof(*all), most_busy_first);
	return all;
}

/*
 * Rows.
 */

static struct top_row *row_new(struct top_rows *r)
{
	if (r->count == r->room) {
		size_t room = r->room ? 2 * r->room : 64;
		struct top_row *more = realloc(r->rows, room * sizeof(*more));

		if (!more)
			return NULL;
		r->rows = more;
		r->room = room;
	}
	return &r->rows[r->count++];
}

/* The row with that key: a new and empty one if there was none.  index: key -> number + 1. */
static struct top_row *row_of(struct top_rows *r, struct table *index, uint64_t key)
{
	struct table_key k = {.a = key};
	uintptr_t number = (uintptr_t)table_get(index, k);
	struct top_row *row;

	if (number)
		return &r->rows[number - 1];
	row = row_new(r);
	if (!row || table_put(index, k, (void *)(uintptr_t)r->count))
		return NULL;
	*row = (struct top_row){.key = key,
				.per_second = -1,
				.oldest_seconds = -1,
				.memory = UNKNOWN64,
				.urgency = r->count - 1};
	return row;
}

static uint64_t add_count(uint64_t sum, uint64_t n)
{
	return n == UNKNOWN64 ? sum : sum + n;
}

static uint64_t add_memory(uint64_t sum, uint64_t n)
{
	if (n == UNKNOWN64)
		return sum;
	return sum == UNKNOWN64 ? n : sum + n;
}

static void row_add_endpoint(struct top_row *row, const struct endpoint_view *e)
{
	row->open = add_count(row->open, e->connections.open);
	row->idle = add_count(row->idle, e->connections.idle);
	row->in_transaction = add_count(row->in_transaction, e->connections.in_transaction);
	row->opened = add_count(row->opened, e->connections.opened);
	row->waiting += e->waiters.count;
	if (e->oldest_idle_seconds > row->oldest_seconds)
		row->oldest_seconds = e->oldest_idle_seconds;
}

static void row_add_verdict(struct top_row *row, const struct process_view *p,
			    const struct finding_view *f, enum verdict verdict)
{
	row->ended = row->processes ? row->ended && p->exited : p->exited;
	row->processes++;
	if (!row->process) {
		row->process = p;
		row->finding = f;
	}
	if (verdict > row->verdict)
		row->verdict = verdict;
}

static const struct finding_view *worst_finding(const struct process_view *p)
{
	return p->finding_count ? &p->findings[0] : NULL;
}

static uint64_t memory_of(const struct process_view *p)
{
	return p->rss_end ? p->rss_end : UNKNOWN64;
}

static void name_row(struct top_row *row, enum top_by by, const struct words *w)
{
	row->by = by;
	escape_fit(row->name, sizeof(row->name), w->text, w->length, ROW_NAME_COLUMNS,
		   ESCAPE_CUT_END);
}

/* Does the last part of a program's path begin so?  The kernel keeps 15 bytes of it as the name. */
static bool program_is(const char *path, const char *comm)
{
	size_t length = path ? strcspn(path, " ") : 0;
	const char *slash = length ? memrchr(path, '/', length) : NULL;

	return path && !strncmp(slash ? slash + 1 : path, comm, strlen(comm));
}

/* Has a process given itself the name, so that it tells more than its program and script do?  Node
 * calls each process MainThread. */
static bool has_own_name(const struct process_view *p, const char *service)
{
	const char *comm = p->comm;

	return comm && *comm && !program_find(comm, strlen(comm)) && !program_is(p->exe, comm) &&
	       !program_is(p->cmdline, comm) && !strstr(service, comm) &&
	       !strstr(comm, "MainThread");
}

/* The name that people use: its script or service, else its program. */
static void name_process(struct top_row *row, const struct process_view *p)
{
	struct words head = {0}, whole = {0};
	char service[SERVICE_SIZE];

	if (!p->cmdline || !service_name(service, sizeof(service), p->cmdline)) {
		words_add(&whole, "%s%s", p->comm && *p->comm ? p->comm : "?", role_of(p));
	} else if (has_own_name(p, service)) {
		words_add(&head, "%s", p->comm);
		words_add(&whole, "%s %s%s", p->comm, service, role_of(p));
	} else {
		words_add(&whole, "%s%s", service, role_of(p));
	}
	name_row(row, TOP_BY_PROCESS, &head);
	row->name_head = strlen(row->name);
	name_row(row, TOP_BY_PROCESS, &whole);
}

static struct top_row *add_process(struct top_rows *r, struct table *index,
				   const struct process_view *p)
{
	struct top_row *row = row_of(r, index, row_key_of_process(p));

	if (!row)
		return NULL;
	name_process(row, p);
	for (size_t i = 0; i < p->endpoint_count; i++)
		row_add_endpoint(row, &p->endpoints[i]);
	row->memory = memory_of(p);
	row->pid = p->pid;
	row_add_verdict(row, p, worst_finding(p), p->verdict);
	return row;
}

static struct top_row *add_container(struct top_rows *r, struct table *index,
				     const struct process_view *p)
{
	struct top_row *row = row_of(r, index, key_of_container(p));
	struct words w = {0};

	if (!row)
		return NULL;
	words_place(&w, p);
	name_row(row, TOP_BY_CONTAINER, &w);
	for (size_t i = 0; i < p->endpoint_count; i++)
		row_add_endpoint(row, &p->endpoints[i]);
	row->memory = add_memory(row->memory, memory_of(p));
	row_add_verdict(row, p, worst_finding(p), p->verdict);
	return row;
}

static bool is_of_endpoint(const struct finding_view *f, const struct endpoint_view *e)
{
	size_t n = e->address ? strlen(e->address) : 0;

	return f->database == e->database &&
	       (!f->endpoint || !n || !strncmp(f->endpoint, e->address, n));
}

/* The worst finding of the process about that endpoint; NULL: none. */
static const struct finding_view *finding_of_endpoint(const struct process_view *p,
						      const struct endpoint_view *e)
{
	for (size_t i = 0; i < p->finding_count; i++)
		if (is_of_endpoint(&p->findings[i], e))
			return &p->findings[i];
	return NULL;
}

static int add_endpoints(struct top_rows *r, struct table *index, const struct process_view *p)
{
	for (size_t i = 0; i < p->endpoint_count; i++) {
		const struct endpoint_view *e = &p->endpoints[i];
		const struct finding_view *f = finding_of_endpoint(p, e);
		struct top_row *row = row_of(r, index, key_of_endpoint(e));
		struct words w = {0};

		if (!row)
			return -ENOMEM;
		words_endpoint(&w, e);
		name_row(row, TOP_BY_ENDPOINT, &w);
		row_add_endpoint(row, e);
		row_add_verdict(row, p, f, f ? f->verdict : VERDICT_OK);
	}
	return 0;
}

static void words_site(struct words *w, const struct process_view *p, const struct finding_view *f)
{
	if (f->site) {
		words_line(w, f->site, ROW_NAME_COLUMNS);
		return;
	}
	words_add(w, "unknown line of ");
	words_process(w, p->comm, p->pid);
}

static int add_sites(struct top_rows *r, struct table *index, const struct process_view *p)
{
	for (size_t i = 0; i < p->finding_count; i++) {
		const struct finding_view *f = &p->findings[i];
		struct words w = {0};
		struct top_row *row;

		if (f->part_of)
			continue;
		row = row_of(r, index, key_of_site(p, f));
		if (!row)
			return -ENOMEM;
		words_site(&w, p, f);
		name_row(row, TOP_BY_SITE, &w);
		row->open = add_count(row->open, f->open);
		row->in_transaction = add_count(row->in_transaction, f->in_transaction);
		row->opened = f->acquired == UNKNOWN64
				      ? UNKNOWN64
				      : add_count(row->opened, f->acquired - f->earlier);
		row->waiting += f->waiters.count;
		if (f->oldest_seconds > row->oldest_seconds)
			row->oldest_seconds = f->oldest_seconds;
		if (f->memory.tier != EV_TIER_OFF && f->memory.held)
			row->memory = add_memory(row->memory, f->memory.held);
		row_add_verdict(row, p, f, f->verdict);
	}
	return 0;
}

static bool is_inside(const struct process_view *p, enum top_by within, uint64_t key)
{
	if (within == TOP_BY_PROCESS)
		return row_key_of_process(p) == key;
	if (within == TOP_BY_CONTAINER)
		return key_of_container(p) == key;
	for (size_t i = 0; within == TOP_BY_ENDPOINT && i < p->endpoint_count; i++)
		if (key_of_endpoint(&p->endpoints[i]) == key)
			return true;
	for (size_t i = 0; within == TOP_BY_SITE && i < p->finding_count; i++)
		if (!p->findings[i].part_of && key_of_site(p, &p->findings[i]) == key)
			return true;
	return false;
}

static int add_row(struct top_rows *r, struct table *index, const struct process_view *p,
		   enum top_by by)
{
	switch (by) {
	case TOP_BY_SITE:
		return add_sites(r, index, p);
	case TOP_BY_ENDPOINT:
		return add_endpoints(r, index, p);
	case TOP_BY_CONTAINER:
		return add_container(r, index, p) ? 0 : -ENOMEM;
	default:
		return add_process(r, index, p) ? 0 : -ENOMEM;
	}
}

int rows_fill(struct top_rows *r, const struct report_view *v,
	      const struct process_view *const *order, enum top_by by, enum top_by within,
	      uint64_t inside)
{
	struct table index = {};
	int err = 0;

	r->count = 0;
	for (size_t i = 0; i < v->process_count && !err; i++)
		if (!inside || is_inside(order[i], within, inside))
			err = add_row(r, &index, order[i], by);
	table_free(&index);
	return err;
}

int rows_look(struct trends *t, const struct report_view *v,
	      const struct process_view *const *order)
{
	struct top_rows rows = {};
	int err = 0;

	trends_begin(t, v->seconds);
	for (enum top_by by = 0; by < TOP_BYS && !err; by++) {
		err = rows_fill(&rows, v, order, by, 0, 0);
		for (size_t i = 0; i < rows.count && !err; i++)
			trends_add(t, rows.rows[i].key, rows.rows[i].open, rows.rows[i].opened);
	}
	trends_end(t);
	rows_free(&rows);
	return err;
}

void rows_rate(struct top_rows *r, const struct trends *t)
{
	for (size_t i = 0; i < r->count; i++)
		r->rows[i].per_second = trends_rate(t, r->rows[i].key);
}
