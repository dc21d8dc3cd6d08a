/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sql_token.c - see sql_token.h.
 */
#include "user/base/sql_token.h"

#include <stdint.h>
#include <string.h>

/* Words that make every literal of a text a secret, in lower case.  word: the letters are common
 * inside other words, so only the whole word counts. */
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

static bool secret_at(const struct scan *c, size_t at, const struct secret *secret)
{
	size_t len = strlen(secret->text);

	if (len > c->len - at || !same_folded(c->sql + at, secret->text, len))
		return false;
	return !secret->word || ((!at || !is_word(c->sql[at - 1])) && !is_word(peek(c, at + len)));
}

/* Is this the KEY of columns (ON DUPLICATE KEY, PRIMARY KEY) and not of a cipher? */
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

/* Finds a user and a password before an @: scheme://user:password@host, user:password@tcp(host). */
bool scan_mentions_login(const struct scan *c)
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

/* Searches everywhere: literals (a connection string), comments, lists of columns.  The first two
 * letters rule out most places, since this runs over every text. */
bool scan_mentions_secret(const struct scan *c)
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
	ESCAPES_PERHAPS,   /* a setting of the session decides */
};

/* Is the meaning of a backslash in doubt?  It may be half a character (GBK, Big5, SJIS), or take
 * away the quote's meaning. */
static bool is_doubtful(const struct scan *c, size_t at, enum escapes escapes, char quote)
{
	char next = peek(c, at + 1);
	bool half = (unsigned char)c->sql[at - 1] >= 0x80;

	return (next == quote && (half || escapes == ESCAPES_PERHAPS)) || (next == '\\' && half);
}

/* Returns the end of a quoted part that starts at `at`: after its closing quote, or the end of the
 * text. */
static size_t quoted_end(const struct scan *c, size_t at, enum escapes escapes)
{
	char quote = c->sql[at++];

	while (at < c->len) {
		if (escapes && c->sql[at] == '\\') {
			if (is_doubtful(c, at, escapes, quote))
				return c->len;
			/* Two backslashes: skip both.  Read as one escaped or as two plain, they
			 * end at the same place. */
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

bool scan_last_is(const struct scan *c, const char *folded)
{
	return c->last && c->last_len == strlen(folded) &&
	       same_folded(c->last, folded, c->last_len);
}

static bool last_is_one_of(const struct scan *c, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (scan_last_is(c, words[i]))
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

/* Returns the end of a line comment, which in PostgreSQL may also be a carriage return. */
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

/* Is this a comment whose content MySQL runs, unless it is for a later version?  A quote in it may
 * hide a closing mark. */
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
size_t token_placeholder_end(const struct scan *c, size_t at)
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

/* Returns the length of the prefix of a string: E'', N'', B'', X'', U&''. */
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

/* Decides the meaning of a backslash inside quotes that are no E''. */
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

bool scan_ends_with(const struct scan *c, const char *folded)
{
	size_t len = strlen(folded);

	return c->length >= len && same_folded(c->out + c->length - len, folded, len);
}

/* SQLite takes "x" for a string where no column has that name.  A name stands beside a dot, in a
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
	       (c->list == LIST_INSIDE && (scan_last_is(c, "(") || scan_last_is(c, ",")));
}

/* Do double quotes hold a string?  They hold a name, except in MySQL, and except where they can
 * only be a slip for '...'. */
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
		if (scan_ends_with(c, before[i]))
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

size_t token_word_end(const struct scan *c, size_t at)
{
	while (is_word(peek(c, at)))
		at++;
	return at;
}

/* Most tokens are plain words, so this recogniser comes early.  A letter before a string belongs to
 * the string. */
static size_t plain_word_end(const struct scan *c, size_t at)
{
	char first = c->sql[at];

	if (is_digit(first) || first == '$' || prefix_length(c, at))
		return at;
	return token_word_end(c, at);
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
		return token_word_end(c, at);
	end = digits_end(c, at);
	if (peek(c, end) == '.' && peek(c, end + 1) != '.')
		end = digits_end(c, end + 1);
	end = exponent_end(c, end);
	/* MySQL names may begin with digits: FROM 2024_orders. */
	if (c->db == EV_DB_MYSQL && token_word_end(c, end) > end && wants_table(c))
		return at;
	return token_word_end(c, end);
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

/* Are quotes in this part?  Another database would read them as literals. */
static bool has_quotes(const struct scan *c, size_t at, size_t end)
{
	for (size_t i = at; i < end; i++)
		if (strchr("'\"", c->sql[i]) && c->sql[i])
			return true;
	return false;
}

/* Brackets or backticks enclose a name in one database and are plain text in another.  If the
 * database is not known and they hold a quote, everything from here on counts as a literal. */
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

/* A quoted name may lack its end, or its backtick may be half a character in another character set
 * than UTF-8.  Everything from here on then counts as a literal. */
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

size_t token_name_end(const struct scan *c, size_t at)
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

static const struct {
	size_t (*end)(const struct scan *c, size_t at);
	enum token token;
} recognisers[] = {
	{space_end, TOKEN_SPACE},
	{plain_word_end, TOKEN_TEXT},
	{line_comment_end, TOKEN_SPACE},
	{block_comment_end, TOKEN_SPACE},
	{token_placeholder_end, TOKEN_TEXT},
	{string_end, TOKEN_LITERAL},
	{double_quoted_end, TOKEN_LITERAL},
	{dollar_end, TOKEN_LITERAL},
	{foreign_name_end, TOKEN_LITERAL},
	{broken_name_end, TOKEN_LITERAL},
	{token_name_end, TOKEN_TEXT},
	{number_end, TOKEN_LITERAL},
	{token_word_end, TOKEN_TEXT},
};

enum token token_next(const struct scan *c, size_t at, size_t *end)
{
	for (size_t i = 0; i < sizeof(recognisers) / sizeof(recognisers[0]); i++) {
		*end = recognisers[i].end(c, at);
		if (*end > at)
			return recognisers[i].token;
	}
	*end = at + 1;
	return TOKEN_TEXT;
}
