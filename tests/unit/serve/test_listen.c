/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_listen.c - where dbleak serve listens, who may ask, and for which page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/support/tree.h"
#include "user/serve/guests.h"
#include "user/serve/listen.h"
#include "user/serve/page.h"
#include "user/serve/token.h"

static void addresses_are_numbers_or_localhost(void **state)
{
	static const char *const wrong[] = {"",
					    "127.0.0.1",
					    "127.0.0.1:",
					    "127.0.0.1:x",
					    "127.0.0.1:65536",
					    "127.0.0.1:-1",
					    "127.0.0.1: 1",
					    "db.example:80",
					    "::1:80",
					    "[::1:80",
					    "unix:",
					    "unix:relative",
					    "256.0.0.1:80",
					    "[127.0.0.1]:80x",
					    "localhost.evil:1",
					    "1e3:80",
					    "unix:/aaaaaaaaaaaaaaa"
					    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
					    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
					    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	static const struct {
		const char *text;
		bool loopback, file;
	} right[] = {
		{"127.0.0.1:19187", true, false},
		{"127.8.9.1:0", true, false},
		{"localhost:1", true, false},
		{"[::1]:65535", true, false},
		{":9187", false, false},
		{"0.0.0.0:80", false, false},
		{"[::]:80", false, false},
		{"10.1.2.3:80", false, false},
		{"unix:/run/dbleak.sock", false, true},
	};
	struct listen_address a;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (listen_parse(&a, wrong[i]))
			fail_msg("\"%s\" is taken", wrong[i]);
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		if (!listen_parse(&a, right[i].text))
			fail_msg("\"%s\" is refused", right[i].text);
		assert_int_equal(a.loopback, right[i].loopback);
		assert_int_equal(*a.path != '\0', right[i].file);
	}
}

static void only_names_of_this_host_are_its_own(void **state)
{
	static const char *const own[] = {"localhost",	  "LOCALHOST:19187", "127.0.0.1",
					  "127.0.0.1:80", "[::1]",	     "[::1]:19187",
					  "127.255.0.1:1"};
	static const char *const foreign[] = {"evil.example",
					      "evil.example:19187",
					      "",
					      ":80",
					      "localhost.evil.example",
					      "10.0.0.1",
					      "127.0.0.1.nip.io",
					      "[::2]:80",
					      "localhost:80:80",
					      "localhost:",
					      "localhost:x",
					      "127.0.0.1@evil.example",
					      "[::1",
					      "::1"};

	(void)state;
	assert_true(listen_is_own_host(NULL));
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (!listen_is_own_host(own[i]))
			fail_msg("\"%s\" is refused", own[i]);
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (listen_is_own_host(foreign[i]))
			fail_msg("\"%s\" is taken", foreign[i]);
}

