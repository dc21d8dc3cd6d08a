/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_sql.c - literals leave SQL, passwords always, and equal shapes have equal numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/sql.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PG	     EV_DB_POSTGRESQL
#define MY	     EV_DB_MYSQL
#define LITE	     EV_DB_SQLITE
#define UNK	     EV_DB_UNKNOWN

struct one {
	enum ev_database db;
	const char *in, *out;
};

static void check(const struct one *cases, size_t count, unsigned flags)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(cases[i].in);
		char *in = malloc(len ? len : 1), out[600];

		/* exactly as long as the text, so that a read past its end is seen */
		memcpy(in, cases[i].in, len);
		len = sql_normalise(out, sizeof(out), in, len, cases[i].db, flags);
		assert_string_equal(out, cases[i].out);
		assert_int_equal(len, strlen(out));
		free(in);
	}
}

static void strings_become_placeholders(void **state)
{
	static const struct one cases[] = {
		{PG, "SELECT 'a'", "SELECT ?"},
		{PG, "SELECT 'it''s', 'b'", "SELECT ?, ?"},
		{PG, "SELECT 'C:\\', 'b'", "SELECT ?"}, /* standard_conforming_strings? */
		{PG, "SELECT 'C:\\x\\\\', 'b'", "SELECT ?, ?"},
		{PG, "SELECT 'a'b, 'a' b, 'a'::b", "SELECT ?, ? b, ?::b"},
		{PG, "SELECT E'it\\'s', e'b', E'\\\\', 1", "SELECT ?, ?, ?, ?"},
		{PG, "SELECT N'a', B'01', X'ff', U&'\\0061'", "SELECT ?, ?, ?, ?"},
		{PG, "SELECT date '2024-01-01', nameE'x'", "SELECT date ?, nameE?"},
		{PG, "SELECT '", "SELECT ?"},
		{PG, "SELECT 'cut in the mid", "SELECT ?"},
		{MY, "SELECT 'it\\'s', \"b\"", "SELECT ?"}, /* NO_BACKSLASH_ESCAPES? */
		{MY, "SELECT 'a\\n', \"b\\\\\", \"c\"\"d\"", "SELECT ?, ?, ?"},
		{MY, "SELECT _utf8mb4'a', n'b', x'ff'", "SELECT _utf8mb4?, ?, ?"},
		{MY, "SELECT 'a\\", "SELECT ?"},
		{MY, "SELECT '\\\\', 'b'", "SELECT ?, ?"},
		{LITE, "SELECT 'a\\', x'00'", "SELECT ?, ?"},
		{UNK, "SELECT 'a\\', secret it was'", "SELECT ?"},
		{UNK, "SELECT \"a\", 'b'", "SELECT ?, ?"},
	};

	(void)state;
	check(cases, COUNT(cases), 0);
}

