/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sql.c - SQL text without its private parts, and a number for its shape.
 *
 * A token is found by the first recogniser in a table that claims it.  Quoting differs between
 * databases, and a session may change it (NO_BACKSLASH_ESCAPES, standard_conforming_strings), so a
 * text that may hold a secret is cut short as soon as two readings are possible.
 */
#include "sql.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define FINGERPRINT_LEN 4096
#define PAREN_DEPTH	32

struct scan {
	const char *sql;
	size_t len;
	enum ev_database db;
	bool keep;   /* literals as they are */
	bool secret; /* the text mentions a password or its like */
	bool space;  /* white space came before the next token */
	bool full;
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

static bool any_secret_at(const struct scan *c, size_t at)
{
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (lower(c->sql[at]) == secrets[i].text[0] && secret_at(c, at, &secrets[i]))
			return true;
	return false;
}

/* A letter's bit, in either case; other bytes share it, which costs time only. */
static uint32_t letter_bit(char c)
{
	return 1U << (c & 31);
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

/* The end of a quoted part that starts at `at`: after its closing quote, or the end of the text. */
static size_t quoted_end(const struct scan *c, size_t at, bool backslash, bool doubtful)
{
	char quote = c->sql[at++];

	while (at < c->len) {
		if (doubtful && c->sql[at] == '\\' && peek(c, at + 1) == quote)
			return c->len;
		if (backslash && c->sql[at] == '\\') {
			at += 2;
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

/*
 * Recognisers: each returns the end of its token, or `at` if the token is not its own.
 */

static size_t space_end(const struct scan *c, size_t at)
{
	while (at < c->len && is_space(c->sql[at]))
		at++;
	return at;
}

static size_t line_comment_end(const struct scan *c, size_t at)
{
	bool dashes = peek(c, at) == '-' && peek(c, at + 1) == '-';
	bool mysql = c->db == EV_DB_MYSQL;

	/* MySQL reads 5--3 as five minus minus three. */
	if (mysql && dashes)
		dashes = (unsigned char)peek(c, at + 2) <= ' ';
	if (!dashes && !(mysql && c->sql[at] == '#'))
		return at;
	while (at < c->len && c->sql[at] != '\n')
		at++;
	return at;
}

/* MySQL runs what is in such a comment, so a quote in it hides a closing mark. */
static bool is_executed_comment(const struct scan *c, size_t at)
{
	return c->db == EV_DB_MYSQL &&
	       (peek(c, at + 2) == '!' || (peek(c, at + 2) == 'M' && peek(c, at + 3) == '!'));
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
		} else if (now == '*' && next == '/') {
			at += 2;
			if (!--depth)
				return at;
		} else if (executed && (now == '\'' || now == '"')) {
			at = quoted_end(c, at, true, c->secret);
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

static size_t string_end(const struct scan *c, size_t at)
{
	size_t prefix = prefix_length(c, at);
	bool escapes = prefix && lower(c->sql[at]) == 'e';
	bool doubtful = !escapes && (c->secret || c->db == EV_DB_UNKNOWN);

	if (peek(c, at + prefix) != '\'')
		return at;
	return quoted_end(c, at + prefix, escapes || c->db == EV_DB_MYSQL, doubtful);
}

static bool out_ends_with(const struct scan *c, const char *folded)
{
	size_t len = strlen(folded);

	return c->length >= len && same_folded(c->out + c->length - len, folded, len);
}

/* "..." names something, except in MySQL, and except where it can only be a slip for '...'. */
static bool double_quotes_are_string(const struct scan *c)
{
	static const char *const before[] = {"=", "password", "identified by", "key", "key("};

	if (c->db == EV_DB_MYSQL || c->db == EV_DB_UNKNOWN)
		return true;
	for (size_t i = 0; c->secret && i < sizeof(before) / sizeof(before[0]); i++)
		if (out_ends_with(c, before[i]))
			return true;
	return false;
}

static size_t double_quoted_end(const struct scan *c, size_t at)
{
	bool mysql = c->db == EV_DB_MYSQL;

	if (c->sql[at] != '"' || !double_quotes_are_string(c))
		return at;
	return quoted_end(c, at, mysql, c->secret || c->db == EV_DB_UNKNOWN);
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
	/* MySQL names may begin with digits: 2024_orders. */
	if (c->db == EV_DB_MYSQL && is_word(peek(c, end)) && word_end(c, at) > end)
		return at;
	return word_end(c, end);
}

static size_t identifier_end(const struct scan *c, size_t at)
{
	const char *end;

	switch (c->sql[at]) {
	case '"':
		return quoted_end(c, at, false, false);
	case '`':
		return c->db == EV_DB_POSTGRESQL ? at : quoted_end(c, at, false, false);
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

static void put_literal(struct scan *c, const char *text, size_t len)
{
	if (c->keep) {
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

size_t sql_normalise(char *out, size_t out_size, const char *sql, size_t len, enum ev_database db,
		     unsigned flags)
{
	struct scan c = {.sql = sql, .len = len, .db = db, .out = out, .size = out_size};
	size_t end;

	if (!out_size)
		return 0;
	c.secret = mentions_secret(&c);
	c.keep = (flags & SQL_KEEP_LITERALS) && !c.secret;
	for (size_t at = 0; at < len && !c.full; at = end) {
		switch (token_next(&c, at, &end)) {
		case TOKEN_SPACE:
			c.space = true;
			break;
		case TOKEN_LITERAL:
			put_literal(&c, sql + at, end - at);
			break;
		case TOKEN_TEXT:
			put_text(&c, sql + at, end - at);
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
