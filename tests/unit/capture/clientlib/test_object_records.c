/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What is told of the kernel half's ledger of objects, and what is forgotten when objects,
 * processes and libraries go.  The ledger is our own, objects lie in the memory of the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bpf/settings.h"
#include "user/capture/clientlib/client.h"
#include "user/capture/clientlib/clientlib_state.h"

#define BEGUN	(1000 * SECOND_NS)
#define START	(900 * SECOND_NS)
#define RESULT	1 /* cookies of the rows below, in the first file */
#define CLOSED	3
#define SOCKET	77
#define TOLD	16
#define NO_SIZE UNKNOWN64

static const struct probe_row rows[] = {
	{.symbol = "PQconnectdb",
	 .resource = EV_RES_CONNECTION,
	 .object = "PGconn",
	 .release = "PQfinish"},
	{.symbol = "PQexec",
	 .resource = EV_RES_RESULT,
	 .object = "PGresult",
	 .release = "PQclear",
	 .rows_after = 1},
};
static const struct probe_library libpq = {.name = "libpq",
					   .bit = EV_LIBRARY_LIBPQ,
					   .database = EV_DB_POSTGRESQL,
					   .rows = rows,
					   .count = 2};
static const struct probe_library mysql = {.name = "mysql",
					   .bit = EV_LIBRARY_MYSQL,
					   .database = EV_DB_MYSQL,
					   .rows = rows,
					   .count = 2};
static const struct probe_library sqlite = {
	.name = "sqlite", .database = EV_DB_SQLITE, .rows = rows, .count = 2};

static struct clients clients;
static struct attached *attached;
static uint64_t now;
static struct world {
	/* what the kernel half hands over in its next sweep, and when it buries */
	const struct ev_head *swept[8], *dead[8];
	size_t swept_count, dead_count;
	uint32_t held_fd; /* descriptor of SOCKET; 0: none is listed */
	bool no_owner;
	uint64_t
		bytes; /* of the first object that is sized, one more of each further; 0: unknown */
	/* what was asked for */
	unsigned int sweeps, burials, scans, sized, size_reads, prepared, sizes_forgotten, runs,
		tls_looks, released, drops;
	unsigned int handles_forgotten, sites_forgotten, sqlite_handles, sqlite_gone, sqlite_sites;
	bool sqlite_ended;
	const char *sized_name;
	const struct handle_key *dropped;
	/* what was told */
	size_t told;
	bool tell_no_more; /* only counted */
	union {
		struct ev_head head;
		struct ev_site site;
		struct ev_handle handle;
		struct ev_handle_closed closed;
	} tell[TOLD];
	unsigned int evidences;
	struct ev_evidence evidence;
	uint64_t site_stack;
	bool site_is_caller;
} world;