static void a_unix_socket_is_private_and_removed(void **state)
{
	struct listen_address a, b;
	char text[PATH_MAX + 8];
	struct stat s;
	int fd, again;

	(void)state;
	tree_file("x", "");
	snprintf(text, sizeof(text), "unix:%s", tree_path("socket"));
	assert_true(listen_parse(&a, text) && listen_parse(&b, text));
	fd = listen_open(&a);
	assert_true(fd >= 0);
	assert_int_equal(listen_port(fd), 0);
	assert_int_equal(stat(a.path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0660);
	assert_int_equal(listen_open(&b), -EADDRINUSE); /* somebody listens there */
	listen_remove(&b);				/* not its own */
	assert_int_equal(access(a.path, F_OK), 0);
	close(fd);
	again = listen_open(&b); /* nobody does any more */
	assert_true(again >= 0);
	close(again);
	listen_remove(&b);
	assert_int_equal(access(a.path, F_OK), -1);
}

static void no_file_is_replaced_by_a_socket(void **state)
{
	struct listen_address a;
	char text[PATH_MAX + 8];

	(void)state;
	tree_file("file", "mine");
	snprintf(text, sizeof(text), "unix:%s", tree_path("file"));
	assert_true(listen_parse(&a, text));
	assert_int_equal(listen_open(&a), -EADDRINUSE);
	listen_remove(&a);
	assert_int_equal(access(tree_path("file"), F_OK), 0);
}

/* --- tokens ------------------------------------------------------------------------------- */

static const char *load(struct access_token *t, const char *text, mode_t mode)
{
	unlink(tree_path("token")); /* the last one may be closed to its owner, too */
	tree_file("token", text);
	assert_int_equal(chmod(tree_path("token"), mode), 0);
	memset(t, 0, sizeof(*t));
	return token_load(t, tree_path("token"));
}

static void a_token_file_is_private_and_holds_one_line(void **state)
{
	char large[TOKEN_MOST + 2];
	struct access_token t;

	(void)state;
	memset(large, 'a', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	assert_null(load(&t, "0123456789abcdef\n", 0600));
	assert_int_equal(t.length, 16);
	assert_null(load(&t, "0123456789abcdef\r\n", 0400));
	assert_non_null(load(&t, "0123456789abcdef\n", 0640));
	assert_non_null(load(&t, "0123456789abcdef\n", 0604));
	assert_non_null(load(&t, "short\n", 0600));
	assert_non_null(load(&t, "", 0600));
	assert_non_null(load(&t, "two lines of it\nare no token\n", 0600));
	assert_non_null(load(&t, large, 0600));
	assert_non_null(token_load(&t, "/no/such/file"));
	assert_non_null(token_load(&t, "/dev/null"));
	assert_non_null(token_load(&t, "/"));
}

static void only_the_whole_token_is_right(void **state)
{
	static const char *const wrong[] = {NULL,
					    "",
					    "Bearer",
					    "Bearer ",
					    "Bearer 0123456789abcde",
					    "Bearer 0123456789abcdef0",
					    "Bearer 0123456789abcdeF",
					    "Bearer 0123456789abcdef0123456789abcdef",
					    "Bearer  0123456789abcdef",
					    "Basic 0123456789abcdef",
					    "0123456789abcdef"};
	struct access_token t, none = {};

	(void)state;
	assert_null(load(&t, "0123456789abcdef\n", 0600));
	assert_true(token_is_in(&t, "Bearer 0123456789abcdef"));
	assert_true(token_is_in(&t, "bearer 0123456789abcdef"));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (token_is_in(&t, wrong[i]))
			fail_msg("\"%s\" is taken", wrong[i] ? wrong[i] : "(none)");
	assert_true(token_is_in(&none, NULL));
}

/* --- pages and guests --------------------------------------------------------------------- */

static void a_page_is_chosen_by_path_and_by_what_is_accepted(void **state)
{
	static const struct served_page pages[] = {{"/a", "new", .accepted = "application/new"},
						   {"/a", "old", .accepted = NULL},
						   {"/b", "only", .accepted = NULL}};
	const struct page_table t = {pages, 3};

	(void)state;
	assert_ptr_equal(page_find(&t, "/a", "text/plain, application/new;version=1"), &pages[0]);
	assert_ptr_equal(page_find(&t, "/a", "text/plain"), &pages[1]);
	assert_ptr_equal(page_find(&t, "/a", NULL), &pages[1]);
	assert_ptr_equal(page_find(&t, "/b", "x"), &pages[2]);
	assert_null(page_find(&t, "/", NULL));
	assert_null(page_find(&t, "/a/", NULL));
	assert_null(page_find(&t, "", NULL));
}

static bool is_cut_off(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static void the_oldest_guest_goes_and_none_stays_for_long(void **state)
{
	enum { N = GUESTS_MOST + 2 };
	struct guests g = {};
	struct guest *guest[N];
	int pair[N][2];

	(void)state;
	assert_int_equal(guests_expire(&g, 5), -1);
	for (int i = 0; i < N; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]), 0);
		guest[i] = guests_add(&g, pair[i][0], (uint64_t)i);
		assert_non_null(guest[i]);
	}
	for (int i = 0; i < N; i++)
		assert_int_equal(is_cut_off(pair[i][1]), i < 2);
	assert_int_equal(guests_expire(&g, GUEST_MS), 2); /* of the third */
	assert_false(is_cut_off(pair[2][1]));
	assert_int_equal(guests_expire(&g, GUEST_MS + 3), 1);
	assert_true(is_cut_off(pair[2][1]) && is_cut_off(pair[3][1]));
	assert_false(is_cut_off(pair[4][1]));
	for (int i = 0; i < N; i += 2)
		guests_remove(&g, guest[i]);
	assert_int_equal(guests_expire(&g, GUEST_MS + 4), 1); /* of the sixth */
	for (int i = N - 1; i > 0; i -= 2)
		guests_remove(&g, guest[i]);
	assert_int_equal(g.count, 0);
	assert_null(g.oldest);
	assert_null(g.newest);
	for (int i = 0; i < N; i++) {
		close(pair[i][0]);
		close(pair[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_numbers_or_localhost),
		cmocka_unit_test(only_names_of_this_host_are_its_own),
		cmocka_unit_test(a_unix_socket_is_private_and_removed),
		cmocka_unit_test(no_file_is_replaced_by_a_socket),
		cmocka_unit_test(a_token_file_is_private_and_holds_one_line),
		cmocka_unit_test(only_the_whole_token_is_right),
		cmocka_unit_test(a_page_is_chosen_by_path_and_by_what_is_accepted),
		cmocka_unit_test(the_oldest_guest_goes_and_none_stays_for_long),
	};

	return cmocka_run_group_tests(tests, tree_make, tree_remove);
}
