/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_peer.c - what the titles of PostgreSQL's processes tell.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "user/capture/host/peer.h"
#include "user/capture/host/procfs.h"

static const struct {
	const char *title, *user, *name;
	int err;
	enum ev_status status;
} cases[] = {
	{"postgres: app shop [local] idle", "app", "shop", 0, EV_STATUS_IDLE},
	{"postgres: app shop 127.0.0.1(5555) idle in transaction  ", "app", "shop", 0,
	 EV_STATUS_TRANSACTION},
	{"postgres: 15/main: app shop ::1(5555) idle in transaction (aborted)", "app", "shop", 0,
	 EV_STATUS_FAILED},
	{"postgres: app shop [local] SELECT", "app", "shop", 0, EV_STATUS_UNKNOWN},
	{"postgres: app shop [local] idle talk", "app", "shop", 0, EV_STATUS_UNKNOWN},
	{"postgres: checkpointer ", NULL, NULL, -ENOENT, 0},
	{"postgres: walsender repl 10.0.0.1(1) streaming 0/1", "repl", "", 0, EV_STATUS_UNKNOWN},
	{"/usr/lib/postgresql/15/bin/postgres -D /x", NULL, NULL, -ENOENT, 0},
	{"", NULL, NULL, -ENOENT, 0},
	{"postgres:", NULL, NULL, -ENOENT, 0},
	{"postgres: ", NULL, NULL, -ENOENT, 0},
};

static void titles_tell_user_database_and_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer_state s;

		assert_int_equal(peer_title(cases[i].title, &s), cases[i].err);
		if (cases[i].err)
			continue;
		assert_string_equal(s.user, cases[i].user);
		assert_string_equal(s.name, cases[i].name);
		assert_int_equal(s.status, cases[i].status);
		assert_int_equal(s.replication, !cases[i].name[0]);
	}
}

static void a_user_name_longer_than_any_is_cut(void **state)
{
	char title[400] = "postgres: ";
	struct peer_state s;

	(void)state;
	memset(title + 10, 'u', 300);
	strcpy(title + 310, " db [local] idle");
	assert_int_equal(peer_title(title, &s), 0);
	assert_int_equal(strlen(s.user), EV_NAME_LEN - 1);
	assert_string_equal(s.name, "db");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(titles_tell_user_database_and_state),
		cmocka_unit_test(a_user_name_longer_than_any_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
