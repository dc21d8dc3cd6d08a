/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * peer.h - asks a server on this host about a connection that is older than dbleak.
 *
 * PostgreSQL writes user, database and state of each session into the title of its process
 * (update_process_title, on by default).  dbleak has no other source for a transaction begun before
 * its probes.  Other servers, and servers on other hosts, do not show this state.
 *
 * Any process may write any title.  One is believed only of a process that holds the other end of
 * the connection, runs a server's program (server.h), and names the client's address and port.
 */
#ifndef DBLEAK_CAPTURE_PEER_H
#define DBLEAK_CAPTURE_PEER_H

#include <stdbool.h>

#include "bpf/settings.h"
#include "user/base/table.h"
#include "user/capture/host/procfs.h"

struct peers {
	struct table ends; /* struct peer_end, by the peer socket or the client's address and ports
			    */
	struct table mute; /* processes that have no such title; do not ask again */
	uint8_t (*named)(const char *name); /* the database that a program's name stands for */
};

struct peer_state {
	char user[EV_NAME_LEN];
	char name[EV_NAME_LEN]; /* of the database */
	char host[EV_NAME_LEN]; /* the client, as its server names it; "" over a Unix socket */
	uint16_t port;		/* the client's; 0 over a Unix socket */
	enum ev_status status;
	bool replication;
	bool busy;	  /* a command runs */
	uint32_t pid;	  /* of the server's process, as dbleak sees it */
	uint32_t session; /* the same pid, as the server sees it; 0 not known */
};

/* Remembers the server's end of a connection.  0 or -ENOMEM. */
int peers_add(struct peers *p, const struct raw_server *end);
void peers_free(struct peers *p);

/* Asks the server of this connection.  0; -ENOENT: no server on this host, or no such title. */
int peers_ask(struct peers *p, const struct procfs *procfs, const struct raw_identity *id,
	      struct peer_state *state);

/* Parses a title such as "postgres: main: app shop 127.0.0.1(5555) idle in transaction"; pid and
 * session stay 0.  0 or -ENOENT. */
int peer_title(const char *title, struct peer_state *state);

#endif
