/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics_fit.c - see metrics_fit.h.
 *
 * All is decided by the text of the labels, for two names may look the same once they are escaped
 * and cut, and a series that comes twice makes Prometheus refuse the whole exposition.
 */
#include "user/report/metrics_fit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/metrics_label.h"
#include "user/report/rank.h"

/* For dbleak itself, and for "other": databases times the rows of a pool, causes and verdicts times
 * those of a finding. */
#define SERIES_KEPT 500
/* Pools or findings of one client, or endpoints, that have series of their own. */
#define PARTS_MOST   40
#define OTHERS_MERGE 4096 /* so many are merged before more come */

/* Processes with equal labels. */
struct fit_client {
	char *labels;
	size_t first, count; /* among the members */
	size_t urgency;	     /* of the most urgent one: smaller comes first */
	uint64_t open;
};

struct member {
	const struct process_view *process;
	char *labels;
	size_t urgency;
};

struct fitting {
	const struct report_view *view;
	struct metrics_totals *totals;
	struct metrics_fit *out;
	struct member *members;
	struct fit_client *clients;
	size_t client_count, left;
	struct labels text, semantic; /* scratch */
};

/* --- clients ------------------------------------------------------------------------------ */

static int by_member_labels(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = strcmp(x->labels, y->labels);

	return order ? order : (x->process > y->process) - (x->process < y->process);
}

static int most_urgent_client(const void *a, const void *b)
{
	const struct fit_client *x = a, *y = b;

	if (x->urgency != y->urgency)
		return x->urgency < y->urgency ? -1 : 1;
	if (x->open != y->open)
		return x->open > y->open ? -1 : 1;
	return strcmp(x->labels, y->labels);
}

static uint64_t open_in(const struct process_view *p)
{
	uint64_t open = 0;

	for (size_t i = 0; i < p->endpoint_count; i++)
		if (p->endpoints[i].connections.open != UNKNOWN64)
			open += p->endpoints[i].connections.open;
	return open;
}

/* Processes without a finding that run come before those that have ended. */
static int set_urgencies(struct fitting *f)
{
	size_t guilty;
	const struct process_view **ranked = rank_guilty(f->view, &guilty);

	if (!ranked)
		return -ENOMEM;
	for (size_t i = 0; i < f->view->process_count; i++)
		f->members[i].urgency = guilty + f->view->processes[i].exited;
	for (size_t i = 0; i < guilty; i++)
		f->members[ranked[i] - f->view->processes].urgency = i;
	free(ranked);
	return 0;
}

static int name_members(struct fitting *f)
{
	for (size_t i = 0; i < f->view->process_count; i++) {
		struct member *m = &f->members[i];

		m->process = &f->view->processes[i];
		f->text.used = 0;
		labels_client(&f->text, m->process);
		m->labels = strdup(f->text.text);
		if (!m->labels)
			return -ENOMEM;
	}
	return set_urgencies(f);
}

static void group_members(struct fitting *f)
{
	struct fit_client *c = NULL;

	qsort(f->members, f->view->process_count, sizeof(*f->members), by_member_labels);
	for (size_t i = 0; i < f->view->process_count; i++) {
		struct member *m = &f->members[i];

		if (!c || strcmp(c->labels, m->labels) != 0) {
			c = &f->clients[f->client_count++];
			*c = (struct fit_client){
				.labels = m->labels, .first = i, .urgency = m->urgency};
		}
		c->count++;
		c->open += open_in(m->process);
		if (m->urgency < c->urgency)
			c->urgency = m->urgency;
	}
	qsort(f->clients, f->client_count, sizeof(*f->clients), most_urgent_client);
}

/* --- labels ------------------------------------------------------------------------------- */

/* The name of an item, behind its client's labels. */
static int name_item(struct fitting *f, enum metric_scope scope, struct metric_item *i,
		     const char *client, bool all_others)
{
	struct labels *own = &f->text, *semantic = &f->semantic;

	own->used = semantic->used = strlen(client);
	memcpy(own->text, client, own->used + 1);
	memcpy(semantic->text, client, own->used + 1);
	if (scope == METRIC_POOL) {
		labels_pool(own, i->source.endpoint, all_others, false);
		labels_pool(semantic, i->source.endpoint, all_others, true);
	} else if (scope == METRIC_FINDING) {
		labels_finding(own, i->source.finding, all_others);
	} else if (scope == METRIC_SERVER) {
		labels_pool(own, i->source.endpoint, all_others, true);
	}
	return metric_item_name(i, own->text, scope == METRIC_POOL ? semantic->text : NULL);
}

