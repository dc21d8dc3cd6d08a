/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_wire_mysql.c - real exchanges of the MySQL and MariaDB protocol, cut in every way.
 */
#include "tests/unit/support/wire_script.h"

#define SECRET "\x7f\x11hunter2-top-secret"

#define AUTOCOMMIT	0x0002
#define IN_TRANS	0x0001
#define MORE		0x0008
#define CURSOR		0x0040
#define LAST_ROW	0x0080
#define SESSION_CHANGED 0x4000

/* What a MariaDB 10.11 server offers, without and with the end of EOF packets agreed on. */
#define CLASSIC 0x00bea285U
#define MODERN	(CLASSIC | MY_DEPRECATE_EOF)

static uint8_t number; /* of the next packet */

/* Packets. */

static void header(uint32_t length)
{
	uint8_t head[4] = {length, length >> 8, length >> 16, number++};

	put(head, 4);
}

static void packet(const void *body, uint32_t n)
{
	header(n);
	put(body, n);
}

#define literal(text) packet(text, sizeof(text) - 1)

static void greeting(uint32_t capabilities)
{
	static const char version[] = "5.5.5-10.11.14-MariaDB-0+deb12u2";
	uint8_t body[128] = {10};
	uint32_t n = 1;

	memcpy(body + n, version, sizeof(version));
	n += sizeof(version);
	memcpy(body + n, "\x05\0\0\0ABCDEFGH", 13);
	n += 13;
	body[n] = capabilities;
	body[n + 1] = capabilities >> 8;
	body[n + 2] = 45;
	body[n + 3] = AUTOCOMMIT;
	body[n + 5] = capabilities >> 16;
	body[n + 6] = capabilities >> 24;
	body[n + 7] = 21;
	n += 18;
	memcpy(body + n, "IJKLMNOPQRST\0mysql_native_password", 35);
	n += 35;
	step(GREETING);
	whole();
	number = 0;
	packet(body, n);
}

static void response(uint32_t capabilities, const char *user, const char *database)
{
	uint8_t body[512] = {capabilities, capabilities >> 8, capabilities >> 16,
			     capabilities >> 24};
	uint32_t n = 32;

	memcpy(body + n, user, strlen(user) + 1);
	n += strlen(user) + 1;
	body[n++] = strlen(SECRET);
	memcpy(body + n, SECRET, strlen(SECRET));
	n += strlen(SECRET);
	if (capabilities & MY_WITH_DB) {
		memcpy(body + n, database, strlen(database) + 1);
		n += strlen(database) + 1;
	}
	memcpy(body + n, "mysql_native_password", 22);
	n += 22;
	client();
	number = 1;
	packet(body, n);
}

static void ok_with(uint8_t marker, uint8_t affected, uint16_t status)
{
	uint8_t body[7] = {marker, affected, 0, status, status >> 8};

	packet(body, 7);
}

static void ok(uint16_t status)
{
	ok_with(0, 0, status);
}

static void eof(uint16_t status)
{
	uint8_t body[5] = {0xfe, 0, 0, status, status >> 8};

	packet(body, 5);
}

static void error(uint16_t code, const char *text)
{
	uint8_t body[128] = {0xff, code, code >> 8, '#', '4', '2', '0', '0', '0'};

	memcpy(body + 9, text, strlen(text));
	packet(body, 9 + strlen(text));
}

static void column(void)
{
	literal("\3def\4shop\6orders\6orders\2id\2id\x0c\x3f\0\x0b\0\0\0\3\3\x42\0\0\0");
}

/* A result's head: count, descriptions, and the end of them. */
static void columns(uint32_t count, bool modern, uint16_t status)
{
	uint8_t body[3] = {0xfc, count, count >> 8};

	if (count < 251)
		packet(body + 1, 1);
	else
		packet(body, 3);
	for (uint32_t i = 0; i < count; i++)
		column();
	if (!modern)
		eof(status);
}

static void row(uint32_t size)
{
	static uint8_t body[1 << 16];

	memset(body, 'x', sizeof(body));
	body[0] = size < 251 ? size : 0xfc;
	packet(body, size + 1);
}

static void rows_end(bool modern, uint16_t status)
{
	if (modern)
		ok_with(0xfe, 0, status);
	else
		eof(status);
}

/* A session up to its first command. */
static void session(uint32_t capabilities)
{
	script_begin(EV_DB_MYSQL);
	script.secret = SECRET;
	greeting(capabilities);
	response(capabilities | MY_WITH_DB, "app", "shop");
	server();
	ok(AUTOCOMMIT);
}

static void command(uint8_t what, const void *body, uint32_t n)
{
	number = 0;
	header(n + 1);
	put8(what);
	put(body, n);
}

static void ask(const char *sql)
{
	client();
	command(MY_QUERY, sql, strlen(sql));
}

static void answers(void)
{
	server();
	number = 1;
}

static void answer(uint16_t status)
{
	answers();
	ok(status);
}

static void with_id(uint8_t what, uint32_t id, const void *rest, uint32_t n)
{
	uint8_t body[64] = {id, id >> 8, id >> 16, id >> 24};

	memcpy(body + 4, rest, n);
	command(what, body, 4 + n);
}

static void execute(uint32_t id, uint8_t cursor)
{
	uint8_t rest[5] = {cursor, 1};

	client();
	with_id(MY_STMT_EXECUTE, id, rest, 5);
}

static void prepare(const char *sql)
{
	client();
	command(MY_STMT_PREPARE, sql, strlen(sql));
}

static void prepared(uint32_t id, uint16_t result_columns, uint16_t parameters, bool modern)
{
	uint8_t body[12] = {0,
			    id,
			    id >> 8,
			    id >> 16,
			    id >> 24,
			    result_columns,
			    result_columns >> 8,
			    parameters,
			    parameters >> 8};

	answers();
	packet(body, 12);
	for (int i = 0; i < parameters; i++)
		column();
	if (parameters && !modern)
		eof(AUTOCOMMIT);
	for (int i = 0; i < result_columns; i++)
		column();
	if (result_columns && !modern)
		eof(AUTOCOMMIT);
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

static void is_healthy(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.flags & ~EV_CONN_WROTE, EV_CONN_AUTHENTICATED);
}

static void is_idle(const struct tracked_connection *c)
{
	is_healthy(c);
	EXPECT_EQ(c->ev.status, EV_STATUS_IDLE);
}

