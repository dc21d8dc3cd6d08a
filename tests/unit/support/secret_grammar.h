/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * secret_grammar.h - command lines and SQL texts that hold a secret, by a grammar.
 *
 * Choices come from bytes: those of a generator in the unit test, those of the input in a fuzzer.
 * Each text has MARK inside a password or a literal by construction, as at least one setting of its
 * database reads it, so that finding MARK anywhere later is a leak.
 */
#ifndef SECRET_GRAMMAR_H
#define SECRET_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bpf/event.h"

#define MARK	    "zQj9" /* of strings */
#define MARK_DIGITS "40417"
#define SECRET_MOST 2048

struct choices {
	const uint8_t *bytes;
	size_t left;
	uint32_t seed; /* when there are no bytes */
};

struct made {
	char text[SECRET_MOST];
	size_t length;
};

static inline uint32_t choose(struct choices *c, uint32_t n)
{
	if (c->left) {
		c->left--;
		return *c->bytes++ % n;
	}
	c->seed = c->seed * 1664525 + 1013904223;
	return (c->seed >> 12) % n;
}

#define CHOOSE(c, array) ((array)[choose(c, sizeof(array) / sizeof((array)[0]))])

static inline void add_bytes(struct made *m, const char *text, size_t len)
{
	for (size_t i = 0; i < len && m->length + 1 < sizeof(m->text); i++)
		m->text[m->length++] = text[i];
	m->text[m->length] = '\0';
}

static inline void add(struct made *m, const char *text)
{
	add_bytes(m, text, strlen(text));
}

/*
 * Command lines.  An argument ends with a NUL.
 */

/* Letters around the mark, none of them in `without`. */
static inline void add_password(struct made *m, struct choices *c, const char *without)
{
	static const char letters[] = "abzXY019-_.,;:/@&=?#%+~!*'\"\\ (){}[]<>|$`\xc3\xa9";

	for (int side = 0; side < 2; side++) {
		for (uint32_t n = choose(c, 4); n; n--) {
			char letter = letters[choose(c, sizeof(letters) - 1)];

			if (!strchr(without, letter))
				add_bytes(m, &letter, 1);
		}
		if (!side)
			add(m, MARK);
	}
}

static inline void add_name(struct made *m, struct choices *c)
{
	static const char *const before[] = {"",  "", "db-", "app_", "my", "spring.datasource.",
					     "x-"};
	static const char *const names[] = {
		"password", "passwd",	 "pass",       "pwd",	      "secret",
		"token",    "apikey",	 "api-key",    "api_key",     "auth",
		"dsn",	    "uri",	 "url",	       "credential",  "cookie",
		"session",  "salt",	 "license",    "private-key", "PASSWORD",
		"Token",    "accessKey", "passphrase", "signature",   "conn",
	};

	add(m, CHOOSE(c, before));
	add(m, CHOOSE(c, names));
}

static inline void add_url(struct made *m, struct choices *c)
{
	static const char *const schemes[] = {"postgres",    "postgresql",    "mysql",
					      "redis",	     "amqp",	      "https",
					      "mongodb+srv", "mysql+pymysql", "jdbc:mysql"};
	uint32_t form = choose(c, 8);

	if (form < 4 || form == 7) {
		add(m, CHOOSE(c, schemes));
		add(m, "://");
	}
	if (form == 3) {
		add(m, "h/d?a=b&");
		add_name(m, c);
		add(m, "=");
		add_password(m, c, " ");
		return;
	}
	add(m, form == 1 ? "" : form == 6 ? "scott/" : "user:");
	add_password(m, c, " ");
	add(m, form == 4 ? "@tcp(h:3306)/d" : form == 5 ? "@unix(/s)/d" : "@h:5432/d");
	if (form == 7)
		add(m, ",mysql://u:" MARK "@i/d");
}

