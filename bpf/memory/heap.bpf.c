/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * heap.bpf.c - calls of allocators: the blocks that a process holds, and where it took them.
 *
 * Each block is drawn independently, with the chance size / interval, at most 1.  No state decides,
 * so a call that a thread leaves undone cannot bend the figures.  The return is awaited only for a
 * drawn block, and where an old block is given up; the entry remembers, the return decides.  Calls
 * that an allocator makes to itself are not counted.  Their return address shows them, which a call
 * left by longjmp cannot spoil.
 */
#include <asm-generic/errno-base.h>

#include "bpf/clientlib/client.bpf.h"
#include "bpf/ledger/ledger.bpf.h"
#include "bpf/ledger/select.bpf.h"
#include "bpf/stack/stack.bpf.h"
#include "bpf/memory/growth.h"
#include "bpf/memory/heap.h"

#define CALLS		   4 /* calls of a thread: one under way, and those left undone */
#define MAP_SOME_ANONYMOUS 0x20
#define MAP_IN_PLACE	   0x10 /* MAP_FIXED */
#define PROT_WRITE	   2
#define ERRORS		   4095 /* system calls fail with one of the last so many numbers */

/* Set before load. */
const volatile __u64 heap_interval = 1; /* bytes; 1: every block is taken */
const volatile __u32 heap_mask = 0;	/* buckets - 1 */

__u32 heap_processes_met = 0;
__u32 heap_sites_used = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heap_bucket);
} heap_blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heap_site);
} heap_sites SEC(".maps");

/* Site numbers that are free again. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, HEAP_SITES);
	__type(value, __u32);
} heap_free_sites SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HEAP_SITES);
	__type(key, struct heap_place);
	__type(value, __u32);
} heap_places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HEAP_MAPPINGS);
	__type(key, struct heap_mapping_key);
	__type(value, __u64);
} heap_mappings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32); /* process id */
	__type(value, struct heap_process);
} heap_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEAP_FILES);
	__type(key, __u32);
	__type(value, struct heap_file);
} heap_files SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heap_hits);
} heap_hits SEC(".maps");

/* A call that has begun and whose return is awaited. */
struct heap_call {
	__u64 slot; /* slot of its return address; 0: none */
	__u64 caller;
	__u64 size;
	__u64 block; /* block given up, or where the new block's address is written */
	__u64 value; /* table value of the block given up, already removed; 0 none */
	__u64 more;  /* mmap: flags; mremap: the old size; mprotect: the protection */
	__u16 kind;
	__u16 ends; /* HEAP_ENDS: the probes at the function's ends finish it */
	__u32 drawn;
};

struct heap_thread {
	__u32 number; /* number of the process */
	__u32 exec;
	__u64 known; /* bits: files whose code is in the process's list */
	__u64 freed; /* the block freed last */
	struct heap_call call[CALLS];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct heap_thread);
} heap_threads SEC(".maps");

/* --- shares -------------------------------------------------------------------------------- */

static __always_inline struct heap_process *heap_process_here(void)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&heap_processes, &pid);
}

static __always_inline __u32 heap_share(enum heap_table table)
{
	switch (table) {
	case HEAP_TABLE_BLOCKS:
		return HEAP_BLOCKS_EACH(heap_mask + 1);
	case HEAP_TABLE_SITES:
		return HEAP_SITES_EACH;
	default:
		return HEAP_MAPPINGS_EACH;
	}
}

/* Takes a place for one more entry of the current process.  0: its share is full, which is
 * counted with it. */
static __always_inline int heap_share_take(struct heap_process *p, enum heap_table table)
{
	if (!p || __sync_fetch_and_add(&p->held[table], 1) < heap_share(table))
		return 1;
	__sync_fetch_and_add(&p->held[table], -1);
	__sync_fetch_and_add(&p->refused[table], 1);
	return 0;
}

static __always_inline void heap_share_give(struct heap_process *p, enum heap_table table)
{
	if (p && p->held[table])
		__sync_fetch_and_add(&p->held[table], -1);
}

/* --- the table of blocks ------------------------------------------------------------------- */

static __always_inline struct heap_bucket *bucket_at(__u32 index)
{
	return bpf_map_lookup_elem(&heap_blocks, &index);
}

static __always_inline int find_in(const struct heap_bucket *b, __u64 key)
{
	int i;

#pragma unroll
	for (i = 0; i < HEAP_PLACES; i++)
		if (b->key[i] == key)
			return i;
	return -1;
}

