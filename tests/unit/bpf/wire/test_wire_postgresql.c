/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_wire_postgresql.c - real exchanges of the PostgreSQL protocol, cut in every way.
 */
#include "tests/unit/support/wire_script.h"

#define SECRET "hunter2-top-secret"

/* Messages. */

static void be32_to(uint8_t *to, uint32_t x)
{
	to[0] = x >> 24;
	to[1] = x >> 16;
	to[2] = x >> 8;
	to[3] = x;
}

static void message(char tag, const void *body, uint32_t n)
{
	uint8_t head[5] = {tag};

	be32_to(head + 1, n + 4);
	put(head, 5);
	put(body, n);
}

#define literal(tag, text) message(tag, text, sizeof(text) - 1)

static void empty(char tag)
{
	literal(tag, "");
}

static void text_message(char tag, const char *text)
{
	message(tag, text, strlen(text) + 1);
}

static void startup_code(uint32_t code, const void *body, uint32_t n)
{
	uint8_t head[8];

	client();
	be32_to(head, n + 8);
	be32_to(head + 4, code);
	put(head, 8);
	put(body, n);
}

static void startup(void)
{
	static const char body[] = "user\0app\0database\0shop\0application_name\0orders\0";

	startup_code(3 << 16, body, sizeof(body));
}

static void query(const char *sql)
{
	text_message('Q', sql);
}

/* Parse with that many parameter types. */
static void parse(const char *name, const char *sql, uint16_t types)
{
	uint8_t body[4096] = {};
	size_t n = 0;

	memcpy(body, name, strlen(name) + 1);
	n += strlen(name) + 1;
	memcpy(body + n, sql, strlen(sql) + 1);
	n += strlen(sql) + 1;
	body[n + 1] = types;
	n += 2;
	for (uint16_t i = 0; i < types; i++) {
		be32_to(body + n, 23);
		n += 4;
	}
	message('P', body, n);
}

static void bind(const char *name)
{
	uint8_t body[80] = {};

	memcpy(body + 1, name, strlen(name) + 1);
	message('B', body, 1 + strlen(name) + 1 + 6);
}

static void close_statement(const char *name)
{
	char body[80] = "S";

	memcpy(body + 1, name, strlen(name) + 1);
	message('C', body, 1 + strlen(name) + 1);
}

static void execute(void)
{
	literal('E', "\0\0\0\0\0");
}

static void describe(void)
{
	literal('D', "P\0");
}

static void sync_(void)
{
	empty('S');
}

static void bind_execute(const char *name)
{
	bind(name);
	describe();
	execute();
	sync_();
}

static void ready(char status)
{
	message('Z', &status, 1);
}

static void complete(const char *tag)
{
	text_message('C', tag);
}

static void row(uint16_t size)
{
	uint8_t body[1 << 14] = {0, 1, 0, 0, size >> 8, size};

	memset(body + 6, 'x', size);
	message('D', body, 6 + size);
}

static void row_description(void)
{
	literal('T', "\0\1a\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0");
}

static void error(const char *code)
{
	uint8_t body[128] = "SERROR";
	size_t n = 7;

	body[n++] = 'C';
	memcpy(body + n, code, 6);
	n += 6;
	memcpy(body + n, "Mwhat was asked cannot be done", 31);
	n += 31;
	memcpy(body + n, "Rexec_stmt", 11);
	n += 11;
	body[n++] = 0;
	message('E', body, n);
}

static void notice(void)
{
	literal('N', "SWARNING\0C01000\0Mhear, hear\0\0");
}

static void notification(void)
{
	literal('A', "\0\0\0\1jobs\0payload\0");
}

static void parameter_status(const char *name, const char *value)
{
	char body[128];
	size_t n = strlen(name) + 1, m = strlen(value) + 1;

	memcpy(body, name, n);
	memcpy(body + n, value, m);
	message('S', body, n + m);
}

static void authentication(uint32_t code)
{
	uint8_t body[4];

	be32_to(body, code);
	message('R', body, 4);
}

static void let_in(void)
{
	authentication(0);
	parameter_status("server_version", "15.8 (Debian 15.8-0+deb12u1)");
	parameter_status("TimeZone", "Etc/UTC");
	literal('K', "\0\0\4\1\1\2\3\4");
	ready('I');
}

/* A session up to its first request. */
static void session(void)
{
	script_begin(EV_DB_POSTGRESQL);
	startup();
	whole();
	server();
	let_in();
}

static void ask(const char *sql)
{
	client();
	query(sql);
}

static void answer(const char *tag, char status)
{
	server();
	complete(tag);
	ready(status);
}

static void fail_request(const char *code, char status)
{
	server();
	error(code);
	ready(status);
}

/* Checks shared by many. */

static void is_waiting(const struct tracked_connection *c)
{
	EXPECT(c->ev.request_ns);
	EXPECT(c->pending);
}

static void is_quiet(const struct tracked_connection *c)
{
	expect_quiet(c);
}

static void is_in_transaction(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.status, EV_STATUS_TRANSACTION);
	EXPECT(c->ev.transaction_ns);
}

static void is_healthy(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.flags & ~EV_CONN_WROTE, EV_CONN_AUTHENTICATED);
}

/* Start and login. */

static void has_names(const struct tracked_connection *c)
{
	static const char wanted[] = "user\0app\0database\0shop\0application_name\0orders\0";

	is_healthy(c);
	EXPECT_EQ(c->phase, PHASE_READY);
	EXPECT_EQ(c->ev.status, EV_STATUS_IDLE);
	EXPECT_EQ(c->identity.startup_length, sizeof(wanted));
	EXPECT(!memcmp(c->identity.startup, wanted, sizeof(wanted)));
	EXPECT_EQ(c->ev.requests, 0);
	EXPECT(c->identity_version >= 2);
}

static void a_session_starts(void **state)
{
	(void)state;
	session();
	every_way(has_names);
}

static void a_refused_ssl_request_is_followed_by_a_session(void **state)
{
	(void)state;
	script_begin(EV_DB_POSTGRESQL);
	startup_code(80877103, "", 0);
	whole();
	then(is_waiting);
	script.steps[0].check = NULL;
	server();
	put8('N');
	startup();
	server();
	let_in();
	every_way(has_names);
}

static void refused_gss_and_ssl_requests_are_followed_by_a_session(void **state)
{
	(void)state;
	script_begin(EV_DB_POSTGRESQL);
	startup_code(80877104, "", 0);
	whole();
	server();
	put8('N');
	startup_code(80877103, "", 0);
	server();
	put8('N');
	startup();
	server();
	let_in();
	every_way(has_names);
}

static void is_tls(const struct tracked_connection *c)
{
	EXPECT_EQ(c->ev.flags, EV_CONN_TLS);
	EXPECT_EQ(c->ev.request_ns, 0);
	EXPECT_EQ(c->ev.requests, 1);
}

static void is_waiting_in_tls(const struct tracked_connection *c)
{
	EXPECT(c->ev.request_ns);
}

static void an_accepted_ssl_request_hides_the_rest(void **state)
{
	(void)state;
	script_begin(EV_DB_POSTGRESQL);
	startup_code(80877103, "", 0);
	whole();
	server();
	put8('S');
	client();
	PUT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
	whole();
	then(is_waiting_in_tls);
	server();
	PUT("\x16\x03\x03\x00\x7a\x02\x00Z\0\0\0\5I");
	every_way(is_tls);
}

static void is_tls_at_once(const struct tracked_connection *c)
{
	EXPECT_EQ(c->ev.flags, EV_CONN_TLS);
	EXPECT_EQ(c->pending, 0);
}

/* A ClientHello with a session of 32 bytes, one cipher and these extensions.  Returns its length.
 */
static uint32_t put_hello(uint8_t *to, const void *extensions, uint32_t n)
{
	uint32_t at = 5 + 4 + 2 + 32;

	memset(to, 0, 256);
	memcpy(to, "\x16\x03\x01\x00\x00\x01", 6);
	to[at] = 32;
	at += 33;
	memcpy(to + at, "\x00\x02\x13\x01\x01\x00", 6);
	at += 6;
	to[at + 1] = n;
	memcpy(to + at + 2, extensions, n);
	return at + 2 + n;
}

