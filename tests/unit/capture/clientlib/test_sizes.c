/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Which objects of client libraries are read again, how often, and what of it is told.  Who reads
 * them is ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/capture/clientlib/client_host.h"
#include "user/capture/clientlib/size_reader.h"
#include "user/capture/clientlib/size_wire.h"
#include "user/capture/clientlib/sizes.h"

#define SECOND	   1000000000ULL
#define BEGUN	   (1000 * SECOND)
#define FIRST_WAIT 900000000ULL

static struct sizes *sizes;
static struct client_host host;
static struct object_size size; /* as the next reads find it */
static int refused;		/* -errno of the next questions */
static enum parser_refusal refusal;
static size_t at_once; /* objects of a question that are read at most */
static unsigned int questions, reads, tellings, gaps;
static struct ev_handle last;
static struct ev_gap gap;

int size_reader_open(struct parser **out, struct nursery *nursery)
{
	(void)nursery;
	*out = NULL;
	return 0;
}

int size_reader_ask(struct parser *p, uint32_t pid, uint64_t start_ns,
		    const struct object_wanted *wanted, size_t n, struct object_size *out)
{
	(void)p;
	assert_in_range(n, 1, SIZES_MOST);
	questions++;
	if (refused)
		return refused;
	n = n < at_once ? n : at_once;
	for (size_t i = 0; i < n; i++) {
		assert_in_range(pid, 42, 44);
		assert_int_equal(start_ns, pid + 1);
		assert_int_equal(wanted[i].kind, object_kind("PGresult"));
		assert_int_equal(wanted[i].address / 0x1000000, pid - 41);
		reads++;
		out[i] = size;
	}
	return (int)n;
}

int size_reader_cache(struct parser *p, uint32_t pid, uint64_t start_ns,
		      const struct sqlite_cache_wanted *wanted, uint32_t *kib)
{
	(void)p, (void)pid, (void)start_ns;
	*kib = (uint32_t)wanted->connection;
	return refused;
}

bool size_reader_gap(struct parser *p, uint32_t pid, uint64_t start_ns, char *text, size_t room)
{
	(void)p, (void)pid, (void)start_ns;
	snprintf(text, room, "reason %d", (int)refusal);
	return refusal != PARSER_REFUSES_NOBODY;
}

enum parser_refusal parser_refuses(struct parser *p, uint32_t pid, uint64_t start_ns)
{
	(void)p, (void)pid, (void)start_ns;
	return refusal;
}

void parser_prepare(struct parser *p)
{
	(void)p;
}

void parser_close(struct parser *p)
{
	(void)p;
}

static void tell(void *context, const struct ev_head *record)
{
	(void)context;
	if (record->kind == EV_GAP) {
		gap = *(const struct ev_gap *)(const void *)record;
		gaps++;
		return;
	}
	last = *(const struct ev_handle *)(const void *)record;
	tellings++;
}

static int begin(void **state)
{
	(void)state;
	host = (struct client_host){.tell = tell};
	size = (struct object_size){4096, 10};
	questions = reads = tellings = gaps = 0;
	refused = 0;
	refusal = PARSER_REFUSES_NOBODY;
	at_once = SIZES_MOST;
	return sizes_open(&sizes, NULL, &host);
}

static int end(void **state)
{
	(void)state;
	sizes_close(sizes);
	return 0;
}

/* The i-th object of that process. */
static struct ev_handle object_of(uint32_t pid, size_t i, uint32_t resource)
{
	return (struct ev_handle){.head = {.ns = BEGUN, .kind = EV_HANDLE},
				  .start_ns = pid + 1,
				  .handle = 0x1000000 * (pid - 41) + 0x100 * i,
				  .pid = pid,
				  .resource = resource,
				  .rows = 3};
}

static struct ev_handle report(uint32_t resource, uint32_t flags)
{
	static const struct object_fields fields;
	struct ev_handle ev = object_of(42, 0, resource);
	const struct sizing one = {&ev, &fields, "PGresult"};

	ev.flags = flags;
	sizes_read(sizes, &one, 1);
	return ev;
}

/* Reports n objects, of three processes in turn, with one call. */
static void report_many(struct ev_handle *ev, size_t n, uint32_t resource)
{
	static const struct object_fields fields;
	struct sizing each[SIZES_READ_MOST];

	assert_in_range(n, 1, SIZES_READ_MOST);
	for (size_t i = 0; i < n; i++) {
		ev[i] = object_of(42 + i % 3, i, resource);
		each[i] = (struct sizing){&ev[i], &fields, "PGresult"};
	}
	sizes_read(sizes, each, n);
}

static void a_reported_object_gets_its_bytes_and_rows(void **state)
{
	struct ev_handle ev = report(EV_RES_RESULT, 0);

	(void)state;
	assert_int_equal(ev.bytes, 4096);
	assert_int_equal(ev.rows, 10);
	size.rows = UNKNOWN64;
	ev = report(EV_RES_RESULT, 0);
	assert_int_equal(ev.rows, 3);
	assert_int_equal(tellings, 0);
}

