/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Calls of the SQLite library in known numbers: lite_calls WHAT FILE.  What each hands out and
 * takes back is in tests/live/cases_sqlite.py, beside what must be counted.
 */
#include <linux/sched.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SELECT	 "select name from items where price > 5 and name <> 'sesame'"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *file;
static const char *self;

static void must(int true, const char *what)
{
	if (true)
		return;
	fprintf(stderr, "lite_calls: %s\n", what);
	exit(2);
}

/* Until we are stopped. */
static void rest(void)
{
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}

static sqlite3 *opened(void)
{
	sqlite3 *db;

	must(sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK, "open_v2");
	return db;
}

static sqlite3_stmt *prepared(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;

	must(sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK, sql);
	return st;
}

static void do_open(void)
{
	static const unsigned short memory[] = {':', 'm', 'e', 'm', 'o', 'r', 'y', ':', 0};
	sqlite3 *db;

	for (int i = 0; i < 7; i++) {
		must(sqlite3_open(file, &db) == SQLITE_OK, "open");
		if (i < 4)
			sqlite3_close(db);
	}
	for (int i = 0; i < 5; i++) {
		db = opened();
		if (i < 4)
			sqlite3_close_v2(db);
	}
	for (int i = 0; i < 3; i++) {
		must(sqlite3_open16(memory, &db) == SQLITE_OK, "open16");
		if (i < 1)
			sqlite3_close(db);
	}
	sqlite3_close(NULL);
	sqlite3_close_v2(NULL);
}

/* A failed open hands out a handle all the same. */
static void do_open_failed(void)
{
	sqlite3 *db;

	for (int i = 0; i < 6; i++) {
		must(sqlite3_open("/dev/null/shop.db", &db) == SQLITE_CANTOPEN, "cannot open");
		must(db != NULL, "no handle");
		if (i < 2)
			sqlite3_close(db);
	}
}

/* A close that is refused has closed nothing. */
static void do_close_busy(void)
{
	for (int i = 0; i < 5; i++) {
		sqlite3 *db = opened();
		sqlite3_stmt *st = prepared(db, SELECT);

		must(sqlite3_close(db) == SQLITE_BUSY, "busy");
		must(sqlite3_close(db) == SQLITE_BUSY, "busy still");
		if (i < 3) {
			sqlite3_finalize(st);
			must(sqlite3_close(db) == SQLITE_OK, "close");
		}
	}
}

/* Connections closed while statements are open live on; of the first two nothing is left. */
static void do_zombies(void)
{
	for (int i = 0; i < 5; i++) {
		sqlite3 *db = opened();
		sqlite3_stmt *st = prepared(db, SELECT), *other = prepared(db, SELECT);

		must(sqlite3_step(other) == SQLITE_ROW, "step");
		must(sqlite3_close_v2(db) == SQLITE_OK, "close_v2");
		sqlite3_finalize(st);
		if (i < 2)
			sqlite3_finalize(other);
	}
}

static void do_prepare(void)
{
	unsigned short wide[COUNT(SELECT)];
	sqlite3 *db = opened();
	sqlite3_stmt *st;

	for (size_t i = 0; i < COUNT(SELECT); i++)
		wide[i] = SELECT[i];
	for (int i = 0; i < 4; i++) {
		must(!sqlite3_prepare(db, SELECT, -1, &st, NULL), "prepare");
		if (i < 3)
			sqlite3_finalize(st);
		st = prepared(db, SELECT);
		if (i < 3)
			sqlite3_finalize(st);
		must(!sqlite3_prepare_v3(db, SELECT, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL),
		     "prepare_v3");
		if (i < 3)
			sqlite3_finalize(st);
		must(!sqlite3_prepare16(db, wide, -1, &st, NULL), "prepare16");
		if (i < 3)
			sqlite3_finalize(st);
		must(!sqlite3_prepare16_v2(db, wide, -1, &st, NULL), "prepare16_v2");
		if (i < 3)
			sqlite3_finalize(st);
		must(!sqlite3_prepare16_v3(db, wide, -1, 0, &st, NULL), "prepare16_v3");
		if (i < 3)
			sqlite3_finalize(st);
	}
}

static void do_prepare_failed(void)
{
	static const char *const wrong[] = {"selec", "select nothing from nowhere", "", " -- none"};
	sqlite3 *db = opened();

	for (size_t i = 0; i < 3 * COUNT(wrong); i++) {
		sqlite3_stmt *st = NULL;

		sqlite3_prepare_v2(db, wrong[i % COUNT(wrong)], -1, &st, NULL);
		must(!st, "a statement");
		sqlite3_finalize(st);
	}
}

