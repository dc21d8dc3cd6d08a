/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * session.h - what the server of --dsn says of the connections that are watched.
 *
 * It is asked when the watch begins and when it ends.  Its sessions are joined with connections by
 * the addresses and ports of both ends, and over a Unix socket by the server's process.
 */
#ifndef DBLEAK_CAPTURE_SESSION_H
#define DBLEAK_CAPTURE_SESSION_H

#include "user/capture/watched/context.h"

/* Asks once the first look is done, and takes the answer when it comes. */
void sessions_begin(struct capture *c);
void sessions_step(struct capture *c);
/* Asks again, unless an answer is on its way. */
void sessions_ask(struct capture *c);
/* Waits for the answer, at most wait_ms. */
void sessions_finish(struct capture *c, int wait_ms);
/* Is an answer on its way? */
bool sessions_are_coming(const struct capture *c);

#endif
