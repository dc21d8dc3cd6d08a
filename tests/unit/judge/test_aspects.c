/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_aspects.c - two findings of one leak are told as one, and of two leaks as two; a leak has a
 * name that stays; and who is on call is told what to do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/table.h"
#include "user/judge/aspects.h"
#include "user/judge/fingerprint.h"
#include "user/judge/now.h"
#include "tests/unit/support/sample_view.h"

static struct frame_view here = {EV_LANG_PYTHON, "monthly", "/srv/app.py", .line = 42};
static struct frame_view there = {EV_LANG_PYTHON, "monthly", "/srv/app.py", .line = 43};

static struct finding_view finding(enum cause cause, uint64_t open, struct frame_view *site)
{
	struct finding_view f = sample_finding();

	f.cause = cause;
	f.resource = cause == CAUSE_UNCLOSED_CONNECTION ? RESOURCE_CONNECTION
		     : cause == CAUSE_OPEN_TRANSACTION	? RESOURCE_TRANSACTION
		     : cause == CAUSE_UNFREED_RESULT	? RESOURCE_RESULT
							: RESOURCE_STATEMENT;
	f.open = open;
	f.site = site;
	return f;
}

/* The index of the whole, or -1. */
static int part_of(struct finding_view *f, size_t count, size_t which)
{
	struct process_view p = {.findings = f, .finding_count = count};

	aspects_find(&p);
	return f[which].part_of ? (int)(f[which].part_of - f) : -1;
}

static void a_transaction_is_told_with_its_connection(void **state)
{
	struct finding_view f[] = {
		finding(CAUSE_UNCLOSED_CONNECTION, 12, &there),
		finding(CAUSE_UNCLOSED_CONNECTION, 12, &here),
		finding(CAUSE_OPEN_TRANSACTION, 12, &here),
	};

	(void)state;
	assert_int_equal(part_of(f, 3, 2), 1);
	assert_null(f[0].part_of);
	assert_null(f[1].part_of);
	f[2].site = NULL; /* any of them */
	assert_int_equal(part_of(f, 3, 2), 0);
	f[2].endpoint = "elsewhere";
	assert_int_equal(part_of(f, 3, 2), -1);
	f[2].endpoint = f[0].endpoint;
	f[2].open = 13; /* more than the connections have */
	assert_int_equal(part_of(f, 3, 2), -1);
	f[2].open = 1;
	f[0].in_transaction = f[1].in_transaction = 0;
	assert_int_equal(part_of(f, 3, 2), -1);
}

static void what_has_another_line_stands_for_itself(void **state)
{
	struct finding_view f[] = {
		finding(CAUSE_CACHE_GROWTH, 100, &here),
		finding(CAUSE_UNFREED_RESULT, 100, &there),
	};

	(void)state;
	assert_int_equal(part_of(f, 2, 1), -1);
	f[1].site = &here;
	assert_int_equal(part_of(f, 2, 1), 0);
	f[0].site = f[1].site = NULL;
	assert_int_equal(part_of(f, 2, 1), -1);
	f[0].site = f[1].site = &here;
	f[0].resource = RESOURCE_MEMORY; /* growth of memory has its own numbers */
	assert_int_equal(part_of(f, 2, 1), -1);
}

static void a_part_of_a_part_belongs_to_the_whole(void **state)
{
	struct finding_view f[] = {
		finding(CAUSE_UNFREED_RESULT, 3, &here),
		finding(CAUSE_UNCLOSED_STATEMENT, 3, &here),
		finding(CAUSE_UNCLOSED_CONNECTION, 3, &here),
	};

	(void)state;
	assert_int_equal(part_of(f, 3, 0), 2);
	assert_int_equal(part_of(f, 3, 1), 2);
	assert_int_equal(part_of(f, 3, 2), -1);
}

