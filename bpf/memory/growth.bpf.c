/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.bpf.c - samples the first touches of pages of processes that grow.
 *
 * Every allocator, arena and buffer ends in a page fault, whatever function called mmap or brk and
 * however long before.  When a fault finds that the process grew by enough pages since the last
 * sample, its stack is sampled.  The sample stands for all these pages.  The program is attached
 * only while a process grows; the faults of other processes pay a look-up.
 *
 * Faults decide when the next sample is taken: a fault that finds no page is a first touch.  The
 * kernel also counts pages, but late, because each processor keeps back a batch.  That count bounds
 * the other one, because pages also come back from swap, are shared, or come without a fault.
 *
 * A fault of 4 KB counts one page, but a huge page of 2 MB belongs to the fault that got it.  So
 * the first touch of an area that may get a huge page is sampled, and the next fault shows whether
 * it did.
 */
#include "bpf/memory/growth.bpf.h"
#include "bpf/clientlib/client.bpf.h"
#include "bpf/stack/stack.bpf.h"

#define FAULT_PRESENT 1 /* X86_PF_PROT: a page was there */
#define FAULT_WRITES  2 /* X86_PF_WRITE */
#define HUGE_SHIFT    21
#define HUGE_PAGES    512
#define STACK_NEAR    (16 << 10)
#define INTERVAL_MOST (1 << 18)
#define TICK_NS	      10000000ULL
#define SPACE_GAPS    16 /* gaps that a burst of samples may run ahead */

struct growing_map growing SEC(".maps");
__u16 growing_near[GROWING_NEAR] = {};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, GROWING_MOST);
	__type(key, __u32); /* process id */
	__type(value, struct growth_state);
} growth_states SEC(".maps");

/* A page fault of a growing process. */
struct fault {
	struct task_struct *task;
	const struct growing *of;
	__u64 address;
	__s64 pages;
};

/* Returns anonymous pages and pages swapped out.  The older kernel's count has a type that its
 * verifier does not read directly. */
static __always_inline __s64 pages_of(struct mm_struct *mm)
{
	struct mm_struct___old *old = (void *)mm;

	if (bpf_core_field_exists(mm->rss_stat[0].count))
		return mm->rss_stat[1].count + mm->rss_stat[2].count;
	return BPF_CORE_READ(old, rss_stat.count[1].counter) +
	       BPF_CORE_READ(old, rss_stat.count[2].counter);
}

/* Is the fault near the stack pointer?  A growing stack has no bytes yet where a copy would
 * begin. */
static __always_inline int touches_stack(const struct fault *f)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(f->task);

	return f->address + STACK_NEAR > regs->sp && f->address < regs->sp + STACK_NEAR;
}

static __always_inline void sample(const struct fault *f, struct raw_growth *r, __u64 now)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct thread_socket *last = bpf_map_lookup_elem(&thread_socket, &thread);

	__builtin_memset(r, 0, sizeof(*r));
	r->head.ns = now;
	r->head.kind = RAW_GROWTH;
	r->head.size = sizeof(*r);
	r->start_ns = f->of->start_ns;
	r->address = f->address;
	r->stack = stack_take_share(0, 0, STACK_SHARE_MEMORY);
	r->connection = last ? last->id : 0;
	r->message_ns = last ? last->ns : 0;
	r->pid = thread >> 32;
	r->tid = (__u32)thread;
}

/* Sends a sample, which stands for all pages since the last one. */
static __always_inline void send(struct raw_growth *r, __u64 pages)
{
	r->bytes = pages * PAGE_BYTES;
	emit_of(r->pid, r, sizeof(*r));
}

/* Widens the interval when samples come too fast in the long run, because pages come in bursts. */
static __always_inline void space(struct growth_state *s, const struct growing *of, __u64 now)
{
	__u64 since = now - SPACE_GAPS * of->gap_ns;

	if (s->paid_ns < since)
		s->paid_ns = since;
	s->paid_ns += of->gap_ns;
	if (s->paid_ns > now && s->interval < INTERVAL_MOST)
		s->interval *= 2;
	else if (s->paid_ns < now - SPACE_GAPS / 2 * of->gap_ns)
		s->interval /= 2;
	if (s->interval < of->pages)
		s->interval = of->pages;
}

/* Draws the next sample by pages, never by time: samples by time would always hit a program that
 * pauses at the place where it goes on. */
static __always_inline void draw(struct growth_state *s, const struct fault *f, __u64 now)
{
	__u32 chance = bpf_get_prandom_u32();

	space(s, f->of, now);
	s->sampled_ns = now;
	s->touched = s->risen = 0;
	s->due = (s->interval >> 1) + chance % (s->interval | 1);
}

struct area {
	__u64 address;
	__u32 wanted; /* enum growing_huge */
	__u32 huge;   /* 1: the address may get a huge page */
};

static long look_at_area(struct task_struct *task, struct vm_area_struct *vma, struct area *a)
{
	__u64 from = a->address >> HUGE_SHIFT << HUGE_SHIFT;

	a->huge = !vma->vm_file && vma->vm_start <= from &&
		  vma->vm_end >= from + HUGE_PAGES * PAGE_BYTES &&
		  (a->wanted == GROWING_HUGE_ASKED ? !!(vma->vm_flags & VM_HUGEPAGE)
						   : !(vma->vm_flags & VM_NOHUGEPAGE));
	return 0;
}