static void identifiers_stay(void **state)
{
	static const struct one cases[] = {
		{PG, "SELECT \"A \"\"b 'c\" FROM t1", NULL},
		{PG,
		 "SELECT a1, t2.b3, _4, caf\xc3\xa9"
		 "5, x$6",
		 NULL},
		{LITE, "SELECT \"t\".\"a\", `b'c`, [d'e] FROM \"t\" AS \"u\"", NULL},
		{LITE, "INSERT INTO \"t\" (\"a\", \"b\") VALUES (?1, ?2)", NULL},
		{LITE, "UPDATE \"t\" SET \"a\" = :a WHERE \"t\".\"b\" = :b ORDER BY \"c\"", NULL},
		{PG, "SELECT \"order\".\"id\" FROM \"users\" WHERE \"a\" = \"b\"", NULL},
		{PG, "SELECT a FROM b JOIN c ON \"k\".\"key\" = \"l\".\"pin\"", NULL},
		{PG, "UPDATE t SET a = b, c = DEFAULT WHERE password = other", NULL},
		{PG, "CREATE TABLE u (id int, password text, pin text)", NULL},
		{PG, "SELECT set_config FROM t", NULL},
		{PG, "SET LOCAL TRANSACTION ISOLATION LEVEL SERIALIZABLE", NULL},
		{MY, "SET NAMES utf8mb4", NULL},
		{MY, "SELECT `\xe5\x90\x8d` FROM `\xe5\x89\x8d`", NULL},
		{LITE, "PRAGMA main.journal_mode", NULL},
		{MY, "SELECT `it's ``1` FROM 2024_orders", NULL},
		{MY, "SELECT t.1a", "SELECT t?"},
		{PG, "SELECT a[1:2], $1, $23::int, j ? 'k', j->>'a'",
		 "SELECT a[?:?], $1, $23::int, j ? ?, j->>?"},
		{LITE, "SELECT ?1, :2, :name, @v, $x", NULL},
		{MY, "SELECT ?, @a, @@b.c", NULL},
		{UNK, "SELECT `a`", NULL},
	};
	struct one copy[COUNT(cases)];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		copy[i] = cases[i];
		copy[i].out = cases[i].out ? cases[i].out : cases[i].in;
	}
	check(copy, COUNT(copy), 0);
}

static void dollar_quotes_become_placeholders(void **state)
{
	static const struct one cases[] = {
		{PG, "SELECT $$a'b$$, 1", "SELECT ?, ?"},
		{PG, "DO $x$ BEGIN $$y$$ END $x$;", "DO ?;"},
		{PG, "SELECT $a$ never closed $b$", "SELECT ?"},
		{PG, "SELECT $x$ a $x", "SELECT ?"},
		{PG, "SELECT $", "SELECT $"},
		{PG, "SELECT $tag", "SELECT $tag"},
		{PG, "SELECT f$a$, g$a$", "SELECT f$a$, g$a$"},
		{UNK, "SELECT $$a$$", "SELECT ?"},
		{MY, "SELECT $$ FROM a$b", "SELECT $$ FROM a$b"},
	};

	(void)state;
	check(cases, COUNT(cases), 0);
}

static void numbers_become_placeholders(void **state)
{
	static const struct one cases[] = {
		{PG, "SELECT 1, 2.5, .5, 3., 1e10, 1.5E-3, 0xFF, 0b01, 1_000",
		 "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?"},
		{MY, "SELECT 1e5, 0xff, 1.5e+3, 007", "SELECT ?, ?, ?, ?"},
		{PG, "WHERE a=-1 AND b IN (-1, +2) AND c - 3 > 0",
		 "WHERE a=? AND b IN (?, ?) AND c - ? > ?"},
		{PG, "SELECT 123abc", "SELECT ?"},
		{PG, "LIMIT 10 OFFSET 20", "LIMIT ? OFFSET ?"},
		{PG, "1..2", "?.?"},
	};

	(void)state;
	check(cases, COUNT(cases), 0);
}

static void comments_and_white_space_collapse(void **state)
{
	static const struct one cases[] = {
		{PG, "  SELECT\t1\r\n  ,\f2  ", "SELECT ? , ?"},
		{PG, "SELECT/*x*/a -- it's\nFROM t", "SELECT a FROM t"},
		{PG, "SELECT /* a /* nested' */ b */ 1", "SELECT ?"},
		{MY, "SELECT /* a /* b */ 1", "SELECT ?"},
		{MY, "SELECT 5--3, a # it's\n, b -- it's", "SELECT ?--?, a , b"},
		{MY, "SELECT /*!40001 SQL_NO_CACHE */ a", "SELECT a"},
		{MY, "/*! SET x = 'y' */ SELECT a", "SELECT a"},
		{MY, "/*! SET x = '*/ y' */ SELECT a", ""}, /* run, or not? */
		{PG, "SELECT 1 -- x\r, 'a\n b', 2", "SELECT ? , ?, ?"},
		{PG, "SELECT a #>> b --no space", "SELECT a #>> b"},
		{PG, "SELECT 1 /* cut", "SELECT ?"},
		{PG, "-- only", ""},
		{PG, "", ""},
		{PG, "/", "/"},
		{PG, "a / *b", "a / *b"},
	};

	(void)state;
	check(cases, COUNT(cases), 0);
}

