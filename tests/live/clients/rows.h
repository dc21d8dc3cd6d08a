/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * A client of many small parts, each a child process of its own: PROGRAM leak|well|error [exit].
 * leak keeps all it gets, well gives all back, error gives back but where something goes wrong.
 * Each part prints `did PID PART ACQUIRED RELEASED OBJECT` for each kind of object, then waits, or
 * exits when told so; `link PID HANDLE COOKIE` says which socket a connection uses.
 */
#ifndef CLIENTS_ROWS_H
#define CLIENTS_ROWS_H

#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common.h"

#define ROUNDS 6

struct part {
	const char *name;
	void (*run)(void);
};

static enum { LEAK, WELL, ERROR } how;
static struct tally {
	const char *object;
	unsigned acquired, released;
} tallies[8];

static char **self; /* our arguments */

static struct tally *tally_of(const char *object)
{
	struct tally *t = tallies;

	while (t->object && strcmp(t->object, object))
		t++;
	t->object = object;
	return t;
}

static inline void took(const char *object, unsigned n)
{
	__atomic_fetch_add(&tally_of(object)->acquired, n, __ATOMIC_RELAXED);
}

static inline void gave(const char *object, unsigned n)
{
	__atomic_fetch_add(&tally_of(object)->released, n, __ATOMIC_RELAXED);
}

/* Every other time something goes wrong, in the mode for it. */
static inline int wrong(int i)
{
	return how == ERROR && i % 2;
}

static inline int keeps(int i)
{
	return how == LEAK || wrong(i);
}

/* fd -1: the handle has no socket. */
static inline void tell_link(const void *handle, int fd)
{
	unsigned long long cookie = 0;
	socklen_t length = sizeof(cookie);

	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length))
		fail("SO_COOKIE", "not to be had");
	printf("link %d %llu %llu\n", getpid(), (unsigned long long)handle, cookie);
	fflush(stdout);
}

static inline void on_thread(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, argument) || pthread_join(thread, NULL))
		fail("thread", "cannot be started");
}

/* Runs the part again in a new program, but the same process.  What was taken so far stays taken.
 */
static inline void exec_part(const char *name)
{
	char text[1024] = "", *at = text;

	for (struct tally *t = tallies; t->object; t++)
		at += sprintf(at, "%u %u %s\n", t->acquired, t->released, t->object);
	setenv("ROWS_TALLIES", text, 1);
	fflush(stdout);
	execl(self[0], self[0], self[1], self[2] ? self[2] : "stay", name, NULL);
	fail(name, "cannot be executed");
}

/* Whether it was: then what was taken before counts. */
static inline int was_executed(void)
{
	char *at = getenv("ROWS_TALLIES"), name[64];
	unsigned acquired, released;

	for (int n; at && sscanf(at, "%u %u %63[^\n]\n%n", &acquired, &released, name, &n) == 3;
	     at += n) {
		struct tally *t = tally_of(strdup(name));

		t->acquired = acquired;
		t->released = released;
	}
	return at != NULL;
}

/* Where processes were chosen, a child carries probes a moment after it was made, not from its
 * first call. */
#define SETTLE_MS 250
#define MET_MS	  1000 /* so long the first look into its libraries may take */

static void run_part(const struct part *part, int done, int stays)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", done);
	setenv("ROWS_DONE", text, 1);
	nap(SETTLE_MS);
	part->run();
	for (struct tally *t = tallies; t->object; t++)
		printf("did %d %s %u %u %s\n", getpid(), part->name, t->acquired, t->released,
		       t->object);
	if (!tallies[0].object)
		printf("did %d %s 0 0 nothing\n", getpid(), part->name);
	fflush(stdout);
	if (write(done, "!", 1) != 1)
		fail(part->name, "cannot tell that it is done");
	while (stays)
		pause();
	exit(0);
}

static inline int run_parts(const struct part *parts, int argc, char **argv)
{
	static const char *const hows[] = {"leak", "well", "error"};
	int stays = argc < 3 || strcmp(argv[2], "exit");

	self = argv;
	for (int i = 0; i < 3 && argc > 1; i++)
		if (!strcmp(argv[1], hows[i]))
			how = i;
	nap(MET_MS);
	for (; parts->name; parts++) {
		int ends[2];
		char byte;

		if (argc > 3 && strcmp(argv[3], parts->name))
			continue;
		if (getenv("ROWS_TALLIES"))
			run_part(parts, atoi(getenv("ROWS_DONE")), stays);
		if (pipe(ends))
			fail("pipe", "none");
		fflush(stdout);
		if (fork() == 0)
			run_part(parts, ends[1], stays);
		close(ends[1]);
		if (read(ends[0], &byte, 1) != 1)
			fail(parts->name, "has failed");
		close(ends[0]);
		if (!stays)
			wait(NULL);
	}
	ready();
	while (pause())
		;
	return 0;
}

#endif
