/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What is taken out of a library whose probes cost more than the budget, and what never is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "user/capture/clientlib/client.h"
#include "user/capture/clientlib/clientlib_state.h"

#define HIT_NS	1000
#define ROWS	3
#define LOOK_NS BUDGET_EVERY_NS

static const struct probe_row rows[ROWS] = {
	[GROUP_CONNECTIONS] = {.resource = EV_RES_CONNECTION},
	[GROUP_OBJECTS] = {.resource = EV_RES_STATEMENT},
	[GROUP_RUNS] = {.resource = EV_RES_STATEMENT, .role = PROBE_REWIND},
};
static struct clients clients;
static struct attached library;
static struct probe_library kind;
static uint64_t hit[PROBES_MOST];
static bool has[GROUPS];
static size_t dropped, ended, gaps;
static uint64_t now;

/* --- fakes ---------------------------------------------------------------------------------- */

enum group client_group_of(const struct probe_row *row)
{
	return (enum group)(row - rows);
}

void client_detach(struct attached *a, enum group g)
{
	a->sets[g] = NULL;
	has[g] = false;
}

void client_tell_library(struct clients *c, struct attached *a)
{
	(void)c, (void)a;
}

void client_tell_gap(struct clients *c, const char *text)
{
	(void)c, (void)text;
	gaps++;
}

int clients_sweep(struct clients *c, uint64_t now_ns)
{
	(void)c, (void)now_ns;
	return 0;
}

int kernel_client_hits(struct kernel *k, uint32_t first, uint32_t n, uint64_t *hits)
{
	(void)k;
	for (uint32_t i = 0; i < n; i++)
		hits[i] = first < PROBES_MOST ? hit[first + i] : 0;
	return 0;
}

int kernel_client_run_time(struct kernel *k, struct kernel_client_runs *out)
{
	(void)k, (void)out;
	return -ENOENT;
}

int kernel_stats(struct kernel *k, bool on)
{
	(void)k, (void)on;
	return -EPERM;
}

int kernel_client_drop_links(struct kernel *k, uint32_t first, uint32_t count, kernel_link_fn *fn,
			     void *context)
{
	static const struct handle_key key = {.resource = EV_RES_CONNECTION};
	static const struct ledger_handle h;

	(void)k;
	assert_int_equal(first, library.first);
	assert_int_equal(count, library.count);
	dropped++;
	fn(context, &key, &h);
	return 0;
}

void sqlites_gone(struct sqlites *s, const struct handle_key *key, uint64_t born_ns, uint64_t ns,
		  bool exiting)
{
	(void)s, (void)key, (void)born_ns, (void)ns;
	assert_false(exiting);
	ended++;
}

/* -------------------------------------------------------------------------------------------- */

static int begin(enum ev_database database)
{
	memset(&clients, 0, sizeof(clients));
	memset(&library, 0, sizeof(library));
	memset(hit, 0, sizeof(hit));
	dropped = ended = gaps = 0;
	now = 1000 * SECOND_NS;
	kind.database = database;
	library.library = &kind;
	library.first = PROBE_CANARIES;
	library.count = ROWS;
	clients.files = &library;
	clients.used = PROBE_CANARIES + ROWS;
	clients.host.max_overhead = 2;
	for (int g = 0; g < ROWS; g++) {
		clients.placed[PROBE_CANARIES + g] = (struct placed){
			.of = &library, .row = &rows[g], .cost_ns = HIT_NS};
		library.sets[g] = (struct reach_set *)&library;
		has[g] = true;
	}
	client_keep_budget(&clients, now); /* the first look fills the credit */
	return 0;
}

static int sqlite_works(void **state)
{
	(void)state;
	return begin(EV_DB_SQLITE);
}

static int server_works(void **state)
{
	(void)state;
	return begin(EV_DB_POSTGRESQL);
}

