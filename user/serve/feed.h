/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * feed.h - pages as the process that serves gets them from the one that watches, kept for a while
 * so that readers cannot make cost.
 */
#ifndef DBLEAK_SERVE_FEED_H
#define DBLEAK_SERVE_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/serve/feed_wire.h"

#define FEED_MS	  3000	       /* an answer that takes longer is not waited for */
#define FEED_MOST (64UL << 20) /* bytes of a page */

/* One page. */
struct feed_page {
	char *bytes; /* the taker's to free */
	size_t length;
	int error; /* -errno: the page says why it is not available */
};

/* Zeroed but for the wire is new. */
struct feed {
	int wire;
	bool owed;	    /* an answer that nobody waits for any more is still to come */
	uint64_t owed_left; /* bytes of it, once its head is there */
};

/* Asks for a page and waits for it.  0, or -ETIMEDOUT: later perhaps; -EPIPE: never again;
 * -EBUSY: an answer is still owed; -ENOMEM; -E2BIG. */
int feed_ask(struct feed *f, uint32_t page, struct feed_page *out);

#endif
