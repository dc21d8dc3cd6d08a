/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_window.bpf.h - buffers to read ahead into.
 *
 * A read of the caller's memory costs about as much as all other work for a message, whatever its
 * length.  So a chunk is read once and walked in the copy.  Only unusual messages go to the slower
 * steps, which read each head by itself.
 */
#ifndef DBLEAK_WIRE_WINDOW_BPF_H
#define DBLEAK_WIRE_WINDOW_BPF_H

#include "bpf/wire/wire.bpf.h"

/* Powers of two, because every verifier understands a mask. */
#define WINDOW	      16384 /* for received bytes: as much as clients ask for at once */
#define AHEAD	      1024  /* for sent bytes */
#define BEHIND	      64    /* a head may reach beyond the window before its length is known */
#define SCRATCH_SLOTS 3	    /* TCP, Unix sockets, TLS libraries */

/* Buffers of this CPU, one slot for each kind of socket.  Before 6.3 each kind has a program of its
 * own, and one program may interrupt the other. */
#ifdef __bpf__
struct window {
	__u8 bytes[WINDOW + BEHIND];
};

struct ahead {
	__u8 bytes[AHEAD + BEHIND];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct window);
} windows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct ahead);
} aheads SEC(".maps");

static __always_inline __u8 *wire_window(const struct tracked_connection *c)
{
	__u32 scratch_slot = c->scratch_slot;
	struct window *w = bpf_map_lookup_elem(&windows, &scratch_slot);

	return w ? w->bytes : NULL;
}

static __always_inline __u8 *wire_ahead(const struct tracked_connection *c)
{
	__u32 scratch_slot = c->scratch_slot;
	struct ahead *a = bpf_map_lookup_elem(&aheads, &scratch_slot);

	return a ? a->bytes : NULL;
}
#else
static inline __u8 *wire_window(const struct tracked_connection *c)
{
	static __u8 bytes[WINDOW + BEHIND];

	(void)c;
	return bytes;
}

static inline __u8 *wire_ahead(const struct tracked_connection *c)
{
	static __u8 bytes[AHEAD + BEHIND];

	(void)c;
	return bytes;
}
#endif

#endif
