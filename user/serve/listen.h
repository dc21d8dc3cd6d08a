/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * listen.h - where dbleak serve listens: an address of --listen, and its socket.
 *
 * Addresses are numbers, but for localhost: no name service is asked.
 */
#ifndef DBLEAK_SERVE_LISTEN_H
#define DBLEAK_SERVE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct listen_address {
	struct sockaddr_storage where;
	socklen_t size;
	bool loopback; /* nobody from another host gets there; false also for a Unix socket */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of a Unix socket; else empty */
	dev_t device; /* of the file of a Unix socket that was made */
	ino_t inode;
};

/* Reads "127.0.0.1:19187", "[::1]:19187", "localhost:19187", ":19187" (all addresses) or
 * "unix:/path".  False: it is none of these. */
bool listen_parse(struct listen_address *a, const char *text);
/* A socket that listens and does not block, or -errno.  The file of a Unix socket is open to its
 * owner and group; one that nobody listens at is replaced. */
int listen_open(struct listen_address *a);
/* Removes the file of a Unix socket, if it is still ours. */
void listen_remove(const struct listen_address *a);
/* The port that a socket got. 0: it has none. */
uint16_t listen_port(int fd);
/* May a request to a loopback address name this host?  host: the header; NULL: there is none.  A
 * page of a browser that is led to 127.0.0.1 by a name of its own comes with that name. */
bool listen_is_own_host(const char *host);

#endif
