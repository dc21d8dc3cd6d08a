/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * publisher.h - a process that serves pages over HTTP, and the thread of ours that writes them.
 *
 * Whoever reaches the parser of HTTP reaches a process without rights, files and memory of others:
 * it gets finished pages, and can ask for nothing else.
 */
#ifndef DBLEAK_SERVE_PUBLISHER_H
#define DBLEAK_SERVE_PUBLISHER_H

#include <sys/types.h>

#include "user/serve/http.h"

struct publisher;

/* Takes over a listening socket and starts the process, before any thread is there and while we
 * have our rights.  setup's wire is not read; its texts are copied by the fork.  0 or -errno. */
int publisher_open(struct publisher **out, const struct http_setup *setup);
/* Starts the thread that writes pages when they are asked for; before the rights end.  begin is
 * called in it first of all (NULL: nothing).  0 or -errno. */
int publisher_begin(struct publisher *s, void (*begin)(void), void *context);
/* Is the process there? */
bool publisher_is_alive(const struct publisher *s);
pid_t publisher_pid(const struct publisher *s);
/* Ends thread and process.  Accepts NULL. */
void publisher_close(struct publisher *s);

#endif
