/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * process.bpf.c - fork, exec and exit.  Children of selected processes are selected and have their
 * parent's interpreter.  The end of a process that had connections is reported.
 */
#include "bpf/ledger/ledger.bpf.h"
#include "bpf/ledger/select.bpf.h"
#include "bpf/stack/stack.bpf.h"

struct targets_map targets SEC(".maps");
struct comms_map comms SEC(".maps");
struct cgroups_map cgroups SEC(".maps");

__u32 selection_generation = 0;

/* The child has the parent's memory, with its interpreter, until the child calls exec. */
static __always_inline void inherit_runtime(__u32 parent, __u32 pid, __u64 start_ns)
{
	struct runtime_process *r = bpf_map_lookup_elem(&runtimes, &parent), own;

	if (!r)
		return;
	own = *r;
	own.start_ns = start_ns;
	if (bpf_map_update_elem(&runtimes, &pid, &own, BPF_ANY))
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
}

/* Sends a record to the thread that attaches probes to selected processes, and wakes it at once. */
static __always_inline void send_task(struct raw_task *record)
{
	record->head.ns = bpf_ktime_get_boot_ns();
	record->head.kind = RAW_TASK;
	record->head.size = sizeof(*record);
	if (bpf_ringbuf_output(&task_ring, record, sizeof(*record), 0))
		count(COUNTER_LOSS + EV_LOSS_RING_FULL);
}

static __always_inline void tell_task(struct task_struct *task, __u32 what, __u32 other)
{
	struct raw_task record = {};

	if (!settings.tell_tasks || !selected(task))
		return;
	record.pid = task->tgid;
	record.other = other;
	record.what = what;
	send_task(&record);
}

SEC("tp_btf/task_newtask")
int BPF_PROG(process_forked, struct task_struct *child, __u64 clone_flags)
{
	__u32 parent = bpf_get_current_pid_tgid() >> 32, pid = child->tgid;
	__u8 one = 1;

	if (clone_flags & CLONE_THREAD)
		return 0;
	inherit_runtime(parent, pid, child->start_boottime);
	if (bpf_map_lookup_elem(&targets, &parent) &&
	    bpf_map_update_elem(&targets, &pid, &one, BPF_ANY))
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
	tell_task(child, TASK_FORKED, parent);
	return 0;
}

/* Returns the peak of resident memory.  The kernel notes it in signal->maxrss when it frees the
 * memory; before that, the memory itself shows it. */
static __always_inline __u64 peak_resident(struct task_struct *task)
{
	__u64 peak = BPF_CORE_READ(task, signal, maxrss);
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__u64 high = mm ? BPF_CORE_READ(mm, hiwater_rss) : 0;
	__u64 now = mm ? ledger_resident() : 0;

	peak = (peak > high ? peak : high) * PAGE_BYTES;
	peak = now != UNKNOWN64 && now > peak ? now : peak;
	return peak ? peak : UNKNOWN64;
}

/* An exec puts another program into the process: the objects of its libraries are gone. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_replaced, struct task_struct *task, int thread)
{
	__u32 pid = task->tgid;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);

	bpf_map_delete_elem(&runtimes, &pid);
	if (p) {
		p->exec_ns = bpf_ktime_get_boot_ns();
		share_replaced(p);
	}
	tell_task(task, TASK_REPLACED, (__u32)thread == pid ? 0 : thread);
	return 0;
}

/* A process gives itself a name that may be a selected one.  The name is not in the task yet. */
SEC("tp_btf/task_rename")
int BPF_PROG(process_renamed, struct task_struct *task, const char *name)
{
	struct raw_task record = {};
	struct comm_key key = {};

	if (!settings.tell_tasks || !settings.by_comm || task->pid != task->tgid)
		return 0;
	bpf_probe_read_kernel_str(&key.comm, sizeof(key.comm), name);
	if (!bpf_map_lookup_elem(&comms, &key) || (__u32)task->tgid == settings.self)
		return 0;
	record.pid = task->tgid;
	record.what = TASK_REPLACED;
	send_task(&record);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exited, struct task_struct *task)
{
	__u32 pid = task->tgid;
	struct ev_exit gone = {};
	struct process *p;

	if (BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0;
	bpf_map_delete_elem(&runtimes, &pid);
	tell_task(task, TASK_ENDED, 0);
	if (settings.selective)
		bpf_map_delete_elem(&targets, &pid);
	p = bpf_map_lookup_elem(&processes, &pid);
	if (!p)
		return 0;
	if (!p->reported && !p->short_lived.opened && !p->client && !share_has_refused(p)) {
		bpf_map_delete_elem(&processes, &pid);
		return 0;
	}
	p->gone = 1;
	if (!p->reported && !(p->client && !settings.grace_ns))
		return 0;
	gone.head.ns = bpf_ktime_get_boot_ns();
	gone.head.kind = EV_EXIT;
	gone.head.size = sizeof(gone);
	gone.start_ns = p->start_ns;
	gone.rss_peak_bytes = peak_resident(task);
	gone.pid = pid;
	gone.exit_code = BPF_CORE_READ(task, exit_code);
	emit_of(pid, &gone, sizeof(gone));
	return 0;
}

/* User space runs this after it removed an entry from a table itself.  A program of the kind
 * syscall may sleep, and before 6.1 such a program may use no table that grows; this kind takes a
 * struct share_order as its arguments, too. */
SEC("raw_tp")
int share_given(struct bpf_raw_tracepoint_args *order)
{
	__u64 since_ns = order->args[0];
	__u32 pid = order->args[1], table = order->args[2];

	if (table < EV_TABLES)
		share_give(pid, since_ns, table);
	return 0;
}
