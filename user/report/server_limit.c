/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * server_limit.c - see server_limit.h.
 */
#include "user/report/server_limit.h"

#include <math.h>
#include <string.h>

#include "user/report/names.h"

/* Limits of servers that nobody has configured.  Sources: max_connections in the manuals of
 * PostgreSQL 9.1 to 18 and of MySQL 5.5 to 9. */
static const struct {
	uint64_t connections; /* 0: there is no such limit */
	const char *asks;
} servers[] = {
	[EV_DB_UNKNOWN] = {0, NULL},
	[EV_DB_POSTGRESQL] = {100, "SHOW max_connections"},
	[EV_DB_MYSQL] = {151, "SELECT @@max_connections"},
	[EV_DB_SQLITE] = {0, NULL},
	[EV_DB_REDIS] = {0, NULL},
};

static bool fills_server(const struct process_view *p, const struct finding_view *f)
{
	return !p->exited && f->verdict == VERDICT_LEAKING && f->resource == RESOURCE_CONNECTION &&
	       f->database < sizeof(servers) / sizeof(servers[0]) &&
	       servers[f->database].connections && f->growth_per_minute > 0;
}

static bool is_same_server(const struct finding_view *a, const struct finding_view *b)
{
	return a->database == b->database && a->endpoint && b->endpoint &&
	       !strcmp(a->endpoint, b->endpoint);
}

static void add(struct server_fill *s, const struct finding_view *f)
{
	s->open += f->open;
	s->per_minute += f->growth_per_minute;
}

static struct server_fill end(struct server_fill s)
{
	if (!s.first)
		return s;
	s.most = servers[s.first->database].connections;
	s.seconds = s.open < s.most ? (double)(s.most - s.open) / s.per_minute * 60 : NAN;
	return s;
}

struct server_fill server_fill_of(const struct process_view *const *guilty, size_t count)
{
	struct server_fill s = {.seconds = NAN};

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < guilty[i]->finding_count; j++) {
			const struct finding_view *f = &guilty[i]->findings[j];

			if (!fills_server(guilty[i], f))
				continue;
			if (!s.first)
				s.first = f;
			if (f == s.first || is_same_server(f, s.first))
				add(&s, f);
		}
	return end(s);
}

struct server_fill server_fill_by(const struct process_view *p, const struct finding_view *f)
{
	struct server_fill s = {.seconds = NAN};

	if (fills_server(p, f)) {
		s.first = f;
		add(&s, f);
	}
	return end(s);
}

double server_seconds(const struct process_view *p)
{
	return server_fill_of(&p, 1).seconds;
}

void words_server_full(struct words *w, const struct server_fill *s)
{
	words_add(w, "%s's default limit of ", engine_name(s->first->database));
	words_count(w, s->most);
	words_add(w, " is full in ");
	words_duration(w, s->seconds);
}

const char *server_asks(const struct server_fill *s)
{
	return servers[s->first->database].asks;
}
