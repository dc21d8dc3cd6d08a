/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sql.c - SQL text without its private parts, and a number for its shape.
 *
 * A token is found by the first recogniser in a table that claims it.  Quoting differs between
 * databases, and a session may change it (NO_BACKSLASH_ESCAPES, standard_conforming_strings, a
 * character set whose characters end in a backslash), so a text is cut short as soon as two
 * readings are possible: what one of them has inside a literal is never shown.  Words without
 * quotes are values too where a statement sets something: SET, PRAGMA, IDENTIFIED BY.
 */
#include "sql.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define FINGERPRINT_LEN 4096
#define PAREN_DEPTH	32

/* What a statement does, by its first word. */
enum statement {
	STATEMENT_NEW,
	STATEMENT_OTHER,
	STATEMENT_SET,
	STATEMENT_DEFINE, /* users, servers: CREATE, ALTER, GRANT */
	STATEMENT_PRAGMA,
	STATEMENT_ATTACH,
	STATEMENT_COPY,
	STATEMENT_COPY_DATA, /* its rows follow it */
};

/* A list in parentheses that has nothing but names, and how near we are to it. */
enum list { LIST_NONE, LIST_NAME, LIST_OPENS, LIST_INSIDE };

/* Words that are values. */
enum hide { HIDE_NOTHING, HIDE_NEXT, HIDE_WORD, HIDE_STATEMENT };

struct scan {
	const char *sql;
	size_t len;
	enum ev_database db;
	bool keep;   /* literals as they are */
	bool secret; /* the text mentions a password or its like */
	bool space;  /* white space came before the next token */
	bool full;
	bool literal;	  /* the token before was one */
	const char *last; /* the token before, comments not counted; NULL: a literal or none */
	size_t last_len;
	enum statement statement;
	enum list list;
	enum hide hide;
	char *out;
	size_t size, length;
};

/* Words that make every literal of a text a secret, in lower case.  Whole words where the letters
 * are common inside others. */
static const struct secret {
	const char *text;
	bool word;
} secrets[] = {
	{"passw", false},
	{"passphrase", false},
	{"pwd", false},
	{"identified", false},
	{"secret", false},
	{"credential", false},
	{"token", false},
	{"api_key", false},
	{"apikey", false},
	{"private_key", false},
	{"crypt", false},
	{"auth_string", false},
	{"authentication", false},
	{"rekey", false},
	{"hexkey", false},
	{"digest", false},
	{"pass", true},
	{"pw", true},
	{"md5", true},
	{"sha", true},
	{"sha1", true},
	{"sha2", true},
	{"sha256", true},
	{"sha512", true},
	{"pragma", true},
	{"salt", false},
	{"bearer", false},
	{"cookie", false},
	{"dblink", false},
	{"hmac", false},
	{"license", false},
	{"private key", false},
	{"subscription", false},
	{"federated", false},
	{"access_key", false},
	{"accesskey", false},
	{"auth", true},
	{"cvv", true},
	{"dsn", true},
	{"encode", true},
	{"key", true},
	{"otp", true},
	{"pat", true},
	{"pin", true},
	{"psk", true},
	{"sas", true},
	{"sid", true},
	{"sig", true},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static bool is_word(char c)
{
	return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' || c == '$' ||
	       (unsigned char)c >= 0x80;
}

static char peek(const struct scan *c, size_t at)
{
	return at < c->len ? c->sql[at] : '\0';
}

static bool same_folded(const char *text, const char *folded, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (lower(text[i]) != folded[i])
			return false;
	return true;
}

static bool secret_at(const struct scan *c, size_t at, const struct secret *secret)
{
	size_t len = strlen(secret->text);

	if (len > c->len - at || !same_folded(c->sql + at, secret->text, len))
		return false;
	return !secret->word || ((!at || !is_word(c->sql[at - 1])) && !is_word(peek(c, at + len)));
}

/* ON DUPLICATE KEY, PRIMARY KEY: of columns, not of ciphers. */
static bool is_key_of_table(const struct scan *c, size_t at)
{
	static const char *const before[] = {"duplicate", "primary", "foreign", "unique", "no"};
	size_t end = at;

	while (end && is_space(c->sql[end - 1]))
		end--;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		size_t n = strlen(before[i]);

		if (end < at && end >= n && same_folded(c->sql + end - n, before[i], n))
			return true;
	}
	return false;
}

