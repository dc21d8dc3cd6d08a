/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rights.h - the capabilities that watching takes, each with what it is for, and an end to all
 * others.
 *
 * One table serves the doctor, the report of what cannot be seen, and what is kept after the start.
 */
#ifndef DBLEAK_CAPTURE_RIGHTS_H
#define DBLEAK_CAPTURE_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The time for which a right is kept. */
enum right_term {
	RIGHT_KEPT = 0,
	RIGHT_ERRAND = 1, /* by one small process (errand.h); by us where probes are perf events */
	RIGHT_RUN = 2,	  /* by run, until the command has ended */
	RIGHT_START = 3,  /* until the watch begins */
};

struct right {
	int capability;
	enum right_term term;
	bool needed; /* nothing can be watched without it */
	const char *name, *feature, *without;
};

/* The table; count is set. */
const struct right *rights_list(size_t *count);
/* Held now, by this thread. */
bool right_is_held(const struct right *r);

/* Rights about to be given up. */
enum rights_for {
	RIGHTS_WATCH, /* sees others */
	RIGHTS_RUN,   /* so, and signals its command */
	RIGHTS_READ,  /* reads a recording */
	RIGHTS_ASK,   /* asks a server: the network and nothing else */
	RIGHTS_SERVE, /* answers at a socket that listens already, and nothing else */
};

/* Before anything is opened: no core of what is read from others, nobody may look into us, and
 * where memory runs out we go before the database. */
void rights_begin(void);
/* After the start, for this thread and its children: capabilities are cut to what the purpose
 * takes, the bounding set too.  For all threads: no new privileges, and no system call that starts
 * programs, mounts, loads kernel code, opens sockets, traces, or opens a file to write it.  0 or
 * -errno: a part of it could not be done; what could is. */
int rights_end(enum rights_for purpose);
/* For a thread that needs none of them but to signal a command. */
void rights_end_thread(void);
/* rights_end(RIGHTS_ASK), for a process of its own. */
int rights_end_asker(void);
/* rights_end(RIGHTS_SERVE), so. */
int rights_end_server(void);

#endif
