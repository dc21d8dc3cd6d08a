/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/* The table of client libraries is consistent in itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/capture/clientlib/probe_table.h"

#define EACH_ROW(l, r)                                        \
	for (const struct probe_library *l = probe_libraries; \
	     l < probe_libraries + probe_library_count; l++)  \
		for (const struct probe_row *r = l->rows; r < l->rows + l->count; r++)

static const struct probe_row *row_named(const struct probe_library *l, const char *symbol)
{
	for (size_t i = 0; i < l->count; i++)
		if (!strcmp(l->rows[i].symbol, symbol))
			return &l->rows[i];
	return NULL;
}

static void each_number_names_one_row(void **state)
{
	const struct probe_library *found;
	uint16_t number = 0;

	(void)state;
	EACH_ROW(l, row)
	{
		assert_ptr_equal(probe_row_of(number, &found), row);
		assert_ptr_equal(found, l);
		number++;
	}
	assert_null(probe_row_of(number, NULL));
	assert_null(probe_row_of(UINT16_MAX, NULL));
}

/* But for what is inside a static copy's call: that row stands in for the other there. */
static void a_function_has_one_row_in_its_library(void **state)
{
	(void)state;
	EACH_ROW(l, row)
	for (const struct probe_row *other = l->rows; other < row; other++)
		if (!strcmp(other->symbol, row->symbol))
			assert_true(other->role == PROBE_INSIDE && row->role != other->role);
}

static void anchors_are_functions_that_always_exist(void **state)
{
	(void)state;
	for (size_t i = 0; i < probe_library_count; i++) {
		const char *const *anchor = probe_libraries[i].anchors;

		assert_non_null(*anchor);
		for (; *anchor; anchor++)
			assert_non_null(row_named(&probe_libraries[i], *anchor));
	}
}

static void each_library_has_a_bit_of_its_own(void **state)
{
	uint32_t bits = 0;

	(void)state;
	for (size_t i = 0; i < probe_library_count; i++) {
		const struct probe_library *l = &probe_libraries[i];

		assert_int_not_equal(l->bit, 0);
		assert_int_equal(l->bit & (l->bit - 1), 0);
		assert_int_equal(bits & l->bit, 0);
		bits |= l->bit;
	}
}

static void what_is_acquired_is_released_in_the_same_library(void **state)
{
	(void)state;
	EACH_ROW(l, row)
	{
		const struct probe_row *release;

		if (row->role != PROBE_ACQUIRE)
			continue;
		assert_int_not_equal(l->database, EV_DB_UNKNOWN);
		assert_non_null(row->object);
		assert_non_null(row->release);
		assert_true(strlen(row->object) < EV_SYMBOL_LEN);
		assert_true(strlen(row->release) < EV_SYMBOL_LEN);
		release = row_named(l, row->release);
		assert_non_null(release);
		assert_int_equal(release->role, PROBE_RELEASE);
		assert_int_equal(release->resource, row->resource);
	}
}

/* A release that nothing needs would only cost. */
static void each_release_takes_back_what_some_row_hands_out(void **state)
{
	(void)state;
	EACH_ROW(l, row)
	{
		int found = 0;

		if (row->role != PROBE_RELEASE)
			continue;
		for (size_t i = 0; i < l->count; i++)
			found |= l->rows[i].role == PROBE_ACQUIRE &&
				 l->rows[i].resource == row->resource;
		assert_true(found);
	}
}

static int is_argument(uint8_t source)
{
	return source >= FROM_ARG1 && source <= FROM_ARG7;
}

static void sources_can_be_read_when_they_are(void **state)
{
	(void)state;
	EACH_ROW(l, row)
	{
		int returned = row->handle == FROM_RETURN ||
			       (row->handle & FROM_OUT && is_argument(row->handle & ~FROM_OUT));

		if (row->role == PROBE_ACQUIRE)
			assert_true(returned);
		if (row->role == PROBE_RELEASE || row->role == PROBE_USE ||
		    row->role == PROBE_REWIND)
			assert_true(is_argument(row->handle));
		assert_true(row->parent == FROM_NOWHERE || is_argument(row->parent));
		assert_true(row->text == FROM_NOWHERE || is_argument(row->text));
	}
}

/* Success is read from an int result, so a pointer result cannot be judged by it. */
static void success_is_of_calls_that_return_a_number(void **state)
{
	(void)state;
	EACH_ROW(l, row)
	if (row->success != SUCCESS_ANY)
		assert_int_not_equal(row->handle, FROM_RETURN);
}

static void what_decides_at_the_return_has_a_return_probe(void **state)
{
	(void)state;
	EACH_ROW(l, row)
	{
		if (row->role == PROBE_ACQUIRE || row->role == PROBE_INSIDE || row->success)
			assert_true(probe_row_returns(row));
		else if (!(row->flags & PROBE_JOINS))
			assert_false(probe_row_returns(row));
	}
}

static void flags_stand_where_they_mean_something(void **state)
{
	(void)state;
	EACH_ROW(l, row)
	{
		int makes_child = row->role == PROBE_ACQUIRE && row->parent != FROM_NOWHERE;

		assert_int_equal(row->flags & (PROBE_RETURNS | PROBE_STATIC), 0);
		if (row->flags & PROBE_JOINS)
			assert_true(row->resource == EV_RES_CONNECTION || makes_child);
		if (row->flags & PROBE_AFTER)
			assert_true(makes_child);
		if (row->flags & PROBE_ZOMBIE)
			assert_int_equal(row->role, PROBE_RELEASE);
		if (row->rows_after == ROWS_COUNTED)
			assert_int_equal(row->resource, EV_RES_STATEMENT);
		else if (row->flags & PROBE_UNREAD || row->rows_after)
			assert_int_equal(row->resource, EV_RES_RESULT);
		if (row->role == PROBE_REWIND)
			assert_int_equal(row->rows_after, ROWS_COUNTED);
	}
}

static void no_connection_belongs_to_another(void **state)
{
	(void)state;
	EACH_ROW(l, row)
	if (row->resource == EV_RES_CONNECTION)
		assert_int_equal(row->parent, FROM_NOWHERE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_number_names_one_row),
		cmocka_unit_test(a_function_has_one_row_in_its_library),
		cmocka_unit_test(anchors_are_functions_that_always_exist),
		cmocka_unit_test(each_library_has_a_bit_of_its_own),
		cmocka_unit_test(what_is_acquired_is_released_in_the_same_library),
		cmocka_unit_test(each_release_takes_back_what_some_row_hands_out),
		cmocka_unit_test(sources_can_be_read_when_they_are),
		cmocka_unit_test(success_is_of_calls_that_return_a_number),
		cmocka_unit_test(what_decides_at_the_return_has_a_return_probe),
		cmocka_unit_test(flags_stand_where_they_mean_something),
		cmocka_unit_test(no_connection_belongs_to_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