/* One argument or several, with the mark in a place that says what it is. */
static inline void add_telling(struct made *m, struct choices *c)
{
	static const char *const letters[] = {"-p", "-W", "-a", "-P"};
	static const char *const dashes[] = {"--", "--", "-", ""};

	switch (choose(c, 12)) {
	case 0:
		add(m, "--");
		add_name(m, c);
		add(m, "=");
		add_password(m, c, "");
		break;
	case 1: /* its value is the next argument, whatever it begins with */
		add(m, "--");
		add_name(m, c);
		add_bytes(m, "", 1);
		add(m, choose(c, 4) ? "" : "-");
		add_password(m, c, "");
		break;
	case 2:
		add(m, CHOOSE(c, dashes));
		add_name(m, c);
		add(m, choose(c, 2) ? "=" : ":");
		add_password(m, c, "");
		break;
	case 3:
		add(m, CHOOSE(c, letters));
		if (choose(c, 2))
			add_bytes(m, "", 1);
		add_password(m, c, "");
		break;
	case 4:
		add(m, choose(c, 2) ? "" : "to=");
		add_url(m, c);
		break;
	case 5:
		add(m, "host=h user=u ");
		add_name(m, c);
		add(m, choose(c, 2) ? "='" : " = '");
		add_password(m, c, "'");
		add(m, "' dbname=d");
		break;
	case 6:
		add(m, "{\"user\":\"u\",\"");
		add_name(m, c);
		add(m, "\":\"");
		add_password(m, c, "\"");
		add(m, "\"}");
		break;
	case 7:
		add(m, "-H");
		add_bytes(m, "", 1);
		add(m, choose(c, 2) ? "Authorization: Bearer " : "X-Api-Key: ");
		add_password(m, c, "");
		break;
	case 8:
		add(m, "-u");
		add_bytes(m, "", 1);
		add(m, "admin:");
		add_password(m, c, " ");
		break;
	case 9:
		add(m, choose(c, 2) ? "-e" : "--command");
		add_bytes(m, "", 1);
		add(m, "ALTER ROLE a PASSWORD '");
		add_password(m, c, "'\\");
		add(m, "'");
		break;
	case 10:
		add(m, "Server=h;Uid=sa;");
		add_name(m, c);
		add(m, "=");
		add_password(m, c, "");
		add(m, ";Database=d");
		break;
	default: /* split where somebody forgot to quote it */
		add_name(m, c);
		add_bytes(m, "", 1);
		add(m, "=");
		add_bytes(m, "", 1);
		add_password(m, c, "-");
		break;
	}
	add_bytes(m, "", 1);
}

static inline void add_argument(struct made *m, const char *text)
{
	add(m, text);
	add_bytes(m, "", 1);
}

static inline void add_program(struct made *m, struct choices *c)
{
	static const char *const programs[] = {
		"mysql",
		"psql",
		"/usr/bin/mysqldump",
		"./app",
		"redis-cli",
		"curl",
		"python3 app.py",
		"python -u /srv/a.py",
		"java -jar a.jar",
		"java -Da=b com.acme.Main",
		"node server.js",
		"gunicorn app:app",
		"php artisan queue:work",
		"ruby bin/rails",
		"celery -A proj worker",
		"/opt/x/bin/server run",
	};
	const char *at = CHOOSE(c, programs);

	for (; *at; at++)
		add_bytes(m, *at == ' ' ? "" : at, 1);
	add_bytes(m, "", 1);
}

static inline void add_wrapper(struct made *m, struct choices *c)
{
	static const char *const wrappers[] = {
		"",	      "",      "", "sudo ", "sudo -u app ", "env A=b ", "timeout -k 5 30 ",
		"nice -n 5 ", "nohup "};

	for (const char *at = CHOOSE(c, wrappers); *at; at++)
		add_bytes(m, *at == ' ' ? "" : at, 1);
}

static inline void make_words(struct made *m, struct choices *c)
{
	static const char *const plain[] = {"--verbose", "-v", "--port=80", "--name", "x", "run"};

	add_wrapper(m, c);
	if (!choose(c, 8)) {
		add_argument(m, "env");
		add(m, "DB_PASSWORD=");
		add_password(m, c, "");
		add_bytes(m, "", 1);
	}
	add_program(m, c);
	for (uint32_t n = choose(c, 4); n; n--) {
		if (choose(c, 2))
			add_argument(m, CHOOSE(c, plain));
		else
			add_telling(m, c);
	}
	add_telling(m, c);
}

/* sh -c '...', each word quoted in one of the ways there are. */
static inline void make_shell(struct made *m, struct choices *c)
{
	struct made words = {.length = 0};

	make_words(&words, c);
	add_wrapper(m, c);
	add_argument(m, choose(c, 2) ? "sh" : "/bin/bash");
	add_argument(m, choose(c, 3) ? "-c" : "-lc");
	add(m, choose(c, 4) ? "" : "cd /srv && ");
	for (size_t at = 0; at < words.length;) {
		const char *word = words.text + at;

		add(m, "'");
		for (const char *p = word; *p; p++)
			if (*p == '\'')
				add(m, "'\\''");
			else
				add_bytes(m, p, 1);
		add(m, "' ");
		at += strlen(word) + 1;
	}
	add_bytes(m, "", 1);
}

