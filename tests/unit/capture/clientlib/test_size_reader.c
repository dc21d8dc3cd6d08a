/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Sizes of objects in our own memory, read by a worker: right ones, objects made to break their
 * reader, and workers that die, hang and lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/event.h"
#include "tests/unit/support/one_role.h"
#include "user/capture/clientlib/object_size_state.h"
#include "user/capture/clientlib/size_reader.h"
#include "user/capture/clientlib/size_wire.h"
#include "user/capture/clientlib/sqlite_cache_state.h"
#include "user/capture/host/parser_state.h"
#include "user/system/clock.h"

#define ADDRESS(p) ((uint64_t)(uintptr_t)(p))
#define REPLY	   80 /* bytes of a redisReply, its head included */
#define TEXT	   32

/* A reply that is a text, as it lies in glibc's heap. */
struct reply_block {
	uint64_t before, size;
	uint64_t type;
	uint64_t numbers[3], text, rest[3];
	uint64_t text_before, text_size;
	uint64_t text_bytes[2];
};

static struct {
	struct reply_block reply[SIZES_MOST];
	struct chunk end;
} heap __attribute__((aligned(16)));

static struct parser *parser;
static struct object_wanted wanted[SIZES_MOST];
static struct object_size size[SIZES_MOST];

static int begin(void **state)
{
	(void)state;
	return nursery_of(&size_role);
}

static void make_heap(void)
{
	_Static_assert(sizeof(struct reply_block) == REPLY + TEXT, "a block follows the other");
	for (size_t i = 0; i < SIZES_MOST; i++) {
		struct reply_block *r = &heap.reply[i];

		*r = (struct reply_block){.size = REPLY | CHUNK_BEFORE_USED,
					  .type = 1,
					  .text = ADDRESS(&r->text_bytes),
					  .text_size = TEXT | CHUNK_BEFORE_USED};
		wanted[i] = (struct object_wanted){.address = ADDRESS(&r->type),
						   .kind = object_kind("redisReply")};
	}
	heap.end = (struct chunk){0, 32 | CHUNK_BEFORE_USED};
}

static int set_up(void **state)
{
	(void)state;
	make_heap();
	memset(size, 0, sizeof(size));
	return size_reader_open(&parser, nursery);
}

static int tear_down(void **state)
{
	(void)state;
	parser_close(parser);
	return 0;
}

/* start_ns: another process, as far as the asking side knows. */
static int ask(uint64_t start_ns, size_t n)
{
	return size_reader_ask(parser, (uint32_t)getpid(), start_ns, wanted, n, size);
}

/* Asks until all have an answer. */
static void ask_all(uint64_t start_ns)
{
	size_t done = 0;

	while (done < SIZES_MOST) {
		int some = size_reader_ask(parser, (uint32_t)getpid(), start_ns, wanted + done,
					   SIZES_MOST - done, size + done);

		assert_in_range(some, 1, SIZES_MOST - done);
		done += (size_t)some;
	}
}

static void a_worker_reads_many_objects(void **state)
{
	(void)state;
	ask_all(1);
	for (size_t i = 0; i < SIZES_MOST; i++) {
		assert_int_equal(size[i].bytes, REPLY + TEXT);
		assert_true(size[i].rows == UNKNOWN64);
	}
	assert_int_equal(ask(1, 0), -EINVAL);
	assert_int_equal(ask(1, SIZES_MOST + 1), -EINVAL);
}

static void objects_that_make_no_sense_have_no_size_and_others_have(void **state)
{
	uint32_t serial;

	(void)state;
	assert_int_equal(ask(1, 1), 1);
	serial = parser->worker.serial;
	heap.reply[0].size = 1ULL << 60 | 1;
	wanted[1].address = UINT64_MAX;
	wanted[2].address = 0;
	heap.reply[3].text = 8;
	wanted[4].kind = 77;
	heap.reply[5].type = 3000;
	ask_all(1);
	for (size_t i = 0; i < 6; i++)
		assert_true(size[i].bytes == UNKNOWN64);
	for (size_t i = 6; i < SIZES_MOST; i++)
		assert_int_equal(size[i].bytes, REPLY + TEXT);
	assert_int_equal(parser->worker.serial, serial);
}

