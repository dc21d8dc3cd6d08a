// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
/*
 * heap_throws.cpp - C++'s operator new where it does not return: it throws bad_alloc, its handler
 * throws what it likes, leaves by longjmp, or switches stacks.  Between these it gives blocks, of
 * which the figures are known: 450 of 1511 bytes, 150 of them freed; 60 arrays of 1523, 20 freed.
 */
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

static volatile size_t too_much = (size_t)1 << 61;
static jmp_buf before;
static ucontext_t outside, inside;
static int handled;
static unsigned long sum;
static char *kept[450], *arrays[60];

static void throw_own()
{
	handled++;
	throw std::runtime_error("no memory");
}

static void jump_out()
{
	handled++;
	longjmp(before, 1);
}

/* Out of operator new, and back into it. */
static void switch_stacks()
{
	handled++;
	swapcontext(&inside, &outside);
}

static void asks_too_much()
{
	try {
		char *volatile p = new char[too_much];
		free((void *)p);
	} catch (const std::bad_alloc &) {
		handled++;
	} catch (const std::runtime_error &) {
		handled++;
	}
}

static void asks_alone()
{
	try {
		void *volatile p = ::operator new(too_much);
		free(p);
	} catch (const std::exception &) {
		handled++;
	}
}

static void by_handlers()
{
	static char stack[65536];

	std::set_new_handler(throw_own);
	asks_too_much();
	asks_alone();
	std::set_new_handler(jump_out);
	if (!setjmp(before))
		asks_alone();
	std::set_new_handler(switch_stacks);
	getcontext(&inside);
	inside.uc_stack.ss_sp = stack;
	inside.uc_stack.ss_size = sizeof(stack);
	inside.uc_link = &outside;
	makecontext(&inside, asks_alone, 0);
	swapcontext(&outside, &inside);
	std::set_new_handler(nullptr);
	asks_alone(); /* on this stack, while the other one waits in the midst of it */
	swapcontext(&outside, &inside);
	std::set_new_handler(nullptr);
}

static char *filled(char *block, size_t size, int i)
{
	memset(block, i, size);
	sum = sum * 31 + (unsigned char)block[size / 2];
	return block;
}

/* A process that was made by fork, and has probes of its own, while the parent throws. */
static void have_child()
{
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		usleep(2000000);
		_exit(0);
	}
}

int main()
{
	have_child();
	usleep(300000);
	for (int i = 0; i < 450; i++) {
		kept[i] = filled((char *)::operator new(1511), 1511, i);
		if (i % 3 == 0)
			asks_alone();
		if (i % 3 == 1)
			::operator delete(kept[i]);
		if (i % 50 == 0)
			by_handlers();
	}
	for (int i = 0; i < 60; i++) {
		arrays[i] = filled(new char[1523], 1523, i);
		asks_too_much();
		if (i % 3 == 1)
			delete[] arrays[i];
	}
	printf("%d %lx\n", handled, sum);
	return 0;
}