static inline void make_command(struct made *m, struct choices *c)
{
	m->length = 0;
	if (choose(c, 4))
		make_words(m, c);
	else
		make_shell(m, c);
}

/* Values nobody can know for secrets: hidden as long as values are not asked for. */
static inline void make_unmarked_command(struct made *m, struct choices *c)
{
	m->length = 0;
	add_wrapper(m, c);
	add_program(m, c);
	for (uint32_t n = 1 + choose(c, 3); n; n--) {
		add(m, choose(c, 2) ? "--name" : "-n");
		add_bytes(m, choose(c, 2) ? "=" : "", 1);
		add_password(m, c, "-"); /* or it may be another option */
		add_bytes(m, "", 1);
		add(m, "=");
		add_password(m, c, "");
		add_bytes(m, "", 1);
	}
}

/*
 * SQL.
 */

struct dialect {
	enum ev_database database;
	bool backslash; /* an escape in '...' */
	bool gbk;	/* two bytes a character, the second may be a backslash */
};

static inline void add_character(struct made *m, struct choices *c, const struct dialect *d,
				 char quote)
{
	static const char *const some[] = {"a", "B", "7",  " ",	 "%",  "--", "/*", "*/",
					   "#", ";", "$$", "`",	 "[",  "]",  "?",  "=",
					   ",", "(", ")",  "\n", "\r", "@",  ":"};
	static const char *const utf8[] = {"\xc3\xa9", "\xe5\x90\x8d", "\xf0\x9f\x98\x80"};
	static const char *const gbk[] = {"\xb2\x5c", "\x95\x5c", "\x81\x60", "\xc4\xe3",
					  "\xff\x7e"};

	switch (choose(c, 6)) {
	case 0:
		add_bytes(m, &quote, 1);
		add_bytes(m, &quote, 1);
		break;
	case 1:
		add(m, d->backslash ? "\\" : "");
		add_bytes(m, d->backslash ? &quote : "\\", 1);
		break;
	case 2:
		add(m, d->backslash ? "\\\\" : "\\");
		break;
	case 3:
		add(m, d->gbk ? CHOOSE(c, gbk) : CHOOSE(c, utf8));
		break;
	case 4:
		add(m, quote == '\'' ? "\"" : "'");
		break;
	default:
		add(m, CHOOSE(c, some));
		break;
	}
}

static inline void add_quoted(struct made *m, struct choices *c, const struct dialect *d,
			      char quote)
{
	add_bytes(m, &quote, 1);
	for (uint32_t n = choose(c, 4); n; n--)
		add_character(m, c, d, quote);
	add(m, MARK);
	for (uint32_t n = choose(c, 4); n; n--)
		add_character(m, c, d, quote);
	add_bytes(m, &quote, 1);
}

static inline void add_number(struct made *m, struct choices *c, const struct dialect *d)
{
	static const char *const forms[] = {
		MARK_DIGITS,	  "0x" MARK_DIGITS,    MARK_DIGITS ".5e10", "." MARK_DIGITS,
		"1e" MARK_DIGITS, "-" MARK_DIGITS,     MARK_DIGITS "abc",   MARK_DIGITS "_000",
		"+" MARK_DIGITS,  "x'" MARK_DIGITS "'"};

	(void)d;
	add(m, CHOOSE(c, forms));
}

static inline void add_literal(struct made *m, struct choices *c, const struct dialect *d)
{
	struct dialect escaped = *d;
	uint32_t form = choose(c, 8);

	if (form == 0) {
		add_number(m, c, d);
	} else if (form == 1 && d->database == EV_DB_POSTGRESQL) {
		add(m, choose(c, 2) ? "$$a'" MARK "\"$$" : "$t$ $$ '" MARK " $t$");
	} else if (form == 2 && d->database == EV_DB_POSTGRESQL) {
		escaped.backslash = true;
		add(m, choose(c, 2) ? "E" : "e");
		add_quoted(m, c, &escaped, '\'');
	} else if (form <= 3 && d->database != EV_DB_POSTGRESQL) {
		add_quoted(m, c, d, '"'); /* MySQL; SQLite where no column is called so */
	} else if (form == 4 && d->database == EV_DB_MYSQL) {
		add(m, "_utf8mb4");
		add_quoted(m, c, d, '\'');
	} else {
		add_quoted(m, c, d, '\'');
	}
}