static int ask_cache(const void *connection, uint32_t *kib)
{
	const struct sqlite_cache_wanted cache = {
		ADDRESS(connection), {.offset = 200, .size = 1}, UNKNOWN64};

	return size_reader_cache(parser, (uint32_t)getpid(), 1, &cache, kib);
}

static void a_worker_reads_what_sqlite_may_hold(void **state)
{
	static unsigned char connection[256], schema[128];
	static struct database each[2] = {{.name = 0}};
	struct databases all = {ADDRESS(each), 2, 0};
	int32_t pages = -3000; /* KiB */
	uint32_t kib;

	(void)state;
	each[0].name = ADDRESS("main");
	each[0].schema = ADDRESS(schema);
	memcpy(connection + AT_DATABASES, &all, sizeof(all));
	memcpy(schema + AT_CACHE_SIZE, &pages, sizeof(pages));
	assert_int_equal(ask_cache(connection, &kib), 0);
	assert_int_equal(kib, 6000);
	each[0].name = 8;
	assert_int_equal(ask_cache(connection, &kib), 0);
	assert_int_equal(kib, UNKNOWN32);
	assert_int_equal(ask(1, 1), 1); /* the same worker reads objects, too */
	assert_int_equal(size[0].bytes, REPLY + TEXT);
}

/* A list of replies whose only element is the list itself, over and over. */
static void a_list_without_an_end_takes_no_longer_than_allowed(void **state)
{
	static uint64_t elements[512] __attribute__((aligned(16)));
	int64_t begun = (int64_t)clock_monotonic_ms();

	(void)state;
	elements[1] = 4000 | CHUNK_BEFORE_USED;
	for (size_t i = 2; i < 498; i++)
		elements[i] = wanted[0].address;
	elements[501] = 32 | CHUNK_BEFORE_USED;
	heap.reply[0].type = 2;
	heap.reply[0].text = 0;
	heap.reply[0].rest[1] = 490;
	heap.reply[0].rest[2] = ADDRESS(&elements[2]);
	assert_in_range(ask(1, 2), 1, 2);
	assert_true(size[0].bytes == UNKNOWN64);
	assert_in_range((int64_t)clock_monotonic_ms() - begun, 0, 2500);
}

static volatile bool changing;

static void *change(void *unused)
{
	unsigned int seed = 1;

	(void)unused;
	while (changing) {
		volatile uint64_t *at = (uint64_t *)&heap +
					(size_t)rand_r(&seed) % (sizeof(heap) / 8);
		uint64_t before = *at;

		*at = (uint64_t)rand_r(&seed);
		sched_yield();
		*at = before;
	}
	return NULL;
}

static void bytes_that_change_do_no_harm(void **state)
{
	pthread_t thread;
	uint32_t serial;

	(void)state;
	assert_int_equal(ask(1, 1), 1);
	serial = parser->worker.serial;
	changing = true;
	assert_int_equal(pthread_create(&thread, NULL, change, NULL), 0);
	for (uint64_t round = 0; round < 50; round++) {
		int n = ask(100 + round, SIZES_MOST);

		for (int i = 0; i < n; i++)
			assert_true(size[i].bytes == UNKNOWN64 ||
				    size[i].bytes <= OBJECT_BYTES_MOST);
	}
	changing = false;
	pthread_join(thread, NULL);
	assert_int_equal(parser->worker.serial, serial);
}

/* --- workers that fail -------------------------------------------------------------------------
 */

/* Puts a worker in place that has answered before.  Returns its end. */
static int place_worker(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	if (parser->worker.wire >= 0)
		close(parser->worker.wire);
	parser->worker = (struct nursling){pair[0], -1, 0, 0};
	parser->heard = true;
	return pair[1];
}