#define ALPN_US	  "\x00\x10\x00\x0d\x00\x0b\x0apostgresql"
#define ALPN_HTTP "\x00\x10\x00\x0b\x00\x09\x08http/1.1"
#define OTHER	  "\x00\x2b\x00\x03\x02\x03\x04"

static int asks(const void *extensions, uint32_t n, uint32_t less)
{
	uint8_t hello[256];

	memset(&shim, 0, sizeof(shim));
	shim.chunk = hello;
	shim.length = put_hello(hello, extensions, n) - less;
	return pg_is_hello((uintptr_t)hello, shim.length);
}

static void a_hello_for_postgresql_is_known_from_any_other(void **state)
{
	(void)state;
	assert_true(asks(ALPN_US, sizeof(ALPN_US) - 1, 0));
	assert_true(asks(OTHER ALPN_US OTHER, sizeof(OTHER ALPN_US OTHER) - 1, 0));
	assert_false(asks(OTHER ALPN_HTTP, sizeof(OTHER ALPN_HTTP) - 1, 0));
	assert_false(asks(OTHER, sizeof(OTHER) - 1, 0));
	assert_null(shim.broken);
}

static void a_hello_cut_anywhere_is_none(void **state)
{
	(void)state;
	for (uint32_t less = 1; less < 100; less++) {
		assert_false(asks(OTHER ALPN_US, sizeof(OTHER ALPN_US) - 1, less));
		assert_null(shim.broken);
	}
}

static void a_session_that_begins_with_tls_is_hidden(void **state)
{
	uint8_t hello[256];
	uint32_t n = put_hello(hello, ALPN_US, sizeof(ALPN_US) - 1);

	(void)state;
	script_begin(EV_DB_POSTGRESQL);
	client();
	put(hello, n);
	whole();
	client();
	PUT("\x14\x03\x03\x00\x01\x01");
	every_way(is_tls_at_once);
}

static void a_password_is_never_kept(void **state)
{
	static const char *const secrets[] = {SECRET, "md5" SECRET, "x" SECRET "y"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		script_begin(EV_DB_POSTGRESQL);
		script.secret = SECRET + 4;
		startup();
		whole();
		server();
		literal('R', "\0\0\0\5salt");
		client();
		text_message('p', secrets[i]);
		then(is_waiting);
		server();
		let_in();
		ask("SELECT 1");
		answer("SELECT 1", 'I');
		every_way(is_healthy);
	}
}

static void scram_takes_several_messages(void **state)
{
	(void)state;
	script_begin(EV_DB_POSTGRESQL);
	script.secret = SECRET;
	startup();
	whole();
	server();
	literal('R', "\0\0\0\nSCRAM-SHA-256\0\0");
	client();
	message('p', "SCRAM-SHA-256\0\0\0\0\x20n,,n=,r=" SECRET, 44);
	server();
	literal('R', "\0\0\0\x0br=abc,s=def,i=4096");
	client();
	message('p', "c=biws,r=abc,p=" SECRET, 33);
	server();
	literal('R', "\0\0\0\x0cv=xyz");
	let_in();
	every_way(has_names);
}

static void is_refused(const struct tracked_connection *c)
{
	EXPECT_EQ(c->ev.flags, EV_CONN_REFUSED);
	EXPECT_EQ(c->ev.request_ns, 0);
	EXPECT_EQ(c->pending, 0);
}

static void a_wrong_password_is_refused(void **state)
{
	(void)state;
	script_begin(EV_DB_POSTGRESQL);
	script.secret = SECRET;
	startup();
	whole();
	server();
	authentication(3);
	client();
	text_message('p', SECRET);
	server();
	error("28P01");
	every_way(is_refused);
}

static void too_many_connections_are_refused(void **state)
{
	(void)state;
	script_begin(EV_DB_POSTGRESQL);
	startup();
	whole();
	server();
	error("53300");
	every_way(is_refused);
}

static void is_cancel(const struct tracked_connection *c)
{
	EXPECT_EQ(c->ev.flags, EV_CONN_CANCEL);
	EXPECT_EQ(c->ev.request_ns, 0);
}

static void a_cancel_request_waits_for_nothing(void **state)
{
	(void)state;
	script_begin(EV_DB_POSTGRESQL);
	startup_code(80877102, "\0\0\4\1\1\2\3\4", 8);
	whole();
	every_way(is_cancel);
}

/* Simple queries. */

static void asked_once(const struct tracked_connection *c)
{
	is_healthy(c);
	EXPECT_EQ(c->ev.requests, 1);
	EXPECT_EQ(c->ev.status, EV_STATUS_IDLE);
	expect_transactions(c, 0, 0, 0);
	expect_sql(c, "SELECT * FROM orders WHERE month = 7");
	EXPECT_EQ(c->sql.cut, 0);
}

static void a_simple_query_is_answered(void **state)
{
	(void)state;
	session();
	ask("SELECT * FROM orders WHERE month = 7");
	then(is_waiting);
	server();
	row_description();
	row(10);
	row(0);
	complete("SELECT 2");
	ready('I');
	every_way(asked_once);
}

static void a_query_that_fails_leaves_no_transaction(void **state)
{
	(void)state;
	session();
	ask("SELECT * FROM orders WHERE month = 7");
	fail_request("42P01", 'I');
	every_way(asked_once);
}

static void has_long_text(const struct tracked_connection *c)
{
	is_healthy(c);
	EXPECT_EQ(c->sql.length, EV_SQL_LEN);
	EXPECT_EQ(c->sql.cut, 1);
	EXPECT(!memcmp(c->sql.text, "SELECT 'xxxxx", 13));
	EXPECT_EQ(c->sql.text[EV_SQL_LEN - 1], 'x');
}

static void a_long_text_is_cut_off(void **state)
{
	char sql[3000] = "SELECT '";

	(void)state;
	memset(sql + 8, 'x', sizeof(sql) - 10);
	sql[sizeof(sql) - 2] = '\'';
	sql[sizeof(sql) - 1] = 0;
	session();
	ask(sql);
	answer("SELECT 1", 'I');
	every_way(has_long_text);
}

/* The hash of a text reads whole words: what stands behind it must not count. */
static void is_padded(const struct tracked_connection *c)
{
	is_healthy(c);
	EXPECT_EQ(c->sql.length, EV_SQL_LEN - 3);
	EXPECT(!memcmp(c->sql.text + EV_SQL_LEN - 3, "\0\0", 3));
}

static void what_stands_behind_a_text_is_zero(void **state)
{
	char sql[EV_SQL_LEN + 1] = "";

	(void)state;
	session();
	memset(sql, 'a', EV_SQL_LEN);
	ask(sql);
	answer("SELECT 1", 'I');
	sql[EV_SQL_LEN - 3] = 0;
	ask(sql);
	answer("SELECT 1", 'I');
	every_way(is_padded);
}

static void an_empty_query_is_answered(void **state)
{
	(void)state;
	session();
	ask("");
	server();
	empty('I');
	ready('I');
	every_way(is_healthy);
}

/* Transactions. */

static void committed_once(const struct tracked_connection *c)
{
	is_healthy(c);
	expect_transactions(c, 1, 1, 0);
	EXPECT_EQ(c->ev.status, EV_STATUS_IDLE);
	EXPECT_EQ(c->ev.transaction_ns, 0);
	EXPECT_EQ(c->ev.flags, EV_CONN_AUTHENTICATED);
}

static void has_written(const struct tracked_connection *c)
{
	is_in_transaction(c);
	EXPECT(c->ev.flags & EV_CONN_WROTE);
}

