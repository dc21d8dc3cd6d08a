/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * server_limit.c - see server_limit.h.
 */
#include "user/report/server_limit.h"

#include <math.h>
#include <string.h>

#include "user/report/names.h"

#define SERVERS_MOST 16 /* of one report; the others are left out */

/* Limits of servers that nobody has configured.  Sources: max_connections in the manuals of
 * PostgreSQL 9.1 to 18 and of MySQL 5.5 to 9, max_prepared_stmt_count in those of MySQL 5.5 to 9
 * and of MariaDB 10.6. */
static const struct server_limit {
	enum ev_database database;
	enum resource resource;
	uint64_t most;
	const char *of, *asks;
} limits[] = {
	{EV_DB_POSTGRESQL, RESOURCE_CONNECTION, 100, "", "SHOW max_connections"},
	{EV_DB_MYSQL, RESOURCE_CONNECTION, 151, "", "SELECT @@max_connections"},
	{EV_DB_MYSQL, RESOURCE_STATEMENT, 16382, " statements", "SELECT @@max_prepared_stmt_count"},
};

/* NULL: such a server has none. */
static const struct server_limit *limit_of(const struct finding_view *f)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (limits[i].database == f->database && limits[i].resource == f->resource)
			return &limits[i];
	return NULL;
}

static bool fills_server(const struct process_view *p, const struct finding_view *f)
{
	return !p->exited && f->verdict == VERDICT_LEAKING && f->server && limit_of(f) &&
	       f->growth_per_minute > 0;
}

/* Processes in name spaces of their own may call different servers by one address. */
static bool is_same_server(const struct finding_view *a, const struct finding_view *b)
{
	return limit_of(a) == limit_of(b) && !strcmp(a->server, b->server);
}

static void fill_add(struct server_fill *s, const struct finding_view *f)
{
	s->open += f->open;
	s->per_minute += f->growth_per_minute;
}

static struct server_fill fill_end(struct server_fill s)
{
	if (!s.first)
		return s;
	s.most = limit_of(s.first)->most;
	s.seconds = s.open < s.most ? (double)(s.most - s.open) / s.per_minute * 60 : NAN;
	return s;
}

/* All findings that go to the server of that one. */
static struct server_fill fill_like(const struct process_view *const *guilty, size_t count,
				    const struct finding_view *first)
{
	struct server_fill s = {.first = first, .seconds = NAN};

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < guilty[i]->finding_count; j++)
			if (fills_server(guilty[i], &guilty[i]->findings[j]) &&
			    is_same_server(&guilty[i]->findings[j], first))
				fill_add(&s, &guilty[i]->findings[j]);
	return fill_end(s);
}

/* The first finding of each server, of SERVERS_MOST at most.  Returns how many there are. */
static size_t distinct_servers(const struct process_view *const *guilty, size_t count,
			       const struct finding_view **first)
{
	size_t n = 0, at;

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < guilty[i]->finding_count && n < SERVERS_MOST; j++) {
			const struct finding_view *f = &guilty[i]->findings[j];

			if (!fills_server(guilty[i], f))
				continue;
			for (at = 0; at < n && !is_same_server(first[at], f); at++)
				;
			if (at == n)
				first[n++] = f;
		}
	return n;
}

struct server_fill server_fill_of(const struct process_view *const *guilty, size_t count)
{
	const struct finding_view *first[SERVERS_MOST];
	struct server_fill nearest = {.seconds = NAN};
	size_t n = distinct_servers(guilty, count, first);

	for (size_t i = 0; i < n; i++) {
		struct server_fill s = fill_like(guilty, count, first[i]);

		if (!nearest.first || isnan(nearest.seconds) || s.seconds < nearest.seconds)
			nearest = s;
	}
	return nearest;
}

struct server_fill server_fill_by(const struct process_view *p, const struct finding_view *f)
{
	struct server_fill s = {.seconds = NAN};

	if (fills_server(p, f)) {
		s.first = f;
		fill_add(&s, f);
	}
	return fill_end(s);
}

double server_seconds(const struct process_view *p)
{
	return server_fill_of(&p, 1).seconds;
}

void words_server_full(struct words *w, const struct server_fill *s)
{
	words_add(w, "%s's default limit of ", engine_name(s->first->database));
	words_count(w, s->most);
	words_add(w, "%s is full in ", limit_of(s->first)->of);
	words_duration(w, s->seconds);
}

const char *server_asks(const struct server_fill *s)
{
	return limit_of(s->first)->asks;
}
