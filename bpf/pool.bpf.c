/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pool.bpf.c - samples where a Python that grows takes pools of its allocator into use.
 *
 * Memory that Python gave back within its arenas is used again without a page fault.  But its
 * allocator hands it out by pools of 4 or 16 KB, and takes a pool into use in one function, whose
 * return shows the first block and the stack.  A sampled pool that is taken again had become empty:
 * that is noted of each, sampled again or not, so whoever let it go is not taken for its holder.
 */
#include "client.bpf.h"
#include "pool.h"
#include "stack.bpf.h"

#define INTERVAL_MOST (1 << 16)

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

/* Where samples come too fast they are drawn further apart.  Returns how many takes this one stands
 * for. */
static __always_inline __u32 draw_next(struct pool_taker *t, __u64 now)
{
	__u64 since = now - t->sampled_ns;
	__u32 interval = t->interval;

	t->sampled_ns = now;
	if (since < t->gap_ns && interval < INTERVAL_MOST)
		t->interval = interval * 2;
	else if (since > 4 * t->gap_ns && interval > 1)
		t->interval = interval / 2;
	return interval;
}

static __always_inline void sample(struct pool_taker *t, __u64 block, __u64 ip)
{
	__u64 now = bpf_ktime_get_boot_ns(), thread = bpf_get_current_pid_tgid();
	struct said *last = bpf_map_lookup_elem(&said, &thread);
	struct raw_growth *r = &t->out;

	__builtin_memset(r, 0, sizeof(*r));
	r->head.ns = now;
	r->head.kind = RAW_POOL;
	r->head.size = sizeof(*r);
	r->start_ns = t->start_ns;
	r->bytes = draw_next(t, now) * t->bytes;
	r->address = block;
	r->connection = last ? last->id : 0;
	r->said_ns = last ? last->ns : 0;
	r->pid = thread >> 32;
	r->tid = (__u32)thread;
	r->stack = stack_take_share(ip, STACK_SHARE_MEMORY);
	emit(r, sizeof(*r));
}

static __always_inline void taken(struct pool_taker *t, __u32 pid, __u64 block, __u64 ip)
{
	struct pool_key key = {.address = block & -t->bytes, .pid = pid};
	__u8 one = 1;

	__sync_fetch_and_add(&t->takes, 1);
	if (t->interval > 1 && bpf_get_prandom_u32() % t->interval) {
		bpf_map_delete_elem(&pools_sampled, &key);
		return;
	}
	if (bpf_map_update_elem(&pools_sampled, &key, &one, BPF_ANY)) {
		__sync_fetch_and_add(&t->full, 1);
		return;
	}
	sample(t, block, ip);
}

static __always_inline int canary(__u64 cookie)
{
	if (cookie >= POOL_CANARY)
		__sync_fetch_and_add(&pool_canaries[cookie & (POOL_COOKIES - 1)], 1);
	return cookie >= POOL_CANARY;
}

/* On functions of our own alone: what a probe costs. */
SEC("uprobe")
int pool_canary(struct pt_regs *ctx)
{
	canary(bpf_get_attach_cookie(ctx));
	return 0;
}

SEC("uretprobe")
int pool_taken(struct pt_regs *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct pool_taker *t;

	if (canary(bpf_get_attach_cookie(ctx)) || !ctx->ax)
		return 0;
	t = bpf_map_lookup_elem(&pool_takers, &pid);
	if (t)
		taken(t, pid, ctx->ax, ctx->ip);
	return 0;
}
