// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
/*
 * heap_family.c - takes and gives back exactly known numbers of blocks with every function of
 * malloc's family.  Each step has a size of its own, by which the test finds it again.
 *
 * Prints a checksum of what its blocks held: the same with and without a tracer.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 1000

static unsigned char *block[MOST];
static volatile size_t huge = PTRDIFF_MAX;
static void *volatile none; /* the compiler would make one function of another */
static uint64_t sum = 14695981039346656037ULL;

static void *own(void *p, size_t size, int i)
{
	if (!p)
		_exit(3);
	memset(p, i, size < 64 ? size : 64);
	return p;
}

static void give_back(int n, size_t size, void (*release)(void *))
{
	for (int i = 0; i < n; i++) {
		sum = (sum ^ block[i][size > 64 ? 63 : size - 1]) * 1099511628211ULL;
		release(block[i]);
	}
}

#define STEP(name, take)                                                                      \
	static __attribute__((noinline, no_icf)) void name(int taken, int freed, size_t size) \
	{                                                                                     \
		for (int i = 0; i < taken; i++)                                               \
			block[i] = own(take, size, i);                                        \
		give_back(freed, size, free);                                                 \
	}

static void *posix(size_t alignment, size_t size)
{
	void *p = NULL;

	return posix_memalign(&p, alignment, size) ? NULL : p;
}

STEP(with_malloc, malloc(size))
STEP(large, malloc(size)) /* for which an allocator maps memory */
STEP(in_parent, malloc(size))
STEP(in_child, malloc(size))
STEP(before_exec, malloc(size))
STEP(after_exec, malloc(size))
STEP(with_calloc, calloc(2, size / 2))
STEP(with_realloc, realloc(none, size))
STEP(with_reallocarray, reallocarray(none, 2, size / 2))
STEP(with_memalign, memalign(64, size))
STEP(with_low_memalign, memalign(8, size))
STEP(with_aligned_alloc, aligned_alloc(128, size))
STEP(with_posix_memalign, posix(256, size))
STEP(with_valloc, valloc(size))

static __attribute__((noinline)) void grown(int taken, int freed, size_t size, size_t larger)
{
	for (int i = 0; i < taken; i++)
		block[i] = own(malloc(size), size, i);
	for (int i = 0; i < taken; i++)
		block[i] = own(realloc(block[i], larger), larger, i);
	give_back(freed, larger, free);
}

static __attribute__((noinline)) void not_grown(int taken, size_t size)
{
	for (int i = 0; i < taken; i++) {
		block[i] = own(malloc(size), size, i);
		if (realloc(block[i], huge) || reallocarray(block[i], huge, 2))
			_exit(4);
	}
	give_back(0, size, free);
}

static __attribute__((noinline)) void shrunk_to_nothing(int taken, size_t size)
{
	for (int i = 0; i < taken; i++) {
		block[i] = own(malloc(size), size, i);
		free(realloc(block[i], huge - PTRDIFF_MAX));
	}
}

