/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * advice.c - the table of examples.
 *
 * An example names a library only where that library is on the stack: a program that has no
 * SQLAlchemy has no Session to close.
 */
#include "user/judge/advice.h"

#include <ctype.h>
#include <string.h>

#include "user/judge/site.h"

#define ANY EV_DB_UNKNOWN
#define PY  EV_LANG_PYTHON
#define JS  EV_LANG_JAVASCRIPT
#define C   EV_LANG_NATIVE

/* Code of Rust, told from C by its files and by the frame under which each thread of it runs. */
#define RUST	    ".rs"
#define RUST_BEGINS "__rust_begin_short_backtrace"

static const struct advice_example examples[] = {
	{ADVICE_CLOSE, PY, ANY, "/sqlalchemy/", "SQLAlchemy: `with Session() as s:`, or s.close()"},
	{ADVICE_POOL, PY, ANY, "/sqlalchemy/",
	 "SQLAlchemy: one create_engine() for all, or engine.dispose()"},
	{ADVICE_CLOSE, PY, ANY, "/django/", "Django: django.db.close_old_connections() in threads"},
	{ADVICE_CLOSE, PY, ANY, "/peewee.py", "peewee: `with db.connection_context():`"},
	{ADVICE_CLOSE, PY, ANY, "/asyncpg/",
	 "asyncpg: `async with pool.acquire() as c:`, or await c.close()"},
	{ADVICE_CLOSE, PY, ANY, "/psycopg_pool/", "psycopg: `with pool.connection() as c:`"},
	{ADVICE_CLOSE, PY, ANY, "/psycopg/", "psycopg: `with psycopg.connect(...) as c:`"},
	{ADVICE_CLOSE, PY, ANY, "/psycopg2/",
	 "psycopg2: c.close(), as `with c:` only ends the transaction"},
	{ADVICE_CLOSE, PY, ANY, "/aiomysql/", "aiomysql: `async with pool.acquire() as c:`"},
	{ADVICE_CLOSE, PY, ANY, "/pymysql/", "PyMySQL: `with closing(pymysql.connect(...)) as c:`"},
	{ADVICE_CLOSE, PY, ANY, "/MySQLdb/",
	 "mysqlclient: `with closing(MySQLdb.connect(...)) as c:`"},
	{ADVICE_CLOSE, PY, ANY, "/mysql/connector/",
	 "Connector/Python: `with mysql.connector.connect(...) as c:`"},
	{ADVICE_CLOSE, PY, ANY, "/aiosqlite/",
	 "aiosqlite: `async with aiosqlite.connect(...) as c:`"},
	{ADVICE_CLOSE, PY, ANY, "/redis/", "redis-py: `with redis.Redis(...) as r:`"},
	{ADVICE_CLOSE, PY, EV_DB_SQLITE, NULL,
	 "Python: `with closing(sqlite3.connect(...)) as c:`; `with c:` alone only commits"},
	{ADVICE_CLOSE, PY, ANY, NULL, "Python: `with closing(connect(...)) as c:`"},
	{ADVICE_CLOSE, C, ANY, "sqlx", "Rust: drop the PoolConnection, or conn.close().await"},
	{ADVICE_CLOSE, C, ANY, "deadpool",
	 "Rust: drop each Object of deadpool when its work is done"},
	{ADVICE_CLOSE, C, ANY, "bb8::", "Rust: drop each PooledConnection of bb8; keep one Pool"},
	{ADVICE_CLOSE, C, ANY, "r2d2::", "Rust: drop each PooledConnection of r2d2; keep one Pool"},
	{ADVICE_CLOSE, C, ANY, "tokio_postgres",
	 "Rust: drop(client) ends its connection; or keep a few in deadpool or bb8"},
	{ADVICE_CLOSE, C, ANY,
	 "postgres::", "Rust: drop(client), or client.close(); or keep a few in r2d2"},
	{ADVICE_CLOSE, C, ANY, "rusqlite", "Rust: drop(connection), or connection.close()"},
	{ADVICE_CLOSE, C, ANY, "diesel", "Rust: drop(connection); or keep a few in r2d2"},
	{ADVICE_CLOSE, C, ANY, "mysql_async", "Rust: conn.disconnect().await, or keep one Pool"},
	{ADVICE_CLOSE, C, EV_DB_SQLITE, RUST, "Rust: sqlite3_close in the Drop of what holds it"},
	{ADVICE_CLOSE, C, EV_DB_POSTGRESQL, RUST, "Rust: PQfinish in the Drop of what holds it"},
	{ADVICE_CLOSE, C, ANY, RUST, "Rust: drop(connection); mem::forget and a Vec keep it"},
	{ADVICE_CLOSE, C, ANY, "pqxx", "C++: let the pqxx::connection go out of its scope"},
	{ADVICE_CLOSE, C, EV_DB_SQLITE, NULL, "C: sqlite3_close"},
	{ADVICE_CLOSE, C, EV_DB_POSTGRESQL, NULL, "C: PQfinish"},
	{ADVICE_CLOSE, C, EV_DB_MYSQL, NULL, "C: mysql_close"},
	{ADVICE_CLOSE, C, EV_DB_REDIS, NULL, "C: redisFree"},
	{ADVICE_CLOSE, EV_LANG_PERL, ANY, NULL, "Perl: $dbh->disconnect"},
	{ADVICE_CLOSE, EV_LANG_PHP, ANY, "PDO", "PHP: $pdo = null, once no statement is left"},
	{ADVICE_CLOSE, EV_LANG_PHP, ANY, "mysqli", "PHP: $mysqli->close()"},
	{ADVICE_CLOSE, EV_LANG_PHP, ANY, "pg_", "PHP: pg_close($connection)"},
	{ADVICE_CLOSE, EV_LANG_PHP, EV_DB_POSTGRESQL, NULL, "PHP: pg_close, or $pdo = null"},
	{ADVICE_CLOSE, EV_LANG_PHP, EV_DB_MYSQL, NULL, "PHP: $mysqli->close(), or $pdo = null"},
	{ADVICE_CLOSE, EV_LANG_PHP, ANY, NULL, "PHP: $db->close(), or $pdo = null"},
	{ADVICE_CLOSE, EV_LANG_RUBY, ANY, "/active_record/",
	 "Rails: ActiveRecord::Base.connection_pool.with_connection { ... }"},
	{ADVICE_CLOSE, EV_LANG_RUBY, ANY, NULL, "Ruby: conn.close in an ensure"},
	{ADVICE_CLOSE, JS, ANY, "/pg-pool/", "Node: client.release() in a finally"},
	{ADVICE_CLOSE, JS, EV_DB_MYSQL, NULL, "Node: connection.end(), or release() for a pool's"},
	{ADVICE_CLOSE, JS, EV_DB_SQLITE, NULL, "Node: db.close() in a finally"},
	{ADVICE_CLOSE, JS, ANY, NULL, "Node: client.end(), or client.release() for a pool's"},
	{ADVICE_CLOSE, EV_LANG_JAVA, ANY, NULL, "Java: try (Connection c = ...) { ... }"},
	{ADVICE_CLOSE, EV_LANG_GO, ANY, "database/sql.(*DB).Begin",
	 "Go: defer tx.Rollback(), which gives the connection back"},
	{ADVICE_CLOSE, EV_LANG_GO, ANY, "pgx", "Go: defer conn.Release(), or conn.Close(ctx)"},
	{ADVICE_CLOSE, EV_LANG_GO, ANY, NULL, "Go: defer conn.Close(), defer rows.Close()"},

	{ADVICE_END, PY, ANY, "/sqlalchemy/", "SQLAlchemy: `with session.begin():`"},
	{ADVICE_END, PY, ANY, "/django/", "Django: `with transaction.atomic():`"},
	{ADVICE_END, PY, ANY, "/peewee.py", "peewee: `with db.atomic():`"},
	{ADVICE_END, PY, ANY, "/asyncpg/", "asyncpg: `async with c.transaction():`"},
	{ADVICE_END, PY, ANY, "/psycopg/", "psycopg: `with c.transaction():`"},
	{ADVICE_END, PY, ANY, "/psycopg2/", "psycopg2: `with c:` around each transaction"},
	{ADVICE_END, PY, ANY, "/pymysql/", "PyMySQL: c.commit(), and c.rollback() in an except"},
	{ADVICE_END, PY, ANY, "/MySQLdb/",
	 "mysqlclient: c.commit(), and c.rollback() in an except"},
	{ADVICE_END, PY, ANY, "/aiomysql/",
	 "aiomysql: await c.commit(), and c.rollback() in an except"},
	{ADVICE_END, PY, ANY, "/mysql/connector/",
	 "Connector/Python: c.commit(), and c.rollback() in an except"},
	{ADVICE_END, PY, EV_DB_SQLITE, NULL, "Python: `with connection:`"},
	{ADVICE_END, PY, ANY, NULL, "Python: c.commit(), and c.rollback() in an except"},
	{ADVICE_END, C, ANY, "sqlx", "Rust: tx.commit().await; dropping a Transaction rolls back"},
	{ADVICE_END, C, ANY, "tokio_postgres",
	 "Rust: client.transaction().await and commit().await, no \"BEGIN\" as text"},
	{ADVICE_END, C, ANY,
	 "postgres::", "Rust: client.transaction() and commit(), no \"BEGIN\" as text"},
	{ADVICE_END, C, ANY, "rusqlite",
	 "Rust: connection.transaction() and commit(), no \"BEGIN\" as text"},
	{ADVICE_END, C, ANY, "diesel", "Rust: connection.transaction(|c| ...)"},
	{ADVICE_END, C, ANY, RUST, "Rust: commit, and roll back in a Drop, which `?` runs too"},
	{ADVICE_END, C, ANY, NULL, "C: COMMIT, or ROLLBACK on the paths of errors"},
	{ADVICE_END, EV_LANG_PERL, ANY, NULL, "Perl: $dbh->commit or $dbh->rollback"},
	{ADVICE_END, EV_LANG_PHP, ANY, "PDO", "PHP: $pdo->commit(), and rollBack() in a catch"},
	{ADVICE_END, EV_LANG_PHP, ANY, "mysqli",
	 "PHP: $mysqli->commit(), and rollback() in a catch"},
	{ADVICE_END, EV_LANG_PHP, ANY, "pg_", "PHP: pg_query COMMIT, and ROLLBACK in a catch"},
	{ADVICE_END, EV_LANG_PHP, ANY, NULL, "PHP: commit(), and rollBack() in a catch"},
	{ADVICE_END, EV_LANG_RUBY, ANY, "/active_record/", "Rails: transaction do ... end"},
	{ADVICE_END, EV_LANG_RUBY, ANY, NULL, "Ruby: conn.transaction { ... }"},
	{ADVICE_END, JS, ANY, NULL, "Node: COMMIT, and ROLLBACK in a catch"},
	{ADVICE_END, EV_LANG_JAVA, ANY, NULL, "Java: commit(), and rollback() in a catch"},
	{ADVICE_END, EV_LANG_GO, ANY, NULL, "Go: defer tx.Rollback()"},

	{ADVICE_PAGES, PY, ANY, "/sqlalchemy/", "SQLAlchemy: yield_per"},
	{ADVICE_PAGES, PY, ANY, "/django/", "Django: .iterator()"},
	{ADVICE_PAGES, PY, ANY, "/asyncpg/", "asyncpg: c.cursor(...) in a transaction"},
	{ADVICE_PAGES, PY, EV_DB_MYSQL, "/pymysql/", "PyMySQL: SSCursor"},
	{ADVICE_PAGES, PY, EV_DB_SQLITE, NULL, "Python: iterate over the cursor"},
	{ADVICE_PAGES, PY, EV_DB_MYSQL, NULL, "Python: SSCursor"},
	{ADVICE_PAGES, PY, ANY, NULL, "Python: a server-side cursor, as c.cursor(\"name\")"},
	{ADVICE_PAGES, C, ANY, "sqlx", "Rust: fetch() in place of fetch_all()"},
	{ADVICE_PAGES, C, ANY, "tokio_postgres", "Rust: query_raw(), a stream, or query_portal()"},
	{ADVICE_PAGES, C, ANY, "postgres::", "Rust: query_raw(), or query_portal()"},
	{ADVICE_PAGES, C, ANY, "rusqlite", "Rust: rows.next(), and keep none"},
	{ADVICE_PAGES, C, ANY, "diesel", "Rust: load_iter()"},
	{ADVICE_PAGES, C, ANY, RUST, "Rust: work on each row as it comes, and collect() none"},
	{ADVICE_PAGES, C, EV_DB_POSTGRESQL, NULL, "C: PQsetSingleRowMode"},
	{ADVICE_PAGES, C, EV_DB_MYSQL, NULL, "C: mysql_use_result"},
	{ADVICE_PAGES, C, EV_DB_SQLITE, NULL, "C: work on each row between two sqlite3_step"},
	{ADVICE_PAGES, EV_LANG_PERL, EV_DB_MYSQL, NULL, "Perl: mysql_use_result of DBD::mysql"},
	{ADVICE_PAGES, EV_LANG_PERL, EV_DB_POSTGRESQL, NULL, "Perl: DECLARE a cursor and FETCH"},
	{ADVICE_PAGES, EV_LANG_PERL, ANY, NULL, "Perl: fetchrow_arrayref"},
	{ADVICE_PAGES, EV_LANG_PHP, EV_DB_MYSQL, "PDO",
	 "PHP: PDO::MYSQL_ATTR_USE_BUFFERED_QUERY set to false"},
	{ADVICE_PAGES, EV_LANG_PHP, EV_DB_MYSQL, "mysqli", "PHP: MYSQLI_USE_RESULT"},
	{ADVICE_PAGES, EV_LANG_PHP, EV_DB_MYSQL, NULL,
	 "PHP: MYSQLI_USE_RESULT, or an unbuffered query of PDO"},
	{ADVICE_PAGES, EV_LANG_PHP, ANY, NULL, "PHP: a cursor and FETCH, row by row"},
	{ADVICE_PAGES, EV_LANG_RUBY, ANY, "/active_record/", "Rails: find_each"},
	{ADVICE_PAGES, EV_LANG_RUBY, ANY, NULL, "Ruby: stream_each"},
	{ADVICE_PAGES, JS, EV_DB_SQLITE, NULL, "Node: iterate()"},
	{ADVICE_PAGES, JS, EV_DB_MYSQL, NULL, "Node: query().stream()"},
	{ADVICE_PAGES, JS, ANY, NULL, "Node: pg-query-stream, or pg-cursor"},
	{ADVICE_PAGES, EV_LANG_JAVA, ANY, NULL, "Java: setFetchSize, without autocommit"},
	{ADVICE_PAGES, EV_LANG_GO, ANY, NULL, "Go: rows.Next(), and keep none"},

	{ADVICE_BOUND, PY, ANY, NULL, "Python: functools.lru_cache(maxsize=...), or del"},
	{ADVICE_BOUND, C, ANY, RUST, "Rust: map.remove(&key), or the crates lru or moka"},
	{ADVICE_BOUND, EV_LANG_PERL, ANY, NULL, "Perl: delete $cache{$key}"},
	{ADVICE_BOUND, EV_LANG_PHP, ANY, NULL,
	 "PHP: unset() what static arrays and properties keep"},
	{ADVICE_BOUND, EV_LANG_RUBY, ANY, NULL, "Ruby: cache.shift while cache.size > MAX"},
	{ADVICE_BOUND, JS, ANY, NULL, "Node: map.delete(), or lru-cache with max"},
	{ADVICE_BOUND, EV_LANG_JAVA, ANY, NULL,
	 "Java: removeEldestEntry(), or Caffeine's maximumSize()"},
	{ADVICE_BOUND, EV_LANG_GO, ANY, NULL,
	 "Go: delete(m, key); copy small parts out of large slices"},

	{ADVICE_FREE, C, ANY, RUST,
	 "Rust: drop(), or clear() the Vec or map; no mem::forget, Box::leak, cycle of Rc"},
	{ADVICE_FREE, C, EV_DB_POSTGRESQL, NULL, "C: free, PQclear, PQfreemem"},
	{ADVICE_FREE, C, EV_DB_MYSQL, NULL, "C: free, mysql_free_result, mysql_stmt_close"},
	{ADVICE_FREE, C, EV_DB_SQLITE, NULL, "C: free, sqlite3_free, sqlite3_finalize"},
	{ADVICE_FREE, C, ANY, NULL, "C: free, or the matching free function"},

	{ADVICE_STATEMENT, PY, EV_DB_SQLITE, NULL, "Python: cursor.close()"},
	{ADVICE_STATEMENT, C, ANY, "rusqlite",
	 "Rust: drop(statement), or connection.prepare_cached(sql)"},
	{ADVICE_STATEMENT, C, ANY, "tokio_postgres",
	 "Rust: drop(statement), or prepare_cached() of deadpool"},
	{ADVICE_STATEMENT, C, ANY, "sqlx",
	 "Rust: conn.clear_cached_statements(); no text per value"},
	{ADVICE_STATEMENT, C, ANY, RUST, "Rust: drop(statement)"},
	{ADVICE_STATEMENT, C, EV_DB_SQLITE, NULL, "C: sqlite3_finalize, or sqlite3_reset to reuse"},
	{ADVICE_STATEMENT, C, EV_DB_MYSQL, NULL, "C: mysql_stmt_close"},
	{ADVICE_STATEMENT, C, EV_DB_POSTGRESQL, NULL, "C: DEALLOCATE, or PQclosePrepared"},
	{ADVICE_STATEMENT, EV_LANG_PERL, ANY, NULL, "Perl: prepare_cached, or undef $sth"},
	{ADVICE_STATEMENT, EV_LANG_PHP, ANY, "PDO", "PHP: $stmt = null"},
	{ADVICE_STATEMENT, EV_LANG_PHP, ANY, "mysqli", "PHP: $stmt->close()"},
	{ADVICE_STATEMENT, EV_LANG_PHP, EV_DB_MYSQL, NULL, "PHP: $stmt->close(), or $stmt = null"},
	{ADVICE_STATEMENT, EV_LANG_PHP, ANY, NULL, "PHP: $stmt = null"},
	{ADVICE_STATEMENT, EV_LANG_RUBY, ANY, NULL, "Ruby: statement.close"},
	{ADVICE_STATEMENT, JS, ANY, "/mysql2/", "Node: statement.close(), or unprepare(sql)"},
	{ADVICE_STATEMENT, EV_LANG_JAVA, ANY, NULL,
	 "Java: try (PreparedStatement s = ...) { ... }"},
	{ADVICE_STATEMENT, EV_LANG_GO, ANY, NULL, "Go: defer stmt.Close()"},

	{ADVICE_READ, PY, ANY, NULL, "Python: cursor.close(), or fetchall()"},
	{ADVICE_READ, C, ANY, "rusqlite", "Rust: drop(rows), or rows.next() until None"},
	{ADVICE_READ, C, ANY, "sqlx", "Rust: drop the stream of fetch(), or read it until None"},
	{ADVICE_READ, C, ANY, RUST, "Rust: drop the rows, or read them until None"},
	{ADVICE_READ, C, EV_DB_SQLITE, NULL, "C: sqlite3_reset, or sqlite3_finalize"},
	{ADVICE_READ, C, EV_DB_MYSQL, NULL, "C: mysql_free_result"},
	{ADVICE_READ, C, EV_DB_POSTGRESQL, NULL, "C: PQgetResult until NULL"},
	{ADVICE_READ, EV_LANG_PERL, ANY, NULL, "Perl: $sth->finish"},
	{ADVICE_READ, EV_LANG_PHP, ANY, "PDO", "PHP: $stmt->closeCursor()"},
	{ADVICE_READ, EV_LANG_PHP, ANY, "mysqli", "PHP: $result->free()"},
	{ADVICE_READ, EV_LANG_PHP, ANY, "pg_", "PHP: pg_free_result($result)"},
	{ADVICE_READ, EV_LANG_PHP, ANY, NULL, "PHP: closeCursor(), or free()"},
	{ADVICE_READ, EV_LANG_RUBY, ANY, NULL, "Ruby: result.close, or result.clear"},
	{ADVICE_READ, JS, ANY, NULL, "Node: cursor.close(), or iterator.return()"},
	{ADVICE_READ, EV_LANG_JAVA, ANY, NULL, "Java: try (ResultSet r = ...) { ... }"},
	{ADVICE_READ, EV_LANG_GO, ANY, NULL, "Go: defer rows.Close()"},

	{ADVICE_TEST, PY, ANY, "/sqlalchemy/", "SQLAlchemy: pool_pre_ping=True"},
	{ADVICE_TEST, PY, ANY, "/django/", "Django: CONN_HEALTH_CHECKS"},
	{ADVICE_TEST, PY, ANY, "/psycopg_pool/", "psycopg: ConnectionPool(check=...)"},
	{ADVICE_TEST, EV_LANG_RUBY, ANY, "/active_record/", "Rails: idle_timeout"},
	{ADVICE_TEST, JS, ANY, "/pg-pool/", "Node: pool.on('error'), idleTimeoutMillis"},
	{ADVICE_TEST, EV_LANG_JAVA, ANY, "hikari", "Java: HikariCP's keepaliveTime, maxLifetime"},
	{ADVICE_TEST, C, ANY, "sqlx", "Rust: PoolOptions::test_before_acquire(true)"},
	{ADVICE_TEST, C, ANY, "deadpool", "Rust: deadpool's RecyclingMethod::Verified"},
	{ADVICE_TEST, C, ANY, "bb8::", "Rust: bb8's test_on_check_out(true)"},
	{ADVICE_TEST, C, ANY, "r2d2::", "Rust: r2d2's test_on_check_out(true)"},
	{ADVICE_TEST, EV_LANG_GO, ANY, NULL, "Go: db.SetConnMaxIdleTime"},
};

