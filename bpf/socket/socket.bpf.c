/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * socket.bpf.c - birth, traffic and death of connections.
 *
 * Two kinds of entry programs share one body, on_message().  Kernels since 6.3 have the tracepoints
 * sock_send_length and sock_recv_length.  Older kernels are probed at the exits of the four
 * functions that every TCP and Unix stream message passes.  (Not sock_sendmsg and sock_recvmsg:
 * they are inlined into the system calls and would never fire.)  Both run in the caller's context,
 * so the caller's saved registers show where the bytes are.
 *
 * The classification of a socket (struct mark, enum mark_state).  Signs are hints that a socket
 * speaks a database's protocol: a handshake counts 2, any other sign 1.
 *
 *    NEW --+-- signs >= 2, process selected ------> TRACKED   has a struct tracked_connection
 *     ^    |
 *     |    +-- the server's end, unreadable bytes,
 *     |    |   too many messages without signs ---> PASSED    ignored for good
 *     |    |
 *     |    +-- signs >= 2, process not selected --> UNWANTED  ignored until the selection grows
 *     |                                                |
 *     +------------------------------------------------+
 *
 * A scan of all open files (sweep.bpf.c) may move any untracked client socket to TRACKED by its
 * address alone.  The connection is then in doubt (is_doubtful) until its bytes give a second sign.
 * If they never do, its database becomes EV_DB_UNKNOWN.
 */
#include "bpf/socket/socket.bpf.h"
#include "bpf/clientlib/client.bpf.h"
#include "bpf/ledger/evidence.bpf.h"
#include "bpf/memory/growth.bpf.h"
#include "bpf/socket/tls.bpf.h"
#include "bpf/wire/wire_feed.bpf.h"

#define SENDING	  1
#define RECEIVING 0
/* A socket without signs is ignored once its tries pass PROBE_MOST.  A received message
 * counts little, because one large reply is read in many parts. */
#define PROBE_SENT     32
#define PROBE_RECEIVED 1
#define PROBE_MOST     (12 * PROBE_SENT)
/* With one sign seen, the second may take long to come. */
#define PROBE_MOST_SIGNED (16 * PROBE_MOST)
/* A socket that is ignored is looked at again after so many messages, for the first ones may have
 * told nothing. */
#define IGNORED_MESSAGES 4096
#define IGNORED_FOR_GOOD 0xffff
/* Number of messages searched for a TLS record: the first may begin in mid-record. */
#define TLS_TRIES 8
#define SPANS	  8 /* parts of a scattered message that are read */

struct ports_map ports SEC(".maps");

/* The last tick at which the clock was read, in jiffies, and the time read then. */
__u64 clock_tick = 0;
__u64 clock_ns = 0;

/* The bytes of one system call: up to SPANS parts in the caller's memory. */
struct message {
	__u64 base;  /* address of the only part, or of the iovec array */
	__u32 parts; /* 0: not readable */
	__u32 length;
};

static __always_inline void message_locate(struct task_struct *task, __u32 length,
					   struct message *m)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct user_msghdr head;

	m->parts = 0;
	m->length = length;
	if (regs->cs == USER_CS_32 || (task->flags & (PF_IO_WORKER | PF_KTHREAD)))
		return;
	m->base = regs->si;
	switch (regs->orig_ax) {
	case NR_READ:
	case NR_WRITE:
	case NR_SENDTO:
	case NR_RECVFROM:
		m->parts = 1;
		break;
	case NR_READV:
	case NR_WRITEV:
		m->parts = regs->dx < SPANS ? regs->dx + 1 : SPANS + 1;
		break;
	case NR_SENDMSG:
	case NR_RECVMSG:
		if (bpf_probe_read_user(&head, sizeof(head), (void *)regs->si))
			break;
		m->base = head.iov;
		m->parts = head.iovlen < SPANS ? head.iovlen + 1 : SPANS + 1;
		break;
	}
}

/* Returns the address of the first part. */
static __always_inline __u64 message_start(const struct message *m)
{
	struct user_iovec v = {};

	if (m->parts == 1)
		return m->base;
	bpf_probe_read_user(&v, sizeof(v), (void *)m->base);
	return v.base;
}

