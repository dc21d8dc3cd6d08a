/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * supply.h - the requests of a worker, which may open nothing itself.
 *
 * Each call waits for the answer.  That time does not count against the file being read (guard.h).
 */
#ifndef DBLEAK_CAPTURE_SUPPLY_H
#define DBLEAK_CAPTURE_SUPPLY_H

#include "user/capture/stack/native/supply_wire.h"

/* Sends a request through `asking` and waits for the reply, which has SUPPLY_PACKET_MAX bytes.
 * *fd, if fd is not NULL: the descriptor that came, which the caller closes, or -1.  Returns how
 * many bytes stand behind the reply's head, or -errno.  Ends the process if the other side is
 * gone. */
int supply_ask(int asking, const struct supply_request *request, struct supply_reply *reply,
	       int *fd);

#endif