/* ~ is a literal. */
static inline const char *statement_template(struct choices *c, enum ev_database database)
{
	static const char *const any[] = {
		"SELECT * FROM t WHERE a = ~",
		"SELECT a, ~ FROM t WHERE b LIKE ~ OR c IN (~, ~) AND d BETWEEN ~ AND ~",
		"INSERT INTO t VALUES (~, ~), (~, ~)",
		"INSERT INTO t (a, b) VALUES (~,~) -- it's",
		"UPDATE t SET a=~, b = ~ WHERE c <> ~",
		"SELECT f(~, g(~)) /* it's */ , CASE WHEN a THEN ~ ELSE ~ END",
		"DELETE FROM t WHERE a>~ AND NOT b=~;SELECT ~",
		"SELECT ~ UNION SELECT ~ LIMIT 5",
	};
	static const char *const postgresql[] = {
		"ALTER ROLE a PASSWORD ~",
		"SELECT ~::text, a->>~ FROM \"t\" WHERE \"a\".\"b\" = ~",
		"SET app.token = ~",
		"PREPARE p AS SELECT ~",
		"EXECUTE p(~)",
		"SELECT dblink(~, ~)",
		"CREATE SUBSCRIPTION s CONNECTION ~ PUBLICATION p",
		"SET app.token TO " MARK,
		"ALTER ROLE a SET b.c = " MARK,
		"SET ROLE " MARK,
		"COPY t FROM STDIN;\n" MARK "\t1\n",
	};
	static const char *const mysql[] = {
		"CREATE USER a IDENTIFIED BY ~",	  "SET PASSWORD = ~",
		"SELECT `a` # it's\n, ~ FROM `b`",	  "CREATE USER a IDENTIFIED BY " MARK,
		"CREATE USER a IDENTIFIED BY `" MARK "`", "SET @a := ~, b = " MARK,
		"CHANGE MASTER TO MASTER_PASSWORD=~",	  "SELECT JSON_EXTRACT(a, ~), b->~",
		"LOAD DATA INFILE ~ INTO TABLE t",
	};
	static const char *const sqlite[] = {
		"PRAGMA key = ~",
		"PRAGMA key=" MARK,
		"PRAGMA rekey(~)",
		"PRAGMA key(" MARK ")",
		"ATTACH ~ AS b KEY ~",
		"ATTACH 'f' AS b KEY " MARK,
		"INSERT INTO \"t\" (\"a\") VALUES (~)",
		"SELECT [a], `b`, ~ FROM \"t\" WHERE \"t\".\"a\" = ~",
	};

	if (choose(c, 2))
		return CHOOSE(c, any);
	return database == EV_DB_POSTGRESQL ? CHOOSE(c, postgresql)
	       : database == EV_DB_MYSQL    ? CHOOSE(c, mysql)
					    : CHOOSE(c, sqlite);
}

/* Texts whose literals are secrets, also for who asked to see literals. */
static inline const char *secret_template(struct choices *c)
{
	static const char *const templates[] = {
		"ALTER ROLE a PASSWORD ~",
		"CREATE USER a IDENTIFIED BY ~",
		"SET PASSWORD = ~",
		"UPDATE u SET pin = ~",
		"UPDATE u SET otp=~, b = ~",
		"INSERT INTO auth VALUES (~, ~)",
		"SELECT * FROM t WHERE sid = ~",
		"SELECT AES_DECRYPT(a, ~)",
		"PRAGMA key = ~",
		"ATTACH ~ AS b KEY ~",
		"SELECT dblink(~)",
		"CREATE SUBSCRIPTION s CONNECTION ~",
		"SET a.b = ~",
		"INSERT INTO t (api_key) VALUES (~)",
		"SELECT f('mysql://u:" MARK "@h/d')",
		"SELECT f('u:" MARK "@tcp(h)/d')",
	};

	return CHOOSE(c, templates);
}

/* secret: of a text that speaks of one.  Returns the database whose text it is. */
static inline enum ev_database make_sql(struct made *m, struct choices *c, bool secret)
{
	static const enum ev_database databases[] = {EV_DB_POSTGRESQL, EV_DB_MYSQL, EV_DB_SQLITE};
	struct dialect d = {.database = CHOOSE(c, databases)};
	const char *template;

	d.backslash = d.database != EV_DB_SQLITE && choose(c, 2);
	d.gbk = d.database == EV_DB_MYSQL && choose(c, 2);
	template = secret ? secret_template(c) : statement_template(c, d.database);
	m->length = 0;
	for (const char *at = template; *at; at++)
		if (*at == '~')
			add_literal(m, c, &d);
		else
			add_bytes(m, at, 1);
	return d.database;
}

static inline bool has_mark(const char *text, size_t len)
{
	return memmem(text, len, MARK, strlen(MARK)) ||
	       memmem(text, len, MARK_DIGITS, strlen(MARK_DIGITS));
}

#endif