static const char *const sentences[ADVICE_COUNT] = {
	[ADVICE_TEST] = "close failed connections; let the pool test them before use",
	[ADVICE_CLOSE] = "close every connection, or return it to its pool, on every path, also "
			 "after errors",
	[ADVICE_POOL] = "keep one pool for the whole process; where there is one, close every "
			"connection on every path",
	[ADVICE_END] = "commit or roll back on every path, even after only reading",
	[ADVICE_PAGES] = "read in pages (LIMIT), or stream the rows",
	[ADVICE_BOUND] = "limit what keeps it: give the cache a maximum size, remove finished "
			 "entries",
	[ADVICE_FREE] = "free what is allocated here on every path, also after errors",
	[ADVICE_STATEMENT] = "close each statement after use, or prepare it once and reuse it",
	[ADVICE_VALUES] = "pass values as parameters, not inside the SQL text; limit the statement "
			  "cache",
	[ADVICE_READ] = "read each cursor to its end, or close it",
	[ADVICE_UPDATE] = "a driver's bug, as only the driver can free it: update the driver",
};

static bool has(const char *text, const char *part)
{
	return text && strstr(text, part);
}

static bool is_rust(const char *file, const char *function)
{
	size_t length = file ? strlen(file) : 0;

	return (length >= 3 && !strcmp(file + length - 3, RUST)) || has(function, RUST_BEGINS);
}

