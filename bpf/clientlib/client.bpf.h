/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client.bpf.h - the ledger of the objects that client libraries handed out, and the socket that
 * each thread used last.
 */
#ifndef DBLEAK_CLIENT_BPF_H
#define DBLEAK_CLIENT_BPF_H

#include "bpf/ledger/ledger.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/clientlib/client.h"

/* Never LRU: the least recently used entry is exactly the leak.  Connections have a map of their
 * own, and every sweep lists all of them.  Of other objects a sweep lists only the samples of their
 * sites. */
struct handles_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROOM_OBJECTS);
	__type(key, struct handle_key);
	__type(value, struct object);
};

struct links_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROOM_CONNECTIONS);
	__type(key, struct handle_key);
	__type(value, struct ledger_handle);
};

struct sites_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROOM_SITES);
	__type(key, struct site_key);
	__type(value, struct site);
};

struct thread_socket_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* pid and tid */
	__type(value, struct thread_socket);
};

struct probes_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROBES_MOST);
	__type(key, __u32);
	__type(value, struct probe);
};

struct hits_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HITS_MOST);
	__type(key, __u32);
	__type(value, __u64);
};

/* Calls that have begun, by thread. */
struct calls_map {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct calls);
};

extern struct handles_map handles SEC(".maps");
extern struct links_map links SEC(".maps");
extern struct sites_map sites SEC(".maps");
extern struct probes_map probes SEC(".maps");
extern struct hits_map hits SEC(".maps");
extern struct calls_map calls SEC(".maps");
extern struct thread_socket_map thread_socket SEC(".maps");

/* The distance by which the stack pointer may be below a call's return address during the call.
 * Client libraries use a few KB of stack on the way to the socket; the stacks of coroutines are
 * larger. */
#define CALL_DEPTH 32768

static __always_inline int is_below(__u64 stack, __u64 slot)
{
	return stack < slot && slot - stack < CALL_DEPTH;
}

#define SETTLE_NS 10000000000ULL /* a call of a client library seldom takes so long */

/* Finds a place for a call that begins and whose return address lies at stack.  The choice, in this
 * order: the place of a call with the same address, a free place, the place of a call left long
 * ago.  If there is none, the first place is reused, which is counted as a loss.  Other calls under
 * way note that one has begun inside them.  Not static, like the next function, so that the
 * verifier checks it once. */
__u32 call_place(__u64 stack);
/* Returns the place of the call whose return address lies at stack; CALLS_MOST: this thread began
 * no such call. */
__u32 call_find(__u64 stack);

/* Does a call's return address still lie in its slot?  A return probe of another tracer may have
 * replaced it. */
int slot_holds(__u64 slot, __u64 address);

static __always_inline struct calls *calls_of_thread(void)
{
	return bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL, 0);
}

/* Remembers a call that begins.  A call is known by its thread and by the slot of its return
 * address.  So recursion, coroutines that take turns, and longjmp cannot mix up two calls.  A call
 * left without a return is overwritten by the next call at its place.  NULL: the end of this call
 * will be missed, which is counted. */
static __always_inline struct call *call_begin(__u64 stack, __u64 address)
{
	__u32 at = call_place(stack);
	struct calls *c = calls_of_thread();

	if (!c || at >= CALLS_MOST)
		return NULL;
	c->of[at].address = address;
	c->of[at].slot = stack;
	c->of[at].inside = 0;
	return &c->of[at];
}

/* Returns the call that ends at the probe with that cookie, valid until the thread's next call
 * begins.  NULL: there is none, or the call is another probe's.  If the thread has begun other
 * calls but not this one, then the call moved here from another thread: it is lost, and counted. */
static __always_inline struct call *call_end(__u64 cookie, const struct probe *p, __u64 slot)
{
	__u32 at = call_find(slot);
	struct calls *c = calls_of_thread();

	if (!c)
		return NULL;
	if (at >= CALLS_MOST) {
		if (!EXIT_SHARED(cookie) && !p->outer && !(p->flags & PROBE_STATIC) &&
		    bpf_ktime_get_boot_ns() - p->since_ns > SETTLE_NS)
			count(COUNTER_LOSS + EV_LOSS_MISSED_RETURN);
		return NULL;
	}
	if (c->of[at].probe != EXIT_PROBE(cookie) && !p->next)
		return NULL;
	c->stack[at] = 0;
	/* Calls of other functions come by here, and a call left long ago may have had the same
	 * slot. */
	if ((EXIT_SHARED(cookie) || p->outer) && !slot_holds(slot, c->of[at].address))
		return NULL;
	return &c->of[at];
}

/* Returns the stack pointer of the current thread's program. */
static __always_inline __u64 user_stack(void)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return regs ? regs->sp : 0;
}

/* Will the processor take a conditional branch?  Not static, so that the verifier checks it
 * once. */
int branch_is_taken(__u32 condition, __u64 flags);

/* Is this an end of a call?  At a branch, only one of its directions is. */
static __always_inline int is_end(__u64 cookie, __u64 flags)
{
	__u32 when = EXIT_WHEN(cookie);

	return !when || branch_is_taken(EXIT_CONDITION(cookie), flags) == (when == 1);
}

/* Returns the result of a call, at one of its ends. */
static __always_inline __u64 exit_result(struct pt_regs *ctx, __u64 cookie)
{
	__u64 *words = (__u64 *)bpf_task_pt_regs(bpf_get_current_task_btf()), value = ctx->ax;
	__u32 at = EXIT_RESULT(cookie);

	barrier_var(value); /* or the compiler chooses an address to read from */
	if (at != EXIT_RAX && words)
		bpf_probe_read_kernel(&value, sizeof(value), words + at);
	return value;
}

/* The last messages of threads are noted until this time. */
extern __u64 joins_until_ns;

#endif
