/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * process.c - see process.h.
 */
#include "user/model/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/util.h"
#include "user/model/apply.h"
#include "user/model/keep.h"

#define TICK_NS 10000000ULL /* unit of start times in /proc, on every kernel */

void ended_add(struct ended *list, struct process_model *p)
{
	p->next_ended = NULL;
	*list->last = p;
	list->last = &p->next_ended;
	list->count++;
}

static void endpoint_free(struct endpoint *e)
{
	free(e->path);
	free(e->name);
	free(e->user);
	free(e->cursors);
	free(e->readers);
	free(e);
}

void process_free(struct process_model *p)
{
	struct endpoint *e, *next;

	for (e = p->endpoints; e; e = next) {
		next = e->next;
		endpoint_free(e);
	}
	free(p->cmdline);
	free(p->runtime);
	free(p->container_id);
	free(p->container_name);
	free(p->exe);
	free(p->unit);
	free(p->pod);
	free(p->pod_namespace);
	free(p->image);
	for (size_t i = 0; i < p->past_count; i++)
		free(p->past[i].file);
	free(p->past);
	free(p->threads);
	free(p);
}

/* A start time in /proc is cut to a tick.  No pid comes back within a tick, so two starts that
 * near are of one process. */
static bool is_same_start(uint64_t a_ns, uint64_t b_ns)
{
	return (a_ns > b_ns ? a_ns - b_ns : b_ns - a_ns) < TICK_NS;
}

struct process_model *model_process(const struct model *m, uint32_t pid, uint64_t start_ns)
{
	struct process_model *p = table_get(&m->processes, (struct table_key){pid, start_ns});

	if (p)
		return p;
	p = table_get(&m->pids, (struct table_key){pid, 0});
	return p && is_same_start(p->start_ns, start_ns) ? p : NULL;
}

struct process_model *model_process_of(struct model *m, uint32_t pid, uint64_t start_ns)
{
	struct process_model *p = model_process(m, pid, start_ns);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->pid = pid;
	p->start_ns = start_ns;
	p->first_seen_ns = m->now_ns;
	p->nofile_limit = p->rss_start = p->rss_end = p->rss_peak = UNKNOWN64;
	p->open_files = UNKNOWN32;
	p->uid = UNKNOWN32;
	memory_begin(&p->memory);
	p->number = m->numbered + 1;
	p->last_site = &p->sites;
	if (table_put(&m->pids, (struct table_key){pid, 0}, p) ||
	    table_put(&m->processes, (struct table_key){pid, start_ns}, p)) {
		table_remove(&m->pids, (struct table_key){pid, 0});
		free(p);
		return NULL;
	}
	m->numbered++;
	return p;
}

/* Replaces the kept copy of a text that may have changed. */
static void keep_latest(char **kept, const char *s)
{
	if (same_string(*kept, or_null(s)))
		return;
	free(*kept);
	*kept = string_keep(s);
}

int apply_process(struct model *m, const struct ev_head *record)
{
	const struct ev_process *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	p->exists = true;
	p->parent_pid = ev->parent_pid;
	p->role = ev->role;
	p->libraries = ev->libraries;
	p->nofile_limit = ev->nofile_limit;
	memcpy(p->comm, ev->comm, EV_COMM_LEN);
	keep_latest(&p->cmdline, ev->cmdline);
	keep_latest(&p->runtime, ev->runtime);
	keep_latest(&p->container_id, ev->container_id);
	keep_latest(&p->container_name, ev->container_name);
	return 0;
}

int apply_program(struct model *m, const struct ev_head *record)
{
	const struct ev_program *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	p->uid = ev->uid;
	keep_latest(&p->exe, ev->exe);
	keep_latest(&p->unit, ev->unit);
	return 0;
}

int apply_container(struct model *m, const struct ev_head *record)
{
	const struct ev_container *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	keep_latest(&p->pod, ev->pod);
	keep_latest(&p->pod_namespace, ev->pod_namespace);
	keep_latest(&p->image, ev->image);
	return 0;
}

int apply_collections(struct model *m, const struct ev_head *record)
{
	const struct ev_collections *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	collections_apply(&p->collections, ev);
	return 0;
}

int apply_usage(struct model *m, const struct ev_head *record)
{
	const struct ev_usage *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	if (p->rss_start == UNKNOWN64)
		p->rss_start = ev->rss_bytes;
	if (ev->rss_bytes != UNKNOWN64)
		p->rss_end = ev->rss_bytes;
	if (ev->rss_peak_bytes != UNKNOWN64)
		p->rss_peak = ev->rss_peak_bytes;
	if (ev->open_files != UNKNOWN32)
		p->open_files = ev->open_files;
	return 0;
}

int apply_memory(struct model *m, const struct ev_head *record)
{
	const struct ev_memory *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	memory_apply(&p->memory, ev,
		     p->requests + p->short_lived[0].requests + p->short_lived[1].requests,
		     p->failures + p->short_lived[0].rolled_back + p->short_lived[0].abandoned);
	return 0;
}

int apply_memory_site(struct model *m, const struct ev_head *record)
{
	const struct ev_memory_site *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);

	return p ? memory_site_apply(&m->memory_sites, p, p->number, ev) : -ENOMEM;
}

uint64_t process_lost(const struct process_model *p, enum ev_loss_kind kind)
{
	uint64_t n = 0;

	if (kind == EV_LOSS_RING_FULL)
		return p->unfollowed.unsent;
	for (int i = 0; kind == EV_LOSS_MAP_FULL && i < EV_TABLES; i++)
		n += i == EV_TABLE_TEXTS ? 0 : p->unfollowed.refused[i];
	return n;
}

int apply_unfollowed(struct model *m, const struct ev_head *record)
{
	const struct ev_unfollowed *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	for (int i = 0; i < EV_LOSS_KINDS; i++)
		m->owned[i] -= process_lost(p, i);
	p->unfollowed = *ev;
	for (int i = 0; i < EV_LOSS_KINDS; i++)
		m->owned[i] += process_lost(p, i);
	return 0;
}

int apply_exit(struct model *m, const struct ev_head *record)
{
	const struct ev_exit *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);
	struct table_slot *slot;
	size_t at = 0;

	if (!p)
		return -ENOMEM;
	if (!p->exited_ns)
		ended_add(&m->unasked, p);
	p->exited_ns = ev->head.ns;
	if (ev->rss_peak_bytes != UNKNOWN64 &&
	    (p->rss_peak == UNKNOWN64 || ev->rss_peak_bytes > p->rss_peak))
		p->rss_peak = ev->rss_peak_bytes;
	while ((slot = table_next(&m->connections, &at))) {
		struct connection *c = slot->value;

		if (c->process == p)
			c->orphan = true;
	}
	return 0;
}
