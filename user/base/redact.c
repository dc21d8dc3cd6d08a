/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * redact.c - see redact.h.
 */
#include "redact.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *const telling[] = {"password", "passwd", "pwd",	"passphrase", "secret",
				      "token",	  "apikey", "api-key", "api_key",    "credential"};

static void hide(char *from, const char *to)
{
	while (from < to)
		*from++ = '*';
}

static bool tells(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++) {
		size_t n = strlen(telling[i]);

		for (size_t at = 0; at + n <= length; at++)
			if (!strncasecmp(name + at, telling[i], n))
				return true;
	}
	return false;
}

/* scheme://user:password@host, wherever it stands in the argument; the last @ ends it. */
static void hide_url(char *word, char *end)
{
	char *at = word, *colon, *host = NULL;

	while (at + 3 < end && strncmp(at, "://", 3))
		at++;
	if (at + 3 >= end)
		return;
	at += 3;
	for (char *p = at; p < end; p++)
		if (*p == '@')
			host = p;
	colon = host ? memchr(at, ':', host - at) : NULL;
	if (colon)
		hide(colon + 1, host);
}

/* name=value and name:value, also several in one argument ("host=x password=y" comes as words,
 * "user=x;password=y" and "?user=x&password=y" do not). */
static void hide_values(char *word, char *end)
{
	char *name = word;

	for (char *p = word; p < end; p++) {
		if (*p == ';' || *p == '&' || *p == '?' || *p == ',') {
			name = p + 1;
		} else if (*p == '=' && tells(name, p - name)) {
			char *stop = p + 1;

			while (stop < end && *stop != ';' && *stop != '&')
				stop++;
			hide(p + 1, stop);
			p = stop - 1;
		}
	}
}

static bool is_mysql_client(const char *cmdline, size_t length)
{
	const char *name = cmdline;

	for (size_t i = 0; i < length; i++)
		if (cmdline[i] == '/')
			name = cmdline + i + 1;
	length -= name - cmdline;
	return (length >= 5 && !strncmp(name, "mysql", 5)) ||
	       (length >= 7 && !strncmp(name, "mariadb", 7));
}

void redact(char *cmdline)
{
	bool mysql = is_mysql_client(cmdline, strcspn(cmdline, " "));
	bool next_is_secret = false;

	for (char *word = cmdline; *word;) {
		char *end = word + strcspn(word, " ");
		size_t length = end - word;

		if (next_is_secret && length && word[0] != '-')
			hide(word, end);
		next_is_secret = false;
		if (mysql && length > 2 && word[0] == '-' && word[1] == 'p')
			hide(word + 2, end);
		else
			next_is_secret = word[0] == '-' && !memchr(word, '=', length) &&
					 tells(word, length);
		hide_url(word, end);
		hide_values(word, end);
		word = end + strspn(end, " ");
	}
}
