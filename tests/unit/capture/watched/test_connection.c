/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Connections: what changes about them is told, and no more; who they are; and when they are gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/clientlib/client.h"
#include "user/capture/watched/connection.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/kernel/kernel_client.h"
#include "user/capture/watched/owner.h"

#define ID  5
#define PID 77

static struct ev_connection reported; /* last */
static struct ev_identity identity;
static struct ev_holder holder;
static struct ev_gone gone;
static struct ev_session session;
static unsigned int connections, gaps, holders, gones, sessions;
static uint32_t gap_pid;
static uint16_t ports[LEARNED_PORTS + 1];
static size_t port_count;
static unsigned int statements_forgotten, tls_forgotten;
static uint32_t tls_wanted; /* pid */
static struct peer_state peer;
static int peer_error;
static struct owner owners[8];

static int hear(void *context, const struct ev_head *record)
{
	(void)context;
	switch (record->kind) {
	case EV_CONNECTION:
		reported = *(const struct ev_connection *)record;
		connections++;
		break;
	case EV_IDENTITY:
		identity = *(const struct ev_identity *)record;
		break;
	case EV_HOLDER:
		holder = *(const struct ev_holder *)record;
		holders++;
		break;
	case EV_SESSION:
		memcpy(&session, record, record->size);
		sessions++;
		break;
	case EV_GONE:
		gone = *(const struct ev_gone *)record;
		gones++;
		break;
	case EV_GAP:
		gap_pid = ((const struct ev_gap *)record)->pid;
		gaps++;
		break;
	default:
		fail();
	}
	return 0;
}

struct owner *owner_of(struct capture *c, uint32_t pid, uint64_t start_ns, const char *comm)
{
	struct table_key key = {pid, start_ns};
	struct owner *o = table_get(&c->owners, key);

	(void)comm;
	if (o || !pid)
		return o;
	assert_true(c->owners.count < 8);
	o = &owners[c->owners.count];
	*o = (struct owner){.facts = {.pid = pid, .start_ns = start_ns}};
	assert_int_equal(table_put(&c->owners, key, o), 0);
	return o;
}

void owner_tell_gaps(struct capture *c, struct owner *o, const struct ev_connection *ev)
{
	(void)c, (void)o, (void)ev;
}

void clients_want_tls(struct clients *c, uint32_t pid, uint64_t start_ns)
{
	(void)c, (void)start_ns;
	tls_wanted = pid;
}

int kernel_statements_forget(struct kernel *k, uint64_t id, uint64_t before_ns)
{
	(void)k, (void)before_ns;
	assert_int_equal(id, ID);
	statements_forgotten++;
	return 0;
}

void kernel_client_forget_tls_state(struct kernel *k, uint64_t socket, uint32_t pid,
				    uint64_t start_ns)
{
	(void)k, (void)pid, (void)start_ns;
	assert_int_equal(socket, ID);
	tls_forgotten++;
}

int kernel_learn_port(struct kernel *k, uint16_t port, uint8_t database)
{
	(void)k, (void)database;
	assert_true(port_count <= LEARNED_PORTS);
	ports[port_count++] = port;
	return 0;
}

int peers_ask(struct peers *p, const struct procfs *procfs, const struct raw_identity *id,
	      struct peer_state *state)
{
	(void)p, (void)procfs, (void)id;
	*state = peer;
	return peer_error;
}

static struct capture start(void)
{
	connections = gaps = holders = gones = sessions = statements_forgotten = tls_forgotten = 0;
	port_count = tls_wanted = 0;
	peer = (struct peer_state){.status = EV_STATUS_UNKNOWN};
	peer_error = -ENOENT;
	memset(&reported, 0, sizeof(reported));
	return (struct capture){.options = {.sink = hear}, .sweep = 1, .begun_ns = 1000};
}

static void stop(struct capture *c)
{
	table_free_values(&c->connections);
	table_free(&c->owners);
}