static void is_in_transaction(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.status, EV_STATUS_TRANSACTION);
	EXPECT(c->ev.transaction_ns);
}

/* Start and login. */

static void has_names(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->phase, PHASE_READY);
	EXPECT_EQ(c->ev.requests, 0);
	if (!way.uncut)
		return;
	EXPECT(!strcmp(c->identity.startup, "app"));
	EXPECT(!strcmp(c->identity.startup + EV_NAME_LEN, "shop"));
	EXPECT_EQ(c->identity.startup_length, 2 * EV_NAME_LEN);
}

static void a_session_starts(void **state)
{
	(void)state;
	session(CLASSIC);
	every_way(has_names);
	session(MODERN);
	every_way(has_names);
}

static void has_agreed(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->capabilities & MY_DEPRECATE_EOF, 0);
}

static void both_sides_must_agree(void **state)
{
	(void)state;
	script_begin(EV_DB_MYSQL);
	script.secret = SECRET;
	greeting(MODERN);
	response(CLASSIC, "app", "");
	server();
	ok(AUTOCOMMIT);
	every_way(has_agreed);
}

static void has_no_database(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->identity.startup[EV_NAME_LEN], 0);
	if (way.uncut)
		EXPECT(!strcmp(c->identity.startup, "app"));
}

static void a_session_may_have_no_database(void **state)
{
	(void)state;
	script_begin(EV_DB_MYSQL);
	script.secret = SECRET;
	greeting(CLASSIC);
	response(CLASSIC & ~MY_WITH_DB, "app", "");
	server();
	ok(AUTOCOMMIT);
	every_way(has_no_database);
}

static void has_whole_names(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT(!c->identity.startup[0] || !strcmp(c->identity.startup, "app"));
	EXPECT(!c->identity.startup[EV_NAME_LEN] ||
	       !strcmp(c->identity.startup + EV_NAME_LEN, "shop"));
	if (way.uncut)
		EXPECT(c->identity.startup[EV_NAME_LEN]);
}

/* Whole, or none at all, wherever the response is cut; also when they are the last of it. */
static void names_are_never_cut(void **state)
{
	uint8_t body[64] = {0x8d, 0xa2};

	(void)state;
	session(CLASSIC);
	every_way(has_whole_names);
	memcpy(body + 32,
	       "app\0\4pass"
	       "shop",
	       14);
	script_begin(EV_DB_MYSQL);
	greeting(CLASSIC);
	client();
	number = 1;
	packet(body, 32 + 4 + 5 + 5);
	server();
	ok(AUTOCOMMIT);
	every_way(has_whole_names);
}

static void has_no_user(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->identity.startup[0], 0);
	EXPECT_EQ(c->identity.startup[EV_NAME_LEN], 0);
}

static void a_user_too_long_does_not_shift_the_secret(void **state)
{
	char user[100] = "";

	(void)state;
	for (size_t length = 63; length < 90; length++) {
		memset(user, 'u', length);
		script_begin(EV_DB_MYSQL);
		script.secret = SECRET;
		greeting(CLASSIC);
		response(CLASSIC | MY_WITH_DB, user, "shop");
		server();
		ok(AUTOCOMMIT);
		one_way(length > 63 ? has_no_user : is_idle);
	}
}

static void an_old_response_is_not_read_for_names(void **state)
{
	(void)state;
	script_begin(EV_DB_MYSQL);
	script.secret = SECRET + 2;
	greeting(CLASSIC);
	client();
	number = 1;
	literal("\x85\xa0\0\0\0app\0hunter2-top-secret\0shop\0");
	server();
	ok(AUTOCOMMIT);
	every_way(has_no_user);
}

static void is_tls(const struct tracked_connection *c)
{
	EXPECT_EQ(c->ev.flags, EV_CONN_TLS);
	EXPECT_EQ(c->ev.request_ns, 0);
}

static void a_session_over_tls_is_hidden(void **state)
{
	uint8_t body[32] = {0x85, 0xae};

	(void)state;
	script_begin(EV_DB_MYSQL);
	greeting(CLASSIC | MY_SSL);
	client();
	number = 1;
	packet(body, 32);
	client();
	PUT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
	server();
	PUT("\x16\x03\x03\x00\x7a\x02\x05\0\0\4\xfe\0\0\2\0");
	every_way(is_tls);
}

static void is_read_inside(const struct tracked_connection *c)
{
	EXPECT_EQ(c->ev.flags & EV_CONN_TLS, 0);
	EXPECT_EQ(c->ev.status, EV_STATUS_TRANSACTION);
	EXPECT(c->capabilities & MY_SSL);
	if (way.uncut)
		EXPECT(!strcmp(c->identity.startup, "app"));
}

/* At the TLS library the response comes whole, and still says that it is encrypted. */
static void a_decrypted_session_is_read(void **state)
{
	(void)state;
	script_begin(EV_DB_MYSQL);
	script.flags = EV_CONN_DECRYPTED;
	greeting(CLASSIC | MY_SSL);
	response(CLASSIC | MY_SSL, "app", "shop");
	server();
	number = 2;
	ok(AUTOCOMMIT);
	ask("begin");
	server();
	number = 1;
	ok(AUTOCOMMIT | IN_TRANS);
	every_way(is_read_inside);
}

static void is_compressed(const struct tracked_connection *c)
{
	EXPECT_EQ(c->ev.flags, EV_CONN_AUTHENTICATED | EV_CONN_COMPRESSED);
	EXPECT_EQ(c->ev.request_ns, 0);
}

static void compression_is_recognised(void **state)
{
	(void)state;
	session(CLASSIC | MY_COMPRESS);
	client();
	PUT("\x0b\0\0\0\0\0\0\x07\0\0\0\3DO 1");
	then(NULL);
	server();
	PUT("\x0b\0\0\1\0\0\0\7\0\0\1\0\0\0\2\0\0\0");
	every_way(is_compressed);
	session(CLASSIC | MY_ZSTD);
	every_way(is_compressed);
}

static void an_offer_of_compression_may_be_declined(void **state)
{
	(void)state;
	script_begin(EV_DB_MYSQL);
	greeting(CLASSIC | MY_COMPRESS | MY_ZSTD);
	response(CLASSIC, "app", "");
	server();
	ok(AUTOCOMMIT);
	every_way(is_idle);
}