static __always_inline __u64 remove_from(struct heap_bucket *b, __u64 key)
{
	__u64 value = 0;
	int i;

#pragma unroll
	for (i = 0; i < HEAP_PLACES; i++)
		if (!value && b->key[i] == key) {
			value = b->value[i];
			if (__sync_val_compare_and_swap(&b->key[i], key, 0) != key)
				value = 0;
		}
	return value;
}

/* Not static, like the next two functions, so that the verifier checks each once, by itself. */
__noinline int heap_has(__u64 key)
{
	__u64 hash = HEAP_HASH(key);
	struct heap_bucket *b = bucket_at(HEAP_HOME(hash, heap_mask)), *other;
	__u32 i;

	if (!b)
		return 0;
	if (find_in(b, key) >= 0)
		return 1;
	for (i = 1; b->spilled && i <= HEAP_OTHERS; i++) {
		other = bucket_at(HEAP_OTHER(hash, i, heap_mask));
		if (other && find_in(other, key) >= 0)
			return 1;
	}
	return 0;
}

/* Removes a block.  Returns its value, which is never 0; 0: no such block. */
__noinline __u64 heap_remove(__u64 key)
{
	__u64 hash = HEAP_HASH(key), value;
	struct heap_bucket *b = bucket_at(HEAP_HOME(hash, heap_mask)), *other;
	__u32 i;

	if (!b)
		return 0;
	value = remove_from(b, key);
	for (i = 1; !value && b->spilled && i <= HEAP_OTHERS; i++) {
		other = bucket_at(HEAP_OTHER(hash, i, heap_mask));
		value = other ? remove_from(other, key) : 0;
		if (value)
			__sync_fetch_and_add(&b->spilled, -1);
	}
	if (value)
		heap_share_give(heap_process_here(), HEAP_TABLE_BLOCKS);
	return value;
}

/* Returns whether there was room. */
static __always_inline int put_into(struct heap_bucket *b, __u64 key, __u64 value)
{
	int i;

#pragma unroll
	for (i = 0; i < HEAP_PLACES; i++)
		if (!b->key[i] && !__sync_val_compare_and_swap(&b->key[i], 0, key)) {
			b->value[i] = value;
			return 1;
		}
	return 0;
}

/* Returns whether there was room.  A share that is full is counted with the process, a full table
 * with the losses. */
__noinline int heap_insert(__u64 key, __u64 value)
{
	__u64 hash = HEAP_HASH(key);
	struct heap_bucket *b = bucket_at(HEAP_HOME(hash, heap_mask)), *other;
	struct heap_process *p = heap_process_here();
	__u32 i;

	if (!b || !heap_share_take(p, HEAP_TABLE_BLOCKS))
		return 0;
	if (put_into(b, key, value))
		return 1;
	for (i = 1; i <= HEAP_OTHERS; i++) {
		other = bucket_at(HEAP_OTHER(hash, i, heap_mask));
		if (other && put_into(other, key, value)) {
			__sync_fetch_and_add(&b->spilled, 1);
			return 1;
		}
	}
	heap_share_give(p, HEAP_TABLE_BLOCKS);
	count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
	return 0;
}

/* --- sites --------------------------------------------------------------------------------- */

static __always_inline __u64 at_least_one(__u64 size)
{
	return size ? size : 1;
}

static __always_inline __u64 bytes_of(__u64 size)
{
	return size >= heap_interval || heap_interval <= 1 ? size : heap_interval;
}

static __always_inline __u64 blocks_of(__u64 size)
{
	return at_least_one(size) >= heap_interval ? 256
						   : (heap_interval << 8) / at_least_one(size);
}

static __always_inline __u64 spread_of(__u64 size)
{
	return at_least_one(size) >= heap_interval ? 0 : heap_interval - size;
}

static __always_inline int is_drawn(__u64 size)
{
	return at_least_one(size) >= heap_interval ||
	       (bpf_get_prandom_u32() * heap_interval) >> 32 < at_least_one(size);
}

/* Counts a block that found no room any more, although the program may still hold it.  The caller
 * counts it as freed: its release will not be seen, and it must not look as if it were kept. */
static __always_inline void site_lost(__u32 number)
{
	struct heap_site *s = bpf_map_lookup_elem(&heap_sites, &number);

	if (s)
		__sync_fetch_and_add(&s->lost, 1);
}