static void a_transaction_is_committed(void **state)
{
	(void)state;
	session();
	ask("BEGIN");
	answer("BEGIN", 'T');
	then(is_in_transaction);
	ask("INSERT INTO t VALUES (1)");
	answer("INSERT 0 1", 'T');
	then(has_written);
	ask("COMMIT");
	answer("COMMIT", 'I');
	every_way(committed_once);
}

static void rolled_back_once(const struct tracked_connection *c)
{
	is_healthy(c);
	expect_transactions(c, 1, 0, 1);
}

static void a_transaction_is_rolled_back(void **state)
{
	(void)state;
	session();
	ask("begin");
	answer("BEGIN", 'T');
	ask("rollback");
	answer("ROLLBACK", 'I');
	every_way(rolled_back_once);
}

static void has_failed(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.status, EV_STATUS_FAILED);
	EXPECT(c->ev.transaction_ns);
	expect_transactions(c, 1, 0, 0);
}

static void a_failed_transaction_can_only_be_rolled_back(void **state)
{
	(void)state;
	session();
	ask("BEGIN");
	answer("BEGIN", 'T');
	ask("SELECT 1/0");
	fail_request("22012", 'E');
	then(has_failed);
	ask("SELECT 1");
	fail_request("25P02", 'E');
	then(has_failed);
	ask("COMMIT");
	answer("ROLLBACK", 'I');
	every_way(rolled_back_once);
}

static void a_commit_that_fails_has_rolled_back(void **state)
{
	(void)state;
	session();
	ask("BEGIN");
	answer("BEGIN", 'T');
	ask("COMMIT");
	fail_request("23503", 'I');
	every_way(rolled_back_once);
}

static void a_savepoint_does_not_end_the_transaction(void **state)
{
	(void)state;
	session();
	ask("BEGIN");
	answer("BEGIN", 'T');
	ask("SAVEPOINT s");
	answer("SAVEPOINT", 'T');
	ask("SELECT 1/0");
	fail_request("22012", 'E');
	ask("ROLLBACK TO SAVEPOINT s");
	answer("ROLLBACK", 'T');
	then(is_in_transaction);
	ask("COMMIT");
	answer("COMMIT", 'I');
	every_way(committed_once);
}

static void prepare_transaction_opens_no_statement(void **state)
{
	(void)state;
	session();
	ask("BEGIN");
	answer("BEGIN", 'T');
	ask("PREPARE TRANSACTION 'x1'");
	answer("PREPARE TRANSACTION", 'I');
	every_way(committed_once);
	assert_int_equal(shim.statement_count, 0);
}

#define PAUSE 5000000000ULL

static void knows_its_longest_gap(const struct tracked_connection *c)
{
	EXPECT(c->ev.longest_gap_ns > PAUSE && c->ev.longest_gap_ns < PAUSE + PAUSE / 2);
}

static void a_pause_in_a_transaction_is_measured(void **state)
{
	(void)state;
	session();
	ask("BEGIN");
	after(9 * PAUSE); /* outside one */
	answer("BEGIN", 'T');
	after(9 * PAUSE); /* a slow server is none of the client's */
	ask("SELECT 1");
	after(PAUSE);
	answer("SELECT 1", 'T');
	ask("SELECT 1");
	every_way(knows_its_longest_gap);
}

static void a_pause_before_the_parts_of_a_request_is_measured(void **state)
{
	(void)state;
	session();
	ask("BEGIN");
	answer("BEGIN", 'T');
	client();
	after(PAUSE);
	parse("", "SELECT 1", 0);
	client();
	bind_execute("");
	server();
	empty('1');
	empty('2');
	complete("SELECT 0");
	ready('T');
	every_way(knows_its_longest_gap);
}

/* Statements. */

static uint64_t hash_of(const char *name)
{
	uint64_t hash = HASH_START;

	while (*name)
		hash = wire_hash_step(hash, *name++);
	return hash;
}

static void has_one_statement(const struct tracked_connection *c)
{
	is_healthy(c);
	expect_statements(c, 1, 0);
	EXPECT_EQ(shim.statements[0].length, strlen("SELECT $1"));
	EXPECT(!memcmp(shim.statements[0].text, "SELECT $1", 10));
	EXPECT_EQ(shim.statements[0].id, hash_of("S_1"));
}

static void a_named_statement_stays_open(void **state)
{
	(void)state;
	session();
	client();
	parse("S_1", "SELECT $1", 2);
	sync_();
	server();
	empty('1');
	ready('I');
	client();
	bind_execute("S_1");
	server();
	empty('2');
	empty('n');
	complete("SELECT 0");
	ready('I');
	every_way(has_one_statement);
}

static void has_no_statement(const struct tracked_connection *c)
{
	is_healthy(c);
	expect_statements(c, 0, 0);
	expect_sql(c, "SELECT $1");
}

static void an_unnamed_statement_is_none(void **state)
{
	(void)state;
	session();
	client();
	parse("", "SELECT $1", 1);
	bind_execute("");
	server();
	empty('1');
	empty('2');
	empty('n');
	complete("SELECT 0");
	ready('I');
	every_way(has_no_statement);
}

static void has_closed_one(const struct tracked_connection *c)
{
	is_healthy(c);
	expect_statements(c, 1, 1);
}

static void a_statement_is_closed(void **state)
{
	(void)state;
	session();
	client();
	parse("stmtcache_17", "SELECT $1", 0);
	bind_execute("stmtcache_17");
	server();
	empty('1');
	empty('2');
	empty('n');
	complete("SELECT 0");
	ready('I');
	client();
	close_statement("stmtcache_17");
	sync_();
	server();
	empty('3');
	ready('I');
	every_way(has_closed_one);
}

static void a_portal_is_no_statement(void **state)
{
	(void)state;
	session();
	client();
	parse("x", "SELECT $1", 0);
	sync_();
	server();
	empty('1');
	ready('I');
	client();
	literal('C', "Px\0");
	close_statement("unknown");
	close_statement("");
	sync_();
	server();
	empty('3');
	ready('I');
	client();
	close_statement("x");
	sync_();
	server();
	empty('3');
	ready('I');
	every_way(has_closed_one);
}

static void a_name_in_use_is_refused(void **state)
{
	(void)state;
	session();
	client();
	parse("S_1", "SELECT $1", 0);
	sync_();
	server();
	empty('1');
	ready('I');
	client();
	parse("S_1", "SELECT $1", 0);
	sync_();
	fail_request("42P05", 'I');
	every_way(has_one_statement);
}

static void a_statement_that_does_not_parse_was_never_open(void **state)
{
	(void)state;
	session();
	client();
	parse("S_1", "SELECT $1", 0);
	bind_execute("S_1");
	fail_request("42601", 'I');
	every_way(has_no_statement);
}

static void a_statement_whose_execution_fails_is_open(void **state)
{
	(void)state;
	session();
	client();
	parse("S_1", "SELECT $1", 0);
	bind_execute("S_1");
	server();
	empty('1');
	empty('2');
	error("22012");
	ready('I');
	every_way(has_one_statement);
}

static void tried_in_transaction(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.status, EV_STATUS_FAILED);
	expect_statements(c, 0, 0);
}

/* As pgjdbc does: BEGIN in the same group. */
static void a_parse_that_fails_behind_another_was_never_open(void **state)
{
	(void)state;
	session();
	client();
	parse("", "BEGIN", 0);
	bind("");
	execute();
	parse("S_1", "SELECT $1", 0);
	bind_execute("S_1");
	server();
	empty('1');
	empty('2');
	complete("BEGIN");
	error("42P01");
	ready('E');
	every_way(tried_in_transaction);
}

static void a_group_that_fails_opens_nothing_behind(void **state)
{
	(void)state;
	session();
	client();
	parse("S_1", "SELECT $1", 0);
	parse("S_2", "SELECT nothing", 0);
	parse("S_3", "SELECT $1", 0);
	sync_();
	server();
	empty('1');
	error("42601");
	ready('I');
	every_way(has_one_statement);
}