static void the_method_of_login_may_be_switched(void **state)
{
	(void)state;
	script_begin(EV_DB_MYSQL);
	script.secret = SECRET;
	greeting(CLASSIC);
	response(CLASSIC | MY_WITH_DB, "app", "shop");
	server();
	literal("\xfemysql_native_password\0abcdefghijklmnopqrst\0");
	then(is_waiting);
	client();
	literal(SECRET);
	server();
	ok(AUTOCOMMIT);
	every_way(has_names);
}

static void caching_sha2_takes_several_packets(void **state)
{
	(void)state;
	script_begin(EV_DB_MYSQL);
	script.secret = SECRET;
	greeting(MODERN);
	response(MODERN | MY_WITH_DB, "app", "shop");
	server();
	literal("\1\4");
	client();
	literal("\2");
	server();
	literal("\1-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n");
	client();
	literal("\0\0" SECRET);
	server();
	ok(AUTOCOMMIT);
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
	script_begin(EV_DB_MYSQL);
	script.secret = SECRET;
	greeting(CLASSIC);
	response(CLASSIC, "app", "");
	server();
	error(1045, "Access denied for user 'app'@'localhost' (using password: YES)");
	every_way(is_refused);
}

static void too_many_connections_are_refused(void **state)
{
	(void)state;
	script_begin(EV_DB_MYSQL);
	step(GREETING);
	whole();
	number = 0;
	literal("\xff\x10\x04Too many connections");
	every_way(is_refused);
}

/* Commands with one packet of reply. */

static void asked_once(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->ev.requests, 1);
	expect_sql(c, "SELECT * FROM orders WHERE month = 7");
	EXPECT_EQ(c->sql.cut, 0);
}

static void a_query_is_answered(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		ask("SELECT * FROM orders WHERE month = 7");
		then(is_waiting);
		answers();
		columns(2, modern, AUTOCOMMIT);
		row(4);
		row(0);
		row(250);
		rows_end(modern, AUTOCOMMIT);
		every_way(asked_once);
	}
}

/* What MySQL 9.7 offers and libmysqlclient 9.7 agrees to. */
#define WITH_ATTRIBUTES (MODERN | MY_QUERY_ATTRIBUTES)

static void ask_with(const void *attributes, uint32_t n, const char *sql)
{
	char body[1024];

	memcpy(body, attributes, n);
	memcpy(body + n, sql, strlen(sql));
	client();
	command(MY_QUERY, body, n + strlen(sql));
}

static void began(const struct tracked_connection *c)
{
	is_in_transaction(c);
	EXPECT_EQ(c->ev.requests, 1);
	expect_sql(c, "begin");
}

static void asked_by_name(const struct tracked_connection *c)
{
	expect_statements(c, 1, 0);
}

/* The text begins behind two bytes that say that there are none. */
static void a_query_may_have_no_attributes(void **state)
{
	(void)state;
	session(WITH_ATTRIBUTES);
	ask_with("\0\1", 2, "begin");
	answer(AUTOCOMMIT | IN_TRANS);
	every_way(began);
	session(WITH_ATTRIBUTES);
	ask_with("\0\1", 2, "prepare p from 'select 1'");
	answer(AUTOCOMMIT);
	every_way(asked_by_name);
	session(MODERN);
	ask("begin");
	answer(AUTOCOMMIT | IN_TRANS);
	every_way(began);
}

/* Where they come in parts, the text is not sought. */
static void asked_with_attributes(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->ev.requests, 1);
	if (way.uncut || c->sql.length)
		expect_sql(c, "SELECT * FROM orders WHERE month = 7");
	EXPECT_EQ(c->sql.cut, !c->sql.length);
}

static void a_query_may_have_attributes(void **state)
{
	/* a trace, NULL, a number, a time; then a long text */
	static const char four[] = "\4\1\2\1\xfe\0\13traceparent\xfd\0\5empty\x8\x80\0\7\0\2at"
				   "\x14" SECRET "\1\2\3\4\5\6\7\x8\4\xea\7\xb\x1e";
	char long_one[330] = "\1\1\0\1\xfe\0\0\xfc\x2c\1";

	(void)state;
	session(WITH_ATTRIBUTES);
	ask_with(four, sizeof(four) - 1, "SELECT * FROM orders WHERE month = 7");
	answer(AUTOCOMMIT);
	every_way(asked_with_attributes);
	memset(long_one + 10, 'x', 300);
	session(WITH_ATTRIBUTES);
	ask_with(long_one, 310, "SELECT * FROM orders WHERE month = 7");
	answer(AUTOCOMMIT);
	every_way(asked_with_attributes);
}

static void asked_unreadably(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->ev.requests, 1);
	EXPECT_EQ(c->sql.length, 0);
	EXPECT_EQ(c->sql.cut, 1);
}

/* Too many, of a type that nobody knows, longer than the packet, or none that are whole. */
static void attributes_that_are_not_understood_hide_the_text(void **state)
{
	static const char *const odd[] = {
		"\x9\1\0\0\1" SECRET,	     "\x20\1 " SECRET,
		"\1\1\2\1\x10\1\1x" SECRET,  "\1\1\2\1\xfe\1\1x\xfa" SECRET,
		"\1\1\2\1\xfe\1\xfb" SECRET, "\1\1\2\1"};
	static const uint8_t lengths[] = {5, 3, 8, 9, 7, 4};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		char bytes[64] = "";

		memcpy(bytes, odd[i], lengths[i]);
		memcpy(bytes + lengths[i], SECRET, strlen(SECRET));
		session(WITH_ATTRIBUTES);
		ask_with(bytes, lengths[i] + strlen(SECRET), "");
		answer(AUTOCOMMIT);
		every_way(asked_unreadably);
	}
}

static void an_error_is_an_answer(void **state)
{
	(void)state;
	session(CLASSIC);
	ask("SELECT * FROM orders WHERE month = 7");
	answers();
	error(1146, "Table 'shop.orders' doesn't exist");
	every_way(asked_once);
}

static void an_error_may_end_rows(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		ask("SELECT * FROM orders WHERE month = 7");
		answers();
		columns(1, modern, AUTOCOMMIT);
		row(4);
		error(1317, "Query execution was interrupted");
		every_way(asked_once);
	}
}

static void counted_rows(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->ev.rows, 40);
	EXPECT_EQ(c->rows_estimated, 0);
}

static void rows_are_counted(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		ask("SELECT 1");
		answers();
		columns(3, modern, AUTOCOMMIT);
		for (int i = 0; i < 40; i++)
			row(i);
		rows_end(modern, AUTOCOMMIT);
		every_way(counted_rows);
	}
}

