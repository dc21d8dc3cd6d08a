/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What SQLite itself may hold of its process's memory for a connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "bpf/event.h"
#include "user/capture/clientlib/sqlite_cache.h"
#include "user/capture/clientlib/sqlite_cache_state.h"

/* What the library's own structures look like; this process is the one that is looked at. */
struct fake {
	unsigned char schema[3][128], connection[256];
	struct database each[3];
	struct databases all;
	struct probe_field autocommit;
	struct {
		char main[5], temp[5], more[5];
	} names;
};

static void cache(struct fake *f, int which, int32_t size)
{
	memcpy(f->schema[which] + AT_CACHE_SIZE, &size, sizeof(size));
}

static void build(struct fake *f, int count)
{
	*f = (struct fake){.autocommit = {.offset = 101, .size = 1},
			   .names = {"main", "temp", "more"}};
	for (int i = 0; i < 3; i++) {
		f->each[i].name = (uintptr_t)&f->names + 5 * i;
		f->each[i].tree = i == 1 ? 0 : 1;
		f->each[i].schema = (uintptr_t)f->schema[i];
		cache(f, i, -2000);
	}
	f->all = (struct databases){(uintptr_t)f->each, count, 0};
	memcpy(f->connection + AT_DATABASES, &f->all, sizeof(f->all));
	f->connection[101] = 1;
}

static uint32_t own(const struct fake *f, uint64_t file_bytes)
{
	const struct sqlite_cache_wanted wanted = {(uintptr_t)f->connection, f->autocommit,
						   file_bytes};
	const struct memory m = memory_of_process((uint32_t)getpid());

	return sqlite_cache_kib(&m, &wanted);
}

static void the_library_keeps_pages_and_sorts(void **state)
{
	struct fake f;

	(void)state;
	build(&f, 2);
	assert_int_equal(own(&f, UNKNOWN64), 4000);
	assert_int_equal(own(&f, 100 << 10), 2100); /* no more pages than there are */
	cache(&f, 0, -64000);
	assert_int_equal(own(&f, UNKNOWN64), 128000);
	cache(&f, 0, 1000); /* pages, of any size */
	assert_int_equal(own(&f, UNKNOWN64), 128000);
	f.each[1].tree = 1;
	assert_int_equal(own(&f, UNKNOWN64), 130000);
	build(&f, 3);
	cache(&f, 2, -5000);
	assert_int_equal(own(&f, 0), 7000);
	cache(&f, 0, INT32_MIN);
	assert_int_equal(own(&f, UNKNOWN64), UNKNOWN32);
}

static void what_is_not_understood_has_no_bound(void **state)
{
	struct fake f;

	(void)state;
	build(&f, 2);
	f.connection[102] = TEMP_STORE_MEMORY;
	assert_int_equal(own(&f, 0), UNKNOWN32);
	build(&f, 2);
	f.autocommit.size = 0;
	assert_int_equal(own(&f, 0), UNKNOWN32);
	build(&f, 2);
	f.names.main[0] = 'M';
	assert_int_equal(own(&f, 0), UNKNOWN32);
	build(&f, 2);
	f.each[0].name = 8;
	assert_int_equal(own(&f, 0), UNKNOWN32);
	for (int count = -1; count < 2; count++) {
		build(&f, count);
		assert_int_equal(own(&f, 0), UNKNOWN32);
	}
	build(&f, 1 << 20);
	assert_int_equal(own(&f, 0), UNKNOWN32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_library_keeps_pages_and_sorts),
		cmocka_unit_test(what_is_not_understood_has_no_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