static void who_is_on_call_is_told_what_helps(void **state)
{
	static const struct {
		enum cause cause;
		enum resource resource;
		enum ev_database database;
		bool exited, container;
		const char *says;
	} cases[] = {
		{CAUSE_UNCLOSED_CONNECTION, RESOURCE_CONNECTION, EV_DB_MYSQL, false, false,
		 "restart the process: that closes its connections"},
		{CAUSE_UNCLOSED_CONNECTION, RESOURCE_CONNECTION, EV_DB_MYSQL, false, true,
		 "restart docker web1: that closes its connections"},
		{CAUSE_UNCLOSED_CONNECTION, RESOURCE_CONNECTION, EV_DB_SQLITE, false, false,
		 "before it runs out of file descriptors"},
		{CAUSE_UNCLOSED_CONNECTION, RESOURCE_CONNECTION, EV_DB_MYSQL, true, false,
		 "nothing: the connections were closed"},
		{CAUSE_OPEN_TRANSACTION, RESOURCE_TRANSACTION, EV_DB_POSTGRESQL, false, false,
		 "pg_stat_activity"},
		{CAUSE_OPEN_TRANSACTION, RESOURCE_TRANSACTION, EV_DB_MYSQL, false, false,
		 "innodb_trx"},
		{CAUSE_OPEN_TRANSACTION, RESOURCE_TRANSACTION, EV_DB_SQLITE, false, false,
		 "others wait for its locks"},
		{CAUSE_OPEN_TRANSACTION, RESOURCE_TRANSACTION, EV_DB_SQLITE, true, false,
		 "rolled back when the process ended"},
		{CAUSE_UNBOUNDED_RESULT, RESOURCE_RESULT, EV_DB_SQLITE, false, false,
		 "nothing, if"},
		{CAUSE_CACHE_GROWTH, RESOURCE_STATEMENT, EV_DB_SQLITE, false, false,
		 "when its memory gets short"},
		{CAUSE_CACHE_GROWTH, RESOURCE_MEMORY, EV_DB_UNKNOWN, false, false,
		 "no limit is known to be near"},
		{CAUSE_WAL_GROWTH, RESOURCE_CURSOR, EV_DB_SQLITE, false, false, "checkpoint"},
		{CAUSE_UNFREED_RESULT, RESOURCE_RESULT, EV_DB_MYSQL, true, false,
		 "nothing: the process has ended"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena *a = arena_open();
		struct finding_view f = sample_finding();
		struct process_view p = sample_process(7, VERDICT_LEAKING, NULL, &f);
		const char *now;

		f.cause = cases[i].cause;
		f.resource = cases[i].resource;
		f.database = cases[i].database;
		f.exhausts_limit = NULL;
		p.exited = cases[i].exited;
		p.runtime = cases[i].container ? "docker" : NULL;
		p.container_name = cases[i].container ? "web1" : NULL;
		now = now_for(a, &p, &f);
		if (!strstr(now, cases[i].says))
			fail_msg("'%s' is not in '%s'", cases[i].says, now);
		assert_null(strchr(now, '%'));
		arena_close(a);
	}
}

static void a_pod_is_what_to_restart(void **state)
{
	struct arena *a = arena_open();
	struct finding_view f = sample_finding();
	struct process_view p = sample_process(7, VERDICT_LEAKING, NULL, &f);

	(void)state;
	p.runtime = "containerd";
	p.container_name = "api";
	p.pod = "web-7d9";
	p.pod_namespace = "shop";
	assert_non_null(strstr(now_for(a, &p, &f), "restart pod shop/web-7d9"));
	arena_close(a);
}

static void a_near_limit_of_memory_is_urgent(void **state)
{
	struct arena *a = arena_open();
	struct finding_view f = sample_memory();
	struct process_view p = sample_process(7, VERDICT_LEAKING, NULL, &f);

	(void)state;
	assert_non_null(strstr(now_for(a, &p, &f), "before that, or raise the limit"));
	f.exhausts_seconds = 1e6;
	assert_non_null(strstr(now_for(a, &p, &f), "no limit is known to be near"));
	arena_close(a);
}

static bool same_name(const struct process_view *p, const struct finding_view *a,
		      const struct finding_view *b)
{
	struct finding_view one = *a, other = *b;

	fingerprint_set(p, &one);
	fingerprint_set(p, &other);
	assert_int_equal(strlen(one.fingerprint), 16);
	return !strcmp(one.fingerprint, other.fingerprint);
}

static void a_leak_keeps_its_name_from_one_report_to_the_next(void **state)
{
	struct finding_view a = finding(CAUSE_UNCLOSED_CONNECTION, 3, &here), b = a;
	struct frame_view moved = here;
	struct process_view p = sample_process(7, VERDICT_LEAKING, NULL, &a), q = p;

	(void)state;
	b.open = 99;
	b.site = &moved;
	moved.line = 1234;
	moved.file = "/opt/new/app.py";
	assert_true(same_name(&p, &a, &b));
	moved.function = "weekly";
	assert_false(same_name(&p, &a, &b));
	moved.function = here.function;
	moved.file = "/srv/other.py";
	assert_false(same_name(&p, &a, &b));
	b = a;
	b.cause = CAUSE_OPEN_TRANSACTION;
	assert_false(same_name(&p, &a, &b));
	b = a;
	q.cmdline = "/usr/bin/python3 billing-api";
	fingerprint_set(&p, &a);
	fingerprint_set(&q, &b);
	assert_string_not_equal(a.fingerprint, b.fingerprint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_transaction_is_told_with_its_connection),
		cmocka_unit_test(what_has_another_line_stands_for_itself),
		cmocka_unit_test(a_part_of_a_part_belongs_to_the_whole),
		cmocka_unit_test(a_leak_keeps_its_name_from_one_report_to_the_next),
		cmocka_unit_test(who_is_on_call_is_told_what_helps),
		cmocka_unit_test(a_pod_is_what_to_restart),
		cmocka_unit_test(a_near_limit_of_memory_is_urgent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