static int fit_add(struct fitting *f, struct metric_list *l, const struct metric_source *s,
		   const char *client)
{
	struct metric_item *item = metric_list_add(l, "", NULL, s);
	int err = item ? name_item(f, l->scope, item, client, false) : -ENOMEM;

	if (!err && s->endpoint && f->totals)
		err = metrics_totals_rise(f->totals, METRIC_POOL, s, item->value);
	return err;
}

/* All items from that one on become part of "other". */
static int fold(struct fitting *f, struct metric_list *l, size_t from, const char *client)
{
	int err = 0;

	for (size_t i = from; i < l->count && !err; i++)
		err = name_item(f, l->scope, &l->items[i], client, true);
	return err;
}

/* --- the parts of a client ---------------------------------------------------------------- */

static int largest_pool(const void *a, const void *b)
{
	const struct metric_item *x = a, *y = b;
	uint64_t m = x->source.endpoint->connections.open, n = y->source.endpoint->connections.open;

	return m == n ? strcmp(x->labels, y->labels) : m > n ? -1 : 1;
}

static int worst_finding(const void *a, const void *b)
{
	const struct metric_item *x = a, *y = b;
	enum verdict m = x->source.finding->verdict, n = y->source.finding->verdict;

	return m == n ? strcmp(x->labels, y->labels) : m > n ? -1 : 1;
}

static int bound_parts(struct fitting *f, struct metric_list *l, const char *client)
{
	struct metric_list beyond = *l;
	int err;

	metric_list_merge(l);
	if (l->count <= PARTS_MOST)
		return 0;
	qsort(l->items, l->count, sizeof(*l->items),
	      l->scope == METRIC_FINDING ? worst_finding : largest_pool);
	beyond.items = l->items + PARTS_MOST;
	beyond.count = l->count - PARTS_MOST;
	f->out->dropped += metric_list_series(&beyond);
	err = fold(f, l, PARTS_MOST, client);
	metric_list_merge(l);
	return err;
}

static int add_process(struct fitting *f, struct metric_list *lists, const char *client,
		       const struct process_view *p)
{
	struct metric_source s = {.view = f->view, .process = p};
	int err = fit_add(f, &lists[METRIC_CLIENT], &s, client);

	for (size_t i = 0; i < p->endpoint_count && !err; i++) {
		s.endpoint = &p->endpoints[i];
		err = fit_add(f, &lists[METRIC_POOL], &s, client);
	}
	s.endpoint = NULL;
	for (size_t i = 0; i < p->finding_count && !err && !p->exited; i++) {
		s.finding = &p->findings[i];
		err = fit_add(f, &lists[METRIC_FINDING], &s, client);
	}
	return err;
}

static int fill_client(struct fitting *f, struct metric_list *lists, const struct fit_client *c)
{
	int err = 0;

	for (size_t i = 0; i < c->count && !err; i++)
		err = add_process(f, lists, c->labels, f->members[c->first + i].process);
	metric_list_merge(&lists[METRIC_CLIENT]);
	if (!err)
		err = bound_parts(f, &lists[METRIC_POOL], c->labels);
	return err ? err : bound_parts(f, &lists[METRIC_FINDING], c->labels);
}

/* --- what fits ---------------------------------------------------------------------------- */

static int fold_client(struct fitting *f, struct metric_list *lists, struct metric_list *others)
{
	struct labels *name = &f->text;
	char other[64];
	int err = 0;

	name->used = 0;
	labels_other_client(name);
	memcpy(other, name->text, name->used + 1);
	for (int s = METRIC_CLIENT; s < METRIC_SCOPES && !err; s++) {
		err = fold(f, &lists[s], 0, other);
		if (!err)
			err = metric_list_move(&others[s], &lists[s]);
		if (others[s].count > OTHERS_MERGE)
			metric_list_merge(&others[s]);
	}
	return err;
}

static void begin_lists(struct metric_list *lists)
{
	for (int s = 0; s < METRIC_SCOPES; s++)
		lists[s] = (struct metric_list){.scope = (enum metric_scope)s};
}

static void free_lists(struct metric_list *lists)
{
	for (int s = 0; s < METRIC_SCOPES; s++)
		metric_list_free(&lists[s]);
}

