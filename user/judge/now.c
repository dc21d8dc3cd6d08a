/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * now.c - see now.h.
 */
#include "user/judge/now.h"
#include "user/judge/words.h"

#include <string.h>

#define ANY  EV_DB_UNKNOWN
#define SOON 86400 /* seconds to a limit that somebody should act before */

/* The needs of a running process; %s is what to restart.  The first row that fits. */
static const struct {
	enum cause cause;
	enum ev_database database;
	const char *sentence;
} running[] = {
	{CAUSE_UNCLOSED_CONNECTION, EV_DB_SQLITE,
	 "restart %s before it runs out of file descriptors: that closes the files"},
	{CAUSE_UNCLOSED_CONNECTION, ANY,
	 "restart %s: that closes its connections; unfinished transactions are rolled back"},
	{CAUSE_OPEN_TRANSACTION, EV_DB_POSTGRESQL,
	 "end the session (pg_stat_activity: idle in transaction) or restart %s: both roll back"},
	{CAUSE_OPEN_TRANSACTION, EV_DB_MYSQL,
	 "end the session (information_schema.innodb_trx, KILL) or restart %s: both roll back"},
	{CAUSE_OPEN_TRANSACTION, ANY, "restart %s if others wait for its locks: that rolls back"},
	{CAUSE_UNBOUNDED_RESULT, ANY,
	 "nothing, if the memory is freed afterwards; many such requests at once add up"},
	{CAUSE_UNCLOSED_STATEMENT, ANY,
	 "restart %s when its memory gets short: that frees them, for a while"},
	{CAUSE_CACHE_GROWTH, ANY,
	 "restart %s when its memory gets short: that frees them, for a while"},
	{CAUSE_WAL_GROWTH, ANY, "restart %s if the disk fills: then a checkpoint empties the log"},
	{CAUSE_UNCLOSED_CURSOR, ANY, "watch its memory: a restart of %s frees them, for a while"},
	{CAUSE_UNFREED_RESULT, ANY, "watch its memory: a restart of %s frees them, for a while"},
	{CAUSE_UNFREED_MEMORY, ANY, "watch its memory: a restart of %s frees them, for a while"},
};

#define SESSIONS_NAMED 3

/* The numbers of sessions as a statement takes them: "17", or "17, 18, 19 and 4 more". */
static const char *numbers_of(struct arena *a, const struct finding_view *f)
{
	const char *text = "";
	uint64_t named = 0;

	for (size_t i = 0; text && i < f->session_count && named < SESSIONS_NAMED; i++) {
		if (f->sessions[i].session == UNKNOWN64)
			continue;
		text = arena_format(a, "%s%s%llu", text, named ? ", " : "",
				    (unsigned long long)f->sessions[i].session);
		named++;
	}
	if (text && named && f->sessions_known > named)
		text = arena_format(a, "%s and %s more", text,
				    count_words(a, f->sessions_known - named));
	return named ? text : NULL;
}

/* The sessions to end; NULL: no server has told their numbers. */
static const char *end_sessions(struct arena *a, const struct finding_view *f)
{
	bool mysql = f->database == EV_DB_MYSQL;
	const char *numbers;

	if (f->cause != CAUSE_OPEN_TRANSACTION || (!mysql && f->database != EV_DB_POSTGRESQL))
		return NULL;
	numbers = numbers_of(a, f);
	if (!numbers)
		return NULL;
	if (f->sessions_known == 1)
		return arena_format(a,
				    mysql ? "KILL %s on the server, or restart %%s: both roll back"
					  : "SELECT pg_terminate_backend(%s) on the server, or "
					    "restart %%s: both roll back",
				    numbers);
	return arena_format(
		a,
		mysql ? "end sessions %s on the server (KILL), or restart %%s: both roll "
			"back"
		      : "end sessions %s on the server (SELECT pg_terminate_backend), or "
			"restart %%s: both roll back",
		numbers);
}

static const char *ended(const struct finding_view *f)
{
	if (f->resource == RESOURCE_CONNECTION)
		return "nothing: the connections were closed when the process ended";
	if (f->resource == RESOURCE_TRANSACTION)
		return "nothing: what was open was rolled back when the process ended";
	return "nothing: the process has ended";
}

/* "pod shop/web-7d9", "docker web1" or "orders.service", which can be restarted; else the process.
 */
static const char *what_to_restart(struct arena *a, const struct process_view *p)
{
	if (p->pod && *p->pod && p->pod_namespace)
		return arena_format(a, "pod %s/%s", p->pod_namespace, p->pod);
	if (p->runtime && *p->runtime && p->container_name && *p->container_name)
		return arena_format(a, "%s %s", p->runtime, p->container_name);
	if (!(p->runtime && *p->runtime) && p->unit && *p->unit)
		return p->unit;
	return "the process";
}

static const char *of_memory(const struct finding_view *f)
{
	if (f->exhausts_limit && f->exhausts_seconds >= 0 && f->exhausts_seconds < SOON)
		return "restart %s before that, or raise the limit: both only gain time";
	return "no limit is known to be near: a restart of %s frees the memory, for a while";
}

static const char *sentence_for(const struct finding_view *f)
{
	if (f->resource == RESOURCE_MEMORY && !f->object)
		return of_memory(f);
	for (size_t i = 0; i < sizeof(running) / sizeof(running[0]); i++)
		if (running[i].cause == f->cause &&
		    (running[i].database == ANY || running[i].database == f->database))
			return running[i].sentence;
	return "watch its memory: a restart of %s frees what leaked, for a while";
}

/* The server's name of the connections: client_port of pg_stat_activity, SHOW PROCESSLIST. */
static const char *ports_of(struct arena *a, const struct finding_view *f)
{
	const char *text = f->port_count == 1 ? "; its client port is" : "; client ports";

	for (size_t i = 0; i < f->port_count && text; i++)
		text = arena_format(a, "%s%s %u", text, i ? "," : "", f->ports[i]);
	if (text && f->port_count && f->open > f->port_count)
		text = arena_format(a, "%s and %s more", text,
				    count_words(a, f->open - f->port_count));
	return text;
}

const char *now_for(struct arena *a, const struct process_view *p, const struct finding_view *f)
{
	const char *restart = p->exited ? "" : what_to_restart(a, p);
	const char *sentence, *place, *ports;

	if (p->exited)
		return ended(f);
	sentence = end_sessions(a, f);
	if (!sentence)
		sentence = sentence_for(f);
	place = strstr(sentence, "%s");
	if (!place || !restart)
		return place ? NULL : sentence;
	ports = f->port_count && !f->session_count ? ports_of(a, f) : "";
	return arena_format(a, "%.*s%s%s%s", (int)(place - sentence), sentence, restart, place + 2,
			    ports ? ports : "");
}
