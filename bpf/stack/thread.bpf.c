/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * thread.bpf.c - the iterator over threads: which ones sleep, since when, and with which registers.
 *
 * A thread that sleeps in a system call has left its registers on its kernel stack, so nobody needs
 * to stop it.  User space then reads the thread's own stack, and asks again: a thread with the same
 * count of switches has not run in between.
 */
#include "bpf/stack/thread.bpf.h"

#include "bpf/task.bpf.h"

#define TASK_SLEEPS	3   /* TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE (include/linux/sched.h) */
#define FIRST_FAIR_PRIO 100 /* MAX_RT_PRIO (include/linux/sched/prio.h) */

struct thread_processes_map thread_processes SEC(".maps");

static __always_inline __u64 task_sleeps(struct task_struct *task)
{
	struct task_struct___old *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state) & TASK_SLEEPS;
	return BPF_CORE_READ(old, state) & TASK_SLEEPS;
}

/* When a task left its processor, or now for the current one: when it came, and the time that it
 * ran since.  se.exec_start would be simpler, but the clock behind it leaves out what a hypervisor
 * stole from a processor, so two processors differ by seconds after some hours. */
static __always_inline __u64 task_left(struct task_struct *task)
{
	__u64 came, ran = 0;

	if (!bpf_core_field_exists(task->sched_info.last_arrival))
		return BPF_CORE_READ(task, se.exec_start);
	came = BPF_CORE_READ(task, sched_info.last_arrival);
	if (BPF_CORE_READ(task, prio) >= FIRST_FAIR_PRIO) /* others do not count it */
		ran = BPF_CORE_READ(task, se.sum_exec_runtime) -
		      BPF_CORE_READ(task, se.prev_sum_exec_runtime);
	return came ? came + ran : 0;
}

/* Returns how long a task has not run.  A task that ran just now may seem to run later than this
 * one. */
static __always_inline __u64 task_slept(struct task_struct *task)
{
	__u64 left = task_left(task), now = task_left(bpf_get_current_task_btf());

	return left && now > left ? now - left : 0;
}

static __always_inline void thread_registers(struct raw_registers *to, const struct pt_regs *from)
{
	to->ip = BPF_CORE_READ(from, ip);
	to->sp = BPF_CORE_READ(from, sp);
	to->bp = BPF_CORE_READ(from, bp);
	to->bx = BPF_CORE_READ(from, bx);
	to->r12 = BPF_CORE_READ(from, r12);
	to->r13 = BPF_CORE_READ(from, r13);
	to->r14 = BPF_CORE_READ(from, r14);
	to->r15 = BPF_CORE_READ(from, r15);
}

SEC("iter/task")
int look_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct raw_thread out = {};
	struct pt_regs *regs;
	__u32 pid;

	if (!task)
		return 0;
	pid = task->tgid;
	if (!bpf_map_lookup_elem(&thread_processes, &pid) || !task_sleeps(task) ||
	    task->flags & (PF_EXITING | PF_IO_WORKER))
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	out.head.kind = RAW_THREAD;
	out.head.size = sizeof(out);
	out.start_ns = task_start(task);
	out.pid = pid;
	out.tid = task->pid;
	out.slept_ns = task_slept(task);
	out.switches = BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw);
	out.thread_at = BPF_CORE_READ(task, thread.fsbase);
	out.call = BPF_CORE_READ(regs, orig_ax);
	out.argument[0] = BPF_CORE_READ(regs, di);
	out.argument[1] = BPF_CORE_READ(regs, si);
	out.argument[2] = BPF_CORE_READ(regs, dx);
	thread_registers(&out.registers, regs);
	sweep_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}
