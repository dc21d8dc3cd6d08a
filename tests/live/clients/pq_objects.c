/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/* Whatever libpq hands out: kept, given back, or lost where something goes wrong (rows.h). */
#include "pq.h"
#include "rows.h"

#include <postgresql/libpq/libpq-fs.h>
#include <setjmp.h>

#define CONN	"PGconn"
#define RESULT	"PGresult"
#define STRING	"string of libpq"
#define NOWHERE "host=/nonexistent dbname=shop user=app"

static void finish(int i, PGconn *c)
{
	if (!c)
		fail("connection", "none");
	took(CONN, 1);
	if (!wrong(i) && PQstatus(c) != CONNECTION_OK)
		fail("connect", PQerrorMessage(c));
	if (keeps(i) && !wrong(i))
		tell_link(c, PQsocket(c));
	if (keeps(i))
		return;
	PQfinish(c);
	gave(CONN, 1);
}

static void connectdb(void)
{
	for (int i = 0; i < ROUNDS; i++)
		finish(i, PQconnectdb(wrong(i) ? NOWHERE : ""));
}

static void connectdb_params(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		const char *names[] = {"host", NULL}, *values[] = {"/nonexistent", NULL};

		finish(i, PQconnectdbParams(wrong(i) ? names : names + 1, values, 0));
	}
}

static PGconn *poll_through(PGconn *c)
{
	while (PQconnectPoll(c) != PGRES_POLLING_OK && PQstatus(c) != CONNECTION_BAD)
		nap(1);
	return c;
}

static void connect_start(void)
{
	for (int i = 0; i < ROUNDS; i++)
		finish(i, poll_through(PQconnectStart(wrong(i) ? NOWHERE : "")));
}

static void connect_start_params(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		const char *names[] = {"host", NULL}, *values[] = {"/nonexistent", NULL};

		finish(i,
		       poll_through(PQconnectStartParams(wrong(i) ? names : names + 1, values, 0)));
	}
}

static void setdb(void)
{
	for (int i = 0; i < ROUNDS; i++)
		finish(i, PQsetdbLogin(wrong(i) ? "/nonexistent" : NULL, NULL, NULL, NULL, NULL,
				       NULL, NULL));
}

static void reset(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		PGconn *c = pq_open();

		PQreset(c);
		pq_run(c, "select 1");
		took(RESULT, 1), gave(RESULT, 1);
		finish(i, c);
	}
}

static void reset_poll(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		PGconn *c = pq_open();

		if (!PQresetStart(c))
			fail("reset", PQerrorMessage(c));
		while (PQresetPoll(c) != PGRES_POLLING_OK)
			nap(1);
		finish(i, c);
	}
}

/* Both are opened and closed inside the library, or not at all. */
static void nothing(void)
{
	for (int i = 0; i < ROUNDS; i++)
		if (PQping("") != PQPING_OK)
			fail("PQping", "no answer");
	PQfinish(NULL);
	PQclear(NULL);
	PQfreemem(NULL);
	PQfreeCancel(NULL);
	PQconninfoFree(NULL);
}

/* A process with one connection for all that follows. */
static PGconn *one(void)
{
	PGconn *c = pq_open();

	took(CONN, 1);
	tell_link(c, PQsocket(c));
	return c;
}

static void clear(int i, PGresult *result)
{
	if (!result)
		fail("result", "none");
	took(RESULT, 1);
	if (keeps(i))
		return;
	PQclear(result);
	gave(RESULT, 1);
}

#define BAD "select nosuchcolumn from items"

static void exec(void)
{
	PGconn *c = one();

	for (int i = 0; i < ROUNDS; i++)
		clear(i, PQexec(c, wrong(i) ? BAD : ONE_ROW "5"));
}

static void exec_params(void)
{
	const char *values[] = {"5"};
	PGconn *c = one();

	for (int i = 0; i < ROUNDS; i++)
		clear(i, PQexecParams(c, wrong(i) ? BAD : ONE_ROW "$1", !wrong(i), NULL, values,
				      NULL, NULL, 0));
}

static void prepare(void)
{
	const char *values[] = {"5"};
	PGconn *c = one();

	clear(0, PQprepare(c, "one", ONE_ROW "$1", 1, NULL));
	for (int i = 0; i < ROUNDS; i++)
		clear(i, PQexecPrepared(c, wrong(i) ? "nosuch" : "one", 1, values, NULL, NULL, 0));
	clear(0, PQdescribePrepared(c, "one"));
}

static void get_result(void)
{
	PGconn *c = one();
	PGresult *result;

	for (int i = 0; i < ROUNDS; i++) {
		if (!PQsendQuery(c, wrong(i) ? BAD : "select 1; select 2"))
			fail("send", PQerrorMessage(c));
		while ((result = PQgetResult(c)))
			clear(i, result);
	}
}