static struct ev_connection connection_of(uint64_t id, uint32_t pid)
{
	return (struct ev_connection){.head = {.kind = EV_CONNECTION, .size = sizeof(reported)},
				      .id = id,
				      .pid = pid,
				      .start_ns = pid,
				      .database = EV_DB_POSTGRESQL,
				      .comm = "app"};
}

static void only_what_changes_is_told(void **state)
{
	struct capture c = start();
	struct ev_connection ev = connection_of(ID, PID);

	(void)state;
	connection_reported(&c, &ev.head);
	ev.head.ns = 50; /* time alone is no news */
	connection_reported(&c, &ev.head);
	assert_int_equal(connections, 1);
	ev.requests = 1;
	connection_reported(&c, &ev.head);
	assert_int_equal(connections, 2);
	assert_int_equal(reported.requests, 1);
	stop(&c);
}

static void a_closed_connection_is_forgotten_with_all_it_had(void **state)
{
	struct capture c = start();
	struct ev_connection ev = connection_of(ID, PID);

	(void)state;
	ev.prepared = 1;
	ev.flags = EV_CONN_TLS;
	connection_reported(&c, &ev.head);
	assert_int_equal(c.connections.count, 1);
	ev.flags |= EV_CONN_CLOSED;
	connection_reported(&c, &ev.head);
	assert_true(reported.flags & EV_CONN_CLOSED);
	assert_int_equal(c.connections.count, 0);
	assert_int_equal(statements_forgotten, 1);
	assert_int_equal(tls_forgotten, 1);
	ev = connection_of(ID, PID);
	connection_reported(&c, &ev.head);
	ev.flags |= EV_CONN_CLOSED;
	connection_reported(&c, &ev.head);
	assert_int_equal(statements_forgotten + tls_forgotten, 2); /* it had nothing */
	stop(&c);
}

static void a_library_that_fits_is_a_sign(void **state)
{
	static const struct {
		uint8_t database;
		uint32_t libraries;
		bool sign;
	} rows[] = {
		{EV_DB_POSTGRESQL, EV_LIBRARY_LIBPQ, true},
		{EV_DB_POSTGRESQL, EV_LIBRARY_MYSQL, false},
		{EV_DB_MYSQL, EV_LIBRARY_MYSQL | EV_LIBRARY_LIBPQ, true},
		{EV_DB_MYSQL, EV_LIBRARY_LIBPQ, false},
		{EV_DB_UNKNOWN, EV_LIBRARY_LIBPQ, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct capture c = start();
		struct ev_connection ev = connection_of(ID, PID);

		owner_of(&c, PID, PID, NULL)->facts.libraries = rows[i].libraries;
		ev.database = rows[i].database;
		connection_reported(&c, &ev.head);
		assert_int_equal(!!(reported.signs & EV_SIGN_LIBRARY), rows[i].sign);
		stop(&c);
	}
}

static void encrypted_bytes_ask_for_probes_of_their_process(void **state)
{
	struct capture c = start();
	struct ev_connection ev = connection_of(ID, PID);
	struct owner *o = owner_of(&c, PID, PID, NULL);

	(void)state;
	ev.flags = EV_CONN_TLS;
	connection_reported(&c, &ev.head);
	assert_int_equal(tls_wanted, 0); /* a snapshot has no probes */
	assert_true(o->unreadable_ns);
	assert_false(o->tls_read);
	c.clients = (void *)&c;
	ev.flags |= EV_CONN_DECRYPTED;
	connection_reported(&c, &ev.head);
	assert_int_equal(tls_wanted, PID);
	assert_true(o->tls_read);
	stop(&c);
}

static void a_secret_in_a_process_s_name_stays_here(void **state)
{
	struct capture c = start();
	struct ev_connection ev = connection_of(ID, PID);

	(void)state;
	strcpy(ev.comm, "pw=geheim");
	connection_reported(&c, &ev.head);
	assert_null(strstr(reported.comm, "geheim"));
	stop(&c);
}

static struct raw_identity identity_of(uint64_t id, uint8_t database)
{
	return (struct raw_identity){.head = {.kind = EV_IDENTITY, .size = sizeof(identity)},
				     .id = id,
				     .port = 5555,
				     .database = database};
}

static void startup(struct raw_identity *raw, const char *bytes, size_t n)
{
	memcpy(raw->startup, bytes, n);
	raw->startup_length = (uint16_t)n;
}

static void a_startup_message_says_who_it_is(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *user, *name, *application;
	} rows[] = {
#define ROW(text) text, sizeof(text)
		{ROW("user\0app\0database\0shop\0application_name\0web\0"), "app", "shop", "web"},
		{ROW("user\0app\0"), "app", "app", ""}, /* the protocol's default */
		{ROW("options\0-c x\0database\0shop\0"), "", "shop", ""},
		{"user\0app", 8, "", "", ""}, /* cut */
		{"user\0app\0database\0sh", 20, "app", "app", ""},
		{"user", 4, "", "", ""},
		{"\0user\0app\0", 10, "", "", ""},
#undef ROW
	};
	struct capture c = start();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct raw_identity raw = identity_of(ID, EV_DB_POSTGRESQL);

		startup(&raw, rows[i].bytes, rows[i].n);
		connection_identity(&c, &raw.head);
		assert_int_equal(identity.id, ID);
		assert_int_equal(identity.port, 5555);
		assert_string_equal(identity.user, rows[i].user);
		assert_string_equal(identity.name, rows[i].name);
		assert_string_equal(identity.application, rows[i].application);
	}
	stop(&c);
}

