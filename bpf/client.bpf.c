/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client.bpf.c - calls of client libraries: what they hand out and take back.
 *
 * Two programs serve every row of the probe table: the attach cookie names the row.  The entry
 * remembers, the return decides; a release that cannot fail is done at the entry.  A call is known
 * by its thread and by where its return address lies, so recursion, longjmp and a return that
 * never comes cannot mix two calls.  What a library acquires from itself is its own business.
 */
#include "client.bpf.h"
#include "select.bpf.h"
#include "stack.bpf.h"

#define JOIN_NS 10000000000ULL
#define JOIN_TRIES 60
#define SCRATCH_LEN 2048 /* of a text at a time */
#define WIDE_LEN 256	 /* of a text in UTF-16, read unit by unit: the verifier walks each */
#define OUTERS_MOST 8 /* functions of the table that call the same one */
#define PRELUDE_NS 20000000ULL
#define SCRATCHES 8	 /* texts that differ only after so many are taken for one */

struct handles_map handles SEC(".maps");
struct links_map links SEC(".maps"); /* connections */
struct sites_map sites SEC(".maps");
struct said_map said SEC(".maps");
__u64 joins_until_ns = 0;

struct probes_map probes SEC(".maps");

struct hits_map hits SEC(".maps");

struct calls_map calls SEC(".maps");

/* Evidence, not ledger: the texts seen last. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct client_text);
} texts SEC(".maps");

struct scratch {
	__u64 busy; /* how many threads want it */
	__u64 words[SCRATCH_LEN / 8];
	struct client_text text;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} text_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct site);
} site_scratch SEC(".maps");

/* Threads inside a PROBE_INSIDE call. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64); /* where the call's return address lies */
} inside SEC(".maps");

static __always_inline __u64 argument(struct pt_regs *ctx, const struct probe *p, __u8 source)
{
	__u64 value = 0;

	switch (source & ~FROM_OUT) {
	case FROM_ARG1:
		return ctx->di;
	case FROM_ARG2:
		return ctx->si;
	case FROM_ARG3:
		return ctx->dx;
	case FROM_ARG4:
		return ctx->cx;
	case FROM_ARG5:
		return ctx->r8;
	case FROM_ARG6:
		return ctx->r9;
	case FROM_ARG7:
		if (bpf_probe_read_user(&value, 8, (void *)(ctx->sp + p->stack + 8)))
			count(COUNTER_LOSS + EV_LOSS_READ_FAULT);
		return value;
	}
	return 0;
}

/* Did the library call itself? */
static __always_inline int from_itself(const struct probe *p, const struct pt_regs *ctx,
				       __u64 caller)
{
	return !(p->flags & (PROBE_BORN_INSIDE | PROBE_STATIC)) &&
	       caller - (ctx->ip - p->before) < p->code;
}