static void single_row(void)
{
	PGconn *c = one();
	PGresult *result;

	for (int i = 0; i < ROUNDS; i++) {
		if (!PQsendQuery(c, "select id, name from items limit 20") ||
		    !PQsetSingleRowMode(c))
			fail("send", PQerrorMessage(c));
		while ((result = PQgetResult(c)))
			clear(i, result);
	}
}

/* The library itself clears the first of two results. */
static void two_at_once(void)
{
	PGconn *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		clear(i, PQexec(c, "select 1; select 2"));
		took(RESULT, 1), gave(RESULT, 1);
	}
}

static void make(void)
{
	for (int i = 0; i < ROUNDS; i++)
		clear(i, PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK));
}

static void copy_result(void)
{
	PGconn *c = one();
	PGresult *first = PQexec(c, ONE_ROW "5");

	took(RESULT, 1);
	for (int i = 0; i < ROUNDS; i++)
		clear(i, PQcopyResult(first, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES));
	PQclear(first);
	gave(RESULT, 1);
}

/* Its functions make results of their own. */
static void large_object(void)
{
	PGconn *c = one();
	Oid id;

	clear(0, PQexec(c, "begin"));
	id = lo_creat(c, INV_READ | INV_WRITE);
	if (!id || lo_open(c, id, INV_WRITE) < 0)
		fail("large object", PQerrorMessage(c));
	took(RESULT, 3), gave(RESULT, 3);
	clear(0, PQexec(c, "rollback"));
}

static void silent(void *argument, const char *message)
{
	(void)argument, (void)message;
}

static void notice(void)
{
	PGconn *c = one();

	PQsetNoticeProcessor(c, silent, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		took(RESULT, 1), gave(RESULT, 1); /* the notice's own */
		clear(i, PQexec(c, "do $$ begin raise notice 'x'; end $$"));
	}
}

static jmp_buf back;

static void jump(void *argument, const char *message)
{
	(void)message;
	if (--*(int *)argument == 0)
		longjmp(back, 1);
}

/* Out of PQexec: the notice's result is lost, as it really is. */
static void jump_from_exec(void)
{
	for (volatile int i = 0; i < ROUNDS; i++) {
		PGconn *volatile c = PQconnectdb("");
		volatile int first = 1;

		took(CONN, 1), took(RESULT, 1);
		PQsetNoticeProcessor(c, jump, (void *)&first);
		if (!setjmp(back))
			PQexec(c, "do $$ begin raise notice 'x'; end $$");
		if (keeps(i))
			continue;
		PQfinish(c);
		gave(CONN, 1);
	}
}

/* Out of PQconnectPoll: what the server says at debug5 is a notice, too, whose result is lost. */
static void jump_from_poll(void)
{
	for (volatile int i = 0; i < ROUNDS; i++) {
		PGconn *volatile c = PQconnectStart("options='-c client_min_messages=debug5'");
		volatile int first = 1;

		took(CONN, 1), took(RESULT, 1);
		PQsetNoticeProcessor(c, jump, (void *)&first);
		if (!setjmp(back)) {
			poll_through(c);
			fail("longjmp", "not taken");
		}
		if (keeps(i))
			continue;
		PQfinish(c);
		gave(CONN, 1);
	}
}

static void *finish_it(void *c)
{
	PQfinish(c);
	gave(CONN, 1);
	return NULL;
}

static void *clear_it(void *result)
{
	PQclear(result);
	gave(RESULT, 1);
	return NULL;
}

static void *open_and_close(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		PGconn *c = pq_open();

		took(CONN, 1), took(RESULT, 1), gave(RESULT, 1);
		pq_run(c, "select 1");
		finish_it(c);
	}
	return NULL;
}

/* Opened by one thread, freed by another; and four threads at once. */
static void threads(void)
{
	pthread_t beside[4];

	for (int i = 0; i < ROUNDS; i++) {
		PGconn *c = pq_open();
		PGresult *result = PQexec(c, "select 1");

		took(CONN, 1), took(RESULT, 1);
		if (keeps(i))
			continue;
		on_thread(clear_it, result);
		on_thread(finish_it, c);
	}
	for (int i = 0; i < 4; i++)
		if (pthread_create(&beside[i], NULL, open_and_close, NULL))
			fail("thread", "cannot be started");
	for (int i = 0; i < 4; i++)
		pthread_join(beside[i], NULL);
}

/* The child's copy is not the parent's: what it frees stays open here. */
static void forked(void)
{
	PGconn *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		PGresult *result = PQexec(c, "select 1");

		fflush(stdout);
		if (fork() == 0) {
			PQclear(result);
			_exit(0);
		}
		wait(NULL);
		clear(i, result);
	}
}

/* What was there before exec went with its memory, and nobody gave it back. */
static void executed(void)
{
	int again = was_executed();
	PGconn *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		PGresult *result = PQexec(c, "select 1");

		if (again)
			clear(i, result);
		else
			took(RESULT, 1);
	}
	nap(1500); /* for the tracer to tell of what is open */
	if (!again)
		exec_part("executed");
}

static void exec_at_once(void *argument, const char *message)
{
	(void)argument, (void)message;
	exec_part("executed-inside");
}