static void a_worker_that_died_is_replaced_without_blame(void **state)
{
	char text[EV_TEXT_LEN];

	(void)state;
	for (int i = 0; i < WORKERS_MOST - 1; i++) {
		assert_int_equal(ask(1, 1), 1);
		shutdown(parser->worker.wire, SHUT_RDWR);
	}
	assert_int_equal(ask(1, 1), 1);
	assert_int_equal(size[0].bytes, REPLY + TEXT);
	assert_false(size_reader_gap(parser, (uint32_t)getpid(), 1, text, sizeof(text)));
}

/* It takes the question and says nothing. */
static void a_process_that_hangs_workers_is_given_up_alone(void **state)
{
	char text[EV_TEXT_LEN];
	uint32_t pid = (uint32_t)getpid();

	(void)state;
	for (int i = 0; i < STRIKES; i++) {
		int64_t begun = (int64_t)clock_monotonic_ms();
		int other = place_worker();

		assert_false(size_reader_gap(parser, pid, 1, text, sizeof(text)));
		assert_int_equal(ask(1, 2), -EIO);
		assert_in_range((int64_t)clock_monotonic_ms() - begun, SILENT_MS - 10,
				SILENT_MS + 2000);
		assert_int_equal(parser->worker.wire, -1);
		close(other);
	}
	assert_int_equal(ask(1, 2), -EDQUOT);
	assert_true(size_reader_gap(parser, pid, 1, text, sizeof(text)));
	assert_non_null(strstr(text, "kill or hang"));
	assert_false(size_reader_gap(parser, pid, 2, text, sizeof(text)));
	assert_int_equal(ask(2, 1), 1);
	assert_int_equal(size[0].bytes, REPLY + TEXT);
}

static void workers_that_fail_for_many_processes_have_an_end(void **state)
{
	char text[EV_TEXT_LEN];

	(void)state;
	for (uint64_t i = 0; i < WORKERS_MOST; i++) {
		close(place_worker());
		assert_true(ask(i, 1) == 1 || i + 1 == WORKERS_MOST);
	}
	assert_int_equal(ask(99, 1), -EDQUOT);
	assert_true(size_reader_gap(parser, (uint32_t)getpid(), 99, text, sizeof(text)));
	assert_non_null(strstr(text, "too often"));
	parser->failures.at_ns -= 2 * WORKER_NS;
	assert_int_equal(ask(99, 1), 1);
}

/* --- answers that lie --------------------------------------------------------------------------
 */

#define ASKED 3

struct lie {
	struct parser_head head;
	struct object_size size[ASKED + 1];
};

static int ask_about_objects(void)
{
	return ask(1, ASKED);
}

static int ask_about_cache(void)
{
	uint32_t kib;
	int err = ask_cache(NULL, &kib);

	return err ? err : (int)kib;
}

/* A worker answers a question with these bytes. */
static int answer_to(int (*question)(void), const void *bytes, size_t n)
{
	int err, other = place_worker();
	pid_t child;

	table_free_values(&parser->owners);
	parser->failures = (struct credit){};
	child = fork();
	if (!child) { /* an answer before the question would be seen as such */
		uint8_t in[4096];

		close(parser->worker.wire);
		alarm(10);
		recv(other, in, sizeof(in), 0);
		send(other, bytes, n, 0);
		recv(other, in, sizeof(in), 0);
		_exit(0);
	}
	close(other);
	err = question();
	waitpid(child, NULL, 0);
	return err;
}

/* ... about ASKED objects. */
static int answer_with(const void *bytes, size_t n)
{
	return answer_to(ask_about_objects, bytes, n);
}

static struct lie answer_of(uint32_t count)
{
	struct lie l = {
		{SIZE_ANSWER, sizeof(l.head) + count * (uint32_t)sizeof(l.size[0]), 0, count},
		{{100, 7}, {200, UNKNOWN64}, {UNKNOWN64, UNKNOWN64}, {300, 3}}};

	return l;
}

