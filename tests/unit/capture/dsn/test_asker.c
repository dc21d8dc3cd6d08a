/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_asker.c - the child that asks: what comes of it is bounded, whatever it sends, and its
 * silence costs no more than the limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/capture/dsn/ask_server.h"
#include "user/capture/dsn/asker.h"
#include "user/system/clock.h"

/* The child asks with this in place of a library; its URL says how it behaves. */

static const char *load(void)
{
	return NULL;
}

static void ask(const char *url, struct ask_sink *sink, struct ask_end *end)
{
	struct ask_row row;

	if (strstr(url, "dies"))
		_exit(3);
	if (strstr(url, "hangs"))
		for (;;)
			poll(NULL, 0, 1000);
	memset(&row, 'x', sizeof(row)); /* no text ends */
	row.session = 7;
	for (int i = 0; i < (strstr(url, "many") ? ASK_ROWS_MOST + 5 : 1); i++)
		if (!sink->row(sink, &row))
			return;
	if (strstr(url, "late")) { /* of a question that nobody asked */
		sink->number += 100;
		sink->row(sink, &row);
	}
	if (strstr(url, "short"))
		send(sink->wire, &row, 10, 0);
	end->port = 5432;
	memset(end->words, 'w', sizeof(end->words));
}

const struct ask_engine ask_postgresql = {load, ask}, ask_mysql = {load, ask};

static bool confined;

static int confine(void)
{
	confined = true;
	return 0;
}

static int refuse(void)
{
	return -1;
}

static struct asker *open_for(const char *url, int (*how)(void))
{
	struct asker *a;

	assert_int_equal(asker_open(&a, url, how), 0);
	assert_int_equal(asker_database(a), EV_DB_POSTGRESQL);
	assert_true(asker_pid(a) > 0);
	return a;
}

static struct ask_answer answer_of(struct asker *a)
{
	struct ask_answer answer;
	uint64_t until = clock_monotonic_ms() + ASK_MS + 8000;

	asker_ask(a);
	assert_true(asker_is_waiting(a));
	while (!asker_take(a, 50, &answer))
		assert_true(clock_monotonic_ms() < until);
	assert_false(asker_is_waiting(a));
	assert_false(asker_take(a, 0, &answer));
	return answer;
}

static void texts_that_do_not_end_are_ended(void **state)
{
	struct asker *a = open_for("postgresql://x", confine);
	struct ask_answer answer = answer_of(a);

	(void)state;
	assert_false(confined); /* the child is, not we */
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.rows[0].session, 7);
	assert_int_equal(strlen(answer.rows[0].user), EV_NAME_LEN - 1);
	assert_int_equal(strlen(answer.rows[0].text), EV_SQL_LEN - 1);
	assert_int_equal(strlen(answer.end.words), ASK_WORDS - 1);
	assert_int_equal(answer.rows[0].status, EV_STATUS_UNKNOWN);
	answer = answer_of(a);
	assert_int_equal(answer.count, 1);
	asker_close(a);
}

static void what_does_not_belong_to_the_question_is_dropped(void **state)
{
	struct asker *a = open_for("postgresql://late-short", confine);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(answer_of(a).count, 1);
	asker_close(a);
}

static void no_more_sessions_are_taken_than_there_is_room_for(void **state)
{
	struct asker *a = open_for("postgresql://many", confine);

	(void)state;
	assert_int_equal(answer_of(a).count, ASK_ROWS_MOST);
	asker_close(a);
}

static void a_child_that_ends_is_a_reason(void **state)
{
	struct asker *a = open_for("postgresql://dies", confine);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct ask_answer answer = answer_of(a);

		assert_true(answer.end.failed);
		assert_int_equal(answer.count, 0);
		assert_string_equal(answer.end.words, "the child that asks it has ended");
	}
	asker_close(a);
}

static void a_child_that_keeps_its_rights_asks_nobody(void **state)
{
	struct asker *a = open_for("postgresql://x", refuse);

	(void)state;
	assert_true(answer_of(a).end.failed);
	asker_close(a);
}

static void a_silent_server_costs_no_more_than_the_limit(void **state)
{
	struct asker *a = open_for("postgresql://hangs", confine);
	uint64_t began = clock_monotonic_ms();
	struct ask_answer answer = answer_of(a);

	(void)state;
	assert_true(answer.end.failed);
	assert_string_equal(answer.end.words, "the server did not answer within 3 s");
	assert_in_range(clock_monotonic_ms() - began, ASK_MS - 100, ASK_MS + 4000);
	began = clock_monotonic_ms();
	asker_close(a);
	assert_true(clock_monotonic_ms() - began < 4000);
}

static void addresses_are_read_as_the_kernel_has_them(void **state)
{
	static const uint8_t four[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1}, six[16] = {[15] = 1};
	uint8_t address[16];

	(void)state;
	assert_true(ask_address("127.0.0.1", address));
	assert_memory_equal(address, four, 16);
	assert_true(ask_address("localhost", address));
	assert_memory_equal(address, four, 16);
	assert_true(ask_address("::1", address));
	assert_memory_equal(address, six, 16);
	assert_false(ask_address("db.example", address));
	assert_false(ask_address("", address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_that_do_not_end_are_ended),
		cmocka_unit_test(what_does_not_belong_to_the_question_is_dropped),
		cmocka_unit_test(no_more_sessions_are_taken_than_there_is_room_for),
		cmocka_unit_test(a_child_that_ends_is_a_reason),
		cmocka_unit_test(a_child_that_keeps_its_rights_asks_nobody),
		cmocka_unit_test(a_silent_server_costs_no_more_than_the_limit),
		cmocka_unit_test(addresses_are_read_as_the_kernel_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
