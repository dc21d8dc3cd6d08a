/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * writes.h - would a write wait for its reader?
 *
 * A terminal that Ctrl-S has stopped takes nothing, and neither does a full pipe.  Who only remarks
 * something must not wait there: a watch that waits does not look.
 */
#ifndef DBLEAK_SYSTEM_WRITES_H
#define DBLEAK_SYSTEM_WRITES_H

#include <poll.h>
#include <stdbool.h>

/* Does the descriptor take a line now?  A file always does; true also when that is not known. */
static inline bool writes_at_once(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) != 0;
}

#endif
