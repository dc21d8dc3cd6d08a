/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * asker.h - a child process that asks the database server of --dsn what its sessions do.
 *
 * The child has the network and no other right.  Open it before all that no other process of ours
 * may have.  A question takes at most ASK_MS; no answer is a reason, never an error of the watch.
 */
#ifndef DBLEAK_CAPTURE_ASKER_H
#define DBLEAK_CAPTURE_ASKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/capture/dsn/ask_wire.h"

struct asker;

struct ask_answer {
	struct ask_end end;
	const struct ask_row *rows; /* the asker's, until the next question */
	size_t count;
};

/* Starts the child; url is copied into it alone.  confine gives up the child's rights: 0 or
 * -errno.  0 or -errno. */
int asker_open(struct asker **out, const char *url, int (*confine)(void));
/* Ends the child.  Accepts NULL. */
void asker_close(struct asker *a);

/* Sends the question, unless one is outstanding. */
void asker_ask(struct asker *a);
bool asker_is_waiting(const struct asker *a);
/* Waits at most timeout_ms for the answer to the question.  True: *answer is whole, failed ones
 * included. */
bool asker_take(struct asker *a, int timeout_ms, struct ask_answer *answer);

/* The database of its URL, enum ev_database. */
uint8_t asker_database(const struct asker *a);
pid_t asker_pid(const struct asker *a);
/* Processor time of the child; 0: not known. */
uint64_t asker_cpu_ns(const struct asker *a);

#endif