static bool any_secret_at(const struct scan *c, size_t at)
{
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (lower(c->sql[at]) == secrets[i].text[0] && secret_at(c, at, &secrets[i]))
			return strcmp(secrets[i].text, "key") || !is_key_of_table(c, at);
	return false;
}

/* A letter's bit, in either case; other bytes share it, which costs time only. */
static uint32_t letter_bit(char c)
{
	return 1U << (c & 31);
}

/* Who and with what, before an @: scheme://user:password@host, user:password@tcp(host). */
static bool mentions_login(const struct scan *c)
{
	bool login = false;

	for (size_t at = 0; at < c->len; at++) {
		if (c->sql[at] == '@' && login)
			return true;
		if (is_space(c->sql[at]) || strchr("'\"`(", c->sql[at]))
			login = false;
		login |= c->sql[at] == ':' || c->sql[at] == '/';
	}
	return false;
}

/* Anywhere at all: in a literal (a connection string), a comment, a column list.  Most places are
 * ruled out by their first two letters, as this runs over every text. */
static bool mentions_secret(const struct scan *c)
{
	uint32_t second[32] = {0};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		second[secrets[i].text[0] & 31] |= letter_bit(secrets[i].text[1]);
	for (size_t at = 0; at + 1 < c->len; at++)
		if (second[c->sql[at] & 31] & letter_bit(c->sql[at + 1]) && any_secret_at(c, at))
			return true;
	return false;
}

enum escapes {
	ESCAPES_NONE,
	ESCAPES_BACKSLASH, /* for certain */
	ESCAPES_PERHAPS,   /* a setting of the session says */
};

/* A backslash that may be half a character (GBK, Big5, SJIS), or may take away the quote's meaning.
 */
static bool is_doubtful(const struct scan *c, size_t at, enum escapes escapes, char quote)
{
	char next = peek(c, at + 1);
	bool half = (unsigned char)c->sql[at - 1] >= 0x80;

	return (next == quote && (half || escapes == ESCAPES_PERHAPS)) || (next == '\\' && half);
}

/* The end of a quoted part that starts at `at`: after its closing quote, or the end of the text. */
static size_t quoted_end(const struct scan *c, size_t at, enum escapes escapes)
{
	char quote = c->sql[at++];

	while (at < c->len) {
		if (escapes && c->sql[at] == '\\') {
			if (is_doubtful(c, at, escapes, quote))
				return c->len;
			/* Twice: itself, or one after the other. */
			at += escapes == ESCAPES_BACKSLASH || peek(c, at + 1) == '\\' ? 2 : 1;
		} else if (c->sql[at] != quote) {
			at++;
		} else if (peek(c, at + 1) == quote) {
			at += 2;
		} else {
			return at + 1;
		}
	}
	return c->len;
}

static bool last_is(const struct scan *c, const char *folded)
{
	return c->last && c->last_len == strlen(folded) &&
	       same_folded(c->last, folded, c->last_len);
}

static bool last_is_one_of(const struct scan *c, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (last_is(c, words[i]))
			return true;
	return false;
}

/*
 * Recognisers: each returns the end of its token, or `at` if the token is not its own.
 */

static size_t space_end(const struct scan *c, size_t at)
{
	while (at < c->len && is_space(c->sql[at]))
		at++;
	return at;
}

/* PostgreSQL ends it at a carriage return too. */
static size_t line_end(const struct scan *c, size_t at)
{
	while (at < c->len && c->sql[at] != '\n') {
		if (c->sql[at] == '\r' && c->db == EV_DB_POSTGRESQL)
			return at;
		if (c->sql[at] == '\r' && c->db == EV_DB_UNKNOWN && peek(c, at + 1) != '\n')
			return c->len;
		at++;
	}
	return at;
}

static size_t line_comment_end(const struct scan *c, size_t at)
{
	bool dashes = peek(c, at) == '-' && peek(c, at + 1) == '-';
	bool blank = (unsigned char)peek(c, at + 2) <= ' ';
	bool mysql = c->db == EV_DB_MYSQL, unknown = c->db == EV_DB_UNKNOWN;

	/* MySQL reads 5--3 as five minus minus three, and # as others read --. */
	if (unknown && ((dashes && !blank) || c->sql[at] == '#'))
		return c->len;
	if (mysql && dashes)
		dashes = blank;
	return dashes || (mysql && c->sql[at] == '#') ? line_end(c, at) : at;
}