static __always_inline __u64 hash_word(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/* Takes the scratch's first n bytes into the hash.  Not static, so that the verifier looks at it
 * by itself, once. */
__noinline __u64 hash_scratch(__u64 hash, __u32 n)
{
	__u32 zero = 0, i, words = n / 8;
	struct scratch *s = bpf_map_lookup_elem(&text_scratch, &zero);

	if (!s)
		return hash;
	for (i = 0; i < SCRATCH_LEN / 8; i++) {
		if (i >= words)
			break;
		hash = hash_word(hash, s->words[i]);
	}
	if (!(n & 7))
		return hash;
	words %= SCRATCH_LEN / 8;
	barrier_var(words); /* or the compiler, who knows better, drops what the verifier needs */
	/* What follows there is of an older text. */
	return hash_word(hash, s->words[words] & ((1ULL << (n & 7) * 8) - 1));
}

/* Keeps the beginning of a text under the hash of all of it, which is returned; equal texts have
 * equal hashes in this run. */
__noinline __u64 keep_text(__u64 from)
{
	__u64 hash = settings.hash_seed, at = from;
	struct scratch *s;
	long n, first = 0;
	__u32 zero = 0, i;

	s = bpf_map_lookup_elem(&text_scratch, &zero);
	if (!s || !from)
		return 0;
	for (i = 0; i < SCRATCHES; i++) {
		n = bpf_probe_read_user_str(s->words, SCRATCH_LEN, (void *)at);
		if (n <= 1 && !i)
			return 0;
		if (n <= 1)
			break;
		if (!i)
			first = n;
		hash = hash_scratch(hash, n);
		if (n < SCRATCH_LEN)
			break;
		at += SCRATCH_LEN - 1;
	}
	hash |= !hash;
	if (bpf_map_lookup_elem(&texts, &hash))
		return hash;
	__builtin_memset(&s->text, 0, sizeof(s->text));
	n = bpf_probe_read_user_str(s->text.bytes, TEXT_LEN, (void *)from);
	if (n < 1)
		return 0;
	s->text.length = n - 1;
	s->text.cut = first > TEXT_LEN;
	bpf_map_update_elem(&texts, &hash, &s->text, BPF_ANY);
	return hash;
}

/* The same of a text in UTF-16; what is not ASCII is kept as a question mark. */
__noinline __u64 keep_wide_text(__u64 from)
{
	__u64 hash = settings.hash_seed;
	__u32 zero = 0, i, at;
	struct scratch *s;
	__u16 unit;

	s = bpf_map_lookup_elem(&text_scratch, &zero);
	if (!s || !from)
		return 0;
	__builtin_memset(&s->text, 0, sizeof(s->text));
	for (i = 0; i < WIDE_LEN; i++) {
		if (bpf_probe_read_user(&unit, sizeof(unit), (void *)(from + i * sizeof(unit))) ||
		    !unit)
			break;
		hash = hash_word(hash, unit);
		at = i;
		barrier_var(at);
		if (at < TEXT_LEN - 1)
			s->text.bytes[at] = unit < 0x80 ? unit : '?';
	}
	if (!i)
		return 0;
	s->text.length = i < TEXT_LEN ? i : TEXT_LEN - 1;
	s->text.cut = i >= TEXT_LEN;
	hash |= !hash;
	if (!bpf_map_lookup_elem(&texts, &hash))
		bpf_map_update_elem(&texts, &hash, &s->text, BPF_ANY);
	return hash;
}

/* A thread may be preempted in here; another then goes without a text, and that is counted. */
static __always_inline __u64 text_of(const struct probe *p, __u64 from)
{
	__u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&text_scratch, &zero);
	__u64 hash = 0;

	if (!s)
		return 0;
	if (__sync_fetch_and_add(&s->busy, 1))
		count(COUNTER_LOSS + EV_LOSS_TRUNCATED);
	else
		hash = p->flags & PROBE_WIDE_TEXT ? keep_wide_text(from) : keep_text(from);
	__sync_fetch_and_add(&s->busy, -1);
	return hash;
}

/* The place that called.  NULL: nobody wants to know, or there is no room (counted). */
static __always_inline struct site *site_enter(const struct probe *p, struct task_struct *task,
					       const struct call *call)
{
	struct site_key key = {
		.caller = call->caller, .pid = task->tgid, .probe = call->probe};
	__u64 start = task->group_leader->start_boottime;
	struct site *s = bpf_map_lookup_elem(&sites, &key), *fresh;
	__u32 zero = 0;

	if (s && s->start_ns == start && !s->unwanted)
		return s;
	if (s && s->start_ns == start && s->unwanted == selection_generation + 1)
		return NULL;
	fresh = bpf_map_lookup_elem(&site_scratch, &zero); /* all zero but what is set here */
	if (!fresh)
		return NULL;
	fresh->start_ns = start;
	fresh->resource = p->resource;
	fresh->database = p->database;
	fresh->unwanted = selected(task) ? 0 : selection_generation + 1;
	if (bpf_map_update_elem(&sites, &key, fresh, BPF_ANY)) {
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
		return NULL;
	}
	if (fresh->unwanted)
		return NULL;
	ledger_client(key.pid, start);
	return bpf_map_lookup_elem(&sites, &key);
}

