/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sweep.bpf.c - the iterators: what the ledger holds now, and what was open before dbleak started.
 *
 * Iterators write records into a file that user space reads; no record here goes through the event
 * ring.  Some kernels refuse an iterator whose program may change the shown value (EPERM for socket
 * storage and for elements of maps, seen on a hardened 6.18).  There the walk over all files finds
 * the sockets, and programs that run as system calls walk over the maps.
 */
#include "bpf/socket/socket.bpf.h"
#include "bpf/socket/jiffies.bpf.h"
#include "bpf/ledger/evidence.bpf.h"
#include "bpf/socket/tls.bpf.h"
#include "bpf/wire/wire.bpf.h"

#define QUIET_NS 1000000000ULL /* SQL is reported of connections that were quiet so long */

/* The task of this pass over all files (SCAN_*).  User space sets it before each pass. */
__u32 scan_mode = SCAN_SERVERS;

struct comms_map servers SEC(".maps"); /* names of server programs, value: enum ev_database */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* hash of a Unix server's path */
	__type(value, __u8);
} paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct raw_identity);
} address_scratch SEC(".maps");

/* Hashes the path word by word.  The path ends with zeros, and half a word is left over. */
__noinline __u64 path_hash(const struct raw_identity *at)
{
	__u64 hash = HASH_START, word;
	__u32 i, last;

	if (!at)
		return 0;
	for (i = 0; i + 8 <= EV_PATH_LEN; i += 8) {
		__builtin_memcpy(&word, __builtin_assume_aligned(at->path + i, 8), 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	__builtin_memcpy(&last, __builtin_assume_aligned(at->path + i, 4), 4);
	return (hash ^ last) * 0x9e3779b97f4a7c15ULL;
}

_Static_assert(offsetof(struct raw_identity, path) % 8 == 0 && EV_PATH_LEN % 8 == 4,
	       "a path is read by words");

/* Returns 0 if a equals b, else 1.  No branch: the verifier would follow both its ways. */
static __always_inline __u64 differ(__u64 a, __u64 b)
{
	__u64 x = a ^ b, minus = -x;

	OPAQUE(minus);
	return (x | minus) >> 63;
}

/* Returns the database whose servers name their socket so: .s.PGSQL.5432, mysqld.sock, mysql.sock,
 * mariadb.sock. */
__noinline int path_database(const struct raw_identity *at)
{
	__u64 last = 0, not_postgresql = 1, not_mysql = 1;
	__u32 i;

	if (!at)
		return EV_DB_UNKNOWN;
	for (i = 0; i < EV_PATH_LEN; i++) {
		if (!at->path[i])
			break;
		last = last >> 8 | (__u64)(__u8)at->path[i] << 56;
		not_postgresql &= differ(last, W8('.', 's', '.', 'P', 'G', 'S', 'Q', 'L'));
		not_mysql &= differ(last, W8('/', 'm', 'y', 's', 'q', 'l', 'd', '.')) &
			     differ(last, W8('/', 'm', 'y', 's', 'q', 'l', '.', 's')) &
			     differ(last, W8('/', 'm', 'a', 'r', 'i', 'a', 'd', 'b'));
	}
	return !not_postgresql ? EV_DB_POSTGRESQL : !not_mysql ? EV_DB_MYSQL : EV_DB_UNKNOWN;
}

/* Returns the kernel's tick rate, which is not exported.  Jiffies start 300 s before their
 * 32-bit wrap and run with CLOCK_MONOTONIC, so the right rate is the one that predicts their
 * value best. */
__noinline int tick_rate(void)
{
	const __u32 rates[] = {100, 250, 300, 1000};
	__u64 ms = bpf_ktime_get_ns() / 1000000, jiffies = bpf_jiffies64(), nearest = -1ULL;
	__u32 i, best = 250;

	for (i = 0; i < 4; i++) {
		__u64 expected = (__u64)(__u32)(0U - 300U * rates[i]) + ms * rates[i] / 1000;
		__u64 off = expected > jiffies ? expected - jiffies : jiffies - expected;

		if (off < nearest) {
			nearest = off;
			best = rates[i];
		}
	}
	return best;
}

/* Returns when a TCP socket last sent or received anything, as far as the kernel knows. */
static __always_inline __u64 tcp_used(struct sock *sk, __u64 now)
{
	__u64 out = tcp_sent_ns(sk, now), in = tcp_received_ns(sk, now);

	return out > in ? out : in;
}

/* The side that sent last shows whether a reply is outstanding where no message was read. */
static __always_inline void look_at_order(struct tracked_connection *c, struct sock *sk, __u64 now)
{
	__u32 hidden = c->ev.flags & (EV_CONN_TLS | EV_CONN_COMPRESSED | EV_CONN_HIDDEN_IO);
	__u32 asked = 0;

	if (c->ev.flags & EV_CONN_DECRYPTED)
		hidden &= ~EV_CONN_TLS;
	if (sk->__sk_common.skc_family != AF_UNIX && (hidden || !c->ev.bytes_received) &&
	    tcp_sent_ns(sk, now) > tcp_received_ns(sk, now))
		asked = EV_CONN_ASKED;
	/* A message may change the flags meanwhile, so they are written only if this one changes.
	 */
	if ((c->ev.flags & EV_CONN_ASKED) != asked)
		c->ev.flags ^= EV_CONN_ASKED;
}

/* Has the client stopped to read?  Bytes wait in the socket, the same as at the sweep before. */
static __always_inline void look_at_reading(struct tracked_connection *c, struct sock *sk)
{
	__u32 copied, waiting, unread = 0;

	if (sk->__sk_common.skc_family == AF_UNIX)
		return;
	copied = BPF_CORE_READ((struct tcp_sock *)sk, copied_seq);
	waiting = sk->__sk_common.skc_state == TCP_ESTABLISHED &&
		  BPF_CORE_READ((struct tcp_sock *)sk, rcv_nxt) != copied;
	if (waiting && c->unread && c->copied == copied)
		unread = EV_CONN_UNREAD;
	c->copied = copied;
	c->unread = waiting;
	if ((c->ev.flags & EV_CONN_UNREAD) != unread)
		c->ev.flags ^= EV_CONN_UNREAD;
}

static __always_inline void look_at_socket(struct tracked_connection *c, struct sock *sk, __u64 now)
{
	look_at_order(c, sk, now);
	look_at_reading(c, sk);
	if (!sk->sk_socket) {
		c->ev.flags |= EV_CONN_CLOSED | EV_CONN_MISSED;
		return;
	}
	if (c->ev.hung_up_ns)
		return;
	if (sk->__sk_common.skc_family == AF_UNIX)
		c->ev.hung_up_ns = sk->sk_shutdown & RCV_SHUTDOWN ? now : 0;
	else if (sk->__sk_common.skc_state == TCP_CLOSE_WAIT)
		c->ev.hung_up_ns = tcp_packet_ns(sk, now) ?: now; /* before the watch, perhaps */
	if (c->ev.hung_up_ns)
		c->ev.request_ns = 0;
}

/* A sum that changes with the entry: with a message, a flag, or the server's hang-up.  used_ns
 * alone does not suffice, because a reply may have the time of its request. */
static __always_inline __u64 summary(const struct tracked_connection *c)
{
	__u64 bytes = c->ev.bytes_sent + c->ev.bytes_received;

	return (c->ev.used_ns + bytes * 0x9e3779b97f4a7c15ULL) ^ (c->ev.hung_up_ns << 1) ^
	       ((__u64)c->ev.flags << 40) ^ ((__u64)c->ev.status << 36) ^ (c->ev.requests << 20) ^
	       1;
}

static __always_inline long tell_identity(struct seq_file *seq, struct tracked_connection *c,
					  __u64 now)
{
	__u32 length = c->identity.startup_length;
	__u32 size = offsetof(struct raw_identity, startup) + ((length + 7) & ~7U);
	long err;

	OPAQUE(size);
	if (size > sizeof(c->identity))
		return 0;
	c->identity.head.ns = now;
	c->identity.head.size = size;
	err = sweep_write(seq, &c->identity, size);
	c->identity.head.size = sizeof(c->identity);
	return err;
}

static __always_inline long tell_state(struct seq_file *seq, struct tracked_connection *c, __u64 is,
				       __u64 now)
{
	struct ev_head alive = {};

	if (c->swept == is) {
		alive.ns = c->ev.id;
		alive.kind = RAW_ALIVE;
		alive.size = sizeof(alive);
		return sweep_write(seq, &alive, sizeof(alive));
	}
	c->ev.head.ns = now;
	return sweep_write(seq, &c->ev, sizeof(c->ev));
}

static __always_inline int is_quiet(const struct tracked_connection *c, __u64 now)
{
	__u64 quiet = settings.grace_ns ? QUIET_NS : QUIET_NS / 10;

	return !c->ev.request_ns && c->ev.used_ns && now - c->ev.used_ns > quiet;
}

static __always_inline int sql_is_due(const struct tracked_connection *c, __u64 now)
{
	return c->sql.length && c->sql_reported_ns != c->sql.sent_ns && is_quiet(c, now);
}

#define OPENED_DUE 1
#define BEGUN_DUE  2

/* The stack of the last transaction is reported once the connection is quiet, or while it holds
 * something open. */
static __always_inline __u32 evidence_due(const struct tracked_connection *c, __u64 now)
{
	__u32 due = c->opened_at != c->opened_reported ? OPENED_DUE : 0;

	if (c->begun_at != c->begun_reported &&
	    (is_quiet(c, now) || c->ev.status >= EV_STATUS_TRANSACTION || c->ev.cursors))
		due |= BEGUN_DUE;
	return due;
}

static __always_inline long tell_evidence(struct seq_file *seq, const struct tracked_connection *c,
					  __u32 due)
{
	struct ev_evidence e;

	if (due & BEGUN_DUE) {
		evidence_begun(&e, c);
		if (sweep_write(seq, &e, sizeof(e)))
			return 1;
	}
	if (!(due & OPENED_DUE))
		return 0;
	evidence_opened(&e, c);
	return sweep_write(seq, &e, sizeof(e));
}

/* Writes what changed of a connection since it was last reported. */
static __always_inline void tell_connection(struct seq_file *seq, struct tracked_connection *c,
					    __u64 now)
{
	/* A message may change the entry during the report.  So the state before the report is
	 * noted as reported, and the next sweep reports the rest. */
	__u64 is = summary(c), sent = c->sql.sent_ns;
	__u64 opened = c->opened_at, begun = c->begun_at;
	__u32 version = c->identity_version, due;
	int sql;

	barrier();
	sql = sql_is_due(c, now);
	due = evidence_due(c, now);
	c->sql.head.ns = now;
	/* A record that does not fit is thrown away, and the program runs again for this
	 * connection.  So note what was reported only once all is written. */
	if (tell_state(seq, c, is, now) ||
	    (c->identity_reported != version && tell_identity(seq, c, now)) ||
	    (sql && sweep_write(seq, &c->sql, sizeof(c->sql))) || tell_evidence(seq, c, due)) {
		c->ev.flags &= ~(EV_CONN_CLOSED | EV_CONN_MISSED);
		return;
	}
	if (!c->reported)
		ledger_reported(c);
	c->swept = is;
	c->identity_reported = version;
	if (sql)
		c->sql_reported_ns = sent;
	if (due & OPENED_DUE)
		c->opened_reported = opened;
	if (due & BEGUN_DUE)
		c->begun_reported = begun;
}

static __always_inline void sweep_connection(struct seq_file *seq, struct tracked_connection *c,
					     struct sock *sk)
{
	__u64 now;

	/* A closed connection was reported when it closed; its socket may linger. */
	if (c->ev.flags & EV_CONN_CLOSED)
		return;
	now = bpf_ktime_get_boot_ns();
	if (!c->reported && c->ev.born_ns && now - c->ev.born_ns < settings.grace_ns)
		return;
	look_at_socket(c, sk, now);
	if (c->ev.flags & EV_CONN_TLS)
		tls_state_merge(c);
	tell_connection(seq, c, now);
}

SEC("iter/bpf_sk_storage_map")
int sweep_connections(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct tracked_connection *c = ctx->value;
	struct sock *sk = ctx->sk;

	__builtin_assume(seq != NULL);
	if (c && sk)
		sweep_connection(seq, c, sk);
	return 0;
}

/* The amount of socket storage.  User space sets these to 0 before each count. */
__u64 marks_stored, connections_stored;

static __always_inline void count_mark(const struct mark *m)
{
	marks_stored++;
	connections_stored += m->state == MARK_TRACKED;
}

SEC("iter/bpf_sk_storage_map")
int count_stored(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct mark *m = ctx->value;

	if (m)
		count_mark(m);
	return 0;
}

static __always_inline void sweep_statement(struct seq_file *seq, const struct statement_key *key,
					    struct ledger_statement *s)
{
	struct ev_statement out = {};
	struct ev_evidence e;
	__u64 now;

	if (s->reported)
		return;
	now = bpf_ktime_get_boot_ns();
	if (now - s->born_ns < settings.grace_ns)
		return;
	out.head.ns = now;
	out.head.kind = EV_STATEMENT;
	out.head.size = sizeof(out);
	out.id = key->id;
	out.statement = key->statement;
	out.born_ns = s->born_ns;
	out.text_hash = s->text_hash;
	out.length = s->length;
	out.cut = s->cut;
	__builtin_memcpy(out.text, s->text, EV_STATEMENT_SQL_LEN);
	if (sweep_write(seq, &out, sizeof(out)))
		return;
	if (s->prepared_at) {
		evidence_init(&e, EV_AT_PREPARED, key->id, s->prepared_at);
		e.second = key->statement;
		e.at_ns = s->born_ns;
		if (sweep_write(seq, &e, sizeof(e)))
			return;
	}
	s->reported = 1;
}

SEC("iter/bpf_map_elem")
int sweep_statements(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct statement_key *key = ctx->key;
	struct ledger_statement *s = ctx->value;

	__builtin_assume(seq != NULL);
	if (key && s)
		sweep_statement(seq, key, s);
	return 0;
}

static long walk_statement(struct bpf_map *map, struct statement_key *key,
			   struct ledger_statement *s, void *context)
{
	sweep_statement(NULL, key, s);
	return walk_full & 1;
}

SEC("syscall")
int walk_statements(void *context)
{
	bpf_for_each_map_elem(&statements, walk_statement, NULL, 0);
	return 0;
}

/* The process whose files the pass is at, and the database that its name claims to serve. */
__u64 visited_start_ns;
__u32 visited_pid, visited_database; /* enum ev_database */

static __always_inline __u8 served_by(struct task_struct *task)
{
	struct comm_key name = {};
	__u8 *database;

	if (visited_pid != (__u32)task->tgid || visited_start_ns != task->start_boottime) {
		BPF_CORE_READ_INTO(&name.comm, task, comm);
		database = bpf_map_lookup_elem(&servers, &name);
		visited_database = database ? *database : EV_DB_UNKNOWN;
		visited_pid = task->tgid;
		visited_start_ns = task->start_boottime;
	}
	return visited_database;
}

static __always_inline void sweep_tell_end(struct seq_file *seq, struct task_struct *task,
					   struct sock *sk, __u8 claimed, __u64 path, __u8 named)
{
	struct raw_server out = {};

	out.claimed = claimed;
	out.path = path;
	out.named = named;
	out.head.kind = RAW_SERVER;
	out.head.size = sizeof(out);
	out.start_ns = task->start_boottime;
	out.pid = task->tgid;
	if (sk->__sk_common.skc_family == AF_UNIX) {
		out.socket = bpf_get_socket_cookie(sk);
	} else {
		out.local_port = sk->__sk_common.skc_num;
		out.remote_port = __builtin_bswap16(sk->__sk_common.skc_dport);
		out.netns = socket_netns(sk);
		remote_address(sk, out.remote);
		local_address(sk, out.local);
	}
	if (!claimed)
		ledger_process(out.pid, out.start_ns, 1);
	sweep_write(seq, &out, sizeof(out));
}

static __always_inline void tell_server(struct seq_file *seq, struct task_struct *task,
					struct sock *sk)
{
	sweep_tell_end(seq, task, sk, 0, 0, 0);
}

/* Reports the listening socket of a program with a server's name.  User space checks more before
 * the address counts as a database's. */
static __always_inline void scan_server(struct seq_file *seq, struct task_struct *task,
					struct sock *sk, struct raw_identity *at)
{
	__u8 claimed = served_by(task);

	__builtin_memset(at->path, 0, sizeof(at->path));
	if (sk->__sk_common.skc_state != TCP_LISTEN) {
		if (sk->__sk_common.skc_family == AF_UNIX && unix_name(sk, at->path))
			sweep_tell_end(seq, task, sk, claimed, 0, 0);
		return;
	}
	if (sk->__sk_common.skc_family != AF_UNIX)
		sweep_tell_end(seq, task, sk, claimed, 0, 0);
	else if (unix_name(sk, at->path))
		sweep_tell_end(seq, task, sk, claimed, path_hash(at), path_database(at) != 0);
}

/* Returns the signs of an address, a port or the path in at; 0: none. */
static __always_inline __u8 address_signs(const struct raw_identity *at, __u16 family, __u16 port,
					  __u8 *database)
{
	__u8 *known;
	__u64 hash;

	if (family != AF_UNIX) {
		known = bpf_map_lookup_elem(&ports, &port);
		if (!known)
			return 0;
		*database = *known & ~SERVED;
		return EV_SIGN_PORT | (*known & SERVED ? EV_SIGN_SERVER : 0);
	}
	if (!at->path[0])
		return 0;
	hash = path_hash(at);
	known = bpf_map_lookup_elem(&paths, &hash);
	if (known) {
		*database = *known & ~(SERVED | NAMED);
		return EV_SIGN_SERVER | (*known & NAMED ? EV_SIGN_PORT : 0);
	}
	*database = path_database(at);
	return *database ? EV_SIGN_PORT : 0;
}

static __always_inline int is_server_end(struct sock *sk, struct raw_identity *at)
{
	__u16 family = sk->__sk_common.skc_family, port = sk->__sk_common.skc_num;
	__u8 database;

	__builtin_memset(at->path, 0, sizeof(at->path));
	if (family == AF_UNIX)
		unix_name(sk, at->path);
	return address_signs(at, family, port, &database) != 0;
}

/* Enters the client's end of a connection to a known address.  Returns NULL for other sockets. */
static __always_inline struct tracked_connection *scan_enter(struct seq_file *seq,
							     struct task_struct *task,
							     struct sock *sk, struct mark *m,
							     struct raw_identity *at, __u64 now)
{
	__u8 database = EV_DB_UNKNOWN, signs;
	struct mark none = {};
	struct tracked_connection *c;

	if (m && m->state == MARK_PASSED && is_server_end(sk, at)) {
		tell_server(seq, task, sk);
		return NULL;
	}
	__builtin_memset(at, 0, offsetof(struct raw_identity, startup));
	socket_address(sk, at);
	signs = address_signs(at, at->family, at->port, &database);
	if (!signs || !database) {
		if (is_server_end(sk, at))
			tell_server(seq, task, sk);
		return NULL;
	}
	/* Only the port is a sign, and not one byte has come from there: this is no session. */
	if (signs == EV_SIGN_PORT && at->family != AF_UNIX &&
	    !BPF_CORE_READ((struct tcp_sock *)sk, bytes_received))
		return NULL;
	if (!selected(task))
		return NULL;
	m = bpf_sk_storage_get(&marks, sk, &none, BPF_SK_STORAGE_GET_F_CREATE);
	if (!m)
		return NULL;
	/* If connect() was seen, its caller is known already. */
	if (!m->born_ns) {
		m->pid = task->tgid;
		m->tid = 0;
		m->start_ns = task->start_boottime;
	}
	c = connection_enter(sk, m, database, signs, now);
	if (!c)
		return NULL;
	m->state = MARK_TRACKED;
	if (!m->born_ns)
		c->ev.flags |= EV_CONN_PRE_EXISTING;
	BPF_CORE_READ_INTO(&c->ev.comm, task, comm);
	if (sk->__sk_common.skc_family != AF_UNIX)
		c->ev.used_ns = tcp_used(sk, now);
	look_at_socket(c, sk, now);
	return c;
}

/* Reports connections that were open before dbleak started at once.  A sweep with much to report is
 * slow: after each 32 KiB the kernel finds its place again by a walk from the start. */
static __always_inline void scan_connection(struct seq_file *seq, struct task_struct *task,
					    struct sock *sk, struct raw_identity *at)
{
	__u8 state = sk->__sk_common.skc_state;
	__u64 now = bpf_ktime_get_boot_ns();
	struct tracked_connection *c;
	struct mark *m;

	if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT)
		return;
	m = bpf_sk_storage_get(&marks, sk, 0, 0);
	if (m && m->state == MARK_TRACKED)
		c = bpf_sk_storage_get(&connections, sk, 0, 0);
	else
		c = scan_enter(seq, task, sk, m, at, now);
	if (c && !c->reported && (c->ev.flags & EV_CONN_PRE_EXISTING))
		tell_connection(seq, c, now);
}

static __always_inline void tell_holder(struct seq_file *seq, const struct task_struct *task,
					const struct tracked_connection *c, __u32 fd)
{
	struct raw_holder holder = {};

	holder.head.kind = RAW_HOLDER;
	holder.head.size = sizeof(holder);
	holder.id = c->ev.id;
	holder.start_ns = task->start_boottime;
	holder.pid = task->tgid;
	holder.fd = fd;
	sweep_write(seq, &holder, sizeof(holder));
}

/* Handles a socket that is in the ledger already.  A socket with several descriptors is shown once
 * for each. */
static __always_inline void scan_known(struct bpf_iter__task_file *ctx, struct task_struct *task,
				       struct sock *sk)
{
	struct tracked_connection *c;
	struct mark *m;

	if (scan_mode == SCAN_COUNT) {
		m = bpf_sk_storage_get(&marks, sk, 0, 0);
		if (m)
			count_mark(m);
		return;
	}
	c = bpf_sk_storage_get(&connections, sk, 0, 0);
	if (!c)
		return;
	if (scan_mode == SCAN_SWEEP)
		sweep_connection(ctx->meta->seq, c, sk);
	else
		tell_holder(ctx->meta->seq, task, c, ctx->fd);
}

SEC("iter/task_file")
int scan_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct raw_identity *at;
	struct socket *socket;
	struct sock *sk;
	__u32 zero = 0;

	if (!task || !file || task->pid != task->tgid ||
	    (scan_mode == SCAN_SERVERS && !served_by(task)))
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || !is_stream(sk))
		return 0;
	if (scan_mode >= SCAN_HOLDERS) {
		scan_known(ctx, task, sk);
		return 0;
	}
	at = bpf_map_lookup_elem(&address_scratch, &zero);
	if (!at)
		return 0;
	if (scan_mode == SCAN_SERVERS)
		scan_server(ctx->meta->seq, task, sk, at);
	else
		scan_connection(ctx->meta->seq, task, sk, at);
	return 0;
}
