/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * tls.bpf.c - feeds the plaintext of OpenSSL's calls to the same wire code as the bytes of sockets.
 *
 * How is the socket of an SSL session found?  Most programs let the library read and write the
 * socket itself: then the socket used inside the call is the session's.  Other programs (Node,
 * asyncio) let the library work in memory and send the encrypted bytes themselves.  Such a thread
 * sends the output of SSL_write next, a little longer than the plaintext.  So the thread's next
 * encrypted message of about that size belongs to the session: tentatively, until size and order
 * agreed twice (SURE).  A return of SSL_read agrees if the thread's last message was of the same
 * socket, and contradicts if it was of another.
 *
 *    no session --+-- first write after the handshake --> guessed (matches 0)
 *                 |                                          | agrees
 *                 |                                          v
 *                 +-- next message has the size --------> tentative (matches 1)
 *                 |                                          | agrees again
 *                 |                                          v
 *                 +-- socket used inside the call ------> SURE (matches 2)
 *
 * A contradiction before SURE leads back to "no session".
 *
 * Writes and reads have a program each, because each contains the wire code of its direction, which
 * takes the verifier long.
 */
#include <asm-generic/errno-base.h>

#include "bpf/socket/tls.bpf.h"
#include "bpf/wire/wire.bpf.h"
#include "bpf/clientlib/client.bpf.h"
#include "bpf/ledger/evidence.bpf.h"

#define UNSENT_NS    1000000000ULL
#define UNSENT_MOST  2
#define RECORD_LEAST 21	   /* least bytes that encryption adds to a record: header, tag */
#define RECORD_MOST  128   /* most bytes that it adds, with padding to a block */
#define RECORD_BYTES 16384 /* plaintext bytes that fit into one record */

int wire_sent(struct tracked_connection *c, __u64 chunk, __u32 n);
int wire_received(struct tracked_connection *c, __u64 chunk, __u32 n);

__u32 tls_read = 0;

struct session_key {
	__u64 ssl;
	__u64 pid;
};

/* The connection of each session.  Evidence, not ledger: a lost entry is found again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct session_key);
	__type(value, __u64); /* id */
} sessions SEC(".maps");

/* Plaintext that a session has encrypted, and whose encrypted bytes were not sent yet. */
struct unsent {
	__u64 ssl; /* 0: none */
	__u64 ns;
	__u64 bytes;
	__u64 text; /* address of the plaintext of the last write */
	__u64 head; /* its first 8 bytes */
	__u32 writes;
	__u32 records;
};

/* The last unsent writes of a thread, each of another session. */
struct unsents {
	struct unsent of[UNSENT_MOST];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* pid and tid */
	__type(value, struct unsents);
} unsent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tls_state);
} tls_scratch SEC(".maps"); /* all zero but for the copied part */

/* Guards the scratch of a direction: a program here can interrupt another of its kind on the same
 * CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} tls_busy SEC(".maps");

static __always_inline struct tls_state *tls_state_of(__u64 id)
{
	return bpf_map_lookup_elem(&tls_states, &id);
}

/* Returns the connection of a session; NULL if the session or the connection moved on to
 * another. */
static __always_inline struct tls_state *session_tls_state(const struct session_key *key)
{
	__u64 *id = bpf_map_lookup_elem(&sessions, key);
	struct tls_state *v = id ? tls_state_of(*id) : NULL;

	return v && v->ssl == key->ssl && v->pid == key->pid ? v : NULL;
}

static __always_inline void bind(struct tls_state *v, const struct session_key *key, __u32 matches)
{
	bpf_map_update_elem(&sessions, key, &v->c.ev.id, BPF_ANY);
	v->ssl = key->ssl;
	v->pid = key->pid;
	v->matches = matches;
	if (matches < SURE)
		v->c.ev.flags |= EV_CONN_TENTATIVE;
	else
		v->c.ev.flags &= ~EV_CONN_TENTATIVE;
}

/* The plaintext belonged to another connection: forget the state read from it. */
static __always_inline void unbind(struct tls_state *v)
{
	v->ssl = 0;
	if (v->matches < 1) { /* only guessed: the login was another's, too */
		v->c.identity.startup_length = 0;
		v->c.identity_version++;
	}
	v->c.ev.flags &= ~EV_CONN_DECRYPTED;
	v->c.ev.status = EV_STATUS_UNKNOWN;
	v->c.ev.transaction_ns = 0;
}

static __always_inline void agree(struct tls_state *v)
{
	if (v->matches < SURE && ++v->matches == SURE)
		v->c.ev.flags &= ~EV_CONN_TENTATIVE;
}