static __always_inline void site_freed(__u64 value)
{
	__u32 number = HEAP_VALUE_SITE(value);
	__u64 size = HEAP_VALUE_SIZE(value);
	struct heap_site *s = bpf_map_lookup_elem(&heap_sites, &number);

	if (!s)
		return;
	__sync_fetch_and_add(&s->freed_bytes, bytes_of(size));
	__sync_fetch_and_add(&s->freed, blocks_of(size));
	__sync_fetch_and_add(&s->spread_freed, spread_of(size));
}

static __always_inline __u32 number_take(void)
{
	__u32 number = 0;

	if (!bpf_map_pop_elem(&heap_free_sites, &number))
		return number;
	if (heap_sites_used >= HEAP_SITES - 1)
		return 0;
	number = __sync_fetch_and_add(&heap_sites_used, 1) + 1;
	return number < HEAP_SITES ? number : 0;
}

/* Enters a new site.  0: there is no room, which is counted. */
static __always_inline __u32 site_make(const struct heap_place *key, __u64 caller, __u64 start_ns,
				       __u32 pid)
{
	__u32 number = number_take();
	struct heap_site *s = number ? bpf_map_lookup_elem(&heap_sites, &number) : NULL;
	long err;

	if (!s) {
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
		return 0;
	}
	s->place = key->place;
	s->caller = caller;
	s->first_ns = bpf_ktime_get_boot_ns();
	s->process = key->process;
	s->pid = pid;
	s->kind = key->kind;
	s->start_ns = start_ns;
	err = bpf_map_update_elem(&heap_places, key, &number, BPF_NOEXIST);
	if (!err) {
		ledger_client(pid, start_ns);
		return number;
	}
	if (err != -EEXIST) /* else another thread was faster */
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
	s->start_ns = 0;
	bpf_map_push_elem(&heap_free_sites, &number, BPF_ANY);
	return 0;
}

/* Returns the number of a site; 0: no room. */
__noinline __u32 heap_site_of(__u64 place, __u64 caller, __u32 number, __u32 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct heap_place key = {.place = place, .process = number, .kind = kind};
	__u32 *known = bpf_map_lookup_elem(&heap_places, &key), pid = task->tgid;
	struct heap_process *p;

	if (known)
		return *known;
	p = bpf_map_lookup_elem(&heap_processes, &pid);
	if (!p) {
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
		return 0;
	}
	if (p->held[HEAP_TABLE_SITES] >= HEAP_STACKS_EACH && key.place != caller) {
		key.place = caller;
		known = bpf_map_lookup_elem(&heap_places, &key);
		if (known)
			return *known;
	}
	if (!heap_share_take(p, HEAP_TABLE_SITES))
		return 0;
	if (!site_make(&key, caller, p->start_ns, pid))
		heap_share_give(p, HEAP_TABLE_SITES);
	known = bpf_map_lookup_elem(&heap_places, &key);
	return known ? *known : 0;
}

/* --- mappings ------------------------------------------------------------------------------ */

enum cut { CUT_HELD = 1, CUT_RESERVED = 2 };

struct cutting {
	__u64 from, to;
	__u64 tail;  /* value of the rest behind the cut */
	__u64 bytes; /* bytes that were cut */
	__u32 process;
	__u32 which; /* enum cut */
};

static __always_inline void mapping_freed(__u64 value, __u64 bytes, int gone)
{
	__u32 number = HEAP_VALUE_SITE(value);
	struct heap_site *s = number ? bpf_map_lookup_elem(&heap_sites, &number) : NULL;

	if (!s)
		return;
	__sync_fetch_and_add(&s->freed_bytes, bytes);
	if (gone && !(value & HEAP_PIECE))
		__sync_fetch_and_add(&s->freed, 256);
}

/* Cuts one mapping.  The caller puts the rest behind the cut back, once all mappings were
 * visited. */
static long cut_mapping(struct bpf_map *map, const struct heap_mapping_key *known, __u64 *value,
			struct cutting *c)
{
	__u64 start = known->start, size = HEAP_VALUE_SIZE(*value), end = start + size;
	__u64 from = start > c->from ? start : c->from, to = end < c->to ? end : c->to;
	struct heap_mapping_key key = {.start = start, .process = known->process};

	if (known->process != c->process || from >= to ||
	    !(c->which & (HEAP_VALUE_SITE(*value) ? CUT_HELD : CUT_RESERVED)))
		return 0;
	c->bytes += to - from;
	mapping_freed(*value, to - from, from == start && to == end);
	if (to < end)
		c->tail = (*value - size + (end - to)) | (start < from ? HEAP_PIECE : 0);
	if (start < from)
		*value = *value - size + (from - start);
	else if (!bpf_map_delete_elem(&heap_mappings, &key))
		heap_share_give(heap_process_here(), HEAP_TABLE_MAPPINGS);
	return 0;
}

