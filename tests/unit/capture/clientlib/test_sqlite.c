/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * SQLite connections and statements, told like those of a server, from objects in this process that
 * look like the library's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/clientlib/client_host.h"
#include "user/capture/clientlib/lock.h"
#include "user/capture/clientlib/sizes.h"
#include "user/capture/clientlib/sqlite.h"
#include "user/capture/clientlib/sqlite_state.h"

#define SECOND	 1000000000ULL
#define BORN	 (5 * SECOND)
#define NOW	 (20 * SECOND)
#define START	 7ULL
#define FILE_SQL 1 /* hashes of texts */
#define INSERT	 2
#define SELECT	 3

#define AUTOCOMMIT_AT 85
#define BUSY_AT	      100
#define ROWS_AT	      200

/* Objects of the library. */
static unsigned char connection[CONNECTION_BYTES], statement[2][STATEMENT_BYTES];
static const struct sqlite_fields fields = {.autocommit = {.offset = AUTOCOMMIT_AT, .size = 1},
					    .busy = {.offset = BUSY_AT, .size = 1},
					    .rows = ROWS_AT};

static struct ledger_handle ledger; /* of the connection */
static uint64_t yielded;	    /* id that a lock was told under */

static struct {
	struct ev_connection connection;
	struct ev_identity identity;
	struct ev_sql sql;
	struct ev_statement statement;
	struct ev_file file;
	struct ev_tally tally;
	struct ev_result result;
	struct ev_evidence evidence;
	unsigned int connections, sqls, statements, closed, files, tallies, results, evidences;
} heard;

static void hear(void *context, const struct ev_head *record)
{
	(void)context;
#define TAKE(what, count)                                \
	memset(&heard.what, 0, sizeof(heard.what));      \
	assert_true(record->size <= sizeof(heard.what)); \
	memcpy(&heard.what, record, record->size);       \
	heard.count++;                                   \
	break
	switch (record->kind) {
	case EV_CONNECTION:
		TAKE(connection, connections);
	case EV_IDENTITY:
		memcpy(&heard.identity, record, record->size);
		break;
	case EV_SQL:
		TAKE(sql, sqls);
	case EV_STATEMENT:
		TAKE(statement, statements);
	case EV_STATEMENT_CLOSED:
		heard.closed++;
		break;
	case EV_FILE:
		TAKE(file, files);
	case EV_TALLY:
		TAKE(tally, tallies);
	case EV_RESULT:
		TAKE(result, results);
	default:
		fail();
	}
#undef TAKE
}

static void hear_evidence(void *context, const struct ev_evidence *evidence)
{
	(void)context;
	heard.evidence = *evidence;
	heard.evidences++;
}

static struct client_host host = {.tell = hear, .evidence = hear_evidence};

int kernel_client_text(struct kernel *k, uint64_t hash, struct client_text *text)
{
	static const char *const texts[] = {
		[FILE_SQL] = ":memory:",
		[INSERT] = "insert into t values ('geheim')",
		[SELECT] = "select * from t where id = 5",
	};

	(void)k;
	if (hash < FILE_SQL || hash > SELECT)
		return -ENOENT;
	memset(text, 0, sizeof(*text));
	strcpy(text->bytes, texts[hash]);
	text->length = (uint32_t)strlen(texts[hash]);
	return 0;
}

static uint64_t address_of(const void *object)
{
	return (uintptr_t)object;
}

static struct handle_key key_of(const void *object, uint32_t resource)
{
	return (struct handle_key){address_of(object), (uint32_t)getpid(), resource};
}

int kernel_client_links(struct kernel *k,
			void (*fn)(void *, const struct handle_key *, const struct ledger_handle *),
			void *context)
{
	const struct handle_key key = key_of(connection, EV_RES_CONNECTION), other = {.pid = 1};

	(void)k;
	fn(context, &other, &ledger);
	fn(context, &key, &ledger);
	return 0;
}

int locks_open(struct locks **out, struct kernel *kernel, const struct procfs *procfs,
	       const struct client_host *h, lock_known_fn *known, void *context)
{
	(void)kernel, (void)procfs, (void)h, (void)known, (void)context;
	*out = NULL;
	return 0;
}

void locks_close(struct locks *l)
{
	(void)l;
}

void locks_sweep(struct locks *l, uint64_t now_ns, uint64_t *ids)
{
	(void)l, (void)now_ns, (void)ids;
}

