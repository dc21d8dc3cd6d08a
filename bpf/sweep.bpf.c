/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sweep.bpf.c - the iterators: what the ledger holds now, and what was open before we came.
 *
 * They write records into a file that user space reads; nothing here goes through the ring.
 */
#include "socket.bpf.h"
#include "wire.bpf.h"

#define SECOND 1000000000ULL
#define QUIET_NS SECOND /* SQL is told of connections quiet for so long */

/* What this pass over all files looks for; user space sets it before each. */
__u32 scan_mode = SCAN_SERVERS;

struct comms_map servers SEC(".maps"); /* names of database server programs, value: enum ev_database */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u16); /* host byte order */
	__type(value, __u8); /* enum ev_database | SERVED */
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* hash of a Unix server's path */
	__type(value, __u8);
} paths SEC(".maps");

#define SERVED 0x80 /* a known server program listens there */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct raw_identity);
} address_scratch SEC(".maps");

static __always_inline __u64 path_hash(const char *path)
{
	__u64 hash = HASH_START;
	__u32 i;

	for (i = 0; i < EV_PATH_LEN; i++) {
		if (!path[i] && i)
			break;
		hash = wire_hash_step(hash, path[i]);
	}
	return hash;
}

/* A database's name for its socket: .s.PGSQL.5432, mysqld.sock, mysql.sock, mariadb.sock. */
static __always_inline __u8 path_database(const char *path)
{
	__u32 i;

	for (i = 0; i + 8 <= EV_PATH_LEN; i++) {
		__u64 word = 0;

		if (!path[i] && i)
			break;
		__builtin_memcpy(&word, path + i, 8);
		if (word == W8('.', 's', '.', 'P', 'G', 'S', 'Q', 'L'))
			return EV_DB_POSTGRESQL;
		if (word == W8('/', 'm', 'y', 's', 'q', 'l', 'd', '.') ||
		    word == W8('/', 'm', 'y', 's', 'q', 'l', '.', 's') ||
		    word == W8('/', 'm', 'a', 'r', 'i', 'a', 'd', 'b'))
			return EV_DB_MYSQL;
	}
	return EV_DB_UNKNOWN;
}

/* The kernel's tick rate is not exported.  Jiffies start 300 s before their 32-bit wrap and run
 * with CLOCK_MONOTONIC, so the rate that predicts their value best is it. */
static __always_inline __u32 tick_rate(void)
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

static __always_inline __u64 since_jiffies(__u64 now, __u32 then)
{
	__u32 ago = (__u32)bpf_jiffies64() - then;
	__u64 ns = (__u64)ago * SECOND / tick_rate();

	return then && ns < now ? now - ns : 0;
}

/* When a TCP socket last sent or received anything, as far as the kernel knows. */
static __always_inline __u64 tcp_used(struct sock *sk, __u64 now)
{
	__u64 out = since_jiffies(now, BPF_CORE_READ((struct tcp_sock *)sk, lsndtime));
	__u64 in = since_jiffies(now, BPF_CORE_READ((struct inet_connection_sock *)sk,
						    icsk_ack.lrcvtime));

	return out > in ? out : in;
}

static __always_inline void look_at_socket(struct connection *c, struct sock *sk, __u64 now)
{
	if (!sk->sk_socket) {
		c->ev.flags |= EV_CONN_CLOSED;
		return;
	}
	if (c->ev.hung_up_ns)
		return;
	if (sk->__sk_common.skc_family == AF_UNIX ? sk->sk_shutdown & RCV_SHUTDOWN
						  : sk->__sk_common.skc_state == TCP_CLOSE_WAIT) {
		c->ev.hung_up_ns = now;
		c->ev.request_ns = 0;
	}
}

/* Changes whenever the entry does: with a message, a flag, or the server's farewell.  The time of
 * use alone does not: a reply may bear the time of its request. */
static __always_inline __u64 summary(const struct connection *c)
{
	__u64 bytes = c->ev.bytes_sent + c->ev.bytes_received;

	return (c->ev.used_ns + bytes * 0x9e3779b97f4a7c15ULL) ^ (c->ev.hung_up_ns << 1) ^
	       ((__u64)c->ev.flags << 40) ^ 1;
}

static __always_inline long tell_identity(struct seq_file *seq, struct connection *c, __u64 now)
{
	__u32 length = c->identity.startup_length;
	__u32 size = offsetof(struct raw_identity, startup) + ((length + 7) & ~7U);
	long err;

	OPAQUE(size);
	if (size > sizeof(c->identity))
		return 0;
	c->identity.head.ns = now;
	c->identity.head.size = size;
	err = bpf_seq_write(seq, &c->identity, size);
	c->identity.head.size = sizeof(c->identity);
	return err;
}