static void statements_are_deallocated_by_name(void **state)
{
	static const char *const texts[] = {"DEALLOCATE S_1", "deallocate prepare \"S_1\";",
					    "DEALLOCATE  \"S_1\""};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		session();
		client();
		parse(i ? "S_1" : "s_1", "SELECT $1", 0);
		sync_();
		server();
		empty('1');
		ready('I');
		ask(texts[i]);
		answer("DEALLOCATE", 'I');
		every_way(has_closed_one);
	}
}

static void has_closed_three(const struct tracked_connection *c)
{
	is_healthy(c);
	expect_statements(c, 3, 3);
}

static void all_statements_end_at_once(void **state)
{
	static const char *const texts[] = {"DEALLOCATE ALL", "DISCARD ALL", "deallocate all;",
					    " DISCARD  ALL"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		session();
		client();
		parse("a", "SELECT $1", 0);
		parse("b", "SELECT $1", 0);
		parse("c", "SELECT $1", 0);
		sync_();
		server();
		for (int j = 0; j < 3; j++)
			empty('1');
		ready('I');
		ask(texts[i]);
		answer("DISCARD ALL", 'I');
		every_way(has_closed_three);
	}
}

static void has_one_of_two(const struct tracked_connection *c)
{
	is_healthy(c);
	expect_statements(c, 2, 1);
}

static void a_statement_named_like_a_keyword_is_one(void **state)
{
	(void)state;
	session();
	ask("PREPARE all1 AS SELECT 1");
	answer("PREPARE", 'I');
	ask("PREPARE other (int, text) AS SELECT $1");
	answer("PREPARE", 'I');
	ask("DEALLOCATE all1");
	answer("DEALLOCATE", 'I');
	every_way(has_one_of_two);
}

static void sql_and_protocol_share_their_names(void **state)
{
	(void)state;
	session();
	ask("PREPARE Fetch_Orders(int) AS SELECT $1");
	answer("PREPARE", 'I');
	client();
	close_statement("fetch_orders");
	sync_();
	server();
	empty('3');
	ready('I');
	every_way(has_closed_one);
}

static void has_none_left(const struct tracked_connection *c)
{
	is_healthy(c);
	expect_statements(c, 0, 0);
}

static void a_prepare_in_sql_that_fails_opened_nothing(void **state)
{
	(void)state;
	session();
	ask("PREPARE x AS SELECT nothing");
	fail_request("42703", 'I');
	every_way(has_none_left);
}

static void a_long_name_is_cut_as_the_server_does(void **state)
{
	static const char name[] = "a23456789012345678901234567890123456789012345678901234567890123"
				   "and_more";

	(void)state;
	session();
	client();
	parse(name, "SELECT $1", 0);
	sync_();
	server();
	empty('1');
	ready('I');
	ask("DEALLOCATE \"a2345678901234567890123456789012345678901234567890123456789012345\"");
	answer("DEALLOCATE", 'I');
	every_way(has_closed_one);
}

/* Several at once. */

static void reply(char status)
{
	empty('2');
	empty('n');
	complete("UPDATE 1");
	ready(status);
}

static void waits_for_one(const struct tracked_connection *c)
{
	EXPECT_EQ(c->pending, 1);
	EXPECT(c->ev.request_ns);
}

static void waits_for_two(const struct tracked_connection *c)
{
	EXPECT_EQ(c->pending, 2);
	EXPECT(c->ev.request_ns);
}

static void waits_for_three(const struct tracked_connection *c)
{
	EXPECT_EQ(c->pending, 3);
	EXPECT(c->ev.request_ns);
}

static void answered_three(const struct tracked_connection *c)
{
	is_healthy(c);
	EXPECT_EQ(c->ev.requests, 3);
	expect_transactions(c, 1, 1, 0);
}

static void send_three(void)
{
	session();
	client();
	for (int i = 0; i < 3; i++) {
		parse("", "UPDATE t SET x = 1", 0);
		bind_execute("");
	}
	then(waits_for_three);
}

static void pipelined_replies_are_counted_together(void **state)
{
	(void)state;
	send_three();
	server();
	reply('T');
	reply('T');
	reply('I');
	every_way(answered_three);
}

static void pipelined_replies_are_counted_one_by_one(void **state)
{
	(void)state;
	send_three();
	server();
	reply('T');
	then(waits_for_two);
	server();
	reply('T');
	then(waits_for_one);
	server();
	reply('I');
	every_way(answered_three);
}

static void pipelined_replies_are_counted_in_any_grouping(void **state)
{
	(void)state;
	send_three();
	server();
	reply('T');
	reply('T');
	empty('2'); /* and a part of the next */
	then(waits_for_one);
	server();
	empty('n');
	complete("UPDATE 1");
	ready('I');
	every_way(answered_three);
}

static void answered_six(const struct tracked_connection *c)
{
	is_healthy(c);
	EXPECT_EQ(c->ev.requests, 6);
}

static void a_client_that_pipelined_once_is_counted_on(void **state)
{
	(void)state;
	send_three();
	server();
	reply('I');
	reply('I');
	reply('I');
	server();
	notice();
	notification();
	client();
	query("SELECT 1");
	server();
	row_description();
	row(30);
	then(waits_for_one);
	client();
	query("SELECT 2");
	then(waits_for_two);
	server();
	complete("SELECT 1");
	ready('I');
	row_description();
	row(3);
	then(waits_for_one);
	client();
	query("SELECT 3");
	then(waits_for_two);
	server();
	complete("SELECT 1");
	ready('I');
	then(waits_for_one);
	server();
	complete("SELECT 1");
	ready('I');
	every_way(answered_six);
}

static void is_pipelined_and_idle(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.requests, 3);
	EXPECT_EQ(c->ev.status, EV_STATUS_IDLE);
}

static void a_request_into_the_middle_of_a_reply_is_survived(void **state)
{
	(void)state;
	session();
	ask("SELECT 1");
	server();
	row_description();
	row(30);
	ask("SELECT 2");
	then(waits_for_two);
	server();
	complete("SELECT 1");
	ready('I');
	row_description();
	row(30);
	complete("SELECT 1");
	ready('I');
	ask("SELECT 3");
	answer("SELECT 1", 'I');
	every_way(is_pipelined_and_idle);
}

static void rolled_back_in_pipeline(const struct tracked_connection *c)
{
	is_healthy(c);
	expect_transactions(c, 2, 1, 1);
}

static void transactions_within_a_pipeline_are_counted(void **state)
{
	static const char *const tags[] = {"BEGIN", "ROLLBACK", "BEGIN", "COMMIT"};

	(void)state;
	session();
	client();
	for (int i = 0; i < 4; i++)
		query(tags[i]);
	server();
	for (int i = 0; i < 4; i++) {
		complete(tags[i]);
		ready(i % 2 ? 'I' : 'T');
	}
	every_way(rolled_back_in_pipeline);
}

static void a_pipeline_of_parses_is_settled_group_by_group(void **state)
{
	(void)state;
	session();
	client();
	parse("bad", "SELECT nothing", 0);
	sync_();
	parse("S_1", "SELECT $1", 0);
	sync_();
	server();
	error("42703");
	ready('I');
	then(waits_for_one);
	server();
	empty('1');
	ready('I');
	every_way(has_one_statement);
}

static void answered_batch(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.requests, 1);
	EXPECT_EQ(c->ev.status, EV_STATUS_TRANSACTION);
}

static void a_batch_of_many_messages_is_outstanding(void **state)
{
	(void)state;
	session();
	client();
	parse("", "BEGIN", 0);
	bind("");
	execute();
	for (int i = 0; i < 100; i++) {
		bind("");
		execute();
	}
	sync_();
	then(is_waiting);
	server();
	for (int i = 0; i < 100; i++)
		empty('2');
	ready('T');
	every_way(answered_batch);
}

static void lost_count(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT(c->ev.flags & EV_CONN_TRUNCATED);
	EXPECT_EQ(c->ev.status, EV_STATUS_TRANSACTION);
}