uint64_t locks_yield(struct locks *l, uint32_t pid, dev_t device, ino_t inode)
{
	(void)l, (void)pid, (void)device, (void)inode;
	return yielded;
}

uint32_t sizes_sqlite_cache(struct sizes *s, uint32_t pid, uint64_t start_ns,
			    const struct sqlite_cache_wanted *wanted)
{
	(void)s;
	assert_int_equal(pid, getpid());
	assert_int_equal(start_ns, START);
	assert_int_equal(wanted->connection, address_of(connection));
	return 4711;
}

static struct procfs *procfs;

static struct sqlites *start(void)
{
	struct sqlites *s;

	memset(&heard, 0, sizeof(heard));
	memset(connection, 0, sizeof(connection));
	memset(statement, 0, sizeof(statement));
	memset(&ledger, 0, sizeof(ledger));
	connection[AUTOCOMMIT_AT] = 1;
	host.show_literals = false;
	yielded = 0;
	assert_int_equal(sqlites_open(&s, NULL, NULL, procfs, &host), 0);
	return s;
}

static struct raw_handle raw_of(const void *object, uint32_t resource)
{
	struct raw_handle raw = {.head = {.ns = NOW}, .start_ns = START, .comm = "app"};

	raw.key = key_of(object, resource);
	raw.handle.born_ns = BORN;
	raw.handle.used_ns = BORN;
	return raw;
}

static void open_connection(struct sqlites *s)
{
	struct raw_handle raw = raw_of(connection, EV_RES_CONNECTION);

	raw.handle.text = FILE_SQL;
	raw.handle.opened_at = 55;
	sqlites_handle(s, &raw, &fields);
}

static void prepare(struct sqlites *s, unsigned int i, uint64_t text)
{
	struct raw_handle raw = raw_of(statement[i], EV_RES_STATEMENT);

	statement[i][0] = 1;
	raw.handle.parent = address_of(connection);
	raw.handle.text = text;
	raw.handle.opened_at = 66;
	sqlites_handle(s, &raw, &fields);
}

static void a_connection_is_told_with_its_name_and_place(void **state)
{
	struct sqlites *s = start();

	(void)state;
	open_connection(s);
	assert_int_equal(heard.connections, 1);
	assert_int_equal(heard.connection.database, EV_DB_SQLITE);
	assert_int_equal(heard.connection.pid, getpid());
	assert_true(heard.connection.id > ID_BASE);
	assert_int_equal(heard.connection.born_ns, BORN);
	assert_string_equal(heard.identity.path, ":memory:");
	assert_int_equal(heard.identity.id, heard.connection.id);
	assert_int_equal(heard.evidence.kind, EV_AT_OPENED);
	assert_int_equal(heard.evidence.stack, 55);
	open_connection(s); /* once */
	assert_int_equal(heard.connections, 1);
	sqlites_close(s);
}

static void an_object_at_the_same_address_is_another_connection(void **state)
{
	struct sqlites *s = start();
	struct raw_handle raw = raw_of(connection, EV_RES_CONNECTION);
	uint64_t first;

	(void)state;
	open_connection(s);
	first = heard.connection.id;
	raw.handle.born_ns = BORN + 1;
	sqlites_handle(s, &raw, &fields);
	assert_int_equal(heard.connections, 3); /* opened, closed, opened */
	assert_true(heard.connection.id != first);
	assert_false(heard.connection.flags & EV_CONN_CLOSED);
	sqlites_close(s);
}

static void one_that_is_older_than_we_are_has_no_birth(void **state)
{
	struct sqlites *s = start();
	struct raw_handle raw = raw_of(connection, EV_RES_CONNECTION);

	(void)state;
	raw.handle.flags = EV_HANDLE_PRE_EXISTING;
	sqlites_handle(s, &raw, &fields);
	assert_int_equal(heard.connection.born_ns, 0);
	assert_true(heard.connection.flags & EV_CONN_PRE_EXISTING);
	assert_true(heard.identity.path[0]); /* says that it is not known */
	sqlites_close(s);
}

