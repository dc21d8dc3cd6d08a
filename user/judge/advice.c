/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * advice.c - the table of examples.  A row with database ANY serves each database that has no row
 * of its own in that language.
 */
#include "user/judge/advice.h"

#define ANY EV_DB_UNKNOWN

static const struct {
	enum advice what;
	enum ev_language language;
	enum ev_database database;
	const char *example;
} examples[] = {
	{ADVICE_CLOSE, EV_LANG_PYTHON, EV_DB_SQLITE,
	 "Python: `with closing(sqlite3.connect(...)) as c:`; `with c:` alone only commits"},
	{ADVICE_CLOSE, EV_LANG_PYTHON, ANY, "Python: `with Session() as s:` or s.close()"},
	{ADVICE_CLOSE, EV_LANG_NATIVE, EV_DB_SQLITE, "C: sqlite3_close"},
	{ADVICE_CLOSE, EV_LANG_NATIVE, EV_DB_POSTGRESQL, "C: PQfinish"},
	{ADVICE_CLOSE, EV_LANG_NATIVE, EV_DB_MYSQL, "C: mysql_close"},
	{ADVICE_CLOSE, EV_LANG_PERL, ANY, "Perl: $dbh->disconnect"},
	{ADVICE_CLOSE, EV_LANG_PHP, EV_DB_POSTGRESQL, "PHP: pg_close, or $pdo = null"},
	{ADVICE_CLOSE, EV_LANG_PHP, EV_DB_MYSQL, "PHP: $mysqli->close(), or $pdo = null"},
	{ADVICE_CLOSE, EV_LANG_PHP, ANY, "PHP: $db->close(), or $pdo = null"},
	{ADVICE_CLOSE, EV_LANG_RUBY, ANY, "Ruby: conn.close in an ensure"},
	{ADVICE_CLOSE, EV_LANG_JAVASCRIPT, ANY,
	 "Node: client.end(), of a pool client.release(), in a finally"},
	{ADVICE_CLOSE, EV_LANG_JAVA, ANY, "Java: try (Connection c = ...)"},
	{ADVICE_CLOSE, EV_LANG_GO, ANY, "Go: defer conn.Close(), defer rows.Close()"},

	{ADVICE_END, EV_LANG_PYTHON, EV_DB_SQLITE, "Python: `with connection:`"},
	{ADVICE_END, EV_LANG_PYTHON, ANY, "Python: `with session.begin():`"},
	{ADVICE_END, EV_LANG_NATIVE, ANY, "COMMIT or ROLLBACK on the error paths, too"},
	{ADVICE_END, EV_LANG_PERL, ANY, "Perl: $dbh->commit or $dbh->rollback"},
	{ADVICE_END, EV_LANG_PHP, ANY, "PHP: commit(), and rollBack() in a catch"},
	{ADVICE_END, EV_LANG_RUBY, ANY, "Ruby: conn.transaction { ... }"},
	{ADVICE_END, EV_LANG_JAVASCRIPT, ANY, "Node: COMMIT, and ROLLBACK in a catch"},
	{ADVICE_END, EV_LANG_JAVA, ANY, "Java: commit(), and rollback() in a catch"},
	{ADVICE_END, EV_LANG_GO, ANY, "Go: defer tx.Rollback()"},

	{ADVICE_PAGES, EV_LANG_PYTHON, EV_DB_SQLITE,
	 "Python: iterate over the cursor; "
	 "SQLAlchemy: yield_per"},
	{ADVICE_PAGES, EV_LANG_PYTHON, ANY, "server-side cursor; SQLAlchemy: yield_per"},
	{ADVICE_PAGES, EV_LANG_NATIVE, EV_DB_POSTGRESQL, "C: PQsetSingleRowMode"},
	{ADVICE_PAGES, EV_LANG_NATIVE, EV_DB_MYSQL, "C: mysql_use_result"},
	{ADVICE_PAGES, EV_LANG_NATIVE, EV_DB_SQLITE,
	 "C: work on each row between two sqlite3_step"},
	{ADVICE_PAGES, EV_LANG_PERL, ANY, "Perl: fetchrow_arrayref; DBD::mysql: mysql_use_result"},
	{ADVICE_PAGES, EV_LANG_PHP, EV_DB_MYSQL,
	 "PHP: MYSQLI_USE_RESULT, or an unbuffered query of PDO"},
	{ADVICE_PAGES, EV_LANG_PHP, ANY, "PHP: a cursor and FETCH, row by row"},
	{ADVICE_PAGES, EV_LANG_RUBY, ANY, "Ruby: find_each, or stream_each"},
	{ADVICE_PAGES, EV_LANG_JAVASCRIPT, EV_DB_SQLITE, "Node: iterate()"},
	{ADVICE_PAGES, EV_LANG_JAVASCRIPT, ANY, "Node: pg-query-stream; mysql2: query().stream()"},
	{ADVICE_PAGES, EV_LANG_JAVA, ANY, "Java: setFetchSize, without autocommit"},
	{ADVICE_PAGES, EV_LANG_GO, ANY, "Go: rows.Next(), and keep none"},

	{ADVICE_BOUND, EV_LANG_PYTHON, ANY, "Python: functools.lru_cache(maxsize=...), or del"},
	{ADVICE_BOUND, EV_LANG_PERL, ANY, "Perl: delete $cache{$key}"},
	{ADVICE_BOUND, EV_LANG_PHP, ANY, "PHP: unset() what static arrays and properties keep"},
	{ADVICE_BOUND, EV_LANG_RUBY, ANY, "Ruby: cache.shift while cache.size > MAX"},
	{ADVICE_BOUND, EV_LANG_JAVASCRIPT, ANY, "Node: map.delete(), or lru-cache with max"},
	{ADVICE_BOUND, EV_LANG_JAVA, ANY, "Java: removeEldestEntry(), or Caffeine's maximumSize()"},
	{ADVICE_BOUND, EV_LANG_GO, ANY, "Go: delete(m, key), or copy what a subslice keeps whole"},

	{ADVICE_FREE, EV_LANG_NATIVE, EV_DB_POSTGRESQL, "C: free, PQclear, PQfreemem"},
	{ADVICE_FREE, EV_LANG_NATIVE, EV_DB_MYSQL, "C: free, mysql_free_result, mysql_stmt_close"},
	{ADVICE_FREE, EV_LANG_NATIVE, EV_DB_SQLITE, "C: free, sqlite3_free, sqlite3_finalize"},
	{ADVICE_FREE, EV_LANG_NATIVE, ANY, "C: free, or the function that belongs to what was got"},
};

