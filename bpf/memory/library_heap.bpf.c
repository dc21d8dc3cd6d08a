/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_heap.bpf.c - the allocator calls in a client library's own code.
 *
 * A probe sits on the call instruction itself, where the arguments are at hand and the kernel need
 * not single-step.  No return is seen.  The size taken follows from the argument as glibc rounds
 * it, the size given back from the size field before the block.  Only the balance of both is kept.
 */
#include "bpf/emit.bpf.h"
#include "bpf/memory/library_heap.h"
#include "bpf/ledger/select.bpf.h"
#include "bpf/stack/stack.bpf.h"

/* 1: probes attached in windows count now.  To attach and remove them takes a while, so this bounds
 * the window. */
__u32 library_window = 0;

#define STACK_EVERY_NS 10000000ULL
#define STRING_MOST    1024 /* bytes of a copied string; a longer one counts so many */
#define SIZE_MOST      (1ULL << 40)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct library_key);
	__type(value, struct library_balance);
} library_balances SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct library_stack_key);
	__type(value, struct library_stack);
} library_stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LIBRARY_SITES);
	__type(key, __u32);
	__type(value, __u64);
} library_hits SEC(".maps");

struct library_scratch {
	struct library_balance fresh; /* all zero but what each use sets */
	char text[STRING_MOST];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct library_scratch);
} library_scratch SEC(".maps");

/* Returns the bytes that malloc takes for n: its header added, in steps of 16, at least 32. */
static __always_inline __u64 block_of(__u64 n)
{
	n = (n + 8 + 15) & ~15ULL;
	return n < 32 ? 32 : n;
}

/* Returns the size in the field before a block; 0: no size of glibc's. */
static __always_inline __u64 size_before(__u64 block)
{
	__u64 size = 0;

	if (bpf_probe_read_user(&size, sizeof(size), (void *)(block - 8)))
		return 0;
	size &= ~7ULL;
	return size < 32 || size & 8 || size > SIZE_MOST ? 0 : size;
}

static __always_inline __u64 length_of(__u64 text)
{
	__u32 zero = 0;
	struct library_scratch *s = bpf_map_lookup_elem(&library_scratch, &zero);
	long n = s ? bpf_probe_read_user_str(s->text, sizeof(s->text), (void *)text) : 0;

	return n > 0 ? n : 1;
}

/* Returns the bytes that a call asks for; 0: none. */
static __always_inline __u64 asked(__u32 function, const struct pt_regs *ctx)
{
	__u64 n;

	switch (function) {
	case LIBRARY_MALLOC:
		return ctx->di | !ctx->di;
	case LIBRARY_CALLOC:
		n = ctx->di * ctx->si;
		return n | !n;
	case LIBRARY_REALLOC:
		return ctx->si;
	case LIBRARY_STRDUP:
		return length_of(ctx->di);
	case LIBRARY_STRNDUP:
		n = length_of(ctx->di);
		return n > ctx->si + 1 ? ctx->si + 1 : n;
	}
	return 0;
}

static __always_inline void client_heap_gives_back(struct library_balance *b, __u64 block)
{
	__u64 size = size_before(block);

	__sync_fetch_and_add(&b->freed, 1);
	if (size)
		__sync_fetch_and_add(&b->freed_bytes, size);
	else
		__sync_fetch_and_add(&b->unread, 1);
}

/* Takes a stack.  Its share is all bytes taken since the stack before. */
static __always_inline void note_stack(const struct library_key *key, struct library_balance *b,
				       __u64 now)
{
	struct library_stack_key of = {.of = *key};
	struct library_stack fresh = {}, *s;
	__u64 share = b->taken_bytes - b->stack_bytes;

	b->stack_bytes += share;
	b->last_ns = now;
	of.stack = stack_take_share(0, 0, STACK_SHARE_MEMORY);
	s = bpf_map_lookup_elem(&library_stacks, &of);
	if (s) {
		__sync_fetch_and_add(&s->bytes, share);
		s->ns = now;
		return;
	}
	fresh.bytes = share;
	fresh.ns = now;
	if (bpf_map_update_elem(&library_stacks, &of, &fresh, BPF_ANY))
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
}

static __always_inline void takes(const struct library_key *key, struct library_balance *b,
				  __u64 bytes)
{
	__u64 now;

	__sync_fetch_and_add(&b->taken, 1);
	__sync_fetch_and_add(&b->taken_bytes, block_of(bytes));
	if (b->taken_bytes - b->stack_bytes < LIBRARY_STACK_BYTES && b->first_ns)
		return;
	now = bpf_ktime_get_boot_ns();
	if (!b->first_ns)
		b->first_ns = now;
	if (now - b->last_ns >= STACK_EVERY_NS)
		note_stack(key, b, now);
}

static __always_inline struct library_balance *balance_of(const struct library_key *key)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct library_balance *b = bpf_map_lookup_elem(&library_balances, key);
	__u64 memory = (__u64)task->mm, start = task->group_leader->start_boottime;
	struct library_scratch *s;
	__u32 zero = 0;

	if (b && b->memory == memory && b->start_ns == start)
		return b;
	s = bpf_map_lookup_elem(&library_scratch, &zero);
	if (!s)
		return NULL;
	s->fresh.start_ns = start;
	s->fresh.memory = memory;
	s->fresh.unwanted = !selected(task);
	if (bpf_map_update_elem(&library_balances, key, &s->fresh, BPF_ANY)) {
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
		return NULL;
	}
	return bpf_map_lookup_elem(&library_balances, key);
}

SEC("uprobe")
int library_called(struct pt_regs *ctx)
{
	__u32 cookie = bpf_get_attach_cookie(ctx), site = LIBRARY_SITE_OF(cookie);
	__u32 function = LIBRARY_FUNCTION_OF(cookie);
	struct library_key key = {.pid = bpf_get_current_pid_tgid() >> 32,
				  .file = LIBRARY_FILE_OF(cookie),
				  .windowed = LIBRARY_WINDOWED(cookie)};
	__u64 *n = bpf_map_lookup_elem(&library_hits, &site), bytes;
	struct library_balance *b;

	if (n)
		++*n; /* of this CPU; at worst one of many is not counted */
	if (key.windowed && !library_window)
		return 0;
	b = balance_of(&key);
	if (!b)
		return 0;
	__sync_fetch_and_add(&b->hits, 1);
	if (b->unwanted)
		return 0;
	if ((function == LIBRARY_FREE || function == LIBRARY_REALLOC) && ctx->di)
		client_heap_gives_back(b, ctx->di);
	bytes = asked(function, ctx);
	if (bytes)
		takes(&key, b, bytes);
	return 0;
}
