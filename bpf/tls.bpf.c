/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * tls.bpf.c - plaintext of OpenSSL's calls, fed to the same wire code as sockets' bytes.
 *
 * Which socket does an SSL belong to?  The one used inside its call, for whoever lets the library
 * read and write by itself.  Who does that alone (Node, asyncio: the library works in memory)
 * sends what SSL_write gave as the next thing, a little longer: then the same thread's next
 * encrypted message of about that size is its socket, tentatively until it came so twice.
 */
#include "tls.bpf.h"
#include "wire.bpf.h"
#include "client.bpf.h"

#define UNSENT_NS 1000000000ULL
#define RECORD_LEAST 17	  /* bytes that encryption adds to a record at least: header, tag */
#define RECORD_MOST 128	  /* and at most, with padding to a block */
#define RECORD_BYTES 16384 /* of plaintext that one record takes */
#define SURE 2

int wire_sent(struct connection *c, __u64 chunk, __u32 n);
int wire_received(struct connection *c, __u64 chunk, __u32 n);

__u32 tls_read = 0;

struct session_key {
	__u64 ssl;
	__u64 pid;
};

struct session {
	__u64 id;      /* of the connection */
	__u32 matches; /* how often order and size agreed; SURE is enough */
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct session_key);
	__type(value, struct session);
} sessions SEC(".maps");

/* What a thread has encrypted and not sent yet. */
struct unsent {
	__u64 ssl;
	__u64 ns;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* pid and tid */
	__type(value, struct unsent);
} unsent SEC(".maps");

/* Nobody keeps one program here from interrupting another of its kind on the same CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} tls_busy SEC(".maps");

static __always_inline int is_size_of(__u32 sent, __u64 bytes)
{
	__u64 records = bytes / RECORD_BYTES + 1;

	return sent >= bytes + RECORD_LEAST && sent <= bytes + records * RECORD_MOST;
}

/* This thread has just encrypted something: is it what is sent here? */
static __always_inline void match_unsent(struct connection *v, __u32 sent)
{
	struct session_key key = {.pid = bpf_get_current_pid_tgid() >> 32};
	__u64 thread = bpf_get_current_pid_tgid();
	struct unsent *u = bpf_map_lookup_elem(&unsent, &thread);
	struct session *s, fresh = {.id = v->ev.id, .matches = 1};

	if (!u)
		return;
	key.ssl = u->ssl;
	if (v->now > u->ns + UNSENT_NS || !is_size_of(sent, u->bytes)) {
		bpf_map_delete_elem(&unsent, &thread);
		return;
	}
	bpf_map_delete_elem(&unsent, &thread);
	s = bpf_map_lookup_elem(&sessions, &key);
	if (!s || s->id != v->ev.id) {
		bpf_map_update_elem(&sessions, &key, &fresh, BPF_ANY);
		v->ev.flags |= EV_CONN_TENTATIVE;
	} else if (s->matches < SURE && ++s->matches == SURE) {
		v->ev.flags &= ~EV_CONN_TENTATIVE;
	}
}

/* The entry of what the plaintext will tell begins as a copy of the socket's. */
static __noinline struct connection *veil_begin(struct connection *c)
{
	struct connection *v;

	if (bpf_map_update_elem(&veils, &c->ev.id, c, BPF_NOEXIST))
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
	v = bpf_map_lookup_elem(&veils, &c->ev.id);
	if (!v)
		return NULL;
	v->ev.flags &= ~EV_CONN_TLS;
	v->ev.requests = 0;
	v->ev.request_ns = 0;
	v->told = 1; /* the socket's entry is */
	v->lane = VEIL_LANE;
	return v;
}

__noinline int tls_message(struct connection *c, __u32 bytes, __u32 sending)
{
	struct connection *v;
	struct said last = {};
	__u64 thread;

	if (!c || !tls_read)
		return 0;
	v = bpf_map_lookup_elem(&veils, &c->ev.id);
	if (!v)
		v = veil_begin(c);
	if (!v)
		return 0;
	last.id = c->ev.id;
	last.ns = v->now = bpf_ktime_get_boot_ns();
	thread = bpf_get_current_pid_tgid();
	bpf_map_update_elem(&said, &thread, &last, BPF_ANY);
	if (sending)
		match_unsent(v, bytes);
	return 0;
}