/* MySQL runs what is in such a comment, unless it is of a later version: a quote in it may hide a
 * closing mark. */
static bool is_executed_comment(const struct scan *c, size_t at)
{
	char mark = peek(c, at + 2);

	return (c->db == EV_DB_MYSQL || c->db == EV_DB_UNKNOWN) &&
	       (mark == '!' || mark == '+' || (mark == 'M' && peek(c, at + 3) == '!'));
}

static size_t block_comment_end(const struct scan *c, size_t at)
{
	bool executed = is_executed_comment(c, at);
	unsigned depth = 0;

	if (peek(c, at) != '/' || peek(c, at + 1) != '*')
		return at;
	while (at < c->len) {
		char now = c->sql[at], next = peek(c, at + 1);

		if (now == '/' && next == '*' && (!depth || c->db == EV_DB_POSTGRESQL)) {
			depth++;
			at += 2;
		} else if (now == '/' && next == '*' && c->db == EV_DB_UNKNOWN) {
			return c->len;
		} else if (now == '*' && next == '/') {
			at += 2;
			if (!--depth)
				return at;
		} else if (executed && (now == '\'' || now == '"')) {
			size_t end = quoted_end(c, at, ESCAPES_PERHAPS);

			if (memmem(c->sql + at, end - at, "*/", 2))
				return c->len;
			at = end;
		} else {
			at++;
		}
	}
	return c->len;
}

/* $1, ?1, :1 */
static size_t placeholder_end(const struct scan *c, size_t at)
{
	char mark = c->sql[at];
	size_t end = at + 1;

	if (mark != '?' && (mark != '$' || c->db == EV_DB_MYSQL) &&
	    (mark != ':' || c->db != EV_DB_SQLITE))
		return at;
	while (is_digit(peek(c, end)))
		end++;
	return mark == '?' || end > at + 1 ? end : at;
}

/* The length of what may stand before a string: E'', N'', B'', X'', U&''. */
static size_t prefix_length(const struct scan *c, size_t at)
{
	char first = lower(c->sql[at]);

	if (first && strchr("nbx", first) && peek(c, at + 1) == '\'')
		return 1;
	if (c->db == EV_DB_MYSQL || c->db == EV_DB_SQLITE)
		return 0;
	if (first == 'e' && peek(c, at + 1) == '\'')
		return 1;
	return first == 'u' && peek(c, at + 1) == '&' && peek(c, at + 2) == '\'' ? 2 : 0;
}

/* What a backslash means inside quotes that are no E''. */
static enum escapes escapes_of(const struct scan *c)
{
	return c->db == EV_DB_SQLITE ? ESCAPES_NONE : ESCAPES_PERHAPS;
}

static size_t string_end(const struct scan *c, size_t at)
{
	size_t prefix = prefix_length(c, at);
	bool escapes = prefix && lower(c->sql[at]) == 'e' && c->db == EV_DB_POSTGRESQL;

	if (peek(c, at + prefix) != '\'')
		return at;
	return quoted_end(c, at + prefix, escapes ? ESCAPES_BACKSLASH : escapes_of(c));
}

static bool out_ends_with(const struct scan *c, const char *folded)
{
	size_t len = strlen(folded);

	return c->length >= len && same_folded(c->out + c->length - len, folded, len);
}

/* SQLite takes "x" for a string wherever no column is called so.  A name stands beside a dot, in a
 * list of columns, or after a word that wants one. */
static bool is_name_in_sqlite(const struct scan *c, size_t at)
{
	static const char *const before[] = {
		".",	   "from",    "join",	"into",	     "update",	"table",     "index",
		"view",	   "trigger", "exists", "as",	     "set",	"column",    "references",
		"on",	   "by",      "to",	"add",	     "drop",	"rename",    "constraint",
		"collate", "reindex", "with",	"savepoint", "release", "recursive",
	};
	size_t end = space_end(c, quoted_end(c, at, ESCAPES_NONE));

	return peek(c, end) == '.' || last_is_one_of(c, before, sizeof(before) / sizeof(*before)) ||
	       (c->list == LIST_INSIDE && (last_is(c, "(") || last_is(c, ",")));
}