static __always_inline struct site *site_of(const struct handle *h, __u32 pid)
{
	struct site_key key = {.caller = h->caller, .pid = pid, .probe = h->probe};

	return bpf_map_lookup_elem(&sites, &key);
}

static __always_inline struct handle *handle_find(const struct handle_key *key)
{
	if (key->resource == EV_RES_CONNECTION)
		return bpf_map_lookup_elem(&links, key);
	return bpf_map_lookup_elem(&handles, key);
}

/* No room is counted. */
static __always_inline long handle_put(const struct handle_key *key, const struct handle *h)
{
	long err = key->resource == EV_RES_CONNECTION ? bpf_map_update_elem(&links, key, h, BPF_ANY)
						      : bpf_map_update_elem(&handles, key, h, BPF_ANY);

	if (err)
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
	return err;
}

static __always_inline void handle_drop(const struct handle_key *key)
{
	if (key->resource == EV_RES_CONNECTION)
		bpf_map_delete_elem(&links, key);
	else
		bpf_map_delete_elem(&handles, key);
}

/* A place among the site's samples; two at once may take one place, and one is not told of. */
static __always_inline __u8 sample_take(struct site *s, __u64 handle)
{
	__u32 taken = s->sampled, i;

	if (taken == ~0U)
		return NO_SAMPLE;
	for (i = 0; i < SITE_SAMPLES; i++)
		if (!(taken & 1U << i))
			break;
	if (i >= SITE_SAMPLES)
		return NO_SAMPLE;
	s->sample[i] = handle;
	__sync_fetch_and_or(&s->sampled, 1U << i);
	return i;
}

static __always_inline void sample_give_back(struct site *s, const struct handle *h, __u64 handle)
{
	__u32 i = h->sample;

	if (i < SITE_SAMPLES && s->sample[i] == handle)
		__sync_fetch_and_and(&s->sampled, ~(1U << i));
}

/* The socket that this thread used since then is the connection's. */
static __always_inline int join(struct handle *h, __u64 since)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct said *last = bpf_map_lookup_elem(&said, &thread);

	if (!last || last->ns < since)
		return 0;
	if (h->socket != last->id)
		h->told = 0;
	h->socket = last->id;
	h->flags &= ~EV_HANDLE_TENTATIVE;
	return 1;
}

/* The call itself used no socket, but what it makes is made of what this thread has just read.
 * Twice the same is believed. */
static __always_inline void join_after(struct handle *h, __u64 now)
{
	__u64 thread = bpf_get_current_pid_tgid(), before = h->socket;
	struct said *last;

	if ((before && !(h->flags & EV_HANDLE_TENTATIVE)) || h->tries >= JOIN_TRIES)
		return;
	h->tries++;
	joins_until_ns = now + JOIN_NS;
	last = bpf_map_lookup_elem(&said, &thread);
	if (!last || last->ns + 1000000000ULL < now)
		return;
	h->socket = last->id;
	h->told = 0;
	if (before == last->id)
		h->flags &= ~EV_HANDLE_TENTATIVE;
	else
		h->flags |= EV_HANDLE_TENTATIVE;
}

/* The connection that something belongs to; one met for the first time is entered. */
static __always_inline struct handle *parent_of(const struct probe *p, __u32 probe,
						__u64 parent, __u32 pid, __u64 now)
{
	struct handle_key key = {.handle = parent, .pid = pid, .resource = EV_RES_CONNECTION};
	struct handle *h, met = {};

	if (!parent)
		return NULL;
	h = handle_find(&key);
	if (h || p->role != PROBE_ACQUIRE)
		return h;
	met.born_ns = met.used_ns = now;
	met.rows = UNKNOWN64;
	met.probe = probe;
	met.flags = EV_HANDLE_PRE_EXISTING;
	met.sample = NO_SAMPLE;
	handle_put(&key, &met);
	return handle_find(&key);
}

/* Its address comes back: it was released where we do not look. */
static __always_inline void release_unseen(const struct handle_key *key, const struct handle *h)
{
	struct site *s = site_of(h, key->pid);

	if (!s || h->flags & EV_HANDLE_PRE_EXISTING)
		return;
	__sync_fetch_and_add(&s->released, 1);
	__sync_fetch_and_add(&s->unseen, 1);
	sample_give_back(s, h, key->handle);
	if (h->told)
		__sync_fetch_and_add(&s->told_open, -1);
}

