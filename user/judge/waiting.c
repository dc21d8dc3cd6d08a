/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * waiting.c - see waiting.h.  Begins with the table of functions in which pools let callers wait.
 */
#include "user/judge/waiting.h"

#include <string.h>

struct waiting_row {
	enum ev_language language;
	const char *file;     /* the end of its path; NULL: any */
	const char *function; /* the last part of its name, after a '.' or a ':' */
	const char *pool;     /* NULL: of the language, so the program's words decide */
};

static const struct waiting_row rows[] = {
	/* Python: sqlalchemy/pool/impl.py of 1.3 to 2.0 */
	{EV_LANG_PYTHON, "sqlalchemy/pool/impl.py", "_do_get", "QueuePool"},
	{EV_LANG_PYTHON, "sqlalchemy/pool.py", "_do_get", "QueuePool"},
	{EV_LANG_PYTHON, "psycopg_pool/pool.py", "getconn", "psycopg_pool"},
	{EV_LANG_PYTHON, "psycopg_pool/pool.py", "wait", "psycopg_pool"},
	{EV_LANG_PYTHON, "psycopg_pool/pool_async.py", "getconn", "psycopg_pool"},
	{EV_LANG_PYTHON, "psycopg_pool/pool_async.py", "wait", "psycopg_pool"},
	{EV_LANG_PYTHON, "asyncpg/pool.py", "_acquire_impl", "asyncpg.Pool"},
	{EV_LANG_PYTHON, "asyncpg/pool.py", "_acquire", "asyncpg.Pool"},
	{EV_LANG_PYTHON, "aiomysql/pool.py", "_acquire", "aiomysql.Pool"},
	{EV_LANG_PYTHON, "aiopg/pool.py", "_acquire", "aiopg.Pool"},
	{EV_LANG_PYTHON, "dbutils/pooled_db.py", "connection", "PooledDB"},
	{EV_LANG_PYTHON, "dbutils/pooled_db.py", "_wait_lock", "PooledDB"},
	{EV_LANG_PYTHON, "DBUtils/PooledDB.py", "connection", "PooledDB"},
	{EV_LANG_PYTHON, "DBUtils/PooledDB.py", "_wait_lock", "PooledDB"},
	{EV_LANG_PYTHON, "playhouse/pool.py", "connect", "PooledDatabase"},
	{EV_LANG_PYTHON, "redis/connection.py", "get_connection", "BlockingConnectionPool"},
	{EV_LANG_PYTHON, "mysql/connector/pooling.py", "get_connection", "MySQLConnectionPool"},
	{EV_LANG_PYTHON, "django_db_geventpool/backends/pool.py", "get", "DatabaseConnectionPool"},
	{EV_LANG_PYTHON, "oracledb/pool.py", "acquire", "ConnectionPool"},
	/* Java, where the map of compiled code names the frames; interpreted frames have no name */
	{EV_LANG_JAVA, NULL, "com.zaxxer.hikari.pool.HikariPool.getConnection", "HikariPool"},
	{EV_LANG_JAVA, NULL, "com.zaxxer.hikari.util.ConcurrentBag.borrow", "HikariPool"},
	{EV_LANG_JAVA, NULL, "org.apache.commons.pool2.impl.GenericObjectPool.borrowObject",
	 "GenericObjectPool"},
	{EV_LANG_JAVA, NULL, "org.apache.tomcat.jdbc.pool.ConnectionPool.borrowConnection",
	 "ConnectionPool"},
	{EV_LANG_JAVA, NULL, "com.mchange.v2.resourcepool.BasicResourcePool.awaitAvailable",
	 "BasicResourcePool"},
	{EV_LANG_JAVA, NULL, "com.alibaba.druid.pool.DruidDataSource.getConnectionInternal",
	 "DruidDataSource"},
	{EV_LANG_JAVA, NULL, "io.agroal.pool.ConnectionPool.getConnection", "Agroal"},
	/* C, C++ and Rust */
	{EV_LANG_NATIVE, NULL, "apr_reslist_acquire", "apr_reslist"},
	{EV_LANG_NATIVE, NULL, "soci::connection_pool::lease", "soci::connection_pool"},
	{EV_LANG_NATIVE, NULL, "soci::connection_pool::try_lease", "soci::connection_pool"},
	{EV_LANG_NATIVE, NULL, "r2d2::Pool<M>::get_timeout", "r2d2"},
	{EV_LANG_NATIVE, NULL, "r2d2::Pool<M>::get", "r2d2"},
	{EV_LANG_NATIVE, NULL, "QSemaphore::acquire", NULL},
	/* a pool that the program made itself */
	{EV_LANG_PYTHON, "queue.py", "get", NULL},
	{EV_LANG_PYTHON, "threading.py", "wait", NULL},
	{EV_LANG_PYTHON, "threading.py", "wait_for", NULL},
	{EV_LANG_PYTHON, "threading.py", "acquire", NULL},
	{EV_LANG_PYTHON, "asyncio/queues.py", "get", NULL},
	{EV_LANG_PYTHON, "asyncio/locks.py", "acquire", NULL},
	{EV_LANG_PYTHON, "asyncio/locks.py", "wait", NULL},
};

/* Does the path end with these components? */
static bool path_ends(const char *path, const char *end)
{
	size_t n = path ? strlen(path) : 0, m = strlen(end);

	return n >= m && !strcmp(path + n - m, end) && (n == m || path[n - m - 1] == '/');
}