static void autocommit_off_is_a_transaction(void **state)
{
	struct sqlites *s = start();

	(void)state;
	open_connection(s);
	sqlites_sweep(s, NOW);
	assert_int_equal(heard.connection.status, EV_STATUS_IDLE);
	connection[AUTOCOMMIT_AT] = 0;
	ledger.begun_at = 77;
	ledger.latest = INSERT;
	sqlites_sweep(s, NOW + SECOND);
	assert_int_equal(heard.connection.status, EV_STATUS_TRANSACTION);
	assert_int_equal(heard.connection.transaction_ns, NOW + SECOND);
	assert_int_equal(heard.connection.begun, 1);
	assert_int_equal(heard.evidence.kind, EV_AT_BEGUN);
	assert_int_equal(heard.evidence.stack, 77);
	assert_string_equal(heard.sql.text, "insert into t values (?)");
	sqlites_sweep(s, NOW + 2 * SECOND);
	assert_int_equal(heard.connection.begun, 1);
	assert_int_equal(heard.sqls, 1);
	connection[AUTOCOMMIT_AT] = 1;
	sqlites_sweep(s, NOW + 3 * SECOND);
	assert_int_equal(heard.connection.status, EV_STATUS_IDLE);
	assert_int_equal(heard.connection.committed, 1);
	assert_int_equal(heard.connection.transaction_ns, 0);
	sqlites_close(s);
}

static void a_sweep_that_finds_nothing_new_tells_nothing(void **state)
{
	struct sqlites *s = start();
	unsigned int connections, files;

	(void)state;
	open_connection(s);
	sqlites_sweep(s, NOW);
	connections = heard.connections;
	files = heard.files;
	sqlites_sweep(s, NOW + SECOND);
	assert_int_equal(heard.connections, connections);
	assert_int_equal(heard.files, files);
	connection[400]++; /* one of its counters */
	sqlites_sweep(s, NOW + 2 * SECOND);
	assert_int_equal(heard.connections, connections + 1);
	assert_int_equal(heard.connection.used_ns, NOW + 2 * SECOND);
	sqlites_close(s);
}

static void what_the_ledger_counts_goes_on(void **state)
{
	struct sqlites *s = start();

	(void)state;
	open_connection(s);
	ledger.acquired = 10;
	ledger.released = 12; /* counted while the first was read */
	ledger.used_ns = NOW - 1;
	sqlites_sweep(s, NOW);
	assert_int_equal(heard.connection.prepared, 10);
	assert_int_equal(heard.connection.unprepared, 10);
	assert_int_equal(heard.connection.used_ns, NOW - 1);
	sqlites_close(s);
}

static void a_statement_has_its_text_without_literals(void **state)
{
	struct sqlites *s = start();

	(void)state;
	open_connection(s);
	prepare(s, 0, SELECT);
	assert_string_equal(heard.statement.text, "select * from t where id = ?");
	assert_int_equal(heard.statement.id, heard.connection.id);
	assert_int_equal(heard.statement.statement, address_of(statement[0]));
	assert_int_equal(heard.evidence.kind, EV_AT_PREPARED);
	host.show_literals = true;
	prepare(s, 1, SELECT);
	assert_string_equal(heard.statement.text, "select * from t where id = 5");
	sqlites_close(s);
}

static void a_statement_known_before_its_connection_waits_for_it(void **state)
{
	struct sqlites *s = start();

	(void)state;
	prepare(s, 0, SELECT);
	sqlites_sweep(s, NOW);
	assert_int_equal(heard.statements, 0);
	open_connection(s);
	sqlites_sweep(s, NOW + SECOND);
	assert_int_equal(heard.statements, 1);
	sqlites_sweep(s, NOW + 2 * SECOND);
	assert_int_equal(heard.statements, 1);
	sqlites_close(s);
}

static void a_reader_left_open_is_told_since_it_stands_still(void **state)
{
	struct sqlites *s = start();

	(void)state;
	open_connection(s);
	prepare(s, 0, SELECT);
	prepare(s, 1, INSERT);
	ledger.acquired = 2;
	sqlites_sweep(s, NOW);
	assert_int_equal(heard.file.reading, 0);
	statement[0][BUSY_AT] = 1;
	sqlites_sweep(s, NOW + SECOND); /* it moved: in use */
	assert_int_equal(heard.connection.used_ns, NOW + SECOND);
	assert_int_equal(heard.file.reading, 1);
	assert_int_equal(heard.file.reading_ns, NOW + SECOND);
	assert_string_equal(heard.file.text, "select * from t where id = ?");
	sqlites_sweep(s, NOW + 9 * SECOND);
	assert_int_equal(heard.file.reading_ns, NOW + SECOND);
	assert_int_equal(heard.connection.used_ns, NOW + SECOND);
	statement[0][BUSY_AT] = 0;
	sqlites_sweep(s, NOW + 10 * SECOND);
	assert_int_equal(heard.file.reading, 0);
	assert_int_equal(heard.file.reading_ns, 0);
	sqlites_close(s);
}

