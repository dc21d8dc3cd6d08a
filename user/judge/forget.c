/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * forget.c - see forget.h.
 *
 * The last ENDED_KEPT processes that ended are kept whatever they did, so that a report of some
 * minutes shows all of them.  Of the older ones, those with findings are kept, within ACCUSED_KEPT;
 * the others are only counted.  The judge says which have findings.  Processes are dropped in
 * batches, because each time all tables are walked.
 */
#include "user/judge/forget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/judge/judge.h"
#include "user/model/apply.h"
#include "user/model/process.h"

#define ENDED_KEPT   4096
#define ACCUSED_KEPT 4096
#define BATCH	     1024
#define SETTLED_NS   60000000000ULL /* no record names a process that ended so long ago */

static struct process_model *ended_take(struct ended *list)
{
	struct process_model *p = list->first;

	list->first = p->next_ended;
	if (!list->first)
		list->last = &list->first;
	list->count--;
	return p;
}

/* Marks each process that still has a connection, or whose endpoint a connection or handle of
 * another process refers to. */
static void mark_used(struct model *m)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&m->processes, &at)))
		((struct process_model *)slot->value)->used = false;
	for (at = 0; (slot = table_next(&m->connections, &at));) {
		const struct connection *c = slot->value;

		c->process->used = c->endpoint->process->used = true;
	}
	for (at = 0; (slot = table_next(&m->handles, &at));) {
		const struct handle *h = slot->value;

		if (h->endpoint && h->endpoint->process != h->process)
			h->endpoint->process->used = true;
	}
}

static void drop_handles(struct model *m)
{
	struct table_walk walk = table_walk(&m->handles);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		struct handle *h = slot->value;
		struct table_key socket = {h->connection, 0};

		if (!h->process->going)
			continue;
		if (h->connection && table_get(&m->sockets, socket) == h)
			table_remove(&m->sockets, socket);
		free(table_walk_remove(&walk));
	}
}

static void drop_memory(struct model *m)
{
	struct table_walk walk = table_walk(&m->memory_sites.all);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk)))
		if (((struct memory_site *)slot->value)->process->going)
			free(table_walk_remove(&walk));
}

static void drop_gaps(struct model *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->gap_count; i++) {
		const struct gap *g = &m->gaps[i];
		const struct process_model *p = g->pid ? model_process(m, g->pid, g->start_ns)
						       : NULL;

		if (!p || !p->going)
			m->gaps[kept++] = *g;
	}
	m->gap_count = kept;
}

static void drop_sites(struct model *m, struct process_model *p)
{
	struct site_model *s, *next;

	for (s = p->sites; s; s = next) {
		next = s->next;
		table_remove(&m->sites, model_site_key(p, s->state.site, s->state.resource));
		free(s);
	}
}

static void drop_leakiest_statements(struct model *m, struct process_model *p)
{
	for (struct endpoint *e = p->endpoints; e; e = e->next)
		model_drop_statements(m, &e->leakiest_statements);
}

static uint64_t connections_of(const struct process_model *p)
{
	uint64_t n = p->short_lived[0].opened + p->short_lived[1].opened;

	for (const struct endpoint *e = p->endpoints; e; e = e->next)
		n += e->opened + e->pre_existing;
	return n;
}

static void drop_process(struct model *m, struct process_model *p)
{
	struct table_key pid = {p->pid, 0};

	m->forgotten.processes++;
	m->forgotten.connections += connections_of(p);
	drop_sites(m, p);
	drop_leakiest_statements(m, p);
	if (table_get(&m->pids, pid) == p)
		table_remove(&m->pids, pid);
	table_remove(&m->processes, (struct table_key){p->pid, p->start_ns});
	process_free(p);
}

static void drop_all(struct model *m, struct process_model **which, size_t n)
{
	for (size_t i = 0; i < n; i++)
		which[i]->going = true;
	drop_handles(m);
	drop_memory(m);
	drop_gaps(m);
	for (size_t i = 0; i < n; i++)
		drop_process(m, which[i]);
}

/* Sorts a batch of the oldest ended processes into those to keep and those to drop. */
static int forget_batch(struct model *m)
{
	struct process_model *batch[BATCH];
	bool found[BATCH];
	size_t n, go = 0;
	int err;

	mark_used(m);
	for (n = 0; n < BATCH; n++)
		batch[n] = ended_take(&m->unasked);
	err = judge_accused(m, (const struct process_model *const *)batch, BATCH, found);
	for (size_t i = 0; i < n; i++) {
		if (batch[i]->used)
			ended_add(&m->unasked, batch[i]); /* until its connections are gone */
		else if (err || found[i])
			ended_add(&m->accused, batch[i]);
		else
			batch[go++] = batch[i];
	}
	drop_all(m, batch, go);
	return err;
}

/* Too many ended processes with findings are kept: the oldest are dropped, and only their number
 * is reported. */
static void forget_accused(struct model *m)
{
	struct process_model *batch[BATCH];
	size_t go = 0;

	mark_used(m);
	for (size_t n = 0; n < BATCH; n++) {
		struct process_model *p = ended_take(&m->accused);

		if (p->used)
			ended_add(&m->accused, p);
		else
			batch[go++] = p;
	}
	m->forgotten.accused += go;
	drop_all(m, batch, go);
}

/* Is there a whole batch beyond ENDED_KEPT, and did all of it end SETTLED_NS ago?  The list has the
 * order in which ends were reported, except that a process in use goes to its end again. */
static bool is_due(const struct model *m)
{
	const struct process_model *p = m->unasked.first;
	size_t settled = 0;

	if (m->unasked.count < ENDED_KEPT + BATCH || m->now_ns < m->forget_ns)
		return false;
	for (; settled < BATCH && p->exited_ns + SETTLED_NS <= m->now_ns; p = p->next_ended)
		settled++;
	return settled == BATCH;
}

static int forget_ended(struct model *m)
{
	int err = 0;

	while (!err && is_due(m)) {
		size_t before = m->processes.count;

		err = forget_batch(m);
		if (m->processes.count == before) /* all are still in use */
			m->forget_ns = m->now_ns + SETTLED_NS;
	}
	while (!err && m->accused.count >= ACCUSED_KEPT + BATCH && m->now_ns >= m->forget_ns) {
		size_t before = m->processes.count;

		forget_accused(m);
		if (m->processes.count == before)
			m->forget_ns = m->now_ns + SETTLED_NS;
	}
	return err;
}

int judge_apply(struct model *m, const struct ev_head *record)
{
	int err = model_apply(m, record);

	return err || record->kind != EV_TICK ? err : forget_ended(m);
}
