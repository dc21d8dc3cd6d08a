/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack.bpf.c - takes the stack of the current thread.
 *
 * Interpreted frames are walked in the kernel.  The id of such a stack is a hash of its frames, and
 * the stack is sent once.
 *
 * A native stack is copied and unwound in user space.  User space then tells where in stacks of
 * this shape the return addresses lie.  From then on a stack with the same addresses in these
 * places is the same stack, and gets the id of the copy sent before.
 *
 * The count of stacks of either kind per process and second is bounded and spread evenly.  No
 * thread waits or sleeps.
 */
#include "bpf/stack/stack.bpf.h"
#include "bpf/stack/stack_perl.bpf.h"
#include "bpf/stack/stack_php.bpf.h"
#include "bpf/stack/stack_python.bpf.h"

#define SHALLOW_BYTES 128 /* fewer bytes cannot be unwound */
#define TICK_NS	      10000000ULL
#define MET_NS	      500000000ULL
/* Other code may be mapped at a return address later: after so long a copy is sent again. */
#define COPY_KEPT_NS 10000000000ULL

struct runtimes_map runtimes SEC(".maps");
struct stack_scratch_map stack_scratch SEC(".maps");

/* Ids of stacks that user space has. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u8);
} stacks_seen SEC(".maps");

/* Ids of the stacks seen last, by the addresses in their frames.  Code may be freed and other code
 * come in its place, so an entry is believed for a short time only. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct stack_met);
} stacks_met SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct stack_shape);
} stack_shapes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* process id, enum stack_share in the upper half */
	__type(value, struct stack_rate);
} stack_rates SEC(".maps");

/* Moves the share's time by one interval.  Two threads at once may use the same place in time. */
static __always_inline int rate_take(__u64 *at, __u32 per_second, __u64 now)
{
	__u64 from = *at > now ? *at : now;

	if (!per_second || from - now > STACK_BURST_NS)
		return 0;
	*at = from + STACK_BURST_NS / per_second;
	return 1;
}

static __always_inline struct stack_rate *rate_of(struct stack_scratch *s, __u32 share)
{
	struct stack_rate *rate;

	s->rate = (__u64)share << 32 | s->out.pid;
	rate = bpf_map_lookup_elem(&stack_rates, &s->rate);
	if (rate)
		return rate;
	bpf_map_update_elem(&stack_rates, &s->rate, &s->none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&stack_rates, &s->rate);
}

/* Starts a record: whose stack it is. */
static __always_inline void stack_begin(struct raw_stack *s, struct task_struct *task)
{
	__builtin_memset(s, 0, offsetof(struct raw_stack, bytes));
	s->head.ns = bpf_ktime_get_boot_ns();
	s->head.kind = RAW_STACK;
	s->start_ns = task_start(task);
	s->pid = task->tgid;
	s->tid = task->pid;
}

/* Hashes the frames in the scratch.  The result is odd, which ids of copies are not. */
__noinline __u64 stack_hash(__u64 hash, __u32 n)
{
	__u32 zero = 0, i;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);

	if (!s)
		return 0;
	for (i = 0; i < STACK_FRAMES; i++) {
		if (i >= n)
			break;
		hash = (hash ^ s->out.frame[i].code) * 0x9e3779b97f4a7c15ULL;
		hash = ((hash ^ hash >> 29) + s->out.frame[i].at) * 0xbf58476d1ce4e5b9ULL;
		hash ^= hash >> 32;
	}
	return hash | 1;
}

/* Walks the frames of a runtime into the scratch.  Returns how many. */
static __always_inline __u32 stack_walk(const struct runtime_process *r)
{
	switch (r->runtime) {
	case RUNTIME_PYTHON:
		return python_walk(r->address, r->row);
	case RUNTIME_PERL:
		return perl_walk(r->address, r->row);
	case RUNTIME_PHP:
		return php_walk(r->address);
	}
	return 0;
}

/* Does the costly rest for frames that were not met just now.  It adds what their addresses do not
 * show, and checks that they are frames at all.  Returns how many; 0: no frames. */
static __always_inline __u32 complete(const struct runtime_process *r, __u32 n)
{
	switch (r->runtime) {
	case RUNTIME_PYTHON:
		return python_is_code(r->address, r->row) ? python_checks(n, r->row) : 0;
	}
	return n;
}

/* Sends the stack unless user space has it.  Not 0: no room. */
static __always_inline long stack_tell(struct raw_stack *s)
{
	__u32 size = offsetof(struct raw_stack, frame);
	__u8 one = 1;

	if (bpf_map_lookup_elem(&stacks_seen, &s->id))
		return 0;
	if (s->count > STACK_FRAMES)
		return -1;
	size += s->count * sizeof(struct raw_frame);
	s->head.size = size;
	if (emit(s, size))
		return -1;
	bpf_map_update_elem(&stacks_seen, &s->id, &one, BPF_ANY);
	return 0;
}

static __always_inline __u64 seed_of(const struct raw_stack *s)
{
	return settings.hash_seed ^ s->start_ns ^ s->pid;
}