/* Is this the function, whatever stands before its name: a class, a namespace, a package? */
static bool function_is(const char *name, const char *wanted)
{
	size_t n = name ? strlen(name) : 0, m = strlen(wanted);

	return n >= m && !strcmp(name + n - m, wanted) &&
	       (n == m || name[n - m - 1] == '.' || name[n - m - 1] == ':');
}

static const struct waiting_row *row_of(const struct code_frame *f)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].language == f->language && function_is(f->function, rows[i].function) &&
		    (!rows[i].file || path_ends(f->file, rows[i].file)))
			return &rows[i];
	return NULL;
}

/* The row of the pool whose function is on the stack; else the row of a function of the language.
 * Only libraries and the run time of the language may stand inside it, so the program's own frames
 * end the search. */
static const struct waiting_row *waits_in(const struct rule_input *s,
					  const struct code_stack *stack)
{
	const struct waiting_row *of_language = NULL;

	for (uint32_t i = 0; i < stack->count; i++) {
		const struct code_frame *f = code_frame(&s->model->code, stack->frame[i]);
		const struct waiting_row *row = f ? row_of(f) : NULL;
		enum site_class class = f ? places_class(s->places, f) : SITE_NAMELESS;

		if (row && row->pool)
			return row;
		if (row && !of_language)
			of_language = row;
		if (class == SITE_OWN || class == SITE_STARTER)
			break;
	}
	return of_language;
}

/* Does the program's own line take a connection?  Its words say so: the function, or the line
 * itself as the capture read it. */
static bool takes_connection(const struct code_frame *f)
{
	return f->flags & EV_FRAME_TAKES;
}

struct waiting_tally {
	const struct place *place;
	uint64_t stack;
	size_t count;
};

#define TALLIES_MOST 16

static void tally(struct waiting_tally *all, size_t *n, const struct place *place, uint64_t stack)
{
	size_t i = 0;

	while (i < *n && all[i].place != place)
		i++;
	if (i == TALLIES_MOST)
		return;
	if (i == *n)
		all[(*n)++] = (struct waiting_tally){place, stack, 0};
	all[i].count++;
}

/* Is a task suspended where it waits for others to give something back?  An event is no such thing:
 * drivers wait so for the server. */
static bool task_may_wait(const struct rule_input *s, const struct code_stack *stack)
{
	const struct code_frame *f = stack->count ? code_frame(&s->model->code, stack->frame[0])
						  : NULL;

	if (!f || f->language != EV_LANG_PYTHON)
		return false;
	return path_ends(f->file, "asyncio/queues.py") ||
	       (path_ends(f->file, "asyncio/locks.py") && !function_is(f->function, "Event.wait"));
}

static bool may_wait(const struct rule_input *s, const struct thread_model *t,
		     const struct code_stack *stack)
{
	switch (t->state.wait) {
	case EV_WAIT_LOCK:
	case EV_WAIT_TIME:
		return true;
	case EV_WAIT_TASK:
		return task_may_wait(s, stack);
	}
	return false;
}

/* The row in which the thread waits for a connection; NULL: it does not. */
static const struct waiting_row *waits_at(const struct rule_input *s, const struct thread_model *t)
{
	const struct code_stack *stack = code_stack(&s->model->code, t->state.stack);
	const struct waiting_row *row;
	const struct place *place;

	if (!stack || !may_wait(s, t, stack) || s->now_ns < t->state.since_ns + WAITING_LEAST_NS)
		return NULL;
	row = waits_in(s, stack);
	if (!row || row->pool)
		return row;
	place = places_find(s->places, t->state.stack);
	return place && takes_connection(place->frame) ? row : NULL;
}

bool waits_for_connection(const struct rule_input *s, const struct thread_model *t)
{
	return waits_at(s, t) != NULL;
}

static void waiters_gather(const struct rule_input *s, struct waiters *w, bool named)
{
	struct waiting_tally all[TALLIES_MOST];
	size_t n = 0;

	for (size_t i = 0; i < s->process->thread_count; i++) {
		const struct thread_model *t = &s->process->threads[i];
		const struct waiting_row *row = waits_at(s, t);

		if (!row || !row->pool == named)
			continue;
		if (!w->count++ || t->state.since_ns < w->since_ns)
			w->since_ns = t->state.since_ns;
		w->pool = row->pool ? row->pool : "a queue of the program";
		w->named = named;
		w->tasks += t->state.wait == EV_WAIT_TASK;
		tally(all, &n, places_find(s->places, t->state.stack), t->state.stack);
	}
	for (size_t i = 0, most = 0; i < n; i++) {
		if (all[i].count <= most)
			continue;
		most = all[i].count;
		w->place = all[i].place;
		w->stack = all[i].stack;
	}
}

void waiters_find(const struct rule_input *s, struct waiters *w)
{
	*w = (struct waiters){};
	if (s->process->exited_ns)
		return;
	waiters_gather(s, w, true);
	if (!w->count)
		waiters_gather(s, w, false);
}

bool waits_for_reply(const struct rule_input *s, const struct connection *c)
{
	for (size_t i = 0; i < s->process->thread_count; i++)
		if (s->process->threads[i].state.socket == c->id)
			return true;
	return false;
}

bool has_tasks(const struct process_model *p)
{
	for (size_t i = 0; i < p->thread_count; i++)
		if (p->threads[i].state.wait == EV_WAIT_TASK)
			return true;
	return false;
}

const struct thread_model *thread_asleep(const struct process_model *p, uint32_t tid)
{
	for (size_t i = 0; i < p->thread_count; i++)
		if (p->threads[i].state.tid == tid)
			return &p->threads[i];
	return NULL;
}