static __always_inline void message_feed(struct tracked_connection *c, const struct message *m,
					 int sending)
{
	struct user_iovec v;
	__u32 left = m->length, i;

	if (!m->parts) {
		c->ev.flags |= EV_CONN_HIDDEN_IO;
		wire_unaligned(c);
		return;
	}
	if (m->parts == 1) {
		if (sending)
			wire_sent(c, m->base, left);
		else
			wire_received(c, m->base, left);
		return;
	}
	for (i = 0; i < SPANS && i + 1 < m->parts && left; i++) {
		__u32 n;

		if (bpf_probe_read_user(&v, sizeof(v), (void *)(m->base + i * sizeof(v)))) {
			count(COUNTER_LOSS + EV_LOSS_READ_FAULT);
			break;
		}
		n = v.length < left ? v.length : left;
		left -= n;
		if (sending)
			wire_sent(c, v.base, n);
		else
			wire_received(c, v.base, n);
	}
	if (left)
		wire_unaligned(c);
}

static __always_inline void mark_owner(struct mark *m, struct task_struct *task)
{
	m->pid = task->tgid;
	m->tid = task->pid;
	m->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
}

static __always_inline int bits(__u8 x)
{
	return !!(x & EV_SIGN_PORT) + !!(x & EV_SIGN_REQUEST) + !!(x & EV_SIGN_REPLY) +
	       !!(x & EV_SIGN_SERVER) + 2 * !!(x & EV_SIGN_HANDSHAKE);
}

/* Looks for signs in a message of an unclassified socket, and sets them in the mark.  Returns 1
 * when the socket is the server's end. */
static __always_inline int probe(struct mark *m, const struct message *msg, int sending)
{
	__u8 head[8] = {}, end[6] = {};
	__u32 n = msg->length;
	__u64 start = message_start(msg);

	if (n < 4 || bpf_probe_read_user(head, n < 8 ? 4 : 8, (void *)start))
		return 0;
	if (n >= 8 && pg_is_startup(head, n)) {
		if (!sending)
			return 1;
		m->pg_signs |= EV_SIGN_HANDSHAKE;
		return 0;
	}
	if (n >= 64 && head[0] == TLS_HANDSHAKE && head[1] == 3 && head[5] == 1 &&
	    pg_is_hello(start, n)) {
		if (!sending)
			return 1;
		m->pg_signs |= EV_SIGN_HANDSHAKE;
		return 0;
	}
	if (m->greeting_length == 4 && n >= 2) {
		__u8 whole[8] = {m->greeting[0], m->greeting[1], m->greeting[2], m->greeting[3],
				 head[0],	 head[1],	 head[2],	 0};

		m->greeting_length = 0;
		if (!sending && my_is_greeting(whole)) {
			m->my_signs |= EV_SIGN_HANDSHAKE;
			m->greeting_length = 1; /* the body begins this chunk */
			return 0;
		}
	}
	if (m->seen == 1 && n >= 8 && le24(head) + 4 == n && my_is_greeting(head)) {
		if (sending)
			return 1;
		m->my_signs |= EV_SIGN_HANDSHAKE;
		return 0;
	}
	if (m->seen == 1 && n == 4 && !sending && head[3] == 0 && le24(head) < 512) {
		__builtin_memcpy(m->greeting, head, 4);
		m->greeting_length = 4;
		return 0;
	}
	if (sending) {
		if (n >= 5 && pg_is_request(head, n, start))
			m->pg_signs |= EV_SIGN_REQUEST;
		else if (my_is_request(head, n))
			m->my_signs |= EV_SIGN_REQUEST;
		return 0;
	}
	if (n >= 6 && msg->parts == 1 && !bpf_probe_read_user(end, 6, (void *)(start + n - 6)) &&
	    pg_is_ready(end))
		m->pg_signs |= EV_SIGN_REPLY;
	else if ((m->my_signs & EV_SIGN_REQUEST) && my_is_reply(head, n))
		m->my_signs |= EV_SIGN_REPLY;
	return 0;
}

/* Is this the server's end, seen in mid-stream?  It sends ReadyForQuery. */
static __always_inline int probe_server(const struct message *msg, int sending)
{
	__u8 head[8] = {}, end[6] = {};
	__u64 start = message_start(msg);
	__u32 n = msg->length;

	if (!sending || n < 6 || msg->parts != 1)
		return 0;
	if (bpf_probe_read_user(end, 6, (void *)(start + n - 6)) || !pg_is_ready(end))
		return 0;
	return !bpf_probe_read_user(head, 1, (void *)start);
}