/* The first plaintext of a connection: its login, unless we came too late for that. */
static __always_inline void veil_lift(struct connection *v, __u64 chunk, __u32 n, int sending)
{
	__u8 head[8] = {};
	int login = 0;

	v->ev.flags |= EV_CONN_DECRYPTED;
	if (sending && n >= 8 && !bpf_probe_read_user(head, 8, (void *)chunk))
		login = v->ev.database == EV_DB_POSTGRESQL ? head[4] == 0 && head[5] == 3 && !head[0]
							   : head[3] == 2;
	if (v->ev.database == EV_DB_POSTGRESQL) {
		v->phase = login ? PHASE_STARTUP : PHASE_READY;
		v->ev.flags &= ~EV_CONN_AUTHENTICATED;
	} else {
		v->phase = login ? PHASE_GREETED : PHASE_READY;
	}
	if (!login)
		v->ev.flags |= EV_CONN_UNALIGNED;
}

static __always_inline void feed(struct session *s, __u64 chunk, __u32 n, __u32 sending)
{
	struct connection *v = bpf_map_lookup_elem(&veils, &s->id);
	__u64 *busy;

	if (!v || !n)
		return;
	busy = bpf_map_lookup_elem(&tls_busy, &sending);
	if (!busy)
		return;
	if (__sync_fetch_and_add(busy, 1)) {
		__sync_fetch_and_add(busy, -1);
		count(COUNTER_LOSS + EV_LOSS_MISSED_RETURN);
		wire_unaligned(v);
		return;
	}
	v->now = bpf_ktime_get_boot_ns();
	if (!(v->ev.flags & EV_CONN_DECRYPTED))
		veil_lift(v, chunk, n, sending);
	if (sending)
		wire_sent(v, chunk, n);
	else
		wire_received(v, chunk, n);
	__sync_fetch_and_add(busy, -1);
}

/* The session of a call that has returned; made when a socket was used inside it. */
static __always_inline struct session *session_of(const struct session_key *key,
						  const struct call *call, __u64 thread)
{
	struct session *s = bpf_map_lookup_elem(&sessions, key), fresh = {.matches = SURE};
	struct said *last = bpf_map_lookup_elem(&said, &thread);

	if (!last || last->ns < call->ns || !bpf_map_lookup_elem(&veils, &last->id))
		return s;
	if (s && s->id == last->id)
		return s;
	fresh.id = last->id;
	bpf_map_update_elem(&sessions, key, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&sessions, key);
}

SEC("uprobe")
int tls_entered(struct pt_regs *ctx)
{
	__u32 index = bpf_get_attach_cookie(ctx);
	struct probe *p = bpf_map_lookup_elem(&probes, &index);
	__u64 *n = bpf_map_lookup_elem(&hits, &index);
	struct session_key session = {};
	struct call_key key = {};
	struct call call = {};

	if (!p || !n)
		return 0;
	*n += 1;
	key.thread = bpf_get_current_pid_tgid();
	if (p->role == PROBE_TLS_END) {
		session.ssl = ctx->di;
		session.pid = key.thread >> 32;
		bpf_map_delete_elem(&sessions, &session);
		return 0;
	}
	key.stack = ctx->sp;
	call.ns = bpf_ktime_get_boot_ns();
	call.handle = ctx->di;
	call.text = ctx->si;
	call.parent = ctx->cx; /* of the _ex functions: where the count goes */
	if (bpf_map_update_elem(&calls, &key, &call, BPF_ANY))
		count(COUNTER_LOSS + EV_LOSS_MISSED_RETURN);
	return 0;
}

SEC("uretprobe")
int tls_returned(struct pt_regs *ctx)
{
	__u32 index = bpf_get_attach_cookie(ctx);
	struct probe *p = bpf_map_lookup_elem(&probes, &index);
	struct session_key session = {};
	struct call_key key = {};
	struct unsent later = {};
	struct call *begun, call;
	struct session *s;
	__s64 bytes;

	if (!p)
		return 0;
	key.thread = bpf_get_current_pid_tgid();
	key.stack = ctx->sp - 8;
	begun = bpf_map_lookup_elem(&calls, &key);
	if (!begun)
		return 0;
	call = *begun;
	bpf_map_delete_elem(&calls, &key);
	bytes = (__s32)ctx->ax;
	if (bytes > 0 && p->success == SUCCESS_COUNTED &&
	    bpf_probe_read_user(&bytes, sizeof(bytes), (void *)call.parent))
		return 0;
	if (bytes <= 0)
		return 0;
	session.ssl = call.handle;
	session.pid = key.thread >> 32;
	s = session_of(&session, &call, key.thread);
	if (s)
		feed(s, call.text, bytes, p->role == PROBE_TLS_WRITE);
	if (p->role == PROBE_TLS_WRITE && (!s || s->matches < SURE)) {
		later.ssl = call.handle;
		later.ns = bpf_ktime_get_boot_ns();
		later.bytes = bytes;
		bpf_map_update_elem(&unsent, &key.thread, &later, BPF_ANY);
	}
	return 0;
}
