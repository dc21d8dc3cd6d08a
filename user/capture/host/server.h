/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * server.h - whether a process is the database server that its name says.
 *
 * Anybody may call a process "postgres" and listen on any port.  A name alone teaches nothing: the
 * program's file must be one that only root can have put there, and be called so itself.
 */
#ifndef DBLEAK_CAPTURE_SERVER_H
#define DBLEAK_CAPTURE_SERVER_H

#include <stdint.h>

#include "user/capture/host/procfs.h"

enum server_proof {
	SERVER_UNPROVEN,
	/* Its file is root's and has the name; but whose root?  Or it runs as an ordinary user, who
	 * may have it listen anywhere.  Good for a well-known address. */
	SERVER_LIKELY,
	/* The file is in folders of the host's root, and a system account runs it. */
	SERVER_PROVEN,
};

/* database: what the file's name must stand for.  database_named tells that of a name. */
enum server_proof server_prove(const struct procfs *procfs, uint32_t pid, uint64_t start_ns,
			       uint8_t database, uint8_t (*database_named)(const char *name));

#endif
