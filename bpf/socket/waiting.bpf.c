/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * waiting.bpf.c - the iterator over the sockets of the processes whose threads are looked at: which
 * one a thread waits on, and which hold a request that got no answer yet.
 *
 * A server's socket that received data later than it sent some holds a request without an answer,
 * and a client's socket that sent some later waits for one, in every language and protocol.  User
 * space knows which sockets are those of a server.
 */
#include "bpf/socket/socket.bpf.h"
#include "bpf/socket/jiffies.bpf.h"
#include "bpf/stack/thread.bpf.h"

/* Descriptors that user space asks for. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, THREAD_FILES);
	__type(key, struct thread_file);
	__type(value, __u8);
} thread_files SEC(".maps");

static __always_inline void waiting_address(struct raw_socket *out, struct sock *sk)
{
	out->family = sk->__sk_common.skc_family;
	if (out->family == AF_UNIX)
		return;
	out->port = __builtin_bswap16(sk->__sk_common.skc_dport);
	out->local_port = sk->__sk_common.skc_num;
	if (out->family == AF_INET6) {
		BPF_CORE_READ_INTO(&out->address, sk, __sk_common.skc_v6_daddr);
		return;
	}
	out->address[10] = out->address[11] = 0xff;
	*(__u32 *)(out->address + 12) = sk->__sk_common.skc_daddr;
}

/* Whose turn is it to speak?  A socket that was only just accepted or connected has times of that
 * moment, so its counts of bytes decide. */
static __always_inline void waiting_turn(struct raw_socket *out, struct sock *sk)
{
	__u64 sent = BPF_CORE_READ((struct tcp_sock *)sk, bytes_sent);
	__u64 received = BPF_CORE_READ((struct tcp_sock *)sk, bytes_received);
	__u64 now = bpf_ktime_get_boot_ns();

	out->received_ns = tcp_received_ns(sk, now);
	out->sent_ns = tcp_sent_ns(sk, now);
	if (received && (!sent || out->received_ns > out->sent_ns))
		out->flags |= RAW_SOCKET_ASKED;
	else if (out->state == TCP_SYN_SENT ||
		 (sent && (!received || out->sent_ns > out->received_ns)))
		out->flags |= RAW_SOCKET_ASKS;
	if (!sent)
		out->flags |= RAW_SOCKET_MUTE;
}

SEC("iter/task_file")
int look_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct thread_file asked = {};
	struct raw_socket out = {};
	struct socket *socket;
	struct sock *sk;

	if (!task || !file || task->pid != task->tgid)
		return 0;
	asked.pid = task->tgid;
	asked.fd = ctx->fd;
	if (!bpf_map_lookup_elem(&thread_processes, &asked.pid))
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || !is_stream(sk))
		return 0;
	waiting_address(&out, sk);
	out.state = sk->__sk_common.skc_state;
	if (out.family != AF_UNIX && out.state != TCP_LISTEN)
		waiting_turn(&out, sk);
	if (out.state != TCP_LISTEN && !(out.flags & (RAW_SOCKET_ASKED | RAW_SOCKET_ASKS)) &&
	    !bpf_map_lookup_elem(&thread_files, &asked))
		return 0;
	out.head.kind = RAW_SOCKET;
	out.head.size = sizeof(out);
	out.start_ns = task->start_boottime;
	out.pid = asked.pid;
	out.fd = asked.fd;
	out.id = bpf_get_socket_cookie(sk);
	sweep_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}
