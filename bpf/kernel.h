/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel.h - every kernel field we rely on, and no other.
 *
 * The structs here are not the kernel's layouts: preserve_access_index makes libbpf look up each
 * field by name in the running kernel's BTF.  A type with ___suffix is the same type in another
 * kernel generation.  Numbers below are kernel ABI or constants that have not moved since 5.15.
 */
#ifndef DBLEAK_KERNEL_H
#define DBLEAK_KERNEL_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define CO_RE __attribute__((preserve_access_index))

#define AF_UNIX		1
#define AF_INET		2
#define AF_INET6	10
#define SOCK_STREAM	1
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT	2
#define TCP_CLOSE	7
#define TCP_CLOSE_WAIT	8
#define TCP_LISTEN	10
#define RCV_SHUTDOWN	1 /* include/net/sock.h */
#define MSG_PEEK	2
#define PF_EXITING	0x00000004 /* include/linux/sched.h */
#define PF_IO_WORKER	0x00000010
#define PF_KTHREAD	0x00200000
#define CLONE_THREAD	0x00010000
#define USER_CS_32	0x23	   /* x86: __USER32_CS */
#define PAGE_BYTES	4096ULL	   /* x86 has no other */
#define VM_HUGEPAGE	0x20000000 /* include/linux/mm.h */
#define VM_NOHUGEPAGE	0x40000000

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
} CO_RE;

typedef struct {
	long long counter;
} kernel_counter;

struct ns_common {
	unsigned int inum;
} CO_RE;

struct net {
	struct ns_common ns;
} CO_RE;

typedef struct {
	struct net *net;
} CO_RE possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	kernel_counter skc_cookie; /* 0 until the first request for it */
} CO_RE;

struct socket {
	short type;
	struct sock *sk;
} CO_RE;

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	__u16 sk_type;
	__u8 sk_shutdown;
} CO_RE;

struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
} CO_RE;

struct unix_address {
	int len;
	struct sockaddr_un name[0];
} CO_RE;

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
} CO_RE;

struct tcp_sock {
	__u64 bytes_received, bytes_sent;
	__u32 lsndtime, rcv_tstamp;
	__u32 rcv_nxt, copied_seq;
} CO_RE;

struct inet_connection_sock {
	struct {
		__u32 lrcvtime;
	} icsk_ack;
} CO_RE;

struct inode {
	unsigned long i_ino;
} CO_RE;

struct file {
	void *private_data;
	struct inode *f_inode;
} CO_RE;

struct kernfs_node {
	__u64 id;
} CO_RE;

struct cgroup {
	struct kernfs_node *kn;
} CO_RE;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
} CO_RE;

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
} CO_RE;

struct percpu_counter {
	__s64 count;
} CO_RE;

/* The kernel's own page in each process: return probes lead there. */
struct xol_area {
	unsigned long vaddr;
} CO_RE;

struct uprobes_state {
	struct xol_area *xol_area;
} CO_RE;

struct mm_struct {
	struct uprobes_state uprobes_state;
	unsigned long start_code, start_stack;
	unsigned long hiwater_rss;	   /* pages */
	struct percpu_counter rss_stat[4]; /* 6.2 and newer; file, anonymous, swap, shared */
} CO_RE;

struct mm_rss_stat___old {
	kernel_counter count[4];
} CO_RE;

struct mm_struct___old {
	struct mm_rss_stat___old rss_stat; /* before 6.2 */
} CO_RE;

struct vm_area_struct {
	unsigned long vm_start, vm_end, vm_flags, vm_pgoff;
	struct file *vm_file;
} CO_RE;

struct signal_struct {
	struct {
		int counter;
	} live;
	unsigned long maxrss; /* pages; set before the exit tracepoint until 6.15, after it since */
} CO_RE;

/* A call whose return address a return probe has replaced.  The list begins with the innermost. */
struct return_instance {
	unsigned long stack; /* where the return address lies */
	unsigned long orig_ret_vaddr;
	struct return_instance *next;
} CO_RE;

struct uprobe_task {
	struct return_instance *return_instances;
} CO_RE;

struct thread_struct {
	unsigned long fsbase; /* x86-64: address of the thread's own data */
} CO_RE;

struct sched_entity {
	__u64 exec_start; /* when the task ran last, by the clock of the scheduler */
	__u64 sum_exec_runtime, prev_sum_exec_runtime; /* so far, and when it was chosen last */
} CO_RE;

struct sched_info {
	unsigned long long last_arrival; /* on its processor */
} CO_RE;

struct task_struct {
	unsigned int __state; /* 5.14 and newer */
	unsigned int flags;
	int pid;
	int tgid;
	int exit_code;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	__u64 start_boottime;
	__u32 self_exec_id; /* number of execs */
	char comm[16];
	struct mm_struct *mm;
	int pagefault_disabled;
	struct signal_struct *signal;
	struct css_set *cgroups;
	struct uprobe_task *utask;
	struct thread_struct thread;
	struct sched_entity se;
	struct sched_info sched_info;
	int prio;
	unsigned long nvcsw, nivcsw; /* how often it gave up its processor, and had to */
} CO_RE;

struct task_struct___old {
	long state; /* before 5.14 */
} CO_RE;

struct pt_regs {
	unsigned long r15;
	unsigned long r14;
	unsigned long r13;
	unsigned long r12;
	unsigned long bp;
	unsigned long bx;
	unsigned long r11;
	unsigned long r10;
	unsigned long r9;
	unsigned long r8;
	unsigned long ax;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned short cs;
	unsigned long flags;
	unsigned long sp;
} CO_RE;

/* A signal and its disposition. */
struct kernel_siginfo {
	int si_signo, si_code;
} CO_RE;

struct sigaction {
	void *sa_handler; /* NULL: the default, which ends the process */
} CO_RE;

struct k_sigaction {
	struct sigaction sa;
} CO_RE;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num;
} CO_RE;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} CO_RE;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} CO_RE;

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
} CO_RE;

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} CO_RE;

/* User ABI, not kernel layout: read from the memory of the watched program. */
struct user_iovec {
	__u64 base;
	__u64 length;
};

struct user_msghdr {
	__u64 name;
	__u64 namelen;
	__u64 iov;
	__u64 iovlen;
};

/* x86-64 system calls that carry bytes of a socket (arch/x86/entry/syscalls/syscall_64.tbl). */
enum {
	NR_READ = 0,
	NR_WRITE = 1,
	NR_READV = 19,
	NR_WRITEV = 20,
	NR_SENDTO = 44,
	NR_RECVFROM = 45,
	NR_SENDMSG = 46,
	NR_RECVMSG = 47,
};

#endif