static __noinline int tell_closed(const struct handle_key *key, const struct handle *h, __u64 now)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ev_handle_closed gone = {};

	if (!key || !h)
		return 0;
	gone.head.ns = now;
	gone.head.kind = EV_HANDLE_CLOSED;
	gone.head.size = sizeof(gone);
	gone.start_ns = task->group_leader->start_boottime;
	gone.handle = key->handle;
	gone.born_ns = h->born_ns;
	gone.pid = key->pid;
	gone.resource = key->resource;
	emit(&gone, sizeof(gone));
	return 0;
}

static __always_inline __u64 rows_of(const struct probe *p, __u64 handle)
{
	__u64 rows = 0;

	if (p->rows_at == UNKNOWN32)
		return UNKNOWN64;
	return bpf_probe_read_user(&rows, 8, (void *)(handle + p->rows_at)) ? UNKNOWN64 : rows;
}

/* A BEGIN that a driver puts before a statement it has just prepared: that tells more. */
static __always_inline int is_prelude(const struct handle *parent, __u64 text, __u64 now)
{
	struct client_text *t = bpf_map_lookup_elem(&texts, &text);
	__u64 word;

	if (!t || !parent->latest || now - parent->used_ns > PRELUDE_NS)
		return 0;
	__builtin_memcpy(&word, t->bytes, sizeof(word));
	return ((word | 0x2020202020ULL) & 0xffffffffffULL) == 0x6e69676562ULL; /* "begin" */
}

static __always_inline void acquired(const struct probe *p, const struct call *call, __u64 handle)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct handle_key key = {.handle = handle, .pid = task->tgid, .resource = p->resource};
	struct handle fresh = {}, *old, *parent;
	__u64 now = bpf_ktime_get_boot_ns();
	struct site *s = site_enter(p, task, call);

	if (!s)
		return;
	if (!handle) {
		__sync_fetch_and_add(&s->failed, 1);
		return;
	}
	old = handle_find(&key);
	if (old && old->born_ns >= call->ns) /* an inner call told of it */
		return;
	if (old)
		release_unseen(&key, old);
	fresh.born_ns = fresh.used_ns = now;
	fresh.parent = call->parent;
	fresh.caller = call->caller;
	fresh.rows = rows_of(p, handle);
	fresh.tid = task->pid;
	fresh.probe = call->probe;
	if (p->flags & PROBE_UNREAD)
		fresh.flags = EV_HANDLE_UNREAD;
	fresh.sample = p->resource == EV_RES_CONNECTION ? NO_SAMPLE : sample_take(s, handle);
	if (call->text)
		fresh.text = text_of(p, call->text);
	parent = parent_of(p, call->probe, call->parent, key.pid, now);
	if (parent) {
		parent->acquired++;
		if (fresh.text && !is_prelude(parent, fresh.text, now))
			parent->latest = fresh.text;
		parent->used_ns = now;
		if (p->flags & PROBE_JOINS && parent->tries < JOIN_TRIES && !parent->socket &&
		    !join(parent, call->ns)) {
			parent->tries++;
			joins_until_ns = now + JOIN_NS;
		}
		if (p->flags & PROBE_AFTER)
			join_after(parent, now);
	}
	if (p->resource == EV_RES_CONNECTION)
		join(&fresh, call->ns);
	if (handle_put(&key, &fresh)) {
		sample_give_back(s, &fresh, handle);
		return;
	}
	__sync_fetch_and_add(&s->acquired, 1);
	s->last_ns = now;
	if (!s->first_ns)
		s->first_ns = now;
	if (fresh.rows != UNKNOWN64)
		__sync_fetch_and_add(&s->rows, fresh.rows);
}

