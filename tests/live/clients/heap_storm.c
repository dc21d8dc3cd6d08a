// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
/*
 * heap_storm.c [maps] - an allocator in front of the C library's, in the middle of whose calls its
 * program forks, is killed and becomes another; then thousands of threads.  Each step has blocks of
 * a size of its own.  maps: maps more than is noted of one host.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FORKED = 1231,
	KILLED = 1237,
	REPLACED = 1249
}; /* what happens during a call for so many bytes */

#define THREADS 2000

static void *volatile kept;
static volatile pid_t child = 1;
static const char *self;

__attribute__((noinline)) void *malloc(size_t size)
{
	static void *(*next)(size_t);
	void *p;

	if (!next)
		next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	p = next(size);
	if (size == FORKED)
		raise(SIGUSR1);
	if (size == KILLED)
		raise(SIGKILL);
	if (size == REPLACED)
		execl(self, self, "again", NULL);
	return p;
}

__attribute__((noinline)) void free(void *p)
{
	static void (*next)(void *);

	if (!next)
		next = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	next(p);
}

static void split(int sig)
{
	(void)sig;
	child = fork();
}

static __attribute__((noinline)) void take(int n, size_t size)
{
	for (int i = 0; i < n; i++)
		kept = malloc(size);
}

/* A child is followed a moment after it was made: nobody who was not chosen carries any probe. */
static void settle(void)
{
	usleep(400000);
}

/* The call returns twice. */
static void forked(void)
{
	for (int i = 0; i < 10; i++) {
		take(1, FORKED);
		if (!child) {
			settle();
			take(3, 53);
			_exit(0);
		}
		wait(NULL);
	}
}

static void in_child(size_t before, size_t size)
{
	if (!fork()) {
		settle();
		take(10, before);
		take(1, size);
		_exit(9);
	}
	wait(NULL);
}

static pthread_barrier_t all;

static void *work(void *context)
{
	pthread_barrier_wait(&all);
	for (int i = 0; i < 5; i++) {
		void *p = malloc(83);

		kept = p;
		if (i % 2)
			free(p);
	}
	return context;
}

static void threads(void)
{
	static pthread_t thread[THREADS];
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 1 << 16);
	pthread_barrier_init(&all, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], &small, work, NULL))
			_exit(4);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

static __attribute__((noinline)) void map(int n)
{
	for (int i = 0; i < n; i++)
		if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		    MAP_FAILED)
			_exit(5);
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 1 && !strcmp(argv[1], "maps")) {
		map(5000);
	} else if (argc > 1) {
		take(20, 127);
		usleep(300000); /* the same process is met again */
		return 0;
	} else {
		signal(SIGUSR1, split);
		forked();
		in_child(113, KILLED);
		in_child(117, REPLACED);
		threads();
	}
	puts("done");
	return 0;
}
