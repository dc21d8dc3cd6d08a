/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sql_token.h - the tokens of SQL, for sql.c alone.
 *
 * A token is found by the first recogniser in a table that claims it.  Quoting differs between
 * databases, and a session may change it: NO_BACKSLASH_ESCAPES, standard_conforming_strings, a
 * character set whose characters end in a backslash.  So a literal goes on to the end of the text
 * as soon as two readings are possible.
 */
#ifndef DBLEAK_BASE_SQL_TOKEN_H
#define DBLEAK_BASE_SQL_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "bpf/event.h"

/* The kind of a statement, by its first word. */
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

/* A list in parentheses that holds only names, and how near the scan is to it. */
enum list { LIST_NONE, LIST_NAME, LIST_OPENS, LIST_INSIDE };

/* The words from here on that are values, and hidden. */
enum hide { HIDE_NOTHING, HIDE_NEXT, HIDE_WORD, HIDE_STATEMENT };

struct scan {
	const char *sql;
	size_t len;
	enum ev_database db;
	bool keep;   /* literals as they are */
	bool secret; /* the text mentions a password or its like */
	bool space;  /* white space came before the next token */
	bool full;
	bool literal;	  /* the token before was a literal */
	const char *last; /* the token before, comments not counted; NULL: a literal or none */
	size_t last_len;
	enum statement statement;
	enum list list;
	enum hide hide;
	char *out;
	size_t size, length;
};

enum token { TOKEN_SPACE, TOKEN_LITERAL, TOKEN_TEXT };

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static inline bool is_word(char c)
{
	return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' || c == '$' ||
	       (unsigned char)c >= 0x80;
}

static inline char peek(const struct scan *c, size_t at)
{
	return at < c->len ? c->sql[at] : '\0';
}

static inline bool same_folded(const char *text, const char *folded, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (lower(text[i]) != folded[i])
			return false;
	return true;
}

/* Returns the kind of the token at `at`.  *end: its end, which is after `at`. */
enum token token_next(const struct scan *c, size_t at, size_t *end);

/* Return the end of a placeholder ($1, ?1, :1), of a quoted name, of a word; `at` if none stands
 * there. */
size_t token_placeholder_end(const struct scan *c, size_t at);
size_t token_name_end(const struct scan *c, size_t at);
size_t token_word_end(const struct scan *c, size_t at);

/* Does the text hold a word such as password, or a user and a password before an @? Literals and
 * comments count, too. */
bool scan_mentions_secret(const struct scan *c);
bool scan_mentions_login(const struct scan *c);

/* scan_last_is: is the token before equal to this text?  scan_ends_with: does the output end with
 * it?  folded: the text, in lower case. */
bool scan_last_is(const struct scan *c, const char *folded);
bool scan_ends_with(const struct scan *c, const char *folded);

#endif