static void literals_stay_if_asked(void **state)
{
	static const struct one cases[] = {
		{PG, "SELECT  'a  b',\n1 -- c", "SELECT 'a  b', 1"},
		{MY, "SELECT \"x\", -5", "SELECT \"x\", -5"},
		{PG, "SELECT $$a$$", "SELECT $$a$$"},
		{PG, "SELECT 'passenger'", "SELECT 'passenger'"},
	};

	(void)state;
	check(cases, COUNT(cases), SQL_KEEP_LITERALS);
}

/* Each can be read in two ways; in one of them the word is inside a literal. */
static void what_may_be_in_a_literal_is_hidden(void **state)
{
	static const struct one cases[] = {
		{MY, "SELECT * FROM t WHERE p = 'C:\\' AND name = 'hunter2'", NULL},
		{PG, "SELECT 'it\\'s hunter2', 'x'", NULL},
		{MY, "SELECT ('\xb2\x5c', 'hunter2')", NULL},
		{MY, "SELECT ('\xb2\x5c\\', hunter2')", NULL},
		{PG, "SELECT E'\xb2\x5c', 'hunter2'", NULL},
		{MY, "SELECT `\xb2\x60 , `, 'hunter2'", NULL},
		{MY, "SELECT 4hunter2, 4_hunter2, 4$hunter2", NULL},
		{LITE, "SELECT \"hunter2\"", NULL},
		{LITE, "SELECT a FROM t WHERE b = \"hunter2\"", NULL},
		{LITE, "SELECT a FROM t WHERE b LIKE \"hunter2%\"", NULL},
		{LITE, "SELECT a FROM t WHERE b IN (\"hunter2\",\"hunter2\")", NULL},
		{LITE, "INSERT INTO t VALUES(\"hunter2\", \"hunter2\")", NULL},
		{LITE, "INSERT INTO t(a) VALUES(\"hunter2\")", NULL},
		{LITE, "UPDATE t SET a=\"hunter2\" || \"hunter2\"", NULL},
		{PG, "SELECT \"hunter2", NULL},
		{UNK, "SELECT 1 # it's\n, 'hunter2'", NULL},
		{UNK, "SELECT 5--'\n hunter2'", NULL},
		{UNK, "SELECT [it's], 'hunter2'", NULL},
		{UNK, "SELECT `it's`, 'hunter2'", NULL},
		{UNK, "SELECT /* a /* b */ hunter2 */ 1", NULL},
		{UNK, "SELECT /*! '*/' hunter2' */ 1", NULL},
		{UNK, "SELECT E'\\', 'hunter2'", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t len = 0; len <= strlen(cases[i].in); len++) {
			char out[256];

			sql_normalise(out, sizeof(out), cases[i].in, len, cases[i].db, 0);
			assert_null(strstr(out, "hunt"));
		}
}

static const struct one passwords[] = {
	{PG, "ALTER ROLE a PASSWORD 'hunter2'", "ALTER ROLE a PASSWORD ?"},
	{PG, "create user a with encrypted password $$hunter2$$ valid until '2030'",
	 "create user a with encrypted password ? valid until ?"},
	{PG, "ALTER ROLE a PASSWORD E'a\\'hunter2'", "ALTER ROLE a PASSWORD ?"},
	{PG, "ALTER ROLE a PASSWORD 'a\\'hunter2'", "ALTER ROLE a PASSWORD ?"},
	{PG, "ALTER ROLE a PASSWORD \"hunter2\"", "ALTER ROLE a PASSWORD ?"},
	{PG, "ALTER ROLE a PASSWORD/**/'hunter2", "ALTER ROLE a PASSWORD ?"},
	{PG, "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'b', password 'hunter2')",
	 "CREATE USER MAPPING FOR a SERVER s OPTIONS (user ?, password ?)"},
	{PG, "CREATE SUBSCRIPTION s CONNECTION 'host=h password=hunter2' PUBLICATION p",
	 "CREATE SUBSCRIPTION s CONNECTION ? PUBLICATION p"},
	{PG, "INSERT INTO u (name, password) VALUES ('a', 'hunter2')",
	 "INSERT INTO u (name, password) VALUES (?, ?)"},
	{PG, "UPDATE u SET h = crypt('hunter2', gen_salt('bf'))",
	 "UPDATE u SET h = crypt(?, gen_salt(?))"},
	{MY, "CREATE USER a@b IDENTIFIED BY 'hunter2'", "CREATE USER a@b IDENTIFIED BY ?"},
	{MY, "CREATE USER a IDENTIFIED BY \"hunter2\"", "CREATE USER a IDENTIFIED BY ?"},
	{MY, "ALTER USER a IDENTIFIED WITH p AS '*hunter2'", "ALTER USER a IDENTIFIED WITH p AS ?"},
	{MY, "ALTER USER a IDENTIFIED WITH p AS 0x68756e746572",
	 "ALTER USER a IDENTIFIED WITH p AS ?"},
	{MY, "SET PASSWORD FOR 'x'@'y' = 'hunter2'", "SET PASSWORD FOR ? = ?"},
	{MY, "SET PASSWORD = PASSWORD('hunter2')", "SET PASSWORD = ?"},
	{MY, "SET a = hunter2, @b := hunter2; SELECT a", "SET a = ?; SELECT a"},
	{MY, "CREATE USER a IDENTIFIED BY hunter2", "CREATE USER a IDENTIFIED BY ?"},
	{MY, "CREATE USER a IDENTIFIED BY `hunter2` ACCOUNT LOCK",
	 "CREATE USER a IDENTIFIED BY ? ACCOUNT LOCK"},
	{MY, "ALTER USER a IDENTIFIED WITH b_password AS hunter2-x",
	 "ALTER USER a IDENTIFIED WITH b_password AS ?"},
	{MY, "CHANGE MASTER TO MASTER_PASSWORD=hunter2, MASTER_PORT=1",
	 "CHANGE MASTER TO MASTER_PASSWORD=?, MASTER_PORT=?"},
	{PG, "SET app.token TO hunter2", "SET app.token TO ?"},
	{PG, "ALTER ROLE a SET app.x = hunter2", "ALTER ROLE a SET app.x = ?"},
	{PG, "SET ROLE hunter2", "SET ROLE ?"},
	{PG, "ALTER SERVER s OPTIONS (SET password hunter2, x 'y')",
	 "ALTER SERVER s OPTIONS (SET password ?, x ?)"},
	{PG, "COPY t FROM STDIN; hunter2; hunter2", "COPY t FROM STDIN; ?"},
	{LITE, "PRAGMA key = hunter2", "PRAGMA key = ?"},
	{LITE, "PRAGMA key(hunter2)", "PRAGMA key(?)"},
	{LITE, "ATTACH 'a' AS b KEY hunter2", "ATTACH ? AS b KEY ?"},
	{LITE, "ATTACH 'a' AS b KEY \"hunter2\"", "ATTACH ? AS b KEY ?"},
	{PG, "SELECT dblink('postgresql://u:hunter2@h/d')", "SELECT dblink(?)"},
	{PG, "SELECT f('u:hunter2@h')", "SELECT f(?)"},
	{PG, "UPDATE u SET otp = 'hunter2'", "UPDATE u SET otp = ?"},
	{MY, "INSERT INTO t (pin) VALUES ('hunter2')", "INSERT INTO t (pin) VALUES (?)"},
	{MY, "CHANGE MASTER TO MASTER_PASSWORD='hunter2'", "CHANGE MASTER TO MASTER_PASSWORD=?"},
	{MY, "ALTER USER a IDENTIFIED BY 'x\\', hunter2", "ALTER USER a IDENTIFIED BY ?"},
	{LITE, "PRAGMA key = \"hunter2\"", "PRAGMA key = ?"},
	{LITE, "PRAGMA key='hunter2'", "PRAGMA key=?"},
	{UNK, "IDENTIFIED BY 'hunter2'", "IDENTIFIED BY ?"},
};

static void passwords_never_pass(void **state)
{
	(void)state;
	check(passwords, COUNT(passwords), 0);
	check(passwords, COUNT(passwords), SQL_KEEP_LITERALS);
}

static void check_hidden(const char *in, size_t len, enum ev_database db, unsigned flags)
{
	char out[256];

	sql_normalise(out, sizeof(out), in, len, db, flags);
	assert_null(strstr(out, "hun"));
	assert_null(strstr(out, "6875"));
}

static void passwords_never_pass_when_cut_or_of_an_unknown_database(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(passwords); i++)
		for (size_t len = 0; len <= strlen(passwords[i].in); len++)
			for (unsigned flags = 0; flags <= SQL_KEEP_LITERALS; flags++) {
				check_hidden(passwords[i].in, len, passwords[i].db, flags);
				check_hidden(passwords[i].in, len, EV_DB_UNKNOWN, flags);
			}
}

