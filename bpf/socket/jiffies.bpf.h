/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * jiffies.bpf.h - the times that the kernel keeps for a TCP socket, which count in jiffies.
 */
#ifndef DBLEAK_JIFFIES_BPF_H
#define DBLEAK_JIFFIES_BPF_H

#include "bpf/emit.bpf.h"

/* Jiffies in a second (sweep.bpf.c). */
int tick_rate(void);

/* Jiffies stand still while the host is suspended, but now does not.  So a socket that was quiet
 * across a suspend seems used later than it was, and never earlier: its age is too small. */
static __always_inline __u64 since_jiffies(__u64 now, __u32 then)
{
	__u32 ago = (__u32)bpf_jiffies64() - then;
	__u64 ns = (__u64)ago * 1000000000ULL / tick_rate();

	return then && ns < now ? now - ns : 0;
}

/* The times when a TCP socket last sent data, and last received some; 0: not known. */
static __always_inline __u64 tcp_sent_ns(struct sock *sk, __u64 now)
{
	return since_jiffies(now, BPF_CORE_READ((struct tcp_sock *)sk, lsndtime));
}

static __always_inline __u64 tcp_received_ns(struct sock *sk, __u64 now)
{
	return since_jiffies(now,
			     BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_ack.lrcvtime));
}

/* When the last packet came, with data or without; 0: not known.  A connection that its other end
 * closed gets no packets any more, or a few late ones. */
static __always_inline __u64 tcp_packet_ns(struct sock *sk, __u64 now)
{
	return since_jiffies(now, BPF_CORE_READ((struct tcp_sock *)sk, rcv_tstamp));
}

#endif
