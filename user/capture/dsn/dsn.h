/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * dsn.h - the value of --dsn: which server to ask, and as whom.
 *
 * The value is a URL, or names a file or a variable that holds one.  A URL on a command line shows
 * in ps; so a password there is overwritten at once, and one in a file never shows.
 */
#ifndef DBLEAK_CAPTURE_DSN_H
#define DBLEAK_CAPTURE_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

#define DSN_LEN 1024

/* A server of MySQL or MariaDB; libpq reads its URLs itself. */
struct dsn_parts {
	char user[EV_NAME_LEN], password[256];
	char host[256], database[EV_NAME_LEN];
	char path[EV_PATH_LEN]; /* of a Unix socket; "" TCP */
	uint16_t port;		/* 0: the default */
};

/* Reads value: a URL, file:PATH or @PATH (its first line), env:NAME.  *why is set on failure, in
 * words without the value.  0 or -errno. */
int dsn_read(const char *value, char url[DSN_LEN], const char **why);
/* Overwrites what follows the scheme of a URL, in place. */
void dsn_hide(char *value);
/* The database that the scheme of a URL names; EV_DB_UNKNOWN: it is no such URL. */
enum ev_database dsn_database(const char *url);
/* Splits a URL such as mysql://app:secret@db.example:3306/shop?socket=/run/mysqld.sock; escapes
 * (%40) are resolved.  False: it is none, or a part is too long. */
bool dsn_split(const char *url, struct dsn_parts *parts);

#endif