static void a_batch_too_long_to_walk_is_outstanding_too(void **state)
{
	(void)state;
	session();
	client();
	for (int i = 0; i < 1000; i++) {
		bind("");
		execute();
	}
	sync_();
	then(is_waiting);
	server();
	for (int i = 0; i < 1000; i++)
		empty('2');
	ready('T');
	one_way(lost_count);
}

static void flushed_and_synced(const struct tracked_connection *c)
{
	is_healthy(c);
	EXPECT_EQ(c->ev.requests, 1);
	expect_statements(c, 1, 0);
}

static void waits_for_flush(const struct tracked_connection *c)
{
	EXPECT(c->ev.request_ns);
	EXPECT_EQ(c->pending, 0);
}

static void is_not_waiting(const struct tracked_connection *c)
{
	EXPECT_EQ(c->ev.request_ns, 0);
}

/* As asyncpg does. */
static void a_flush_waits_for_its_answer(void **state)
{
	(void)state;
	session();
	client();
	parse("__asyncpg_stmt_1__", "SELECT $1", 0);
	literal('D', "S__asyncpg_stmt_1__\0");
	empty('H');
	then(waits_for_flush);
	server();
	empty('1');
	literal('t', "\0\0");
	row_description();
	then(is_not_waiting);
	client();
	bind_execute("__asyncpg_stmt_1__");
	server();
	empty('2');
	complete("SELECT 0");
	ready('I');
	every_way(flushed_and_synced);
}

/* COPY, cursors, streams, notices. */

static void copied(const struct tracked_connection *c)
{
	is_healthy(c);
	EXPECT_EQ(c->ev.requests, 2);
	EXPECT_EQ(c->copying, 0);
	expect_sql(c, "SELECT 1");
}

static void copy_rows(void)
{
	client();
	literal('d', "1\tQ\0\0\0\5hello\n\0");
	literal('d', "2\tX\0\0\0\4\n\0");
	then(is_waiting);
	client();
	literal('d', "3\tS\n");
}

static void rows_are_copied_in(void **state)
{
	(void)state;
	session();
	ask("COPY t FROM STDIN");
	server();
	literal('G', "\0\0\1\0\0");
	then(is_waiting);
	copy_rows();
	empty('c');
	answer("COPY 3", 'I');
	ask("SELECT 1");
	answer("SELECT 1", 'I');
	every_way(copied);
}

static void rows_are_copied_in_by_the_extended_protocol(void **state)
{
	(void)state;
	for (int rows = 0; rows < 2; rows++) {
		session();
		client();
		parse("", "COPY t FROM STDIN", 0);
		bind_execute("");
		server();
		empty('1');
		empty('2');
		empty('n');
		literal('G', "\0\0\1\0\0");
		then(is_waiting);
		if (rows)
			copy_rows();
		else
			client();
		empty('c');
		sync_();
		answer("COPY 3", 'I');
		ask("SELECT 1");
		answer("SELECT 1", 'I');
		every_way(copied);
	}
}

static void a_copy_that_fails_ends(void **state)
{
	(void)state;
	session();
	ask("COPY t FROM STDIN");
	server();
	literal('G', "\0\0\1\0\0");
	copy_rows();
	fail_request("22P04", 'I');
	then(is_quiet);
	client();
	literal('d', "4\n");
	text_message('f', "stop");
	ask("SELECT 1");
	then(is_waiting);
	answer("SELECT 1", 'I');
	every_way(copied);
}

static void rows_are_copied_out(void **state)
{
	(void)state;
	session();
	ask("COPY t TO STDOUT");
	server();
	literal('H', "\0\0\1\0\0");
	literal('d', "1\tZ\0\0\0\5I");
	literal('d', "2\n");
	empty('c');
	complete("COPY 2");
	ready('I');
	ask("SELECT 1");
	answer("SELECT 1", 'I');
	every_way(copied);
}

static void has_cursor(const struct tracked_connection *c)
{
	is_in_transaction(c);
	EXPECT_EQ(c->ev.requests, 3);
	expect_transactions(c, 1, 0, 0);
}

static void a_portal_is_suspended_inside_a_transaction(void **state)
{
	(void)state;
	session();
	ask("BEGIN");
	answer("BEGIN", 'T');
	client();
	parse("", "SELECT generate_series(1, 100)", 0);
	bind("");
	literal('E', "\0\0\0\0\2");
	sync_();
	server();
	empty('1');
	empty('2');
	row(4);
	row(4);
	empty('s');
	ready('T');
	ask("FETCH 10 FROM c");
	answer("FETCH 10", 'T');
	every_way(has_cursor);
}

/* Cursors that SQL declares. */

static void begin(void)
{
	ask("BEGIN");
	answer("BEGIN", 'T');
}

static void commit(void)
{
	ask("COMMIT");
	answer("COMMIT", 'I');
}

static void roll_back(void)
{
	ask("ROLLBACK");
	answer("ROLLBACK", 'I');
}

static void declare(const char *name, char status)
{
	char sql[120];

	snprintf(sql, sizeof(sql), "DECLARE %s CURSOR WITH HOLD FOR SELECT 1", name);
	ask(sql);
	answer("DECLARE CURSOR", status);
}

static void declare_many(int count, char status)
{
	char name[16];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		declare(name, status);
	}
}

static void close_cursor(const char *name, char status)
{
	char sql[80];

	snprintf(sql, sizeof(sql), "CLOSE %s", name);
	ask(sql);
	answer("CLOSE CURSOR", status);
}

static void close_many(int count, char status)
{
	char name[16];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		close_cursor(name, status);
	}
}

static void no_cursor(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.cursors, 0);
	EXPECT_EQ(c->ev.flags & EV_CONN_CURSOR, 0);
}

static void one_cursor(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.cursors, 1);
	EXPECT_EQ(c->ev.flags & EV_CONN_CURSOR, 0);
}

static void two_cursors(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.cursors, 2);
}

static void twenty_cursors(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.cursors, 20);
}

static void a_cursor_with_hold_is_declared_in_many_ways(void **state)
{
	static const char *const texts[] = {
		"DECLARE c CURSOR WITH HOLD FOR SELECT 1",
		"declare \"c\" binary insensitive no scroll cursor with hold for select 1",
		" \n\tDECLARE\nc  SCROLL\r\n\tCURSOR\tWITH \n HOLD\nFOR SELECT 1",
		"DECLARE c ASENSITIVE CURSOR WITH HOLD FOR SELECT 1",
		"Declare \"of \"\"two\"\" words\" NO SCROLL Cursor With Hold For VALUES (1)",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		session();
		ask(texts[i]);
		answer("DECLARE CURSOR", 'I');
		every_way(one_cursor);
	}
}

static void other_declarations_hold_nothing(void **state)
{
	static const char *const texts[] = {
		"DECLARE c CURSOR FOR SELECT 1",
		"DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1",
		"DECLARE c CURSOR FOR SELECT 1 -- CURSOR WITH HOLD",
		"DECLARE \"cursor\" CURSOR FOR WITH hold AS (SELECT 1) SELECT * FROM hold",
		"DECLARE c CURSOR WITH HOLDING",
		"DECLARE c CURSOR WITH",
		"DECLARE c",
		"DECLARE",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		session();
		begin();
		ask(texts[i]);
		answer("DECLARE CURSOR", 'T');
		commit();
		every_way(no_cursor);
	}
}

static void a_cursor_is_open(const struct tracked_connection *c)
{
	is_in_transaction(c);
	EXPECT_EQ(c->ev.cursors, 0);
	EXPECT(c->ev.flags & EV_CONN_CURSOR);
}

static void a_cursor_outlives_its_transaction_by_commit_only(void **state)
{
	(void)state;
	session();
	begin();
	declare("c", 'T');
	then(a_cursor_is_open);
	ask("FETCH 10 FROM c");
	answer("FETCH 10", 'T');
	then(a_cursor_is_open);
	commit();
	every_way(one_cursor);

	session();
	begin();
	declare("c", 'T');
	roll_back();
	every_way(no_cursor);

	session();
	begin();
	declare("c", 'T');
	ask("SELECT 1/0");
	fail_request("22012", 'E');
	ask("COMMIT");
	answer("ROLLBACK", 'I');
	every_way(no_cursor);

	session();
	begin();
	declare("c", 'T');
	ask("COMMIT");
	fail_request("40001", 'I');
	every_way(no_cursor);
}

