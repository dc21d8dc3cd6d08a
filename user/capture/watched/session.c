/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * session.c - see session.h.
 *
 * A join that is not certain is none: a wrong one would tell of another program's transaction.
 */
#include "user/capture/watched/session.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "user/base/redact.h"
#include "user/base/sql.h"
#include "user/capture/watched/connection.h"
#include "user/capture/dsn/asker.h"

#define AGE_MOST 1e9 /* seconds; more is no age */

enum session_gap { GAP_FAILED = 1, GAP_HIDDEN = 2, GAP_MORE = 4 };

static void sessions_gap(struct capture *c, enum session_gap which, const char *text)
{
	struct ev_gap gap = {};

	if (c->asker_gaps & which)
		return;
	c->asker_gaps |= which;
	INIT(gap, EV_GAP);
	snprintf(gap.text, sizeof(gap.text), "the server of --dsn %s", text);
	capture_tell(c, &gap.head);
}

static void tell_gaps(struct capture *c, const struct ask_end *end)
{
	char text[ASK_WORDS + 32];

	snprintf(text, sizeof(text), "was not asked: %s", end->words);
	if (end->failed)
		sessions_gap(c, GAP_FAILED, text);
	if (end->hidden)
		sessions_gap(c, GAP_HIDDEN,
			     "hides what other users' sessions do (PostgreSQL: grant pg_monitor; "
			     "MySQL and MariaDB: grant process)");
	if (end->more)
		sessions_gap(c, GAP_MORE, "has more sessions than were read");
}

/* --- the join ----------------------------------------------------------------------------- */

static bool is_loopback(const uint8_t a[16])
{
	static const uint8_t six[16] = {[15] = 1}, four[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(a, six, sizeof(six)) || (!memcmp(a, four, sizeof(four)) && a[12] == 127);
}

static bool is_own(const struct capture *c, const uint8_t address[16])
{
	for (size_t i = 0; i < c->own_count; i++)
		if (!memcmp(c->own[i], address, sizeof(c->own[i])))
			return true;
	return false;
}

/* Does the connection lead to the server that was asked? */
static bool is_of_server(const struct capture *c, const struct tracked_ends *e,
			 const struct ask_end *server)
{
	bool here = is_loopback(e->server) ? e->netns == c->own_netns : is_own(c, e->server);

	if (e->server_port != server->port)
		return false;
	if (here && server->local)
		return true;
	return !is_loopback(e->server) && !memcmp(e->server, server->address, sizeof(e->server));
}

/* "/run/postgresql/.s.PGSQL.5432" is the socket of the server at port 5432. */
static bool is_path_of(const char path[EV_PATH_LEN], uint16_t port)
{
	char text[EV_PATH_LEN + 1] = {}, name[32];
	const char *slash;

	memcpy(text, path, EV_PATH_LEN);
	snprintf(name, sizeof(name), ".s.PGSQL.%u", port);
	slash = strrchr(text, '/');
	return slash && !strcmp(slash + 1, name);
}

static bool is_end_of(const struct capture *c, const struct tracked *k, const struct ask_row *row,
		      const struct ask_end *server)
{
	const struct tracked_ends *e = &k->ends;

	if (k->last.database != asker_database(c->options.asker))
		return false;
	if (e->family == AF_UNIX)
		return !row->client_port && e->session && e->session == row->session &&
		       server->local && is_path_of(e->path, server->port);
	return (e->family == AF_INET || e->family == AF_INET6) && row->client_port &&
	       row->client_port == e->client_port &&
	       !memcmp(row->client, e->client, sizeof(e->client)) && is_of_server(c, e, server);
}

static uint64_t since(double age_seconds)
{
	uint64_t now = capture_now();

	if (!(age_seconds >= 0 && age_seconds < AGE_MOST) || age_seconds * 1e9 >= (double)now)
		return 0;
	return now - (uint64_t)(age_seconds * 1e9);
}

static void tell_session(struct capture *c, struct tracked *k, const struct ask_row *row)
{
	struct ev_session s = {};
	char text[EV_SQL_LEN + 1];
	size_t length;

	INIT(s, EV_SESSION);
	s.id = k->last.id;
	s.session = row->session;
	s.transaction_ns = since(row->transaction_seconds);
	s.since_ns = since(row->state_seconds);
	s.source = EV_SESSION_STATISTICS;
	s.status = row->status;
	s.flags = row->busy ? EV_SESSION_BUSY : 0;
	memcpy(s.user, row->user, sizeof(s.user));
	memcpy(s.name, row->name, sizeof(s.name));
	memcpy(s.application, row->application, sizeof(s.application));
	redact_name(s.user);
	redact_name(s.name);
	redact_name(s.application);
	length = sql_normalise(text, sizeof(text), row->text, strlen(row->text), k->last.database,
			       c->options.show_literals ? SQL_KEEP_LITERALS : 0);
	s.length = length < sizeof(s.text) ? (uint32_t)length : sizeof(s.text);
	memcpy(s.text, text, s.length);
	if (row->replication)
		k->replication = true;
	capture_tell_cut(c, &s.head, offsetof(struct ev_session, text), s.length);
	if (row->status != EV_STATUS_UNKNOWN && !row->busy)
		connection_says_server(c, k, row->status, s.since_ns);
}

static void sessions_join(struct capture *c, const struct ask_answer *answer)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->connections, &at))) {
		struct tracked *k = slot->value;

		for (size_t i = 0; i < answer->count; i++) {
			if (!is_end_of(c, k, &answer->rows[i], &answer->end))
				continue;
			tell_session(c, k, &answer->rows[i]);
			break;
		}
	}
}

/* --- when --------------------------------------------------------------------------------- */

static void own_add(struct capture *c, const struct sockaddr *from)
{
	uint8_t *to;

	if (!from || c->own_count == OWN_ADDRESSES)
		return;
	to = c->own[c->own_count];
	if (from->sa_family == AF_INET6) {
		memcpy(to, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
		c->own_count++;
	} else if (from->sa_family == AF_INET) {
		to[10] = to[11] = 0xff;
		memcpy(to + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
		c->own_count++;
	}
}

/* A server on this host is reached by each of its addresses, also from containers. */
static void own_addresses(struct capture *c)
{
	struct ifaddrs *all;

	if (getifaddrs(&all))
		return;
	for (const struct ifaddrs *at = all; at; at = at->ifa_next)
		own_add(c, at->ifa_addr);
	freeifaddrs(all);
}

void sessions_begin(struct capture *c)
{
	struct stat netns;

	if (!c->options.asker)
		return;
	own_addresses(c);
	c->own_netns = stat("/proc/self/ns/net", &netns) ? 0 : netns.st_ino;
	sessions_ask(c);
}

void sessions_ask(struct capture *c)
{
	if (!c->options.asker || asker_is_waiting(c->options.asker))
		return;
	c->asked_ns = capture_now();
	asker_ask(c->options.asker);
}

static void sessions_take(struct capture *c, int wait_ms)
{
	struct ask_answer answer;

	if (!c->options.asker || !asker_take(c->options.asker, wait_ms, &answer))
		return;
	tell_gaps(c, &answer.end);
	sessions_join(c, &answer);
}

void sessions_step(struct capture *c)
{
	sessions_take(c, 0);
}

bool sessions_are_coming(const struct capture *c)
{
	return c->options.asker && asker_is_waiting(c->options.asker);
}

void sessions_finish(struct capture *c, int wait_ms)
{
	if (!c->options.asker)
		return;
	sessions_take(c, wait_ms < ASK_MS ? wait_ms : ASK_MS);
}