/* --- fakes ----------------------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){(time_t)(now / SECOND_NS), (long)(now % SECOND_NS)};
	return 0;
}

int kernel_client_sweep(struct kernel *k, kernel_record_fn fn, void *context)
{
	(void)k;
	world.sweeps++;
	for (size_t i = 0; i < world.swept_count; i++)
		fn(context, world.swept[i]);
	return 0;
}

int kernel_client_bury(struct kernel *k, kernel_record_fn fn, void *context)
{
	(void)k;
	world.burials++;
	for (size_t i = 0; i < world.dead_count; i++)
		fn(context, world.dead[i]);
	return 0;
}

int kernel_client_drop(struct kernel *k, const bool *cookies, kernel_link_fn *fn, void *context)
{
	const struct ledger_handle handle = {.probe = RESULT, .born_ns = BEGUN};

	(void)k;
	world.drops++;
	assert_true(cookies[0] && cookies[RESULT]);
	assert_false(cookies[2] || cookies[CLOSED]);
	if (world.dropped)
		fn(context, world.dropped, &handle);
	return 0;
}

int kernel_client_forget_handle(struct kernel *k, const struct handle_key *key)
{
	(void)k, (void)key;
	world.handles_forgotten++;
	return 0;
}

int kernel_client_forget_site(struct kernel *k, const struct site_key *key)
{
	(void)k, (void)key;
	world.sites_forgotten++;
	return 0;
}

int kernel_scan(struct kernel *k, uint32_t mode, kernel_record_fn fn, void *context)
{
	const struct raw_holder holder = {.head = {.kind = RAW_HOLDER},
					  .id = SOCKET,
					  .pid = (uint32_t)getpid(),
					  .fd = world.held_fd};

	(void)k;
	assert_int_equal(mode, SCAN_HOLDERS);
	world.scans++;
	if (world.held_fd)
		fn(context, &holder.head);
	return 0;
}

void sizes_prepare(struct sizes *s)
{
	(void)s;
	world.prepared++;
}

void sizes_read(struct sizes *s, const struct sizing *each, size_t n)
{
	(void)s;
	assert_in_range(n, 1, SIZES_READ_MOST);
	world.size_reads++;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(each[i].ev->bytes, NO_SIZE);
		world.sized++;
		world.sized_name = each[i].object;
		each[i].ev->bytes = world.bytes ? world.bytes + i : NO_SIZE;
	}
}

void sizes_forget(struct sizes *s, const struct handle_key *key)
{
	(void)s, (void)key;
	world.sizes_forgotten++;
}

void sizes_sweep(struct sizes *s, uint64_t now_ns)
{
	(void)s, (void)now_ns;
}

void sqlites_handle(struct sqlites *s, const struct raw_handle *raw,
		    const struct sqlite_fields *fields)
{
	(void)s, (void)raw, (void)fields;
	world.sqlite_handles++;
}

void sqlites_site(struct sqlites *s, const struct raw_site *raw)
{
	(void)s, (void)raw;
	world.sqlite_sites++;
}

void sqlites_run(struct sqlites *s, const struct raw_run *raw, const struct sqlite_fields *fields)
{
	(void)s, (void)raw, (void)fields;
	world.runs++;
}

void sqlites_gone(struct sqlites *s, const struct handle_key *key, uint64_t born_ns, uint64_t ns,
		  bool ended)
{
	(void)s, (void)key, (void)born_ns, (void)ns;
	world.sqlite_gone++;
	world.sqlite_ended = ended;
}

void sqlites_sweep(struct sqlites *s, uint64_t now_ns)
{
	(void)s, (void)now_ns;
}

void client_tell(struct clients *c, const struct ev_head *record)
{
	(void)c;
	if (world.tell_no_more) {
		world.told++;
		return;
	}
	assert_true(world.told < TOLD);
	memcpy(&world.tell[world.told++], record, record->size);
}

void client_release_cookies(struct clients *c, const struct attached *a)
{
	(void)c, (void)a;
	world.released++;
}

void client_look_for_tls_again(struct clients *c, uint64_t now_ns)
{
	(void)c, (void)now_ns;
	world.tls_looks++;
}

void reach_hold(struct reach *r, uint32_t locked)
{
	(void)r, (void)locked;
}

void reach_step(struct reach *r, const struct procfs *procfs, uint64_t now_ns)
{
	(void)r, (void)procfs, (void)now_ns;
}

static bool owner(void *context, uint32_t pid, uint64_t start_ns, const char *comm)
{
	(void)context, (void)pid, (void)start_ns, (void)comm;
	return !world.no_owner;
}

static void evidence(void *context, const struct ev_evidence *e)
{
	(void)context;
	world.evidence = *e;
	world.evidences++;
}

static void site_told(void *context, const struct ev_site *site, uint64_t stack, bool is_caller)
{
	(void)context, (void)site;
	world.site_stack = stack;
	world.site_is_caller = is_caller;
}

/* --- helpers --------------------------------------------------------------------------------- */

static struct attached *attach(uint32_t first, const struct probe_library *library)
{
	struct attached *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	a->library = library;
	a->first = first;
	a->count = 2;
	a->next = clients.files;
	clients.files = a;
	for (uint32_t i = 0; i < 2; i++)
		clients.placed[first + i] = (struct placed){.of = a, .row = &rows[i]};
	clients.used = first + 2 > clients.used ? first + 2 : clients.used;
	return a;
}