static __always_inline int mapping_put(__u32 process, __u64 start, __u64 value)
{
	struct heap_mapping_key key = {.start = start, .process = process};
	__u64 *old = bpf_map_lookup_elem(&heap_mappings, &key);
	struct heap_process *p = heap_process_here();

	if (old) { /* a missed release: the address came back */
		mapping_freed(*old, HEAP_VALUE_SIZE(*old), 1);
		*old = value;
		return 1;
	}
	if (!heap_share_take(p, HEAP_TABLE_MAPPINGS))
		return 0;
	if (!bpf_map_update_elem(&heap_mappings, &key, &value, BPF_ANY))
		return 1;
	heap_share_give(p, HEAP_TABLE_MAPPINGS);
	count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
	return 0;
}

/* Removes a range of addresses from all mappings.  Returns how many of its bytes were of the kinds
 * in which (enum cut). */
__noinline __u64 heap_cut(__u32 process, __u64 from, __u64 length, __u32 which)
{
	struct cutting c = {.from = from, .to = from + length, .process = process, .which = which};
	struct heap_mapping_key key = {.start = from, .process = process};
	__u64 *exact = bpf_map_lookup_elem(&heap_mappings, &key);

	if (exact && HEAP_VALUE_SIZE(*exact) == length) {
		cut_mapping(NULL, &key, exact, &c);
		return c.bytes;
	}
	bpf_for_each_map_elem(&heap_mappings, cut_mapping, &c, 0);
	if (c.tail && !mapping_put(process, c.to, c.tail)) {
		mapping_freed(c.tail, HEAP_VALUE_SIZE(c.tail), 1);
		site_lost(HEAP_VALUE_SITE(c.tail));
	}
	return c.bytes;
}

/* --- processes and threads ----------------------------------------------------------------- */

/* Returns the number of the current, selected process; 0: no room.  An exec gives it a new
 * number. */
static __always_inline __u32 heap_number_of(struct task_struct *task)
{
	__u32 pid = task->tgid;
	struct heap_process fresh = {}, *p = bpf_map_lookup_elem(&heap_processes, &pid);

	if (p && p->exec == task->self_exec_id && p->start_ns == task->group_leader->start_boottime)
		return p->number;
	fresh.start_ns = task->group_leader->start_boottime;
	fresh.exec = task->self_exec_id;
	fresh.number = __sync_fetch_and_add(&heap_processes_met, 1) + 1;
	if (fresh.number >= HEAP_PROCESSES_MOST ||
	    bpf_map_update_elem(&heap_processes, &pid, &fresh, p ? BPF_ANY : BPF_NOEXIST)) {
		p = bpf_map_lookup_elem(&heap_processes, &pid);
		return p && p->start_ns == fresh.start_ns ? p->number : 0;
	}
	return fresh.number;
}

/* Handles a thread's first hit.  Returns whether its process is selected. */
__noinline int heap_meet(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct heap_thread *t;
	__u32 number;

	if (!selected(task))
		return 0;
	number = heap_number_of(task);
	t = number ? bpf_task_storage_get(&heap_threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE)
		   : NULL;
	if (!t) {
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
		return 0;
	}
	t->number = number;
	t->exec = task->self_exec_id;
	t->known = t->freed = 0;
	t->call[0].slot = t->call[1].slot = t->call[2].slot = t->call[3].slot = 0;
	return 1;
}

static __always_inline struct heap_thread *thread_of(struct task_struct *task)
{
	struct heap_thread *t = bpf_task_storage_get(&heap_threads, task, NULL, 0);

	if (t && t->exec == task->self_exec_id)
		return t;
	if (!heap_meet())
		return NULL;
	return bpf_task_storage_get(&heap_threads, task, NULL, 0);
}

/* Notes where an allocator's file is mapped in this process. */
__noinline int heap_learn(__u64 start, __u32 file)
{
	struct heap_file *f = bpf_map_lookup_elem(&heap_files, &file);
	__u32 pid = bpf_get_current_pid_tgid() >> 32, i, at;
	struct heap_process *p = bpf_map_lookup_elem(&heap_processes, &pid);

	if (!f || !p)
		return 0;
	for (i = 0; i < HEAP_MAPPED; i++)
		if (p->mapped[i].start == start)
			return 1;
	at = __sync_fetch_and_add(&p->files, 1);
	barrier_var(at);
	if (at >= HEAP_MAPPED)
		return 0;
	p->mapped[at].file = file;
	p->mapped[at].start = start;
	return 1;
}