/* "..." names something, except in MySQL, and except where it can only be a slip for '...'. */
static bool double_quotes_are_string(const struct scan *c, size_t at)
{
	static const char *const before[] = {"=", "password", "identified by", "key", "key("};

	if (c->db == EV_DB_SQLITE)
		return !is_name_in_sqlite(c, at);
	if (c->db == EV_DB_MYSQL || c->db == EV_DB_UNKNOWN)
		return true;
	if (!c->secret || peek(c, space_end(c, quoted_end(c, at, ESCAPES_NONE))) == '.')
		return false;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		if (out_ends_with(c, before[i]))
			return true;
	return false;
}

static size_t double_quoted_end(const struct scan *c, size_t at)
{
	if (c->sql[at] != '"' || !double_quotes_are_string(c, at))
		return at;
	return quoted_end(c, at, c->db == EV_DB_POSTGRESQL ? ESCAPES_NONE : escapes_of(c));
}

/* $tag$ ... $tag$ */
static size_t dollar_end(const struct scan *c, size_t at)
{
	size_t end = at + 1, tag;

	if (c->sql[at] != '$' || (c->db != EV_DB_POSTGRESQL && c->db != EV_DB_UNKNOWN))
		return at;
	while (peek(c, end) != '$' && is_word(peek(c, end)))
		end++;
	if (peek(c, end) != '$')
		return at;
	tag = ++end - at;
	while (end < c->len && c->len - end >= tag) {
		if (!memcmp(c->sql + end, c->sql + at, tag))
			return end + tag;
		end++;
	}
	return c->len;
}

static size_t digits_end(const struct scan *c, size_t at)
{
	bool underscores = c->db != EV_DB_MYSQL;

	while (is_digit(peek(c, at)) ||
	       (underscores && peek(c, at) == '_' && is_digit(peek(c, at + 1))))
		at++;
	return at;
}

static size_t exponent_end(const struct scan *c, size_t at)
{
	size_t end = at + 1;

	if (lower(peek(c, at)) != 'e')
		return at;
	if (peek(c, end) == '+' || peek(c, end) == '-')
		end++;
	return is_digit(peek(c, end)) ? digits_end(c, end) : at;
}

static size_t word_end(const struct scan *c, size_t at)
{
	while (is_word(peek(c, at)))
		at++;
	return at;
}

/* What most tokens are, so it is asked early; the letter before a string is not its own. */
static size_t plain_word_end(const struct scan *c, size_t at)
{
	char first = c->sql[at];

	if (is_digit(first) || first == '$' || prefix_length(c, at))
		return at;
	return word_end(c, at);
}

static bool wants_table(const struct scan *c)
{
	static const char *const before[] = {"from", "join", "into", "update", "table", "exists"};

	return last_is_one_of(c, before, sizeof(before) / sizeof(before[0]));
}

static size_t number_end(const struct scan *c, size_t at)
{
	size_t end;

	if (!is_digit(c->sql[at]) && !(c->sql[at] == '.' && is_digit(peek(c, at + 1))))
		return at;
	if (c->sql[at] == '0' && strchr("xbo", lower(peek(c, at + 1))) && peek(c, at + 1))
		return word_end(c, at);
	end = digits_end(c, at);
	if (peek(c, end) == '.' && peek(c, end + 1) != '.')
		end = digits_end(c, end + 1);
	end = exponent_end(c, end);
	/* MySQL names may begin with digits: FROM 2024_orders. */
	if (c->db == EV_DB_MYSQL && word_end(c, end) > end && wants_table(c))
		return at;
	return word_end(c, end);
}

static bool is_utf8(const char *text, size_t len)
{
	for (size_t i = 0, more = 0; i < len || more; i++) {
		unsigned char byte = i < len ? (unsigned char)text[i] : 0;

		if (more && (byte & 0xc0) != 0x80)
			return false;
		if (more)
			more--;
		else if (byte >= 0x80)
			more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc2 ? 1 : 4;
		if (more == 4)
			return false;
	}
	return true;
}

/* Quotes in it are other databases' literals. */
static bool has_quotes(const struct scan *c, size_t at, size_t end)
{
	for (size_t i = at; i < end; i++)
		if (strchr("'\"", c->sql[i]) && c->sql[i])
			return true;
	return false;
}

/* What one database has between brackets or backticks, another reads as it stands. */
static size_t foreign_name_end(const struct scan *c, size_t at)
{
	const char *close;

	if (c->db != EV_DB_UNKNOWN || (c->sql[at] != '`' && c->sql[at] != '['))
		return at;
	close = c->sql[at] == '`' ? c->sql + quoted_end(c, at, ESCAPES_NONE)
				  : memchr(c->sql + at, ']', c->len - at);
	if (close && !has_quotes(c, at, (size_t)(close - c->sql)))
		return at;
	return c->len;
}