static int begin(void **state)
{
	(void)state;
	memset(&clients, 0, sizeof(clients));
	memset(&world, 0, sizeof(world));
	now = BEGUN;
	clients.kernel = (void *)&world;
	clients.host = (struct client_host){
		.owner = owner, .evidence = evidence, .site = site_told};
	attached = attach(0, &libpq);
	return 0;
}

static int end(void **state)
{
	(void)state;
	while (clients.files) {
		struct attached *next = clients.files->next;

		table_free(&clients.files->active);
		free(clients.files);
		clients.files = next;
	}
	table_free(&clients.pids);
	table_free(&clients.sockets.held);
	table_free_values(&clients.unread);
	return 0;
}

static void sweep(const struct ev_head *record)
{
	world.told = 0;
	world.swept[0] = record;
	world.swept_count = record ? 1 : 0;
	assert_int_equal(clients_sweep(&clients, now), 0);
}

static struct raw_site site(uint32_t cookie)
{
	return (struct raw_site){.head = {.kind = RAW_SITE, .size = sizeof(struct raw_site)},
				 .key = {.place = 0x4000, .pid = 42, .probe = cookie},
				 .start_ns = START,
				 .acquired = 9,
				 .released = 4,
				 .rows = 30,
				 .caller = 0x4000,
				 .stack = 5,
				 .resource = rows[cookie & 1].resource,
				 .database = EV_DB_POSTGRESQL};
}

static struct raw_handle handle(uint32_t cookie, uint64_t address)
{
	return (struct raw_handle){
		.head = {.kind = RAW_HANDLE, .size = sizeof(struct raw_handle), .ns = now},
		.key = {.handle = address,
			.pid = (uint32_t)getpid(),
			.resource = rows[cookie & 1].resource},
		.handle = {.object = {.born_ns = BEGUN - 5, .probe = (uint16_t)cookie, .rows = 3}},
		.start_ns = START};
}

/* --- sites ----------------------------------------------------------------------------------- */

static void a_site_is_told_with_its_objects_name(void **state)
{
	struct raw_site raw = site(RESULT);
	const struct ev_site *ev = &world.tell[0].site;

	(void)state;
	sweep(&raw.head);
	assert_int_equal(world.told, 1);
	assert_int_equal(ev->head.kind, EV_SITE);
	assert_int_equal(ev->acquired, 9);
	assert_int_equal(ev->released, 4);
	assert_int_equal(ev->rows, 30);
	assert_string_equal(ev->object, "PGresult");
	assert_string_equal(ev->release, "PQclear");
	assert_int_equal(ev->detached, 0);
	assert_int_equal(world.site_stack, 5);
	assert_true(world.site_is_caller);
	raw = site(0);
	raw.key.place = 0x9000; /* an interpreted stack */
	sweep(&raw.head);
	assert_int_equal(ev->rows, UNKNOWN64); /* nobody counts rows of connections */
	assert_false(world.site_is_caller);
}

static void sites_of_a_cookie_used_again_are_others(void **state)
{
	struct raw_site raw = site(RESULT);
	uint64_t before;

	(void)state;
	sweep(&raw.head);
	before = world.tell[0].site.site;
	clients.placed[RESULT].generation++;
	sweep(&raw.head);
	assert_int_not_equal(world.tell[0].site.site, before);
}

static void a_site_nobody_wants_is_not_told(void **state)
{
	struct raw_site raw = site(RESULT);

	(void)state;
	raw.unwanted = 1;
	sweep(&raw.head);
	raw.unwanted = 0;
	world.no_owner = true;
	sweep(&raw.head);
	world.no_owner = false;
	raw.key.probe = 100; /* in no file */
	sweep(&raw.head);
	assert_int_equal(world.told, 0);
}

static void sites_say_that_their_probes_are_gone(void **state)
{
	struct raw_site results = site(RESULT), connections = site(0);

	(void)state;
	attached->ev.detached = 1;
	sweep(&results.head);
	assert_int_equal(world.tell[0].site.detached, 1);
	sweep(&connections.head); /* those keep theirs */
	assert_int_equal(world.tell[0].site.detached, 0);
	attached->unwatched = true;
	sweep(&connections.head);
	assert_int_equal(world.tell[0].site.detached, 1);
}

