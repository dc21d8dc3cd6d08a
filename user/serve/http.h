/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * http.h - the pages over HTTP: GET and HEAD, one request a connection, bounds on all that a reader
 * may take.  Runs in a process that has nothing else.
 */
#ifndef DBLEAK_SERVE_HTTP_H
#define DBLEAK_SERVE_HTTP_H

#include "user/serve/listen.h"
#include "user/serve/page.h"
#include "user/serve/token.h"

struct http_setup {
	const struct listen_address *address;
	const struct page_table *table;
	const struct access_token *token;
	int listening, wire;
	unsigned int fresh_ms; /* a page is told again for so long, before a new one is asked for */
	int (*confine)(void);  /* gives up all rights but to accept; 0 or -errno */
};

/* Serves until the wire is closed.  0, or -errno if it could not begin. */
int http_serve(const struct http_setup *setup);

#endif
