/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * shell.c - see shell.h.
 */
#include "user/base/shell.h"

#include <ctype.h>
#include <string.h>

struct split {
	const char *at, *end;
	char *words;
	size_t size, length;
	bool in_word;
};

static bool split_put(struct split *s, char byte)
{
	if (s->length == s->size || !byte || byte == SHELL_OPERATOR)
		return false;
	s->words[s->length++] = byte;
	s->in_word = true;
	return true;
}

static bool split_word_end(struct split *s)
{
	if (!s->in_word)
		return true;
	s->in_word = false;
	if (s->length == s->size)
		return false;
	s->words[s->length++] = '\0';
	return true;
}

static bool split_operator(struct split *s)
{
	if (!split_word_end(s) || s->length + 2 > s->size)
		return false;
	s->words[s->length++] = SHELL_OPERATOR;
	s->words[s->length++] = '\0';
	return true;
}

/* Is this a variable's value: $NAME, $1, $@? Forms with brackets have a language of their own and
 * are refused. */
static bool is_variable_use(const struct split *s)
{
	return *s->at == '$' && s->at + 1 < s->end &&
	       (isalnum((unsigned char)s->at[1]) || strchr("_@*", s->at[1]));
}

static bool split_quoted(struct split *s)
{
	char quote = *s->at++;

	s->in_word = true;
	for (; s->at < s->end && *s->at != quote; s->at++) {
		if (quote == '"' && strchr("$`", *s->at) && !is_variable_use(s))
			return false;
		if (quote == '"' && *s->at == '\\' && ++s->at == s->end)
			return false;
		if (!split_put(s, *s->at))
			return false;
	}
	return s->at++ < s->end;
}

/* >&2 and &>file are no operators. */
static bool is_redirection(const struct split *s)
{
	return *s->at == '&' && ((s->length && s->in_word && s->words[s->length - 1] == '>') ||
				 (s->at + 1 < s->end && s->at[1] == '>'));
}

/* Takes one byte or one quoted part.  False: the text goes on with syntax that is refused. */
static bool split_step(struct split *s)
{
	char c = *s->at;

	if (c == '\'' || c == '"')
		return split_quoted(s);
	if ((strchr("`$(){}", c) && !is_variable_use(s)) || (c == '#' && !s->in_word))
		return false;
	if (c == '<' && s->at + 1 < s->end && s->at[1] == '<')
		return false;
	if (c == '\\') {
		s->at += 2;
		return s->at <= s->end && split_put(s, s->at[-1]);
	}
	if (strchr(";&|\n", c) && !is_redirection(s)) {
		s->at++;
		return split_operator(s);
	}
	s->at++;
	return c == ' ' || c == '\t' ? split_word_end(s) : split_put(s, c);
}

size_t shell_words(char *words, size_t size, const char *text, size_t len, bool *whole)
{
	struct split s = {.at = text, .end = text + len, .words = words, .size = size};

	*whole = true;
	while (*whole && s.at < s.end)
		*whole = split_step(&s);
	*whole = *whole && split_word_end(&s);
	while (s.length && s.words[s.length - 1]) /* a word that is not whole */
		s.length--;
	return s.length;
}
