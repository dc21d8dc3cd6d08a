// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
/*
 * heap_odd.c - an allocator in front of the C library's, and a program that treats it badly: it
 * leaves calls by longjmp out of a signal handler, takes blocks in one, and is filtered by seccomp.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEFT 1231 /* a block of so many bytes is never handed out: the call is left */
#define BUSY 1237 /* during such a call a signal comes, whose handler takes a block, too */

static sigjmp_buf place;
static void *volatile kept;

void *malloc(size_t size)
{
	static void *(*next)(size_t);
	void *p;

	if (!next)
		next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	p = next(size);
	if (size == LEFT)
		raise(SIGUSR1);
	if (size == BUSY)
		raise(SIGUSR2);
	return p;
}

void free(void *p)
{
	static void (*next)(void *);

	if (!next)
		next = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	next(p);
}

static void leave(int sig)
{
	(void)sig;
	siglongjmp(place, 1);
}

static void take(int sig)
{
	(void)sig;
	kept = malloc(47);
}

static __attribute__((noinline)) void deeper(int depth, size_t size)
{
	volatile char room[256];

	room[0] = 1;
	if (depth)
		deeper(depth - 1, size);
	else
		kept = malloc(size);
	room[1] = room[0];
}

/* A filter that kills on all but what this program does: the system calls of probes are unknown to
 * it. */
static int filter(void)
{
	static const int known[] = {
		SYS_brk,	  SYS_mmap,	 SYS_munmap,	 SYS_write,  SYS_fstat,
		SYS_newfstatat,	  SYS_getpid,	 SYS_gettid,	 SYS_tgkill, SYS_rt_sigprocmask,
		SYS_rt_sigreturn, SYS_getrandom, SYS_exit_group,
	};
	enum { KNOWN = sizeof(known) / sizeof(known[0]) };
	struct sock_filter code[KNOWN + 3] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		[KNOWN + 1] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		[KNOWN + 2] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = KNOWN + 3, .filter = code};

	for (int i = 0; i < KNOWN; i++)
		code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, known[i],
							   KNOWN - i, 0);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(void)
{
	volatile int left = 0;

	signal(SIGUSR1, leave);
	signal(SIGUSR2, take);
	if (filter())
		return 2;
	for (volatile int i = 0; i < 100; i++) {
		if (!sigsetjmp(place, 1))
			deeper(i % 7, LEFT);
		else
			left++;
		deeper(i % 11, 59); /* below, at and above where the other was left */
		deeper(3, 61);
		free(kept);
	}
	for (int i = 0; i < 30; i++)
		deeper(2, BUSY);
	printf("%d left\n", left);
	return 0;
}
