/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * socket.bpf.h - reads facts of a kernel socket, and enters a connection into the ledger.
 */
#ifndef DBLEAK_SOCKET_BPF_H
#define DBLEAK_SOCKET_BPF_H

#include "bpf/ledger/ledger.bpf.h"
#include "bpf/ledger/select.bpf.h"

/* Ports of database servers: well known, listened on by a server program, or learned. */
struct ports_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u16);  /* host byte order */
	__type(value, __u8); /* enum ev_database | SERVED */
};

extern struct ports_map ports SEC(".maps");

static __always_inline int is_stream(const struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;

	return (family == AF_INET || family == AF_INET6 || family == AF_UNIX) &&
	       sk->sk_type == SOCK_STREAM;
}

/* Copies the name a Unix socket is bound to into a field of zeros, and no byte behind the name.  An
 * accepted socket has its listener's name.  Returns 0 when the socket has none. */
static __always_inline int unix_name(struct sock *sk, char *path)
{
	struct unix_address *name = BPF_CORE_READ((struct unix_sock *)sk, addr);
	__u64 length;

	if (!name)
		return 0;
	length = (__u32)BPF_CORE_READ(name, len) - sizeof(unsigned short);
	if (length > EV_PATH_LEN)
		length = EV_PATH_LEN;
	bpf_probe_read_kernel(path, length,
			      __builtin_preserve_access_index(&name->name[0].sun_path));
	if (!path[0] && path[1])
		path[0] = '@';
	return 1;
}

static __always_inline void map_ipv4(__u8 *to, __u32 v4)
{
	to[10] = 0xff;
	to[11] = 0xff;
	__builtin_memcpy(to + 12, &v4, 4);
}

/* Addresses of a TCP socket: 16 bytes of IPv6 or mapped IPv4, into zeros. */
static __always_inline void remote_address(struct sock *sk, __u8 *to)
{
	if (sk->__sk_common.skc_family == AF_INET6)
		bpf_core_read(to, 16, &sk->__sk_common.skc_v6_daddr);
	else
		map_ipv4(to, sk->__sk_common.skc_daddr);
}

static __always_inline void local_address(struct sock *sk, __u8 *to)
{
	if (sk->__sk_common.skc_family == AF_INET6)
		bpf_core_read(to, 16, &sk->__sk_common.skc_v6_rcv_saddr);
	else
		map_ipv4(to, sk->__sk_common.skc_rcv_saddr);
}

static __always_inline __u64 socket_netns(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

/* Reads the address of the other end: 16 bytes of IPv6 or mapped IPv4 with ports, or the server's
 * path. */
static __always_inline void socket_address(struct sock *sk, struct raw_identity *to)
{
	struct sock *peer;

	to->family = sk->__sk_common.skc_family;
	if (to->family == AF_UNIX) {
		peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
		to->peer = peer ? BPF_CORE_READ(peer, __sk_common.skc_cookie.counter) : 0;
		if (peer)
			unix_name(peer, to->path);
		return;
	}
	to->port = __builtin_bswap16(sk->__sk_common.skc_dport);
	to->local_port = sk->__sk_common.skc_num;
	to->netns = socket_netns(sk);
	remote_address(sk, to->address);
	local_address(sk, to->local);
}

/* Enters a connection into the ledger.  Returns NULL when memory is short (counted as a loss). */
static __always_inline struct tracked_connection *
connection_enter(struct sock *sk, const struct mark *m, __u8 database, __u8 signs, __u64 now)
{
	struct tracked_connection *c;

	c = bpf_sk_storage_get(&connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!c) {
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
		return NULL;
	}
	c->now = now;
	c->ev.head.kind = EV_CONNECTION;
	c->ev.head.size = sizeof(c->ev);
	c->ev.id = bpf_get_socket_cookie(sk);
	c->ev.start_ns = m->start_ns;
	c->ev.born_ns = m->born_ns;
	c->opened_at = m->opened_at;
	c->ev.pid = m->pid;
	c->ev.tid = m->tid;
	c->ev.user_pid = m->pid;
	c->ev.user_tid = m->tid;
	c->ev.database = database;
	c->ev.signs = signs;
	c->identity.head.kind = RAW_IDENTITY;
	c->identity.head.size = sizeof(c->identity);
	c->identity.id = c->ev.id;
	c->identity.database = database;
	c->identity_version = 1;
	c->sql.head.kind = EV_SQL;
	c->sql.head.size = sizeof(c->sql);
	c->sql.id = c->ev.id;
	c->scratch_slot = sk->__sk_common.skc_family == AF_UNIX;
	socket_address(sk, &c->identity);
	ledger_process(m->pid, m->start_ns, 0);
	return c;
}

#endif