/* --- calls --------------------------------------------------------------------------------- */

/* Returns the address that return probes lead to in the current process; 0: none. */
static __always_inline __u64 trampoline_of(struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct xol_area *area = mm ? mm->uprobes_state.xol_area : NULL;

	return area ? area->vaddr : 0;
}

static __always_inline __u64 heap_word_at(__u64 slot)
{
	__u64 word = 0;

	if (bpf_probe_read_user(&word, 8, (void *)slot))
		count(COUNTER_LOSS + EV_LOSS_READ_FAULT);
	return word;
}

/* Is the code at this offset from the start of a file's code the allocator's own? */
static __always_inline int in_ranges(const struct heap_file *f, __u64 at)
{
	__u32 i;

	for (i = 0; i < HEAP_RANGES; i++) {
		if (i >= f->ranges)
			break;
		if (at >= f->range[i].start && at < f->range[i].end)
			return 1;
	}
	return 0;
}

/* The same for another file that the process maps. */
__noinline int heap_is_others(__u64 caller)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32, i, file;
	struct heap_process *p = bpf_map_lookup_elem(&heap_processes, &pid);
	struct heap_file *f;

	if (!p)
		return 0;
	for (i = 0; i < HEAP_MAPPED; i++) {
		if (!p->mapped[i].start || caller < p->mapped[i].start)
			continue;
		file = p->mapped[i].file;
		f = bpf_map_lookup_elem(&heap_files, &file);
		if (f && caller - p->mapped[i].start < f->length)
			return in_ranges(f, caller - p->mapped[i].start);
	}
	return 0;
}

/* Is the caller in the allocator's own code?  start: of the code of the called file.  maps: a
 * mapping call; all code of a C library maps memory for its own purposes. */
__noinline int heap_is_own(__u64 caller, __u64 start, __u32 file, __u32 maps)
{
	struct heap_file *f = bpf_map_lookup_elem(&heap_files, &file);

	if (!f)
		return 0;
	if (caller - start >= f->length)
		return heap_is_others(caller);
	return maps && f->library ? 1 : in_ranges(f, caller - start);
}

static __always_inline struct heap_call *call_at(struct heap_thread *t, __u64 slot)
{
	int i;

#pragma unroll
	for (i = 0; i < CALLS; i++)
		if (t->call[i].slot == slot)
			return &t->call[i];
	return NULL;
}

/* Returns a place for a call.  A call there that was left undone is taken to have given up its
 * block. */
static __always_inline struct heap_call *call_make(struct heap_thread *t, __u64 slot)
{
	struct heap_call *c = call_at(t, slot);

	if (!c)
		c = call_at(t, 0);
	if (!c) {
		count(COUNTER_LOSS + EV_LOSS_MISSED_RETURN);
		c = &t->call[0];
	}
	if (c->slot && c->value)
		site_freed(c->value);
	return c;
}

/* Forgets an older call at the place of one that is not awaited.  Some kernels show the return of
 * such a call, too.  But keep the call if this one is the end of an awaited call (its caller is the
 * return probe). */
static __always_inline void forget_call(struct task_struct *task, struct heap_thread *t, __u64 slot,
					__u64 caller)
{
	struct heap_call *c = call_at(t, slot);

	if (!c || caller == trampoline_of(task))
		return;
	if (c->value)
		site_freed(c->value);
	c->slot = 0;
}

struct request {
	__u64 size;
	__u64 block; /* block given up, or where the new address is written */
	__u64 more;  /* as in struct heap_call */
	__u32 kind;
	__u16 has_old;	/* 1: block may be a held one */
	__u16 writable; /* the mapping is writable */
};

