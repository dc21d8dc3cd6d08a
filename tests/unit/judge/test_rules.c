/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_rules.c - the tables of rules, and what each rule tells of itself.
 */
#include "tests/unit/support/memory_story.h"
#include "tests/unit/support/present_story.h"
#include "user/judge/rules.h"

#define APP 4711

static const struct rule *const tables[] = {rules_of_endpoint, rules_of_process};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static void each_rule_asks_a_question(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < TABLES; i++)
		for (const struct rule *r = tables[i]; r->look; r++, count++) {
			assert_non_null(r->title);
			assert_int_equal(strncmp(r->function, "rule_", 5), 0);
			assert_int_equal(r->question[strlen(r->question) - 1], '?');
		}
	assert_true(count >= 12);
}

static void no_rule_stands_twice(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLES; i++)
		for (const struct rule *a = tables[i]; a->look; a++)
			for (size_t j = 0; j <= i; j++)
				for (const struct rule *b = tables[j]; b->look && b != a; b++)
					assert_true(a->look != b->look &&
						    strcmp(a->title, b->title) != 0);
}

/* Stories: one for each rule, in which it proves something. */

static void begins_on(enum ev_database database, int connections)
{
	story_begins();
	story.database = database;
	process(APP);
	for (int i = 0; i < connections; i++) {
		if (database == EV_DB_SQLITE)
			opens_file(i, APP, APP + i, "/srv/app.db");
		else
			opens(i, APP, APP + i);
	}
}

static void sessions_are_opened(void)
{
	begins_on(EV_DB_POSTGRESQL, 0);
	for (int i = 0; i < 12; i++) {
		at(i);
		opens(i, APP, APP);
		begins(i);
		at(i + 0.02);
		uses(i);
	}
	at(13);
}

static void the_server_hangs_up(void)
{
	begins_on(EV_DB_POSTGRESQL, 1);
	at(5);
	hung_up(0);
	at(30);
}

static void a_transaction_is_silent(void)
{
	begins_on(EV_DB_POSTGRESQL, 1);
	at(1);
	begins(0);
	at(40);
}

static void one_text_is_prepared_again_and_again(void)
{
	begins_on(EV_DB_POSTGRESQL, 1);
	for (int i = 1; i <= 40; i++) {
		at(i * 0.5);
		prepares(0, i, "SELECT * FROM orders WHERE id = $1", 77);
	}
}

static void connections_live_on_for_their_statements(void)
{
	begins_on(EV_DB_SQLITE, 0);
	for (int i = 0; i < 6; i++) {
		struct ev_file file = {.wal_bytes = UNKNOWN64, .zombie = 1};

		at(i * 2);
		opens_file(i, APP, APP, "/srv/app.db");
		file.id = reported(i)->id;
		story_tell(&file, EV_FILE, offsetof(struct ev_file, text));
	}
	at(30);
}

static void a_table_is_read_whole(void)
{
	begins_on(EV_DB_POSTGRESQL, 1);
	at(5);
	reads(0, 200000, 20 << 20, 60 << 20);
	at(6);
	uses(0);
}

static void handles_lose_their_sockets(void)
{
	begins_on(EV_DB_POSTGRESQL, 0);
	for (int i = 0; i < 6; i++) {
		struct ev_site s = site_of(APP, 9, EV_RES_CONNECTION, EV_DB_POSTGRESQL, "PGconn",
					   "PQfinish");
		struct ev_handle h;

		at(i * 2);
		opens(i, APP, APP + i);
		h = handle_of(&s, 0x5000 + i);
		h.connection = reported(i)->id;
		tell_handle(&h);
		at(i * 2 + 1);
		closes_as(i, 0);
	}
	at(26);
}

static void the_log_grows_behind_a_reader(void)
{
	begins_on(EV_DB_SQLITE, 2);
	at(1);
	uses(0);
	reads_file(0, 1, 1, 100000);
	for (int i = 1; i <= 10; i++) {
		at(1 + i * 0.5);
		uses(1);
		reads_file(0, 1, 1, 100000 + i * 1650000);
	}
}

static void cursors_pile_up(void)
{
	begins_on(EV_DB_POSTGRESQL, 1);
	for (int i = 1; i <= 30; i++) {
		at(i * 0.5);
		reported(0)->cursors = i;
		uses(0);
	}
}

static void rows_wait_at_the_server(void)
{
	struct ev_site s = site_of(APP, 5, EV_RES_RESULT, EV_DB_MYSQL, "MYSQL_RES",
				   "mysql_free_result");
	struct ev_handle h;

	begins_on(EV_DB_MYSQL, 1);
	at(1);
	h = handle_of(&s, 0x1000);
	h.flags = EV_HANDLE_UNREAD;
	h.used_ns = story.now;
	tell_handle(&h);
	at(15);
}

static void results_are_not_freed(void)
{
	struct ev_site s = site_of(APP, 1, EV_RES_RESULT, EV_DB_POSTGRESQL, "PGresult", "PQclear");

	begins_on(EV_DB_POSTGRESQL, 1);
	for (int i = 1; i <= 40; i++) {
		at(i * 0.5);
		acquires(&s, 2);
		s.released++;
		tell_site(&s);
		uses(0);
	}
}