static bool is_of(const char *file, const char *module, const char *function, const char *library)
{
	if (!strcmp(library, RUST))
		return is_rust(file, function);
	return has(file, library) || has(module, library) || has(function, library);
}

static bool is_on_frames(const struct frame_view *frames, size_t count, const char *library)
{
	for (size_t i = 0; i < count; i++)
		if (is_of(frames[i].file, frames[i].module, frames[i].function, library))
			return true;
	return false;
}

#define OPENINGS_MOST 8 /* stacks of one endpoint that are looked at */

static bool comes_by(const struct rule_input *s, const struct code_stack *stack,
		     const char *library)
{
	for (uint32_t i = 0; i < stack->count; i++) {
		const struct code_frame *f = code_frame(s->places->code, stack->frame[i]);

		if (f && is_of(f->file, f->module, f->function, library))
			return true;
	}
	return false;
}

/* A driver written in C is on no stack of its queries, but its `connect` is written in Python. */
static bool has_opened(const struct rule_input *s, const char *library)
{
	const struct code_stack *last = NULL;
	unsigned looked_at = 0;

	for (size_t i = 0; s->endpoint && s->places && i < s->count; i++) {
		const struct code_stack *stack = code_stack(s->places->code,
							    s->conn_history[i].life->opened_at);

		if (!stack || stack == last)
			continue;
		if (comes_by(s, stack, library))
			return true;
		if (++looked_at == OPENINGS_MOST)
			break;
		last = stack;
	}
	return false;
}

