/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_infile.c - what is said of files that are no recordings.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/support/said.h"
#include "user/command/infile.h"

static char path[] = "/tmp/dbleak-infile-XXXXXX";

static void put(const char *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/* What is said of a file with that content, behind its name. */
static const char *refused(const char *bytes, size_t size, int err)
{
	static char expected[64];
	struct infile in;
	const char *said;

	put(bytes, size);
	assert_int_equal(infile_open(&in, path), -1);
	said_begin();
	assert_int_equal(infile_refuse(&in, err), 2);
	fclose(in.file);
	said = said_end();
	snprintf(expected, sizeof(expected), "dbleak: cannot read %s: ", path);
	assert_int_equal(strncmp(said, expected, strlen(expected)), 0);
	return said + strlen(expected);
}

static void each_kind_of_file_is_named_with_what_to_do(void **state)
{
	(void)state;
	assert_string_equal(refused("\x1f\x8b\x08\0", 4, -EPROTO),
			    "it is compressed: gunzip it first\n");
	assert_string_equal(refused("\x28\xb5\x2f\xfd", 4, -EPROTO),
			    "it is compressed: unzstd it first\n");
	assert_string_equal(refused("{\"schema\": 1}", 13, -EPROTO),
			    "it is JSON, perhaps a report: read it with jq\n");
	assert_string_equal(refused("dbleak  22 s, ", 14, -EPROTO),
			    "it is a report, not a recording\n");
	assert_string_equal(refused("", 0, -EPROTO), "it is empty\n");
	assert_string_equal(refused("BZ", 2, -EPROTO), "not a recording of dbleak\n");
	assert_string_equal(refused("words", 5, -EPROTO), "not a recording of dbleak\n");
}

/* A newer recording is one, whatever its first bytes look like. */
static void another_error_is_named_as_it_is(void **state)
{
	(void)state;
	assert_non_null(strstr(refused("{", 1, -ENOTSUP), "newer"));
	assert_string_equal(refused("{", 1, -EIO), "Input/output error\n");
}

static void what_cannot_be_opened_or_is_no_file_ends_with_status_2(void **state)
{
	struct infile in;

	(void)state;
	said_begin();
	assert_int_equal(infile_open(&in, "/no/such/file"), 2);
	assert_string_equal(said_end(),
			    "dbleak: cannot read /no/such/file: No such file or directory\n");
	said_begin();
	assert_int_equal(infile_open(&in, "/tmp"), 2);
	assert_string_equal(said_end(), "dbleak: cannot read /tmp: it is a directory\n");
}

static void a_dash_is_standard_input(void **state)
{
	struct infile in;

	(void)state;
	put("x", 1);
	assert_non_null(freopen(path, "r", stdin));
	assert_int_equal(infile_open(&in, "-"), -1);
	assert_ptr_equal(in.file, stdin);
	assert_int_equal(fgetc(in.file), 'x'); /* its first bytes are still to be read */
	assert_string_equal(in.name, "standard input");
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_file_is_named_with_what_to_do),
		cmocka_unit_test(another_error_is_named_as_it_is),
		cmocka_unit_test(what_cannot_be_opened_or_is_no_file_ends_with_status_2),
		cmocka_unit_test(a_dash_is_standard_input),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