static void a_cache_grows(void)
{
	struct ev_memory_site kept;

	begins_on(EV_DB_POSTGRESQL, 1);
	at(1);
	kept = pages_of(APP, 1, at_line(APP, "/srv/shop/app/cache.py", 17, "remember"));
	for (double t = 1; t <= 100; t++) {
		at(t);
		uses(0);
		has(APP, 60 + t);
		takes(&kept, 0.8, 0);
	}
}

static void a_pool_is_full(void)
{
	begins_on(EV_DB_POSTGRESQL, 0);
	for (int i = 0; i < 5; i++)
		stood(i, APP, 60);
	at(1);
	sleeps(APP, APP + 9, -30, EV_WAIT_LOCK, in_queue_pool(APP, 17));
	at(2);
}

static const struct {
	int (*look)(struct rule_input *s);
	void (*leak)(void);
} stories[] = {
	{rule_connections, sessions_are_opened},
	{rule_hung_up, the_server_hangs_up},
	{rule_transactions, a_transaction_is_silent},
	{rule_statements, one_text_is_prepared_again_and_again},
	{rule_zombies, connections_live_on_for_their_statements},
	{rule_results, a_table_is_read_whole},
	{rule_halves, handles_lose_their_sockets},
	{rule_wal, the_log_grows_behind_a_reader},
	{rule_cursors, cursors_pile_up},
	{rule_pool, a_pool_is_full},
	{rule_unread, rows_wait_at_the_server},
	{rule_sites, results_are_not_freed},
	{rule_memory, a_cache_grows},
};

/* Without another process in the story. */
static const struct explanation *explanation(void)
{
	view_close(story.view);
	story.view = judge_explain(story.model, &story.library, APP);
	assert_non_null(story.view);
	assert_int_equal(story.view->process_count, 1);
	expect_each_rule_explained(&story.view->processes[0]);
	return story.view->processes[0].explanation;
}

static const struct explained_rule *explained(const struct explanation *e, const char *function)
{
	for (size_t i = 0; i < e->rule_count; i++)
		if (!strcmp(e->rules[i].function, function))
			return &e->rules[i];
	fail_msg("%s was not asked", function);
	return NULL;
}

static size_t leaks_told(const struct rule *r)
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		const struct explained_rule *told;

		if (stories[i].look != r->look)
			continue;
		stories[i].leak();
		told = explained(explanation(), r->function);
		if (!lines_told(told, EXPLAINED_PROVEN) || !lines_told(told, EXPLAINED_FOUND))
			fail_msg("%s does not tell what it proves", r->function);
		assert_string_equal(told->question, r->question);
		story_ends();
		n++;
	}
	return n;
}

static void each_rule_tells_what_it_proves(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLES; i++)
		for (const struct rule *r = tables[i]; r->look; r++)
			if (!leaks_told(r))
				fail_msg("%s has no story of its leak", r->function);
	story_begins();
}

static void each_rule_tells_why_nothing_is_proven(void **state)
{
	static const enum ev_database databases[] = {EV_DB_POSTGRESQL, EV_DB_MYSQL, EV_DB_SQLITE,
						     EV_DB_REDIS};

	(void)state;
	for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]) * 2; i++) {
		const struct explanation *e;

		begins_on(databases[i / 2], 1);
		at(20);
		if (i % 2)
			exits(APP);
		e = explanation();
		for (size_t t = 0; t < TABLES; t++)
			for (const struct rule *r = tables[t]; r->look; r++) {
				const struct explained_rule *told = explained(e, r->function);

				assert_true(lines_told(told, EXPLAINED_NOT) > 0);
				assert_int_equal(lines_told(told, EXPLAINED_PROVEN), 0);
			}
		story_ends();
	}
	story_begins();
}

static void a_process_without_a_database_is_explained(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	at(9);
	assert_int_equal(verdict()->process_count, 0);
	assert_true(lines_told(explained(explanation(), "rule_memory"), EXPLAINED_NOT) > 0);
}

static void who_is_not_judged_is_told_so(void **state)
{
	(void)state;
	story_begins();
	process_as(APP, "pgbouncer", EV_ROLE_POOLER);
	opens(0, APP, APP);
	at(9);
	assert_non_null(strstr(explanation()->not_judged, "pooler"));
	story_ends();
	story_begins_in(EV_MODE_SNAPSHOT);
	process(APP);
	opens(0, APP, APP);
	assert_non_null(strstr(explanation()->not_judged, "snapshot"));
	assert_int_equal(explanation()->rule_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_asks_a_question),
		cmocka_unit_test(no_rule_stands_twice),
		cmocka_unit_test_teardown(each_rule_tells_what_it_proves, story_teardown),
		cmocka_unit_test_teardown(each_rule_tells_why_nothing_is_proven, story_teardown),
		cmocka_unit_test_teardown(a_process_without_a_database_is_explained,
					  story_teardown),
		cmocka_unit_test_teardown(who_is_not_judged_is_told_so, story_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
