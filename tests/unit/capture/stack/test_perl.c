/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_perl.c - the calls of a Perl that is not there, 5.36 and 5.40, whole and damaged.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/capture/elf/elf.h"
#include "user/capture/host/memory.h"
#include "user/capture/stack/perl.h"
#include "user/capture/stack/perl_state.h"
#include "tests/unit/support/foreign.h"

struct cop {
	uint64_t next, sibling, code, target;
	uint16_t type, flags;
	uint32_t line;
	uint64_t stash, file;
};

struct name {
	uint32_t hash;
	int32_t length;
	char text[16];
};

/* Report::monthly, a sub with its glob, called by the file. */
static struct {
	struct cop inner, outer;
	struct perl_value sub, glob, hash;
	uint64_t sub_body[CV_BYTES / 8], glob_body[6], hash_body[9], buckets[5];
	struct name name, package;
	char file[16];
} perl;

static struct foreign memory_of_perl;
static struct raw_stack raw;
static struct texts texts;
static struct frame frames[STACK_FRAMES];
static uint32_t flags;

#define BASE	  0x100000
#define AT(field) (BASE + offsetof(typeof(perl), field))

static struct name name_of(const char *text)
{
	struct name n = {.length = (int32_t)strlen(text)};

	strcpy(n.text, text);
	return n;
}

static void set_row(enum perl_row row)
{
	raw.row = row;
	perl.inner.type = perl_rows[row].next_state;
	perl.outer.type = perl_rows[row].debug_state | 0x200; /* flags behind its nine bits */
	memset(perl.buckets, 0, sizeof(perl.buckets));
	memset(perl.hash_body, 0, sizeof(perl.hash_body));
	perl.hash_body[HASH_MAX / 8] = 0;
	if (perl_rows[row].with_aux)
		perl.hash_body[HASH_BODY / 8] = AT(package);
	else
		perl.buckets[1] = AT(package);
}

static int set_up(void **state)
{
	(void)state;
	memset(&perl, 0, sizeof(perl));
	memory_of_perl.count = 0;
	perl.name = name_of("monthly");
	perl.package = name_of("Report");
	strcpy(perl.file, "report.pl");
	perl.inner = (struct cop){.code = 0x1000, .line = 42, .file = AT(file)};
	perl.outer = (struct cop){.code = 0x1000, .line = 99, .file = AT(file)};
	perl.sub = (struct perl_value){AT(sub_body), 1, IS_CODE, 0};
	perl.glob = (struct perl_value){AT(glob_body), 1, IS_GLOB, 0};
	perl.hash = (struct perl_value){AT(hash_body), 1, IS_HASH | HASH_HAS_AUX, AT(buckets)};
	perl.sub_body[CV_GV / 8] = AT(glob);
	perl.glob_body[GV_NAME / 8] = AT(name);
	perl.glob_body[GV_NAME / 8 + 1] = AT(hash);
	foreign_put(&memory_of_perl, BASE, &perl, sizeof(perl));
	raw = (struct raw_stack){.runtime = RUNTIME_PERL, .count = 2};
	raw.frame[0] = (struct raw_frame){AT(inner), AT(sub)};
	raw.frame[1] = (struct raw_frame){AT(outer), 0};
	set_row(PERL_5_36);
	return 0;
}

static int read_it(void)
{
	struct memory m = foreign_memory(&memory_of_perl);

	return perl_read(&m, &raw, &texts, frames, &flags);
}

static void a_sub_of_a_package_is_named_in_each_version(void **state)
{
	(void)state;
	for (enum perl_row row = 0; row < PERL_ROWS; row++) {
		set_row(row);
		assert_int_equal(read_it(), 2);
		assert_int_equal(flags, 0);
		assert_string_equal(frames[0].function, "Report::monthly");
		assert_string_equal(frames[0].file, "report.pl");
		assert_int_equal(frames[0].line, 42);
		assert_null(frames[1].function);
		assert_int_equal(frames[1].line, 99);
		assert_int_equal(frames[1].language, EV_LANG_PERL);
	}
}

static void a_sub_with_a_name_of_its_own_or_of_main_is_named(void **state)
{
	uint32_t named = CV_NAMED;

	(void)state;
	memcpy((char *)perl.sub_body + CV_FLAGS, &named, sizeof(named));
	perl.sub_body[CV_GV / 8] = AT(name);
	perl.sub_body[CV_STASH / 8] = AT(hash);
	assert_int_equal(read_it(), 2);
	assert_string_equal(frames[0].function, "Report::monthly");
	perl.package = name_of("main");
	assert_int_equal(read_it(), 2);
	assert_string_equal(frames[0].function, "monthly");
}

static void a_nameless_sub_still_has_its_line(void **state)
{
	(void)state;
	perl.glob.flags = IS_HASH;
	assert_int_equal(read_it(), 2);
	assert_null(frames[0].function);
	assert_int_equal(frames[0].line, 42);
	set_up(NULL);
	perl.name.length = -7;
	assert_int_equal(read_it(), 2);
	assert_null(frames[0].function);
	set_up(NULL);
	perl.name.length = INT32_MAX;
	assert_int_equal(read_it(), 2);
	assert_null(frames[0].function);
}

static void an_eval_is_part_of_its_function_and_another_file_is_not(void **state)
{
	(void)state;
	raw.count = 3;
	raw.frame[0].at = 1;
	raw.frame[1].at = AT(sub);
	raw.frame[2] = (struct raw_frame){AT(outer), 0};
	assert_int_equal(read_it(), 2);
	assert_int_equal(frames[0].line, 42);
	assert_string_equal(frames[0].function, "Report::monthly");
	perl.inner.file = AT(package) + offsetof(struct name, text);
	assert_int_equal(read_it(), 3);
	assert_string_equal(frames[0].file, "Report");
	assert_null(frames[0].function);
	assert_string_equal(frames[1].function, "Report::monthly");
}

static void what_is_no_statement_ends_the_stack(void **state)
{
	(void)state;
	perl.outer.type = 17;
	assert_int_equal(read_it(), 1);
	assert_int_equal(flags, EV_STACK_CUT);
	perl.inner.line = 0;
	assert_int_equal(read_it(), 0);
	set_up(NULL);
	perl.inner.file = 0x666;
	assert_int_equal(read_it(), 0);
	set_up(NULL);
	raw.frame[0].code = AT(inner) + 4;
	assert_int_equal(read_it(), 0);
	set_up(NULL);
	perl.inner.type = 0; /* what is compiled now is one, an OP without use is not */
	assert_int_equal(read_it(), 0);
	perl.inner.code = 0;
	assert_int_equal(read_it(), 2);
	set_row(PERL_5_42);
	raw.row = PERL_5_36;
	assert_int_equal(read_it(), 0);
	raw.row = PERL_ROWS;
	assert_int_equal(read_it(), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_sub_of_a_package_is_named_in_each_version, set_up),
		cmocka_unit_test_setup(a_sub_with_a_name_of_its_own_or_of_main_is_named, set_up),
		cmocka_unit_test_setup(a_nameless_sub_still_has_its_line, set_up),
		cmocka_unit_test_setup(an_eval_is_part_of_its_function_and_another_file_is_not,
				       set_up),
		cmocka_unit_test_setup(what_is_no_statement_ends_the_stack, set_up),
	};

	return cmocka_run_group_tests_name("perl", tests, NULL, NULL);
}