static __always_inline void pass_server(struct mark *m, struct task_struct *task)
{
	m->state = MARK_PASSED;
	m->tries = IGNORED_FOR_GOOD;
	ledger_process(task->tgid, BPF_CORE_READ(task, group_leader, start_boottime), 1);
}

static __always_inline struct mark *mark_get(struct sock *sk, struct task_struct *task)
{
	struct mark *m = bpf_sk_storage_get(&marks, sk, 0, 0);

	if (m || !is_stream(sk))
		return m;
	m = bpf_sk_storage_get(&marks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (m)
		mark_owner(m, task);
	return m;
}

static __always_inline struct tracked_connection *
connection_begin(struct sock *sk, struct mark *m, struct task_struct *task, __u64 now)
{
	__u8 database = bits(m->pg_signs) >= 2 ? EV_DB_POSTGRESQL : EV_DB_MYSQL;
	__u8 signs = database == EV_DB_POSTGRESQL ? m->pg_signs : m->my_signs;
	struct tracked_connection *c;

	if ((signs & EV_SIGN_HANDSHAKE) && !m->born_ns) {
		m->born_ns = now;
		mark_owner(m, task);
	}
	c = connection_enter(sk, m, database, signs, now);
	if (!c)
		return NULL;
	BPF_CORE_READ_INTO(&c->ev.comm, task, group_leader, comm);
	if (signs & EV_SIGN_HANDSHAKE)
		c->phase = PHASE_STARTUP;
	else
		c->ev.flags |= EV_CONN_PRE_EXISTING;
	if (!c->opened_at && signs & EV_SIGN_HANDSHAKE)
		c->asks |= ASK_OPENED;
	m->state = MARK_TRACKED;
	return c;
}

/* Counts one more message that was looked at.  Returns 1 when the limit is passed. */
static __always_inline int probe_spent(struct mark *m, int sending)
{
	m->tries += sending ? PROBE_SENT : PROBE_RECEIVED;
	m->seen += m->seen < 255;
	return m->tries > (m->pg_signs | m->my_signs ? PROBE_MOST_SIGNED : PROBE_MOST);
}

/* Classifies a socket by one more message.  Returns its connection once there are signs enough. */
static __noinline struct tracked_connection *discover(struct sock *sk, struct mark *m,
						      struct task_struct *task,
						      const struct message *msg, int sending)
{
	struct tracked_connection *c;

	if (probe_spent(m, sending) || !msg->parts) {
		m->state = MARK_PASSED;
		m->tries = 0;
		return NULL;
	}
	if (probe(m, msg, sending) || probe_server(msg, sending)) {
		pass_server(m, task);
		return NULL;
	}
	if (bits(m->pg_signs) < 2 && bits(m->my_signs) < 2)
		return NULL;
	if (!selected(task)) {
		m->state = MARK_UNWANTED;
		m->generation = selection_generation;
		return NULL;
	}
	c = connection_begin(sk, m, task, bpf_ktime_get_boot_ns());
	if (!c || !(m->my_signs & EV_SIGN_HANDSHAKE) || c->ev.database != EV_DB_MYSQL)
		return c;
	if (m->greeting_length == 1)
		wire_greeting(c, message_start(msg), msg->length);
	else
		wire_greeting(c, message_start(msg) + 4, msg->length - 4);
	return NULL; /* this message is used up */
}

/* Looks for more signs on a connection opened before dbleak started: is it encrypted?  A connection
 * that a scan entered by its port alone gets its second sign from its bytes. */
static __always_inline void confirm(struct tracked_connection *c, struct mark *m,
				    const struct message *msg, int sending)
{
	__u8 head[5] = {};
	int spent;

	if (!msg->parts || (c->ev.flags & EV_CONN_TLS))
		return;
	if (m->seen < TLS_TRIES && !bpf_probe_read_user(head, 5, (void *)message_start(msg)) &&
	    is_tls_record(head, msg->length)) {
		c->ev.flags |= EV_CONN_TLS;
		return;
	}
	if (bits(c->ev.signs) >= 2)
		return;
	spent = probe_spent(m, sending);
	m->seen = m->seen < 2 ? 2 : m->seen; /* greetings are over */
	probe(m, msg, sending);
	if (c->ev.database == EV_DB_POSTGRESQL)
		c->ev.signs |= m->pg_signs;
	else
		c->ev.signs |= m->my_signs;
	if (spent && bits(c->ev.signs) < 2)
		c->ev.database = EV_DB_UNKNOWN;
}

/* A scan entered the connection between its connect() and its first byte: it is new after all.
 * Returns 1 when this message is used up. */
static __noinline int adopt(struct tracked_connection *c, struct mark *m, struct task_struct *task,
			    const struct message *msg, int sending)
{
	m->seen = 1;
	probe(m, msg, sending);
	if (!((m->pg_signs | m->my_signs) & EV_SIGN_HANDSHAKE)) {
		m->seen = 0;
		return m->greeting_length == 4; /* the greeting's header came alone */
	}
	if (!c->ev.born_ns)
		c->ev.born_ns = c->now;
	if (!c->opened_at)
		c->asks |= ASK_OPENED;
	c->ev.tid = task->pid;
	c->ev.flags &= ~EV_CONN_PRE_EXISTING;
	c->ev.signs |= EV_SIGN_HANDSHAKE;
	if (m->pg_signs & EV_SIGN_HANDSHAKE) {
		c->ev.database = EV_DB_POSTGRESQL;
		c->phase = PHASE_STARTUP;
		return 0;
	}
	c->ev.database = EV_DB_MYSQL;
	if (m->greeting_length == 1)
		wire_greeting(c, message_start(msg), msg->length);
	else
		wire_greeting(c, message_start(msg) + 4, msg->length - 4);
	return 1;
}

/* Did a scan enter the connection, before any of its bytes were seen?  (A greeting's header may
 * have come.) */
static __always_inline int is_untouched(const struct tracked_connection *c, const struct mark *m)
{
	return !(c->ev.signs & EV_SIGN_HANDSHAKE) && !c->ev.bytes_sent &&
	       (!c->ev.bytes_received || m->greeting_length == 4);
}

/* Handles a message of a socket without a connection.  Returns the connection if there is one
 * now. */
static __noinline struct tracked_connection *socket_meet(struct sock *sk, struct task_struct *task,
							 int ret, int sending)
{
	struct message msg;
	struct mark *m;

	m = mark_get(sk, task);
	if (!m) {
		count(COUNTER_OTHER_MESSAGES);
		return NULL;
	}
	if (m->state == MARK_UNWANTED)
		m->state = MARK_NEW;
	message_locate(task, ret, &msg);
	return discover(sk, m, task, &msg, sending);
}

/* Handles a message of a connection still in doubt.  Returns 1 when the message is used up. */
static __noinline int doubtful(struct sock *sk, struct tracked_connection *c,
			       struct task_struct *task, int ret, int sending)
{
	struct mark *m = bpf_sk_storage_get(&marks, sk, 0, 0);
	struct message msg;
	int spent = 0;

	if (!m)
		return 0;
	message_locate(task, ret, &msg);
	if (!(c->ev.signs & EV_SIGN_HANDSHAKE))
		spent = is_untouched(c, m) && msg.parts && adopt(c, m, task, &msg, sending);
	if (!spent)
		confirm(c, m, &msg, sending);
	return spent;
}

/* Feeds the bytes of a system call that come in several parts, or that cannot be read. */
static __noinline int feed_scattered(struct tracked_connection *c, struct task_struct *task,
				     int ret, int sending)
{
	struct message msg;

	message_locate(task, ret, &msg);
	message_feed(c, &msg, sending);
	return 0;
}

#define TELLING (EV_CONN_AUTHENTICATED | EV_CONN_REFUSED | EV_CONN_TLS)

/* The rare rest of the work after a message. */
static __noinline int after_message(struct sock *sk, struct tracked_connection *c)
{
	if (!c->reported && (c->ev.flags & TELLING)) {
		if ((c->ev.flags & EV_CONN_AUTHENTICATED) && !c->ev.requests &&
		    !(c->ev.flags & EV_CONN_TERMINATED)) {
			/* The client may begin to work.  That moment ends the time that the opening
			 * took, and a tick is too coarse for it. */
			c->now = bpf_ktime_get_boot_ns();
			c->ev.used_ns = c->now;
		}
		ledger_tell(c);
		if (c->reported)
			evidence_tell(c);
	}
	/* Unix sockets have no tracepoint for their end; TCP has. */
	if ((c->ev.flags & EV_CONN_TERMINATED) && sk->__sk_common.skc_family == AF_UNIX)
		ledger_close(c, 0);
	return 0;
}

/* A reply gets the time of the tick in which it came, but never a time before its request.  To read
 * the clock costs a fifth of all other work for a message.  Nothing else is dated so. */
static __always_inline __u64 reply_time(const struct tracked_connection *c)
{
	__u64 tick = bpf_jiffies64(), now;

	if (tick == clock_tick) {
		barrier();
		now = clock_ns;
	} else {
		now = bpf_ktime_get_boot_ns();
		clock_ns = now;
		barrier();
		clock_tick = tick; /* written after its time, because another CPU may read both */
	}
	if (now < c->ev.used_ns)
		now = c->ev.used_ns;
	return now < c->ev.born_ns ? c->ev.born_ns : now;
}

static __always_inline int is_doubtful(const struct tracked_connection *c)
{
	return !(c->ev.signs & EV_SIGN_HANDSHAKE) && (bits(c->ev.signs) < 2 || !c->ev.bytes_sent);
}

/* Notes which connection the thread used last.  The client-library and memory programs join the
 * thread's next actions with that connection. */
static __always_inline void note_last_message(const struct tracked_connection *c)
{
	struct thread_socket last = {.id = c->ev.id};
	__u64 thread;

	if (c->now >= joins_until_ns && !settings.keep_thread_sockets &&
	    !growing_find(&c->ev.user_pid))
		return;
	last.ns = bpf_ktime_get_boot_ns(); /* c->now may be a little early */
	last.stack = user_stack();
	thread = bpf_get_current_pid_tgid();
	bpf_map_update_elem(&thread_socket, &thread, &last, BPF_ANY);
}

/* Is the socket of no interest?  One without a database is looked at again now and then, as one met
 * in mid-stream: a process must not stay unseen because of a few messages. */
static __always_inline int is_ignored(struct mark *m)
{
	if (m->state != MARK_PASSED)
		return m->state == MARK_UNWANTED && m->generation == selection_generation;
	if (m->tries == IGNORED_FOR_GOOD || ++m->tries < IGNORED_MESSAGES)
		return 1;
	m->state = MARK_NEW;
	m->tries = 0;
	m->seen = 2;
	m->pg_signs = 0;
	m->my_signs = 0;
	return 0;
}

static __always_inline int on_message(struct sock *sk, int ret, int sending)
{
	struct tracked_connection *c;
	struct task_struct *task;
	struct pt_regs *regs;
	struct mark *m;
	int spent = 0;
	__u64 call;

	if (ret <= 0)
		return 0;
	c = bpf_sk_storage_get(&connections, sk, 0, 0);
	if (!c) {
		m = bpf_sk_storage_get(&marks, sk, 0, 0);
		if (m && is_ignored(m)) {
			count(COUNTER_OTHER_MESSAGES);
			return 0;
		}
		c = socket_meet(sk, bpf_get_current_task_btf(), ret, sending);
		if (!c)
			return 0;
	}
	task = bpf_get_current_task_btf();
	count(COUNTER_MESSAGES);
	c->now = sending ? bpf_ktime_get_boot_ns() : reply_time(c);
	if (UNLIKELY(is_doubtful(c)))
		spent = doubtful(sk, c, task, ret, sending);
	if (sending)
		c->ev.bytes_sent += ret;
	else
		c->ev.bytes_received += ret;
	if (LIKELY(!spent)) {
		regs = (struct pt_regs *)bpf_task_pt_regs(task);
		call = regs->orig_ax;
		if (UNLIKELY((call != (sending ? NR_SENDTO : NR_RECVFROM) &&
			      call != (sending ? NR_WRITE : NR_READ)) ||
			     regs->cs == USER_CS_32 || task->flags & (PF_IO_WORKER | PF_KTHREAD)))
			feed_scattered(c, task, ret, sending);
		else if (sending)
			wire_sent(c, regs->si, ret);
		else
			wire_received(c, regs->si, ret);
	}
	if (LIKELY(!(c->ev.flags & EV_CONN_TERMINATED))) /* a goodbye is no use of the connection */
		c->ev.used_ns = c->now;
	c->ev.user_pid = task->tgid;
	c->ev.user_tid = task->pid;
	note_last_message(c);
	/* Called from here and no deeper: the wire parsers take all but one of the eight call
	 * frames that a program may have. */
	if (UNLIKELY(c->ev.flags & EV_CONN_TLS)) {
		if (sending)
			tls_message_sent(c, ret);
		else
			tls_message_received(c, ret);
	}
	if (UNLIKELY(c->asks))
		evidence_take(c);
	if (UNLIKELY((c->ev.flags & EV_CONN_TERMINATED) ||
		     (!c->reported && (c->ev.flags & TELLING))))
		after_message(sk, c);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(socket_sent, struct sock *sk, int ret, int flags)
{
	return on_message(sk, ret, SENDING);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(socket_received, struct sock *sk, int ret, int flags)
{
	return flags & MSG_PEEK ? 0 : on_message(sk, ret, RECEIVING);
}

SEC("fexit/tcp_sendmsg")
int BPF_PROG(tcp_sent, struct sock *sk, void *msg, size_t size, int ret)
{
	return on_message(sk, ret, SENDING);
}

SEC("fexit/tcp_recvmsg")
int BPF_PROG(tcp_received, struct sock *sk, void *msg, size_t size, int flags, int *from, int ret)
{
	return flags & MSG_PEEK ? 0 : on_message(sk, ret, RECEIVING);
}

/* Before 5.19 tcp_recvmsg took "nonblock" before its flags. */
SEC("fexit/tcp_recvmsg")
int BPF_PROG(tcp_received_nonblock, struct sock *sk, void *msg, size_t size, int nonblock,
	     int flags, int *from, int ret)
{
	return flags & MSG_PEEK ? 0 : on_message(sk, ret, RECEIVING);
}

SEC("fexit/unix_stream_sendmsg")
int BPF_PROG(unix_sent, struct socket *socket, void *msg, size_t size, int ret)
{
	return on_message(socket->sk, ret, SENDING);
}

SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(unix_received, struct socket *socket, void *msg, size_t size, int flags, int ret)
{
	return flags & MSG_PEEK ? 0 : on_message(socket->sk, ret, RECEIVING);
}

/* connect() begins: the only moment in which a TCP client surely runs in its own context.  A
 * stack is taken for known database ports only; other clients show their stack with their first
 * message. */
static __noinline int on_connect(struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u16 port = __builtin_bswap16(sk->__sk_common.skc_dport);
	struct mark *m = bpf_sk_storage_get(&marks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!m)
		return 0;
	mark_owner(m, task);
	m->born_ns = bpf_ktime_get_boot_ns();
	if (bpf_map_lookup_elem(&ports, &port) && selected(task))
		m->opened_at = stack_take(0);
	return 0;
}

static __always_inline void on_close(struct tracked_connection *c)
{
	c->now = bpf_ktime_get_boot_ns();
	ledger_close(c, !!(bpf_get_current_task_btf()->flags & PF_EXITING));
	if (c->reported)
		evidence_tell(c);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_state, struct sock *sk, int before, int after)
{
	struct tracked_connection *c;

	if (after == TCP_SYN_SENT) {
		on_connect(sk);
		return 0;
	}
	if (before == TCP_SYN_SENT || after == TCP_ESTABLISHED || after == TCP_LISTEN)
		return 0;
	c = bpf_sk_storage_get(&connections, sk, 0, 0);
	if (!c)
		return 0;
	/* The client closed the socket if both directions were shut before the state changed.  Else
	 * the server hung up, politely (CLOSE_WAIT) or not (CLOSE), and the client still holds the
	 * socket. */
	if (sk->sk_shutdown == 3) {
		on_close(c);
		return 0;
	}
	c->now = bpf_ktime_get_boot_ns();
	if ((after == TCP_CLOSE_WAIT || after == TCP_CLOSE) && !c->ev.hung_up_ns) {
		c->ev.hung_up_ns = c->now;
		c->ev.request_ns = 0;
	}
	if (after == TCP_CLOSE)
		ledger_hung_up(c);
	return 0;
}

/* After a reset the state is CLOSE already, and does not change when the client closes its socket.
 */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(socket_destroyed, struct sock *sk)
{
	struct tracked_connection *c = bpf_sk_storage_get(&connections, sk, 0, 0);

	if (c && !(c->ev.flags & EV_CONN_CLOSED))
		on_close(c);
	return 0;
}
