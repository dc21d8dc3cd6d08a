/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sizes.h - the memory behind the objects of client libraries that are reported one by one.
 *
 * An object is read when it is reported.  It is read again, ever more rarely, as long as it may
 * change: a result that is still being filled, a connection whose buffers grow.  A change is
 * reported again.  Reading costs the watched program nothing.
 */
#ifndef DBLEAK_CAPTURE_SIZES_H
#define DBLEAK_CAPTURE_SIZES_H

#include "bpf/clientlib/client.h"
#include "user/capture/clientlib/object_size.h"

struct sizes;
struct client_host;

/* host is borrowed.  0 or -ENOMEM. */
int sizes_open(struct sizes **out, const struct client_host *host);
/* Accepts NULL. */
void sizes_close(struct sizes *s);

/* An object is about to be reported: fills in its bytes, and its rows where they can be read.
 * object (its name in the probe table) must live as long as s. */
void sizes_read(struct sizes *s, struct ev_handle *ev, const struct object_fields *fields,
		const char *object);
/* The object is gone. */
void sizes_forget(struct sizes *s, const struct handle_key *key);
/* Reads the objects again whose turn it is. */
void sizes_sweep(struct sizes *s, uint64_t now_ns);

#endif