/* A thread that waits for a connection uses the library of the one that keeps it. */
static bool is_on_stack(const struct rule_input *s, const struct finding_view *f,
			const char *library)
{
	bool found = f->stack_count
			     ? is_on_frames(f->stack, f->stack_count, library)
			     : is_on_frames(f->waiters.stack, f->waiters.stack_count, library);

	return found || has_opened(s, library);
}

static const char *example_of(const struct rule_input *s, const struct finding_view *f,
			      enum advice what, enum ev_language language)
{
	const char *general = NULL;

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		const struct advice_example *e = &examples[i];

		if (e->what != what || e->language != language ||
		    (e->database != ANY && e->database != f->database))
			continue;
		if (e->library ? is_on_stack(s, f, e->library) : e->database != ANY)
			return e->text;
		if (!e->library)
			general = e->text;
	}
	return general;
}

const struct advice_example *advice_examples(size_t *count)
{
	*count = sizeof(examples) / sizeof(examples[0]);
	return examples;
}

const char *advice_in(const struct rule_input *s, const struct finding_view *f, enum advice what,
		      enum ev_language language)
{
	const char *example = example_of(s, f, what, language);

	if (!example)
		return sentences[what];
	return arena_format(s->arena, "%s (%s)", sentences[what], example);
}

/* Returns the language by what a run time calls itself: python3.11, node, java. */
static enum ev_language named_language(const struct process_model *p)
{
	static const struct {
		const char *name;
		enum ev_language language;
	} names[] = {
		{"python", PY},		{"gunicorn", PY},	{"uwsgi", PY},
		{"celery", PY},		{"node", JS},		{"nodejs", JS},
		{"java", EV_LANG_JAVA}, {"php", EV_LANG_PHP},	{"perl", EV_LANG_PERL},
		{"ruby", EV_LANG_RUBY}, {"puma", EV_LANG_RUBY},
	};

