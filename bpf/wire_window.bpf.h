/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_window.bpf.h - room to read ahead into, and how a chunk is walked there.
 *
 * A read of the caller's memory costs about as much as all else a message costs, whatever its
 * length.  So a chunk is read once and walked in the copy; what is not as simple as most is left to
 * the steps that read each head by itself.
 */
#ifndef DBLEAK_WIRE_WINDOW_BPF_H
#define DBLEAK_WIRE_WINDOW_BPF_H

#include "wire.bpf.h"

#define WINDOW 4096
#define WINDOW_MORE 64 /* behind it: heads are looked at before it is known where they end */
#define LANES 8	       /* sending or receiving, of TCP, Unix sockets and TLS libraries */

/* Room to read ahead into, of this CPU: one for each program that may interrupt another. */
#ifdef __bpf__
struct window {
	__u8 bytes[WINDOW + WINDOW_MORE];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LANES);
	__type(key, __u32);
	__type(value, struct window);
} windows SEC(".maps");

static __always_inline __u8 *wire_window(const struct connection *c, __u32 sending)
{
	__u32 lane = (c->lane << 1 | sending) & (LANES - 1);
	struct window *w = bpf_map_lookup_elem(&windows, &lane);

	return w ? w->bytes : NULL;
}
#else
static inline __u8 *wire_window(const struct connection *c, __u32 sending)
{
	static __u8 bytes[WINDOW + WINDOW_MORE];

	(void)c;
	(void)sending;
	return bytes;
}
#endif

#endif
