/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_text.c - the text report fits its page, says what the view says, and lets nothing through.
 *
 * Every report printed here, whatever the case is about, is checked for its columns, for bytes that
 * a terminal would obey, and for blanks at the end of a line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "user/base/escape.h"
#include "user/report/page.h"
#include "user/report/rank.h"
#include "user/report/text.h"
#include "tests/unit/support/sample_view.h"

static const struct text_options plain = {.colour = false};
static const struct text_options all = {.show_all = true};
static const struct text_options coloured = {.colour = true};

static void assert_line_fits(const char *line, size_t len, size_t columns)
{
	if (escape_columns(line, len) > columns || (len && line[len - 1] == ' '))
		fail_msg("too long, or ends with a blank: '%.*s'", (int)len, line);
	for (size_t i = 0; i < len; i++)
		assert_true((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
}

static void assert_fits(const char *text, size_t columns)
{
	char *clean = escape_utf8(text, strlen(text));

	assert_string_equal(clean, text);
	free(clean);
	while (*text) {
		size_t len = strcspn(text, "\n");

		assert_line_fits(text, len, columns);
		assert_int_equal(text[len], '\n');
		text += len + 1;
	}
}

/* The caller frees it. */
static char *print_raw(const struct report_view *v, const struct text_options *o)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_text(out, v, o), 0);
	fclose(out);
	return text;
}

static char *print(const struct report_view *v, const struct text_options *o)
{
	char *text = print_raw(v, o);

	assert_fits(text, o->columns ? o->columns : PAGE_COLUMNS);
	return text;
}

/* The text as one line, so that a case need not know where it is wrapped. */
static char *unwrap(char *text)
{
	size_t to = 0;

	for (size_t i = 0; text[i]; i++) {
		char c = text[i] == '\n' ? ' ' : text[i];

		if (c != ' ' || !to || text[to - 1] != ' ')
			text[to++] = c;
	}
	text[to] = '\0';
	return text;
}

static void assert_says(const struct report_view *v, const struct text_options *o, const char *what)
{
	char *text = unwrap(print(v, o));

	if (!strstr(text, what))
		fail_msg("'%s' is not in: %s", what, text);
	free(text);
}

static void assert_silent_about(const struct report_view *v, const struct text_options *o,
				const char *what)
{
	char *text = unwrap(print(v, o));

	if (strstr(text, what))
		fail_msg("'%s' is in: %s", what, text);
	free(text);
}

static void a_leak_is_told_whole(void **state)
{
	static const char expected[] =
		"LEAK: 1 of 3 processes leaks connections. ACT NOW: PostgreSQL's default limit of\n"
		"  100 is full in 3.7 min, about 22:17 UTC; check its limit. Then: file\n"
		"  descriptors (1,024) run out in 42 min.\n"
		"Watched 30 s from 2023-11-14 22:13:20 UTC, 3 processes with a database.\n"
		"\n"
		"python3[4711] orders-api, in docker web1\n"
		"  12 connections leaked, all inside an open transaction   certain, on every call\n"
		"    where     unknown: no stack was recorded\n"
		"    how bad   +24 per minute. 12 opened, 0 closed, 12 leaked. Oldest: 31 s.\n"
		"              Memory 40 MB -> 52 MB\n"
		"    limit     PostgreSQL's default limit of 100 is full in 3.7 min, sooner with\n"
		"              other clients (its own limit: SHOW max_connections)\n"
		"    database  PostgreSQL 10.0.0.5:5432/shop as app\n"
		"    last SQL  SELECT * FROM orders WHERE month = ?\n"
		"    now       restart docker web1\n"
		"    fix       close the session: `with Session() as s:` or s.close()\n"
		"    evidence  each was opened while earlier ones sat idle and were never used\n"
		"              again\n"
		"\n"
		"No leak seen: 1 process, 1 connection open: gunicorn[900] orders-api; memory\n"
		"  52 MB (+12 MB)\n"
		"Stopped growing: java[77] orders-api, on the host: grew to 10 connections, then\n"
		"  stable for 22 s\n"
		"Not covered: billing[99]: static client over TLS, its connections are counted,\n"
		"             not read\n"
		"dbleak used 0.4 % of a CPU. No events lost.\n";
	struct finding_view finding = sample_finding();
	struct endpoint_view many = sample_endpoint(12), one = sample_endpoint(1);
	struct process_view processes[] = {
		sample_process(4711, VERDICT_LEAKING, &many, &finding),
		sample_process(77, VERDICT_BOUNDED, &many, NULL),
		sample_process(900, VERDICT_OK, &one, NULL),
	};
	struct gap_view gap = {
		.pid = 99,
		.comm = "billing",
		.reason = "static client over TLS, its connections are counted, not read"};
	struct report_view v = sample_view(processes, COUNT(processes));

	(void)state;
	processes[0].runtime = "docker";
	processes[0].container_name = "web1";
	finding.now = "restart docker web1";
	processes[1].comm = "java";
	processes[1].verdict_reason = "grew to 10 connections, then stable for 22 s";
	processes[2].comm = "gunicorn";
	v.gaps = &gap;
	v.gap_count = 1;

	char *text = print(&v, &plain);

	assert_string_equal(text, expected);
	free(text);
}