static const char *example_of(enum advice what, enum ev_language language,
			      enum ev_database database)
{
	const char *general = NULL;

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		if (examples[i].what != what || examples[i].language != language)
			continue;
		if (examples[i].database == database)
			return examples[i].example;
		if (examples[i].database == ANY)
			general = examples[i].example;
	}
	return general;
}

static const char *sentence_of(const struct finding_view *f, enum advice what)
{
	static const char *const sentences[] = {
		[ADVICE_CLOSE] =
			"close each connection or session where it was opened, on every path",
		[ADVICE_END] =
			"end it with commit or rollback on every path, also after reading only",
		[ADVICE_BOUND] =
			"give what keeps it a bound: a cache a size, a list of rows an end, "
			"and drop what is done with",
		[ADVICE_PAGES] = "read in pages (LIMIT, keyset) or as a stream",
		[ADVICE_FREE] = "give back what is taken there, on every path, also after an error",
	};

	if (what == ADVICE_END && f->database == EV_DB_SQLITE)
		return "end it with commit or rollback on every path, also after an error";
	return sentences[what];
}

const char *advice_in(const struct rule_input *s, const struct finding_view *f, enum advice what,
		      enum ev_language language)
{
	const char *example = example_of(what, language, f->database);

	if (!example)
		return sentence_of(f, what);
	return arena_format(s->arena, "%s (%s)", sentence_of(f, what), example);
}

const char *advice_for(const struct rule_input *s, const struct finding_view *f, enum advice what)
{
	return advice_in(s, f, what, f->site ? f->site->language : EV_LANG_PYTHON);
}