static void an_answer_about_some_objects_is_taken(void **state)
{
	struct lie l;

	(void)state;
	for (uint32_t count = 1; count <= ASKED; count++) {
		l = answer_of(count);
		assert_int_equal(answer_with(&l, l.head.size), count);
		assert_int_equal(size[0].bytes, 100);
		assert_int_equal(size[0].rows, 7);
	}
}

static void answers_that_make_no_sense_end_their_worker(void **state)
{
	static const struct object_size impossible[] = {
		{OBJECT_BYTES_MOST + 1, UNKNOWN64},
		{UNKNOWN64 - 1, UNKNOWN64},
		{80, 11},
		{0, 1},
		{UNKNOWN64, 1},
		{UNKNOWN64, 0},
	};
	static const uint32_t counts[] = {0, ASKED + 1, UINT32_MAX, SIZES_MOST};
	struct lie l, two[2];

	(void)state;
	for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
		l = answer_of(ASKED);
		l.size[1] = impossible[i];
		assert_int_equal(answer_with(&l, l.head.size), -EIO);
		assert_int_equal(parser->worker.wire, -1);
	}
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		l = answer_of(ASKED);
		l.head.count = counts[i];
		assert_int_equal(answer_with(&l, sizeof(l)), -EIO);
	}
	l = answer_of(ASKED);
	assert_int_equal(answer_with(&l, l.head.size - 8), -EIO); /* a part of it is missing */
	l.head.size -= sizeof(l.size[0]);
	assert_int_equal(answer_with(&l, l.head.size), -EIO);
	l = answer_of(ASKED);
	l.head.kind = PARSER_BYTES;
	assert_int_equal(answer_with(&l, l.head.size), -EIO);
	l.head.kind = SIZE_OBJECTS;
	assert_int_equal(answer_with(&l, l.head.size), -EIO);
	two[0] = two[1] = answer_of(ASKED + 1);
	two[0].head.count = two[1].head.count = ASKED;
	assert_int_equal(answer_with(two, sizeof(two)), -EIO); /* the same twice */
}

static void a_cache_smaller_than_any_is_none(void **state)
{
	struct parser_head m = {SIZE_CACHED, sizeof(m), 0, SQLITE_CACHE_LEAST};
	const struct lie l = answer_of(1);

	(void)state;
	assert_int_equal(answer_to(ask_about_cache, &m, sizeof(m)), SQLITE_CACHE_LEAST);
	m.count--;
	assert_int_equal(answer_to(ask_about_cache, &m, sizeof(m)), -EIO);
	assert_int_equal(answer_with(&m, sizeof(m)), -EIO);
	assert_int_equal(answer_to(ask_about_cache, &l, l.head.size), -EIO);
}

static void a_process_gets_its_share_of_time_alone(void **state)
{
	struct parser_owner *owner;

	(void)state;
	assert_int_equal(ask(1, 1), 1);
	owner = table_get(&parser->owners, (struct table_key){1, (uint64_t)getpid()});
	assert_non_null(owner);
	owner->credit.left_ns = -10000000000LL;
	assert_int_equal(ask(1, 1), -EBUSY);
	assert_int_equal(ask(2, 1), 1);
	parser->all.left_ns = -10000000000LL;
	assert_int_equal(ask(3, 1), -EBUSY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_worker_reads_many_objects),
		TEST(objects_that_make_no_sense_have_no_size_and_others_have),
		TEST(a_worker_reads_what_sqlite_may_hold),
		TEST(a_list_without_an_end_takes_no_longer_than_allowed),
		TEST(bytes_that_change_do_no_harm),
		TEST(a_worker_that_died_is_replaced_without_blame),
		TEST(a_process_that_hangs_workers_is_given_up_alone),
		TEST(workers_that_fail_for_many_processes_have_an_end),
		TEST(an_answer_about_some_objects_is_taken),
		TEST(answers_that_make_no_sense_end_their_worker),
		TEST(a_cache_smaller_than_any_is_none),
		TEST(a_process_gets_its_share_of_time_alone),
	};
#undef TEST

	return cmocka_run_group_tests(tests, begin, nursery_finish);
}