static void a_result_is_read_until_it_stands_still(void **state)
{
	(void)state;
	report(EV_RES_RESULT, 0);
	sizes_sweep(sizes, BEGUN + FIRST_WAIT - 1);
	assert_int_equal(reads, 1);
	size = (struct object_size){8192, 20};
	sizes_sweep(sizes, BEGUN + FIRST_WAIT);
	assert_int_equal(tellings, 1);
	assert_int_equal(last.bytes, 8192);
	assert_int_equal(last.rows, 20);
	assert_int_equal(last.head.ns, BEGUN + FIRST_WAIT);
	sizes_sweep(sizes, BEGUN + 2 * FIRST_WAIT);
	assert_int_equal(reads, 3);
	sizes_sweep(sizes, BEGUN + 100 * FIRST_WAIT);
	assert_int_equal(reads, 3);
	assert_int_equal(tellings, 1);
}

static void a_connection_is_read_ever_more_rarely(void **state)
{
	uint64_t at = BEGUN, wait = FIRST_WAIT;

	(void)state;
	report(EV_RES_CONNECTION, 0);
	for (unsigned int i = 0; i < 9; i++) {
		at += wait;
		sizes_sweep(sizes, at - 1);
		assert_int_equal(reads, 1 + i);
		sizes_sweep(sizes, at);
		assert_int_equal(reads, 2 + i);
		wait = wait < 64 * FIRST_WAIT ? 2 * wait : wait;
	}
	assert_int_equal(wait, 64 * FIRST_WAIT);
	assert_int_equal(tellings, 0);
}

static void an_object_that_is_gone_or_unreadable_is_not_read_again(void **state)
{
	struct handle_key key = {.handle = 0x1000000, .pid = 42, .resource = EV_RES_CONNECTION};

	(void)state;
	report(EV_RES_CONNECTION, 0);
	key.resource = EV_RES_RESULT; /* another object at that address */
	sizes_forget(sizes, &key);
	sizes_sweep(sizes, BEGUN + FIRST_WAIT);
	assert_int_equal(reads, 2);
	key.resource = EV_RES_CONNECTION;
	sizes_forget(sizes, &key);
	sizes_sweep(sizes, BEGUN + 100 * FIRST_WAIT);
	assert_int_equal(reads, 2);
	report(EV_RES_STATEMENT, 0);
	size.bytes = UNKNOWN64;
	sizes_sweep(sizes, BEGUN + FIRST_WAIT);
	assert_int_equal(reads, 4);
	sizes_sweep(sizes, BEGUN + 100 * FIRST_WAIT);
	assert_int_equal(reads, 4);
	assert_int_equal(tellings, 0);
}

static void a_result_with_unread_rows_is_left_to_its_watcher(void **state)
{
	(void)state;
	report(EV_RES_RESULT, 0);
	report(EV_RES_RESULT, EV_HANDLE_UNREAD);
	sizes_sweep(sizes, BEGUN + 100 * FIRST_WAIT);
	assert_int_equal(reads, 2);
}

static void each_process_has_questions_of_its_own(void **state)
{
	static struct ev_handle ev[SIZES_READ_MOST];

	(void)state;
	report_many(ev, 90, EV_RES_RESULT);
	assert_int_equal(questions, 3);
	assert_int_equal(reads, 90);
	for (size_t i = 0; i < 90; i++)
		assert_int_equal(ev[i].bytes, 4096);
	size.bytes++;
	sizes_sweep(sizes, BEGUN + FIRST_WAIT);
	assert_int_equal(questions, 6);
	assert_int_equal(tellings, 90);
}

static void objects_of_an_unknown_kind_cost_no_question(void **state)
{
	static const struct object_fields fields;
	struct ev_handle ev[2] = {object_of(42, 0, EV_RES_RESULT), object_of(42, 1, EV_RES_RESULT)};
	const struct sizing each[2] = {{&ev[0], &fields, "thing nobody knows"},
				       {&ev[1], &fields, NULL}};

	(void)state;
	ev[0].bytes = 1;
	sizes_read(sizes, each, 2);
	assert_true(ev[0].bytes == UNKNOWN64 && ev[1].bytes == UNKNOWN64);
	sizes_sweep(sizes, BEGUN + FIRST_WAIT);
	assert_int_equal(questions, 0);
}

static void what_an_answer_leaves_out_is_asked_for_again(void **state)
{
	static struct ev_handle ev[SIZES_READ_MOST];

	(void)state;
	at_once = 7;
	report_many(ev, 60, EV_RES_RESULT);
	assert_int_equal(questions, 9);
	assert_int_equal(reads, 60);
	for (size_t i = 0; i < 60; i++)
		assert_int_equal(ev[i].bytes, 4096);
}

