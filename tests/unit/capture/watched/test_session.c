/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_session.c - which session of a server is which connection's, and what is told of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "user/capture/watched/connection.h"
#include "user/capture/dsn/asker.h"
#include "user/capture/watched/session.h"

#define ID     5
#define CLIENT 40000
#define SERVER 5432

static const uint8_t loopback[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
static const uint8_t ours[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1};
static const uint8_t far[16] = {[10] = 0xff, 0xff, 10, 0, 0, 9};

static struct capture c;
static struct tracked *k;
static struct ask_row rows[2];
static struct ask_answer answer;
static struct ev_session told;
static unsigned int sessions, gaps;
static char gap[EV_TEXT_LEN];
static bool waiting;
static enum ev_status status;
static uint64_t status_since;

void asker_ask(struct asker *a)
{
	(void)a;
	waiting = true;
}

bool asker_is_waiting(const struct asker *a)
{
	(void)a;
	return waiting;
}

bool asker_take(struct asker *a, int timeout_ms, struct ask_answer *out)
{
	(void)a, (void)timeout_ms;
	*out = answer;
	waiting = false;
	return true;
}

uint8_t asker_database(const struct asker *a)
{
	(void)a;
	return EV_DB_POSTGRESQL;
}

void connection_says_server(struct capture *capture, struct tracked *which, enum ev_status said,
			    uint64_t since_ns)
{
	assert_ptr_equal(capture, &c);
	assert_ptr_equal(which, k);
	status = said;
	status_since = since_ns;
}

static int hear(void *context, const struct ev_head *record)
{
	(void)context;
	if (record->kind == EV_GAP) {
		gaps++;
		memcpy(gap, ((const struct ev_gap *)record)->text, sizeof(gap));
	} else {
		assert_int_equal(record->kind, EV_SESSION);
		memcpy(&told, record, record->size);
		sessions++;
	}
	return 0;
}

static struct tracked_ends ends_of(const uint8_t *client, const uint8_t *server, uint64_t netns)
{
	struct tracked_ends e = {
		.netns = netns, .client_port = CLIENT, .server_port = SERVER, .family = AF_INET};

	memcpy(e.client, client, 16);
	memcpy(e.server, server, 16);
	return e;
}

static int start(void **state)
{
	(void)state;
	sessions = gaps = 0;
	status = EV_STATUS_UNKNOWN;
	c = (struct capture){.options = {.sink = hear, .asker = (struct asker *)&c}};
	k = calloc(1, sizeof(*k));
	assert_non_null(k);
	k->last = (struct ev_connection){.id = ID, .database = EV_DB_POSTGRESQL};
	assert_int_equal(table_put(&c.connections, (struct table_key){ID, 0}, k), 0);
	memset(rows, 0, sizeof(rows));
	rows[1] = (struct ask_row){.session = 77,
				   .transaction_seconds = 2,
				   .state_seconds = 1,
				   .client_port = CLIENT,
				   .status = EV_STATUS_TRANSACTION,
				   .user = "app",
				   .name = "shop",
				   .text = "select * from items where secret = 'sesame'"};
	memcpy(rows[1].client, loopback, 16);
	answer = (struct ask_answer){.rows = rows, .count = 2};
	answer.end.port = SERVER;
	answer.end.local = 1;
	memcpy(answer.end.address, loopback, 16);
	sessions_begin(&c);
	assert_true(c.own_netns);
	memcpy(c.own[0], ours, sizeof(ours));
	c.own_count = 1;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	table_free_values(&c.connections);
	return 0;
}

static bool joins(struct tracked_ends ends)
{
	unsigned int before = sessions;

	k->ends = ends;
	sessions_step(&c);
	return sessions > before;
}

static void a_session_is_told_without_literals(void **state)
{
	(void)state;
	assert_true(joins(ends_of(loopback, loopback, c.own_netns)));
	assert_int_equal(told.id, ID);
	assert_int_equal(told.session, 77);
	assert_int_equal(told.source, EV_SESSION_STATISTICS);
	assert_string_equal(told.user, "app");
	assert_string_equal(told.name, "shop");
	told.text[told.length] = '\0';
	assert_string_equal(told.text, "select * from items where secret = ?");
	assert_int_equal(told.since_ns - told.transaction_ns < 1100000000ULL &&
				 told.since_ns - told.transaction_ns > 900000000ULL,
			 1);
	assert_int_equal(status, EV_STATUS_TRANSACTION);
	assert_int_equal(status_since, told.since_ns);
}

static void both_ends_must_be_the_same(void **state)
{
	struct tracked_ends e = ends_of(loopback, loopback, c.own_netns);

	(void)state;
	e.client_port++;
	assert_false(joins(e));
	e = ends_of(loopback, loopback, c.own_netns);
	e.server_port++;
	assert_false(joins(e));
	assert_false(joins(ends_of(far, loopback, c.own_netns)));
	/* a loopback address of a container */
	assert_false(joins(ends_of(loopback, loopback, c.own_netns + 1)));
	e.family = 0;
	assert_false(joins(e));
	k->last.database = EV_DB_MYSQL;
	assert_false(joins(ends_of(loopback, loopback, c.own_netns)));
}

static void a_server_elsewhere_is_known_by_its_address(void **state)
{
	(void)state;
	memcpy(rows[1].client, ours, 16);
	memcpy(answer.end.address, far, 16);
	answer.end.local = 0;
	assert_true(joins(ends_of(ours, far, 1)));
	assert_false(joins(ends_of(ours, ours, 1))); /* another server, the same port of ours */
	assert_false(joins(ends_of(ours, loopback, c.own_netns)));
}

static void a_server_here_may_be_asked_another_way(void **state)
{
	(void)state;
	memset(answer.end.address, 0, 16); /* over a Unix socket */
	assert_true(joins(ends_of(loopback, loopback, c.own_netns)));
	memcpy(rows[1].client, ours, 16);
	assert_true(joins(ends_of(ours, ours, c.own_netns)));
	memcpy(rows[1].client, far, 16); /* a container, whose host the server is on */
	assert_true(joins(ends_of(far, ours, 7)));
	memcpy(rows[1].client, ours, 16);
	answer.end.local = 0;
	assert_false(joins(ends_of(ours, ours, c.own_netns)));
}

static void over_a_unix_socket_the_process_decides(void **state)
{
	struct tracked_ends e = {.family = AF_UNIX, .session = 77, .path = "/run/.s.PGSQL.5432"};

	(void)state;
	rows[1].client_port = 0;
	assert_true(joins(e));
	e.session = 78;
	assert_false(joins(e));
	e.session = 0;
	assert_false(joins(e));
	e.session = 77;
	strcpy(e.path, "/run/.s.PGSQL.5433");
	assert_false(joins(e));
	strcpy(e.path, "/run/.s.PGSQL.5432");
	answer.end.local = 0;
	assert_false(joins(e));
}

static void ages_that_make_no_sense_are_not_known(void **state)
{
	static const double ages[] = {-1, 1e300, 0.0 / 0.0, 1e10};

	(void)state;
	for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
		rows[1].transaction_seconds = rows[1].state_seconds = ages[i];
		assert_true(joins(ends_of(loopback, loopback, c.own_netns)));
		assert_int_equal(told.transaction_ns, 0);
		assert_int_equal(told.since_ns, 0);
	}
}