static void a_small_buffer_cuts_at_a_character(void **state)
{
	const char *text = "SELECT gr\xc3\xbc\xc3\x9f, '\xe6\x97\xa5', \"\xe6\x97\xa5\"";

	(void)state;
	for (size_t size = 0; size < 40; size++) {
		char *out = malloc(size ? size : 1);
		size_t length = sql_normalise(out, size, text, strlen(text), PG, 0);

		if (size) {
			assert_int_equal(length, strlen(out));
			assert_true(length < size);
			assert_false(length && (unsigned char)out[length - 1] >= 0xc0);
		}
		free(out);
	}
}

static void any_bytes_are_survived(void **state)
{
	static const char bytes[] = "'\"`$[]-/*!#\\?.:;()ENXbqe019 \n\0\xc3\xff";
	uint32_t random = 7;

	(void)state;
	for (int round = 0; round < 50000; round++) {
		size_t len = (random >> 8) % 48;
		char *in = malloc(len ? len : 1), out[64];

		for (size_t i = 0; i < len; i++) {
			random = random * 1664525 + 1013904223;
			in[i] = bytes[(random >> 16) % (sizeof(bytes) - 1)];
		}
		enum ev_database db = (random >> 12) % 4;
		size_t length = sql_normalise(out, sizeof(out), in, len, db, random >> 30 & 1);

		assert_true(length <= len);
		assert_int_equal(length, strlen(out));
		sql_fingerprint(in, len, db);
		random = random * 1664525 + 1013904223;
		free(in);
	}
}