static __always_inline long tell_state(struct seq_file *seq, struct connection *c, __u64 is,
				       __u64 now)
{
	struct ev_head alive = {};

	if (c->swept == is) {
		alive.ns = c->ev.id;
		alive.kind = RAW_ALIVE;
		alive.size = sizeof(alive);
		return bpf_seq_write(seq, &alive, sizeof(alive));
	}
	c->ev.head.ns = now;
	return bpf_seq_write(seq, &c->ev, sizeof(c->ev));
}

static __always_inline int sql_is_due(const struct connection *c, __u64 now)
{
	__u64 quiet = settings.grace_ns ? QUIET_NS : QUIET_NS / 10;

	return c->sql.length && c->sql_told_ns != c->sql.sent_ns && !c->ev.request_ns &&
	       c->ev.used_ns && now - c->ev.used_ns > quiet;
}

SEC("iter/bpf_sk_storage_map")
int sweep_connections(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct connection *c = ctx->value;
	struct sock *sk = ctx->sk;
	__u64 now, is, sent;
	__u32 version;
	int sql;

	/* One that closed was told of then; its socket may linger. */
	if (!c || !sk || (c->ev.flags & EV_CONN_CLOSED))
		return 0;
	now = bpf_ktime_get_boot_ns();
	if (!c->told && c->ev.born_ns && now - c->ev.born_ns < settings.grace_ns)
		return 0;
	look_at_socket(c, sk, now);
	/* A message may change the entry while it is being told of: what is noted as told is what
	 * stood before the telling, so that the next sweep tells the rest. */
	is = summary(c);
	version = c->identity_version;
	sent = c->sql.sent_ns;
	barrier();
	sql = sql_is_due(c, now);
	c->sql.head.ns = now;
	/* What does not fit is thrown away and this program run again for it: so note what was told
	 * only once all is written. */
	if (tell_state(seq, c, is, now) ||
	    (c->identity_told != version && tell_identity(seq, c, now)) ||
	    (sql && bpf_seq_write(seq, &c->sql, sizeof(c->sql)))) {
		c->ev.flags &= ~EV_CONN_CLOSED;
		return 0;
	}
	if (!c->told)
		ledger_told(c);
	c->swept = is;
	c->identity_told = version;
	if (sql)
		c->sql_told_ns = sent;
	return 0;
}

SEC("iter/bpf_map_elem")
int sweep_statements(struct bpf_iter__bpf_map_elem *ctx)
{
	struct statement_key *key = ctx->key;
	struct statement *s = ctx->value;
	struct ev_statement out = {};
	__u64 now;

	if (!key || !s || s->told)
		return 0;
	now = bpf_ktime_get_boot_ns();
	if (now - s->born_ns < settings.grace_ns)
		return 0;
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
	if (!bpf_seq_write(ctx->meta->seq, &out, sizeof(out)))
		s->told = 1;
	return 0;
}

static __always_inline void tell_server(struct seq_file *seq, struct task_struct *task,
					struct sock *sk)
{
	struct raw_server out = {};

	out.head.kind = RAW_SERVER;
	out.head.size = sizeof(out);
	out.start_ns = task->start_boottime;
	out.pid = task->tgid;
	if (sk->__sk_common.skc_family == AF_UNIX) {
		out.socket = bpf_get_socket_cookie(sk);
	} else {
		out.local_port = sk->__sk_common.skc_num;
		out.remote_port = __builtin_bswap16(sk->__sk_common.skc_dport);
	}
	ledger_process(out.pid, out.start_ns, 1);
	bpf_seq_write(seq, &out, sizeof(out));
}

/* The name a Unix socket is bound to; an accepted one has its listener's. */
static __always_inline int own_path(struct sock *sk, struct raw_identity *at)
{
	struct unix_address *own = BPF_CORE_READ((struct unix_sock *)sk, addr);

	if (!own)
		return 0;
	bpf_probe_read_kernel(at->path, sizeof(at->path),
			      __builtin_preserve_access_index(&own->name[0].sun_path));
	if (!at->path[0] && at->path[1])
		at->path[0] = '@';
	return 1;
}

/* Is it a known server's listening socket?  Then its address is a database's. */
static __always_inline void scan_server(struct seq_file *seq, struct task_struct *task,
					struct sock *sk, struct raw_identity *at)
{
	struct comm_key name = {};
	__u8 *database, served;
	__u16 port;
	__u64 hash;