static __always_inline __u64 whole_pages(__u64 bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static __always_inline void read_request(struct pt_regs *ctx, struct request *r)
{
	r->size = ctx->di;
	switch (r->kind) {
	case HEAP_CALLOC:
		r->size = ctx->di * ctx->si;
		break;
	case HEAP_REALLOC:
		r->size = ctx->si;
		r->block = ctx->di;
		break;
	case HEAP_REALLOCARRAY:
		r->size = ctx->si * ctx->dx;
		r->block = ctx->di;
		break;
	case HEAP_ALIGNED:
		r->size = ctx->si;
		break;
	case HEAP_MMAP:
		r->size = whole_pages(ctx->si);
		r->more = ctx->cx;
		r->writable = ctx->dx & PROT_WRITE;
		break;
	case HEAP_MPROTECT:
		r->size = whole_pages(ctx->si);
		r->block = ctx->di;
		r->more = ctx->dx;
		r->writable = r->more & PROT_WRITE;
		break;
	case HEAP_POSIX:
		r->size = ctx->dx;
		r->block = ctx->di;
		break;
	case HEAP_MREMAP:
		r->size = whole_pages(ctx->dx);
		r->block = ctx->di;
		r->more = whole_pages(ctx->si);
		r->writable = 1;
		break;
	}
	r->size &= (1ULL << 44) - 1;
	r->has_old = r->kind == HEAP_REALLOC || r->kind == HEAP_REALLOCARRAY;
}

static __always_inline int is_map(__u32 kind)
{
	return kind == HEAP_MMAP || kind == HEAP_MREMAP || kind == HEAP_MPROTECT;
}

/* May the function end with a jump to another of these functions?  That jump must not be taken for
 * a call of its own.  So the return is awaited: it shows the jump. */
static __always_inline int may_tail(const struct request *r)
{
	switch (r->kind) {
	case HEAP_REALLOC:
		return !r->block;
	case HEAP_REALLOCARRAY:
	case HEAP_ALIGNED:
	case HEAP_POSIX:
	case HEAP_VALLOC:
		return 1;
	}
	return 0;
}

/* Did a function whose ends are probed jump to this one for the rest of its work?  A separate call
 * at the same place would return to another address. */
static __always_inline int heap_goes_on(struct heap_thread *t, __u64 slot, __u64 caller,
					const struct request *r, __u64 cookie)
{
	struct heap_call *c = cookie >> 8 & HEAP_ENDS ? NULL : call_at(t, slot);

	return c && c->ends && c->caller == caller && c->size == r->size;
}

/* Counts a freed block that was not seen taken.  Not for a C library, which frees memory that it
 * took without a call. */
static __always_inline void free_older(__u64 caller, __u64 start, __u32 file)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct heap_process *p;

	if (heap_interval > 1 || heap_is_own(caller, start, file, 1))
		return;
	p = bpf_map_lookup_elem(&heap_processes, &pid);
	if (p)
		__sync_fetch_and_add(&p->older, 1);
}

/* Remembers a call.  Returns whether its return must be awaited. */
static __always_inline int heap_begin(struct pt_regs *ctx, struct task_struct *task,
				      struct heap_thread *t, __u64 cookie)
{
	struct request r = {.kind = cookie & 255};
	__u64 start = ctx->ip - (cookie >> 32), slot = ctx->sp, caller;
	__u32 file = cookie >> 16 & (HEAP_FILES - 1), held = 0, drawn;
	struct heap_call *c;

	read_request(ctx, &r);
	if (r.kind == HEAP_MMAP && !(r.more & MAP_SOME_ANONYMOUS))
		return 0;
	if (r.kind == HEAP_MPROTECT && r.more && !r.writable)
		return 0;
	if (r.has_old && r.block)
		held = heap_has(HEAP_KEY(t->number, r.block));
	drawn = is_map(r.kind) ? r.writable : is_drawn(r.size);
	caller = heap_word_at(slot);
	if (heap_goes_on(t, slot, caller, &r, cookie))
		return 0;
	if (!drawn && !held && !is_map(r.kind) && !may_tail(&r)) {
		forget_call(task, t, slot, caller);
		return 0;
	}
	if (caller == trampoline_of(task)) {
		if (call_at(t, slot))
			return 0; /* an awaited function ended with a jump to this one */
		caller = replaced_address(slot);
	}
	if (heap_is_own(caller, start, file, is_map(r.kind)))
		return 0;
	c = call_make(t, slot);
	c->slot = slot;
	c->caller = caller;
	c->size = r.size;
	c->block = r.block;
	c->value = held ? heap_remove(HEAP_KEY(t->number, r.block)) : 0;
	c->kind = r.kind;
	c->ends = cookie >> 8 & HEAP_ENDS;
	c->drawn = drawn;
	c->more = r.more;
	if (r.has_old && r.block && !c->value)
		free_older(caller, start, file);
	return !c->ends;
}

/* Tells call stacks apart without reading them: how deep is the stack? */
static __always_inline __u64 depth_of(struct task_struct *task, __u64 slot)
{
	if (task->pid != task->tgid)
		return task->thread.fsbase - slot;
	return task->mm ? task->mm->start_stack - slot : 0;
}

static __always_inline int is_power(__u32 n)
{
	return !(n & (n - 1));
}

