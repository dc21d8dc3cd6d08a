/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Which objects of client libraries are read again, how often, and what of it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "user/capture/clientlib/client_host.h"
#include "user/capture/clientlib/sizes.h"

#define SECOND	   1000000000ULL
#define BEGUN	   (1000 * SECOND)
#define FIRST_WAIT 900000000ULL

static struct sizes *sizes;
static struct client_host host;
static struct object_size size; /* as the next reads find it */
static unsigned int reads, tellings;
static struct ev_handle last;

struct object_size object_size(const struct memory *m, const struct object_fields *fields,
			       const char *object, uint64_t address, uint64_t parent)
{
	(void)fields, (void)parent;
	assert_int_equal(m->pid, 42);
	assert_string_equal(object, "PGresult");
	assert_int_equal(address, 0x1000);
	reads++;
	return size;
}

static void tell(void *context, const struct ev_head *record)
{
	(void)context;
	last = *(const struct ev_handle *)(const void *)record;
	tellings++;
}

static int begin(void **state)
{
	(void)state;
	host = (struct client_host){.tell = tell};
	size = (struct object_size){4096, 10};
	reads = tellings = 0;
	return sizes_open(&sizes, &host);
}

static int end(void **state)
{
	(void)state;
	sizes_close(sizes);
	return 0;
}

static struct ev_handle report(uint32_t resource, uint32_t flags)
{
	const struct object_fields fields = {};
	struct ev_handle ev = {.head = {.ns = BEGUN},
			       .handle = 0x1000,
			       .pid = 42,
			       .resource = resource,
			       .flags = flags,
			       .rows = 3};

	sizes_read(sizes, &ev, &fields, "PGresult");
	return ev;
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
	struct handle_key key = {.handle = 0x1000, .pid = 42, .resource = EV_RES_CONNECTION};

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_reported_object_gets_its_bytes_and_rows),
		TEST(a_result_is_read_until_it_stands_still),
		TEST(a_connection_is_read_ever_more_rarely),
		TEST(an_object_that_is_gone_or_unreadable_is_not_read_again),
		TEST(a_result_with_unread_rows_is_left_to_its_watcher),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
