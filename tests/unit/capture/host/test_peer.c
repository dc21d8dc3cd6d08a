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
#include "user/capture/host/server.h"
#include "tests/unit/support/tree.h"

#define BACKEND 4321
#define OTHER	4322
#define CLIENT	5555
#define SERVER	5432

static enum server_proof proof;
static uint32_t proven_pid;

enum server_proof server_prove(const struct procfs *procfs, uint32_t pid, uint64_t start_ns,
			       uint8_t database, uint8_t (*database_named)(const char *name))
{
	(void)procfs, (void)start_ns, (void)database_named;
	assert_int_equal(database, EV_DB_POSTGRESQL);
	proven_pid = pid;
	return proof;
}

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
	{"postgres: app shop host(70000) idle", NULL, NULL, -ENOENT, 0},
	{"postgres: app shop (5555) idle", NULL, NULL, -ENOENT, 0},
	{"postgres: app shop host(5555)x idle", NULL, NULL, -ENOENT, 0},
	{"postgres: app a [local] idle in transaction [local] idle", "app", "a", 0,
	 EV_STATUS_UNKNOWN},
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

static void a_command_that_runs_is_told(void **state)
{
	struct peer_state s;

	(void)state;
	assert_int_equal(peer_title("postgres: app shop [local] SELECT", &s), 0);
	assert_true(s.busy);
	assert_int_equal(peer_title("postgres: app shop ::1(5555) idle", &s), 0);
	assert_false(s.busy);
	assert_string_equal(s.host, "::1");
	assert_int_equal(s.port, CLIENT);
}