static int place_client(struct fitting *f, const struct fit_client *c, struct metric_list *others)
{
	struct metric_list lists[METRIC_SCOPES];
	size_t series = 0;
	int err;

	begin_lists(lists);
	err = fill_client(f, lists, c);
	for (int s = METRIC_CLIENT; s < METRIC_SCOPES; s++)
		series += metric_list_series(&lists[s]);
	if (!err && series > f->left) {
		f->out->dropped += series;
		err = fold_client(f, lists, others);
	} else if (!err) {
		f->left -= series;
		for (int s = METRIC_CLIENT; s < METRIC_SCOPES && !err; s++)
			err = metric_list_move(&f->out->lists[s], &lists[s]);
	}
	free_lists(lists);
	return err;
}

static int add_endpoint(struct fitting *f, struct metric_list *l, const struct metric_source *s)
{
	struct metric_item *item;

	f->text.used = 0;
	labels_pool(&f->text, s->endpoint, false, true);
	item = metric_list_add(l, f->text.text, NULL, s);
	if (!item)
		return -ENOMEM;
	return f->totals ? metrics_totals_rise(f->totals, METRIC_SERVER, s, item->value) : 0;
}

static int add_endpoints(struct fitting *f, struct metric_list *l, const struct process_view *p)
{
	struct metric_source s = {.view = f->view, .process = p};
	int err = 0;

	for (size_t i = 0; i < p->endpoint_count && !err; i++) {
		s.endpoint = &p->endpoints[i];
		if (durations_within(&s.endpoint->created, DURATION_BOUNDS))
			err = add_endpoint(f, l, &s);
	}
	if (l->count > OTHERS_MERGE)
		metric_list_merge(l);
	return err;
}

/* A histogram for each pool of each client would leave no room for what leaks. */
static int place_servers(struct fitting *f)
{
	struct metric_list *l = &f->out->lists[METRIC_SERVER];
	int err = 0;

	for (size_t i = 0; i < f->view->process_count && !err; i++)
		err = add_endpoints(f, l, &f->view->processes[i]);
	return err ? err : bound_parts(f, l, "");
}

static int place_clients(struct fitting *f)
{
	struct metric_list others[METRIC_SCOPES];
	int err = 0;

	begin_lists(others);
	f->left = METRICS_SERIES - SERIES_KEPT - metric_list_series(&f->out->lists[METRIC_SERVER]);
	for (size_t i = 0; i < f->client_count && !err; i++)
		err = place_client(f, &f->clients[i], others);
	for (int s = METRIC_CLIENT; s < METRIC_SCOPES && !err; s++) {
		err = metric_list_move(&f->out->lists[s], &others[s]);
		metric_list_merge(&f->out->lists[s]);
	}
	free_lists(others);
	return err;
}

static int sum_totals(struct fitting *f, enum metric_scope scope)
{
	struct metric_list *l = &f->out->lists[scope];
	int err = 0;

	for (size_t i = 0; i < l->count && !err; i++)
		err = metrics_totals_sum(f->totals, scope, l->items[i].labels, l->items[i].value);
	return err;
}

static int fit_all(struct fitting *f)
{
	int err = name_members(f);

	if (err)
		return err;
	group_members(f);
	if (f->totals)
		metrics_totals_begin(f->totals);
	err = place_servers(f);
	if (!err)
		err = place_clients(f);
	if (err || !f->totals)
		return err;
	err = sum_totals(f, METRIC_POOL);
	if (!err)
		err = sum_totals(f, METRIC_SERVER);
	metrics_totals_end(f->totals);
	return err;
}

int metrics_fit(struct metrics_fit *out, const struct report_view *v, struct metrics_totals *totals)
{
	struct fitting f = {.view = v, .totals = totals, .out = out};
	int err = -ENOMEM;

	memset(out, 0, sizeof(*out));
	begin_lists(out->lists);
	f.members = calloc(v->process_count + 1, sizeof(*f.members));
	f.clients = calloc(v->process_count + 1, sizeof(*f.clients));
	if (f.members && f.clients)
		err = fit_all(&f);
	for (size_t i = 0; f.members && i < v->process_count; i++)
		free(f.members[i].labels);
	free(f.members);
	free(f.clients);
	return err;
}

void metrics_fit_free(struct metrics_fit *f)
{
	free_lists(f->lists);
}