static __attribute__((noinline)) void duplicated(int taken, size_t size)
{
	char text[256];

	memset(text, 'x', size - 1);
	text[size - 1] = 0;
	for (int i = 0; i < taken; i++)
		block[i] = own(strdup(text), size, i);
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static __attribute__((noinline)) void mapped(int taken, int freed, size_t size)
{
	for (int i = 0; i < taken; i++)
		block[i] = own(map(size), size, i);
	for (int i = 0; i < freed; i++)
		munmap(block[i], size);
	if (freed < taken) /* its first half alone */
		munmap(block[freed], size / 2);
}

static __attribute__((noinline)) void remapped(int taken, int freed, size_t size)
{
	for (int i = 0; i < taken; i++) {
		block[i] = own(map(size), size, i);
		block[i] = own(mremap(block[i], size, 2 * size, MREMAP_MAYMOVE), size, i);
	}
	for (int i = 0; i < freed; i++)
		munmap(block[i], 2 * size);
}

/* Their ends, and their middles, go first; then of some the rest. */
static __attribute__((noinline)) void cut(int taken, int freed, size_t size)
{
	size_t part = size / 5;

	for (int i = 0; i < taken; i++) {
		block[i] = own(map(size), size, i);
		munmap(block[i] + 4 * part, part);
		munmap(block[i] + 2 * part, part);
	}
	for (int i = 0; i < freed; i++)
		munmap(block[i], size);
}

/* Room is reserved, a part of it made writable, of that some taken back; as engines of languages
 * do. */
static __attribute__((noinline)) void reserved(int taken, int freed, size_t size)
{
	for (int i = 0; i < taken; i++) {
		block[i] = mmap(NULL, 4 * size, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (mprotect(block[i] + size, size, PROT_READ | PROT_WRITE))
			_exit(4);
		own(block[i] + size, size, i);
		mprotect(block[i] + size, size, PROT_READ | PROT_WRITE); /* as it is */
	}
	for (int i = 0; i < freed; i++)
		if (i % 2)
			mprotect(block[i], 2 * size, PROT_NONE);
		else
			munmap(block[i], 4 * size);
}

/* Writable memory in place of what was reserved, and of other such. */
static __attribute__((noinline)) void covered(int taken, size_t size)
{
	for (int i = 0; i < taken; i++) {
		unsigned char *room = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
					   -1, 0);

		for (int k = 0; k < 2; k++)
			mmap(room, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		own(room, size, i);
	}
}

static void *work(void *context)
{
	for (int i = 0; i < 250; i++) {
		volatile unsigned char *p = own(malloc((size_t)context), (size_t)context, i);

		if (i % 5 == 0)
			free((void *)p);
	}
	return NULL;
}

static void threaded(int threads, size_t size)
{
	pthread_t thread[16];

	for (int i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)size))
			_exit(5);
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
}

/* A process is followed from the moment on in which probes of its own are in: a moment after its
 * fork or exec, for nobody who was not chosen carries any. */
static void settle(void)
{
	usleep(700000);
}

/* The child gives back blocks of its parent, which the parent keeps. */
static void forked(void)
{
	int status = 0;

	in_parent(350, 0, 141);
	if (!fork()) {
		settle();
		give_back(350, 141, free);
		in_child(333, 33, 143);
		_exit(0);
	}
	wait(&status);
	if (status)
		_exit(6);
}

/* What a program held is gone when another takes its place. */
static void replaced(const char *self)
{
	int status = 0;

	if (!fork()) {
		settle();
		before_exec(370, 70, 161);
		execl(self, self, "again", NULL);
		_exit(7);
	}
	wait(&status);
	if (status)
		_exit(8);
}

/* C++'s operators, where an allocator has its own. */
static void operators(void)
{
	void *(*make_new)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "_Znwm");
	void (*give_back)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "_ZdlPv");

	for (int i = 0; make_new && give_back && i < 450; i++) {
		block[i] = own(make_new(151), 151, i);
		if (i < 150)
			give_back(block[i]);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		settle();
		after_exec(380, 80, 163);
		usleep(300000); /* the same process is met again */
		return 0;
	}
	with_malloc(1000, 400, 101);
	with_calloc(900, 300, 202);
	with_realloc(800, 200, 53);
	with_reallocarray(410, 110, 122);
	with_memalign(420, 120, 97);
	with_low_memalign(425, 125, 91);
	with_aligned_alloc(430, 130, 256);
	with_posix_memalign(440, 140, 301);
	with_valloc(15, 5, 77);
	large(4, 1, 1048583);
	grown(700, 100, 41, 5003);
	not_grown(600, 31);
	shrunk_to_nothing(500, 23);
	duplicated(50, 37);
	mapped(25, 10, 65536);
	remapped(5, 1, 3 * 65536);
	cut(12, 2, 5 * 65536);
	reserved(8, 3, 7 * 65536);
	covered(4, 9 * 65536);
	threaded(4, 71);
	forked();
	replaced(argv[0]);
	operators();
	printf("%016llx\n", (unsigned long long)sum);
	return 0;
}
