/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * server.h - is a process really the database server that its name claims?
 *
 * Any user may call a process "postgres" and listen on any port, so a name alone proves nothing.
 * The program's file must have that name too, and only root may be able to write it.
 */
#ifndef DBLEAK_CAPTURE_SERVER_H
#define DBLEAK_CAPTURE_SERVER_H

#include <stdint.h>

#include "user/capture/host/procfs.h"

enum server_proof {
	SERVER_UNPROVEN,
	/* The file has the name and belongs to root, but perhaps to the root of a container.  Or an
	 * ordinary user runs it, who may choose any port.  Good enough for a well-known address. */
	SERVER_LIKELY,
	/* The file lies in folders that only the host's root can write, and a system account runs
	 * it. */
	SERVER_PROVEN,
};

/* database: the database that the file's name must stand for, by database_named. */
enum server_proof server_prove(const struct procfs *procfs, uint32_t pid, uint64_t start_ns,
			       uint8_t database, uint8_t (*database_named)(const char *name));

#endif