/* Counts bytes for a reply if the thread read one lately. */
static __always_inline void note_reply(struct heap_site *s, __u64 bytes)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct thread_socket *last = bpf_map_lookup_elem(&thread_socket, &thread);

	if (!last || bpf_ktime_get_boot_ns() - last->ns > MESSAGE_REPLY_NS)
		return;
	s->connection = last->id;
	__sync_fetch_and_add(&s->reply_bytes, bytes);
}

static __always_inline void mapped(struct heap_site *s, __u32 process, __u32 number, __u64 block,
				   __u64 size)
{
	if (!mapping_put(process, block, HEAP_VALUE(number, size))) {
		__sync_fetch_and_add(&s->lost, 1);
		return;
	}
	__sync_fetch_and_add(&s->taken_bytes, size);
	__sync_fetch_and_add(&s->taken, 256);
	note_reply(s, size);
}

/* Enters a new block, or an old one that has changed. */
static __always_inline void taken(struct task_struct *task, struct heap_thread *t,
				  const struct heap_call *call, __u64 block)
{
	__u64 place = call->caller ^ depth_of(task, call->slot) * 0x9e3779b97f4a7c15ULL;
	__u64 stack = 0, key = HEAP_KEY(t->number, block), old;
	__u32 pid = task->tgid, number;
	struct heap_site *s;

	if (block >= HEAP_ADDRESS_MOST)
		return;
	if (bpf_map_lookup_elem(&runtimes, &pid)) {
		stack = stack_take_share(call->caller, 0, STACK_SHARE_MEMORY);
		if (stack & STACK_INTERPRETED)
			place = stack;
	}
	number = heap_site_of(place, call->caller, t->number,
			      call->kind == HEAP_MPROTECT ? HEAP_MMAP : call->kind);
	s = number ? bpf_map_lookup_elem(&heap_sites, &number) : NULL;
	if (!s)
		return;
	s->calls++;
	if (!stack && is_power(s->calls))
		stack = stack_take_share(call->caller, 0, STACK_SHARE_MEMORY);
	if (stack)
		s->stack = stack;
	if (is_map(call->kind)) {
		mapped(s, t->number, number, block, call->size);
		return;
	}
	old = heap_remove(key);
	if (old)
		site_freed(old); /* a missed release: the address came back */
	if (!heap_insert(key, HEAP_VALUE(number, call->size))) {
		__sync_fetch_and_add(&s->lost, 1);
		return;
	}
	__sync_fetch_and_add(&s->taken_bytes, bytes_of(call->size));
	note_reply(s, bytes_of(call->size));
	__sync_fetch_and_add(&s->taken, blocks_of(call->size));
	__sync_fetch_and_add(&s->spread_taken, spread_of(call->size));
}

static __always_inline __u64 result_of(__u64 block, const struct heap_call *call)
{
	if (call->kind == HEAP_MPROTECT)
		return (__u32)block ? 0 : call->block;
	if (is_map(call->kind))
		return block < -(__u64)ERRORS ? block : 0;
	if (call->kind != HEAP_POSIX)
		return block;
	return (__u32)block ? 0 : heap_word_at(call->block);
}

/* Updates the mappings: a range is now writable, only reserved, or neither.  If only a part of a
 * range that became writable was reserved, the rest was writable before.  Returns whether memory
 * was taken. */
static __always_inline int remap(const struct heap_thread *t, struct heap_call *call, __u64 block)
{
	__u64 bytes;

	switch (call->kind) {
	case HEAP_MMAP:
		if (call->more & MAP_IN_PLACE)
			heap_cut(t->number, block, call->size, CUT_HELD | CUT_RESERVED);
		break;
	case HEAP_MREMAP:
		return heap_cut(t->number, call->block, call->more, CUT_HELD) > 0;
	case HEAP_MPROTECT:
		bytes = heap_cut(t->number, call->block, call->size,
				 call->drawn ? CUT_RESERVED : CUT_HELD);
		if (!bytes)
			return 0;
		call->size = bytes;
		break;
	}
	if (!call->drawn)
		mapping_put(t->number, block, call->size);
	return call->drawn;
}