	for (size_t i = 0; p && i < sizeof(names) / sizeof(names[0]); i++) {
		size_t length = strlen(names[i].name);

		/* node_exporter is no node */
		if (!strncmp(p->comm, names[i].name, length) && p->comm[length] != '_' &&
		    !isalpha((unsigned char)p->comm[length]))
			return names[i].language;
	}
	return EV_LANG_UNKNOWN;
}

enum ev_language advice_language(const struct rule_input *s, const struct finding_view *f)
{
	const struct frame_view *line = f->site ? f->site : f->waiters.site;
	enum ev_language language = line ? line->language : EV_LANG_UNKNOWN;

	/* Without a line, the driver's own frames may still tell. */
	if (!line && is_on_frames(f->stack, f->stack_count, RUST))
		language = EV_LANG_NATIVE;
	/* A native line of an interpreted program is its run time's, or an extension's. */
	if (language <= EV_LANG_NATIVE && named_language(s->process) != EV_LANG_UNKNOWN)
		language = named_language(s->process);
	return language;
}

bool advice_has(const struct rule_input *s, const struct finding_view *f, enum advice what)
{
	return example_of(s, f, what, advice_language(s, f)) != NULL;
}

const char *advice_for(const struct rule_input *s, const struct finding_view *f, enum advice what)
{
	return advice_in(s, f, what, advice_language(s, f));
}