/* A name whose end was cut off, or nobody closed, or that ends with a backtick which is half a
 * character in other character sets than UTF-8: what it is cannot be told. */
static size_t broken_name_end(const struct scan *c, size_t at)
{
	size_t end, quotes = 0;

	if (c->sql[at] != '"' && (c->sql[at] != '`' || c->db == EV_DB_POSTGRESQL))
		return at;
	end = quoted_end(c, at, ESCAPES_NONE);
	for (size_t i = at; i < end; i++)
		quotes += c->sql[i] == c->sql[at];
	if (c->sql[at] == '`' && c->db != EV_DB_SQLITE && !is_utf8(c->sql + at, end - at))
		return c->len;
	return quotes % 2 ? c->len : at;
}

static size_t identifier_end(const struct scan *c, size_t at)
{
	const char *end;

	switch (c->sql[at]) {
	case '"':
		return quoted_end(c, at, ESCAPES_NONE);
	case '`':
		return c->db == EV_DB_POSTGRESQL ? at : quoted_end(c, at, ESCAPES_NONE);
	case '[':
		end = c->db == EV_DB_SQLITE ? memchr(c->sql + at, ']', c->len - at) : NULL;
		return end ? (size_t)(end - c->sql) + 1 : at;
	default:
		return at;
	}
}

enum token { TOKEN_SPACE, TOKEN_LITERAL, TOKEN_TEXT };

static const struct {
	size_t (*end)(const struct scan *c, size_t at);
	enum token token;
} recognisers[] = {
	{space_end, TOKEN_SPACE},
	{plain_word_end, TOKEN_TEXT},
	{line_comment_end, TOKEN_SPACE},
	{block_comment_end, TOKEN_SPACE},
	{placeholder_end, TOKEN_TEXT},
	{string_end, TOKEN_LITERAL},
	{double_quoted_end, TOKEN_LITERAL},
	{dollar_end, TOKEN_LITERAL},
	{foreign_name_end, TOKEN_LITERAL},
	{broken_name_end, TOKEN_LITERAL},
	{identifier_end, TOKEN_TEXT},
	{number_end, TOKEN_LITERAL},
	{word_end, TOKEN_TEXT},
};

static enum token token_next(const struct scan *c, size_t at, size_t *end)
{
	for (size_t i = 0; i < sizeof(recognisers) / sizeof(recognisers[0]); i++) {
		*end = recognisers[i].end(c, at);
		if (*end > at)
			return recognisers[i].token;
	}
	*end = at + 1;
	return TOKEN_TEXT;
}

static void put(struct scan *c, char byte)
{
	if (c->length + 1 >= c->size)
		c->full = true;
	if (!c->full)
		c->out[c->length++] = byte;
}

static void put_text(struct scan *c, const char *text, size_t len)
{
	if (c->space && c->length)
		put(c, ' ');
	c->space = false;
	for (size_t i = 0; i < len && !c->full; i++)
		put(c, text[i] ? text[i] : ' ');
}

/* A sign belongs to the number after it where no left operand can be: x = -1, (-1, +2). */
static void drop_sign(struct scan *c)
{
	size_t before = c->length;

	if (c->space || !before || (c->out[before - 1] != '-' && c->out[before - 1] != '+'))
		return;
	before--;
	while (before && c->out[before - 1] == ' ')
		before--;
	if (before && strchr("=<>(,", c->out[before - 1]))
		c->length--;
}

/* Its end, which may have told that it is a secret, is not there: user:password without the @. */
static bool is_cut(const struct scan *c, const char *text, size_t len)
{
	return text + len == c->sql + c->len && !is_digit(text[0]) && text[0] != '.' &&
	       !strchr("'\"$", text[len - 1]);
}

static void put_literal(struct scan *c, const char *text, size_t len)
{
	if (c->keep && !is_cut(c, text, len)) {
		put_text(c, text, len);
		return;
	}
	if (is_digit(text[0]) || text[0] == '.')
		drop_sign(c);
	put_text(c, "?", 1);
}

/* A full buffer may have split a character; half of one helps nobody. */
static void trim_broken_end(struct scan *c)
{
	size_t at = c->length;

	while (at && ((unsigned char)c->out[at - 1] & 0xc0) == 0x80)
		at--;
	if (at && (unsigned char)c->out[at - 1] >= 0xc0)
		c->length = at - 1;
}

