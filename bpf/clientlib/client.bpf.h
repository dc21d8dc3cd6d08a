/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client.bpf.h - the ledger of what client libraries handed out, and which socket a thread used.
 */
#ifndef DBLEAK_CLIENT_BPF_H
#define DBLEAK_CLIENT_BPF_H

#include "bpf/ledger/ledger.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/clientlib/client.h"

/* Never LRU: the least recently touched entry is exactly the leak.  Connections have a map of
 * their own, which every sweep lists; of other objects a sweep lists their sites' samples. */
struct handles_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct handle_key);
	__type(value, struct object);
};

struct links_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 15);
	__type(key, struct handle_key);
	__type(value, struct handle);
};

struct sites_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 14);
	__type(key, struct site_key);
	__type(value, struct site);
};

struct said_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* pid and tid */
	__type(value, struct said);
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

/* Calls under way. */
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
extern struct said_map said SEC(".maps");

/* How far below a call's return address the stack pointer may be while it is under way.  What
 * client libraries put on the stack until they are at the socket is a few KB; stacks of coroutines
 * are larger. */
#define CALL_DEPTH 32768

static __always_inline int is_below(__u64 stack, __u64 slot)
{
	return stack < slot && slot - stack < CALL_DEPTH;
}

#define SETTLE_NS 10000000000ULL /* calls of client libraries seldom take so long */

/* Finds a place for a call that begins and whose return address lies there: that of one with the
 * same, a free one, that of one that was left long ago, or (counted) the first.  Those under way
 * learn that one has begun inside them.  Not static, as the next, so that the verifier looks at it
 * once. */
__u32 call_place(__u64 stack);
/* The place of a call whose return address lies there; CALLS_MOST: none was seen to begin in this
 * thread. */
__u32 call_find(__u64 stack);

/* Does a call's return address still lie there?  Another tracer may have replaced it. */
int slot_holds(__u64 slot, __u64 address);

static __always_inline struct calls *calls_of_thread(void)
{
	return bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL, 0);
}

/* A call begins.  It is known by its thread and by where its return address lies, so recursion,
 * coroutines that take turns, and longjmp cannot mix two: one that was left without a return is
 * overwritten by the next at its place.  NULL: this one's end will be lost, which is counted. */
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

/* The call that ends at a probe with that cookie.  NULL: there is none, or it is another probe's. A
 * thread that has begun calls before, but not this one, has got it from another: that is lost, and
 * counted.  Good until the thread's next call begins. */
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
	/* Where others come by, too, what was left long ago may lie at the same place. */
	if ((EXIT_SHARED(cookie) || p->outer) && !slot_holds(slot, c->of[at].address))
		return NULL;
	return &c->of[at];
}

/* Where the stack of the current thread's program is. */
static __always_inline __u64 user_stack(void)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return regs ? regs->sp : 0;
}

/* What the processor is about to do at a conditional branch.  Not static, so that the verifier
 * looks at it once. */
int branch_is_taken(__u32 condition, __u64 flags);

/* Is this an end of a call?  At a branch only in one of its directions. */
static __always_inline int is_end(__u64 cookie, __u64 flags)
{
	__u32 when = EXIT_WHEN(cookie);

	return !when || branch_is_taken(EXIT_CONDITION(cookie), flags) == (when == 1);
}

/* What the call returns, at one of its ends. */
static __always_inline __u64 exit_result(struct pt_regs *ctx, __u64 cookie)
{
	__u64 *words = (__u64 *)bpf_task_pt_regs(bpf_get_current_task_btf()), value = ctx->ax;
	__u32 at = EXIT_RESULT(cookie);

	barrier_var(value); /* or it is read at an address that the compiler has chosen */
	if (at != EXIT_RAX && words)
		bpf_probe_read_kernel(&value, sizeof(value), words + at);
	return value;
}

/* Until when threads' last messages are noted. */
extern __u64 joins_until_ns;

#endif
