/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_folded.c - what is held, by stack, and the file that flame graphs are made of.
 */
#include <errno.h>

#include "tests/unit/support/memory_story.h"
#include "user/judge/held.h"
#include "user/report/folded.h"

#define APP 4711

static struct held *gathered(void)
{
	struct held *h = held_open(story.model, verdict(), NULL);

	assert_non_null(h);
	return h;
}

/* What is held in all. */
static uint64_t sum_of(const struct held *h, enum held_kind kind)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < h->count; i++)
		sum += h->all[i].count[kind];
	return sum;
}

static const struct held_view *at_site(const struct held *h, uint32_t line)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->all[i].site && h->all[i].site->line == line)
			return &h->all[i];
	return NULL;
}

/* The file for what is held; the caller frees it. */
static char *folded(const struct report_view *v, const struct held *h)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(report_folded(out, v, h), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void opens_at(uint32_t id, uint64_t stack)
{
	opens(id, APP, APP);
	shows_of(EV_AT_OPENED, id, 0, stack);
	uses(id);
}

static void what_is_open_stands_at_the_line_that_took_it(void **state)
{
	const struct held_view *v;
	uint64_t stack;
	struct held *h;
	char *text;

	(void)state;
	story_begins();
	process(APP);
	stack = through_sqlalchemy(APP, "/srv/shop/report.py", 42, "monthly");
	at(1);
	for (uint32_t id = 0; id < 3; id++)
		opens_at(id, stack);
	begins(0);
	shows_of(EV_AT_BEGUN, 0, 0, stack);
	prepares(1, 1, "SELECT 1", 1);
	shows_of(EV_AT_PREPARED, 1, 1, stack);
	closes(2);
	at(2);
	h = gathered();
	assert_int_equal(h->count, 1);
	v = at_site(h, 42);
	assert_non_null(v);
	assert_ptr_equal(v->process, &story.view->processes[0]);
	assert_string_equal(v->endpoint, "10.0.0.5:5432/shop as app");
	assert_int_equal(v->stack_count, 6);
	assert_ptr_equal(v->site, &v->stack[4]);
	assert_int_equal(v->count[HELD_CONNECTIONS], 2);
	assert_int_equal(v->count[HELD_TRANSACTIONS], 1);
	assert_int_equal(v->count[HELD_STATEMENTS], 1);
	text = folded(story.view, h);
	assert_string_equal(
		text, "connections;app;main.py:9 <module>;report.py:42 monthly();session.py:1714 "
		      "execute();contextlib.py:81 __exit__();default.py:598 "
		      "connect();__init__.py:122 connect() 2\n"
		      "transactions;app;main.py:9 <module>;report.py:42 monthly();session.py:1714 "
		      "execute();contextlib.py:81 __exit__();default.py:598 "
		      "connect();__init__.py:122 connect() 1\n"
		      "statements;app;main.py:9 <module>;report.py:42 monthly();session.py:1714 "
		      "execute();contextlib.py:81 __exit__();default.py:598 "
		      "connect();__init__.py:122 connect() 1\n");
	free(text);
	held_close(h);
	story_ends();
}

static void what_a_process_held_until_its_end_counts(void **state)
{
	uint64_t leak, twin;
	struct held *h;

	(void)state;
	story_begins();
	process(APP);
	leak = at_line(APP, "/srv/shop/report.py", 42, "monthly");
	twin = at_line(APP, "/srv/shop/report.py", 50, "daily");
	for (uint32_t id = 0; id < 5; id++) {
		at(1 + id);
		opens_at(id, leak);
		prepares(id, 1, "SELECT 1", 1);
		shows_of(EV_AT_PREPARED, id, 1, leak);
	}
	at(6);
	opens_at(5, twin);
	at(6.001);
	closes(5); /* right after its last use: no leak */
	at(7);
	closes(3); /* by the shutdown of its interpreter */
	exits(APP);
	at(8);
	h = gathered();
	assert_int_equal(sum_of(h, HELD_CONNECTIONS), 5);
	assert_int_equal(at_site(h, 42)->count[HELD_CONNECTIONS], 5);
	assert_null(at_site(h, 50));
	assert_true(sum_of(h, HELD_STATEMENTS) >= 1);
	held_close(h);
	story_ends();
}

static void statements_of_wire_and_library_are_counted_once(void **state)
{
	struct ev_site s;
	uint64_t stack;
	struct held *h;

	(void)state;
	story_begins();
	process(APP);
	story.database = EV_DB_MYSQL;
	stack = at_line(APP, "/srv/shop/report.py", 42, "monthly");
	at(1);
	opens_at(0, stack);
	s = site_of(APP, 1, EV_RES_STATEMENT, EV_DB_MYSQL, "MYSQL_STMT", "mysql_stmt_close");
	for (uint64_t i = 1; i <= 4; i++) {
		prepares(0, i, "SELECT 1", 1);
		shows_of(EV_AT_PREPARED, 0, i, stack);
		acquires(&s, 1);
	}
	tell_site(&s);
	shows_of_site(&s, stack);
	at(2);
	h = gathered();
	assert_int_equal(sum_of(h, HELD_STATEMENTS), 4);
	held_close(h);
	acquires(&s, 60); /* most of them the wire does not show */
	tell_site(&s);
	at(3);
	h = gathered();
	assert_int_equal(sum_of(h, HELD_STATEMENTS), 64);
	held_close(h);
	story_ends();
}

static void no_byte_counts_twice(void **state)
{
	struct ev_memory_site pages, blocks;
	uint64_t stack;
	struct held *h;

	(void)state;
	story_begins();
	process(APP);
	at(1);
	opens(0, APP, APP);
	stack = at_c_line(APP, 42, "store_row");
	pages = pages_of(APP, 1, stack);
	takes(&pages, 50, 0);
	h = gathered();
	assert_int_equal(sum_of(h, HELD_BYTES), 50000000);
	assert_int_equal(at_site(h, 42)->count[HELD_BYTES], 50000000);
	held_close(h);
	blocks = blocks_of(APP, 2, stack);
	takes(&blocks, 40, 10);
	at(2);
	h = gathered();
	assert_int_equal(sum_of(h, HELD_BYTES), 30000000);
	held_close(h);
	story_ends();
}

static void memory_that_leaks_is_folded_alone(void **state)
{
	struct frame_view frame = {.language = EV_LANG_NATIVE,
				   .file = "/srv/store.c",
				   .line = 42,
				   .function = "store_row"};
	struct finding_view finding = {.resource = RESOURCE_MEMORY};
	struct process_view p = {.comm = "feed", .findings = &finding};
	struct report_view v = {.processes = &p, .process_count = 1};
	struct held_view all[] = {
		{.process = &p, .stack = &frame, .stack_count = 1, .count = {[HELD_BYTES] = 7}},
		{.process = &p, .count = {[HELD_CONNECTIONS] = 1}}};
	struct held h = {.all = all, .count = 2};
	char *text = folded(&v, &h);

	(void)state;
	assert_string_equal(text, "connections;feed;no stack is known 1\n");
	free(text);
	p.finding_count = 1;
	text = folded(&v, &h);
	assert_string_equal(text, "bytes;feed;store.c:42 store_row() 7\n");
	free(text);
	p.finding_count = 0;
	h.count = 1; /* nothing else is held */
	text = folded(&v, &h);
	assert_string_equal(text, "bytes;feed;store.c:42 store_row() 7\n");
	free(text);
}

static void hostile_names_make_no_line_and_no_frame_of_their_own(void **state)
{
	struct frame_view frames[] = {
		{.language = EV_LANG_PYTHON,
		 .file = "/srv/a;b\n1 x.py",
		 .line = 3,
		 .function = "\x1b]0;owned\a"},
		{.language = EV_LANG_PYTHON, .file = "\xe2\x80\xae.py", .function = "<script>"},
		{0}};
	struct process_view p = {.comm = "py;\n\xff"};
	struct report_view v = {.processes = &p, .process_count = 1};
	struct held_view all = {
		.process = &p, .stack = frames, .stack_count = 3, .count = {12, 0, 0, 0}};
	struct held h = {.all = &all, .count = 1};
	char *text = folded(&v, &h);

	(void)state;
	assert_string_equal(text, "connections;py,\\x0a\\xff;?;\\xe2\\x80\\xae.py <script>;"
				  "a,b\\x0a1 x.py:3 \\x1b]0,owned\\x07 12\n");
	free(text);
}

static void a_full_disk_is_an_error(void **state)
{
	FILE *full = fopen("/dev/full", "w");
	struct process_view p = {.comm = "app"};
	struct report_view v = {.processes = &p, .process_count = 1};
	struct held_view all = {.process = &p, .count = {1, 0, 0, 0}};
	struct held h = {.all = &all, .count = 1};

	(void)state;
	assert_non_null(full);
	setvbuf(full, NULL, _IONBF, 0);
	assert_int_equal(report_folded(full, &v, &h), -ENOSPC);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_open_stands_at_the_line_that_took_it),
		cmocka_unit_test(what_a_process_held_until_its_end_counts),
		cmocka_unit_test(statements_of_wire_and_library_are_counted_once),
		cmocka_unit_test(no_byte_counts_twice),
		cmocka_unit_test(memory_that_leaks_is_folded_alone),
		cmocka_unit_test(hostile_names_make_no_line_and_no_frame_of_their_own),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