/* For that long, the group's probes, if they are there, are hit so many times the budget. */
static void work(enum group g, double times, uint64_t ns)
{
	for (uint64_t end = now + ns; now < end;) {
		now += LOOK_NS;
		hit[PROBE_CANARIES + g] += has[g] ? times * 0.02 * LOOK_NS / HIT_NS : 0;
		client_keep_budget(&clients, now);
	}
}

static void probes_within_the_budget_stay(void **state)
{
	(void)state;
	for (int g = 0; g < ROWS; g++)
		work(g, 0.9, 60 * SECOND_NS);
	assert_true(has[GROUP_CONNECTIONS] && has[GROUP_OBJECTS] && has[GROUP_RUNS]);
	assert_false(clients.stepped_down);
	assert_int_equal(gaps, 0);
}

static void counts_of_rows_go_first_and_objects_stay(void **state)
{
	(void)state;
	work(GROUP_RUNS, 10, 3 * SECOND_NS);
	assert_false(has[GROUP_RUNS]);
	assert_true(has[GROUP_CONNECTIONS] && has[GROUP_OBJECTS]);
	assert_int_equal(gaps, 1);
}

static void objects_go_and_connections_stay(void **state)
{
	(void)state;
	work(GROUP_OBJECTS, 10, 3 * SECOND_NS);
	assert_false(has[GROUP_OBJECTS] || has[GROUP_RUNS]);
	work(GROUP_CONNECTIONS, 0.5, 10 * SECOND_NS);
	assert_true(has[GROUP_CONNECTIONS]);
	assert_true(library.ev.detached && !library.unwatched);
	assert_int_equal(dropped, 0);
}

static void connections_of_sqlite_that_are_too_many_go_and_none_looks_kept(void **state)
{
	(void)state;
	work(GROUP_CONNECTIONS, 10, 3 * SECOND_NS);
	assert_false(has[GROUP_CONNECTIONS] || has[GROUP_OBJECTS] || has[GROUP_RUNS]);
	assert_true(library.unwatched && library.ev.detached && clients.stepped_down);
	assert_int_equal(dropped, 1);
	assert_int_equal(ended, 1);
	assert_int_equal(gaps, 1);
	hit[PROBE_CANARIES + GROUP_CONNECTIONS] += SECOND_NS / HIT_NS; /* counted late */
	work(GROUP_CONNECTIONS, 1, 3 * SECOND_NS);
	assert_int_equal(dropped, 1);
	assert_int_equal(gaps, 1);
}

static void a_burst_of_connections_is_paid_from_what_was_saved(void **state)
{
	(void)state;
	work(GROUP_CONNECTIONS, 6, LOOK_NS);
	work(GROUP_CONNECTIONS, 0, 5 * SECOND_NS);
	work(GROUP_CONNECTIONS, 6, LOOK_NS);
	assert_true(has[GROUP_CONNECTIONS]);
	assert_false(clients.stepped_down);
}

static void connections_to_a_server_are_never_let_go(void **state)
{
	(void)state;
	work(GROUP_CONNECTIONS, 100, 10 * SECOND_NS);
	assert_true(has[GROUP_CONNECTIONS] && has[GROUP_OBJECTS] && has[GROUP_RUNS]);
	work(GROUP_OBJECTS, 10, 3 * SECOND_NS);
	assert_true(has[GROUP_CONNECTIONS] && !has[GROUP_OBJECTS]);
	assert_int_equal(dropped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(probes_within_the_budget_stay, sqlite_works),
		cmocka_unit_test_setup(counts_of_rows_go_first_and_objects_stay, sqlite_works),
		cmocka_unit_test_setup(objects_go_and_connections_stay, sqlite_works),
		cmocka_unit_test_setup(
			connections_of_sqlite_that_are_too_many_go_and_none_looks_kept,
			sqlite_works),
		cmocka_unit_test_setup(a_burst_of_connections_is_paid_from_what_was_saved,
				       sqlite_works),
		cmocka_unit_test_setup(connections_to_a_server_are_never_let_go, server_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