static __always_inline __u64 take_interpreted(struct stack_scratch *s,
					      const struct runtime_process *r)
{
	__u32 n = stack_walk(r);
	struct stack_met *met;

	if (!n || n > STACK_FRAMES)
		return 0;
	s->addresses = stack_hash(seed_of(&s->out), n);
	met = bpf_map_lookup_elem(&stacks_met, &s->addresses);
	if (met && s->out.head.ns - met->ns < MET_NS)
		return met->id;
	if (!complete(r, n))
		return 0;
	s->out.id = stack_hash(seed_of(&s->out), n);
	s->out.runtime = r->runtime;
	s->out.row = r->row;
	s->out.count = n;
	if (stack_tell(&s->out))
		return 0;
	s->met.id = s->out.id;
	s->met.ns = s->out.head.ns;
	bpf_map_update_elem(&stacks_met, &s->addresses, &s->met, BPF_ANY);
	return s->out.id;
}

/* Notes the return addresses that return probes have replaced on the stack. */
static __always_inline void note_returns(struct raw_stack *s, struct task_struct *task)
{
	struct return_instance *pending = NULL;
	int i;

	if (bpf_core_field_exists(task->utask))
		pending = BPF_CORE_READ(task, utask, return_instances);
	if (pending && BPF_CORE_READ(pending, stack) < s->registers.sp) /* this program's probe */
		pending = BPF_CORE_READ(pending, next);
	for (i = 0; i < STACK_RETURNS && pending; i++) {
		s->returns[i].slot = BPF_CORE_READ(pending, stack);
		s->returns[i].address = BPF_CORE_READ(pending, orig_ret_vaddr);
		pending = BPF_CORE_READ(pending, next);
	}
}

/* Copies the stack page by page, so that the end of the stack ends the copy and does not fail
 * it. */
static __always_inline __u32 copy_bytes(struct stack_scratch *s, __u64 from, __u32 most)
{
	__u32 at = 0, n, i;

	if (most > STACK_BYTES)
		most = STACK_BYTES;
	for (i = 0; i <= STACK_BYTES / PAGE_BYTES; i++) {
		barrier_var(at);
		if (at >= most || at >= STACK_BYTES)
			break;
		n = PAGE_BYTES - ((from + at) & (PAGE_BYTES - 1));
		if (n > most - at)
			n = most - at;
		barrier_var(n);
		if (n > PAGE_BYTES ||
		    bpf_probe_read_user(s->out.bytes + at, n, (void *)(from + at)))
			break;
		at += n;
	}
	return at & ~7U;
}

/* Notes the parent if it runs the same program: then a process that ends at once can still be named
 * by the parent's maps.  Only a fork has its stack begin at the same place. */
static __always_inline void note_parent(struct raw_stack *s, struct task_struct *task)
{
	struct task_struct *parent = BPF_CORE_READ(task, group_leader, real_parent);
	struct mm_struct *own = BPF_CORE_READ(task, mm);
	struct mm_struct *other = parent ? BPF_CORE_READ(parent, mm) : NULL;

	if (!own || !other ||
	    BPF_CORE_READ(own, start_stack) != BPF_CORE_READ(other, start_stack) ||
	    BPF_CORE_READ(own, start_code) != BPF_CORE_READ(other, start_code))
		return;
	s->parent = BPF_CORE_READ(parent, tgid);
	s->parent_start_ns = task_start(parent);
}

/* Notes which program the process runs: each exec places the stack and the code elsewhere. */
static __always_inline void note_image(struct raw_stack *s, struct mm_struct *mm)
{
	if (mm)
		s->image = (__u32)(mm->start_stack >> 4 ^ mm->start_code >> 12);
}

static __always_inline __u64 stack_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/* Returns the key of a shape: the program, the place in it, and the stack's depth there. */
static __always_inline __u64 shape_key(const struct raw_stack *s)
{
	__u64 hash = stack_mix(seed_of(s), s->registers.ip);

	hash = stack_mix(hash, s->registers.sp);
	hash = stack_mix(hash, (__u64)s->image << 32 | s->flags);
	return hash | 1;
}

/* Hashes the words in a shape's slots, of the copy in the scratch. */
__noinline __u64 shape_hash(__u64 hash)
{
	__u32 zero = 0, i, at;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);
	struct stack_shape *shape;

	if (!s)
		return 0;
	shape = bpf_map_lookup_elem(&stack_shapes, &s->out.shape);
	if (!shape)
		return 0;
	for (i = 0; i < STACK_SLOTS && i < shape->count; i++) {
		at = shape->slot[i] & (STACK_BYTES / 8 - 1);
		barrier_var(at);
		hash = stack_mix(hash, *(__u64 *)(s->out.bytes + (at & (STACK_BYTES / 8 - 1)) * 8));
	}
	return hash | 1;
}

/* Returns the id of the copy that user space has of this very stack; 0: none.  Copies no more bytes
 * than needed, and leaves the hash of the addresses in the scratch, 0 while their places are
 * unknown. */