struct two {
	enum ev_database db;
	const char *a, *b;
};

static uint64_t number(const char *text, enum ev_database db)
{
	return sql_fingerprint(text, strlen(text), db);
}

static void equal_shapes_have_equal_fingerprints(void **state)
{
	static const struct two cases[] = {
		{PG, "SELECT 1", "select  2 -- x"},
		{PG, "SELECT * FROM t WHERE a IN (1, 2, 3)", "SELECT * FROM t WHERE a IN (4)"},
		{PG, "a IN ($1, $2)", "a in($1)"},
		{PG, "INSERT INTO t VALUES (1, 'a')",
		 "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')"},
		{PG, "INSERT INTO t VALUES (now(), 1), (now(), 2)",
		 "INSERT INTO t VALUES (now(), 3)"},
		{PG, "INSERT INTO t VALUES (NULL, 1), (2, DEFAULT)", "INSERT INTO t VALUES (1, 2)"},
		{PG, "INSERT INTO t VALUES (now(), 1), (no", "INSERT INTO t VALUES (now(), 3)"},
		{PG, "INSERT INTO t VALUES (1, 2), ('cut", "INSERT INTO t VALUES (1, 2)"},
		{PG, "INSERT INTO t VALUES (1, 2), ", "INSERT INTO t VALUES (1, 2);"},
		{MY, "select 1 # a", "SELECT 'x'"},
		{PG, "SELECT $$a$$", "SELECT 'b'"},
		{PG, "WHERE a = -1", "WHERE a=5"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(number(cases[i].a, cases[i].db), number(cases[i].b, cases[i].db));
}

static void different_shapes_have_different_fingerprints(void **state)
{
	static const struct two cases[] = {
		{PG, "SELECT a", "SELECT b"},
		{PG, "SELECT \"A\"", "SELECT \"a\""},
		{PG, "SELECT a b", "SELECT ab"},
		{PG, "SELECT a FROM t", "SELECT a FROM t WHERE b = 1"},
		{PG, "f(a), g(a)", "f(a)"},
		{PG, "a IN (1)", "a IN (b)"},
		{MY, "select a1", "select a2"},
		{PG, "", "SELECT 1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_not_equal(number(cases[i].a, cases[i].db),
				     number(cases[i].b, cases[i].db));
}

static void very_long_and_very_deep_texts_have_fingerprints(void **state)
{
	char *text = malloc(100000);

	(void)state;
	memset(text, '(', 100000);
	sql_fingerprint(text, 100000, PG);
	memset(text, ')', 50000);
	sql_fingerprint(text, 100000, PG);
	memset(text, 'a', 100000);
	sql_fingerprint(text, 100000, MY);
	free(text);
}

static void a_statement_is_found_in_the_literal_that_holds_it(void **state)
{
	static const struct {
		const char *sql, *statement;
	} cases[] = {
		{"prepare p1 from 'select 1'", "select 1"},
		{"  PREPARE\tp1 FROM  \"select 'a'\"", "select 'a'"},
		{"prepare p1 from 'select \\'a\\' from t'", "select \\'a\\' from t"},
		{"prepare p1 from 'select cut of", "select cut of"},
		{"prepare p1 from '", ""},
		{"prepare p1 from 'x\\", "x\\"},
		{"prepare p1 from @text", NULL},
		{"prepare p1 as select 1", NULL},
		{"prepare", NULL},
		{"prepare p1", NULL},
		{"prepare p1 from", NULL},
		{"select 'prepare p1 from x'", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = 0, size = strlen(cases[i].sql);
		char *copy = malloc(size + 1); /* of its size alone, for the sanitizer */
		const char *found;

		assert_non_null(copy);
		memcpy(copy, cases[i].sql, size);
		found = sql_prepared(copy, size, &length);
		assert_int_equal(found != NULL, cases[i].statement != NULL);
		if (found) {
			assert_int_equal(length, strlen(cases[i].statement));
			assert_memory_equal(found, cases[i].statement, length);
		}
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_become_placeholders),
		cmocka_unit_test(identifiers_stay),
		cmocka_unit_test(dollar_quotes_become_placeholders),
		cmocka_unit_test(numbers_become_placeholders),
		cmocka_unit_test(comments_and_white_space_collapse),
		cmocka_unit_test(literals_stay_if_asked),
		cmocka_unit_test(what_may_be_in_a_literal_is_hidden),
		cmocka_unit_test(passwords_never_pass),
		cmocka_unit_test(passwords_never_pass_when_cut_or_of_an_unknown_database),
		cmocka_unit_test(a_small_buffer_cuts_at_a_character),
		cmocka_unit_test(any_bytes_are_survived),
		cmocka_unit_test(equal_shapes_have_equal_fingerprints),
		cmocka_unit_test(different_shapes_have_different_fingerprints),
		cmocka_unit_test(very_long_and_very_deep_texts_have_fingerprints),
		cmocka_unit_test(a_statement_is_found_in_the_literal_that_holds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