static void the_objects_of_an_ended_process_are_buried(void **state)
{
	struct raw_site raw = site(RESULT);
	struct raw_handle dead = handle(0, 0x1000);

	(void)state;
	dead.head.kind = RAW_DEAD;
	sweep(&raw.head);
	assert_int_equal(clients.pids.count, 1);
	raw.gone = 1;
	world.dead[world.dead_count++] = &dead.head;
	now += BURY_EVERY_NS;
	sweep(&raw.head);
	assert_int_equal(world.sites_forgotten, 1);
	assert_int_equal(clients.pids.count, 0);
	assert_int_equal(world.burials, 1);
	assert_int_equal(world.handles_forgotten, 1);
	assert_int_equal(world.sizes_forgotten, 1);
	/* A connection that nobody has told of was held to the end. */
	assert_int_equal(world.told, 2);
	assert_int_equal(world.tell[1].head.kind, EV_HANDLE);
	dead.handle.reported = 1;
	raw.gone = 1;
	now += BURY_EVERY_NS;
	sweep(&raw.head);
	assert_int_equal(world.burials, 2);
	assert_int_equal(world.told, 1);
	sweep(NULL);
	assert_int_equal(world.burials, 2);
}

/* --- objects --------------------------------------------------------------------------------- */

static void an_object_is_told_with_its_stack(void **state)
{
	struct raw_handle raw = handle(RESULT, 0x1000);
	const struct ev_handle *ev = &world.tell[0].handle;

	(void)state;
	raw.handle.opened_at = 8;
	raw.handle.object.parent = 0x2000;
	clients_record(&clients, &raw.head);
	assert_int_equal(world.told, 1);
	assert_int_equal(ev->head.kind, EV_HANDLE);
	assert_int_equal(ev->handle, 0x1000);
	assert_int_equal(ev->parent, 0x2000);
	assert_int_equal(ev->born_ns, BEGUN - 5);
	assert_int_equal(ev->database, EV_DB_POSTGRESQL);
	assert_string_equal(world.sized_name, "PGresult");
	assert_int_equal(world.evidences, 1);
	assert_int_equal(world.evidence.object, 0x1000);
	assert_int_equal(world.evidence.stack, 8);
	assert_int_equal(world.evidence.kind, EV_AT_ACQUIRED);
	assert_int_equal(world.evidence.resource, EV_RES_RESULT);
	assert_int_equal(world.scans, 0); /* only connections have sockets */
}

static void objects_of_a_sweep_are_sized_together_and_told_in_their_order(void **state)
{
	struct raw_handle raw[5], dead = handle(0, 0x9000);
	size_t n = sizeof(raw) / sizeof(raw[0]);

	(void)state;
	world.bytes = 1000;
	for (size_t i = 0; i < n; i++) {
		raw[i] = handle(RESULT, 0x1000 * (i + 1));
		world.swept[i] = &raw[i].head;
	}
	raw[2].handle.object.flags = EV_HANDLE_UNREAD;
	attached->eof = (struct probe_field){.offset = 8, .size = 1};
	dead.head.kind = RAW_DEAD;
	world.swept[n] = &dead.head;
	world.swept_count = n + 1;
	clients_sweep(&clients, now);
	assert_int_equal(world.size_reads, 1);
	assert_int_equal(world.sized, n);
	assert_int_equal(clients.reporting_count, 0);
	assert_int_equal(world.told, n + 1);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(world.tell[i].handle.handle, raw[i].key.handle);
		assert_int_equal(world.tell[i].handle.bytes, 1000 + i);
	}
	assert_int_equal(world.tell[n].handle.handle, 0x9000); /* nobody reads its memory */
	assert_true(world.tell[n].handle.bytes == NO_SIZE);
	assert_int_equal(clients.unread.count, 1);
}

static void more_objects_than_one_question_takes_are_told(void **state)
{
	struct raw_handle raw = handle(RESULT, 0x1000);

	(void)state;
	clients.reporting_count = SIZES_READ_MOST - 1;
	for (size_t i = 0; i + 1 < SIZES_READ_MOST; i++) {
		clients.reporting[i].placed = &clients.placed[RESULT];
		clients.reporting[i].ev.bytes = NO_SIZE;
	}
	world.tell_no_more = true;
	world.swept[0] = world.swept[1] = &raw.head;
	world.swept_count = 2;
	clients_sweep(&clients, now);
	assert_int_equal(world.size_reads, 2);
	assert_int_equal(world.sized, SIZES_READ_MOST + 1);
	assert_int_equal(world.told, SIZES_READ_MOST + 1);
}