static __always_inline __u64 copy_known(struct stack_scratch *s)
{
	struct stack_shape *shape;
	struct stack_met *met;
	__u32 bytes;

	s->addresses = 0;
	shape = bpf_map_lookup_elem(&stack_shapes, &s->out.shape);
	if (!shape)
		return 0;
	bytes = shape->bytes;
	if (copy_bytes(s, s->out.registers.sp, bytes) < bytes)
		return 0;
	s->addresses = shape_hash(s->out.shape);
	met = bpf_map_lookup_elem(&stacks_met, &s->addresses);
	if (!met || s->out.head.ns - met->ns >= COPY_KEPT_NS ||
	    !bpf_map_lookup_elem(&stacks_seen, &met->id))
		return 0;
	return met->id;
}

/* Remembers a sent copy: the next stack with the same addresses is the same stack. */
static __always_inline void copy_remember(struct stack_scratch *s)
{
	__u8 one = 1;

	if (!s->addresses)
		return;
	s->met.id = s->out.id;
	s->met.ns = s->out.head.ns;
	bpf_map_update_elem(&stacks_met, &s->addresses, &s->met, BPF_ANY);
	bpf_map_update_elem(&stacks_seen, &s->out.id, &one, BPF_ANY);
}

/* Sends a copied stack.  hurry: wake user space at once. */
static __always_inline long send(struct stack_scratch *s, __u32 size, int hurry)
{
	__u64 flags = BPF_RB_NO_WAKEUP;

	if (hurry || s->out.head.ns - s->woke_ns > STACK_WAKE_NS) {
		s->woke_ns = s->out.head.ns;
		flags = 0;
	}
	return emit_with(&s->out, size, flags);
}

static __always_inline __u64 take_native(struct stack_scratch *s, struct task_struct *task,
					 __u64 ip, __u64 sp, int hurry)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct raw_registers *r = &s->out.registers;
	__u32 length, size = offsetof(struct raw_stack, bytes);
	__u64 known;

	if (!regs || regs->cs == USER_CS_32)
		return 0;
	r->ip = ip ? ip : regs->ip;
	if (ip)
		s->out.flags |= RAW_STACK_RETURNED;
	r->sp = sp ? sp : regs->sp;
	r->bp = regs->bp;
	r->bx = regs->bx;
	r->r12 = regs->r12;
	r->r13 = regs->r13;
	r->r14 = regs->r14;
	r->r15 = regs->r15;
	note_image(&s->out, task->mm);
	s->out.shape = shape_key(&s->out);
	known = copy_known(s);
	if (known || ring_is_busy())
		return known;
	if (s->addresses)
		s->out.shape = 0;
	length = copy_bytes(s, r->sp, settings.stack_bytes);
	if (length < SHALLOW_BYTES || length > STACK_BYTES) {
		count(COUNTER_LOSS + EV_LOSS_READ_FAULT);
		return 0;
	}
	note_returns(&s->out, task);
	note_parent(&s->out, task);
	s->taken++;
	s->out.id = s->taken << 16 | (__u64)bpf_get_smp_processor_id() << 1;
	s->out.runtime = RUNTIME_NATIVE;
	s->out.length = length;
	size += length;
	s->out.head.size = size;
	if (send(s, size, hurry))
		return 0;
	copy_remember(s);
	return s->out.id;
}

static __always_inline __u64 stack_take_whole(struct stack_scratch *s, struct task_struct *task,
					      __u64 ip, __u64 sp, __u32 share)
{
	struct runtime_process *r;
	struct stack_rate *rate;
	int first;
	__u64 id;

	stack_begin(&s->out, task);
	rate = rate_of(s, share);
	if (!rate)
		return 0;
	r = bpf_map_lookup_elem(&runtimes, &s->out.pid);
	/* User space knows the start of a process to the clock tick only. */
	if (r && s->out.start_ns - r->start_ns < TICK_NS) {
		if (!rate_take(&rate->interpreted_ns, settings.stacks_interpreted, s->out.head.ns))
			return 0;
		id = take_interpreted(s, r);
		if (id)
			return id;
		s->out.flags = 0;
	}
	first = !rate->native_ns;
	if (!rate_take(&rate->native_ns, settings.stacks_native, s->out.head.ns))
		return 0;
	return take_native(s, task, ip, sp, first || !settings.grace_ns);
}

/* A thread may be preempted in here.  Another thread then gets no stack, which is counted. */
__noinline __u64 stack_take_share(__u64 ip, __u64 sp, __u32 share)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 zero = 0;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);
	__u64 id = 0;

	if (!s || task->flags & (PF_KTHREAD | PF_IO_WORKER))
		return 0;
	if (__sync_fetch_and_add(&s->busy, 1))
		count(COUNTER_LOSS + EV_LOSS_TRUNCATED);
	else
		id = stack_take_whole(s, task, ip, sp, share);
	__sync_fetch_and_add(&s->busy, -1);
	return id;
}
