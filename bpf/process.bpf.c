/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * process.bpf.c - fork and exit: children of selected processes are selected and run what their
 * parents run, and the end of a process that had connections is told.
 */
#include "ledger.bpf.h"
#include "select.bpf.h"
#include "stack.bpf.h"

struct targets_map targets SEC(".maps");
struct comms_map comms SEC(".maps");
struct cgroups_map cgroups SEC(".maps");

__u32 selection_generation = 0;

/* The child has the parent's memory, interpreter and all, until it becomes another program. */
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

SEC("tp_btf/task_newtask")
int BPF_PROG(process_forked, struct task_struct *child, __u64 clone_flags)
{
	__u32 parent = bpf_get_current_pid_tgid() >> 32, pid = child->tgid;
	__u8 one = 1;

	if (clone_flags & CLONE_THREAD)
		return 0;
	inherit_runtime(parent, pid, child->start_boottime);
	if (!bpf_map_lookup_elem(&targets, &parent))
		return 0;
	if (bpf_map_update_elem(&targets, &pid, &one, BPF_ANY))
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
	return 0;
}

/* Where the memory is gone already its peak was noted; where it is not, it still tells itself. */
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

/* Another program in the same process: what its libraries had handed out is gone. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_replaced, struct task_struct *task)
{
	__u32 pid = task->tgid;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);

	bpf_map_delete_elem(&runtimes, &pid);
	if (p)
		p->exec_ns = bpf_ktime_get_boot_ns();
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
	if (settings.selective)
		bpf_map_delete_elem(&targets, &pid);
	p = bpf_map_lookup_elem(&processes, &pid);
	if (!p)
		return 0;
	if (!p->told && !p->brief.opened && !p->client) {
		bpf_map_delete_elem(&processes, &pid);
		return 0;
	}
	p->gone = 1;
	if (!p->told && !(p->client && !settings.grace_ns))
		return 0;
	gone.head.ns = bpf_ktime_get_boot_ns();
	gone.head.kind = EV_EXIT;
	gone.head.size = sizeof(gone);
	gone.start_ns = p->start_ns;
	gone.rss_peak_bytes = peak_resident(task);
	gone.pid = pid;
	gone.exit_code = BPF_CORE_READ(task, exit_code);
	emit(&gone, sizeof(gone));
	return 0;
}
