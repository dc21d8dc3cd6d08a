/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack.c - takes its own stack, as the kernel half would, and tells where it stood: a struct
 * raw_stack on its standard output, then a line "function line" for each frame of its own, the
 * innermost first, then "end".  Then it waits for its standard input to end.
 * Compiled in several ways; arguments: "plain", "signal".  With $STACK_NEXT it then runs that
 * program in its own place, after a byte of input.
 */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/stack/raw_stack.h"

static struct raw_stack raw;
static struct {
	const char *function;
	int line;
} expected[16];
static int depth;

#define CALLED(name) (expected[depth].function = (name), expected[depth].line = __LINE__, depth++)

static __attribute__((noinline)) void take(void)
{
	int memory = open("/proc/self/mem", O_RDONLY);
	struct raw_registers *r = &raw.registers;

	__asm__ volatile("lea 0(%%rip), %%rax\n\t"
			 "mov %%rax, 0(%0)\n\t"
			 "mov %%rsp, 8(%0)\n\t"
			 "mov %%rbp, 16(%0)\n\t"
			 "mov %%rbx, 24(%0)\n\t"
			 "mov %%r12, 32(%0)\n\t"
			 "mov %%r13, 40(%0)\n\t"
			 "mov %%r14, 48(%0)\n\t"
			 "mov %%r15, 56(%0)" ::"r"(r)
			 : "rax", "memory");
	raw.length = (__u32)pread(memory, raw.bytes, STACK_BYTES, (off_t)r->sp);
	close(memory);
}

/* A stack that leaves the caller's registers all changed. */
static __attribute__((noinline)) int busy(int n)
{
	volatile char room[200];
	int a = n * 3, b = n * 5, c = n * 7, d = n * 11, e = n * 13;

	memset((char *)room, n, sizeof(room));
	CALLED("busy"), take();
	return a + b + c + d + e + room[n & 63];
}

static inline __attribute__((always_inline)) int inlined(int n)
{
	int got = n;

	got += (CALLED("inlined"), busy(n));
	return got + 1;
}

/* A C++ name without a C++ compiler. */
int listed(int n) __asm__("_ZN4shop6Orders4listEi");

__attribute__((noinline)) int listed(int n)
{
	int got;

	CALLED("shop::Orders::list"), got = inlined(n);
	return got * 2;
}

static volatile int sink;

static void handler(int signal)
{
	CALLED("handler"), sink = listed(signal);
	sink++;
}

static __attribute__((noinline)) void work(const char *how)
{
	char name[64] = {0};

	strncpy(name, how, sizeof(name) - 1);
	if (!strcmp(how, "signal")) {
		signal(SIGUSR1, handler);
		CALLED("work"), raise(SIGUSR1);
	} else {
		CALLED("work"), sink = listed(name[0]);
	}
	sink++;
}

static void tell(void)
{
	fwrite(&raw, sizeof(raw), 1, stdout);
	for (int i = depth; i--;)
		printf("%s %d\n", expected[i].function, expected[i].line);
	printf("end\n");
	fflush(stdout);
}

static void run_next(const char *path)
{
	char name[512], byte;

	snprintf(name, sizeof(name), "%s", path);
	unsetenv("STACK_NEXT");
	if (read(0, &byte, 1) == 1)
		execl(name, name, "plain", (char *)NULL);
	exit(1);
}

int main(int argc, char **argv)
{
	CALLED("main"), work(argc > 1 ? argv[1] : "plain");
	raw.pid = raw.tid = (__u32)getpid();
	raw.image = depth + (__u32)(getenv("STACK_NEXT") ? 1 : 2);
	tell();
	if (getenv("STACK_NEXT"))
		run_next(getenv("STACK_NEXT"));
	while (getchar() != EOF)
		;
	return 0;
}