static __always_inline void released(const struct probe *p, __u64 handle)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct handle_key key = {.handle = handle,
				 .pid = bpf_get_current_pid_tgid() >> 32,
				 .resource = p->resource};
	struct handle *h, *parent;
	struct site *s;

	if (!handle)
		return;
	h = handle_find(&key);
	if (!h)
		return;
	s = site_of(h, key.pid);
	if (s && !(h->flags & (EV_HANDLE_PRE_EXISTING | EV_HANDLE_ZOMBIE))) {
		__sync_fetch_and_add(&s->released, 1);
		sample_give_back(s, h, handle);
		if (h->told)
			__sync_fetch_and_add(&s->told_open, -1);
	}
	parent = parent_of(p, 0, h->parent, key.pid, now);
	if (parent) {
		parent->released++;
		parent->used_ns = now;
	}
	/* Closed, but what belongs to it keeps it alive. */
	if (p->flags & PROBE_ZOMBIE && h->acquired > h->released) {
		h->flags |= EV_HANDLE_ZOMBIE;
		h->told = 0;
		return;
	}
	if (h->told)
		tell_closed(&key, h, now);
	key.handle = h->parent; /* h is gone with its entry */
	handle_drop(&(struct handle_key){handle, key.pid, key.resource});
	if (!parent || !(parent->flags & EV_HANDLE_ZOMBIE) || parent->acquired > parent->released)
		return;
	key.resource = EV_RES_CONNECTION;
	if (parent->told)
		tell_closed(&key, parent, now);
	handle_drop(&key);
}

/* A connection that waits for its socket, or an object that gets its text. */
static __always_inline void used(const struct probe *p, const struct call *call)
{
	struct handle_key key = {.handle = call->handle,
				 .pid = bpf_get_current_pid_tgid() >> 32,
				 .resource = p->resource};
	struct handle *h = handle_find(&key);

	if (!h)
		return;
	h->used_ns = bpf_ktime_get_boot_ns();
	if (call->text && p->resource == EV_RES_CONNECTION)
		h->latest = text_of(p, call->text);
	else if (call->text)
		h->text = text_of(p, call->text);
	if (p->flags & PROBE_JOINS)
		join(h, call->ns);
}

static __always_inline void finish(const struct probe *p, const struct call *call, __u64 handle)
{
	if (p->role == PROBE_ACQUIRE)
		acquired(p, call, handle);
	else if (p->role == PROBE_RELEASE)
		released(p, call->handle);
	else if (p->role == PROBE_USE)
		used(p, call);
}

/* Returns 1 while the thread is inside a call of which this one is a part: deeper in its stack.  A
 * call that was left by longjmp is forgotten when the thread comes by above it. */
static __always_inline int is_inside(const struct probe *p, __u64 thread, __u64 stack)
{
	__u64 *outer;

	if (!(p->flags & PROBE_STATIC))
		return 0;
	outer = bpf_map_lookup_elem(&inside, &thread);
	if (!outer)
		return 0;
	if (stack < *outer)
		return 1;
	bpf_map_delete_elem(&inside, &thread);
	return 0;
}

/* The return address that the program has put there. */
static __always_inline __u64 return_address(__u64 slot)
{
	__u64 address = replaced_address(slot);

	if (!address && bpf_probe_read_user(&address, 8, (void *)slot))
		count(COUNTER_LOSS + EV_LOSS_READ_FAULT);
	return address;
}

/* Functions of the table may call one in which they are all watched: whose call is it? */
static __always_inline struct probe *probe_of(struct pt_regs *ctx, __u32 *index)
{
	struct probe *p = bpf_map_lookup_elem(&probes, index);
	__s64 outer;
	int i;

	if (!p || !p->outer)
		return p;
	outer = return_address(ctx->sp) - ctx->ip;
	for (i = 0; i < OUTERS_MOST && p; i++) {
		if (p->outer == outer)
			return p;
		*index = p->next;
		p = *index ? bpf_map_lookup_elem(&probes, index) : NULL;
	}
	return NULL;
}

