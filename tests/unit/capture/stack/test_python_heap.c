/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_python_heap.c - kinds of objects, dictionaries and sets, whole ones and ones made to break
 * the reader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "tests/unit/support/python_objects.h"

#define PLENTY 100000

static struct memory own(void)
{
	return memory_of_process((uint32_t)getpid());
}

static void an_object_is_what_the_name_of_its_type_says(void **state)
{
	struct plain_object code = {.type = &type_code}, other = {.type = &type_other};
	struct memory m = own();
	struct python_heap h = heap_of(&m, PLENTY);

	(void)state;
	assert_int_equal(python_heap_kind(&h, ADDRESS(&code)), PYTHON_CODE_OBJECT);
	assert_int_equal(python_heap_kind(&h, ADDRESS(&other)), PYTHON_UNKNOWN);
	assert_int_equal(python_heap_kind(&h, 0), PYTHON_UNKNOWN);
	assert_int_equal(python_heap_kind(&h, ADDRESS(&code) + 1), PYTHON_UNKNOWN);
	assert_int_equal(python_heap_kind(&h, 0x7ffffffff000), PYTHON_UNKNOWN);
	code.type = (const void *)0x123457;
	assert_int_equal(python_heap_kind(&h, ADDRESS(&code)), PYTHON_UNKNOWN);
}

/* Types that are known need no read but that of the object's type. */
static void types_are_remembered(void **state)
{
	struct plain_object code = {.type = &type_code};
	struct memory m = own();
	struct python_heap h = heap_of(&m, PLENTY);
	uint32_t left;

	(void)state;
	python_heap_kind(&h, ADDRESS(&code));
	left = h.reads;
	assert_int_equal(python_heap_kind(&h, ADDRESS(&code)), PYTHON_CODE_OBJECT);
	assert_int_equal(h.reads, left - 1);
}

static void a_class_counts_as_what_it_is_derived_from(void **state)
{
	static const struct type_object base = {.name = "greenlet.greenlet"},
					first = {.name = "_AsyncIoGreenlet", .base = &base},
					second = {.name = "Mine", .base = &first};
	static struct type_object own_base = {.name = "Snake", .base = &own_base};
	struct plain_object object = {.type = &second}, endless = {.type = &own_base};
	struct memory m = own();
	struct python_heap h = heap_of(&m, PLENTY);

	(void)state;
	assert_int_equal(python_heap_kind(&h, ADDRESS(&object)), PYTHON_GREENLET);
	assert_int_equal(python_heap_kind(&h, ADDRESS(&endless)), PYTHON_UNKNOWN);
}

static void texts_are_compared_whole(void **state)
{
	struct text_object text;
	struct memory m = own();
	struct python_heap h = heap_of(&m, PLENTY);

	(void)state;
	text_set(&text, "asyncio.tasks");
	assert_true(python_heap_says(&h, ADDRESS(&text), "asyncio.tasks"));
	assert_false(python_heap_says(&h, ADDRESS(&text), "asyncio.task"));
	assert_false(python_heap_says(&h, ADDRESS(&text), "asyncio.tasky"));
	text.length = 1ULL << 60;
	assert_false(python_heap_says(&h, ADDRESS(&text), "asyncio.tasks"));
	text.length = 13;
	text.type = &type_set;
	assert_false(python_heap_says(&h, ADDRESS(&text), "asyncio.tasks"));
}

static void find_in(bool general)
{
	struct text_object a, b, c;
	struct set_object set = {.type = &type_set};
	struct dict_object d = {};
	struct memory m = own();
	struct python_heap h = heap_of(&m, PLENTY);

	text_set(&a, "sys");
	text_set(&b, "asyncio.tasks");
	text_set(&c, "builtins");
	dict_put(&d, &a, &a, general);
	dict_put(&d, NULL, NULL, general); /* was removed */
	dict_put(&d, &b, &set, general);
	assert_int_equal(python_heap_get(&h, ADDRESS(&d), "asyncio.tasks"), ADDRESS(&set));
	assert_int_equal(python_heap_get(&h, ADDRESS(&d), "builtins"), 0);
	assert_int_equal(python_heap_first(&h, ADDRESS(&d), PYTHON_SET), ADDRESS(&set));
	assert_int_equal(python_heap_first(&h, ADDRESS(&d), PYTHON_TASK), 0);
}

static void values_are_found_in_dictionaries(void **state)
{
	(void)state;
	find_in(false);
	find_in(true);
}

