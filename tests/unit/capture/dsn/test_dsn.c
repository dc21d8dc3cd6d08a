/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_dsn.c - where the URL of a server may stand, what is in it, and that it does not show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "tests/unit/support/tree.h"
#include "user/capture/dsn/dsn.h"

static void a_url_may_stand_in_a_file_a_variable_or_alone(void **state)
{
	char url[DSN_LEN], value[PATH_MAX + 16];
	const char *why;

	(void)state;
	tree_file("dsn", "postgresql://app:x@db/shop\r\nnot this\n");
	snprintf(value, sizeof(value), "file:%s", tree_path("dsn"));
	assert_int_equal(dsn_read(value, url, &why), 0);
	assert_string_equal(url, "postgresql://app:x@db/shop");
	snprintf(value, sizeof(value), "@%s", tree_path("dsn"));
	assert_int_equal(dsn_read(value, url, &why), 0);
	assert_string_equal(url, "postgresql://app:x@db/shop");
	setenv("DBLEAK_TEST_DSN", "mysql://db", 1);
	assert_int_equal(dsn_read("env:DBLEAK_TEST_DSN", url, &why), 0);
	assert_string_equal(url, "mysql://db");
	assert_int_equal(dsn_read("mariadb://db", url, &why), 0);
	assert_string_equal(url, "mariadb://db");
}

static void what_is_no_url_is_refused_in_words_without_it(void **state)
{
	static const char *const values[] = {"",
					     "x",
					     "http://a:secret@b",
					     "env:DBLEAK_NO_SUCH",
					     "file:/no/such/secret",
					     "postgresql:/secret"};
	char url[DSN_LEN], large[DSN_LEN + 20] = "mysql://";
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		why = NULL;
		assert_int_not_equal(dsn_read(values[i], url, &why), 0);
		assert_non_null(why);
		assert_null(strstr(why, "secret"));
	}
	memset(large + 8, 'a', DSN_LEN);
	assert_int_equal(dsn_read(large, url, &why), -E2BIG);
}

static void a_url_is_overwritten_behind_its_scheme(void **state)
{
	char url[] = "postgresql://u:p@h/d", path[] = "file:/etc/dsn";

	(void)state;
	dsn_hide(url);
	assert_string_equal(url, "postgresql://*******");
	dsn_hide(path);
	assert_string_equal(path, "file:/etc/dsn");
}

static const struct {
	const char *url, *user, *password, *host, *database, *path;
	uint16_t port;
} urls[] = {
	{"mysql://app:s3@db.example:3307/shop", "app", "s3", "db.example", "shop", "", 3307},
	{"mysql://db", "", "", "db", "", "", 0},
	{"mariadb://app@[::1]:3306", "app", "", "::1", "", "", 3306},
	{"mysql://app@[::1]/shop", "app", "", "::1", "shop", "", 0},
	{"mysql://a%40b:p%3A%2F@h/x", "a@b", "p:/", "h", "x", "", 0},
	{"mysql://app:p@ss@h", "app", "p@ss", "h", "", "", 0},
	{"mysql://app@localhost/shop?ssl=1&socket=%2Frun%2Fmy.sock", "app", "", "localhost", "shop",
	 "/run/my.sock", 0},
	{"mysql://h?unix_socket=/s&x", "", "", "h", "", "/s", 0},
	{"mysql://", "", "", "", "", "", 0},
};

static void a_url_is_split_into_its_parts(void **state)
{
	struct dsn_parts p;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		assert_true(dsn_split(urls[i].url, &p));
		assert_string_equal(p.user, urls[i].user);
		assert_string_equal(p.password, urls[i].password);
		assert_string_equal(p.host, urls[i].host);
		assert_string_equal(p.database, urls[i].database);
		assert_string_equal(p.path, urls[i].path);
		assert_int_equal(p.port, urls[i].port);
	}
}

static void a_broken_url_has_no_parts(void **state)
{
	static const char *const broken[] = {
		"mysql://h:70000", "mysql://h:x",    "mysql://[::1",   "mysql://[::1]x",
		"mysql://a%4@h",   "mysql://a%zz@h", "mysql://a%00@h", "oracle://h",
	};
	char large[400] = "mysql://";
	struct dsn_parts p;

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		if (dsn_split(broken[i], &p))
			fail_msg("%s is taken", broken[i]);
	memset(large + 8, 'h', 300);
	assert_false(dsn_split(large, &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(a_url_may_stand_in_a_file_a_variable_or_alone),
		cmocka_unit_test(what_is_no_url_is_refused_in_words_without_it),
		cmocka_unit_test(a_url_is_overwritten_behind_its_scheme),
		cmocka_unit_test(a_url_is_split_into_its_parts),
		cmocka_unit_test(a_broken_url_has_no_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