SEC("uprobe")
int client_entered(struct pt_regs *ctx)
{
	__u32 index = bpf_get_attach_cookie(ctx);
	struct probe *p = probe_of(ctx, &index);
	struct call_key key = {};
	struct call call = {};
	__u64 *n, thread;

	n = bpf_map_lookup_elem(&hits, &index);
	if (!p || !n)
		return 0;
	__sync_fetch_and_add(n, 1); /* another thread may come in between */
	thread = bpf_get_current_pid_tgid();
	if (p->role == PROBE_COUNT || thread >> 32 == settings.self || is_inside(p, thread, ctx->sp))
		return 0;
	call.caller = return_address(ctx->sp + p->stack);
	if (p->role == PROBE_INSIDE) {
		key.stack = ctx->sp;
		bpf_map_update_elem(&inside, &thread, &key.stack, BPF_NOEXIST);
		return 0;
	}
	if (from_itself(p, ctx, call.caller))
		return 0;
	call.probe = index;
	call.handle = argument(ctx, p, p->handle);
	call.text = argument(ctx, p, p->text);
	if (!(p->flags & PROBE_RETURNS)) {
		finish(p, &call, 0);
		return 0;
	}
	call.parent = argument(ctx, p, p->parent);
	call.ns = bpf_ktime_get_boot_ns();
	if (p->flags & PROBE_JOINS && p->resource == EV_RES_CONNECTION)
		joins_until_ns = call.ns + JOIN_NS;
	key.thread = thread;
	key.stack = ctx->sp;
	if (bpf_map_update_elem(&calls, &key, &call, BPF_ANY))
		count(COUNTER_LOSS + EV_LOSS_MISSED_RETURN);
	return 0;
}

static __always_inline int succeeded(const struct probe *p, __s32 result)
{
	return p->success == SUCCESS_ZERO ? result == 0 : p->success != SUCCESS_POSITIVE || result > 0;
}

SEC("uretprobe")
int client_returned(struct pt_regs *ctx)
{
	__u32 index = bpf_get_attach_cookie(ctx);
	struct probe *p = bpf_map_lookup_elem(&probes, &index);
	struct call_key key = {};
	struct call *begun, call;
	__u64 handle = 0, *stack;

	if (!p || p->role == PROBE_COUNT)
		return 0;
	key.thread = bpf_get_current_pid_tgid();
	key.stack = ctx->sp - 8; /* ret has taken the address off */
	if (p->role == PROBE_INSIDE) {
		stack = bpf_map_lookup_elem(&inside, &key.thread);
		if (stack && *stack <= key.stack)
			bpf_map_delete_elem(&inside, &key.thread);
		return 0;
	}
	begun = bpf_map_lookup_elem(&calls, &key);
	if (!begun || (begun->probe != index && !p->next))
		return 0;
	call = *begun;
	p = bpf_map_lookup_elem(&probes, &call.probe);
	if (!p)
		return 0;
	bpf_map_delete_elem(&calls, &key);
	if (!succeeded(p, ctx->ax)) {
		if (p->role == PROBE_ACQUIRE)
			acquired(p, &call, 0);
		return 0;
	}
	if (p->handle == FROM_RETURN)
		handle = ctx->ax;
	else if (p->handle & FROM_OUT && call.handle && /* NULL: the caller does not want it */
		 bpf_probe_read_user(&handle, 8, (void *)call.handle))
		count(COUNTER_LOSS + EV_LOSS_READ_FAULT);
	finish(p, &call, handle);
	return 0;
}

/* Its objects that outlived the grace period and are not told of yet.  What is told of makes room
 * for a later one: to see whether more keep coming, and how they look. */
static __noinline int tell_sample(struct seq_file *seq, const struct site_key *at, struct site *s,
				  const struct process *p, __u32 i)
{
	struct raw_handle out = {};
	struct handle_key key = {};
	struct handle *h;
	__u64 now;

	if (i >= SITE_SAMPLES || !(s->sampled & 1U << i))
		return 0;
	key.handle = s->sample[i];
	key.pid = at->pid;
	key.resource = s->resource;
	now = bpf_ktime_get_boot_ns();
	h = bpf_map_lookup_elem(&handles, &key);
	if (!h || h->told || now - h->born_ns < settings.grace_ns)
		return 0;
	out.head.ns = now;
	out.head.kind = RAW_HANDLE;
	out.head.size = sizeof(out);
	out.start_ns = s->start_ns;
	__builtin_memcpy(out.comm, p->comm, EV_COMM_LEN);
	out.key = key;
	out.handle = *h;
	if (bpf_seq_write(seq, &out, sizeof(out)))
		return 1;
	h->told = 1;
	h->sample = NO_SAMPLE;
	__sync_fetch_and_add(&s->told_open, 1);
	__sync_fetch_and_and(&s->sampled, ~(1U << i));
	return s->told_open > SITE_TOLD;
}