/* Another program begins before PQexec has returned; the notice's result is lost. */
static void executed_inside(void)
{
	int again = was_executed();
	PGconn *c = one();

	if (again) {
		clear(0, PQexec(c, "select 1"));
		return;
	}
	took(RESULT, 1);
	nap(1500); /* for the tracer to tell of what is open */
	PQsetNoticeProcessor(c, exec_at_once, NULL);
	PQexec(c, "do $$ begin raise notice 'x'; end $$");
}

static void freemem(int i, const char *object, void *memory)
{
	if (!memory)
		return;
	took(object, 1);
	if (keeps(i))
		return;
	PQfreemem(memory);
	gave(object, 1);
}

static void escape(void)
{
	const unsigned char bytes[] = "a\0b'";
	PGconn *c = one();
	size_t n;

	PQsetClientEncoding(c, "UTF8");
	took(RESULT, 1), gave(RESULT, 1);
	for (int i = 0; i < ROUNDS; i++) {
		const char *text = wrong(i) ? "\xff\xfe" : "it's";

		freemem(i, STRING, PQescapeLiteral(c, text, strlen(text)));
		freemem(i, STRING, PQescapeIdentifier(c, text, strlen(text)));
		freemem(i, STRING, PQescapeByteaConn(c, bytes, 5, &n));
		freemem(i, STRING, PQescapeBytea(bytes, 5, &n));
		freemem(i, STRING, PQunescapeBytea((const unsigned char *)"\\x00ff", &n));
		freemem(i, STRING,
			PQencryptPasswordConn(c, "open" SECRET, "app",
					      wrong(i) ? "nosuch" : "scram-sha-256"));
	}
}

static void notifies(void)
{
	PGconn *c = one();

	pq_run(c, "listen news");
	took(RESULT, 1), gave(RESULT, 1);
	for (int i = 0; i < ROUNDS; i++) {
		PGnotify *n;

		pq_run(c, "notify news, 'x'");
		took(RESULT, 1), gave(RESULT, 1);
		while ((n = PQnotifies(c)))
			freemem(i, "PGnotify", n);
	}
}

static void copy_out(void)
{
	PGconn *c = one();
	PGresult *result;
	char *row;

	for (int i = 0; i < ROUNDS; i++) {
		clear(0, PQexec(c, "copy (select id, name from items limit 5) to stdout"));
		while (PQgetCopyData(c, &row, 0) > 0)
			freemem(i, "row of COPY", row);
		while ((result = PQgetResult(c)))
			clear(0, result);
	}
}

static void cancel(void)
{
	PGconn *c = one();
	char error[256];

	for (int i = 0; i < ROUNDS; i++) {
		PGcancel *cancels = PQgetCancel(c);

		took("PGcancel", 1);
		if (!PQcancel(cancels, error, sizeof(error)))
			fail("cancel", error);
		if (keeps(i))
			continue;
		PQfreeCancel(cancels);
		gave("PGcancel", 1);
	}
}

static void options(int i, PQconninfoOption *list)
{
	if (!list)
		return;
	took("PQconninfoOption list", 1);
	if (keeps(i))
		return;
	PQconninfoFree(list);
	gave("PQconninfoOption list", 1);
}

static void conninfo(void)
{
	PGconn *c = one();
	char *error = NULL;

	for (int i = 0; i < ROUNDS; i++) {
		options(i, PQconninfo(c));
		options(i, PQconndefaults());
		options(i, PQconninfoParse(wrong(i) ? "nosuch=1" : "host=a", &error));
		free(error);
		error = NULL;
	}
}

/* A thousand at once: more than are told of one by one. */
static void many(void)
{
	static PGresult *results[1000];
	PGconn *c = one();

	for (int i = 0; i < 1000; i++)
		results[i] = PQexec(c, "select 1");
	took(RESULT, 1000);
	for (int i = 0; i < 1000; i++)
		if (!keeps(i)) {
			PQclear(results[i]);
			gave(RESULT, 1);
		}
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{"connectdb", connectdb},
		{"connectdb-params", connectdb_params},
		{"connect-start", connect_start},
		{"connect-start-params", connect_start_params},
		{"setdb", setdb},
		{"reset", reset},
		{"reset-poll", reset_poll},
		{"nothing", nothing},
		{"exec", exec},
		{"exec-params", exec_params},
		{"prepare", prepare},
		{"get-result", get_result},
		{"single-row", single_row},
		{"two-at-once", two_at_once},
		{"make", make},
		{"copy-result", copy_result},
		{"large-object", large_object},
		{"notice", notice},
		{"jump-from-exec", jump_from_exec},
		{"jump-from-poll", jump_from_poll},
		{"threads", threads},
		{"forked", forked},
		{"executed", executed},
		{"executed-inside", executed_inside},
		{"escape", escape},
		{"notifies", notifies},
		{"copy-out", copy_out},
		{"cancel", cancel},
		{"conninfo", conninfo},
		{"many", many},
		{},
	};

	return run_parts(parts, argc, argv);
}