/* Begins to parse a connection's plaintext: at its login, or in mid-stream if dbleak came too
 * late. */
static __always_inline void tls_state_decrypted(struct tracked_connection *v, __u64 chunk, __u32 n,
						int sending)
{
	__u8 head[8] = {};
	int login = 0;

	v->ev.flags |= EV_CONN_DECRYPTED;
	if (sending && n >= 8 && !bpf_probe_read_user(head, 8, (void *)chunk))
		login = v->ev.database == EV_DB_POSTGRESQL
				? head[4] == 0 && head[5] == 3 && !head[0]
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

static __always_inline void tls_state_ready(struct tls_state *v, __u64 chunk, __u32 n, int sending)
{
	v->c.now = bpf_ktime_get_boot_ns();
	v->unfed = 0;
	if (!(v->c.ev.flags & EV_CONN_DECRYPTED))
		tls_state_decrypted(&v->c, chunk, n, sending);
}

static __always_inline void feed_sent(struct tls_state *v, __u64 chunk, __u32 n)
{
	tls_state_ready(v, chunk, n, 1);
	wire_sent(&v->c, chunk, n);
	v->c.ev.used_ns = v->c.now; /* the next gap begins here */
}

static __always_inline void feed_received(struct tls_state *v, __u64 chunk, __u32 n)
{
	tls_state_ready(v, chunk, n, 0);
	wire_received(&v->c, chunk, n);
	v->c.ev.used_ns = v->c.now;
}

static __always_inline int is_size_of(__u32 sent, const struct unsent *u)
{
	return sent >= u->bytes + u->records * RECORD_LEAST &&
	       sent <= u->bytes + u->records * RECORD_MOST;
}

static __always_inline int may_be(const struct unsent *u, __u32 sent, __u64 now)
{
	return u->ssl && now < u->ns + UNSENT_NS && is_size_of(sent, u);
}

/* Feeds the first write, which holds the login, once its socket is known.  The text is read again
 * from the program's memory, if it is still there. */
static __always_inline void feed_again(struct tls_state *v, const struct unsent *u,
				       __u32 scratch_slot)
{
	__u64 head = 0;

	if (u->writes != 1 || bpf_probe_read_user(&head, sizeof(head), (void *)u->text) ||
	    head != u->head)
		return;
	v->c.scratch_slot =
		scratch_slot; /* a socket program runs here, with its own scratch slot */
	feed_sent(v, u->text, u->bytes);
	v->c.scratch_slot = TLS_SCRATCH_SLOT;
}

/* Are the bytes that this thread sends the ones that it has just encrypted?  Then the session is
 * joined with this connection. */
static __always_inline void match_unsent(struct tls_state *v, __u32 sent, __u32 scratch_slot)
{
	struct session_key key = {.pid = bpf_get_current_pid_tgid() >> 32};
	__u64 thread = bpf_get_current_pid_tgid();
	struct unsents *all = bpf_map_lookup_elem(&unsent, &thread);
	struct tls_state *other;
	struct unsent u;
	int first, second;

	if (!all || (v->ssl && v->matches >= SURE))
		return;
	first = may_be(&all->of[0], sent, v->c.now);
	second = may_be(&all->of[1], sent, v->c.now);
	u = second ? all->of[1] : all->of[0];
	all->of[0].ssl = 0;
	all->of[1].ssl = 0;
	if (first == second)
		return;
	key.ssl = u.ssl;
	if (v->ssl == key.ssl && v->pid == key.pid) {
		agree(v);
		return;
	}
	if (v->ssl)
		unbind(v);
	other = session_tls_state(&key);
	if (other)
		unbind(other);
	bind(v, &key, 1);
	feed_again(v, &u, scratch_slot);
}

/* Creates the second entry of a connection, for its plaintext, as a copy of the socket's entry. */
static __noinline struct tls_state *tls_state_begin(struct tracked_connection *c)
{
	__u32 zero = 0;
	struct tls_state *v = bpf_map_lookup_elem(&tls_scratch, &zero);
	__u64 id = c->ev.id; /* on the stack: 6.1 takes no key from the caller's memory */
	struct process *p = process_of(c->ev.pid);
	long err;

	if (p && p->start_ns != c->ev.start_ns)
		p = NULL; /* the opener has ended, and another process has its pid */
	barrier_var(p);	  /* or the compiler, which knows more, drops what the verifier needs */
	if (!v || share_take(p, EV_TABLE_ENCRYPTED))
		return NULL;
	bpf_probe_read_kernel(&v->c, sizeof(v->c), c);
	err = bpf_map_update_elem(&tls_states, &id, v, BPF_NOEXIST);
	if (err == -EEXIST)
		share_return(p, EV_TABLE_ENCRYPTED);
	else if (err)
		share_crowded(p, EV_TABLE_ENCRYPTED);
	v = tls_state_of(id);
	if (!v)
		return NULL;
	v->c.ev.flags &= ~(EV_CONN_TLS | EV_CONN_DECRYPTED);
	v->c.ev.requests = 0;
	v->c.ev.request_ns = 0;
	v->c.reported = 1; /* the socket's entry reports the connection */
	v->c.scratch_slot = TLS_SCRATCH_SLOT;
	return v;
}

static __always_inline struct tls_state *message(struct tracked_connection *c, __u32 bytes)
{
	struct thread_socket last = {};
	struct tls_state *v;
	__u64 thread;

	v = tls_state_of(c->ev.id);
	if (!v)
		v = tls_state_begin(c);
	if (!v)
		return NULL;
	last.id = c->ev.id;
	last.ns = v->c.now = bpf_ktime_get_boot_ns();
	last.stack = user_stack();
	if (!v->unfed)
		v->unfed_ns = last.ns;
	v->unfed += bytes;
	thread = bpf_get_current_pid_tgid();
	bpf_map_update_elem(&thread_socket, &thread, &last, BPF_ANY);
	return v;
}

__noinline int tls_message_sent(struct tracked_connection *c, __u32 bytes)
{
	struct tls_state *v = c && tls_read ? message(c, bytes) : NULL;

	if (v)
		match_unsent(v, bytes, c->scratch_slot);
	if (v && v->c.asks) /* a write whose socket was not known is parsed only now */
		evidence_take(&v->c);
	return 0;
}

__noinline int tls_message_received(struct tracked_connection *c, __u32 bytes)
{
	if (c && tls_read)
		message(c, bytes);
	return 0;
}

/* Takes this CPU's room for one direction.  Returns 0 when a call whose program was interrupted
 * holds it. */
static __always_inline int room_take(__u32 sending, struct tls_state *v)
{
	__u64 *busy = bpf_map_lookup_elem(&tls_busy, &sending);

	if (!busy)
		return 0;
	if (!__sync_fetch_and_add(busy, 1))
		return 1;
	__sync_fetch_and_add(busy, -1);
	count(COUNTER_LOSS + EV_LOSS_MISSED_RETURN);
	wire_unaligned(&v->c);
	return 0;
}

static __always_inline void room_leave(__u32 sending)
{
	__u64 *busy = bpf_map_lookup_elem(&tls_busy, &sending);

	if (busy)
		__sync_fetch_and_add(busy, -1);
}

/* Returns the connection whose socket was used inside the call that has returned. */
static __always_inline struct tls_state *used_inside(const struct session_key *key,
						     const struct call *call, __u64 thread)
{
	struct thread_socket *last = bpf_map_lookup_elem(&thread_socket, &thread);
	struct tls_state *v;

	if (!last || last->ns < call->ns || !is_below(last->stack, call->slot))
		return NULL;
	v = tls_state_of(last->id);
	if (v && (v->ssl != key->ssl || v->pid != key->pid || v->matches < SURE))
		bind(v, key, SURE);
	return v;
}

/* The call used memory only.  Does the last message of this thread belong to the session? */
static __always_inline void check_read(struct tls_state *v, __u64 thread)
{
	struct thread_socket *last = bpf_map_lookup_elem(&thread_socket, &thread);

	if (!last || v->matches >= SURE)
		return;
	if (last->id == v->c.ev.id)
		agree(v);
	else if (tls_state_of(last->id))
		unbind(v);
}

/* The first write of a session comes right after the handshake, whose socket is known.  So guess
 * that socket, or the login would be lost.  The next sent message will agree or contradict. */
static __always_inline struct tls_state *guess(const struct session_key *key, __u64 thread)
{
	struct thread_socket *last = bpf_map_lookup_elem(&thread_socket, &thread);
	struct tls_state *v = last ? tls_state_of(last->id) : NULL;

	if (!v || v->ssl || (v->c.ev.flags & EV_CONN_DECRYPTED) ||
	    bpf_ktime_get_boot_ns() - last->ns > UNSENT_NS)
		return NULL;
	bind(v, key, 0);
	return v;
}

/* Keeps a write until its socket is known. */
static __always_inline void keep_unsent(const struct session_key *key, const struct call *call,
					__u64 thread, __u64 bytes)
{
	struct unsents fresh = {}, *all;
	struct unsent *u;

	all = bpf_map_lookup_elem(&unsent, &thread);
	if (!all) {
		bpf_map_update_elem(&unsent, &thread, &fresh, BPF_ANY);
		all = bpf_map_lookup_elem(&unsent, &thread);
	}
	if (!all)
		return;
	u = &all->of[0];
	if (u->ssl != key->ssl) {
		all->of[1] = all->of[0];
		__builtin_memset(u, 0, sizeof(*u));
	}
	u->ssl = key->ssl;
	u->ns = bpf_ktime_get_boot_ns();
	u->bytes += bytes;
	u->records += bytes / RECORD_BYTES + 1;
	u->writes++;
	u->text = call->text;
	u->head = 0;
	bpf_probe_read_user(&u->head, sizeof(u->head), (void *)call->text);
}

SEC("uprobe")
int tls_entered(struct pt_regs *ctx)
{
	__u32 index = bpf_get_attach_cookie(ctx);
	struct probe *p = bpf_map_lookup_elem(&probes, &index);
	__u64 *n = bpf_map_lookup_elem(&hits, &index);
	struct session_key session = {};
	struct call *call;
	__u64 fourth, fifth, address = 0;

	if (!p || !n)
		return 0;
	__sync_fetch_and_add(n, 1);
	if (p->role == PROBE_TLS_END) {
		session.ssl = ctx->di;
		session.pid = bpf_get_current_pid_tgid() >> 32;
		bpf_map_delete_elem(&sessions, &session);
		return 0;
	}
	if (bpf_probe_read_user(&address, sizeof(address), (void *)ctx->sp))
		count(COUNTER_LOSS + EV_LOSS_READ_FAULT);
	call = call_begin(ctx->sp, address);
	if (!call)
		return 0;
	call->probe = index;
	call->ns = bpf_ktime_get_boot_ns();
	call->handle = ctx->di;
	call->text = ctx->si;
	fourth = ctx->cx; /* both are read, or the compiler chooses an address to read */
	fifth = ctx->r8;
	OPAQUE(fourth);
	OPAQUE(fifth);
	call->parent = p->parent == FROM_ARG5 ? fifth : fourth; /* address of the count of bytes */
	return 0;
}

/* Copies the begun call that ends here.  Returns how many bytes went through; 0 or less: none, or
 * the probe is not at an end. */
static __always_inline __s64 call_ended(struct pt_regs *ctx, struct call *call)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u32 index = EXIT_PROBE(cookie), at = HITS_OF_EXITS(index);
	struct probe *p = bpf_map_lookup_elem(&probes, &index);
	__u64 *n = bpf_map_lookup_elem(&hits, &at);
	struct call *begun;
	__s64 bytes;

	if (!p || !n)
		return 0;
	__sync_fetch_and_add(n, 1);
	if (!is_end(cookie, ctx->flags))
		return 0;
	bytes = (__s32)exit_result(ctx, cookie);
	begun = call_end(cookie, p, ctx->sp + EXIT_HEIGHT(cookie));
	if (!begun)
		return 0;
	*call = *begun;
	if (bytes > 0 && p->success == SUCCESS_COUNTED &&
	    bpf_probe_read_user(&bytes, sizeof(bytes), (void *)call->parent))
		return 0;
	return bytes;
}