/* A loop around a call: the verifier of 6.1 refuses one whose body the compiler has turned round. */
static __always_inline void tell_samples(struct seq_file *seq, const struct site_key *at,
					 struct site *s, const struct process *p)
{
	__u32 i;

	for (i = 0; i < SITE_SAMPLES; i++)
		if (tell_sample(seq, at, s, p, i))
			return;
}

SEC("iter/bpf_map_elem")
int sweep_sites(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct site_key *key = ctx->key;
	struct site *s = ctx->value;
	struct raw_site out = {};
	struct process *p;
	__u64 sum, now;
	__u32 pid;

	if (!key || !s)
		return 0;
	pid = key->pid;
	now = bpf_ktime_get_boot_ns();
	p = bpf_map_lookup_elem(&processes, &pid);
	out.gone = !p || p->gone || p->start_ns != s->start_ns || p->exec_ns > s->last_ns;
	if (p && s->sampled && (!out.gone || p->exec_ns <= s->last_ns))
		tell_samples(seq, key, s, p);
	sum = s->acquired + s->released + s->unseen + s->failed + 1;
	if (!out.gone && (s->told == sum || s->unwanted))
		return 0;
	out.head.ns = now;
	out.head.kind = RAW_SITE;
	out.head.size = sizeof(out);
	out.key = *key;
	out.start_ns = s->start_ns;
	out.first_ns = s->first_ns;
	out.last_ns = s->last_ns;
	out.acquired = s->acquired;
	out.released = s->released;
	out.unseen = s->unseen;
	out.failed = s->failed;
	out.rows = s->rows;
	out.unwanted = s->unwanted;
	out.resource = s->resource;
	out.database = s->database;
	if (p)
		__builtin_memcpy(out.comm, p->comm, EV_COMM_LEN);
	if (bpf_seq_write(seq, &out, sizeof(out)))
		return 0;
	s->told = sum;
	if (p)
		p->told = 1;
	return 0;
}

/* One handle: of a connection that is news, or of anything whose process is gone. */
static __always_inline int sweep_handle(struct bpf_iter__bpf_map_elem *ctx, int only_dead)
{
	struct handle_key *key = ctx->key;
	struct handle *h = ctx->value;
	struct raw_handle out = {};
	struct process *p;
	__u32 pid;
	__u64 now;
	int gone;

	if (!key || !h)
		return 0;
	pid = key->pid;
	p = bpf_map_lookup_elem(&processes, &pid);
	gone = !p || p->gone || p->exec_ns > h->born_ns;
	if (!gone && (only_dead || h->told))
		return 0;
	now = bpf_ktime_get_boot_ns();
	if (!gone && now - h->born_ns < settings.grace_ns)
		return 0;
	out.head.ns = now;
	out.head.kind = gone ? RAW_DEAD : RAW_HANDLE;
	out.head.size = sizeof(out);
	out.key = *key;
	out.handle = *h;
	if (p) {
		out.start_ns = p->start_ns;
		__builtin_memcpy(out.comm, p->comm, EV_COMM_LEN);
	}
	if (!bpf_seq_write(ctx->meta->seq, &out, sizeof(out)))
		h->told = 1;
	return 0;
}

SEC("iter/bpf_map_elem")
int sweep_links(struct bpf_iter__bpf_map_elem *ctx)
{
	return sweep_handle(ctx, 0);
}

SEC("iter/bpf_map_elem")
int sweep_handles(struct bpf_iter__bpf_map_elem *ctx)
{
	return sweep_handle(ctx, 1);
}