static bool is_one_of(const char *word, size_t len, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (len == strlen(words[i]) && same_folded(word, words[i], len))
			return true;
	return false;
}

#define IS_ONE_OF(word, len, ...)                                \
	is_one_of(word, len, (const char *const[]){__VA_ARGS__}, \
		  sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static enum statement statement_of(const char *word, size_t len)
{
	if (IS_ONE_OF(word, len, "set"))
		return STATEMENT_SET;
	if (IS_ONE_OF(word, len, "create", "alter", "grant", "change", "start"))
		return STATEMENT_DEFINE;
	if (IS_ONE_OF(word, len, "pragma"))
		return STATEMENT_PRAGMA;
	if (IS_ONE_OF(word, len, "attach"))
		return STATEMENT_ATTACH;
	return IS_ONE_OF(word, len, "copy") ? STATEMENT_COPY : STATEMENT_OTHER;
}

/* Columns have names of that kind too, and types behind them. */
static bool is_of_tables(const char *word, size_t len)
{
	return IS_ONE_OF(word, len, "table", "view", "index", "function", "procedure", "trigger",
			 "type", "domain", "materialized", "temporary", "temp", "unique");
}

static bool is_password_word(const char *word, size_t len)
{
	struct scan c = {.sql = word, .len = len};

	return is_word(*word) && mentions_secret(&c) &&
	       !IS_ONE_OF(word, len, "identified", "subscription", "federated", "dblink", "key");
}

static enum hide hide_after_define(const struct scan *c, const char *word, size_t len)
{
	if (is_password_word(word, len))
		return HIDE_NEXT;
	if (IS_ONE_OF(word, len, "by", "as", "using") && c->secret)
		return HIDE_NEXT;
	return HIDE_NOTHING;
}

/* What of the words behind this one is a value. */
static enum hide hide_after(const struct scan *c, const char *word, size_t len)
{
	bool assigns = IS_ONE_OF(word, len, "=", "to");

	switch (c->statement) {
	case STATEMENT_SET:
		if (assigns)
			return HIDE_STATEMENT;
		return IS_ONE_OF(word, len, "role", "authorization")
			       ? HIDE_NEXT
			       : hide_after_define(c, word, len);
	case STATEMENT_PRAGMA:
		return IS_ONE_OF(word, len, "=", "(") ? HIDE_STATEMENT : HIDE_NOTHING;
	case STATEMENT_ATTACH:
		return IS_ONE_OF(word, len, "key") ? HIDE_NEXT : HIDE_NOTHING;
	case STATEMENT_DEFINE:
		return hide_after_define(c, word, len);
	default:
		return HIDE_NOTHING;
	}
}

/* INSERT INTO t ( and the like: names follow. */
static enum list list_after(const struct scan *c, const char *word, size_t len)
{
	if (*word == '(')
		return c->list == LIST_OPENS ? LIST_INSIDE : LIST_NONE;
	if (c->list == LIST_INSIDE)
		return *word == ')' ? LIST_NONE : LIST_INSIDE;
	if (IS_ONE_OF(word, len, "into", "table", "references"))
		return LIST_NAME;
	if (IS_ONE_OF(word, len, "conflict", "using"))
		return LIST_OPENS;
	if (c->list == LIST_NAME)
		return IS_ONE_OF(word, len, "if", "not", "exists") ? LIST_NAME : LIST_OPENS;
	return c->list == LIST_OPENS && (*word == '.' || last_is(c, ".")) ? LIST_OPENS : LIST_NONE;
}

static void note(struct scan *c, const char *word, size_t len)
{
	bool new = c->statement == STATEMENT_NEW;

	if (new)
		c->statement = statement_of(word, len);
	else if (c->statement == STATEMENT_DEFINE && is_of_tables(word, len))
		c->statement = STATEMENT_OTHER;
	else if (c->statement == STATEMENT_DEFINE && IS_ONE_OF(word, len, "set"))
		c->statement = STATEMENT_SET; /* ALTER ROLE a SET b TO c */
	else if (c->statement == STATEMENT_COPY && IS_ONE_OF(word, len, "stdin"))
		c->statement = STATEMENT_COPY_DATA;
	c->list = list_after(c, word, len);
	c->hide = hide_after(c, word, len);
	c->last = word;
	c->last_len = len;
	if (*word == ';') {
		c->hide = c->statement == STATEMENT_COPY_DATA ? HIDE_STATEMENT : HIDE_NOTHING;
		c->statement = c->hide ? STATEMENT_COPY_DATA : STATEMENT_NEW;
	}
}

/* One for all that is hidden in a row. */
static void put_placeholder(struct scan *c)
{
	if (!out_ends_with(c, "?") && !out_ends_with(c, "(?)"))
		put_text(c, "?", 1);
	c->space = false;
}

/* What may stand between PASSWORD and a password. */
static bool comes_before_value(const char *word, size_t len)
{
	return IS_ONE_OF(word, len, "=", "(", ":", ">", "password", "for", "with", "by", "as",
			 "using", "to");
}

/* Whether a word is a value because of what stands before it; it may be several tokens, which no
 * space parts. */
static bool is_hidden(struct scan *c, const char *word)
{
	bool ends = strchr(",);", *word) && *word;

	switch (c->hide) {
	case HIDE_NEXT:
		c->hide = ends ? HIDE_NOTHING : HIDE_WORD;
		return !ends;
	case HIDE_WORD:
		if (ends || c->space)
			c->hide = HIDE_NOTHING;
		return c->hide;
	case HIDE_STATEMENT:
		return *word != ';' || c->statement == STATEMENT_COPY_DATA;
	default:
		return false;
	}
}

static void take_literal(struct scan *c, const char *text, size_t len)
{
	if (c->hide == HIDE_WORD && c->space)
		c->hide = HIDE_NOTHING;
	if (c->hide >= HIDE_WORD)
		put_placeholder(c);
	else
		put_literal(c, text, len);
	if (c->hide == HIDE_NEXT)
		c->hide = HIDE_WORD;
	c->last = NULL;
	c->literal = true;
}

static void take_text(struct scan *c, const char *text, size_t len)
{
	bool before = c->hide == HIDE_NEXT && comes_before_value(text, len);
	/* 'it\'s: the rest of a literal, in a reading that is not ours */
	bool glued = c->literal && !c->space && is_word(*text);

	c->literal = false;
	if (glued || (!before && is_hidden(c, text))) {
		c->literal = glued;
		put_placeholder(c);
		if (*text == ')' && out_ends_with(c, "(?")) /* PRAGMA name(value) */
			put(c, ')');
		c->last = NULL;
		return;
	}
	put_text(c, text, len);
	note(c, text, len);
	if (before && c->hide < HIDE_STATEMENT)
		c->hide = HIDE_NEXT;
}

size_t sql_normalise(char *out, size_t out_size, const char *sql, size_t len, enum ev_database db,
		     unsigned flags)
{
	struct scan c = {.sql = sql, .len = len, .db = db, .out = out, .size = out_size};
	size_t end;

	if (!out_size)
		return 0;
	c.secret = mentions_secret(&c) || mentions_login(&c);
	c.keep = (flags & SQL_KEEP_LITERALS) && !c.secret;
	for (size_t at = 0; at < len && !c.full; at = end) {
		switch (token_next(&c, at, &end)) {
		case TOKEN_SPACE:
			c.space = true;
			break;
		case TOKEN_LITERAL:
			take_literal(&c, sql + at, end - at);
			break;
		case TOKEN_TEXT:
			take_text(&c, sql + at, end - at);
			break;
		}
	}
	if (c.full)
		trim_broken_end(&c);
	out[c.length] = '\0';
	return c.length;
}

/*
 * The shape of a text: what is left when case, spacing and the length of lists are taken out.
 * Lists shrink while they are written: "?,?" becomes "?", and a group in parentheses that equals
 * the group before it is dropped.
 */
struct shape {
	char text[FINGERPRINT_LEN];
	size_t length;
	size_t open[PAREN_DEPTH]; /* where each open parenthesis stands */
	size_t depth;
};

static void shape_put(struct shape *s, char byte)
{
	if (s->length < sizeof(s->text))
		s->text[s->length++] = byte;
}

static void shape_placeholder(struct shape *s)
{
	if (s->length >= 2 && !memcmp(s->text + s->length - 2, "?,", 2))
		s->length--;
	else
		shape_put(s, '?');
}

/* A value that is a word: which rows have NULLs must not make a new shape. */
static bool is_word_value(const char *word, size_t len)
{
	static const char *const values[] = {"null", "true", "false", "default"};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (len == strlen(values[i]) && same_folded(word, values[i], len))
			return true;
	return len > 1 && word[0] == '$' && is_digit(word[1]);
}

static void shape_word(struct shape *s, const char *word, size_t len)
{
	if (is_word_value(word, len)) {
		shape_placeholder(s);
		return;
	}
	if (s->length && (is_word(s->text[s->length - 1]) || s->text[s->length - 1] == '?'))
		shape_put(s, ' ');
	for (size_t i = 0; i < len; i++)
		shape_put(s, lower(word[i]));
}

/* The start of the group that ends just before the comma before `open`; `open` if there is none. */
static size_t group_before(const struct shape *s, size_t open)
{
	size_t at = open, depth = 0;

	if (open < 2 || s->text[open - 1] != ',' || s->text[open - 2] != ')')
		return open;
	for (at = open - 1; at-- > 0;) {
		if (s->text[at] == ')')
			depth++;
		else if (s->text[at] == '(' && !--depth)
			return at;
	}
	return open;
}

/* Drops the group from `open` to the end if it repeats the one before it, as far as it goes. */
static bool shape_drop_repeated(struct shape *s, size_t open, bool whole)
{
	size_t before = group_before(s, open), len = s->length - open;

	if (before == open || len > open - 1 - before || (whole && len != open - 1 - before) ||
	    memcmp(s->text + before, s->text + open, len))
		return false;
	s->length = open - 1;
	return true;
}

static void shape_punctuation(struct shape *s, char byte)
{
	if (byte == '(' && s->depth < PAREN_DEPTH)
		s->open[s->depth++] = s->length;
	shape_put(s, byte);
	if (byte == ')' && s->depth)
		shape_drop_repeated(s, s->open[--s->depth], true);
}

/* Text cut in the middle of a list has the shape of the list. */
static void shape_finish(struct shape *s)
{
	while (s->length && strchr(",;", s->text[s->length - 1]))
		s->length--;
	for (size_t i = 0; i < s->depth; i++)
		if (s->open[i] < s->length && shape_drop_repeated(s, s->open[i], false))
			return;
}

static uint64_t hash(const char *text, size_t len)
{
	uint64_t value = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		value = (value ^ (unsigned char)text[i]) * 0x100000001b3ULL;
	return value;
}

uint64_t sql_fingerprint(const char *sql, size_t len, enum ev_database db)
{
	char text[FINGERPRINT_LEN];
	struct scan c = {.sql = text, .db = db};
	struct shape s = {.length = 0};

	c.len = sql_normalise(text, sizeof(text), sql, len, db, 0);
	for (size_t at = 0, end; at < c.len; at = end) {
		end = placeholder_end(&c, at);
		if (end > at) {
			shape_placeholder(&s);
		} else if ((end = identifier_end(&c, at)) > at) {
			for (size_t i = at; i < end; i++)
				shape_put(&s, text[i]);
		} else if ((end = word_end(&c, at)) > at) {
			shape_word(&s, text + at, end - at);
		} else {
			end = at + 1;
			if (text[at] != ' ')
				shape_punctuation(&s, text[at]);
		}
	}
	shape_finish(&s);
	return hash(s.text, s.length);
}

static size_t skip_spaces(const char *sql, size_t len, size_t at)
{
	while (at < len && isspace((unsigned char)sql[at]))
		at++;
	return at;
}

/* Skips a word in any case, and the white space behind it; SIZE_MAX: another stands there. */
static size_t skip_word(const char *sql, size_t len, size_t at, const char *word)
{
	size_t n = strlen(word);

	if (at == SIZE_MAX || len - at <= n || strncasecmp(sql + at, word, n) ||
	    !isspace((unsigned char)sql[at + n]))
		return SIZE_MAX;
	return skip_spaces(sql, len, at + n);
}

const char *sql_prepared(const char *sql, size_t len, size_t *length)
{
	size_t at = skip_word(sql, len, skip_spaces(sql, len, 0), "prepare"), end;

	while (at < len && !isspace((unsigned char)sql[at])) /* its name */
		at++;
	if (at >= len)
		return NULL;
	at = skip_word(sql, len, skip_spaces(sql, len, at), "from");
	if (at >= len || (sql[at] != '\'' && sql[at] != '"'))
		return NULL;
	for (end = at + 1; end < len && sql[end] != sql[at]; end++)
		if (sql[end] == '\\')
			end++;
	*length = (end < len ? end : len) - at - 1;
	return sql + at + 1;
}
