/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * connection.h - the connections told of, and what changes about them.
 */
#ifndef DBLEAK_CAPTURE_CONNECTION_H
#define DBLEAK_CAPTURE_CONNECTION_H

#include "user/capture/watched/context.h"

/* Records of the kernel half: a connection's state, its first bytes, its id alone (listed, but
 * unchanged), and for a connection whose opener ended, one who holds it still. */
void connection_reported(struct capture *c, const struct ev_head *record);
void connection_identity(struct capture *c, const struct ev_head *record);
/* The connection is still there, and nothing is new.  False: no record has told of it. */
bool connection_alive(struct capture *c, uint64_t id);
/* A server says in which state its end of a connection is, and since when (0: not known).  The
 * connection's own bytes overrule it. */
void connection_says_server(struct capture *c, struct tracked *k, enum ev_status status,
			    uint64_t since_ns);
void connection_held(void *context, const struct ev_head *record);
/* Is there one that sweeps list no longer? */
bool connections_overdue(const struct capture *c);
/* Tells the end of those.  The caller has drained the ring: a close in it says more. */
void connections_tell_gone(struct capture *c);

#endif
