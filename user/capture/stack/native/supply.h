/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * supply.h - what a worker asks for because it may open nothing itself.
 *
 * Each call waits for the answer; time spent so is not held against the file being read (guard.h).
 */
#ifndef DBLEAK_CAPTURE_SUPPLY_H
#define DBLEAK_CAPTURE_SUPPLY_H

#include "user/capture/stack/native/supply_wire.h"

/* Asks through that descriptor.  *fd, if fd is not NULL: the descriptor that came, or -1; the
 * caller's to close.  reply has SUPPLY_PACKET_MAX bytes.  Returns how many stand after the reply's
 * head, or -errno.  Ends the process if there is nobody to ask. */
int supply_ask(int asking, const struct supply_request *request, struct supply_reply *reply,
	       int *fd);

#endif