	BPF_CORE_READ_INTO(&name.comm, task, comm);
	database = bpf_map_lookup_elem(&servers, &name);
	if (!database)
		return;
	if (sk->__sk_common.skc_state != TCP_LISTEN) {
		if (sk->__sk_common.skc_family == AF_UNIX && own_path(sk, at))
			tell_server(seq, task, sk);
		return;
	}
	served = *database | SERVED;
	tell_server(seq, task, sk);
	if (sk->__sk_common.skc_family != AF_UNIX) {
		port = sk->__sk_common.skc_num;
		bpf_map_update_elem(&ports, &port, &served, BPF_ANY);
		return;
	}
	if (!own_path(sk, at))
		return;
	hash = path_hash(at->path);
	bpf_map_update_elem(&paths, &hash, &served, BPF_ANY);
}

/* What the other end's address says.  Returns signs, 0 for nothing. */
static __always_inline __u8 address_signs(struct raw_identity *at, __u8 *database)
{
	__u8 *known, by_name;
	__u64 hash;

	if (at->family != AF_UNIX) {
		known = bpf_map_lookup_elem(&ports, &at->port);
		if (!known)
			return 0;
		*database = *known & ~SERVED;
		return EV_SIGN_PORT | (*known & SERVED ? EV_SIGN_SERVER : 0);
	}
	by_name = path_database(at->path);
	hash = path_hash(at->path);
	known = bpf_map_lookup_elem(&paths, &hash);
	*database = known ? *known & ~SERVED : by_name;
	return (by_name ? EV_SIGN_PORT : 0) | (known ? EV_SIGN_SERVER : 0);
}

static __always_inline int is_server_end(struct sock *sk, struct raw_identity *at)
{
	__u16 port = sk->__sk_common.skc_num;
	__u64 hash;

	if (sk->__sk_common.skc_family != AF_UNIX)
		return bpf_map_lookup_elem(&ports, &port) != NULL;
	if (!own_path(sk, at))
		return 0;
	hash = path_hash(at->path);
	return bpf_map_lookup_elem(&paths, &hash) || path_database(at->path);
}

static __always_inline void scan_connection(struct seq_file *seq, struct task_struct *task,
					    struct sock *sk, struct raw_identity *at)
{
	__u64 now = bpf_ktime_get_boot_ns();
	__u8 database = EV_DB_UNKNOWN, signs, state = sk->__sk_common.skc_state;
	struct connection *c;
	struct mark *m, none = {};

	if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT)
		return;
	m = bpf_sk_storage_get(&marks, sk, 0, 0);
	if (m && m->state == MARK_TRACKED)
		return;
	if (m && m->state == MARK_PASSED && is_server_end(sk, at)) {
		tell_server(seq, task, sk);
		return;
	}
	__builtin_memset(at->path, 0, sizeof(at->path));
	socket_address(sk, at);
	signs = address_signs(at, &database);
	if (!signs || !database) {
		if (is_server_end(sk, at))
			tell_server(seq, task, sk);
		return;
	}
	if (!selected(task))
		return;
	m = bpf_sk_storage_get(&marks, sk, &none, BPF_SK_STORAGE_GET_F_CREATE);
	if (!m)
		return;
	/* Where connect() was seen its caller is known. */
	if (!m->born_ns) {
		m->pid = task->tgid;
		m->tid = 0;
		m->start_ns = task->start_boottime;
	}
	c = connection_enter(sk, m, database, signs, now);
	if (!c)
		return;
	m->state = MARK_TRACKED;
	if (!m->born_ns)
		c->ev.flags |= EV_CONN_PRE_EXISTING;
	BPF_CORE_READ_INTO(&c->ev.comm, task, comm);
	if (sk->__sk_common.skc_family != AF_UNIX)
		c->ev.used_ns = tcp_used(sk, now);
	look_at_socket(c, sk, now);
}

SEC("iter/task_file")
int scan_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct raw_holder holder = {};
	struct raw_identity *at;
	struct connection *c;
	struct socket *socket;
	struct sock *sk;
	__u32 zero = 0;

	if (!task || !file || task->pid != task->tgid)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || !is_stream(sk))
		return 0;
	if (scan_mode == SCAN_HOLDERS) {
		c = bpf_sk_storage_get(&connections, sk, 0, 0);
		if (!c)
			return 0;
		holder.head.kind = RAW_HOLDER;
		holder.head.size = sizeof(holder);
		holder.id = c->ev.id;
		holder.start_ns = task->start_boottime;
		holder.pid = task->tgid;
		holder.fd = ctx->fd;
		bpf_seq_write(ctx->meta->seq, &holder, sizeof(holder));
		return 0;
	}
	at = bpf_map_lookup_elem(&address_scratch, &zero);
	if (!at)
		return 0;
	__builtin_memset(at, 0, sizeof(*at));
	if (scan_mode == SCAN_SERVERS)
		scan_server(ctx->meta->seq, task, sk, at);
	else
		scan_connection(ctx->meta->seq, task, sk, at);
	return 0;
}