/* Of many statements only some are told of; the others are like them. */
static void statements_that_were_not_told_count_like_the_others(void **state)
{
	struct sqlites *s = start();

	(void)state;
	open_connection(s);
	prepare(s, 0, SELECT);
	prepare(s, 1, SELECT);
	statement[0][BUSY_AT] = 1;
	ledger.acquired = 110;
	ledger.released = 10;
	sqlites_sweep(s, NOW);
	assert_int_equal(heard.file.reading, 50);
	sqlites_close(s);
}

static void the_end_of_a_statement_is_told_but_not_at_its_process_s_end(void **state)
{
	struct sqlites *s = start();
	struct handle_key first = key_of(statement[0], EV_RES_STATEMENT),
			  second = key_of(statement[1], EV_RES_STATEMENT);

	(void)state;
	open_connection(s);
	prepare(s, 0, SELECT);
	prepare(s, 1, SELECT);
	sqlites_gone(s, &first, BORN, NOW, false);
	assert_int_equal(heard.closed, 1);
	sqlites_gone(s, &first, BORN, NOW, false);
	assert_int_equal(heard.closed, 1);
	sqlites_gone(s, &second, BORN, NOW, true);
	assert_int_equal(heard.closed, 1);
	sqlites_close(s);
}

static void a_closed_connection_takes_its_statements_along(void **state)
{
	struct sqlites *s = start();
	struct handle_key key = key_of(connection, EV_RES_CONNECTION),
			  second = key_of(statement[0], EV_RES_STATEMENT);

	(void)state;
	open_connection(s);
	prepare(s, 0, SELECT);
	prepare(s, 1, SELECT);
	sqlites_gone(s, &key, BORN + 1, NOW, false); /* another's end */
	assert_false(heard.connection.flags & EV_CONN_CLOSED);
	sqlites_gone(s, &key, BORN, NOW, false);
	assert_true(heard.connection.flags & EV_CONN_CLOSED);
	assert_true(heard.connection.flags & EV_CONN_TERMINATED);
	assert_false(heard.connection.flags & EV_CONN_EXIT);
	sqlites_gone(s, &second, BORN, NOW, false);
	assert_int_equal(heard.closed, 0);
	sqlites_close(s);
}

static void a_transaction_that_ends_with_its_process_is_abandoned(void **state)
{
	struct sqlites *s = start();
	struct handle_key key = key_of(connection, EV_RES_CONNECTION);

	(void)state;
	open_connection(s);
	connection[AUTOCOMMIT_AT] = 0;
	sqlites_sweep(s, NOW);
	sqlites_gone(s, &key, BORN, NOW + SECOND, true);
	assert_true(heard.connection.flags & EV_CONN_EXIT);
	assert_int_equal(heard.connection.abandoned, 1);
	assert_int_equal(heard.connection.committed, 0);
	sqlites_close(s);
}

static void a_zombie_is_told(void **state)
{
	struct sqlites *s = start();

	(void)state;
	open_connection(s);
	ledger.flags = EV_HANDLE_ZOMBIE;
	sqlites_sweep(s, NOW);
	assert_int_equal(heard.file.zombie, 1);
	sqlites_close(s);
}

/* What a site has released, less what was told of one by one. */
static void connections_too_short_for_a_record_are_counted(void **state)
{
	struct sqlites *s = start();
	struct raw_site site = {.key = {.place = 0x1000, .pid = (uint32_t)getpid(), .probe = 3},
				.start_ns = START,
				.released = 10};
	struct handle_key key = key_of(connection, EV_RES_CONNECTION);

	(void)state;
	open_connection(s);
	sqlites_site(s, &site);
	sqlites_sweep(s, NOW);
	assert_int_equal(heard.tally.opened, 10);
	assert_int_equal(heard.tally.database, EV_DB_SQLITE);
	assert_int_equal(heard.tally.pid, getpid());
	sqlites_sweep(s, NOW + SECOND);
	assert_int_equal(heard.tallies, 1);
	sqlites_gone(s, &key, BORN, NOW, false);
	site.released = 14; /* one of them is the one that was told */
	sqlites_site(s, &site);
	site.key.place = 0x2000;
	site.released = 2;
	sqlites_site(s, &site);
	sqlites_sweep(s, NOW + 2 * SECOND);
	assert_int_equal(heard.tally.opened, 15);
	site.gone = 1;
	sqlites_site(s, &site);
	site.key.place = 0x1000;
	site.released = 20;
	sqlites_site(s, &site);
	sqlites_sweep(s, NOW + 3 * SECOND);
	assert_int_equal(heard.tally.opened, 21);
	sqlites_close(s);
}

