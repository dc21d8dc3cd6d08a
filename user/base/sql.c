/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sql.c - SQL text without its private parts, and a number for its shape.
 *
 * sql_token.c finds the literals.  Words without quotes are values too if the statement sets
 * something: SET, PRAGMA, IDENTIFIED BY.
 */
#include "user/base/sql.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "user/base/sql_token.h"

#define FINGERPRINT_LEN 4096
#define PAREN_DEPTH	32

static void sql_put(struct scan *c, char byte)
{
	if (c->length + 1 >= c->size)
		c->full = true;
	if (!c->full)
		c->out[c->length++] = byte;
}

static void sql_put_text(struct scan *c, const char *text, size_t len)
{
	if (c->space && c->length)
		sql_put(c, ' ');
	c->space = false;
	for (size_t i = 0; i < len && !c->full; i++)
		sql_put(c, text[i] ? text[i] : ' ');
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

/* Is the literal cut off?  Its missing end might have shown that it is a secret: user:password
 * without the @. */
static bool is_cut(const struct scan *c, const char *text, size_t len)
{
	return text + len == c->sql + c->len && !is_digit(text[0]) && text[0] != '.' &&
	       !strchr("'\"$", text[len - 1]);
}

static void put_literal(struct scan *c, const char *text, size_t len)
{
	if (c->keep && !is_cut(c, text, len)) {
		sql_put_text(c, text, len);
		return;
	}
	if (is_digit(text[0]) || text[0] == '.')
		drop_sign(c);
	sql_put_text(c, "?", 1);
}

/* Drops the part of a character that a full buffer has split. */
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

/* Is this a word for tables or the like?  Their columns may be called password, too, but types
 * follow and not secrets. */
static bool is_of_tables(const char *word, size_t len)
{
	return IS_ONE_OF(word, len, "table", "view", "index", "function", "procedure", "trigger",
			 "type", "domain", "materialized", "temporary", "temp", "unique");
}

static bool is_password_word(const char *word, size_t len)
{
	struct scan c = {.sql = word, .len = len};

	return is_word(*word) && scan_mentions_secret(&c) &&
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

/* Decides which of the words behind this one are values. */
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

/* Follows the way to a list of names, as in INSERT INTO t (. */
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
	return c->list == LIST_OPENS && (*word == '.' || scan_last_is(c, ".")) ? LIST_OPENS
									       : LIST_NONE;
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

/* Writes one placeholder for all hidden words in a row. */
static void put_placeholder(struct scan *c)
{
	if (!scan_ends_with(c, "?") && !scan_ends_with(c, "(?)"))
		sql_put_text(c, "?", 1);
	c->space = false;
}

/* May this word stand between PASSWORD and a password? */
static bool comes_before_value(const char *word, size_t len)
{
	return IS_ONE_OF(word, len, "=", "(", ":", ">", "password", "for", "with", "by", "as",
			 "using", "to");
}

/* Is a word a value because of the words before it?  A value may be several tokens without a space
 * between them. */
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
	/* 'it\'s: the rest of a literal, if the session reads backslashes another way */
	bool glued = c->literal && !c->space && is_word(*text);

	c->literal = false;
	if (glued || (!before && is_hidden(c, text))) {
		c->literal = glued;
		put_placeholder(c);
		if (*text == ')' && scan_ends_with(c, "(?")) /* PRAGMA name(value) */
			sql_put(c, ')');
		c->last = NULL;
		return;
	}
	sql_put_text(c, text, len);
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
	c.secret = scan_mentions_secret(&c) || scan_mentions_login(&c);
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
 * The shape of a text is the text without letter case, spacing and the length of lists.  Lists
 * shrink while they are written: "?,?" becomes "?", and a group in parentheses that equals the
 * group before it is dropped.
 */
struct sql_shape {
	char text[FINGERPRINT_LEN];
	size_t length;
	size_t open[PAREN_DEPTH]; /* where each open parenthesis stands */
	size_t depth;
};

static void shape_put(struct sql_shape *s, char byte)
{
	if (s->length < sizeof(s->text))
		s->text[s->length++] = byte;
}

static void shape_placeholder(struct sql_shape *s)
{
	if (s->length >= 2 && !memcmp(s->text + s->length - 2, "?,", 2))
		s->length--;
	else
		shape_put(s, '?');
}

/* Is this word a value?  A NULL in some rows must not make a new shape. */
static bool is_word_value(const char *word, size_t len)
{
	static const char *const values[] = {"null", "true", "false", "default"};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (len == strlen(values[i]) && same_folded(word, values[i], len))
			return true;
	return len > 1 && word[0] == '$' && is_digit(word[1]);
}

static void shape_word(struct sql_shape *s, const char *word, size_t len)
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

/* Returns the start of the group that ends just before the comma before `open`; `open` if there is
 * none. */
static size_t group_before(const struct sql_shape *s, size_t open)
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
static bool shape_drop_repeated(struct sql_shape *s, size_t open, bool whole)
{
	size_t before = group_before(s, open), len = s->length - open;

	if (before == open || len > open - 1 - before || (whole && len != open - 1 - before) ||
	    memcmp(s->text + before, s->text + open, len))
		return false;
	s->length = open - 1;
	return true;
}

static void shape_punctuation(struct sql_shape *s, char byte)
{
	if (byte == '(' && s->depth < PAREN_DEPTH)
		s->open[s->depth++] = s->length;
	shape_put(s, byte);
	if (byte == ')' && s->depth)
		shape_drop_repeated(s, s->open[--s->depth], true);
}

/* Gives a text that was cut in the middle of a list the shape of the whole list. */
static void shape_finish(struct sql_shape *s)
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
	struct sql_shape s = {.length = 0};

	c.len = sql_normalise(text, sizeof(text), sql, len, db, 0);
	for (size_t at = 0, end; at < c.len; at = end) {
		end = token_placeholder_end(&c, at);
		if (end > at) {
			shape_placeholder(&s);
		} else if ((end = token_name_end(&c, at)) > at) {
			for (size_t i = at; i < end; i++)
				shape_put(&s, text[i]);
		} else if ((end = token_word_end(&c, at)) > at) {
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

/* Skips this word, in upper or lower case, and the white space behind it.  SIZE_MAX: another word
 * stands there. */
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