static void a_rollback_takes_no_cursor_of_before(void **state)
{
	(void)state;
	session();
	declare("kept", 'I');
	begin();
	declare("c", 'T');
	roll_back();
	every_way(one_cursor);
}

static void cursors_behind_a_savepoint_are_not_counted(void **state)
{
	(void)state;
	session();
	begin();
	ask("SAVEPOINT s");
	answer("SAVEPOINT", 'T');
	declare("c", 'T');
	ask("ROLLBACK TO s");
	answer("ROLLBACK", 'T');
	declare("d", 'T');
	commit();
	every_way(one_cursor);
}

static void a_declaration_that_fails_opens_nothing(void **state)
{
	(void)state;
	session();
	ask("DECLARE c CURSOR WITH HOLD FOR SELECT nothing");
	fail_request("42703", 'I');
	then(no_cursor);
	begin();
	ask("DECLARE c CURSOR WITH HOLD FOR SELECT nothing");
	fail_request("42703", 'E');
	roll_back();
	every_way(no_cursor);
}

static void cursors_are_closed_in_many_ways(void **state)
{
	static const struct {
		const char *sql, *tag;
	} forms[] = {
		{"CLOSE c", "CLOSE CURSOR"},
		{"close \"c\";", "CLOSE CURSOR"},
		{" CLOSE\nC", "CLOSE CURSOR"},
		{"CLOSE\tc ; ", "CLOSE CURSOR"},
		{"CLOSE ALL", "CLOSE CURSOR ALL"},
		{"close all;", "CLOSE CURSOR ALL"},
		{"DISCARD ALL", "DISCARD ALL"},
		{"discard  all", "DISCARD ALL"},
		/* Not seen, but the server says so. */
		{"FETCH ALL FROM c; CLOSE c", "CLOSE CURSOR"},
		{"/* all */ CLOSE ALL", "CLOSE CURSOR ALL"},
		{"SELECT 1; DISCARD ALL", "DISCARD ALL"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		session();
		declare("c", 'I');
		then(one_cursor);
		ask(forms[i].sql);
		answer(forms[i].tag, 'I');
		every_way(no_cursor);
	}
}

static void what_closes_no_cursor_leaves_it(void **state)
{
	static const struct {
		const char *sql, *tag;
	} forms[] = {
		{"CLOSE other", NULL},
		{"CLOSE \"C\"", NULL},
		{"CLOSE allc", NULL},
		{"CLOSED", NULL},
		{"DISCARD PLANS", "DISCARD PLANS"},
		{"DEALLOCATE ALL", "DEALLOCATE ALL"},
		{"FETCH 1 FROM c", "FETCH 1"},
		{"CLUSTER", "CLUSTER"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		session();
		declare("c", 'I');
		ask(forms[i].sql);
		if (forms[i].tag)
			answer(forms[i].tag, 'I');
		else
			fail_request("34000", 'I');
		every_way(one_cursor);
	}
}

static void nothing_is_closed_in_a_failed_transaction(void **state)
{
	(void)state;
	session();
	declare("c", 'I');
	begin();
	ask("SELECT 1/0");
	fail_request("22012", 'E');
	ask("CLOSE c");
	fail_request("25P02", 'E');
	roll_back();
	every_way(one_cursor);
}

static void a_cursor_is_closed_in_its_own_transaction(void **state)
{
	(void)state;
	session();
	begin();
	declare("c", 'T');
	close_cursor("c", 'T');
	then(no_cursor);
	commit();
	every_way(no_cursor);
}

static void a_name_used_again_is_one_cursor(void **state)
{
	(void)state;
	session();
	declare("c", 'I');
	ask("DECLARE c CURSOR WITH HOLD FOR SELECT 1");
	fail_request("42P03", 'I');
	then(one_cursor);
	close_cursor("c", 'I');
	then(no_cursor);
	declare("c", 'I');
	every_way(one_cursor);
}

static void ever_more_cursors_are_counted(void **state)
{
	(void)state;
	session();
	declare_many(20, 'I');
	then(twenty_cursors);
	declare("one", 'I');
	close_cursor("one", 'I');
	then(twenty_cursors);
	close_many(18, 'I');
	every_way(two_cursors);

	session();
	declare_many(20, 'I');
	ask("CLOSE ALL");
	answer("CLOSE CURSOR ALL", 'I');
	then(no_cursor);
	declare("c", 'I');
	every_way(one_cursor);
}

static void many_cursors_share_the_end_of_their_transaction(void **state)
{
	(void)state;
	session();
	begin();
	declare_many(20, 'T');
	commit();
	then(twenty_cursors);
	begin();
	close_many(18, 'T');
	commit();
	every_way(two_cursors);

	session();
	begin();
	declare_many(20, 'T');
	roll_back();
	every_way(no_cursor);
}

static void as_many_as_can_be_told(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.cursors, 255);
	EXPECT_EQ(c->held, 260);
}

static void cursors_are_counted_beyond_what_can_be_told(void **state)
{
	(void)state;
	session();
	declare_many(260, 'I');
	one_way(as_many_as_can_be_told);
}

/* A CLOSE of what has no hold is not that of one which has. */
static void ordinary_cursors_come_and_go(void **state)
{
	(void)state;
	session();
	declare_many(20, 'I');
	for (int i = 0; i < 3; i++) {
		begin();
		ask("DECLARE \"stream\" CURSOR WITHOUT HOLD FOR SELECT 1");
		answer("DECLARE CURSOR", 'T');
		ask("FETCH FORWARD 2000 FROM \"stream\"");
		answer("FETCH 2000", 'T');
		close_cursor("\"stream\"", 'T');
		commit();
	}
	every_way(twenty_cursors);
}

static void an_ordinary_cursor_is_evidence_while_its_transaction_lasts(void **state)
{
	(void)state;
	session();
	begin();
	ask("DECLARE c CURSOR FOR SELECT 1");
	answer("DECLARE CURSOR", 'T');
	then(a_cursor_is_open);
	ask("SELECT 1");
	answer("SELECT 1", 'T');
	then(a_cursor_is_open);
	close_cursor("c", 'T');
	then(no_cursor);
	ask("DECLARE c CURSOR FOR SELECT 1");
	answer("DECLARE CURSOR", 'T');
	commit();
	every_way(no_cursor);
}

static void fetch_from_portal(char last)
{
	client();
	bind("");
	literal('E', "C_1\0\0\0\0\2");
	sync_();
	server();
	empty('2');
	row(4);
	if (last == 's')
		empty('s');
	else
		complete("SELECT 1");
	ready('T');
}

static void a_portal_with_rows_left_is_evidence(void **state)
{
	(void)state;
	session();
	begin();
	fetch_from_portal('s');
	then(a_cursor_is_open);
	fetch_from_portal('s');
	then(a_cursor_is_open);
	fetch_from_portal('C');
	then(no_cursor);
	fetch_from_portal('s');
	commit();
	every_way(no_cursor);
}

static void parse_and_execute(const char *name, const char *sql)
{
	client();
	parse(name, sql, 0);
	bind_execute(name);
}

static void executed(const char *tag, char status)
{
	server();
	empty('1');
	empty('2');
	empty('n');
	complete(tag);
	ready(status);
}

static void cursors_are_declared_by_the_extended_protocol(void **state)
{
	static const char *const names[] = {"", "s17"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		session();
		parse_and_execute(names[i], "DECLARE \"c\" CURSOR WITH HOLD FOR SELECT 1");
		executed("DECLARE CURSOR", 'I');
		then(one_cursor);
		client();
		close_statement("s17");
		sync_();
		server();
		empty('3');
		ready('I');
		then(one_cursor);
		parse_and_execute(names[i], "CLOSE \"c\"");
		executed("CLOSE CURSOR", 'I');
		then(no_cursor);
		parse_and_execute("", "DECLARE d CURSOR WITH HOLD FOR SELECT nothing");
		fail_request("42703", 'I');
		every_way(no_cursor);
	}
}

static void a_prepared_close_is_seen_by_its_reply(void **state)
{
	(void)state;
	session();
	client();
	parse("s1", "CLOSE ALL", 0);
	sync_();
	server();
	empty('1');
	ready('I');
	declare("c", 'I');
	then(one_cursor);
	client();
	bind_execute("s1");
	server();
	empty('2');
	empty('n');
	complete("CLOSE CURSOR ALL");
	ready('I');
	every_way(no_cursor);
}

static void a_group_declares_and_commits(void **state)
{
	static const char *const texts[] = {"BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
					    "FETCH 5 FROM c", "COMMIT"};
	static const char *const tags[] = {"BEGIN", "DECLARE CURSOR", "FETCH 5", "COMMIT"};

	(void)state;
	session();
	client();
	for (int i = 0; i < 4; i++) {
		parse("", texts[i], 0);
		bind("");
		execute();
	}
	sync_();
	server();
	for (int i = 0; i < 4; i++) {
		empty('1');
		empty('2');
		complete(tags[i]);
	}
	ready('I');
	every_way(one_cursor);
}

static void cursors_in_a_pipeline_are_settled_group_by_group(void **state)
{
	(void)state;
	session();
	client();
	query("DECLARE bad CURSOR WITH HOLD FOR SELECT nothing");
	query("DECLARE a CURSOR WITH HOLD FOR SELECT 1");
	query("DECLARE b CURSOR WITH HOLD FOR SELECT 1");
	query("CLOSE b");
	query("DECLARE b CURSOR WITH HOLD FOR SELECT 1");
	server();
	error("42703");
	ready('I');
	complete("DECLARE CURSOR");
	ready('I');
	complete("DECLARE CURSOR");
	ready('I');
	complete("CLOSE CURSOR");
	ready('I');
	complete("DECLARE CURSOR");
	ready('I');
	every_way(two_cursors);
}

static void a_declaration_among_other_statements_is_not_believed(void **state)
{
	(void)state;
	session();
	ask("DECLARE c CURSOR WITH HOLD FOR SELECT 1; FETCH ALL FROM c; CLOSE c");
	server();
	complete("DECLARE CURSOR");
	row(4);
	complete("FETCH 1");
	complete("CLOSE CURSOR");
	ready('I');
	then(no_cursor);
	ask("DECLARE c CURSOR WITH HOLD FOR SELECT 1; CLOSE c; SELECT 1");
	server();
	complete("DECLARE CURSOR");
	complete("CLOSE CURSOR");
	complete("SELECT 1");
	ready('I');
	every_way(no_cursor);
}

static void what_went_by_unseen_may_have_closed_all(void **state)
{
	(void)state;
	session();
	declare("c", 'I');
	then(one_cursor);
	client();
	PUT("?\1\2\3\4\5");
	answer("SELECT 1", 'I');
	one_way(no_cursor);
}

static void is_untouched(const struct tracked_connection *c)
{
	is_healthy(c);
	EXPECT_EQ(c->ev.requests, 1);
	EXPECT_EQ(c->ev.status, EV_STATUS_IDLE);
}

static void notices_between_replies_change_nothing(void **state)
{
	(void)state;
	session();
	server();
	notice();
	then(is_quiet);
	ask("SELECT 1");
	server();
	notice();
	then(is_waiting);
	server();
	complete("SELECT 1");
	ready('I');
	server();
	notification();
	parameter_status("TimeZone", "CET");
	every_way(is_untouched);
}

static void is_listening(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.flags, EV_CONN_AUTHENTICATED | EV_CONN_LISTENING);
}

