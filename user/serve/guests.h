/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * guests.h - the open connections of readers: none stays longer than GUEST_MS, and where there are
 * too many the oldest goes.
 *
 * A reader that sends a byte now and then (slowloris) is never idle, so time since the connection
 * began is what counts.
 */
#ifndef DBLEAK_SERVE_GUESTS_H
#define DBLEAK_SERVE_GUESTS_H

#include <stddef.h>
#include <stdint.h>

#define GUEST_MS    10000
#define GUESTS_MOST 96

struct guest {
	struct guest *next, *before; /* the next newer one, and the next older */
	uint64_t since_ms;
	int fd; /* negative: it is cut off, and about to be closed */
};

/* Zeroed is empty; a list, the oldest first. */
struct guests {
	struct guest *oldest, *newest;
	size_t count;
};

/* Adds a connection, the oldest one being cut off if there are too many.  NULL without memory. */
struct guest *guests_add(struct guests *g, int fd, uint64_t now_ms);
/* Forgets a connection that is closed.  Accepts NULL. */
void guests_remove(struct guests *g, struct guest *guest);
/* Cuts off those that are there for too long.  Returns the milliseconds until the next one is due;
 * negative: there is none. */
int guests_expire(struct guests *g, uint64_t now_ms);

#endif
