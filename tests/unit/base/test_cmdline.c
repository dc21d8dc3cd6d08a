/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_cmdline.c - a command line that is too long loses its middle, not its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/cmdline.h"
#include "user/base/service.h"

#define SIZE 256

static char line[4096], cut[SIZE];

static const char *fit(const char *begin, const char *option, int times, const char *end)
{
	size_t n = (size_t)snprintf(line, sizeof(line), "%s", begin);

	for (int i = 0; i < times; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %s%d=...", option, i);
	snprintf(line + n, sizeof(line) - n, "%s", end);
	n = cmdline_fit(cut, sizeof(cut), line);
	assert_int_equal(n, strlen(cut));
	assert_true(strlen(cut) < sizeof(cut));
	return cut;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && !strcmp(text + len - n, end);
}

static void what_fits_is_whole(void **state)
{
	(void)state;
	assert_string_equal(fit("python3 app.py --port ...", "", 0, ""),
			    "python3 app.py --port ...");
}

static void the_end_stays(void **state)
{
	char name[64];

	(void)state;
	fit("java", "-Dcom.acme.option", 60, " com.acme.Main --port ...");
	assert_int_equal(strncmp(cut, "java -Dcom.acme.option0=... ", 28), 0);
	assert_true(ends_with(cut, " com.acme.Main --port ..."));
	assert_non_null(strstr(cut, "=... [...] -D"));
	service_name(name, sizeof(name), cut);
	assert_string_equal(name, "com.acme.Main");
}

/* Spring's options are as many behind the class as Java's before it. */
static void the_name_of_what_runs_stays(void **state)
{
	char begin[2048], name[64];
	size_t n = (size_t)snprintf(begin, sizeof(begin), "java");

	(void)state;
	for (int i = 0; i < 40; i++)
		n += (size_t)snprintf(begin + n, sizeof(begin) - n, " -XX:Option%d=...", i);
	snprintf(begin + n, sizeof(begin) - n, " -jar /srv/orders.jar");
	fit(begin, "--spring.option", 40, " --last");
	assert_non_null(strstr(cut, " [...] orders.jar [...] "));
	assert_true(ends_with(cut, " --last"));
	service_name(name, sizeof(name), cut);
	assert_string_equal(name, "orders.jar");
}

static void no_character_is_cut_in_two(void **state)
{
	char long_word[2001];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(long_word); i++)
		long_word[i] = "\xe6\x97\xa5"[i % 3];
	long_word[1998] = '\0';
	for (size_t size = 1; size < 400; size++) {
		char *small = malloc(size);
		size_t len = cmdline_fit(small, size, long_word);

		assert_int_equal(len, strlen(small));
		assert_true(len < size);
		for (size_t i = 0; i < len;) {
			bool wide = (unsigned char)small[i] == 0xe6;

			if (wide)
				assert_memory_equal(small + i, "\xe6\x97\xa5", 3);
			else
				assert_true((unsigned char)small[i] < 0x80);
			i += wide ? 3 : 1;
		}
		free(small);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_is_whole),
		cmocka_unit_test(the_end_stays),
		cmocka_unit_test(the_name_of_what_runs_stays),
		cmocka_unit_test(no_character_is_cut_in_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