/* May the address get a huge page?  Yes, too, if the area cannot be read: before 5.17 there is no
 * way, and to try its lock fails while other threads want it, and has been seen to fail ever after.
 */
static __always_inline int may_be_huge(const struct fault *f)
{
	struct area area = {.address = f->address, .wanted = f->of->huge, .huge = 1};

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_find_vma))
		bpf_find_vma(f->task, f->address, look_at_area, &area, 0);
	return area.huge;
}

/* Samples what may be the first touch of a huge page; the next fault decides.  If there are too
 * many such touches, some are skipped. */
static __always_inline void wait_for_huge(struct growth_state *s, const struct fault *f)
{
	__u64 now, since;

	s->region = f->address >> HUGE_SHIFT;
	if (bpf_get_prandom_u32() & ((1U << (s->rarely & 15)) - 1) || touches_stack(f) ||
	    !may_be_huge(f))
		return;
	now = bpf_ktime_get_boot_ns();
	since = now - s->huge_ns;
	if (since < f->of->gap_ns && s->rarely < 15)
		s->rarely++;
	else if (since > 4 * f->of->gap_ns && s->rarely)
		s->rarely--;
	s->huge_ns = now;
	sample(f, &s->waiting, now);
	s->waits = 1;
}

/* How many huge pages does such a rise contain?  A processor's late share of the count may hold
 * pages that went, and hide some of the rise.  But such a share alone is no huge page. */
static __always_inline __u64 huge_in(const struct fault *f, __s64 more)
{
	__u64 late = f->of->batch;

	if (!f->of->huge || more <= 0)
		return 0;
	if (late >= HUGE_PAGES / 2)
		late = late < HUGE_PAGES ? HUGE_PAGES - 1 - late : 0;
	return (more + late) / HUGE_PAGES;
}

/* The last fault got a huge page.  If its sample waits, it is sent; if not, the next waiting sample
 * takes the pages over. */
static __always_inline void came_huge(struct growth_state *s, __u64 pages)
{
	if (!s->waits) {
		s->owed += pages;
		return;
	}
	send(&s->waiting, pages + s->owed);
	s->owed = 0;
}

static __always_inline void came(struct growth_state *s, const struct fault *f)
{
	__s64 more = s->met ? f->pages - s->last : 0;
	__s64 huge = huge_in(f, more) * HUGE_PAGES;

	s->last = f->pages;
	if (huge)
		came_huge(s, huge);
	if (more > huge)
		s->risen += more - huge;
	s->met = 1;
	s->waits = 0;
}

/* Returns the pages since the last sample: the first touches, unless the kernel's count
 * contradicts. */
static __always_inline __u64 pages_since(const struct growth_state *s, const struct fault *f)
{
	__u64 late = 2 * f->of->batch;

	if (s->touched > s->risen + late)
		return s->risen + late;
	return s->risen > s->touched + late ? s->risen : s->touched;
}

static __always_inline void on_growing(struct growth_state *s, const struct fault *f, int first)
{
	__u64 pages;

	came(s, f);
	s->touched += first;
	if (s->risen < s->due + 2 * f->of->batch && (!first || s->touched < s->due)) {
		if (first && f->of->huge && f->address >> HUGE_SHIFT != s->region)
			wait_for_huge(s, f);
		return;
	}
	if (touches_stack(f))
		return;
	pages = pages_since(s, f);
	draw(s, f, bpf_ktime_get_boot_ns()); /* before the stack: of several threads at once, only
						one takes it */
	if (!pages)
		return;
	sample(f, &s->out, s->sampled_ns);
	send(&s->out, pages);
}

/* Two faults at once may count as one: the counter must not cost more than what it measures. */
static __always_inline void count_fault(void)
{
	__u32 which = COUNTER_FAULTS;
	__u64 *n = bpf_map_lookup_elem(&counters, &which);

	if (n)
		*n += 1;
}

/* A fault while page faults are off is not served: a program reads memory that may not be there. */
static __always_inline int on_fault(__u64 address, __u64 error)
{
	struct fault f = {.address = address};
	struct growth_state *state;
	__u32 pid;

	count_fault();
	if (!(error & FAULT_WRITES) || (__s64)address < 0)
		return 0;
	pid = bpf_get_current_pid_tgid() >> 32;
	f.of = growing_find(&pid);
	if (!f.of)
		return 0;
	state = bpf_map_lookup_elem(&growth_states, &pid);
	f.task = bpf_get_current_task_btf();
	if (!state || !f.task->mm || f.task->pagefault_disabled ||
	    f.task->group_leader->start_boottime - f.of->start_ns >= TICK_NS)
		return 0;
	f.pages = pages_of(f.task->mm);
	on_growing(state, &f, !(error & FAULT_PRESENT));
	return 0;
}

/* Attached to page_fault_user, and to page_fault_kernel, where the kernel writes into fresh pages
 * of the program. */
SEC("raw_tp")
int growth_faulted(struct bpf_raw_tracepoint_args *ctx)
{
	return on_fault(ctx->args[0], ctx->args[2]);
}
