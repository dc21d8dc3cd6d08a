/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The decoders say the same in a file's worker as here, and the main process asks a worker: without
 * one there is no answer.
 */
#include "user/capture/helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/capture/clientlib/file_row_counter.h"
#include "user/capture/clientlib/probe_table.h"
#include "user/capture/elf/elf_question.h"
#include "user/capture/elf/elf_state.h"
#include "user/capture/elf/look_state.h"
#include "user/capture/memory/call_site.h"
#include "user/capture/memory/pool_code.h"
#include "user/capture/probe/file_exit.h"
#include "user/capture/probe/file_point.h"
#include "user/capture/stack/php.h"

#define LIBRARIES "/usr/lib/x86_64-linux-gnu/"

static struct helpers helpers;

/* A library, read here and through a worker. */
struct both {
	int fd;
	struct elf_file *here, *there;
};

static bool both_open(struct both *b, const char *name)
{
	b->fd = open(name, O_RDONLY | O_CLOEXEC);
	if (b->fd < 0)
		return false;
	look_all.nursery = NULL;
	assert_int_equal(elf_open(&b->here, b->fd), 0);
	look_all.nursery = helpers.nursery;
	assert_int_equal(elf_open(&b->there, b->fd), 0);
	assert_non_null(b->there->look);
	return true;
}

static void both_close(struct both *b)
{
	elf_close(b->here);
	elf_close(b->there);
	close(b->fd);
}

/* Checked code is slow: each row has a budget of its own. */
static void compare_row(const struct both *b, const struct probe_row *row)
{
	struct probe_exits ends[2] = {};
	struct probe_field field[2] = {};
	struct file_point point[2];
	struct file_function function;
	struct file_wish wish = {.arguments = PROBE_RDI | PROBE_RSI, .inner = true};
	int err;

	elf_deepen(b->here);
	elf_deepen(b->there);
	if (elf_find(b->here, &row->symbol, 1, false, &wish.function) != 1)
		return;
	function = (struct file_function){.offset = wish.function.offset,
					  .size = wish.function.size};
	err = file_exits_find(b->here, &function, &ends[0]);
	assert_int_equal(file_exits_find(b->there, &function, &ends[1]), err);
	assert_memory_equal(&ends[0], &ends[1], sizeof(ends[0]));
	err = file_point_find(b->here, &wish, &point[0]);
	assert_int_equal(file_point_find(b->there, &wish, &point[1]), err);
	assert_memory_equal(&point[0], &point[1], sizeof(point[0]));
	err = file_field_find(b->here, &wish.function, &field[0]);
	assert_int_equal(file_field_find(b->there, &wish.function, &field[1]), err);
	assert_memory_equal(&field[0], &field[1], sizeof(field[0]));
	assert_false(elf_given_up(b->there));
}

static void workers_decode_as_we_do(void **state)
{
	static const struct {
		const char *name;
		size_t library;
	} libraries[] = {{LIBRARIES "libpq.so.5", 0}, {LIBRARIES "libhiredis.so.0.14", 3}};
	struct both b;

	(void)state;
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		const struct probe_library *l = &probe_libraries[libraries[i].library];

		if (!both_open(&b, libraries[i].name))
			continue;
		for (size_t k = 0; k < l->count; k++)
			compare_row(&b, &l->rows[k]);
		both_close(&b);
	}
}

static void workers_find_the_calls_of_a_library(void **state)
{
	static struct call_sites here, there;
	struct both b;

	(void)state;
	if (!both_open(&b, LIBRARIES "libhiredis.so.0.14"))
		skip();
	elf_deepen(b.here);
	elf_deepen(b.there);
	assert_int_equal(call_sites_find(b.here, &here), 0);
	assert_int_equal(call_sites_find(b.there, &there), 0);
	assert_int_equal(here.count, there.count);
	assert_true(here.count && here.slot == there.slot);
	for (size_t i = 0; i < here.count; i++) {
		assert_int_equal(here.all[i].offset, there.all[i].offset);
		assert_int_equal(here.all[i].function, there.all[i].function);
	}
	both_close(&b);
}

/* None of the questions is one that workers were not told of. */
static void workers_know_every_question(void **state)
{
	const struct elf_question *const all[] = {
		&point_question,       &field_question,	     &exits_question,
		&row_counter_question, &call_sites_question, &pool_slot_question,
		&pool_taker_question,  &php_question,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int number = elf_question_number(all[i]);

		assert_true(number >= 0);
		assert_ptr_equal(elf_question_at((size_t)number), all[i]);
		assert_true(all[i]->out <= LOOK_PACKET_MAX - sizeof(struct look_reply));
		assert_true(all[i]->in <= LOOK_PACKET_MAX - sizeof(struct look_request));
	}
}

/* Each is the refusal of a function that cannot be decoded. */
static void without_a_worker_nothing_is_decoded(void **state)
{
	static const char *const name = "malloc";
	static struct call_sites sites;
	struct file_function function;
	struct probe_exits ends;
	struct probe_field field;
	struct file_point point;
	struct file_wish wish = {.arguments = PROBE_RDI};
	uint32_t offset = 1;
	struct both b;

	(void)state;
	assert_true(both_open(&b, "/lib/x86_64-linux-gnu/libc.so.6"));
	assert_int_equal(elf_find(b.there, &name, 1, false, &wish.function), 1);
	function = (struct file_function){.offset = wish.function.offset,
					  .size = wish.function.size};
	assert_int_equal(file_exits_find(b.there, &function, &ends), 0);
	shutdown(b.there->look->own.worker.wire, SHUT_RDWR);
	assert_true(file_exits_find(b.there, &function, &ends) < 0);
	assert_int_equal(ends.count, 0);
	assert_true(elf_given_up(b.there));
	assert_true(file_point_find(b.there, &wish, &point) < 0);
	assert_int_equal(point.at.delta, 0);
	assert_true(file_field_find(b.there, &wish.function, &field) < 0);
	assert_int_equal(field.size, 0);
	assert_true(file_row_counter_find(b.there, wish.function.offset, 64, &offset) < 0);
	assert_int_equal(offset, 0);
	assert_true(call_sites_find(b.there, &sites) < 0);
	assert_int_equal(sites.count, 0);
	both_close(&b);
	look_all.given_up_count = 0;
}

static int open_all(void **state)
{
	(void)state;
	return helpers_open(&helpers);
}

static int close_all(void **state)
{
	(void)state;
	look_through(NULL);
	helpers_close(&helpers);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_decode_as_we_do),
		cmocka_unit_test(workers_find_the_calls_of_a_library),
		cmocka_unit_test(workers_know_every_question),
		cmocka_unit_test(without_a_worker_nothing_is_decoded),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
