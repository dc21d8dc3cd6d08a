/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * server_limit.h - how many connections and statements a server allows, if nobody configured it.
 *
 * The limit that hurts first is most often the database's, and only the database knows it.  Its
 * default is the best guess, so sentences say that it is one.
 */
#ifndef DBLEAK_REPORT_SERVER_LIMIT_H
#define DBLEAK_REPORT_SERVER_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/judge/view.h"
#include "user/report/page.h"

/* Connections, or statements, that leak and fill a server. */
struct server_fill {
	const struct finding_view *first; /* borrowed; NULL: none leak */
	uint64_t open;			  /* of those that leak */
	uint64_t most;			  /* that the server allows by default */
	double per_minute;
	double seconds; /* until the default is full; NAN: more leak already, so it was raised */
};

/* The server whose default is full first, of those that these processes fill, with all findings
 * that go there. */
struct server_fill server_fill_of(const struct process_view *const *guilty, size_t count);
/* The finding alone.  first is NULL where it fills no server. */
struct server_fill server_fill_by(const struct process_view *p, const struct finding_view *f);
/* Seconds until the default of the server that the process fills is full; NAN: none is known. */
double server_seconds(const struct process_view *p);

/* "PostgreSQL's default limit of 100 is full in 72 s" */
void words_server_full(struct words *w, const struct server_fill *s);
/* The statement by which the server tells its limit. */
const char *server_asks(const struct server_fill *s);

#endif
