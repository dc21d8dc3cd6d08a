/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * peer.h - what a server on this host says of a connection that opened before we came.
 *
 * PostgreSQL writes user, database and state of each session into its process's title
 * (update_process_title, on by default).  That is the only account of a transaction begun before
 * the probes; other servers and other hosts keep it to themselves.
 */
#ifndef DBLEAK_CAPTURE_PEER_H
#define DBLEAK_CAPTURE_PEER_H

#include <stdbool.h>

#include "bpf/settings.h"
#include "user/base/table.h"
#include "user/capture/host/procfs.h"

struct peers {
	struct table ends; /* server ends by what the client's identity knows of them -> pid */
	struct table mute; /* processes asked that had no such title */
};

struct peer_state {
	char user[EV_NAME_LEN];
	char name[EV_NAME_LEN]; /* of the database */
	enum ev_status status;
	bool replication;
};

/* Remembers a server's end. 0 or -ENOMEM. */
int peers_add(struct peers *p, const struct raw_server *end);
void peers_free(struct peers *p);

/* Asks the server of this connection.  0, or -ENOENT when none is here or it does not say. */
int peers_ask(struct peers *p, const struct procfs *procfs, const struct raw_identity *id,
	      struct peer_state *state);

/* Takes apart a title such as "postgres: main: app shop 127.0.0.1(5555) idle in transaction".
 * 0 or -ENOENT.  For tests. */
int peer_title(const char *title, struct peer_state *state);

#endif