static void answered_simple_commands(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->ev.requests, 7);
}

static void simple_commands_are_answered(void **state)
{
	(void)state;
	session(CLASSIC);
	client();
	command(0x0e, "", 0); /* ping */
	answer(AUTOCOMMIT);
	client();
	command(MY_STATISTICS, "", 0);
	answers();
	literal("Uptime: 7  Threads: 1");
	client();
	command(MY_FIELD_LIST, "orders\0%", 8);
	answers();
	column();
	column();
	eof(AUTOCOMMIT);
	client();
	command(0x02, "shop", 4); /* init db */
	answer(AUTOCOMMIT);
	client();
	command(MY_SET_OPTION, "\0\0", 2);
	answers();
	eof(AUTOCOMMIT);
	client();
	command(0x0d, "", 0); /* debug */
	answers();
	eof(AUTOCOMMIT);
	client();
	command(0x0a, "", 0); /* process list */
	answers();
	columns(8, false, AUTOCOMMIT);
	row(9);
	eof(AUTOCOMMIT);
	every_way(answered_simple_commands);
}

static void said_goodbye(const struct tracked_connection *c)
{
	expect_quiet(c);
	EXPECT_EQ(c->ev.flags, EV_CONN_AUTHENTICATED | EV_CONN_TERMINATED);
}

static void a_goodbye_is_noted(void **state)
{
	(void)state;
	session(CLASSIC);
	client();
	command(MY_QUIT, "", 0);
	every_way(said_goodbye);
}

/* Transactions. */

static void committed_once(const struct tracked_connection *c)
{
	is_idle(c);
	expect_transactions(c, 1, 1, 0);
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
	session(CLASSIC);
	ask("BEGIN");
	answer(IN_TRANS | AUTOCOMMIT);
	then(is_in_transaction);
	execute(1, 0); /* no text to see */
	answers();
	ok_with(0, 1, IN_TRANS | AUTOCOMMIT);
	then(has_written);
	ask("COMMIT");
	answer(AUTOCOMMIT);
	every_way(committed_once);
}

static void without_autocommit_a_query_begins_one(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		ask("SET autocommit=0");
		answer(0);
		then(is_idle);
		ask("SELECT 1 FROM orders");
		answers();
		columns(1, modern, 0);
		row(1);
		rows_end(modern, IN_TRANS);
		then(is_in_transaction);
		ask("commit");
		answer(0);
		every_way(committed_once);
	}
}

static void rolled_back_once(const struct tracked_connection *c)
{
	is_idle(c);
	expect_transactions(c, 1, 0, 1);
}

static void a_transaction_is_rolled_back(void **state)
{
	static const char *const texts[] = {"ROLLBACK", "rollback"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		session(CLASSIC);
		ask("START TRANSACTION");
		answer(IN_TRANS | AUTOCOMMIT);
		ask(texts[i]);
		answer(AUTOCOMMIT);
		every_way(rolled_back_once);
	}
}

static void a_reset_rolls_back(void **state)
{
	(void)state;
	session(CLASSIC);
	ask("BEGIN");
	answer(IN_TRANS | AUTOCOMMIT);
	client();
	command(MY_RESET_CONNECTION, "", 0);
	answer(AUTOCOMMIT);
	every_way(rolled_back_once);
}

static void a_deadlock_has_rolled_back(void **state)
{
	(void)state;
	session(CLASSIC);
	ask("BEGIN");
	answer(IN_TRANS | AUTOCOMMIT);
	ask("UPDATE orders SET x = 1");
	answers();
	error(1213, "Deadlock found when trying to get lock; try restarting transaction");
	then(rolled_back_once);
	ask("ROLLBACK");
	answer(AUTOCOMMIT);
	every_way(rolled_back_once);
}

static void status_comes_from_the_head_of_an_ok(void **state)
{
	(void)state;
	session(MODERN);
	ask("BEGIN");
	answers();
	/* large counts, then a session change that ends like an idle status */
	literal("\0\xfd\x40\x42\x0f\xfe\1\2\3\4\5\6\7\x08\x03\x40\0\0\0"
		"\x0a\0\x08schema\4shop\2\0\0\0");
	then(is_in_transaction);
	ask("COMMIT");
	answers();
	literal("\0\0\0\x02\x40\0\0\0\7\x05\x05\4test\1\0");
	every_way(committed_once);
}

static void rows_end_with_a_tracked_change(void **state)
{
	(void)state;
	session(MODERN);
	ask("BEGIN");
	answer(IN_TRANS | AUTOCOMMIT);
	ask("SELECT f()");
	answers();
	columns(1, true, 0);
	row(3);
	literal("\xfe\0\0\x02\x40\0\0\0\7\x05\x05\4test\1\0");
	every_way(committed_once);
}

/* Several results. */

static void answered_three_results(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->ev.requests, 1);
	EXPECT_EQ(c->ev.rows, 3);
	expect_transactions(c, 1, 1, 0);
}

static void several_results_are_one_reply(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		ask("BEGIN; SELECT 1; SELECT 2; COMMIT");
		answers();
		ok(IN_TRANS | AUTOCOMMIT | MORE);
		columns(1, modern, IN_TRANS | MORE);
		row(1);
		rows_end(modern, IN_TRANS | MORE);
		then(is_waiting);
		server();
		columns(2, modern, IN_TRANS | MORE);
		row(1);
		row(1);
		rows_end(modern, IN_TRANS | MORE);
		ok(AUTOCOMMIT);
		every_way(answered_three_results);
	}
}

static void an_error_ends_all_results(void **state)
{
	(void)state;
	session(CLASSIC);
	ask("SELECT 1; SELECT nothing");
	answers();
	columns(1, false, MORE);
	row(1);
	eof(AUTOCOMMIT | MORE);
	then(is_waiting);
	error(1054, "Unknown column 'nothing' in 'field list'");
	script.steps[script.count - 1].check = NULL;
	every_way(is_idle);
}

/* Statements. */

static void has_one_statement(const struct tracked_connection *c)
{
	is_idle(c);
	expect_statements(c, 1, 0);
	EXPECT_EQ(shim.statements[0].id, 0x01020304);
	EXPECT_EQ(shim.statements[0].length, 28);
	EXPECT(!memcmp(shim.statements[0].text, "SELECT id FROM t WHERE n = ?", 28));
}