static struct raw_run run_of(uint64_t rows, uint64_t grown)
{
	return (struct raw_run){.head = {.ns = NOW + SECOND},
				.key = key_of(statement[0], EV_RES_STATEMENT),
				.parent = address_of(connection),
				.born_ns = BORN,
				.text = SELECT,
				.rows = rows,
				.before_ns = NOW,
				.before_bytes = 1 << 20,
				.after_bytes = (1 << 20) + grown,
				.stack = 88};
}

static void a_large_result_is_told_with_what_its_process_grew(void **state)
{
	struct sqlites *s = start();
	struct raw_run run = run_of(100000, 64 << 20);
	struct sqlite_fields other = fields;

	(void)state;
	sqlites_run(s, &run, &fields);
	assert_int_equal(heard.results, 0); /* its connection is not known */
	open_connection(s);
	other.rows++;
	sqlites_run(s, &run, &other); /* of another library */
	assert_int_equal(heard.results, 0);
	sqlites_run(s, &run, &fields);
	assert_int_equal(heard.results, 1);
	assert_int_equal(heard.result.rows, 100000);
	assert_int_equal(heard.result.grown_bytes, 64 << 20);
	assert_int_equal(heard.result.rows_exact, 1);
	assert_int_equal(heard.result.id, heard.connection.id);
	assert_string_equal(heard.result.text, "select * from t where id = ?");
	assert_int_equal(heard.evidence.kind, EV_AT_RESULT);
	run = run_of(100000, 4096);
	sqlites_run(s, &run, &fields); /* a stream */
	assert_int_equal(heard.results, 1);
	sqlites_close(s);
}

static void what_the_accessor_compares_is_a_truth(void **state)
{
	static const unsigned char bytes[8] = {0, 0, 0x2d, 0x13, 0, 0, 0, 9};
	static const struct {
		struct probe_field field;
		int value;
	} rows[] = {
		{{.offset = 0, .size = 1}, 0},
		{{.offset = 7, .size = 1}, 1},
		{{.offset = 2, .size = 2, .compared = true, .value = 0x132d}, 1},
		{{.offset = 2, .size = 2, .compared = true, .value = 0x132e}, 0},
		{{.offset = 7, .size = 2}, -1}, /* beyond what was read */
		{{.size = 0}, -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(sqlite_field_value(&rows[i].field, bytes, sizeof(bytes)),
				 rows[i].value);
}

static int set_up(void **state)
{
	(void)state;
	return procfs_open(&procfs, "");
}

static int tear_down(void **state)
{
	(void)state;
	procfs_close(procfs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_is_told_with_its_name_and_place),
		cmocka_unit_test(an_object_at_the_same_address_is_another_connection),
		cmocka_unit_test(one_that_is_older_than_we_are_has_no_birth),
		cmocka_unit_test(autocommit_off_is_a_transaction),
		cmocka_unit_test(a_sweep_that_finds_nothing_new_tells_nothing),
		cmocka_unit_test(what_the_ledger_counts_goes_on),
		cmocka_unit_test(a_statement_has_its_text_without_literals),
		cmocka_unit_test(a_statement_known_before_its_connection_waits_for_it),
		cmocka_unit_test(a_reader_left_open_is_told_since_it_stands_still),
		cmocka_unit_test(statements_that_were_not_told_count_like_the_others),
		cmocka_unit_test(the_end_of_a_statement_is_told_but_not_at_its_process_s_end),
		cmocka_unit_test(a_closed_connection_takes_its_statements_along),
		cmocka_unit_test(a_transaction_that_ends_with_its_process_is_abandoned),
		cmocka_unit_test(a_zombie_is_told),
		cmocka_unit_test(connections_too_short_for_a_record_are_counted),
		cmocka_unit_test(a_large_result_is_told_with_what_its_process_grew),
		cmocka_unit_test(what_the_accessor_compares_is_a_truth),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
