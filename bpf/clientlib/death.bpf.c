/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * death.bpf.c - reports a signal that ends a process at one of dbleak's probes, or inside a call
 * whose begin a probe saw.  Perhaps the probe is the cause.
 *
 * The signal is reported when it is taken: the process then still has its memory, and the thread
 * that died is known.
 */
#include "bpf/clientlib/client.bpf.h"

#define SIGILL	4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGSEGV 11

static __always_inline int death_is_wanted(int sig)
{
	return sig == SIGILL || sig == SIGTRAP || sig == SIGABRT || sig == SIGSEGV;
}

/* Did another process send the signal (SI_USER, SI_QUEUE), as a service manager does after a
 * timeout? */
static __always_inline int was_sent(const struct kernel_siginfo *info)
{
	int code = (unsigned long)info > 2 ? BPF_CORE_READ(info, si_code) : 0;

	return code == 0 || code == -1;
}

/* Is ip on the kernel's own page of the process?  Return probes lead there, and instructions are
 * single-stepped there. */
static __always_inline int is_in_area(struct task_struct *task, __u64 ip)
{
	__u64 area = BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr);

	return area && ip - area < PAGE_BYTES;
}

/* Is the thread inside a call that has begun and whose frame is still on its stack? */
static __always_inline int death_is_inside(struct task_struct *task, __u64 stack)
{
	struct calls *c = bpf_task_storage_get(&calls, task, NULL, 0);
	__u32 i;

	for (i = 0; c && i < CALLS_MOST; i++)
		if (c->stack[i] >= stack)
			return 1;
	return 0;
}

static long find_place(struct task_struct *task, struct vm_area_struct *area, void *context)
{
	struct raw_death *record = context;
	struct inode *inode = BPF_CORE_READ(area, vm_file, f_inode);

	record->inode = BPF_CORE_READ(inode, i_ino);
	record->offset = record->address - BPF_CORE_READ(area, vm_start) +
			 BPF_CORE_READ(area, vm_pgoff) * PAGE_BYTES;
	return 0;
}

SEC("tp_btf/signal_deliver")
int BPF_PROG(signal_taken, int sig, struct kernel_siginfo *info, struct k_sigaction *action)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct raw_death record = {};
	struct pt_regs *regs;

	if (!death_is_wanted(sig) || task->tgid == (int)settings.self || was_sent(info))
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	record.address = regs->ip;
	if (is_in_area(task, record.address))
		record.flags |= DEATH_IN_AREA;
	else if (BPF_CORE_READ(action, sa.sa_handler))
		return 0; /* the process has a handler and lives on */
	if (sig != SIGSEGV && death_is_inside(task, regs->sp))
		record.flags |= DEATH_INSIDE;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_find_vma))
		bpf_find_vma(task, record.address, find_place, &record, 0);
	if (!record.flags && !record.inode)
		return 0;
	record.head.ns = bpf_ktime_get_boot_ns();
	record.head.kind = RAW_DEATH;
	record.head.size = sizeof(record);
	record.start_ns = task_start(task);
	record.pid = task->tgid;
	record.signal = sig;
	BPF_CORE_READ_INTO(&record.comm, task, group_leader, comm);
	emit(&record, sizeof(record));
	return 0;
}
