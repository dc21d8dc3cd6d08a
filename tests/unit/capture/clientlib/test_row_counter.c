/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Where SQLite counts rows: in code written out here, as compilers make it, and in the installed
 * library; and what looks much like it.
 */
#include "user/capture/clientlib/file_row_counter.h"
#include "user/capture/clientlib/row_counter.h"
#include "user/capture/elf/elf_question.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define LIBRARY "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0"

#define LOAD	    "\x41\x8b\x43\x2c" /* mov 0x2c(%r11),%eax */
#define LOAD_OTHER  "\x41\x8b\x43\x30" /* mov 0x30(%r11),%eax */
#define ADD_2	    "\x83\xc0\x02"     /* add $2,%eax */
#define OR_1	    "\x83\xc8\x01"     /* or $1,%eax */
#define STORE	    "\x41\x89\x43\x2c" /* mov %eax,0x2c(%r11) */
#define STORE_OTHER "\x41\x89\x43\x30"
#define SPILL	    "\x4c\x8b\x6c\x24\x38" /* mov 0x38(%rsp),%r13 */

#define CODE(text) text, sizeof(text) - 1

struct sample {
	const char *what;
	const char *code;
	size_t size;
	int err;
	uint32_t offset;
};

static const struct sample samples[] = {
	{"gcc", CODE(LOAD SPILL ADD_2 OR_1 STORE), 0, 0x2c},
	{"an older version", CODE("\x8b\x47\x30" ADD_2 OR_1 "\x89\x47\x30"), 0, 0x30},
	{"%r12 needs a byte more", CODE("\x41\x8b\x44\x24\x2c" ADD_2 OR_1 "\x41\x89\x44\x24\x2c"),
	 0, 0x2c},
	/* mov 0x2c(%rbx),%r9d; add $2,%r9d; or $1,%r9d; mov %r9d,0x2c(%rbx) */
	{"a high register",
	 CODE("\x44\x8b\x4b\x2c\x41\x83\xc1\x02\x41\x83\xc9\x01\x44\x89\x4b\x2c"), 0, 0x2c},
	/* lea 2(%rax),%eax */
	{"lea", CODE(LOAD "\x8d\x40\x02" OR_1 STORE), 0, 0x2c},
	{"among other code", CODE("\x90\x90\xc3" LOAD ADD_2 OR_1 STORE "\xc3\x90"), 0, 0x2c},
	{"twice the same", CODE(LOAD ADD_2 OR_1 STORE LOAD ADD_2 OR_1 STORE), 0, 0x2c},
	{"two that differ", CODE(LOAD ADD_2 OR_1 STORE LOAD_OTHER ADD_2 OR_1 STORE_OTHER), -EEXIST,
	 0},
	{"nothing", CODE(""), -ENOENT, 0},
	{"stored elsewhere", CODE(LOAD ADD_2 OR_1 STORE_OTHER), -ENOENT, 0},
	{"stored through another pointer", CODE(LOAD ADD_2 OR_1 "\x89\x47\x2c"), -ENOENT, 0},
	{"another register stored", CODE(LOAD ADD_2 OR_1 "\x41\x89\x4b\x2c"), -ENOENT, 0},
	{"not stored", CODE(LOAD ADD_2 OR_1 "\xc3"), -ENOENT, 0},
	{"by one", CODE(LOAD "\x83\xc0\x01" OR_1 STORE), -ENOENT, 0},
	{"without or", CODE(LOAD ADD_2 STORE), -ENOENT, 0},
	{"the other way round", CODE(LOAD OR_1 ADD_2 STORE), -ENOENT, 0},
	{"value lost", CODE(LOAD ADD_2 "\x31\xc0" OR_1 STORE), -ENOENT, 0},
	{"pointer lost", CODE(LOAD ADD_2 OR_1 "\x4d\x31\xdb" STORE), -ENOENT, 0},
	{"a jump in between", CODE(LOAD ADD_2 "\x75\x00" OR_1 STORE), -ENOENT, 0},
	{"a call in between", CODE(LOAD ADD_2 "\xe8\x00\x01\x00\x00" OR_1 STORE), -ENOENT, 0},
	{"eight bytes", CODE("\x49\x8b\x43\x28\x48\x83\xc0\x02\x48\x83\xc8\x01\x49\x89\x43\x28"),
	 -ENOENT, 0},
	{"too near", CODE("\x8b\x47\x08" ADD_2 OR_1 "\x89\x47\x08"), -ENOENT, 0},
	{"an element", CODE("\x8b\x44\x8f\x2c" ADD_2 OR_1 "\x89\x44\x8f\x2c"), -ENOENT, 0},
	{"cut", CODE(LOAD ADD_2 OR_1 "\x41\x89"), -ENOENT, 0},
};

static void only_the_count_of_rows_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];
		uint8_t *code = malloc(s->size + 1); /* so that what is read beyond it shows */
		uint32_t offset = 0;
		int err;

		assert_non_null(code);
		code = realloc(memcpy(code, s->code, s->size), s->size ? s->size : 1);
		err = row_counter_find(code, s->size, &offset);
		if (err != s->err || (!err && offset != s->offset))
			fail_msg("%s: %d, %u", s->what, err, offset);
		free(code);
	}
}

static void the_installed_library_has_one(void **state)
{
	FILE *file = fopen(LIBRARY, "r");
	static uint8_t bytes[8 << 20];
	uint32_t offset;
	size_t n;

	(void)state;
	if (!file)
		skip();
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_int_equal(row_counter_find(bytes, n, &offset), 0);
	assert_true(offset >= 32 && offset <= 64);
}

/* What a worker says is believed only where it can be true. */
static void offsets_that_cannot_be_are_not_believed(void **state)
{
	static const struct {
		uint32_t offset;
		bool believed;
	} cases[] = {
		{0, false},	    {ROW_COUNTER_LEAST - 4, false}, {ROW_COUNTER_LEAST, true},
		{62, false},	    {ROW_COUNTER_MOST, true},	    {ROW_COUNTER_MOST + 4, false},
		{UINT32_MAX, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(row_counter_question.check(NULL, NULL, &cases[i].offset),
				 cases[i].believed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_count_of_rows_is_found),
		cmocka_unit_test(the_installed_library_has_one),
		cmocka_unit_test(offsets_that_cannot_be_are_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