static void a_statement_is_prepared(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		int modern = i & 1, result_columns = i & 2 ? 2 : 0, parameters = i & 4 ? 3 : 0;

		session(modern ? MODERN : CLASSIC);
		prepare("SELECT id FROM t WHERE n = ?");
		then(is_waiting);
		prepared(0x01020304, result_columns, parameters, modern);
		then(is_quiet);
		execute(0x01020304, 0);
		answers();
		columns(2, modern, AUTOCOMMIT);
		literal("\0\0\5\0\0\0");
		rows_end(modern, AUTOCOMMIT);
		every_way(has_one_statement);
	}
}

static void has_no_statement(const struct tracked_connection *c)
{
	is_idle(c);
	expect_statements(c, 0, 0);
}

static void a_statement_that_fails_was_never_open(void **state)
{
	(void)state;
	session(CLASSIC);
	prepare("SELECT nothing");
	answers();
	error(1054, "Unknown column 'nothing' in 'field list'");
	every_way(has_no_statement);
}

static void has_closed_one(const struct tracked_connection *c)
{
	is_idle(c);
	expect_statements(c, 1, 1);
}

static void a_statement_is_closed_without_reply(void **state)
{
	(void)state;
	session(CLASSIC);
	prepare("SELECT id FROM t WHERE n = ?");
	prepared(0x01020304, 1, 1, false);
	client();
	with_id(MY_STMT_CLOSE, 0x01020304, "", 0);
	then(is_quiet);
	every_way(has_closed_one);
}

static void closed_one_and_asked(const struct tracked_connection *c)
{
	has_closed_one(c);
	EXPECT_EQ(c->ev.requests, 2);
	expect_sql(c, "SELECT 1");
}

static void a_close_and_a_query_may_share_a_send(void **state)
{
	(void)state;
	session(CLASSIC);
	prepare("SELECT id FROM t WHERE n = ?");
	prepared(7, 1, 1, false);
	client();
	with_id(MY_STMT_CLOSE, 7, "", 0);
	with_id(MY_STMT_CLOSE, 7, "", 0);
	command(MY_QUERY, "SELECT 1", 8);
	then(is_waiting);
	answers();
	columns(1, false, AUTOCOMMIT);
	eof(AUTOCOMMIT);
	every_way(closed_one_and_asked);
}

static void a_cursor_is_fetched(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		prepare("SELECT id FROM t WHERE n = ?");
		prepared(0x01020304, 1, 1, modern);
		execute(0x01020304, 1);
		answers();
		columns(1, modern, AUTOCOMMIT | CURSOR);
		if (modern)
			ok_with(0xfe, 0, AUTOCOMMIT | CURSOR);
		then(is_quiet);
		client();
		with_id(MY_STMT_FETCH, 0x01020304, "\2\0\0\0", 4);
		then(is_waiting);
		answers();
		literal("\0\0\5\0\0\0");
		literal("\0\0\6\0\0\0");
		rows_end(modern, AUTOCOMMIT | CURSOR);
		then(is_quiet);
		client();
		with_id(MY_STMT_FETCH, 0x01020304, "\2\0\0\0", 4);
		answers();
		rows_end(modern, AUTOCOMMIT | LAST_ROW);
		then(is_quiet);
		client();
		with_id(0x1a, 0x01020304, "", 0); /* reset */
		answer(AUTOCOMMIT);
		client();
		with_id(MY_STMT_LONG_DATA, 0x01020304, "\0\0data", 6);
		then(is_quiet);
		every_way(has_one_statement);
	}
}

static void executed_directly(const struct tracked_connection *c)
{
	is_idle(c);
	expect_statements(c, 1, 0);
	EXPECT_EQ(c->ev.requests, 2);
	EXPECT_EQ(c->ev.rows, 1);
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

/* As libmariadb does: execute what was prepared last, before its id is known. */
static void a_statement_is_executed_before_it_is_prepared(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		prepare("SELECT id FROM t WHERE n = ?");
		execute(0xffffffff, 0);
		then(waits_for_two);
		prepared(5, 2, 1, modern);
		then(waits_for_one);
		answers();
		columns(2, modern, AUTOCOMMIT);
		literal("\0\0\5\0\0\0");
		rows_end(modern, AUTOCOMMIT);
		every_way(executed_directly);
	}
}

static void executed_in_vain(const struct tracked_connection *c)
{
	is_idle(c);
	expect_statements(c, 0, 0);
	EXPECT_EQ(c->ev.requests, 2);
}

static void both_of_a_pair_may_fail_in_one_read(void **state)
{
	(void)state;
	session(CLASSIC);
	client();
	command(MY_STMT_PREPARE, "SELECT nothing", 14);
	with_id(MY_STMT_EXECUTE, 0xffffffff, "\0\1\0\0\0", 5);
	then(waits_for_two);
	answers();
	error(1054, "Unknown column 'nothing' in 'field list'");
	number = 1;
	error(1243, "Unknown prepared statement handler");
	every_way(executed_in_vain);
}

static void has_closed_two(const struct tracked_connection *c)
{
	is_idle(c);
	expect_statements(c, 2, 2);
}

static void a_reset_closes_all_statements(void **state)
{
	(void)state;
	session(CLASSIC);
	prepare("SELECT id FROM t WHERE n = ?");
	prepared(1, 1, 1, false);
	prepare("SELECT id FROM t WHERE n = ?");
	prepared(2, 1, 1, false);
	client();
	command(MY_RESET_CONNECTION, "", 0);
	answer(AUTOCOMMIT);
	every_way(has_closed_two);
}

static void statements_in_sql_are_counted(void **state)
{
	(void)state;
	session(CLASSIC);
	ask("PREPARE one FROM 'SELECT 1'");
	answer(AUTOCOMMIT);
	ask("PREPARE Two FROM 'SELECT 2'");
	answer(AUTOCOMMIT);
	ask("PREPARE three FROM 'SELECT nothing'");
	answers();
	error(1054, "Unknown column 'nothing' in 'field list'");
	ask("DEALLOCATE PREPARE two");
	answer(AUTOCOMMIT);
	ask("DROP PREPARE one");
	answer(AUTOCOMMIT);
	every_way(has_closed_two);
}

