/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * post.h - one document for a collector, with patience.  It is posted in a process that has nothing
 * else.
 */
#ifndef DBLEAK_SERVE_POST_H
#define DBLEAK_SERVE_POST_H

#include "user/serve/listen.h"

#define EXPORT_MOST (8UL << 20) /* bytes of one document */

/* The place of a collector: an address in numbers, or localhost. */
struct export_target {
	struct listen_address address;
	char host[80], path[256];
};

enum export_url { EXPORT_URL_GOOD, EXPORT_URL_HTTPS, EXPORT_URL_BAD };

/* Reads http://ADDRESS:PORT[/PATH]; without a path: /v1/logs. */
enum export_url export_target_parse(struct export_target *t, const char *url);

/* Posts what the memory file holds, again after 0.5, 1 and 2 seconds if the collector is not there
 * or has no time.  Gives up early once the wire is closed.  Returns the status of HTTP, or -errno.
 */
int post_document(const struct export_target *t, int fd, int wire);

#endif
