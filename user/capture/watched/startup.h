/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * startup.h - who connects to what, from PostgreSQL's startup message.
 */
#ifndef DBLEAK_CAPTURE_STARTUP_H
#define DBLEAK_CAPTURE_STARTUP_H

#include <stddef.h>

#include "bpf/event.h"

/* Reads user, database and application from a message behind its head.  A message may be cut
 * anywhere: only whole pairs count, and what it does not tell is left as it is. */
void startup_read(struct ev_identity *id, const char *at, size_t length);

#endif