static void metadata_may_be_left_out(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		prepare("SELECT id FROM t WHERE n = ?");
		prepared(0x01020304, 2, 1, modern);
		execute(0x01020304, 0);
		answers();
		literal("\2\1"); /* two columns, and here they are */
		column();
		column();
		if (!modern)
			eof(AUTOCOMMIT);
		literal("\0\0\5\0\0\0");
		rows_end(modern, AUTOCOMMIT);
		execute(0x01020304, 0);
		then(is_waiting);
		answers();
		literal("\2\0"); /* two columns, as before */
		if (!modern)
			eof(AUTOCOMMIT);
		literal("\0\0\5\0\0\0");
		rows_end(modern, AUTOCOMMIT);
		every_way(has_one_statement);
	}
}

static void changed_user(const struct tracked_connection *c)
{
	has_closed_one(c);
	expect_transactions(c, 1, 0, 1);
	EXPECT_EQ(c->phase, PHASE_READY);
	expect_sql(c, "SELECT 1");
	if (!way.uncut)
		return;
	EXPECT(!strcmp(c->identity.startup, "other"));
	EXPECT(!strcmp(c->identity.startup + EV_NAME_LEN, "test"));
}

static void a_change_of_user_starts_anew(void **state)
{
	(void)state;
	session(CLASSIC);
	prepare("SELECT id FROM t WHERE n = ?");
	prepared(1, 1, 1, false);
	ask("BEGIN");
	answer(IN_TRANS | AUTOCOMMIT);
	client();
	number = 0;
	literal("\x11other\0\x14" SECRET "test\0\x2d\0mysql_native_password\0");
	server();
	literal("\xfemysql_native_password\0abcdefghijklmnopqrst\0");
	client();
	literal(SECRET);
	server();
	ok(AUTOCOMMIT);
	ask("SELECT 1");
	answers();
	columns(1, false, AUTOCOMMIT);
	eof(AUTOCOMMIT);
	every_way(changed_user);
}

/* Files, progress, streams. */

static void loaded(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->ev.requests, 2);
	expect_sql(c, "SELECT 1");
}

static void is_sending_a_file(const struct tracked_connection *c)
{
	is_waiting(c);
	EXPECT_EQ(c->infile, 1);
}

static void a_file_is_sent(void **state)
{
	(void)state;
	session(CLASSIC);
	ask("LOAD DATA LOCAL INFILE 'x' INTO TABLE t");
	answers();
	literal("\xfbx");
	then(is_sending_a_file);
	client();
	for (int i = 0; i < 300; i++)
		literal("\3looks like a query\n");
	literal("");
	server();
	ok(AUTOCOMMIT);
	then(is_idle);
	ask("SELECT 1");
	answers();
	columns(1, false, AUTOCOMMIT);
	eof(AUTOCOMMIT);
	every_way(loaded);
}

static void a_file_may_be_one_of_several_results(void **state)
{
	(void)state;
	session(CLASSIC);
	ask("LOAD DATA LOCAL INFILE 'x' INTO TABLE t; DO 1");
	answers();
	literal("\xfbx");
	client();
	literal("1\n");
	literal("");
	server();
	ok(AUTOCOMMIT | MORE);
	ok(AUTOCOMMIT);
	ask("SELECT 1");
	then(is_waiting);
	answers();
	columns(1, false, AUTOCOMMIT);
	eof(AUTOCOMMIT);
	every_way(loaded);
}

static void progress_is_no_end(void **state)
{
	(void)state;
	session(CLASSIC);
	ask("ALTER TABLE t ADD x INT");
	answers();
	for (int i = 0; i < 5; i++)
		literal("\xff\xff\xff\1\1\2\x10\x27\0\x08copy to tmp");
	then(is_waiting);
	server();
	ok(AUTOCOMMIT);
	every_way(is_idle);
}

static void is_replicating(const struct tracked_connection *c)
{
	EXPECT(c->ev.flags & EV_CONN_REPLICATION);
	EXPECT(c->ev.request_ns);
}

static void a_binlog_stream_waits_by_design(void **state)
{
	(void)state;
	session(CLASSIC);
	client();
	command(MY_BINLOG_DUMP, "\4\0\0\0\0\0\1\0\0\0bin.1", 15);
	answers();
	literal("\0\0\0\0\0\4\1\0\0\0\x2f\0\0\0\0\0\0\0\x20\0");
	literal("\0\0\0\0\0\4\1\0\0\0\x2f\0\0\0\0\0\0\0\x20\0");
	every_way(is_replicating);
}

/* Long results. */

static void estimated(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->ev.requests, 2);
	/* more than a tenth off would be no estimate */
	EXPECT(c->ev.rows >= 18000 && c->ev.rows <= 22000);
	expect_sql(c, "SELECT 1");
}

static void a_long_result_is_estimated_and_its_end_found(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		ask("SELECT * FROM big");
		answers();
		columns(3, modern, AUTOCOMMIT);
		for (int i = 0; i < 20000; i++)
			row(30);
		rows_end(modern, AUTOCOMMIT);
		ask("SELECT 1");
		then(is_waiting);
		answers();
		columns(1, modern, AUTOCOMMIT);
		rows_end(modern, AUTOCOMMIT);
		every_way(estimated);
	}
}

static void estimated_in_transaction(const struct tracked_connection *c)
{
	is_in_transaction(c);
	EXPECT_EQ(shim.results, 1);
	EXPECT_EQ(shim.result_exact, 0);
}

static void the_end_of_a_long_result_may_straddle_reads(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++)
		for (uint32_t last = 1; last < 14; last++) {
			uint32_t n;

			session(modern ? MODERN : CLASSIC);
			ask("SELECT * FROM big");
			answers();
			columns(3, modern, 0);
			for (int i = 0; i < 50000; i++)
				row(30);
			rows_end(modern, IN_TRANS);
			n = script.steps[script.count - 1].length;
			script.steps[script.count - 1].length = n - last;
			then(is_waiting);
			script.steps[script.count] = script.steps[script.count - 1];
			script.steps[script.count].at += n - last;
			script.steps[script.count].length = last;
			script.steps[script.count++].check = NULL;
			one_way(estimated_in_transaction);
		}
}

static void many_columns_do_not_lose_the_thread(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		ask("SELECT 1");
		answers();
		columns(200, modern, AUTOCOMMIT);
		for (int i = 0; i < 40; i++)
			row(i);
		rows_end(modern, AUTOCOMMIT);
		every_way(counted_rows);
	}
}

static void counted_wide_rows(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->ev.requests, 1);
	if (way.size && way.size <= 100)
		EXPECT_EQ(c->ev.rows, 300);
}