static const uint8_t loopback[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
static const uint8_t far[16] = {[10] = 0xff, 0xff, 10, 0, 0, 7};

static struct raw_server end_of(uint32_t pid, const uint8_t *client, const uint8_t *server,
				uint64_t netns)
{
	struct raw_server end = {.pid = pid,
				 .start_ns = pid,
				 .netns = netns,
				 .local_port = SERVER,
				 .remote_port = CLIENT};

	memcpy(end.remote, client, 16);
	memcpy(end.local, server, 16);
	return end;
}

static struct raw_identity client_of(const uint8_t *client, uint64_t netns)
{
	struct raw_identity id = {.netns = netns,
				  .port = SERVER,
				  .local_port = CLIENT,
				  .family = 2,
				  .database = EV_DB_POSTGRESQL};

	memcpy(id.local, client, 16);
	return id;
}

static struct procfs *procfs;

static void title_is(const char *title)
{
	tree_file("proc/4321/cmdline", title);
}

static int open_tree(void **state)
{
	proof = SERVER_LIKELY;
	assert_int_equal(tree_make(state), 0);
	title_is("postgres: app shop 127.0.0.1(5555) idle in transaction");
	tree_file("proc/4321/status", "Name:\tpostgres\nNSpid:\t4321\t17\nThreads:\t1\n");
	tree_file("proc/4322/cmdline", "postgres: eve vault 127.0.0.1(5555) idle");
	assert_int_equal(procfs_open(&procfs, tree_root), 0);
	return 0;
}

static int close_tree(void **state)
{
	procfs_close(procfs);
	assert_int_equal(tree_remove(state), 0);
	return 0;
}

static int ask(struct peers *p, struct raw_identity id, struct peer_state *s)
{
	int err = peers_ask(p, procfs, &id, s);

	peers_free(p);
	*p = (struct peers){};
	return err;
}

static int add(struct peers *p, struct raw_server end)
{
	return peers_add(p, &end);
}

static void the_other_end_of_a_connection_is_asked(void **state)
{
	struct peers p = {};
	struct peer_state s;

	(void)state;
	assert_int_equal(add(&p, end_of(BACKEND, loopback, loopback, 1)), 0);
	assert_int_equal(ask(&p, client_of(loopback, 1), &s), 0);
	assert_string_equal(s.name, "shop");
	assert_int_equal(s.status, EV_STATUS_TRANSACTION);
	assert_int_equal(s.pid, BACKEND);
	assert_int_equal(s.session, 17); /* in the server's container */
	assert_int_equal(proven_pid, BACKEND);
}

static void a_title_of_no_servers_program_is_not_read(void **state)
{
	struct peers p = {};
	struct peer_state s;

	(void)state;
	proof = SERVER_UNPROVEN;
	assert_int_equal(add(&p, end_of(BACKEND, loopback, loopback, 1)), 0);
	assert_int_equal(ask(&p, client_of(loopback, 1), &s), -ENOENT);
}

static void a_loopback_address_is_that_of_its_namespace(void **state)
{
	struct peers p = {};
	struct peer_state s;

	(void)state;
	assert_int_equal(add(&p, end_of(BACKEND, loopback, loopback, 1)), 0);
	assert_int_equal(ask(&p, client_of(loopback, 2), &s), -ENOENT);
	assert_int_equal(add(&p, end_of(OTHER, loopback, loopback, 2)), 0);
	assert_int_equal(add(&p, end_of(BACKEND, loopback, loopback, 1)), 0);
	assert_int_equal(ask(&p, client_of(loopback, 1), &s), 0);
	assert_string_equal(s.name, "shop");
}

static void a_server_may_be_in_another_namespace(void **state)
{
	struct peers p = {};
	struct peer_state s;

	(void)state;
	title_is("postgres: app shop 10.0.0.7(5555) idle");
	assert_int_equal(add(&p, end_of(BACKEND, far, loopback, 1)), 0);
	assert_int_equal(ask(&p, client_of(far, 2), &s), 0);
	assert_int_equal(s.status, EV_STATUS_IDLE);
}

static void two_servers_of_one_clients_port_are_not_told_apart(void **state)
{
	struct peers p = {};
	struct peer_state s;

	(void)state;
	title_is("postgres: app shop 10.0.0.7(5555) idle");
	assert_int_equal(add(&p, end_of(BACKEND, far, loopback, 1)), 0);
	assert_int_equal(add(&p, end_of(OTHER, far, far, 3)), 0);
	assert_int_equal(ask(&p, client_of(far, 2), &s), -ENOENT);
}

static void a_title_about_somebody_else_is_not_believed(void **state)
{
	static const char *const titles[] = {
		"postgres: app shop 127.0.0.1(5556) idle",
		"postgres: app shop 10.0.0.9(5555) idle",
		"postgres: app shop ::1(5555) idle",
		"postgres: app shop [local] idle",
	};
	struct peer_state s;

	(void)state;
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		struct peers p = {};

		title_is(titles[i]);
		assert_int_equal(add(&p, end_of(BACKEND, loopback, loopback, 1)), 0);
		assert_int_equal(ask(&p, client_of(loopback, 1), &s), -ENOENT);
	}
}

static void over_a_unix_socket_the_peer_socket_decides(void **state)
{
	struct raw_server end = {.pid = BACKEND, .start_ns = BACKEND, .socket = 99};
	struct raw_identity id = {.peer = 99, .family = 1, .database = EV_DB_POSTGRESQL};
	struct peers p = {};
	struct peer_state s;

	(void)state;
	title_is("postgres: app shop [local] idle");
	assert_int_equal(add(&p, end), 0);
	assert_int_equal(ask(&p, id, &s), 0);
	assert_int_equal(s.status, EV_STATUS_IDLE);
	id.peer = 98;
	assert_int_equal(add(&p, end), 0);
	assert_int_equal(ask(&p, id, &s), -ENOENT);
}

#define IN_TREE(name) cmocka_unit_test_setup_teardown(name, open_tree, close_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(titles_tell_user_database_and_state),
		cmocka_unit_test(a_user_name_longer_than_any_is_cut),
		cmocka_unit_test(a_command_that_runs_is_told),
		IN_TREE(the_other_end_of_a_connection_is_asked),
		IN_TREE(a_title_of_no_servers_program_is_not_read),
		IN_TREE(a_loopback_address_is_that_of_its_namespace),
		IN_TREE(a_server_may_be_in_another_namespace),
		IN_TREE(two_servers_of_one_clients_port_are_not_told_apart),
		IN_TREE(a_title_about_somebody_else_is_not_believed),
		IN_TREE(over_a_unix_socket_the_peer_socket_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
