/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pool.bpf.c - samples where a growing Python takes pools of its allocator into use.
 *
 * Python uses memory that it gave back within its arenas again without a page fault.  But its
 * allocator hands memory out in pools of 4 or 16 KB.  It takes a pool into use in one function,
 * whose end shows the first block and the stack.  A sampled pool that is taken again was empty in
 * between.  That is noted whether the second take is sampled or not, so that code which freed its
 * pool is not taken for the holder.
 *
 * Python keeps some dead objects for the next object of their type, whatever code makes that.  So
 * the next take of a pool reads what was put into the block, before the block can be another
 * object's.
 */
#include "bpf/clientlib/client.bpf.h"
#include "bpf/memory/pool.h"
#include "bpf/stack/stack.bpf.h"

#define SIZE_AT	   0x24		/* offset of the size index in a pool */
#define MAKING_NS  20000ULL	/* an object is made by then */
#define LOOK_NS	   500000000ULL /* period over which takes are counted, */
#define LOOK_SHIFT 5		/* for about 2^LOOK_SHIFT samples in each */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, POOL_TAKERS);
	__type(key, __u32); /* process id */
	__type(value, struct pool_taker);
} pool_takers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, POOLS_MOST);
	__type(key, struct pool_key);
	__type(value, __u8);
} pools_sampled SEC(".maps");

__u64 pool_canaries[POOL_COOKIES] = {};

/* Returns n if one of n takes is to be a sample.  The count of the last period decides, or that of
 * the current one if it is larger. */
static __always_inline __u32 interval_of(struct pool_taker *t, __u64 now)
{
	__u32 before = t->before, recent = ++t->recent;

	if (now - t->looked_ns > LOOK_NS) {
		t->looked_ns = now;
		t->before = recent;
		t->recent = 0;
	}
	before = before > recent ? before : recent;
	return (before >> LOOK_SHIFT) + 1;
}

static __always_inline void sample(struct pool_taker *t, __u64 block, __u64 takes)
{
	__u64 now = bpf_ktime_get_boot_ns(), thread = bpf_get_current_pid_tgid();
	struct thread_socket *last = bpf_map_lookup_elem(&thread_socket, &thread);
	struct raw_growth *r = &t->out;

	__builtin_memset(r, 0, sizeof(*r));
	r->head.ns = now;
	r->head.kind = RAW_POOL;
	r->head.size = sizeof(*r);
	r->start_ns = t->start_ns;
	r->bytes = takes * t->bytes;
	r->address = block;
	r->connection = last ? last->id : 0;
	r->message_ns = last ? last->ns : 0;
	r->pid = thread >> 32;
	r->tid = (__u32)thread;
	r->stack = stack_take_share(0, 0, STACK_SHARE_MEMORY);
	emit_of(r->pid, r, sizeof(*r));
	t->waits = block;
}

static __always_inline void see(struct pool_taker *t, __u32 pid, __u64 now)
{
	struct raw_pool_seen *r = &t->seen;
	__u64 block = t->waits;

	if (!block || now - t->out.head.ns < MAKING_NS)
		return;
	t->waits = 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->head.ns = now;
	r->head.kind = RAW_POOL_SEEN;
	r->head.size = sizeof(*r);
	r->start_ns = t->start_ns;
	r->address = block;
	r->pid = pid;
	if (!bpf_probe_read_user(&r->size_index, sizeof(r->size_index),
				 (void *)((block & -t->bytes) + SIZE_AT)) &&
	    !bpf_probe_read_user(r->words, sizeof(r->words), (void *)block))
		emit_of(r->pid, r, sizeof(*r));
}

static __always_inline void taken(struct pool_taker *t, __u32 pid, __u64 block)
{
	struct pool_key key = {.address = block & -t->bytes, .pid = pid};
	__u64 now = bpf_ktime_get_boot_ns();
	__u32 interval = interval_of(t, now);
	__u8 one = 1;

	see(t, pid, now);
	__sync_fetch_and_add(&t->takes, 1);
	if (interval > 1 && bpf_get_prandom_u32() % interval) {
		bpf_map_delete_elem(&pools_sampled, &key);
		return;
	}
	if (bpf_map_update_elem(&pools_sampled, &key, &one, BPF_ANY)) {
		__sync_fetch_and_add(&t->full, 1);
		return;
	}
	sample(t, block, interval);
}

static __always_inline int canary(__u64 cookie)
{
	if (cookie >= POOL_CANARY)
		__sync_fetch_and_add(&pool_canaries[cookie & (POOL_COOKIES - 1)], 1);
	return cookie >= POOL_CANARY;
}

/* Sits on dbleak's own functions only, to measure what a probe costs. */
SEC("uprobe")
int pool_canary(struct pt_regs *ctx)
{
	canary(bpf_get_attach_cookie(ctx));
	return 0;
}

/* Sits at the ends of the function that takes a pool. */
SEC("uprobe")
int pool_taken(struct pt_regs *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct pool_taker *t;

	if (canary(bpf_get_attach_cookie(ctx)) || !ctx->ax)
		return 0;
	t = bpf_map_lookup_elem(&pool_takers, &pid);
	if (t)
		taken(t, pid, ctx->ax);
	return 0;
}
