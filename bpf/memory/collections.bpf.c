/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collections.bpf.c - counts garbage collections where the run time announces their start.
 *
 * The end is not probed: young collections come by thousands a second, and each probe slows them.
 * So the last one counted may still be at work.
 */
#include "bpf/emit.bpf.h"
#include "bpf/memory/collections.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, COLLECTING_MOST);
	__type(key, __u32); /* process id */
	__type(value, struct collecting);
} collecting SEC(".maps");

/* The compiler would choose the field's address first, and the verifier wants fixed offsets into a
 * context: hence the barrier. */
#define VALUE_OF(number, field)     \
	case number:                \
		value = ctx->field; \
		barrier_var(value); \
		break

static __always_inline __u64 value_of(const struct pt_regs *ctx, __u32 number)
{
	__u64 value = 0;

	switch (number) {
		VALUE_OF(0, ax);
		VALUE_OF(1, cx);
		VALUE_OF(2, dx);
		VALUE_OF(3, bx);
		VALUE_OF(4, sp);
		VALUE_OF(5, bp);
		VALUE_OF(6, si);
		VALUE_OF(7, di);
		VALUE_OF(8, r8);
		VALUE_OF(9, r9);
		VALUE_OF(10, r10);
		VALUE_OF(11, r11);
		VALUE_OF(12, r12);
		VALUE_OF(13, r13);
		VALUE_OF(14, r14);
		VALUE_OF(15, r15);
	}
	return value;
}

/* The first argument of the probe; 0 if it cannot be read: then the collection is no full one. */
static __always_inline __u64 argument_of(const struct pt_regs *ctx, __u64 cookie)
{
	__u32 size = COLLECTION_SIZE(cookie);
	__u64 value = COLLECTION_NUMBER(cookie);

	if (COLLECTION_ARGUMENT(cookie) == COLLECTION_REGISTER)
		value = value_of(ctx, COLLECTION_BASE(cookie));
	if (COLLECTION_ARGUMENT(cookie) == COLLECTION_MEMORY) {
		__u64 address = value_of(ctx, COLLECTION_BASE(cookie)) + value;

		value = 0;
		if (bpf_probe_read_user(&value, size > 4 ? 8 : 4, (void *)address))
			return 0;
	}
	return size == 1   ? value & 0xff
	       : size == 2 ? value & 0xffff
	       : size == 4 ? value & 0xffffffff
			   : value;
}

SEC("uprobe")
int collection_began(struct pt_regs *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct collecting *c = bpf_map_lookup_elem(&collecting, &pid);
	__u64 cookie, now;

	if (!c)
		return 0;
	cookie = bpf_get_attach_cookie(ctx);
	now = bpf_ktime_get_boot_ns();
	c->last_ns = now;
	if (argument_of(ctx, cookie) < COLLECTION_LEAST(cookie)) {
		__sync_fetch_and_add(&c->partial, 1);
		return 0;
	}
	__sync_fetch_and_add(&c->full, 1);
	c->full_ns = now;
	return 0;
}