/* Without a number now, and with the right one later: never with a wrong one. */
static void objects_nobody_could_read_are_told_again_once_they_are(void **state)
{
	static const int errors[] = {-EBUSY, -EIO, -ENOMEM, -EDQUOT};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct ev_handle ev;

		refused = errors[i];
		ev = report(EV_RES_RESULT, 0);
		assert_true(ev.bytes == UNKNOWN64);
		assert_int_equal(ev.rows, 3);
		sizes_sweep(sizes, BEGUN + FIRST_WAIT);
		assert_int_equal(tellings, i);
		refused = 0;
		sizes_sweep(sizes, BEGUN + FIRST_WAIT);
		assert_int_equal(tellings, i + 1);
		assert_int_equal(last.bytes, 4096);
		assert_int_equal(last.rows, 10);
	}
	assert_int_equal(gaps, 0);
}

/* client.c reports them, so a second record would undo what it has said. */
static void a_result_with_unread_rows_is_not_told_later(void **state)
{
	(void)state;
	refused = -EBUSY;
	assert_true(report(EV_RES_RESULT, EV_HANDLE_UNREAD).bytes == UNKNOWN64);
	refused = 0;
	sizes_sweep(sizes, BEGUN + 100 * FIRST_WAIT);
	assert_int_equal(questions, 1);
}

static void a_process_given_up_is_told_of_once_and_asked_about_no_more(void **state)
{
	(void)state;
	report(EV_RES_CONNECTION, 0);
	refused = -EDQUOT;
	refusal = PARSER_REFUSES_PROCESS;
	sizes_sweep(sizes, BEGUN + FIRST_WAIT);
	assert_int_equal(gaps, 1);
	assert_int_equal(gap.pid, 42);
	assert_int_equal(gap.start_ns, 43);
	assert_string_equal(gap.text, "reason 1");
	assert_int_equal(questions, 2);
	sizes_sweep(sizes, BEGUN + 100 * FIRST_WAIT);
	assert_int_equal(questions, 2);
	assert_true(report(EV_RES_CONNECTION, 0).bytes == UNKNOWN64);
	assert_int_equal(gaps, 1);
	assert_int_equal(tellings, 0);
}

static void while_no_worker_may_fail_any_more_objects_wait(void **state)
{
	(void)state;
	refused = -EDQUOT;
	refusal = PARSER_REFUSES_ALL;
	report(EV_RES_CONNECTION, 0);
	assert_int_equal(gaps, 1);
	sizes_sweep(sizes, BEGUN + FIRST_WAIT);
	assert_int_equal(gaps, 1);
	refused = 0;
	refusal = PARSER_REFUSES_NOBODY;
	sizes_sweep(sizes, BEGUN + FIRST_WAIT);
	assert_int_equal(tellings, 1);
	assert_int_equal(last.bytes, 4096);
}

static void objects_nobody_has_read_until_the_end_are_told_of(void **state)
{
	(void)state;
	report(EV_RES_CONNECTION, 0);
	sizes_end(sizes);
	assert_int_equal(gaps, 0);
	refused = -EBUSY;
	report(EV_RES_CONNECTION, 0);
	report(EV_RES_STATEMENT, 0);
	sizes_end(sizes);
	assert_int_equal(gaps, 1);
	assert_int_equal(gap.pid, 42);
	assert_int_equal(gap.start_ns, 43);
}

static void a_cache_nobody_could_read_is_unknown_and_told_of(void **state)
{
	static const int errors[] = {-EBUSY, -EIO, -EDQUOT};
	const struct sqlite_cache_wanted wanted = {.connection = 4000};

	(void)state;
	assert_int_equal(sizes_sqlite_cache(sizes, 42, 43, &wanted), 4000);
	assert_int_equal(gaps, 0);
	for (uint32_t i = 0; i < 3; i++) {
		refused = errors[i];
		refusal = refused == -EDQUOT ? PARSER_REFUSES_PROCESS : PARSER_REFUSES_NOBODY;
		assert_int_equal(sizes_sqlite_cache(sizes, 50 + i, 43, &wanted), UNKNOWN32);
		assert_int_equal(sizes_sqlite_cache(sizes, 50 + i, 43, &wanted), UNKNOWN32);
		assert_int_equal(gaps, i + 1);
		assert_int_equal(gap.pid, 50 + i);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_reported_object_gets_its_bytes_and_rows),
		TEST(a_result_is_read_until_it_stands_still),
		TEST(a_connection_is_read_ever_more_rarely),
		TEST(an_object_that_is_gone_or_unreadable_is_not_read_again),
		TEST(a_result_with_unread_rows_is_left_to_its_watcher),
		TEST(each_process_has_questions_of_its_own),
		TEST(objects_of_an_unknown_kind_cost_no_question),
		TEST(what_an_answer_leaves_out_is_asked_for_again),
		TEST(objects_nobody_could_read_are_told_again_once_they_are),
		TEST(a_result_with_unread_rows_is_not_told_later),
		TEST(a_process_given_up_is_told_of_once_and_asked_about_no_more),
		TEST(objects_nobody_has_read_until_the_end_are_told_of),
		TEST(a_cache_nobody_could_read_is_unknown_and_told_of),
		TEST(while_no_worker_may_fail_any_more_objects_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