static void mysql_has_two_names_of_fixed_length(void **state)
{
	struct capture c = start();
	struct raw_identity raw = identity_of(ID, EV_DB_MYSQL);

	(void)state;
	raw.startup_length = 2 * EV_NAME_LEN;
	strcpy(raw.startup, "app");
	strcpy(raw.startup + EV_NAME_LEN, "mysql://u:geheim@h/shop");
	connection_identity(&c, &raw.head);
	assert_string_equal(identity.user, "app");
	assert_null(strstr(identity.name, "geheim"));
	stop(&c);
}

static void let_in(struct capture *c, uint64_t id, uint32_t pid, uint16_t port)
{
	struct ev_connection ev = connection_of(id, pid);
	struct raw_identity raw = identity_of(id, EV_DB_POSTGRESQL);

	connection_reported(c, &ev.head);
	raw.port = port;
	startup(&raw, "user\0app\0", 10);
	connection_identity(c, &raw.head);
	ev.flags = EV_CONN_AUTHENTICATED;
	connection_reported(c, &ev.head);
}

static void a_server_s_port_is_learned_when_it_lets_somebody_in(void **state)
{
	struct capture c = start();
	struct ev_connection ev = connection_of(9, PID);
	struct raw_identity raw = identity_of(9, EV_DB_POSTGRESQL);

	(void)state;
	connection_reported(&c, &ev.head);
	startup(&raw, "user\0app\0", 10);
	connection_identity(&c, &raw.head);
	assert_int_equal(port_count, 0); /* anybody may send a startup message */
	let_in(&c, ID, PID, 4444);
	let_in(&c, ID + 1, PID, 4444);
	assert_int_equal(port_count, 1);
	assert_int_equal(ports[0], 4444);
	assert_true(c.rescan);
	stop(&c);
}

static void a_process_teaches_only_its_share_of_ports(void **state)
{
	struct capture c = start();

	(void)state;
	for (uint16_t i = 0; i < LEARNED_SHARE + 2; i++)
		let_in(&c, 100 + i, PID, 1000 + i);
	assert_int_equal(port_count, LEARNED_SHARE);
	assert_int_equal(gaps, 1); /* once */
	assert_int_equal(gap_pid, PID);
	for (uint16_t i = 0; i < LEARNED_PORTS; i++)
		let_in(&c, 1000 + i, 1 + i / LEARNED_SHARE, 2000 + i);
	assert_int_equal(port_count, LEARNED_PORTS);
	assert_int_equal(gaps, 2); /* of all together, too */
	assert_int_equal(gap_pid, 0);
	stop(&c);
}