static void each_finding_is_named_and_counted(void **state)
{
	static const struct {
		struct finding_view f;
		const char *says[3];
	} cases[] = {
		{{.cause = CAUSE_UNCLOSED_CONNECTION, .open = 1, .acquired = 1},
		 {"STUCK: 1 connection leaked", "1 opened, 0 closed, 1 leaked", "Age: 2 h"}},
		{{.cause = CAUSE_UNCLOSED_CONNECTION,
		  .open = 3,
		  .acquired = 1234,
		  .released = 1230,
		  .in_transaction = 2},
		 {"3 connections leaked, 2 inside an open transaction",
		  "1,234 opened, 1,230 closed, 3 leaked, 1 not judged", "Oldest: 2 h"}},
		{{.cause = CAUSE_UNCLOSED_CONNECTION,
		  .open = 2,
		  .acquired = 2,
		  .in_transaction = 2},
		 {"2 connections leaked, all inside an open transaction", "", ""}},
		{{.cause = CAUSE_OPEN_TRANSACTION, .resource = RESOURCE_TRANSACTION, .open = 1},
		 {"1 transaction is open and idle", "possible, on every call", "not growing"}},
		{{.cause = CAUSE_OPEN_TRANSACTION,
		  .resource = RESOURCE_TRANSACTION,
		  .acquired = 5,
		  .released = 3,
		  .open = 2,
		  .kind = KIND_ONE_TIME,
		  .confidence = CONFIDENCE_LIKELY},
		 {"2 transactions are open and idle", "likely, once", "5 begun, 3 ended, 2 open"}},
		{{.cause = CAUSE_UNCLOSED_STATEMENT,
		  .resource = RESOURCE_STATEMENT,
		  .open = 16382,
		  .growth_per_minute = 0.05,
		  .kind = KIND_SPORADIC},
		 {"16,382 prepared statements leaked", "possible, on some calls", "+3 per hour"}},
		{{.cause = CAUSE_CACHE_GROWTH,
		  .resource = RESOURCE_STATEMENT,
		  .open = 7,
		  .growth_per_minute = 0.001,
		  .kind = KIND_IMPLICIT},
		 {"a statement cache grows without limit: 7 statements",
		  "possible, closed only at the end", "+1 per day"}},
		{{.cause = CAUSE_UNBOUNDED_RESULT,
		  .resource = RESOURCE_RESULT,
		  .acquired = 1,
		  .rows = 200000,
		  .rows_exact = true,
		  .bytes = 45000000},
		 {"1 result of 200,000 rows (45 MB) read at once possible", "", ""}},
		{{.cause = CAUSE_UNBOUNDED_RESULT,
		  .resource = RESOURCE_RESULT,
		  .acquired = 3,
		  .rows = 1,
		  .bytes = 1500},
		 {"3 results of up to 1 row (1.5 kB) read at once", "", ""}},
		{{.cause = CAUSE_UNBOUNDED_RESULT, .resource = RESOURCE_RESULT, .bytes = 1500},
		 {"1 result of 1.5 kB read at once", "", ""}},
		{{.cause = CAUSE_UNCLOSED_CURSOR, .resource = RESOURCE_CURSOR, .open = 2},
		 {"2 cursors are left open", "", ""}},
		{{.cause = CAUSE_UNFREED_RESULT,
		  .resource = RESOURCE_RESULT,
		  .acquired = 56,
		  .released = 6,
		  .open = 50,
		  .growth_per_minute = 24},
		 {"50 results are not freed", "56 read, 6 freed, 50 not freed", "+24 per minute"}},
		{{.cause = CAUSE_UNFREED_MEMORY, .resource = RESOURCE_MEMORY, .open = 12},
		 {"12 buffers are not freed", "", ""}},
		{{.cause = CAUSE_UNCLOSED_CURSOR,
		  .resource = RESOURCE_CURSOR,
		  .acquired = UNKNOWN64,
		  .released = UNKNOWN64,
		  .open = 3},
		 {"3 cursors are left open", "how bad not growing. 3 left open. Oldest: 2 h", ""}},
		{{.cause = CAUSE_WAL_GROWTH,
		  .resource = RESOURCE_CURSOR,
		  .acquired = UNKNOWN64,
		  .released = UNKNOWN64,
		  .open = 1,
		  .growth_per_minute = -1,
		  .bytes = 16600000},
		 {"1 reader blocks the write-ahead log: it grew to 17 MB",
		  "how bad 1 left open. Age: 2 h", ""}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct finding_view f = cases[i].f;
		struct process_view process = sample_process(7, VERDICT_STUCK, NULL, &f);
		struct report_view v = sample_view(&process, 1);

		f.verdict = VERDICT_STUCK;
		f.oldest_seconds = 7200;
		f.rows = f.rows ? f.rows : UNKNOWN64;
		f.bytes = f.bytes ? f.bytes : UNKNOWN64;
		for (size_t j = 0; j < COUNT(cases[i].says); j++)
			assert_says(&v, &plain, cases[i].says[j]);
	}
}

/* A finding of each verdict, of what it is most often about. */
static struct finding_view finding_of(enum verdict verdict)
{
	static const enum cause causes[] = {
		[VERDICT_BIG] = CAUSE_UNBOUNDED_RESULT,
		[VERDICT_STUCK] = CAUSE_OPEN_TRANSACTION,
		[VERDICT_LEAKING] = CAUSE_UNCLOSED_CONNECTION,
	};
	struct finding_view f = sample_finding();

	f.verdict = verdict;
	f.cause = verdict >= VERDICT_BIG ? causes[verdict] : CAUSE_UNCLOSED_CONNECTION;
	f.exhausts_limit = NULL;
	return f;
}

#define L  VERDICT_LEAKING
#define S  VERDICT_STUCK
#define B  VERDICT_BIG
#define OK VERDICT_OK

static void the_first_line_is_the_answer(void **state)
{
	static const struct {
		enum verdict verdicts[4];
		const char *says;
	} cases[] = {
		{{OK, OK, OK, OK}, "NO LEAK SEEN in 30 s, 4 processes with a database. Watched"},
		{{L, OK, OK, OK},
		 "LEAK: 1 of 4 processes leaks connections. ACT NOW: PostgreSQL's default "
		 "limit of 100 is full in 3.7 min, about 22:17 UTC; check its limit. Watched"},
		{{L, L, S, B},
		 "LEAK: 2 of 4 processes leak connections, 1 is stuck, 1 reads large results. "
		 "ACT NOW: PostgreSQL's default limit of 100 is full in 95 s, about 22:15 UTC; "
		 "check its limit. Watched"},
		{{L, L, L, L},
		 "LEAK: 4 processes leak connections. ACT NOW: PostgreSQL's default limit of "
		 "100 is full in 32 s, about 22:14 UTC; check its limit. Watched"},
		{{S, S, B, B},
		 "STUCK: 2 of 4 processes keep transactions open and idle, 2 read large results. "
		 "Watched"},
		{{S, OK, OK, OK},
		 "STUCK: 1 of 4 processes keeps transactions open and idle. Watched"},
		{{B, B, OK, OK},
		 "LARGE RESULTS: 2 of 4 processes read large results into memory at once. No leak "
		 "seen. Watched"},
		{{VERDICT_UNKNOWN, VERDICT_BOUNDED, OK, OK},
		 "NO LEAK SEEN in 30 s, 4 processes with a database, of which 1 cannot be judged. "
		 "Watched"},
		{{VERDICT_UNKNOWN, VERDICT_UNKNOWN, VERDICT_UNKNOWN, VERDICT_UNKNOWN},
		 "CANNOT TELL: 4 processes with a database, none of which could be judged. "
		 "Watched"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct process_view processes[4];
		struct finding_view findings[4];
		struct report_view v = sample_view(processes, 4);

		for (size_t j = 0; j < 4; j++) {
			enum verdict verdict = cases[i].verdicts[j];

			findings[j] = finding_of(verdict);
			processes[j] = sample_process(j, verdict, NULL,
						      verdict >= VERDICT_BIG ? &findings[j] : NULL);
		}
		assert_says(&v, &plain, cases[i].says);
	}
}

/* The process in this place, by urgency. */
static uint32_t pid_at(const struct report_view *v, size_t at)
{
	size_t count;
	const struct process_view **ranked = rank_guilty(v, &count);
	uint32_t pid;

	assert_non_null(ranked);
	assert_true(at < count);
	pid = ranked[at]->pid;
	free(ranked);
	return pid;
}

static void the_first_line_says_what_is_urgent(void **state)
{
	struct finding_view first = finding_of(VERDICT_LEAKING), second = first, third = first;
	struct process_view processes[] = {
		sample_process(1, VERDICT_LEAKING, NULL, &first),
		sample_process(2, VERDICT_LEAKING, NULL, &second),
		sample_process(3, VERDICT_LEAKING, NULL, &third),
	};
	struct report_view v = sample_view(processes, 3);

	(void)state;
	second.exhausts_limit = "memory 512 MiB of docker web1";
	second.exhausts_seconds = 210;
	assert_says(&v, &plain,
		    "connections. ACT NOW: PostgreSQL's default limit of 100 is full in 53 s, "
		    "about 22:14 UTC; check its limit. Then: docker web1 is out of memory in 3.5 "
		    "min. W");
	first.growth_per_minute = second.growth_per_minute = third.growth_per_minute = 0.24;
	second.exhausts_limit = NULL;
	assert_silent_about(&v, &plain, "ACT NOW");
	assert_says(&v, &plain, "limit of 100 is full in 6.1 h, sooner with other clients (its");
	second.exhausts_limit = "memory 512 MiB of docker web1";
	third.exhausts_limit = "open files 1024";
	third.exhausts_seconds = 4000;
	assert_says(&v, &plain,
		    "connections. ACT NOW: docker web1 is out of memory in 3.5 min. CHECK");
	assert_says(&v, &plain,
		    "WHERE python3[2] connections, certain +14/h in 3.5 min unknown python3[3] "
		    "connections, certain +14/h in 67 min unknown python3[1] connections, certain "
		    "+14/h in 6.1 h? unknown python3[2] orders-api");
	second.exhausts_realtime_ns = 1700000000000000000; /* 2023-11-14 22:13:20 UTC */
	assert_says(&v, &plain, "is out of memory in 3.5 min, about 22:13 UTC. CHECK");
	assert_says(&v, &plain, "all of it in 3.5 min, about 22:13 UTC; PostgreSQL's");
	second.exhausts_seconds = 90000;
	assert_says(&v, &plain, "all of it in 25 h, about 2023-11-14");
	second.exhausts_limit = NULL;
	assert_silent_about(&v, &plain, "First known limit");
	first.database = second.database = third.database = EV_DB_SQLITE;
	assert_silent_about(&v, &plain, "CHECK");
	assert_says(&v, &plain, "First known limit: file descriptors (1,024) run out in 67 min.");
	second.database = third.database = EV_DB_MYSQL;
	second.open = third.open = 90; /* more than MySQL allows by default */
	assert_says(&v, &plain, "CHECK THE DATABASE'S LIMIT. Watched");
	second.open = third.open = 12;
	processes[0].exited = true;
	assert_says(&v, &plain, "leak connections. 1 has ended. CHECK");
	v.host_name = "web7";
	assert_says(&v, &plain, "Watched web7 for 30 s from");
	assert_says(&v, &plain, "+14/h (ended) unknown");
	assert_silent_about(&v, &plain, "python3[1] orders-api");
	assert_says(&v, &plain, "-v shows the details of 1 more process.");
	assert_says(&v, &all, "python3[1] orders-api, on the host, ended");
	processes[1].exited = processes[2].exited = true;
	assert_says(&v, &plain,
		    "LEAK: 3 processes leaked connections. They have ended: nothing to do on this "
		    "host. Watched");
	assert_says(&v, &plain, "python3[1] orders-api, on the host, ended");
	v.cut = true;
	assert_says(&v, &plain, "INCOMPLETE: the recording was cut");
}

static void findings_of_one_function_are_rows(void **state)
{
	struct frame_view frames[2], others[2];
	const char *told[] = {"3 at this line, 90 at unknown lines", "the server waits"};
	struct finding_view f[3] = {sample_finding(), sample_finding(), sample_finding()};
	struct process_view p = sample_process(7, VERDICT_LEAKING, NULL, f);
	struct report_view v = sample_view(&p, 1);

	(void)state;
	sample_site(&f[0], frames);
	sample_site(&f[1], others);
	others[1].line = 99;
	f[1].open = 3;
	f[1].acquired = 5;
	f[1].growth_per_minute = 6;
	f[2].cause = CAUSE_OPEN_TRANSACTION;
	f[2].resource = RESOURCE_TRANSACTION;
	f[2].acquired = 40;
	f[2].released = 25;
	f[2].part_of = &f[0];
	p.finding_count = 3;
	assert_says(&v, &plain,
		    "15 connections leaked, all inside an open transaction certain, on every call "
		    "where /srv/shop/app/report.py:42 monthly() 12 leaked, +24 per minute "
		    "/srv/shop/app/report.py:99 monthly() 3 leaked, +6 per minute "
		    "how bad +30 per minute. 17 opened, 0 closed, 15 leaked, 2 not judged. "
		    "Oldest: 31 s. Transactions: 40 begun, 25 ended.");
	assert_silent_about(&v, &plain, "open and idle");
	f[0].evidence = f[2].evidence = told; /* what both say is said once */
	f[0].evidence_count = 1;
	f[2].evidence_count = 2;
	assert_says(&v, &plain, "3 at this line, 90 at unknown lines; the server waits");
	f[1].site = NULL;
	assert_says(&v, &plain, "12 connections leaked");
	assert_says(&v, &plain, "3 connections leaked");
	f[2].site = &others[1];
	assert_says(&v, &plain, "also transactions begun at /srv/shop/app/report.py:99 monthly()");
}

static void many_that_only_the_end_closed_are_said(void **state)
{
	struct endpoint_view e = sample_endpoint(0);
	struct process_view p = sample_process(7, VERDICT_OK, &e, NULL);
	struct report_view v = sample_view(&p, 1);

	(void)state;
	e.connections.at_exit = 2; /* as scripts do */
	assert_silent_about(&v, &plain, "closed only at the end");
	e.connections.at_exit = 20;
	assert_says(&v, &plain, "1 process, 0 connections open, 20 closed only at the end: ");
}

static void facts_about_a_process_are_said(void **state)
{
	static const struct {
		struct process_view p;
		const char *says;
	} cases[] = {
		{{.comm = "node", .exited = true, .verdict = VERDICT_BIG},
		 "node[7], on the host, ended"},
		{{.comm = "node", .exited = true, .verdict = VERDICT_OK}, ": node[7], ended"},
		{{.comm = "pgbouncer", .role = EV_ROLE_POOLER}, "pgbouncer[7] (pooler)"},
		{{.comm = "mysqld", .role = EV_ROLE_SERVER}, "mysqld[7] (server)"},
		{{.comm = NULL}, "?[7]"},
		{{.comm = "a", .verdict = VERDICT_UNKNOWN},
		 "Cannot tell: a[7], on the host: not enough traffic to judge"},
		{{.comm = "a", .verdict = VERDICT_UNKNOWN, .verdict_reason = "encrypted"},
		 "Cannot tell: a[7], on the host: encrypted"},
		{{.comm = "a",
		  .verdict = VERDICT_BOUNDED,
		  .runtime = "podman",
		  .container_id = "0123456789abcdef"},
		 "Stopped growing: a[7], in podman 0123456789ab "},
		{{.comm = "python3",
		  .verdict = VERDICT_STUCK,
		  .cmdline = "/usr/bin/python3 /srv/a.py x"},
		 "python3[7] a.py, on the host"},
		{{.comm = "java",
		  .verdict = VERDICT_STUCK,
		  .cmdline = "java -jar /srv/shop.jar --x"},
		 "java[7] shop.jar, on the host"},
		{{.comm = "a.py",
		  .verdict = VERDICT_STUCK,
		  .cmdline = "/usr/bin/python3 /srv/a.py x"},
		 "a.py[7], on the host"},
		{{.comm = "a", .verdict = VERDICT_STUCK, .cmdline = "/bin/a b c"},
		 "a[7], on the host"},
		{{.comm = "a", .verdict = VERDICT_STUCK, .unit = "orders.service"},
		 "a[7], in orders.service"},
		{{.comm = "a", .verdict = VERDICT_STUCK, .verdict_reason = "of age"},
		 "evidence of age"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct process_view process = cases[i].p;
		struct report_view v = sample_view(&process, 1);

		process.pid = 7;
		assert_says(&v, &plain, cases[i].says);
	}
}

/*
 * Memory.
 */

static struct memory_view sample_memory_view(void)
{
	return (struct memory_view){.tier = EV_TIER_GROWTH,
				    .start = 45000000,
				    .end = 141000000,
				    .peak = 150000000,
				    .swapped = 0,
				    .limit = 536870912,
				    .limit_used = 171000000,
				    .limit_kind = EV_LIMIT_CGROUP,
				    .limit_of = "docker web1"};
}

static void memory_that_is_kept_is_told_whole(void **state)
{
	static const char expected[] =
		"python3[4711] orders-api, on the host\n"
		"  memory grew by 96 MB in 60 s and is still growing        likely, on every call\n"
		"    where     /srv/shop/app/report.py:42 monthly()\n"
		"    how bad   +70 MB per minute. 71 MB of this line not freed. Anonymous memory\n"
		"              45 MB -> 141 MB\n"
		"    limit     docker web1: 171 MB of 537 MB used, all of it in 42 min (35 min to\n"
		"              60 min)\n"
		"    database  PostgreSQL 10.0.0.5:5432/shop as app\n"
		"    last SQL  SELECT * FROM orders WHERE month = ?\n"
		"    fix       bound the cache\n"
		"    evidence  each was opened while earlier ones sat idle and were never used\n"
		"              again\n";
	struct finding_view f = sample_memory();
	struct frame_view frames[2];
	struct process_view p = sample_process(4711, VERDICT_LEAKING, NULL, &f);
	struct report_view v = sample_view(&p, 1);
	char *text;

	(void)state;
	sample_site(&f, frames);
	p.memory = sample_memory_view();
	text = print(&v, &plain);
	if (!strstr(text, expected))
		assert_string_equal(text, expected);
	free(text);
	f.memory.at_least = true;
	f.memory.grown = 0;
	f.memory.per_minute = 500;
	f.open = 1;
	f.endpoint = NULL;
	f.sql = NULL;
	assert_says(&v, &plain, "71 MB in 1 block are not freed likely");
	assert_says(&v, &plain, "how bad +720 kB per day. Anonymous memory 45 MB -> 141 MB limit");
	f.memory.placed = false;
	f.memory.per_minute = -1;
	f.open = UNKNOWN64;
	f.memory.grown = 96000000;
	p.exited = true;
	assert_says(&v, &plain, "memory grew by 96 MB in 60 s, until the end");
	assert_silent_about(&v, &plain, "limit ");
}

static void who_holds_memory_is_told_when_all_is(void **state)
{
	struct frame_view line = {EV_LANG_PYTHON, "remember", "/srv/shop/app/cache.py", .line = 17};
	struct memory_site_view sites[] = {
		{.tier = EV_TIER_FULL,
		 .object = "malloc",
		 .site = &line,
		 .held = 71000000,
		 .taken_bytes = 80000000},
		{.tier = EV_TIER_GROWTH, .held = 3000000, .taken_bytes = 3000000},
		{.tier = EV_TIER_GROWTH, .held = 0, .taken_bytes = 9000000},
	};
	struct endpoint_view e = sample_endpoint(1);
	struct process_view p = sample_process(900, VERDICT_OK, &e, NULL);
	struct report_view v = sample_view(&p, 1);

	(void)state;
	assert_silent_about(&v, &plain, "anonymous");
	p.memory = sample_memory_view();
	p.memory.swapped = 7000000;
	p.memory.sites = sites;
	p.memory.site_count = 3;
	assert_says(&v, &plain, "python3[900] orders-api; memory 52 MB (+12 MB)");
	assert_silent_about(&v, &plain, "cache.py");
	assert_says(&v, &all,
		    "memory anonymous 45 MB -> 141 MB, peak 150 MB, swapped out 7 MB; limit of "
		    "docker web1: 171 MB of 537 MB used 80 MB allocated, 71 MB not freed (full, "
		    "malloc): /srv/shop/app/cache.py:17 remember() 3 MB allocated, 3 MB not freed "
		    "(growth): unknown line holds");
	sites[1].error = 4000000; /* more than the figure */
	assert_says(&v, &all, "3 MB allocated, at most 3 MB not freed (growth)");
	sites[1].held = UNKNOWN64;
	assert_says(&v, &all, "3 MB allocated, unknown how much is not freed (growth)");
	p.memory.limit = UNKNOWN64;
	p.rss_start = p.rss_end;
	assert_says(&v, &plain, "python3[900] orders-api; memory 52 MB dbleak");
	assert_silent_about(&v, &all, "limit");
	p.memory.end = p.rss_end = UNKNOWN64;
	assert_silent_about(&v, &all, "anonymous");
}

/*
 * Where.
 */

/* One finding with a place; the frames are its own until the next. */
static struct report_view *placed(struct frame_view site)
{
	static struct frame_view frames[2];
	static struct finding_view finding;
	static struct process_view process;
	static struct report_view v;

	finding = sample_finding();
	sample_site(&finding, frames);
	frames[1] = site;
	process = sample_process(4711, VERDICT_LEAKING, NULL, &finding);
	v = sample_view(&process, 1);
	return &v;
}

static void a_place_stands_under_the_headline(void **state)
{
	struct report_view *v = placed((struct frame_view){EV_LANG_PYTHON, "monthly",
							   "/srv/shop/app/report.py", .line = 42});

	(void)state;
	assert_says(v, &plain, "on every call where /srv/shop/app/report.py:42 monthly() how bad");
	assert_silent_about(v, &plain, "stack");
	assert_says(v, &all,
		    "where /srv/shop/app/report.py:42 monthly() how Python stack stack "
		    "/usr/lib/python3/dist-packages/psycopg2/__init__.py:122 connect() "
		    "/srv/shop/app/report.py:42 monthly() how bad");
}

static void a_native_place_without_a_line_says_how_to_get_it(void **state)
{
	struct frame_view site = {.language = EV_LANG_NATIVE,
				  .function = "load",
				  .module = "/opt/shop/lib/libfoo.so",
				  .build_id = "ab12",
				  .offset = 0x1234,
				  .flags = EV_FRAME_EXPORTED};

	(void)state;
	assert_says(placed(site), &plain, "where libfoo.so+0x1234 near load() how bad");
	assert_says(placed(site), &all,
		    "line addr2line -Cife /opt/shop/lib/libfoo.so 0x1234 (build "
		    "id ab12) how native stack, function name is a guess: the nearest exported "
		    "symbol stack");
	site.module = "/tmp/x;curl y|sh;#";
	assert_says(placed(site), &all, "line addr2line -Cife '/tmp/x;curl y|sh;#' 0x1234");
	site.module = "/tmp/it's $(x)";
	assert_says(placed(site), &all, "line addr2line -Cife '/tmp/it'\\''s $(x)' 0x1234");
	site.module = "/opt/shop/lib/libfoo.so";
	site.function = NULL;
	assert_says(placed(site), &plain, "where libfoo.so+0x1234 how bad");
	site = (struct frame_view){.language = EV_LANG_NATIVE,
				   .function = "shop::load(int)",
				   .file = "/build/shop.cc",
				   .line = 7,
				   .flags = EV_FRAME_DEFINED};
	assert_says(placed(site), &plain, "where /build/shop.cc:7 shop::load(int) how bad");
	assert_says(placed(site), &all,
		    "exact line unknown: this is the first line of the function");
}

static void a_long_path_keeps_its_tail(void **state)
{
	static const char *const paths[] = {
		"/home/somebody/projects/company/backend/services/orders/app/monthly/report.py",
		"/data/an-application-whose-only-folder-has-a-name-so-long-that-no-line-holds-it/"
		"x.py",
		"/home/somebody/projects/company/backend/services/orders/\xc3\xa9\xc3\xa9/"
		"report.py",
		"/a/"
		"report-with-a-name-so-long-that-it-does-not-fit-any-line-of-eighty-columns-at-all."
		"py",
	};
	static const char *const due[] = {
		"where .../services/orders/app/monthly/report.py:1234567 monthly_totals() how bad",
		"where .../x.py:1234567 monthly_totals() how bad",
		"where .../backend/services/orders/\xc3\xa9\xc3\xa9/report.py:1234567 "
		"monthly_totals() how bad",
		"-that-it-does-not-fit",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct report_view *v = placed((struct frame_view){EV_LANG_PYTHON, "monthly_totals",
								   paths[i], .line = 1234567});

		if (i < 3)
			assert_says(v, &plain, due[i]);
		else
			assert_says(v, &plain,
				    "columns-at-all.py:1234567 monthly_totals() how bad");
		free(print(v, &all));
	}
}

static void a_long_function_is_cut_when_it_does_not_fit(void **state)
{
	struct frame_view site = {.language = EV_LANG_NATIVE,
				  .function = "shop::Orders<std::string, int>::load(int, long)",
				  .file = "a.cc",
				  .line = 42};

	(void)state;
	assert_says(placed(site), &plain,
		    "where a.cc:42 shop::Orders<std::string, int>::load(int, long) how bad");
	site.file = "/srv/shop/orders/src/load.cc";
	assert_says(placed(site), &plain,
		    "where /srv/shop/orders/src/load.cc:42 "
		    "shop::Orders<std::string, int... how bad");
	assert_says(placed(site), &all,
		    "where /srv/shop/orders/src/load.cc:42 "
		    "shop::Orders<std::string, int>::load(int, long) how");
}

static void names_of_places_are_escaped(void **state)
{
	struct frame_view site = {.language = EV_LANG_PYTHON,
				  .function = "\033[31mf\n",
				  .file = "/srv/\033]0;x\007\n/a.py",
				  .line = 1};
	char deep[900];

	(void)state;
	assert_says(placed(site), &plain, "/srv/\\x1b]0;x\\x07\\x0a/a.py:1 \\x1b[31mf\\x0a");
	free(print(placed(site), &all));
	memset(deep, '\033', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	site.function = site.file = site.module = deep;
	free(print(placed(site), &plain));
	free(print(placed(site), &all));
	site.line = 0;
	site.file = NULL;
	site.offset = 1;
	free(print(placed(site), &plain));
	free(print(placed(site), &all));
}

static void a_line_that_is_not_known_is_said_with_its_reason(void **state)
{
	struct report_view *v = placed((struct frame_view){});
	struct finding_view *f = v->processes[0].findings;

	(void)state;
	f->site = NULL;
	f->stack_flags = EV_STACK_CUT | EV_STACK_CALLER;
	assert_says(v, &plain, "where unknown: no line of the program is on the stack how bad");
	assert_says(v, &all, "where unknown: no line of the program is on the stack");
	assert_says(v, &all, "outer frames are missing, only the direct caller is known");
	f->stack_count = 0;
	assert_says(v, &plain, "where unknown: no stack was recorded how bad");
	f->stack_flags = EV_STACK_NAMELESS;
	assert_says(v, &all, "where unknown: the process ended before its stack could be read");
}

static void a_deep_stack_is_cut(void **state)
{
	static struct frame_view frames[EV_STACK_FRAMES];
	struct report_view *v = placed((struct frame_view){});
	struct finding_view *f = v->processes[0].findings;

	(void)state;
	for (size_t i = 0; i < COUNT(frames); i++)
		frames[i] = (struct frame_view){EV_LANG_PYTHON, "recurse", "a.py", .line = i + 1};
	f->stack = frames;
	f->stack_count = COUNT(frames);
	f->site = &frames[3];
	assert_says(v, &all, "a.py:48 recurse() ... and 80 outer frames");
	assert_silent_about(v, &all, "a.py:49");
}

static void what_was_lost_or_not_seen_is_said(void **state)
{
	struct process_view process = sample_process(1, VERDICT_OK, NULL, NULL);
	struct gap_view gaps[] = {{.reason = "tracefs is not mounted"}, {.pid = 5, .comm = "x"}};
	struct report_view v = sample_view(&process, 1);

	(void)state;
	assert_says(&v, &plain, "dbleak used 0.4 % of a CPU. No events lost.");
	v.budget_percent = 0.3;
	assert_says(&v, &plain,
		    "dbleak used 0.4 % of a CPU (budget 0.3 %; a watch costs most at its start). "
		    "No events lost.");
	v.budget_percent = -1;
	v.losses[EV_LOSS_RING_FULL] = 1;
	v.losses[EV_LOSS_TRUNCATED] = 12345;
	v.cut = v.stepped_down = true;
	v.gaps = gaps;
	v.gap_count = COUNT(gaps);
	v.cpu_percent = -1;
	assert_says(
		&v, &plain,
		"INCOMPLETE: the recording was cut, and what came after is not in this report. NO");
	assert_says(&v, &plain, "Lost: 1 event was dropped: some details are missing");
	assert_says(&v, &plain, " 12,345 messages or stacks were not read whole");
	assert_says(
		&v, &plain,
		"dbleak used an unknown share of a CPU and looked less often to keep its budget");
	assert_says(&v, &plain, "(--max-overhead). Events were lost, see above.");
	assert_says(&v, &plain, "Not covered: whole host: tracefs is not mounted");
	assert_says(&v, &plain, "x[5]: unknown reason");
}

static void a_death_at_a_probe_stands_above_all(void **state)
{
	struct process_view process = sample_process(1, VERDICT_LEAKING, NULL, NULL);
	struct gap_view gaps[] = {
		{.pid = 9, .comm = "victim", .reason = "died of SIGILL", .withdrawn = true},
		{.reason = "tracefs is not mounted"},
	};
	struct report_view v = sample_view(&process, 1);
	char *text;

	(void)state;
	v.gaps = gaps;
	v.gap_count = COUNT(gaps);
	text = print(&v, &plain);
	assert_int_equal(strncmp(text, "HARM: victim[9]: died of SIGILL.\n", 33), 0);
	assert_null(strstr(strstr(text, "died of") + 1, "died of"));
	assert_non_null(strstr(text, "Not covered: whole host: tracefs"));
	free(text);
}

static void what_is_not_counted_any_more_is_said_by_its_name(void **state)
{
	struct process_view process = sample_process(1, VERDICT_OK, NULL, NULL);
	struct gap_view gaps[] = {
		{.subject = "results of libpq",
		 .reason = "results of libpq: not counted after 9 s"},
		{.reason = "tracefs is not mounted"},
	};
	struct report_view v = sample_view(&process, 1);

	(void)state;
	v.gaps = gaps;
	v.gap_count = COUNT(gaps);
	assert_says(&v, &plain,
		    "Not covered: results of libpq: not counted after 9 s whole host: tracefs");
	assert_says(&v, &all,
		    "Not covered: results of libpq: not counted after 9 s whole host: tracefs");
}

static void libraries_are_listed_when_all_is_asked_for(void **state)
{
	struct process_view process = sample_process(1, VERDICT_OK, NULL, NULL);
	struct library_view libraries[] = {
		{.path = "/usr/lib/libpq.so.5",
		 .probes = 18,
		 .cheap = 14,
		 .hits = 1234,
		 .attach_seconds = 0.35},
		{.path = NULL,
		 .probes = 1,
		 .hits = UNKNOWN64,
		 .attach_seconds = -1,
		 .detached = true},
	};
	struct report_view v = sample_view(&process, 1);

	(void)state;
	v.libraries = libraries;
	v.library_count = COUNT(libraries);
	assert_says(
		&v, &all,
		"Libraries: /usr/lib/libpq.so.5: 18 probes (14 cheap), 1,234 hits, attached after "
		"0.350 s");
	assert_says(&v, &all, "not attached; counting was switched off (budget)");
	assert_silent_about(&v, &plain, "libpq");
	v.process_count = 0;
	assert_says(&v, &plain, "not by their port, and client libraries by their calls. If one");
}

static void nothing_found_is_a_friendly_sentence(void **state)
{
	struct report_view v = sample_view(NULL, 0);

	(void)state;
	assert_says(&v, &plain,
		    "NO DATABASE CLIENT SEEN. Watched 30 s from 2023-11-14 22:13:20 UTC. No "
		    "process had");
	assert_says(&v, &plain, "dbleak doctor");
	v.mode = EV_MODE_RUN;
	assert_says(&v, &plain, "NO DATABASE CLIENT SEEN. Run of 30 s from");
	assert_says(&v, &plain, "No process had a database connection.");
	v.mode = EV_MODE_SNAPSHOT;
	assert_says(&v, &plain,
		    "ONE LOOK: 0 processes with a database, 0 connections open, at 2023-11-14 "
		    "22:13:20 UTC. No database connection is open now.");
}

static void long_lists_are_cut_unless_all_is_asked_for(void **state)
{
	struct finding_view findings[8];
	struct process_view processes[120];
	struct gap_view gaps[40];
	char reasons[40][16], whys[40][16];
	struct report_view v = sample_view(processes, COUNT(processes));

	(void)state;
	for (size_t i = 0; i < COUNT(findings); i++)
		findings[i] = sample_finding();
	for (size_t i = 0; i < COUNT(gaps); i++)
		gaps[i] = (struct gap_view){.pid = i + 1, .comm = "gap", .reason = whys[i]};
	for (size_t i = 0; i < COUNT(whys); i++)
		snprintf(whys[i], sizeof(whys[i]), "why %zu", i);
	for (size_t i = 0; i < COUNT(processes); i++)
		processes[i] = sample_process(i + 1, i < 40 ? VERDICT_UNKNOWN : VERDICT_OK, NULL,
					      NULL);
	for (size_t i = 0; i < COUNT(reasons); i++) {
		snprintf(reasons[i], sizeof(reasons[i]), "reason %zu", i);
		processes[i].verdict_reason = reasons[i];
	}
	processes[119] = sample_process(5000, VERDICT_LEAKING, NULL, findings);
	processes[119].finding_count = COUNT(findings);
	v.gaps = gaps;
	v.gap_count = COUNT(gaps);
	assert_says(&v, &plain, "... and 3 more findings; -v shows them");
	assert_says(&v, &plain, "... and 20 more; -v shows all");
	assert_says(&v, &plain, "79 processes, 0 connections open: 79 x python3");
	assert_silent_about(&v, &all, "-v");
	assert_says(&v, &all, "No leak seen: python3[41] orders-api, on the host No leak seen:");
}

static void a_terminal_has_its_own_width(void **state)
{
	static const size_t widths[] = {20, 60, 80, 132, 200, 1000};
	struct frame_view frames[2];
	struct finding_view f = sample_finding();
	struct process_view processes[] = {sample_process(7, VERDICT_LEAKING, NULL, &f),
					   sample_process(8, VERDICT_LEAKING, NULL, &f)};
	struct report_view v = sample_view(processes, 2);

	(void)state;
	sample_site(&f, frames);
	for (size_t i = 0; i < COUNT(widths); i++) {
		struct text_options o = {.columns = widths[i]};
		char *text = print_raw(&v, &o);

		assert_fits(text, widths[i] < PAGE_COLUMNS_LEAST  ? PAGE_COLUMNS_LEAST
				  : widths[i] > PAGE_COLUMNS_MOST ? PAGE_COLUMNS_MOST
								  : widths[i]);
		if (widths[i] >= 132)
			assert_non_null(strstr(text, "report.py:42 monthly()\n"));
		free(text);
	}
}

static void a_narrow_terminal_shows_what_a_file_does(void **state)
{
	struct text_options narrow = {.columns = 20};
	struct frame_view frames[2];
	struct finding_view f = sample_finding();
	struct endpoint_view endpoint = sample_endpoint(3);
	struct process_view processes[] = {sample_process(7, VERDICT_LEAKING, &endpoint, &f),
					   sample_process(8, VERDICT_LEAKING, NULL, &f)};
	struct report_view v = sample_view(processes, 2);

	(void)state;
	sample_site(&f, frames);
	assert_says(&v, &narrow, "python3[7]: connections, certain, +24/min, limit in 3.7 min?");
	assert_says(&v, &narrow, "where report.py:42 monthly()");
	assert_says(&v, &narrow, f.evidence[0]);
	v.mode = EV_MODE_SNAPSHOT;
	assert_says(&v, &narrow, ": OPEN 3, IDLE 3, IN-TX 0, HUNG 0, OLDEST");
}

static void locked_rows_are_more_urgent_than_others(void **state)
{
	struct finding_view old = finding_of(VERDICT_STUCK), locks = old, young = old;
	struct process_view processes[] = {
		sample_process(1, VERDICT_STUCK, NULL, &young),
		sample_process(2, VERDICT_STUCK, NULL, &old),
		sample_process(3, VERDICT_STUCK, NULL, &locks),
		sample_process(4, VERDICT_STUCK, NULL, &locks),
	};
	struct report_view v = sample_view(processes, 4);

	(void)state;
	locks.changed_rows = true;
	young.oldest_seconds = old.oldest_seconds / 2;
	assert_int_equal(pid_at(&v, 0), 3);
	assert_int_equal(pid_at(&v, 1), 4);
	assert_int_equal(pid_at(&v, 2), 2);
	assert_int_equal(pid_at(&v, 3), 1);
	processes[2].exited = processes[3].exited = true; /* what it locked is free */
	assert_int_equal(pid_at(&v, 0), 2);
}

static void a_holder_at_work_is_not_said_to_sleep(void **state)
{
	struct finding_view f = sample_finding();
	struct process_view process = sample_process(7, VERDICT_LEAKING, NULL, &f);
	struct report_view v = sample_view(&process, 1);

	(void)state;
	f.holder = (struct holder_view){.state = HOLDER_WAITING, .since_seconds = 31};
	assert_says(&v, &plain, "holder the thread that used the oldest one last sleeps for 31 s");
	f.holder.since_seconds = 0.4;
	assert_silent_about(&v, &plain, "holder");
}

static void an_unknown_line_says_how_to_get_one(void **state)
{
	struct finding_view f = sample_finding();
	struct process_view process = sample_process(7, VERDICT_LEAKING, NULL, &f);
	struct report_view v = sample_view(&process, 1);

	(void)state;
	f.to_get_line = "watch longer";
	assert_says(&v, &plain,
		    "where unknown: no stack was recorded (to get a line: watch longer)");
}

static void objects_from_before_the_watch_were_not_opened_in_it(void **state)
{
	struct finding_view f = sample_finding();
	struct process_view process = sample_process(7, VERDICT_LEAKING, NULL, &f);
	struct report_view v = sample_view(&process, 1);

	(void)state;
	f.earlier = 9;
	assert_says(&v, &plain, "3 opened, 9 open before the watch, 0 closed, 12 leaked");
}

static void what_a_baseline_knows_is_said_and_what_is_gone(void **state)
{
	static const char *const gone[] = {"0000000000000001", "0000000000000002",
					   "0000000000000003", "0000000000000004"};
	struct finding_view f = sample_finding();
	struct process_view p = sample_process(1, VERDICT_LEAKING, NULL, &f);
	struct report_view v = sample_view(&p, 1);

	(void)state;
	assert_silent_about(&v, &plain, ", known");
	f.known = true;
	v.baseline = (struct baseline_view){.given = true, .known = 1};
	assert_says(&v, &plain,
		    "LEAK: 1 process leaks connections. Nothing new: the baseline has "
		    "all of it.");
	assert_says(&v, &plain, "certain, on every call, known");
	assert_says(&v, &plain, "Baseline has 1 of these findings, 0 are new.");
	f.known = false;
	v.baseline = (struct baseline_view){
		.given = true, .fresh = 1, .gone = gone, .gone_count = 4};
	assert_silent_about(&v, &plain, "Nothing new");
	assert_says(&v, &plain,
		    "Baseline has 0 of these findings, 1 is new. 4 of it were not seen "
		    "any more: 0000000000000001, 0000000000000002, 0000000000000003, ...");
	assert_says(&v, &all, "0000000000000003, 0000000000000004.");
}

static void the_test_that_leaks_is_named(void **state)
{
	struct finding_view f = sample_finding();
	struct process_view p = sample_process(1, VERDICT_LEAKING, NULL, &f);
	struct report_view v = sample_view(&p, 1);

	(void)state;
	assert_silent_about(&v, &plain, " test ");
	f.test = "test_orders.py::test_pay\x1b[2J";
	assert_says(&v, &plain, " test test_orders.py::test_pay\\x1b[2J how bad");
}

static void a_wide_page_cuts_and_wraps_nothing(void **state)
{
	char path[221], sql[901];
	struct frame_view frames[2];
	struct finding_view f = sample_finding();
	struct endpoint_view endpoint = sample_endpoint(3);
	struct process_view processes[] = {sample_process(7, VERDICT_LEAKING, &endpoint, &f),
					   sample_process(8, VERDICT_LEAKING, &endpoint, &f)};
	struct report_view v = sample_view(processes, 2);
	struct text_options wide = {.wide = true, .columns = 60};
	char *text;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(sql); i++)
		sql[i] = "select column "[i % 14];
	for (size_t i = 0; i + 1 < sizeof(path); i++)
		path[i] = "/folder"[i % 7];
	sql[sizeof(sql) - 1] = path[sizeof(path) - 1] = 0;
	sample_site(&f, frames);
	frames[1].file = path;
	f.sql = sql;
	text = print_raw(&v, &wide);
	assert_non_null(strstr(text, path));
	assert_non_null(strstr(text, sql));
	free(text);
	text = print_raw(&v, &plain);
	assert_null(strstr(text, path));
	assert_null(strstr(text, sql));
	free(text);
	v.mode = EV_MODE_SNAPSHOT;
	endpoint.name = path;
	text = print_raw(&v, &wide);
	assert_non_null(strstr(text, path));
	free(text);
}

static void one_reason_of_many_processes_is_one_line(void **state)
{
	struct process_view processes[12];
	struct gap_view gaps[5];
	struct report_view v = sample_view(processes, COUNT(processes));

	(void)state;
	for (size_t i = 0; i < COUNT(processes); i++) {
		processes[i] = sample_process(i + 1, VERDICT_UNKNOWN, NULL, NULL);
		processes[i].verdict_reason = "silent";
	}
	for (size_t i = 0; i < COUNT(gaps); i++)
		gaps[i] = (struct gap_view){.pid = i + 1, .comm = "gap", .reason = "why"};
	v.gaps = gaps;
	v.gap_count = COUNT(gaps);
	assert_says(&v, &plain,
		    "python3[1] orders-api, python3[2] orders-api, python3[3] orders-api and 9 "
		    "more: silent");
	assert_says(&v, &plain, "gap[1], gap[2], gap[3] and 2 more: why");
	assert_says(&v, &all, "python3[12] orders-api, on the host: silent");
}

static void names_beyond_a_dozen_are_counted(void **state)
{
	struct process_view processes[20];
	struct report_view v = sample_view(processes, COUNT(processes));
	char comms[20][8];

	(void)state;
	for (size_t i = 0; i < COUNT(processes); i++) {
		processes[i] = sample_process(i + 1, VERDICT_OK, NULL, NULL);
		snprintf(comms[i], sizeof(comms[i]), "app%zu", i);
		processes[i].comm = comms[i];
	}
	assert_says(&v, &plain, "app11[12] orders-api and 8 others");
}

static void a_snapshot_is_a_table_that_accuses_nobody(void **state)
{
	static const char expected[] =
		"ONE LOOK: 2 processes with a database, 15 connections open, at\n"
		"  2023-11-14 22:13:20 UTC.\n"
		"\n"
		"PROCESS    DATABASE                              OPEN IDLE IN-TX HUNG   OLDEST\n"
		"node[812]  pg /run/postgresql/.s.PGSQL.5432/shop    3    3     ?    1   3 days\n"
		"java[4711] mysql? db1:3306                         12   11    10    0        ?\n"
		"\n"
		"columns   IN-TX: in a transaction. HUNG: the server has closed its end, the\n"
		"          client has not (CLOSE_WAIT). OLDEST: the longest that one of them has\n"
		"          been idle. ?: one look cannot tell.\n"
		"note      One look cannot prove a leak: an idle pool looks the same. Watch to\n"
		"          see growth:\n"
		"          sudo dbleak watch -p 812 --duration 60\n"
		"dbleak used 0.4 % of a CPU. No events lost.\n";
	struct endpoint_view java = sample_endpoint(12), node = sample_endpoint(3);
	struct process_view processes[] = {
		sample_process(4711, VERDICT_STUCK, &java, NULL),
		sample_process(812, VERDICT_OK, &node, NULL),
	};
	struct report_view v = sample_view(processes, COUNT(processes));

	(void)state;
	v.mode = EV_MODE_SNAPSHOT;
	processes[0].comm = "java";
	processes[1].comm = "node";
	java.database = EV_DB_MYSQL;
	java.guessed = true;
	java.address = "db1:3306";
	java.name = NULL;
	java.connections.idle = 11;
	java.connections.in_transaction = 10;
	java.oldest_idle_seconds = -1;
	node.address = "/run/postgresql/.s.PGSQL.5432";
	node.connections.in_transaction = UNKNOWN64;
	node.connections.close_wait = 1;
	node.oldest_idle_seconds = 3 * 86400;

	char *text = print(&v, &plain);

	assert_string_equal(text, expected);
	free(text);
}

static void a_snapshot_of_many_rows_is_cut(void **state)
{
	struct endpoint_view endpoint = sample_endpoint(1234567);
	struct process_view processes[300];
	struct report_view v = sample_view(processes, COUNT(processes));

	(void)state;
	v.mode = EV_MODE_SNAPSHOT;
	endpoint.connections.idle = 54321;
	for (size_t i = 0; i < COUNT(processes); i++) {
		processes[i] = sample_process(i + 1, VERDICT_OK, &endpoint, NULL);
		processes[i].runtime = "docker";
		processes[i].container_name = "a-container-with-a-very-long-name";
	}
	assert_says(&v, &plain, "... and 250 more rows; -v shows them");
	assert_says(&v, &plain, " 1M 54k ");
	assert_silent_about(&v, &all, "-v shows");
}

static void a_long_name_of_a_container_is_told_whole(void **state)
{
	struct finding_view f = sample_finding();
	struct process_view process = sample_process(7, VERDICT_LEAKING, NULL, &f);
	struct report_view v = sample_view(&process, 1);

	(void)state;
	process.runtime = "docker";
	process.container_name = "shop-production-orders-api-7f9c5d6b8-x2x4q";
	assert_says(&v, &plain, "orders-api, in docker shop-production-orders-api-7f9c5d6b8-x2x4q");
}

static void a_pod_is_told_with_its_container(void **state)
{
	struct finding_view f = sample_finding();
	struct process_view process = sample_process(7, VERDICT_LEAKING, NULL, &f);
	struct report_view v = sample_view(&process, 1);

	(void)state;
	process.runtime = "containerd";
	process.container_id = "0123456789abcdef";
	process.container_name = "api";
	process.pod = "web-7d9";
	process.pod_namespace = "shop";
	process.image = "registry.example/shop/api:1.4";
	assert_says(&v, &plain, "orders-api, in pod shop/web-7d9, container api");
	assert_silent_about(&v, &plain, "in containerd");
	process.container_name = NULL;
	assert_says(&v, &plain, "orders-api, in pod shop/web-7d9");
	assert_silent_about(&v, &plain, "container api");
}

static void sql_is_shortened_unless_all_is_asked_for(void **state)
{
	struct finding_view f = sample_finding();
	struct process_view process = sample_process(7, VERDICT_LEAKING, NULL, &f);
	struct report_view v = sample_view(&process, 1);
	char sql[512];

	(void)state;
	for (size_t i = 0; i < sizeof(sql) - 1; i++)
		sql[i] = i % 9 == 8 ? ' ' : 'q';
	strcpy(sql + sizeof(sql) - 5, "last");
	f.sql = sql;
	assert_says(&v, &plain, "qq ... fix");
	assert_silent_about(&v, &plain, "last fix");
	assert_says(&v, &all, "last fix");
}

static void numbers_have_human_units(void **state)
{
	static const struct {
		double seconds;
		const char *says;
	} durations[] = {
		{0, "0 s"},	      {0.4, "0.4 s"},	   {0.99, "1 s"},    {31, "31 s"},
		{119, "119 s"},	      {120, "2 min"},	   {150, "2.5 min"}, {2530, "42 min"},
		{7170, "2 h"},	      {9000, "2.5 h"},	   {86400, "24 h"},  {172800, "2 days"},
		{216000, "2.5 days"}, {1e9, "11574 days"},
	};
	static const struct {
		uint64_t n;
		const char *bytes, *count;
	} numbers[] = {
		{0, "0 B", "0"},
		{999, "999 B", "999"},
		{1000, "1 kB", "1,000"},
		{1500000, "1.5 MB", "1,500,000"},
		{999900000, "1 GB", "999,900,000"},
		{45000000000000, "45 TB", "45,000,000,000,000"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(durations); i++) {
		struct words w = {0};

		words_duration(&w, durations[i].seconds);
		assert_string_equal(w.text, durations[i].says);
	}
	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct words bytes = {0}, count = {0};

		words_bytes(&bytes, numbers[i].n);
		words_count(&count, numbers[i].n);
		assert_string_equal(bytes.text, numbers[i].bytes);
		assert_string_equal(count.text, numbers[i].count);
	}
}

/* Removes colours and nothing else. */
static void strip_colours(char *text)
{
	char *to = text;

	while (*text) {
		if (!strncmp(text, "\033[", 2))
			text += strcspn(text, "m") + 1;
		else
			*to++ = *text++;
	}
	*to = '\0';
}

static void colour_changes_nothing_but_colour(void **state)
{
	struct finding_view f = sample_finding();
	struct process_view process = sample_process(7, VERDICT_LEAKING, NULL, &f);
	struct report_view v = sample_view(&process, 1);
	char *grey = print(&v, &plain), *bright = print_raw(&v, &coloured);

	(void)state;
	assert_null(strchr(grey, '\033'));
	assert_non_null(strstr(bright, "\033[1;31mLEAK:\033[0m"));
	strip_colours(bright);
	assert_string_equal(bright, grey);
	free(bright);
	free(grey);
}

static const char *const hostile[] = {
	"",
	"x",
	"\033[2J\033[31m\007\b\r\n\t",
	"\xc2\x9b\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xef\xbb\xbf\xff\xfe\x80",
	"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xf0\x9f\x90\x98 \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	"a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 "
	"9",
	"an/endless/path/without/any/space/an/endless/path/without/any/space/an/endless/path/"
	"without"
	"/any/space/an/endless/path/without/any/space/an/endless/path/without/any/space",
	"%s%n%d %1000000d",
	"                                                                                        ",
	"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 "
	"34",
};

static uint32_t next(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return *random >> 16;
}

static const char *any_text(uint32_t *random)
{
	size_t i = next(random) % (COUNT(hostile) + 1);

	return i < COUNT(hostile) ? hostile[i] : NULL;
}

static uint64_t any_count(uint32_t *random)
{
	static const uint64_t counts[] = {0, 1, 2, 999, 1000, 123456789, UNKNOWN64 - 1, UNKNOWN64};

	return counts[next(random) % COUNT(counts)];
}

static double any_number(uint32_t *random)
{
	static const double numbers[] = {-1, 0, 0.3, 1, 59, 3601, 1e7, 1e30, INFINITY, NAN};

	return numbers[next(random) % COUNT(numbers)];
}

static struct finding_view any_finding(uint32_t *random, const char **evidence)
{
	evidence[0] = any_text(random);
	evidence[0] = evidence[0] ? evidence[0] : "";
	evidence[1] = hostile[next(random) % COUNT(hostile)];
	return (struct finding_view){
		.verdict = next(random) % (VERDICT_LEAKING + 1),
		.confidence = next(random) % (CONFIDENCE_CERTAIN + 1),
		.cause = next(random) % (CAUSE_UNFREED_MEMORY + 1),
		.kind = next(random) % (KIND_IMPLICIT + 1),
		.resource = next(random) % (RESOURCE_MEMORY + 1),
		.database = next(random) % (EV_DB_SQLITE + 2),
		.endpoint = any_text(random),
		.acquired = any_count(random),
		.released = any_count(random),
		.earlier = any_count(random),
		.to_get_line = any_text(random),
		.exhausts_realtime_ns = any_count(random),
		.open = any_count(random),
		.oldest_seconds = any_number(random),
		.oldest_is_minimum = next(random) & 1,
		.growth_per_minute = any_number(random),
		.in_transaction = any_count(random),
		.bytes = any_count(random),
		.rows = any_count(random),
		.sql = any_text(random),
		.evidence = evidence,
		.evidence_count = next(random) % 3,
		.advice = any_text(random),
		.test = any_text(random),
		.known = next(random) & 1,
		.now = any_text(random),
		.exhausts_limit = any_text(random),
		.exhausts_seconds = any_number(random),
	};
}

static struct endpoint_view any_endpoint(uint32_t *random)
{
	struct endpoint_view e = {
		.database = next(random) % (EV_DB_SQLITE + 2),
		.address = any_text(random),
		.name = any_text(random),
		.user = any_text(random),
		.guessed = next(random) & 1,
		.oldest_idle_seconds = any_number(random),
	};

	e.connections.open = any_count(random);
	e.connections.idle = any_count(random);
	e.connections.in_transaction = any_count(random);
	e.connections.close_wait = any_count(random);
	e.transactions.begun = any_count(random);
	return e;
}

static struct process_view any_process(uint32_t *random, struct endpoint_view *e,
				       struct finding_view *f)
{
	return (struct process_view){
		.pid = next(random) * 64,
		.comm = any_text(random),
		.cmdline = any_text(random),
		.exited = next(random) & 1,
		.role = next(random) % 4,
		.runtime = any_text(random),
		.container_id = any_text(random),
		.container_name = any_text(random),
		.pod = any_text(random),
		.pod_namespace = any_text(random),
		.image = any_text(random),
		.verdict = next(random) % (VERDICT_LEAKING + 1),
		.verdict_reason = any_text(random),
		.endpoints = e,
		.endpoint_count = next(random) % 2,
		.findings = f,
		.finding_count = next(random) % 2,
	};
}

static struct frame_view any_frame(uint32_t *random)
{
	return (struct frame_view){.language = next(random) % (EV_LANG_GO + 2),
				   .function = any_text(random),
				   .file = any_text(random),
				   .module = any_text(random),
				   .line = next(random) % 3,
				   .offset = next(random) % 2};
}

static void every_line_of_any_report_fits(void **state)
{
	static const size_t widths[] = {0, 40, 60, 80, 200};
	uint32_t random = 42;

	(void)state;
	for (int round = 0; round < 1500; round++) {
		struct finding_view findings[4];
		struct endpoint_view endpoints[4];
		struct process_view processes[4];
		struct gap_view gap = {.pid = next(&random),
				       .comm = any_text(&random),
				       .subject = any_text(&random),
				       .reason = any_text(&random)};
		struct library_view library = {.path = any_text(&random),
					       .probes = any_count(&random),
					       .hits = any_count(&random),
					       .attach_seconds = any_number(&random)};
		struct report_view v = sample_view(processes, next(&random) % 5);
		struct text_options o = {.show_all = next(&random) & 1,
					 .columns = widths[next(&random) % COUNT(widths)]};
		struct frame_view frames[4];
		const char *evidence[4][2];

		for (size_t i = 0; i < 4; i++) {
			findings[i] = any_finding(&random, evidence[i]);
			endpoints[i] = any_endpoint(&random);
			processes[i] = any_process(&random, &endpoints[i], &findings[i]);
			frames[i] = any_frame(&random);
			findings[i].site = next(&random) & 1 ? &frames[i / 2] : NULL;
			findings[i].part_of = i && !(next(&random) & 3) ? &findings[0] : NULL;
		}
		processes[0].finding_count = next(&random) % 5;
		v.mode = next(&random) % 4;
		v.seconds = any_number(&random);
		v.cpu_percent = any_number(&random);
		v.gaps = &gap;
		v.gap_count = next(&random) % 2;
		v.libraries = &library;
		v.library_count = next(&random) % 2;
		v.losses[next(&random) % EV_LOSS_KINDS] = any_count(&random);
		free(print(&v, &o));
	}
}

static void a_full_disk_is_an_error(void **state)
{
	struct report_view v = sample_view(NULL, 0);
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	assert_int_equal(report_text(full, &v, &plain), -ENOSPC);
	fclose(full);
}

static void an_error_long_before_the_end_is_an_error(void **state)
{
	struct report_view v = sample_view(NULL, 0);
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	setvbuf(full, NULL, _IONBF, 0);
	assert_true(report_text(full, &v, &plain) < 0);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leak_is_told_whole),
		cmocka_unit_test(each_finding_is_named_and_counted),
		cmocka_unit_test(the_first_line_is_the_answer),
		cmocka_unit_test(the_first_line_says_what_is_urgent),
		cmocka_unit_test(findings_of_one_function_are_rows),
		cmocka_unit_test(a_terminal_has_its_own_width),
		cmocka_unit_test(a_narrow_terminal_shows_what_a_file_does),
		cmocka_unit_test(locked_rows_are_more_urgent_than_others),
		cmocka_unit_test(a_holder_at_work_is_not_said_to_sleep),
		cmocka_unit_test(an_unknown_line_says_how_to_get_one),
		cmocka_unit_test(objects_from_before_the_watch_were_not_opened_in_it),
		cmocka_unit_test(what_a_baseline_knows_is_said_and_what_is_gone),
		cmocka_unit_test(the_test_that_leaks_is_named),
		cmocka_unit_test(a_wide_page_cuts_and_wraps_nothing),
		cmocka_unit_test(many_that_only_the_end_closed_are_said),
		cmocka_unit_test(facts_about_a_process_are_said),
		cmocka_unit_test(a_place_stands_under_the_headline),
		cmocka_unit_test(a_native_place_without_a_line_says_how_to_get_it),
		cmocka_unit_test(a_long_path_keeps_its_tail),
		cmocka_unit_test(a_long_function_is_cut_when_it_does_not_fit),
		cmocka_unit_test(names_of_places_are_escaped),
		cmocka_unit_test(a_line_that_is_not_known_is_said_with_its_reason),
		cmocka_unit_test(a_deep_stack_is_cut),
		cmocka_unit_test(what_was_lost_or_not_seen_is_said),
		cmocka_unit_test(a_death_at_a_probe_stands_above_all),
		cmocka_unit_test(what_is_not_counted_any_more_is_said_by_its_name),
		cmocka_unit_test(libraries_are_listed_when_all_is_asked_for),
		cmocka_unit_test(nothing_found_is_a_friendly_sentence),
		cmocka_unit_test(long_lists_are_cut_unless_all_is_asked_for),
		cmocka_unit_test(one_reason_of_many_processes_is_one_line),
		cmocka_unit_test(names_beyond_a_dozen_are_counted),
		cmocka_unit_test(a_snapshot_is_a_table_that_accuses_nobody),
		cmocka_unit_test(a_snapshot_of_many_rows_is_cut),
		cmocka_unit_test(a_long_name_of_a_container_is_told_whole),
		cmocka_unit_test(a_pod_is_told_with_its_container),
		cmocka_unit_test(sql_is_shortened_unless_all_is_asked_for),
		cmocka_unit_test(numbers_have_human_units),
		cmocka_unit_test(colour_changes_nothing_but_colour),
		cmocka_unit_test(memory_that_is_kept_is_told_whole),
		cmocka_unit_test(who_holds_memory_is_told_when_all_is),
		cmocka_unit_test(every_line_of_any_report_fits),
		cmocka_unit_test(a_full_disk_is_an_error),
		cmocka_unit_test(an_error_long_before_the_end_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