static void a_connection_seen_by_its_results_has_its_own_name(void **state)
{
	struct raw_handle raw = handle(RESULT, 0x1000);

	(void)state;
	raw.key.resource = EV_RES_CONNECTION;
	clients_record(&clients, &raw.head);
	assert_string_equal(world.sized_name, "PGconn");
	raw.key.resource = EV_RES_STATEMENT;
	clients_record(&clients, &raw.head);
	assert_null(world.sized_name);
}

static void a_connection_names_its_socket_itself(void **state)
{
	struct {
		uint64_t first;
		int descriptor;
	} object = {1, 9};
	struct raw_handle raw = handle(0, (uintptr_t)&object);
	const struct ev_handle *ev = &world.tell[0].handle;

	(void)state;
	attached->descriptor = (struct probe_field){.offset = 8, .size = sizeof(int)};
	world.held_fd = 9;
	raw.handle.socket = 55; /* a guess */
	raw.handle.object.flags = EV_HANDLE_TENTATIVE;
	clients_record(&clients, &raw.head);
	assert_int_equal(ev->connection, SOCKET);
	assert_int_equal(ev->flags & EV_HANDLE_TENTATIVE, 0);
	world.told = 0;
	object.descriptor = 10;
	clients_record(&clients, &raw.head);
	assert_int_equal(ev->connection, 55);
	assert_int_equal(ev->flags & EV_HANDLE_TENTATIVE, EV_HANDLE_TENTATIVE);
	world.told = 0;
	object.descriptor = -1;
	clients_record(&clients, &raw.head);
	assert_int_equal(ev->connection, 55);
	/* MYSQL that is not connected: its descriptor is an old one. */
	world.told = 0;
	object.descriptor = 9;
	object.first = 0;
	attached->library = &mysql;
	clients_record(&clients, &raw.head);
	assert_int_equal(ev->connection, 55);
	world.told = 0;
	raw.key.handle = 8; /* nothing is mapped there */
	clients_record(&clients, &raw.head);
	assert_int_equal(ev->connection, 55);
}

static void sockets_are_listed_now_and_then(void **state)
{
	struct raw_handle raw = handle(0, 0x1000);

	(void)state;
	clients_record(&clients, &raw.head);
	clients_record(&clients, &raw.head);
	assert_int_equal(world.scans, 1);
	now += SOCKETS_NS;
	clients_record(&clients, &raw.head);
	assert_int_equal(world.scans, 2);
}

static void unread_rows_are_watched_until_their_end(void **state)
{
	struct {
		uint64_t rows;
		uint8_t eof;
	} object = {3, 0};
	struct raw_handle raw = handle(RESULT, (uintptr_t)&object);
	const struct ev_handle *ev = &world.tell[0].handle;

	(void)state;
	attached->eof = (struct probe_field){.offset = 8, .size = 1};
	raw.handle.object.flags = EV_HANDLE_UNREAD;
	clients_record(&clients, &raw.head);
	now += SECOND_NS;
	sweep(NULL);
	assert_int_equal(world.told, 0); /* nobody reads it */
	object.rows = 70;
	sweep(NULL);
	assert_int_equal(world.told, 1);
	assert_int_equal(ev->rows, 70);
	assert_int_equal(ev->used_ns, now);
	assert_int_equal(ev->flags, EV_HANDLE_UNREAD);
	object.eof = 1;
	sweep(NULL);
	assert_int_equal(world.told, 1);
	assert_int_equal(ev->flags, 0);
	object.rows = 90;
	sweep(NULL);
	assert_int_equal(world.told, 0);
}