static void its_server_is_asked_of_a_connection_older_than_we_are(void **state)
{
	struct capture c = start();
	struct ev_connection ev = connection_of(ID, PID);
	struct raw_identity raw = identity_of(ID, EV_DB_POSTGRESQL);

	(void)state;
	peer = (struct peer_state){.user = "app",
				   .name = "shop",
				   .status = EV_STATUS_TRANSACTION,
				   .replication = true,
				   .pid = 900,
				   .session = 9};
	peer_error = 0;
	connection_reported(&c, &ev.head);
	connection_identity(&c, &raw.head); /* born before our eyes: its bytes tell all */
	assert_string_equal(identity.user, "");
	assert_int_equal(sessions, 0);
	ev.flags = EV_CONN_PRE_EXISTING;
	connection_reported(&c, &ev.head);
	connection_identity(&c, &raw.head);
	assert_string_equal(identity.user, "app");
	assert_string_equal(identity.name, "shop");
	assert_int_equal(sessions, 1);
	assert_int_equal(session.id, ID);
	assert_int_equal(session.session, 9);
	assert_int_equal(session.pid, 900);
	assert_int_equal(session.source, EV_SESSION_TITLE);
	assert_int_equal(session.status, EV_STATUS_TRANSACTION);
	assert_string_equal(session.user, "app");
	assert_int_equal(reported.status, EV_STATUS_TRANSACTION);
	assert_int_equal(reported.used_ns, c.begun_ns);
	assert_true(reported.flags & EV_CONN_REPLICATION);
	ev.bytes_sent = 1; /* its own bytes count from now on */
	connection_reported(&c, &ev.head);
	assert_int_equal(reported.status, EV_STATUS_UNKNOWN);
	assert_true(reported.flags & EV_CONN_REPLICATION);
	stop(&c);
}

static void a_servers_answer_counts_until_the_connection_speaks(void **state)
{
	struct capture c = start();
	struct ev_connection ev = connection_of(ID, PID);
	struct tracked *k;

	(void)state;
	ev.flags = EV_CONN_TLS; /* its own bytes tell nothing */
	ev.bytes_sent = 100;
	ev.used_ns = 2000;
	connection_reported(&c, &ev.head);
	k = table_get(&c.connections, (struct table_key){ID, 0});
	assert_non_null(k);
	c.asked_ns = 1500; /* it has spoken since */
	connection_says_server(&c, k, EV_STATUS_TRANSACTION, 0);
	assert_int_equal(reported.status, EV_STATUS_UNKNOWN);
	c.asked_ns = 2500;
	connection_says_server(&c, k, EV_STATUS_TRANSACTION, 0);
	assert_int_equal(reported.status, EV_STATUS_TRANSACTION);
	connection_says_server(&c, k, EV_STATUS_IDLE, 0);
	assert_int_equal(reported.status, EV_STATUS_IDLE);
	ev.bytes_sent = 200;
	ev.used_ns = 3000;
	connection_reported(&c, &ev.head);
	assert_int_equal(reported.status, EV_STATUS_UNKNOWN);
	stop(&c);
}

static void an_answer_dates_what_a_title_could_not(void **state)
{
	struct capture c = start();
	struct ev_connection ev = connection_of(ID, PID);
	struct raw_identity raw = identity_of(ID, EV_DB_POSTGRESQL);
	struct tracked *k;

	(void)state;
	peer = (struct peer_state){.user = "app", .name = "shop", .status = EV_STATUS_TRANSACTION};
	peer_error = 0;
	ev.flags = EV_CONN_PRE_EXISTING;
	connection_reported(&c, &ev.head);
	connection_identity(&c, &raw.head);
	assert_int_equal(reported.used_ns, c.begun_ns);
	k = table_get(&c.connections, (struct table_key){ID, 0});
	assert_non_null(k);
	c.asked_ns = 1500;
	connection_says_server(&c, k, EV_STATUS_TRANSACTION, 300);
	assert_int_equal(reported.used_ns, 300);
	connection_reported(&c, &ev.head); /* as the kernel has it */
	assert_int_equal(reported.used_ns, 300);
	assert_int_equal(reported.status, EV_STATUS_TRANSACTION);
	stop(&c);
}