/* Packet numbers return to 0 and 1 within the descriptions and within the rows. */
static void packet_numbers_wrap(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		ask("SELECT 1");
		answers();
		columns(600, modern, AUTOCOMMIT);
		for (int i = 0; i < 300; i++)
			row(10);
		rows_end(modern, AUTOCOMMIT);
		every_way(counted_wide_rows);
	}
}

static void called(const struct tracked_connection *c)
{
	is_in_transaction(c);
	EXPECT_EQ(c->ev.requests, 1);
}

static void a_procedure_ends_with_an_ok_behind_its_rows(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		session(modern ? MODERN : CLASSIC);
		ask("CALL report()");
		answers();
		columns(3, modern, AUTOCOMMIT);
		for (int i = 0; i < 500; i++)
			row(30);
		rows_end(modern, IN_TRANS | MORE);
		then(is_waiting);
		script.steps[script.count - 1].check = NULL;
		ok(IN_TRANS);
		every_way(called);
	}
}

static void tails_of_binary_rows(const struct tracked_connection *c)
{
	is_waiting(c);
}

static void a_row_that_looks_like_an_end_is_none(void **state)
{
	(void)state;
	session(CLASSIC);
	execute(1, 0);
	answers();
	columns(2, false, AUTOCOMMIT);
	for (int i = 0; i < 100; i++)
		literal("\0\0\5\0\0\0\xfe\xff\xff\xff\xff");
	then(is_waiting);
	server();
	for (int i = 0; i < 100; i++)
		literal("\0\0\7\0\0\0\0\0\0\2\0\0\0");
	one_way(tails_of_binary_rows);
}

/* Packets as long as they come. */

static void huge(uint8_t first, uint32_t rest)
{
	static uint8_t body[MY_LONGEST_PACKET];

	memset(body, first ? first : 0xfe, sizeof(body));
	body[0] = first;
	packet(body, sizeof(body));
	memset(body, 0xfe, 5);
	packet(body, rest);
}

static void has_huge_row(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->ev.rows, 2);
}

static void a_row_may_take_several_packets(void **state)
{
	static const uint32_t rests[] = {0, 5, 7, 100};

	(void)state;
	for (int i = 0; i < 8; i++) {
		session(i & 1 ? MODERN : CLASSIC);
		ask("SELECT 1");
		answers();
		columns(1, i & 1, AUTOCOMMIT);
		huge(0xfe, rests[i / 2]);
		row(3);
		rows_end(i & 1, AUTOCOMMIT);
		one_way(has_huge_row);
		way.size = 1 << 16;
		way.step = STEPS;
		replay(has_huge_row);
		way.size = 0;
	}
}

static void sent_huge(const struct tracked_connection *c)
{
	is_idle(c);
	EXPECT_EQ(c->ev.requests, 2);
	EXPECT_EQ(c->ev.flags, EV_CONN_AUTHENTICATED);
}

static void a_command_may_take_several_packets(void **state)
{
	(void)state;
	session(CLASSIC);
	client();
	number = 0;
	huge(MY_QUERY, 5);
	server();
	ok(AUTOCOMMIT);
	client();
	number = 0;
	huge(MY_STMT_EXECUTE, 0);
	then(is_waiting);
	server();
	columns(1, false, AUTOCOMMIT);
	row(1);
	eof(AUTOCOMMIT);
	one_way(sent_huge);
	way.size = 1 << 16;
	way.step = STEPS;
	replay(sent_huge);
	way.size = 0;
}

/* Connections older than we are, and bytes that make no sense. */

static void joined(const struct tracked_connection *c)
{
	is_in_transaction(c);
	EXPECT_EQ(c->ev.flags, EV_CONN_PRE_EXISTING);
	EXPECT_EQ(c->ev.requests, 2);
	EXPECT_EQ(c->ev.rows, 3);
}

static void a_connection_joined_in_the_middle_is_read(void **state)
{
	(void)state;
	for (int modern = 0; modern < 2; modern++) {
		script_begin(EV_DB_MYSQL);
		script.joined = true;
		server();
		number = 4;
		row(50);
		rows_end(modern, 0);
		ask("SELECT 1");
		then(is_waiting);
		answers();
		columns(2, modern, 0);
		if (modern)
			row(7);
		rows_end(modern, 0);
		then(is_quiet);
		ask("SELECT 2");
		answers();
		columns(1, modern, 0);
		row(7);
		row(8);
		if (!modern)
			row(9);
		rows_end(modern, IN_TRANS);
		every_way(joined);
	}
}

static void joined_and_began(const struct tracked_connection *c)
{
	if (!way.uncut)
		return;
	EXPECT_EQ(c->ev.status, EV_STATUS_TRANSACTION);
	expect_sql(c, "begin");
}

static void a_joined_connection_shows_that_it_has_attributes(void **state)
{
	static const uint8_t head[] = {8, 0, 0, 0, MY_QUERY, 0, 1, 'b'},
			     none[] = {8, 0, 0, 0, MY_QUERY, 0, 2, 'b'};

	(void)state;
	script_begin(EV_DB_MYSQL);
	script.joined = true;
	ask_with("\0\1", 2, "begin");
	answer(AUTOCOMMIT | IN_TRANS);
	every_way(joined_and_began);
	assert_true(my_is_request(head, 12));
	assert_false(my_is_request(none, 12));
}

/* MySQL's, MariaDB's before 11 and MariaDB's from 11 on. */
static void each_server_greets_with_its_version(void **state)
{
	static const char *const bodies[] = {"\n9.7.4", "\n8.0.22-txsql",
					     "\n5.5.5-10.11.14-MariaDB", "\n11.8.3-MariaDB",
					     "\n12.0.2-MariaDB"};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		uint8_t head[8] = {90, 0, 0, 0};

		memcpy(head + 4, bodies[i], 4);
		assert_true(my_is_greeting(head));
		head[3] = 1;
		assert_false(my_is_greeting(head));
	}
	assert_false(my_is_greeting((const uint8_t[]){90, 0, 0, 0, '\n', '0', 0, 0}));
	assert_false(my_is_greeting((const uint8_t[]){90, 0, 0, 0, '\n', 'a', 0, 0}));
}

static void joined_and_prepared(const struct tracked_connection *c)
{
	expect_quiet(c);
	expect_statements(c, 1, 0);
	EXPECT_EQ(c->ev.flags, EV_CONN_PRE_EXISTING);
	EXPECT_EQ(c->ev.rows, 1);
}