/* Ends a call.  slot: where its return address lies, or lay. */
static __always_inline int end(__u64 slot, __u64 block, int ends)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct heap_thread *t = bpf_task_storage_get(&heap_threads, task, NULL, 0);
	struct heap_call *call;

	if (!t || t->exec != task->self_exec_id)
		return 0;
	call = call_at(t, slot);
	if (!call || !call->ends != !ends)
		return 0;
	/* Other functions may come by at an end, and a call left by an exception may have had the
	 * same slot. */
	if (ends && heap_word_at(slot) != call->caller)
		return 0;
	call->slot = 0;
	block = result_of(block, call);
	if (is_map(call->kind) && (!block || !remap(t, call, block)))
		return 0;
	if (call->value && !block &&
	    !(call->kind == HEAP_REALLOC && !call->size)) { /* still held */
		if (heap_insert(HEAP_KEY(t->number, call->block), call->value))
			return 0;
		site_lost(HEAP_VALUE_SITE(call->value));
	}
	if (call->value)
		site_freed(call->value);
	call->slot = slot;
	if (block && call->drawn)
		taken(task, t, call, block);
	call->slot = 0;
	return 0;
}

/* --- releases ------------------------------------------------------------------------------ */

static __always_inline void release(struct pt_regs *ctx, struct task_struct *task,
				    struct heap_thread *t, __u64 cookie)
{
	__u32 file = cookie >> 16 & (HEAP_FILES - 1);
	__u64 value, caller;

	if (!ctx->di)
		return;
	if ((cookie & 255) == HEAP_MUNMAP) {
		heap_cut(t->number, ctx->di, whole_pages(ctx->si), CUT_HELD | CUT_RESERVED);
		return;
	}
	value = heap_remove(HEAP_KEY(t->number, ctx->di));
	if (value) {
		site_freed(value);
		t->freed = ctx->di; /* one such function may end with a jump to another */
	} else if (heap_interval <= 1 && t->freed != ctx->di) {
		caller = heap_word_at(ctx->sp);
		if (caller == trampoline_of(task))
			caller = replaced_address(ctx->sp);
		free_older(caller, ctx->ip - (cookie >> 32), file);
	}
}

/* --- entry points -------------------------------------------------------------------------- */

static __always_inline struct heap_hits *hits_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&heap_hits, &zero);
}

static __always_inline int canary(struct heap_hits *n, __u64 cookie)
{
	__sync_fetch_and_add(&n->canary[cookie & 3], 1);
	return (cookie & 3) == 2;
}

/* Handles a hit at an entry.  Returns whether the call's return must be awaited. */
static __always_inline int heap_enter(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct heap_hits *n = hits_here();
	struct heap_thread *t;

	if (!n)
		return 0;
	if ((cookie & 255) >= HEAP_CANARY)
		return canary(n, cookie);
	__sync_fetch_and_add(cookie >> 8 & HEAP_DEAR ? &n->dear : &n->cheap, 1);
	t = thread_of(task);
	if (!t) {
		__sync_fetch_and_add(&n->foreign, 1);
		return 0;
	}
	if (!(t->known & 1ULL << (cookie >> 16 & (HEAP_FILES - 1)))) {
		heap_learn(ctx->ip - (cookie >> 32), cookie >> 16 & (HEAP_FILES - 1));
		t->known |= 1ULL << (cookie >> 16 & (HEAP_FILES - 1));
	}
	if ((cookie & 255) == HEAP_FREE || (cookie & 255) == HEAP_MUNMAP) {
		release(ctx, task, t, cookie);
		return 0;
	}
	if (!heap_begin(ctx, task, t, cookie))
		return 0;
	__sync_fetch_and_add(&n->returns, 1);
	return 1;
}

SEC("uprobe")
int heap_entered(struct pt_regs *ctx)
{
	heap_enter(ctx);
	return 0;
}

SEC("uretprobe")
int heap_returned(struct pt_regs *ctx)
{
	return end(ctx->sp - 8, ctx->ax, 0); /* ret has popped the address */
}

/* Sits at the ends of a function that an exception may leave. */
SEC("uprobe")
int heap_left(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct heap_hits *n = hits_here();

	if (!n)
		return 0;
	if (EXIT_PROBE(cookie) >= HEAP_CANARY) {
		canary(n, cookie);
		return 0;
	}
	__sync_fetch_and_add(&n->dear, 1);
	if (is_end(cookie, ctx->flags))
		end(ctx->sp + EXIT_HEIGHT(cookie), exit_result(ctx, cookie), 1);
	return 0;
}

/* Entry and return in one program, where the kernel has it (6.13): no return follows a refused
 * entry. */
SEC("uprobe")
int heap_session(struct pt_regs *ctx)
{
	if (bpf_get_func_ip(ctx) == ctx->ip)
		return !heap_enter(ctx);
	return end(ctx->sp - 8, ctx->ax, 0);
}
