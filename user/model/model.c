/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * model.c - applies records.  Decides nothing: no thresholds, no verdicts.
 */
#include "user/model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/model/apply.h"
#include "user/model/keep.h"
#include "user/model/process.h"

#define GAPS_MOST      4096 /* more than anybody reads */
#define LIBRARIES_MOST 1024 /* files */

struct model *model_open(void)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->last_library = &m->first_library;
	m->unasked.last = &m->unasked.first;
	m->accused.last = &m->accused.first;
	return m;
}

void model_close(struct model *m)
{
	struct table_slot *slot;
	size_t at = 0;

	if (!m)
		return;
	while ((slot = table_next(&m->processes, &at)))
		process_free(slot->value);
	table_free(&m->processes);
	table_free(&m->pids);
	at = 0;
	while ((slot = table_next(&m->connections, &at)))
		connection_free_parts(slot->value);
	table_free_values(&m->connections);
	table_free_values(&m->statements);
	table_free_values(&m->sites);
	table_free_values(&m->handles);
	table_free_values(&m->libraries);
	memory_sites_free(&m->memory_sites);
	table_free(&m->sockets);
	texts_free(m);
	code_free(&m->code);
	free(m->gaps);
	free(m);
}

static int apply_frame(struct model *m, const struct ev_head *record)
{
	keep_places(m);
	return code_frame_add(&m->code, (const void *)record);
}

static int apply_stack(struct model *m, const struct ev_head *record)
{
	keep_places(m);
	return code_stack_add(&m->code, (const void *)record);
}

/* Forgets the library that was reported longest ago: those that are mapped are reported all the
 * time. */
static void forget_library(struct model *m)
{
	struct library_model **at, **oldest = &m->first_library, *l;

	for (at = &m->first_library; *at; at = &(*at)->next)
		if ((*at)->state.head.ns < (*oldest)->state.head.ns)
			oldest = at;
	l = *oldest;
	*oldest = l->next;
	if (!l->next)
		m->last_library = oldest;
	table_remove(&m->libraries, (struct table_key){l->state.device, l->state.inode});
	free(l);
}

static struct library_model *library_of(struct model *m, const struct ev_library *ev)
{
	struct table_key key = {ev->device, ev->inode};
	struct library_model *l = table_get(&m->libraries, key);

	if (l)
		return l;
	if (m->libraries.count >= LIBRARIES_MOST)
		forget_library(m);
	l = calloc(1, sizeof(*l));
	if (!l || table_put(&m->libraries, key, l)) {
		free(l);
		return NULL;
	}
	*m->last_library = l;
	m->last_library = &l->next;
	return l;
}

static int apply_library(struct model *m, const struct ev_head *record)
{
	const struct ev_library *ev = (const void *)record;
	struct library_model *l = library_of(m, ev);

	if (!l)
		return -ENOMEM;
	if (!ev->detached)
		l->detached_ns = 0;
	else if (!l->detached_ns)
		l->detached_ns = ev->head.ns;
	memcpy(&l->state, ev, sizeof(l->state));
	return 0;
}

static int apply_tally(struct model *m, const struct ev_head *record)
{
	const struct ev_tally *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	p->short_lived[ev->database == EV_DB_SQLITE] = *ev;
	p->exists = true;
	return 0;
}

static int apply_withdrawn(struct model *m, const struct ev_head *record)
{
	if (!m->withdrawn.pid)
		m->withdrawn = *(const struct ev_withdrawn *)(const void *)record;
	return 0;
}

static int apply_gap(struct model *m, const struct ev_head *record)
{
	const struct ev_gap *ev = (const void *)record;
	struct gap *g;

	for (size_t i = 0; i < m->gap_count; i++)
		if (m->gaps[i].pid == ev->pid && !strcmp(m->gaps[i].text, ev->text))
			return 0;
	if (m->gap_count == GAPS_MOST) {
		m->gaps_refused++;
		return 0;
	}
	if (m->gap_count == m->gap_room) {
		size_t room = m->gap_room ? 2 * m->gap_room : 8;

		g = realloc(m->gaps, room * sizeof(*g));
		if (!g)
			return -ENOMEM;
		m->gaps = g;
		m->gap_room = room;
	}
	g = &m->gaps[m->gap_count++];
	g->pid = ev->pid;
	g->start_ns = ev->start_ns;
	memcpy(g->text, ev->text, EV_TEXT_LEN);
	return 0;
}

static int apply_begin(struct model *m, const struct ev_head *record)
{
	memcpy(&m->begin, record, sizeof(m->begin));
	return 0;
}

static int apply_host(struct model *m, const struct ev_head *record)
{
	memcpy(&m->host, record, sizeof(m->host));
	return 0;
}

static int apply_loss(struct model *m, const struct ev_head *record)
{
	memcpy(&m->loss, record, sizeof(m->loss));
	return 0;
}

static int apply_cost(struct model *m, const struct ev_head *record)
{
	memcpy(&m->cost, record, sizeof(m->cost));
	return 0;
}

static int apply_end(struct model *m, const struct ev_head *record)
{
	(void)record;
	m->ended = true;
	return 0;
}

int model_apply(struct model *m, const struct ev_head *record)
{
	static int (*const apply[EV_KIND_MAX])(struct model *, const struct ev_head *) = {
		[EV_BEGIN] = apply_begin,
		[EV_END] = apply_end,
		[EV_PROCESS] = apply_process,
		[EV_USAGE] = apply_usage,
		[EV_EXIT] = apply_exit,
		[EV_CONNECTION] = apply_connection,
		[EV_IDENTITY] = apply_identity,
		[EV_SQL] = apply_sql,
		[EV_STATEMENT] = apply_statement,
		[EV_STATEMENT_CLOSED] = apply_statement_closed,
		[EV_RESULT] = apply_result,
		[EV_TALLY] = apply_tally,
		[EV_LOSS] = apply_loss,
		[EV_COST] = apply_cost,
		[EV_GAP] = apply_gap,
		[EV_HOLDER] = apply_holder,
		[EV_GONE] = apply_gone,
		[EV_LIBRARY] = apply_library,
		[EV_SITE] = apply_site,
		[EV_HANDLE] = apply_handle,
		[EV_HANDLE_CLOSED] = apply_handle_closed,
		[EV_FILE] = apply_file,
		[EV_FRAME] = apply_frame,
		[EV_STACK] = apply_stack,
		[EV_EVIDENCE] = apply_evidence,
		[EV_MEMORY] = apply_memory,
		[EV_MEMORY_SITE] = apply_memory_site,
		[EV_WITHDRAWN] = apply_withdrawn,
		[EV_UNFOLLOWED] = apply_unfollowed,
		[EV_HOST] = apply_host,
		[EV_PROGRAM] = apply_program,
		[EV_THREAD] = apply_thread,
		[EV_REQUESTS] = apply_requests,
		[EV_SESSION] = apply_session,
		[EV_COLLECTIONS] = apply_collections,
		[EV_SERVING] = apply_serving,
		[EV_CONTAINER] = apply_container,
	};

	if (record->ns > m->now_ns)
		m->now_ns = record->ns;
	return record->kind < EV_KIND_MAX && apply[record->kind] ? apply[record->kind](m, record)
								 : 0;
}