static void a_closed_object_is_forgotten_everywhere(void **state)
{
	struct raw_handle raw = handle(RESULT, 0x1000);
	struct ev_handle_closed closed = {
		.head = {.kind = EV_HANDLE_CLOSED, .size = sizeof(closed), .ns = now},
		.handle = 0x1000,
		.pid = (uint32_t)getpid(),
		.resource = EV_RES_RESULT};

	(void)state;
	attached->eof = (struct probe_field){.offset = 8, .size = 1};
	raw.handle.object.flags = EV_HANDLE_UNREAD;
	clients_record(&clients, &raw.head);
	assert_int_equal(clients.unread.count, 1);
	clients_record(&clients, &closed.head);
	assert_int_equal(world.tell[1].head.kind, EV_HANDLE_CLOSED);
	assert_int_equal(clients.unread.count, 0);
	assert_int_equal(world.sizes_forgotten, 1);
	assert_int_equal(world.sqlite_gone, 1);
	assert_false(world.sqlite_ended);
}

static void sqlite_hears_of_its_own_objects(void **state)
{
	struct raw_handle raw = handle(0, 0x1000);
	struct raw_site connections = site(0);
	const struct raw_run run = {.head = {.kind = RAW_RUN}, .probe = RESULT};

	(void)state;
	clients_record(&clients, &raw.head);
	assert_int_equal(world.sqlite_handles, 0);
	attached->library = &sqlite;
	clients_record(&clients, &raw.head);
	assert_int_equal(world.sqlite_handles, 1);
	clients_record(&clients, &run.head);
	assert_int_equal(world.runs, 1);
	connections.database = EV_DB_SQLITE;
	sweep(&connections.head);
	assert_int_equal(world.sqlite_sites, 1);
}

/* --- libraries that are left ------------------------------------------------------------------ */

static void a_library_left_for_long_gives_its_cookies_back(void **state)
{
	struct handle_key key = {0x1000, (uint32_t)getpid(), EV_RES_RESULT};
	struct attached *other = attach(2, &libpq);

	(void)state;
	clients.left = 1;
	attached->left_ns = now;
	attached->spent_ns[GROUP_OBJECTS] = 700;
	client_forget_left(&clients, now + LEFT_NS - 1, LEFT_NS);
	assert_int_equal(world.drops, 0);
	world.dropped = &key;
	client_forget_left(&clients, now + LEFT_NS, LEFT_NS);
	assert_int_equal(world.drops, 1);
	assert_int_equal(world.released, 1);
	assert_int_equal(world.sizes_forgotten, 1);
	assert_int_equal(clients.left, 0);
	assert_int_equal(clients.left_cost_ns, 700);
	assert_ptr_equal(clients.files, other);
	assert_null(other->next);
}

static void an_end_of_a_process_is_swept_for_soon(void **state)
{
	struct raw_site raw = site(RESULT);

	(void)state;
	clients_exit(&clients, now);
	assert_int_equal(world.sweeps, 0); /* nobody has sites */
	sweep(&raw.head);
	clients_exit(&clients, now + EXIT_SWEEP_NS - 1);
	assert_int_equal(world.sweeps, 1);
	clients_exit(&clients, now + EXIT_SWEEP_NS);
	assert_int_equal(world.sweeps, 2);
	assert_int_equal(world.tls_looks, 2);
	clients.kernel = NULL; /* where no probe works */
	clients_sweep(&clients, now);
	assert_int_equal(world.sweeps, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_site_is_told_with_its_objects_name),
		TEST(sites_of_a_cookie_used_again_are_others),
		TEST(a_site_nobody_wants_is_not_told),
		TEST(sites_say_that_their_probes_are_gone),
		TEST(the_objects_of_an_ended_process_are_buried),
		TEST(an_object_is_told_with_its_stack),
		TEST(objects_of_a_sweep_are_sized_together_and_told_in_their_order),
		TEST(more_objects_than_one_question_takes_are_told),
		TEST(a_connection_seen_by_its_results_has_its_own_name),
		TEST(a_connection_names_its_socket_itself),
		TEST(sockets_are_listed_now_and_then),
		TEST(unread_rows_are_watched_until_their_end),
		TEST(a_closed_object_is_forgotten_everywhere),
		TEST(sqlite_hears_of_its_own_objects),
		TEST(a_library_left_for_long_gives_its_cookies_back),
		TEST(an_end_of_a_process_is_swept_for_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