static void a_listener_waits_by_design(void **state)
{
	(void)state;
	session();
	ask("LISTEN jobs");
	answer("LISTEN", 'I');
	server();
	notification();
	then(is_listening);
	server();
	notification();
	notification();
	every_way(is_listening);
}

static void a_listener_that_stopped_is_none(void **state)
{
	(void)state;
	session();
	ask("listen jobs;");
	answer("LISTEN", 'I');
	ask("UNLISTEN *");
	answer("UNLISTEN", 'I');
	every_way(is_healthy);
}

static void is_replicating(const struct tracked_connection *c)
{
	EXPECT(c->ev.flags & EV_CONN_REPLICATION);
	EXPECT(c->ev.request_ns);
}

static void a_replication_stream_waits_by_design(void **state)
{
	(void)state;
	session();
	ask("START_REPLICATION SLOT \"s\" LOGICAL 0/0");
	server();
	literal('W', "\0\0\0");
	server();
	literal('d', "w\0\0\0\0\0\0\0\0BEGIN 5");
	client();
	literal('d', "r\0\0\0\0\0\0\0\0\0");
	server();
	literal('d', "k\0\0\0\0\0\0\0\0\1");
	every_way(is_replicating);
}

static void said_goodbye(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.flags, EV_CONN_AUTHENTICATED | EV_CONN_TERMINATED);
}

static void a_goodbye_is_noted(void **state)
{
	(void)state;
	session();
	client();
	empty('X');
	every_way(said_goodbye);
}

/* Results. */

static void told_of_50000_rows(const struct tracked_connection *c)
{
	is_healthy(c);
	EXPECT_EQ(shim.results, 1);
	EXPECT_EQ(shim.result_rows, 50000);
	EXPECT(shim.result_exact);
	EXPECT_EQ(shim.result_bytes, script.steps[3].length);
	EXPECT_EQ(c->ev.rows, 50000);
}

static void a_large_result_is_counted_exactly(void **state)
{
	(void)state;
	session();
	ask("SELECT * FROM big");
	server();
	row_description();
	for (int i = 0; i < 50000; i++)
		row(20);
	complete("SELECT 50000");
	ready('I');
	every_way(told_of_50000_rows);
}

static void told_of_a_failed_one(const struct tracked_connection *c)
{
	is_healthy(c);
	EXPECT_EQ(shim.results, 1);
	EXPECT_EQ(shim.result_rows, UNKNOWN64);
	EXPECT(!shim.result_exact);
}

static void a_large_result_that_fails_has_no_count(void **state)
{
	(void)state;
	session();
	ask("SELECT 1 / (n - 9999) FROM big");
	server();
	for (int i = 0; i < 400; i++)
		row(4000);
	error("22012");
	ready('I');
	one_way(told_of_a_failed_one);
}

static void told_of_the_second(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.requests, 3);
	EXPECT_EQ(shim.results, 1);
	EXPECT_EQ(shim.result_rows, 100);
}

static void a_pipeline_tells_of_the_reply_that_was_large(void **state)
{
	(void)state;
	send_three();
	server();
	reply('I');
	for (int i = 0; i < 100; i++)
		row(16000);
	complete("SELECT 100");
	ready('I');
	reply('I');
	every_way(told_of_the_second);
}

static void the_end_may_straddle_reads(void **state)
{
	static const uint32_t last[] = {1, 4, 5, 6};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		uint32_t n;

		session();
		ask("BEGIN");
		server();
		for (int j = 0; j < 20; j++)
			row(1000);
		complete("BEGIN");
		ready('T');
		n = script.steps[script.count - 1].length;
		/* the last bytes come alone */
		script.steps[script.count - 1].length = n - last[i];
		then(is_waiting);
		script.steps[script.count] = script.steps[script.count - 1];
		script.steps[script.count].at += n - last[i];
		script.steps[script.count].length = last[i];
		script.steps[script.count++].check = NULL;
		every_way(is_in_transaction);
	}
}

/* Connections older than we are, and bytes that make no sense. */

static void joined_in_transaction(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.status, EV_STATUS_TRANSACTION);
	EXPECT_EQ(c->ev.flags, EV_CONN_PRE_EXISTING);
}

