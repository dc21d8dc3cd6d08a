/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * dsn.c - see dsn.h.
 */
#include "user/capture/dsn/dsn.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/file.h"

static const struct {
	const char *scheme;
	enum ev_database database;
} schemes[] = {
	{"postgresql://", EV_DB_POSTGRESQL},
	{"postgres://", EV_DB_POSTGRESQL},
	{"mysql://", EV_DB_MYSQL},
	{"mariadb://", EV_DB_MYSQL},
};

/* Behind the scheme; NULL: it is no such URL. */
static const char *after_scheme(const char *url, enum ev_database *database)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t length = strlen(schemes[i].scheme);

		if (strncmp(url, schemes[i].scheme, length) != 0)
			continue;
		*database = schemes[i].database;
		return url + length;
	}
	return NULL;
}

enum ev_database dsn_database(const char *url)
{
	enum ev_database database = EV_DB_UNKNOWN;

	after_scheme(url, &database);
	return database;
}

void dsn_hide(char *value)
{
	enum ev_database database;
	const char *rest = after_scheme(value, &database);

	if (rest)
		memset(value + (rest - value), '*', strlen(rest));
}

static int read_file(const char *path, char url[DSN_LEN], const char **why)
{
	ssize_t n = file_read(AT_FDCWD, path, url, DSN_LEN);

	*why = "the file cannot be read";
	if (n < 0)
		return (int)n;
	url[strcspn(url, "\r\n")] = '\0';
	return 0;
}

int dsn_read(const char *value, char url[DSN_LEN], const char **why)
{
	const char *text = value;
	int err;

	if (!strncmp(value, "file:", 5) || *value == '@') {
		err = read_file(value + (*value == '@' ? 1 : 5), url, why);
		if (err)
			return err;
		text = url;
	} else if (!strncmp(value, "env:", 4)) {
		text = getenv(value + 4);
		*why = "there is no such variable";
		if (!text)
			return -ENOENT;
	}
	*why = "no URL such as postgresql://USER@HOST/NAME or mysql://USER@HOST";
	if (dsn_database(text) == EV_DB_UNKNOWN)
		return -EINVAL;
	*why = "the URL is too long";
	if (strlen(text) >= DSN_LEN)
		return -E2BIG;
	if (text != url)
		memcpy(url, text, strlen(text) + 1);
	return 0;
}

static int digit_of(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

/* Copies a part of a URL and resolves its escapes.  False: it is too long, or broken. */
static bool copy_part(char *to, size_t size, const char *from, size_t length)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		char c = from[i];

		if (c == '%') {
			if (length - i < 3 || digit_of(from[i + 1]) < 0 ||
			    digit_of(from[i + 2]) < 0)
				return false;
			/* NOLINTNEXTLINE: both are digits */
			c = (char)(digit_of(from[i + 1]) << 4 | digit_of(from[i + 2]));
			i += 2;
		}
		if (n + 1 >= size || !c)
			return false;
		to[n++] = c;
	}
	to[n] = '\0';
	return true;
}

static bool read_login(const char *text, size_t length, struct dsn_parts *p)
{
	const char *colon = memchr(text, ':', length);
	size_t user = colon ? (size_t)(colon - text) : length;

	return copy_part(p->user, sizeof(p->user), text, user) &&
	       (!colon ||
		copy_part(p->password, sizeof(p->password), colon + 1, length - user - 1));
}

static bool read_port(const char *text, size_t length, struct dsn_parts *p)
{
	unsigned long port = 0;

	for (size_t i = 0; i < length; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		port = 10 * port + (unsigned long)(text[i] - '0');
		if (port > UINT16_MAX)
			return false;
	}
	p->port = (uint16_t)port;
	return true;
}

/* HOST, HOST:PORT or [IPV6]:PORT. */
static bool read_host(const char *text, size_t length, struct dsn_parts *p)
{
	bool six = length && *text == '[';
	const char *close = six ? memchr(text, ']', length) : NULL;
	const char *end = close ? close + 1 : memchr(text, ':', length);
	size_t host = end ? (size_t)(end - text) : length;

	if ((six && !close) || (close && host < length && text[host] != ':'))
		return false;
	if (host < length && !read_port(text + host + 1, length - host - 1, p))
		return false;
	return six ? copy_part(p->host, sizeof(p->host), text + 1, host - 2)
		   : copy_part(p->host, sizeof(p->host), text, host);
}

/* socket=PATH or unix_socket=PATH; other options are passed over. */
static bool read_options(const char *text, struct dsn_parts *p)
{
	while (*text) {
		size_t length = strcspn(text, "&");
		const char *value = memchr(text, '=', length);
		size_t name = value ? (size_t)(value - text) : length;

		if (value && ((name == 6 && !strncmp(text, "socket", 6)) ||
			      (name == 11 && !strncmp(text, "unix_socket", 11))))
			if (!copy_part(p->path, sizeof(p->path), value + 1, length - name - 1))
				return false;
		text += length + (text[length] == '&');
	}
	return true;
}

bool dsn_split(const char *url, struct dsn_parts *parts)
{
	enum ev_database database = EV_DB_UNKNOWN;
	const char *at = after_scheme(url, &database), *login = NULL;
	size_t authority;

	memset(parts, 0, sizeof(*parts));
	if (!at)
		return false;
	authority = strcspn(at, "/?");
	for (size_t i = 0; i < authority; i++) /* a password may hold a bare @ */
		if (at[i] == '@')
			login = at + i;
	if (login && !read_login(at, (size_t)(login - at), parts))
		return false;
	if (login) {
		authority -= (size_t)(login + 1 - at);
		at = login + 1;
	}
	if (!read_host(at, authority, parts))
		return false;
	at += authority;
	if (*at == '/') {
		size_t length = strcspn(at + 1, "?");

		if (!copy_part(parts->database, sizeof(parts->database), at + 1, length))
			return false;
		at += 1 + length;
	}
	return *at != '?' || read_options(at + 1, parts);
}