static void a_joined_connection_prepares(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		int modern = i & 1, result_columns = i & 2 ? 2 : 0, parameters = i & 4 ? 3 : 0;

		script_begin(EV_DB_MYSQL);
		script.joined = true;
		prepare("SELECT id FROM t WHERE n = ?");
		prepared(9, result_columns, parameters, modern);
		then(is_quiet);
		execute(9, 0);
		then(is_waiting);
		answers();
		columns(1, modern, AUTOCOMMIT);
		row(7);
		rows_end(modern, AUTOCOMMIT);
		every_way(joined_and_prepared);
	}
}

static void joined_and_executed(const struct tracked_connection *c)
{
	expect_quiet(c);
	expect_statements(c, 1, 0);
	EXPECT_EQ(c->ev.rows, 1);
}

static void a_joined_connection_executes_before_it_prepares(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		int modern = i & 1, result_columns = i & 2 ? 2 : 0, parameters = i & 4 ? 3 : 0;

		script_begin(EV_DB_MYSQL);
		script.joined = true;
		prepare("SELECT id FROM t WHERE n = ?");
		execute(0xffffffff, 0);
		prepared(9, result_columns, parameters, modern);
		answers();
		columns(1, modern, AUTOCOMMIT);
		row(7);
		rows_end(modern, AUTOCOMMIT);
		every_way(joined_and_executed);
	}
}

static void is_found_again(const struct tracked_connection *c)
{
	is_in_transaction(c);
	EXPECT(c->ev.flags & EV_CONN_TRUNCATED);
	expect_sql(c, "SELECT 1");
}

static void a_reply_out_of_order_is_not_believed(void **state)
{
	(void)state;
	session(CLASSIC);
	ask("SELECT * FROM orders");
	answers();
	columns(1, false, AUTOCOMMIT);
	number += 3;
	row(20);
	row(20);
	eof(AUTOCOMMIT);
	ask("SELECT 1");
	answers();
	ok(IN_TRANS);
	every_way(is_found_again);
}

static void the_server_may_speak_unasked(void **state)
{
	(void)state;
	session(CLASSIC);
	server();
	number = 0;
	error(4031, "The client was disconnected by the server because of inactivity.");
	every_way(is_idle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_starts),
		cmocka_unit_test(both_sides_must_agree),
		cmocka_unit_test(a_session_may_have_no_database),
		cmocka_unit_test(names_are_never_cut),
		cmocka_unit_test(a_user_too_long_does_not_shift_the_secret),
		cmocka_unit_test(an_old_response_is_not_read_for_names),
		cmocka_unit_test(a_session_over_tls_is_hidden),
		cmocka_unit_test(a_decrypted_session_is_read),
		cmocka_unit_test(compression_is_recognised),
		cmocka_unit_test(an_offer_of_compression_may_be_declined),
		cmocka_unit_test(the_method_of_login_may_be_switched),
		cmocka_unit_test(caching_sha2_takes_several_packets),
		cmocka_unit_test(a_wrong_password_is_refused),
		cmocka_unit_test(too_many_connections_are_refused),
		cmocka_unit_test(a_query_is_answered),
		cmocka_unit_test(a_query_may_have_no_attributes),
		cmocka_unit_test(a_query_may_have_attributes),
		cmocka_unit_test(attributes_that_are_not_understood_hide_the_text),
		cmocka_unit_test(an_error_is_an_answer),
		cmocka_unit_test(an_error_may_end_rows),
		cmocka_unit_test(rows_are_counted),
		cmocka_unit_test(simple_commands_are_answered),
		cmocka_unit_test(a_goodbye_is_noted),
		cmocka_unit_test(a_transaction_is_committed),
		cmocka_unit_test(without_autocommit_a_query_begins_one),
		cmocka_unit_test(a_transaction_is_rolled_back),
		cmocka_unit_test(a_reset_rolls_back),
		cmocka_unit_test(a_deadlock_has_rolled_back),
		cmocka_unit_test(status_comes_from_the_head_of_an_ok),
		cmocka_unit_test(rows_end_with_a_tracked_change),
		cmocka_unit_test(several_results_are_one_reply),
		cmocka_unit_test(an_error_ends_all_results),
		cmocka_unit_test(a_statement_is_prepared),
		cmocka_unit_test(a_statement_that_fails_was_never_open),
		cmocka_unit_test(a_statement_is_closed_without_reply),
		cmocka_unit_test(a_close_and_a_query_may_share_a_send),
		cmocka_unit_test(a_cursor_is_fetched),
		cmocka_unit_test(a_statement_is_executed_before_it_is_prepared),
		cmocka_unit_test(both_of_a_pair_may_fail_in_one_read),
		cmocka_unit_test(a_reset_closes_all_statements),
		cmocka_unit_test(statements_in_sql_are_counted),
		cmocka_unit_test(metadata_may_be_left_out),
		cmocka_unit_test(a_change_of_user_starts_anew),
		cmocka_unit_test(a_file_is_sent),
		cmocka_unit_test(a_file_may_be_one_of_several_results),
		cmocka_unit_test(progress_is_no_end),
		cmocka_unit_test(a_binlog_stream_waits_by_design),
		cmocka_unit_test(a_long_result_is_estimated_and_its_end_found),
		cmocka_unit_test(the_end_of_a_long_result_may_straddle_reads),
		cmocka_unit_test(many_columns_do_not_lose_the_thread),
		cmocka_unit_test(packet_numbers_wrap),
		cmocka_unit_test(a_procedure_ends_with_an_ok_behind_its_rows),
		cmocka_unit_test(a_row_that_looks_like_an_end_is_none),
		cmocka_unit_test(a_row_may_take_several_packets),
		cmocka_unit_test(a_command_may_take_several_packets),
		cmocka_unit_test(a_connection_joined_in_the_middle_is_read),
		cmocka_unit_test(a_joined_connection_shows_that_it_has_attributes),
		cmocka_unit_test(each_server_greets_with_its_version),
		cmocka_unit_test(a_joined_connection_prepares),
		cmocka_unit_test(a_joined_connection_executes_before_it_prepares),
		cmocka_unit_test(a_reply_out_of_order_is_not_believed),
		cmocka_unit_test(the_server_may_speak_unasked),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(script.bytes);
	return failed;
}