static void a_connection_joined_in_the_middle_is_read(void **state)
{
	(void)state;
	script_begin(EV_DB_POSTGRESQL);
	script.joined = true;
	server(); /* the end of a reply to what we did not see */
	row(100);
	complete("SELECT 1");
	ready('T');
	ask("SELECT 2");
	then(is_waiting);
	answer("SELECT 1", 'T');
	every_way(joined_in_transaction);
}

static void is_found_again(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.status, EV_STATUS_TRANSACTION);
	expect_sql(c, "SELECT 2");
}

static void a_connection_joined_amid_copied_rows_is_found_again(void **state)
{
	(void)state;
	script_begin(EV_DB_POSTGRESQL);
	script.joined = true;
	client(); /* reads as a very long query */
	PUT("Q\0\1\0\0 rows");
	client();
	PUT("more of them\n");
	answer("COPY 100", 'T');
	ask("SELECT 2");
	then(is_waiting);
	answer("SELECT 1", 'T');
	every_way(is_found_again);
}

static void garbage_is_outstanding_until_a_reply_ends(void **state)
{
	(void)state;
	session();
	client();
	PUT("\xff\xfe garbage of any kind");
	then(is_waiting);
	answer("SELECT 1", 'T');
	then(is_quiet);
	ask("SELECT 2");
	answer("SELECT 1", 'T');
	every_way(is_found_again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_starts),
		cmocka_unit_test(a_refused_ssl_request_is_followed_by_a_session),
		cmocka_unit_test(refused_gss_and_ssl_requests_are_followed_by_a_session),
		cmocka_unit_test(an_accepted_ssl_request_hides_the_rest),
		cmocka_unit_test(a_hello_for_postgresql_is_known_from_any_other),
		cmocka_unit_test(a_hello_cut_anywhere_is_none),
		cmocka_unit_test(a_session_that_begins_with_tls_is_hidden),
		cmocka_unit_test(a_password_is_never_kept),
		cmocka_unit_test(scram_takes_several_messages),
		cmocka_unit_test(a_wrong_password_is_refused),
		cmocka_unit_test(too_many_connections_are_refused),
		cmocka_unit_test(a_cancel_request_waits_for_nothing),
		cmocka_unit_test(a_simple_query_is_answered),
		cmocka_unit_test(a_query_that_fails_leaves_no_transaction),
		cmocka_unit_test(a_long_text_is_cut_off),
		cmocka_unit_test(what_stands_behind_a_text_is_zero),
		cmocka_unit_test(an_empty_query_is_answered),
		cmocka_unit_test(a_transaction_is_committed),
		cmocka_unit_test(a_transaction_is_rolled_back),
		cmocka_unit_test(a_failed_transaction_can_only_be_rolled_back),
		cmocka_unit_test(a_commit_that_fails_has_rolled_back),
		cmocka_unit_test(a_savepoint_does_not_end_the_transaction),
		cmocka_unit_test(prepare_transaction_opens_no_statement),
		cmocka_unit_test(a_pause_in_a_transaction_is_measured),
		cmocka_unit_test(a_pause_before_the_parts_of_a_request_is_measured),
		cmocka_unit_test(a_named_statement_stays_open),
		cmocka_unit_test(an_unnamed_statement_is_none),
		cmocka_unit_test(a_statement_is_closed),
		cmocka_unit_test(a_portal_is_no_statement),
		cmocka_unit_test(a_name_in_use_is_refused),
		cmocka_unit_test(a_statement_that_does_not_parse_was_never_open),
		cmocka_unit_test(a_statement_whose_execution_fails_is_open),
		cmocka_unit_test(a_parse_that_fails_behind_another_was_never_open),
		cmocka_unit_test(a_group_that_fails_opens_nothing_behind),
		cmocka_unit_test(statements_are_deallocated_by_name),
		cmocka_unit_test(all_statements_end_at_once),
		cmocka_unit_test(a_statement_named_like_a_keyword_is_one),
		cmocka_unit_test(sql_and_protocol_share_their_names),
		cmocka_unit_test(a_prepare_in_sql_that_fails_opened_nothing),
		cmocka_unit_test(a_long_name_is_cut_as_the_server_does),
		cmocka_unit_test(pipelined_replies_are_counted_together),
		cmocka_unit_test(pipelined_replies_are_counted_one_by_one),
		cmocka_unit_test(pipelined_replies_are_counted_in_any_grouping),
		cmocka_unit_test(a_client_that_pipelined_once_is_counted_on),
		cmocka_unit_test(a_request_into_the_middle_of_a_reply_is_survived),
		cmocka_unit_test(transactions_within_a_pipeline_are_counted),
		cmocka_unit_test(a_pipeline_of_parses_is_settled_group_by_group),
		cmocka_unit_test(a_batch_of_many_messages_is_outstanding),
		cmocka_unit_test(a_batch_too_long_to_walk_is_outstanding_too),
		cmocka_unit_test(a_flush_waits_for_its_answer),
		cmocka_unit_test(rows_are_copied_in),
		cmocka_unit_test(rows_are_copied_in_by_the_extended_protocol),
		cmocka_unit_test(a_copy_that_fails_ends),
		cmocka_unit_test(rows_are_copied_out),
		cmocka_unit_test(a_portal_is_suspended_inside_a_transaction),
		cmocka_unit_test(a_cursor_with_hold_is_declared_in_many_ways),
		cmocka_unit_test(other_declarations_hold_nothing),
		cmocka_unit_test(a_cursor_outlives_its_transaction_by_commit_only),
		cmocka_unit_test(a_rollback_takes_no_cursor_of_before),
		cmocka_unit_test(cursors_behind_a_savepoint_are_not_counted),
		cmocka_unit_test(a_declaration_that_fails_opens_nothing),
		cmocka_unit_test(cursors_are_closed_in_many_ways),
		cmocka_unit_test(what_closes_no_cursor_leaves_it),
		cmocka_unit_test(nothing_is_closed_in_a_failed_transaction),
		cmocka_unit_test(a_cursor_is_closed_in_its_own_transaction),
		cmocka_unit_test(a_name_used_again_is_one_cursor),
		cmocka_unit_test(ever_more_cursors_are_counted),
		cmocka_unit_test(many_cursors_share_the_end_of_their_transaction),
		cmocka_unit_test(cursors_are_counted_beyond_what_can_be_told),
		cmocka_unit_test(ordinary_cursors_come_and_go),
		cmocka_unit_test(an_ordinary_cursor_is_evidence_while_its_transaction_lasts),
		cmocka_unit_test(a_portal_with_rows_left_is_evidence),
		cmocka_unit_test(cursors_are_declared_by_the_extended_protocol),
		cmocka_unit_test(a_prepared_close_is_seen_by_its_reply),
		cmocka_unit_test(a_group_declares_and_commits),
		cmocka_unit_test(cursors_in_a_pipeline_are_settled_group_by_group),
		cmocka_unit_test(a_declaration_among_other_statements_is_not_believed),
		cmocka_unit_test(what_went_by_unseen_may_have_closed_all),
		cmocka_unit_test(notices_between_replies_change_nothing),
		cmocka_unit_test(a_listener_waits_by_design),
		cmocka_unit_test(a_listener_that_stopped_is_none),
		cmocka_unit_test(a_replication_stream_waits_by_design),
		cmocka_unit_test(a_goodbye_is_noted),
		cmocka_unit_test(a_large_result_is_counted_exactly),
		cmocka_unit_test(a_large_result_that_fails_has_no_count),
		cmocka_unit_test(a_pipeline_tells_of_the_reply_that_was_large),
		cmocka_unit_test(the_end_may_straddle_reads),
		cmocka_unit_test(a_connection_joined_in_the_middle_is_read),
		cmocka_unit_test(a_connection_joined_amid_copied_rows_is_found_again),
		cmocka_unit_test(garbage_is_outstanding_until_a_reply_ends),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(script.bytes);
	return failed;
}