SEC("uprobe")
int tls_written(struct pt_regs *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct session_key key = {.pid = thread >> 32};
	struct call call;
	struct tls_state *v;
	__s64 bytes = call_ended(ctx, &call);

	if (bytes <= 0)
		return 0;
	key.ssl = call.handle;
	v = used_inside(&key, &call, thread);
	if (!v)
		v = session_tls_state(&key);
	if (!v)
		v = guess(&key, thread);
	if (!v || v->matches < SURE)
		keep_unsent(&key, &call, thread, bytes);
	if (!v || !room_take(1, v))
		return 0;
	feed_sent(v, call.text, bytes);
	room_leave(1);
	if (v->c.asks)
		evidence_take(&v->c);
	return 0;
}

SEC("uprobe")
int tls_received(struct pt_regs *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct session_key key = {.pid = thread >> 32};
	struct call call;
	struct tls_state *v;
	__s64 bytes = call_ended(ctx, &call);

	if (bytes <= 0)
		return 0;
	key.ssl = call.handle;
	v = used_inside(&key, &call, thread);
	if (!v) {
		v = session_tls_state(&key);
		if (v)
			check_read(v, thread);
	}
	if (!v || !v->ssl || !room_take(0, v))
		return 0;
	feed_received(v, call.text, bytes);
	room_leave(0);
	if (v->c.asks)
		evidence_take(&v->c);
	return 0;
}