static int ignore(void *context, int n, char **values, char **names)
{
	(void)context, (void)n, (void)values, (void)names;
	return 0;
}

/* What exec and get_table prepare inside is the library's own; what get_table returns is not. */
static void do_exec(void)
{
	sqlite3 *db = opened();

	for (int i = 0; i < 9; i++) {
		char **table;

		must(!sqlite3_exec(db, "begin;" SELECT ";" SELECT ";commit", ignore, NULL, NULL),
		     "exec");
		must(!sqlite3_get_table(db, SELECT, &table, NULL, NULL, NULL), "get_table");
		if (i < 5)
			sqlite3_free_table(table);
	}
}

/* Full-text tables keep statements of their own. */
static void do_virtual(void)
{
	sqlite3_stmt *st;
	sqlite3 *db;

	must(!sqlite3_open(":memory:", &db), "open");
	must(!sqlite3_exec(db,
			   "create virtual table five using fts5(body);"
			   "create virtual table four using fts4(body);"
			   "create virtual table r using rtree(id, a, b);",
			   NULL, NULL, NULL),
	     "virtual tables");
	st = prepared(db, "insert into five values (?)");
	for (int i = 0; i < 50; i++) {
		sqlite3_bind_text(st, 1, "one two three", -1, SQLITE_STATIC);
		must(sqlite3_step(st) == SQLITE_DONE, "insert");
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	for (int i = 0; i < 6; i++) {
		st = prepared(db, "select * from five where five match 'two'");
		must(sqlite3_step(st) == SQLITE_ROW, "match");
		if (i < 4)
			sqlite3_finalize(st);
	}
}

static void do_cursors(void)
{
	sqlite3 *db = opened(), *copy;
	sqlite3_backup *b;
	sqlite3_blob *blob;

	must(!sqlite3_open(":memory:", &copy), "open");
	for (int i = 0; i < 3; i++) {
		b = sqlite3_backup_init(copy, "main", db, "main");
		must(b != NULL, "backup");
		sqlite3_backup_step(b, -1);
		sqlite3_backup_finish(b);
	}
	must(!sqlite3_backup_init(copy, "main", copy, "main"), "backup onto itself");
	for (int i = 0; i < 8; i++) {
		must(!sqlite3_blob_open(db, "main", "notes", "body", 1, 0, &blob), "blob_open");
		must(!sqlite3_blob_reopen(blob, 2), "blob_reopen");
		if (i < 3)
			sqlite3_blob_close(blob);
	}
	must(sqlite3_blob_open(db, "main", "notes", "nothing", 1, 0, &blob), "no column");
	b = sqlite3_backup_init(copy, "main", db, "main");
	must(b != NULL, "backup left");
}

static jmp_buf out_of_here;

static int leap(void *context)
{
	(void)context;
	longjmp(out_of_here, 1);
}

static int leap_from_prepare(void *context, int action, const char *a, const char *b, const char *c,
			     const char *d)
{
	(void)context, (void)action, (void)a, (void)b, (void)c, (void)d;
	longjmp(out_of_here, 1);
}

/* Leaps out of the library, which it forgives only because nobody uses that connection again. */
static void __attribute__((noinline)) leap_out(int from_prepare)
{
	sqlite3 *volatile db;
	sqlite3_stmt *st = NULL;

	must(!sqlite3_open_v2(":memory:", (sqlite3 **)&db,
			      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL),
	     "open");
	if (from_prepare)
		sqlite3_set_authorizer(db, leap_from_prepare, NULL);
	else
		sqlite3_progress_handler(db, 10, leap, NULL);
	if (setjmp(out_of_here))
		return;
	sqlite3_prepare_v2(db,
			   "with recursive n(i) as (select 1 union all select i + 1 from n "
			   "limit 100000) select sum(i) from n",
			   -1, &st, NULL);
	sqlite3_step(st);
	must(0, "nobody leapt");
}

static void do_longjmp(void)
{
	sqlite3 *db;

	for (int i = 0; i < 4; i++)
		leap_out(0);
	for (int i = 0; i < 3; i++)
		leap_out(1);
	db = opened();
	for (int i = 0; i < 5; i++)
		sqlite3_finalize(prepared(db, SELECT));
	sqlite3_close(db);
}

static void *work(void *context)
{
	sqlite3 *db = opened();

	for (int i = 0; i < 500; i++) {
		sqlite3_stmt *st = prepared(db, SELECT);

		sqlite3_step(st);
		if (i % 50)
			sqlite3_finalize(st);
	}
	return context;
}

static void do_threads(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		must(!pthread_create(&threads[i], NULL, work, NULL), "thread");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

/* What a child does with what it inherited is no affair of its parent's. */
static void do_fork(void)
{
	sqlite3 *db = opened();
	sqlite3_stmt *st = prepared(db, SELECT), *other = prepared(db, SELECT);
	pid_t child = fork();

	if (!child) {
		sqlite3_finalize(st);
		sqlite3_finalize(other);
		sqlite3_close(db);
		db = opened();
		prepared(db, SELECT);
		for (;;)
			pause();
	}
	printf("child %d\n", child);
	sqlite3_finalize(other);
}

/* Across exec everything is gone; what comes after is counted anew. */
static void do_exec_program(void)
{
	for (int i = 0; i < 3; i++)
		prepared(opened(), SELECT);
	sleep(2);
	execl(self, self, "one", file, NULL);
}

static void do_one(void)
{
	prepared(opened(), SELECT);
}

static int exec_at_once(void *unused, int action, const char *a, const char *b, const char *c,
			const char *d)
{
	(void)unused, (void)action, (void)a, (void)b, (void)c, (void)d;
	execl(self, self, "one", file, NULL);
	return SQLITE_DENY;
}

/* Another program begins before a call of this one has returned. */
static void do_exec_inside(void)
{
	sqlite3 *db = opened();

	prepared(db, SELECT);
	prepared(db, SELECT);
	sleep(2);
	sqlite3_set_authorizer(db, exec_at_once, NULL);
	prepared(db, SELECT);
}

/* A child process, whose id may be chosen. */
static pid_t child_as(pid_t pid)
{
	struct clone_args args = {.exit_signal = SIGCHLD,
				  .set_tid = pid ? (uintptr_t)&pid : 0,
				  .set_tid_size = pid ? 1 : 0};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* Two processes, one after the other, of one id. */
static void do_pid_again(void)
{
	pid_t first = child_as(0), second;

	must(first >= 0, "clone3");
	if (!first) {
		for (int i = 0; i < 2; i++) {
			sqlite3 *db = opened();

			prepared(db, SELECT);
			sqlite3_finalize(prepared(db, SELECT));
		}
		sleep(2);
		_exit(0);
	}
	waitpid(first, NULL, 0);
	second = child_as(first);
	must(second >= 0, "clone3 with a chosen id");
	if (!second) {
		do_one();
		for (;;)
			pause();
	}
	printf("child %d\n", first);
}

#define BURST_ALL  1000
#define BURST_ONCE 50

/* Processes that live for a moment, many at a time. */
static void do_burst(void)
{
	for (int i = 0; i < BURST_ALL; i++) {
		pid_t child;

		if (i >= BURST_ONCE)
			wait(NULL);
		child = fork();
		must(child >= 0, "fork");
		if (!child) {
			sqlite3 *db = opened();

			prepared(db, SELECT);
			for (int k = 0; k < 2; k++)
				sqlite3_finalize(prepared(db, SELECT));
			_exit(0);
		}
		printf("child %d\n", child);
	}
	while (wait(NULL) > 0)
		;
}

#define PREPARE must(!sqlite3_prepare_v2(db, SELECT, -1, &st, NULL), "prepare")
#define EIGHT    \
	PREPARE; \
	PREPARE; \
	PREPARE; \
	PREPARE; \
	PREPARE; \
	PREPARE; \
	PREPARE; \
	PREPARE

/* More than one reading of the kernel's ledger holds. */
static void do_many_places(void)
{
	sqlite3 *db = opened();
	sqlite3_stmt *st;

	for (int i = 0; i < 32; i++) {
		EIGHT;
		EIGHT;
		EIGHT;
		EIGHT;
		EIGHT;
		EIGHT;
		EIGHT;
		EIGHT;
	}
}

static void do_exit(void)
{
	for (int i = 0; i < 5; i++)
		prepared(opened(), SELECT);
	sleep(1);
	exit(0);
}

/* A transaction left open. */
static void do_transaction(void)
{
	must(!sqlite3_exec(opened(), "begin immediate; update items set price = 7", NULL, NULL,
			   NULL),
	     "begin");
}

/* The same, ended and begun again. */
static void do_transactions(void)
{
	sqlite3 *db = opened();

	printf("ready\n");
	fflush(stdout);
	for (;;) {
		must(!sqlite3_exec(db, "begin immediate; update items set price = price + 1", NULL,
				   NULL, NULL),
		     "begin");
		usleep(900000);
		must(!sqlite3_exec(db, "commit", NULL, NULL, NULL), "commit");
	}
}

/* One connection after the other, on a file of its own, kept or closed. */
static void connections(int kept)
{
	for (int i = 0;; i++, usleep(200000)) {
		sqlite3 *db;
		sqlite3_stmt *st;

		must(sqlite3_open(file, &db) == SQLITE_OK, "open");
		must(!sqlite3_exec(db, "create table if not exists items (name, price)", NULL, NULL,
				   NULL),
		     "create");
		st = prepared(db, SELECT);
		sqlite3_step(st);
		sqlite3_finalize(st);
		if (!kept)
			sqlite3_close(db);
	}
}

static void do_connections_kept(void)
{
	connections(1);
}

static void do_connections_closed(void)
{
	connections(0);
}

static void do_transaction_wal(void)
{
	must(!sqlite3_exec(opened(),
			   "pragma journal_mode=wal; begin immediate;"
			   "update items set price = 7",
			   NULL, NULL, NULL),
	     "begin");
}

#define ROWS                                                                                \
	"with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000) " \
	"select i, 'a thing with a name ' || i from n"

struct row {
	struct row *next;
	char *name;
	int number;
};

/* Reads all rows, by a statement that is finalized or (again) reset.  Returns those kept. */
static struct row *read_rows(sqlite3_stmt *st, int keep, int again)
{
	struct row *rows = NULL, *row;

	while (sqlite3_step(st) == SQLITE_ROW) {
		if (!keep)
			continue;
		row = malloc(sizeof(*row));
		must(row != NULL, "malloc");
		row->next = rows;
		row->name = strdup((const char *)sqlite3_column_text(st, 1));
		row->number = sqlite3_column_int(st, 0);
		rows = row;
	}
	if (again)
		sqlite3_reset(st); /* LEAK: rows_kept_again */
	else
		sqlite3_finalize(st); /* LEAK: rows_kept */
	return rows;
}

static void do_rows_kept(void)
{
	struct row *rows = read_rows(prepared(opened(), ROWS), 1, 0);

	must(rows && rows->number == 200000, "rows");
}

static void do_rows_kept_again(void)
{
	struct row *rows = read_rows(prepared(opened(), ROWS), 1, 1);

	must(rows && rows->number == 200000, "rows");
}

static void do_rows_passed(void)
{
	sqlite3_stmt *st = prepared(opened(), ROWS);

	for (int i = 0; i < 3; i++)
		read_rows(st, 0, 1);
	read_rows(st, 0, 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} table[] = {
	{"open", do_open},
	{"open_failed", do_open_failed},
	{"close_busy", do_close_busy},
	{"zombies", do_zombies},
	{"prepare", do_prepare},
	{"prepare_failed", do_prepare_failed},
	{"exec", do_exec},
	{"virtual", do_virtual},
	{"cursors", do_cursors},
	{"longjmp", do_longjmp},
	{"threads", do_threads},
	{"fork", do_fork},
	{"exec_program", do_exec_program},
	{"one", do_one},
	{"exit", do_exit},
	{"transaction", do_transaction},
	{"transactions", do_transactions},
	{"transaction_wal", do_transaction_wal},
	{"connections_kept", do_connections_kept},
	{"connections_closed", do_connections_closed},
	{"rows_kept", do_rows_kept},
	{"rows_kept_again", do_rows_kept_again},
	{"rows_passed", do_rows_passed},
	{"many_places", do_many_places},
	{"exec_inside", do_exec_inside},
	{"pid_again", do_pid_again},
	{"burst", do_burst},
};

int main(int argc, char **argv)
{
	/* A copy of the library in a program is found only when its symbols are read, in good time.
	 */
	if (getenv("LITE_WAIT"))
		sleep(atoi(getenv("LITE_WAIT")));
	self = argv[0];
	file = argc == 3 ? argv[2] : NULL;
	for (size_t i = 0; file && i < COUNT(table); i++) {
		if (strcmp(argv[1], table[i].name))
			continue;
		table[i].run();
		rest();
	}
	fprintf(stderr, "usage: lite_calls WHAT FILE\n");
	return 2;
}
