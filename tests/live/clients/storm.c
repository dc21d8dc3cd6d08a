/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * storm.c - more at once than any program does: storm forks N | execs N | connections SECONDS
 * FOLDER [RATE] | at PID PROGRAM ARGUMENT...
 *
 * forks: a healthy client and N children, which inherit its connection and live until all are
 * there, or 8 s are over. execs: N programs, one after the other, in each of four processes.
 * connections: opens and closes so many PostgreSQL connections a second, 10,000 without a word, at
 * a server of its own. at: starts a program under that process id, which must be free.
 *
 * Each prints what it did, in "NAME VALUE", and fails if anything of it failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "pq.h"

#define AT_A_TIME    4
#define TRIES	     1000
#define TRY_EVERY_US 10000
#define FORK_SECONDS 8
#define PAIRS	     2
#define RATE	     10000 /* connections a second of all pairs */
#define LOGIN	     "\0\0\0\x22\0\3\0\0user\0storm\0database\0shop\0\0"
#define READY	     "R\0\0\0\x08\0\0\0\0Z\0\0\0\5I"
#define QUIT	     "X\0\0\0\4"

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void told(const char *name, long value)
{
	printf("%s %ld\n", name, value);
	fflush(stdout);
}

static void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* How many of n children ended well. */
static long reap(long n)
{
	long well = 0;
	int status;

	while (n-- && wait(&status) > 0)
		well += !status;
	return well;
}

static void forks(long n)
{
	PGconn *connection = pq_open();
	double began = seconds();
	long made = 0;
	int gate[2];
	char byte;

	pq_run(connection, ONE_ROW "1");
	if (pipe(gate))
		fail("pipe", strerror(errno));
	ready();
	for (; made < n && seconds() - began < FORK_SECONDS; made++) {
		pid_t child = fork();

		if (child < 0) {
			perror("fork"); /* the host has no more: that is as many as there are */
			break;
		}
		if (child)
			continue;
		die_with_parent();
		close(gate[1]);
		_exit(read(gate[0], &byte, 1) != 0);
	}
	told("forked", made);
	close(gate[1]);
	told("well", reap(made));
	told("milliseconds", (long)((seconds() - began) * 1000));
	for (int i = 0;; i++) {
		pq_run(connection, ONE_ROW "2");
		nap(100);
	}
}

/* Becomes itself again until the number is used up. */
static void become(char **argv, long left)
{
	char number[24];

	if (!left)
		exit(0);
	snprintf(number, sizeof(number), "%ld", left - 1);
	execl("/proc/self/exe", argv[0], "become", number, NULL);
	fail("exec", strerror(errno));
}

static void execs(char **argv, long n)
{
	double began = seconds();

	ready();
	for (int i = 0; i < AT_A_TIME; i++)
		if (!fork()) {
			die_with_parent();
			become(argv, n);
		}
	told("well", reap(AT_A_TIME));
	told("milliseconds", (long)((seconds() - began) * 1000));
}

static int unix_socket(const char *folder, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/.s.PGSQL.5432", folder);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void serve(int listening)
{
	char bytes[256];

	prctl(PR_SET_NAME, "postgres");
	die_with_parent();
	for (;;) {
		int fd = accept(listening, NULL, NULL);

		if (read(fd, bytes, sizeof(bytes)) > 0 && write(fd, READY, sizeof(READY) - 1) > 0)
			while (read(fd, bytes, sizeof(bytes)) > 0)
				;
		close(fd);
	}
}

/* One connection, opened, used and closed. */
static void visit(const char *folder)
{
	struct sockaddr_un address;
	int fd = unix_socket(folder, &address);
	char bytes[256];

	if (connect(fd, (void *)&address, sizeof(address)) ||
	    write(fd, LOGIN, sizeof(LOGIN) - 1) < 0 || read(fd, bytes, sizeof(bytes)) <= 0 ||
	    write(fd, QUIT, sizeof(QUIT) - 1) < 0)
		fail("connection", strerror(errno));
	close(fd);
}

/* As many as the rate allows, or as there is time for. */
static long visits(double duration, const char *folder, double rate)
{
	double began = seconds(), now;
	long count = 0;

	while ((now = seconds() - began) < duration)
		if ((double)count < now * rate) {
			visit(folder);
			count++;
		} else {
			nap(1);
		}
	return count;
}

static void connections(double duration, const char *folder, double rate)
{
	struct sockaddr_un address;
	int listening = unix_socket(folder, &address), results[2];
	long count, all = 0;

	if (bind(listening, (void *)&address, sizeof(address)) || listen(listening, 1000) ||
	    pipe(results))
		fail("server", strerror(errno));
	for (int i = 0; i < PAIRS; i++) {
		if (!fork())
			serve(listening);
	}
	ready();
	for (int i = 0; i < PAIRS; i++) {
		pid_t child = fork();

		if (child) {
			told("child", child);
			continue;
		}
		die_with_parent();
		count = visits(duration, folder, rate / PAIRS);
		if (write(results[1], &count, sizeof(count)) != sizeof(count))
			_exit(1);
		pause();
	}
	for (int i = 0; i < PAIRS && read(results[0], &count, sizeof(count)) == sizeof(count);
	     i++) {
		told("visits", count);
		all += count;
	}
	told("done", all);
	pause();
}

/* The kernel gives the number out as if by chance: that is how it comes back on busy hosts. */
static void at(pid_t pid, char **program)
{
	struct clone_args wanted = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
	long child;
	int status;

	/* Somebody may have the number just now. */
	for (int i = 0; (child = syscall(SYS_clone3, &wanted, sizeof(wanted))) < 0; i++)
		if (errno != EEXIST || i == TRIES)
			break;
		else
			usleep(TRY_EVERY_US);
	if (child < 0)
		fail("clone3", strerror(errno));
	if (!child) {
		die_with_parent();
		execv(program[0], program);
		fail(program[0], strerror(errno));
	}
	printf("child %ld\n", child);
	fflush(stdout);
	waitpid((pid_t)child, &status, 0);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	long number = argc > 2 ? atol(argv[2]) : 0;

	if (!strcmp(mode, "forks"))
		forks(number);
	else if (!strcmp(mode, "execs"))
		execs(argv, number);
	else if (!strcmp(mode, "become"))
		become(argv, number);
	else if (!strcmp(mode, "connections") && argc > 3)
		connections((double)number, argv[3], argc > 4 ? atof(argv[4]) : RATE);
	else if (!strcmp(mode, "at") && argc > 3)
		at((pid_t)number, argv + 3);
	else
		return 2;
	return 0;
}