static void who_misses_two_sweeps_is_gone(void **state)
{
	struct capture c = start();
	struct ev_connection ev = connection_of(ID, PID);

	(void)state;
	ev.head.ns = 123;
	connection_reported(&c, &ev.head);
	c.sweep += 1; /* the iterator may miss one */
	connections_tell_gone(&c);
	assert_int_equal(gones, 0);
	assert_true(connection_alive(&c, ID));
	assert_false(connection_alive(&c, ID + 1)); /* unknown */
	c.sweep += 1;
	assert_false(connections_overdue(&c));
	connections_tell_gone(&c);
	assert_int_equal(gones, 0);
	c.sweep += 1;
	assert_true(connections_overdue(&c));
	connections_tell_gone(&c);
	assert_int_equal(gones, 1);
	assert_int_equal(gone.id, ID);
	assert_int_equal(gone.last_seen_ns, 123);
	assert_int_equal(c.connections.count, 0);
	stop(&c);
}

static void all_that_are_gone_are_told_in_one_go(void **state)
{
	struct capture c = start();

	(void)state;
	for (uint64_t id = 1; id <= 100; id++) {
		struct ev_connection ev = connection_of(id, PID);

		connection_reported(&c, &ev.head);
	}
	c.sweep += 3;
	connection_alive(&c, 50);
	connections_tell_gone(&c);
	assert_int_equal(gones, 99);
	assert_int_equal(c.connections.count, 1);
	stop(&c);
}

static void one_who_holds_an_orphan_is_told_once(void **state)
{
	struct capture c = start();
	struct ev_connection ev = connection_of(ID, PID);
	struct raw_holder raw = {.head = {.kind = RAW_HOLDER, .size = sizeof(raw)},
				 .id = ID,
				 .pid = 88,
				 .start_ns = 88};
	struct tracked *k;

	(void)state;
	connection_held(&c, &raw.head); /* not known */
	connection_reported(&c, &ev.head);
	connection_held(&c, &raw.head); /* its opener lives */
	assert_int_equal(holders, 0);
	k = table_get(&c.connections, (struct table_key){ID, 0});
	k->orphan = true;
	raw.head.kind = EV_CONNECTION; /* other records of the same pass */
	connection_held(&c, &raw.head);
	assert_int_equal(holders, 0);
	raw.head.kind = RAW_HOLDER;
	connection_held(&c, &raw.head);
	connection_held(&c, &raw.head);
	assert_int_equal(holders, 1);
	assert_int_equal(holder.pid, 88);
	assert_int_equal(holder.id, ID);
	stop(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_changes_is_told),
		cmocka_unit_test(a_closed_connection_is_forgotten_with_all_it_had),
		cmocka_unit_test(a_library_that_fits_is_a_sign),
		cmocka_unit_test(encrypted_bytes_ask_for_probes_of_their_process),
		cmocka_unit_test(a_secret_in_a_process_s_name_stays_here),
		cmocka_unit_test(a_startup_message_says_who_it_is),
		cmocka_unit_test(mysql_has_two_names_of_fixed_length),
		cmocka_unit_test(a_server_s_port_is_learned_when_it_lets_somebody_in),
		cmocka_unit_test(a_process_teaches_only_its_share_of_ports),
		cmocka_unit_test(its_server_is_asked_of_a_connection_older_than_we_are),
		cmocka_unit_test(a_servers_answer_counts_until_the_connection_speaks),
		cmocka_unit_test(an_answer_dates_what_a_title_could_not),
		cmocka_unit_test(who_misses_two_sweeps_is_gone),
		cmocka_unit_test(all_that_are_gone_are_told_in_one_go),
		cmocka_unit_test(one_who_holds_an_orphan_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