static void strange_dictionaries_have_no_values(void **state)
{
	struct text_object key;
	struct dict_object d = {};
	struct memory m = own();
	struct python_heap h = heap_of(&m, PLENTY);

	(void)state;
	text_set(&key, "sys");
	dict_put(&d, &key, &key, false);
	assert_int_equal(python_heap_get(&h, ADDRESS(&d), "sys"), ADDRESS(&key));
	d.its.kind = 2; /* shares its keys */
	assert_int_equal(python_heap_get(&h, ADDRESS(&d), "sys"), 0);
	d.its.kind = 1;
	d.its.log2_bytes = 200;
	assert_int_equal(python_heap_get(&h, ADDRESS(&d), "sys"), 0);
	d.its.log2_bytes = 3;
	d.its.entries = UINT64_MAX;
	assert_int_equal(python_heap_get(&h, ADDRESS(&d), "no"), 0);
	d.keys = (void *)16;
	assert_int_equal(python_heap_get(&h, ADDRESS(&d), "sys"), 0);
	assert_int_equal(python_heap_get(&h, ADDRESS(&key), "sys"), 0);
}

struct seen {
	size_t count, most;
	uint64_t sum;
};

static bool on_object(void *context, uint64_t object)
{
	struct seen *s = context;

	s->count++;
	s->sum += object;
	return s->count < s->most;
}

static void a_set_is_walked_to_its_end(void **state)
{
	static struct set_entry table[128];
	struct set_object set = {.type = &type_set, .mask = 127, .table = table};
	struct memory m = own();
	struct python_heap h = heap_of(&m, PLENTY);
	struct seen s = {.most = 1000};

	(void)state;
	memset(table, 0, sizeof(table));
	table[0].key = (void *)1;
	table[100].key = (void *)2;
	table[127].key = (void *)4;
	assert_int_equal(python_heap_each(&h, ADDRESS(&set), on_object, &s), 0);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.sum, 7);
	s = (struct seen){.most = 2};
	assert_int_equal(python_heap_each(&h, ADDRESS(&set), on_object, &s), 0);
	assert_int_equal(s.count, 2);
}

static void sets_without_an_end_are_refused(void **state)
{
	static const struct set_entry entry = {.key = &entry};
	struct set_object set = {.type = &type_set, .mask = UINT64_MAX, .table = &entry};
	struct memory m = own();
	struct python_heap h = heap_of(&m, PLENTY);
	struct seen s = {.most = 1000};

	(void)state;
	assert_int_equal(python_heap_each(&h, ADDRESS(&set), on_object, &s), -EINVAL);
	set.mask = 0;
	set.table = NULL;
	assert_int_equal(python_heap_each(&h, ADDRESS(&set), on_object, &s), -EINVAL);
	set.table = (void *)16;
	assert_int_equal(python_heap_each(&h, ADDRESS(&set), on_object, &s), -EFAULT);
	assert_int_equal(s.count, 0);
}

static ssize_t read_gone(const struct memory *m, uint64_t address, void *to, size_t size)
{
	(void)m, (void)address, (void)to, (void)size;
	return -ESRCH;
}

static void a_look_ends_after_so_many_reads_or_with_the_process(void **state)
{
	struct memory m = own(), gone = {.read = read_gone};
	struct python_heap h = heap_of(&m, 2);
	uint64_t word;

	(void)state;
	assert_int_equal(python_heap_read(&h, 16, &word, sizeof(word)), -EFAULT);
	assert_int_equal(python_heap_read(&h, ADDRESS(&m), &word, sizeof(word)), 0);
	assert_int_equal(python_heap_read(&h, ADDRESS(&m), &word, sizeof(word)), -ETIME);
	h = heap_of(&gone, 100);
	assert_int_equal(python_heap_read(&h, ADDRESS(&m), &word, sizeof(word)), -ESRCH);
	assert_int_equal(h.reads, 0);
	assert_int_equal(python_heap_kind(&h, ADDRESS(&m)), PYTHON_UNKNOWN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_is_what_the_name_of_its_type_says),
		cmocka_unit_test(types_are_remembered),
		cmocka_unit_test(a_class_counts_as_what_it_is_derived_from),
		cmocka_unit_test(texts_are_compared_whole),
		cmocka_unit_test(values_are_found_in_dictionaries),
		cmocka_unit_test(strange_dictionaries_have_no_values),
		cmocka_unit_test(a_set_is_walked_to_its_end),
		cmocka_unit_test(sets_without_an_end_are_refused),
		cmocka_unit_test(a_look_ends_after_so_many_reads_or_with_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