static void one_that_works_has_no_status(void **state)
{
	(void)state;
	rows[1].busy = 1;
	assert_true(joins(ends_of(loopback, loopback, c.own_netns)));
	assert_int_equal(told.flags, EV_SESSION_BUSY);
	assert_int_equal(status, EV_STATUS_UNKNOWN);
}

static void an_answer_that_fails_is_a_gap_once(void **state)
{
	(void)state;
	answer = (struct ask_answer){.end = {.failed = 1, .words = "nobody listens there"}};
	assert_false(joins(ends_of(loopback, loopback, c.own_netns)));
	sessions_finish(&c, 100);
	assert_int_equal(gaps, 1);
	assert_string_equal(gap, "the server of --dsn was not asked: nobody listens there");
	answer.end = (struct ask_end){.hidden = 1};
	sessions_finish(&c, 100);
	assert_int_equal(gaps, 2);
	assert_non_null(strstr(gap, "pg_monitor"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_is_told_without_literals),
		TEST(both_ends_must_be_the_same),
		TEST(a_server_elsewhere_is_known_by_its_address),
		TEST(a_server_here_may_be_asked_another_way),
		TEST(over_a_unix_socket_the_process_decides),
		TEST(ages_that_make_no_sense_are_not_known),
		TEST(one_that_works_has_no_status),
		TEST(an_answer_that_fails_is_a_gap_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
