/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * holders.c - many processes that hold many connections: holders PROCESSES CONNECTIONS FOLDER
 *
 * The other end is a server in name only: it listens on 127.0.0.1:5432 of a network namespace of
 * its own and on FOLDER/.s.PGSQL.5432, and accepts.  Half of the connections are TCP.  No process
 * holds more than a few hundred descriptors.  Says "ready", then waits for the end of its input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PORT	     5432
#define ACCEPTS_MOST 800 /* of one process, well below the usual limit of 1024 */
#define BACKLOG	     4096

enum way { TCP, UNIX, WAYS };

static struct sockaddr_in inet_address = {.sin_family = AF_INET};
static struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
static const struct sockaddr *const address[] = {(void *)&inet_address, (void *)&unix_address};
static const socklen_t size[] = {sizeof(inet_address), sizeof(unix_address)};
static const int family[] = {AF_INET, AF_UNIX};

static void die(const char *what)
{
	fprintf(stderr, "holders: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter_network(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd;

	if (unshare(CLONE_NEWNET))
		die("own network namespace");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		die("loopback device");
	close(fd);
}

static int open_listener(enum way way)
{
	int fd = socket(family[way], SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, address[way], size[way]) || listen(fd, BACKLOG))
		die("listen");
	return fd;
}

static void tell_and_stay(int ready)
{
	if (write(ready, "r", 1) != 1)
		die("write");
	for (;;)
		pause();
}

static void accept_all(const int *listeners, const int *counts, int ready)
{
	for (int way = 0; way < WAYS; way++)
		for (int i = 0; i < counts[way]; i++)
			if (accept(listeners[way], NULL, NULL) < 0)
				die("accept");
	tell_and_stay(ready);
}

static void connect_all(const int *counts, int ready)
{
	for (int way = 0; way < WAYS; way++)
		for (int i = 0; i < counts[way]; i++) {
			int fd = socket(family[way], SOCK_STREAM, 0);

			if (fd < 0 || connect(fd, address[way], size[way]))
				die("connect");
		}
	tell_and_stay(ready);
}

static void start(const char *name, const int *listeners, const int *counts, int ready)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, name);
	if (listeners) {
		accept_all(listeners, counts, ready);
	} else {
		connect_all(counts, ready);
	}
}

/* Shares what is left evenly among those left: the part of one of them. */
static void share(int *left, int among, int *part)
{
	for (int way = 0; way < WAYS; way++) {
		part[way] = left[way] / among;
		left[way] -= part[way];
	}
}

static void start_all(int number, const char *name, int connections, const int *listeners,
		      int ready)
{
	int left[WAYS] = {connections / 2, connections - connections / 2}, part[WAYS];

	for (int i = 0; i < number; i++) {
		share(left, number - i, part);
		start(name, listeners, part, ready);
	}
}

int main(int argc, char **argv)
{
	int processes = argc == 4 ? atoi(argv[1]) : 0, connections = argc == 4 ? atoi(argv[2]) : 0;
	int servers = (connections + ACCEPTS_MOST - 1) / ACCEPTS_MOST, listeners[WAYS], ready[2];
	char byte;

	if (processes <= 0 || connections < processes) {
		fprintf(stderr, "usage: holders PROCESSES CONNECTIONS FOLDER\n");
		return 2;
	}
	enter_network();
	inet_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	inet_address.sin_port = htons(PORT);
	snprintf(unix_address.sun_path, sizeof(unix_address.sun_path), "%s/.s.PGSQL.%d", argv[3],
		 PORT);
	unlink(unix_address.sun_path);
	signal(SIGCHLD, SIG_IGN);
	for (int way = 0; way < WAYS; way++)
		listeners[way] = open_listener(way);
	if (pipe(ready))
		die("pipe");
	start_all(servers, "postgres", connections, listeners, ready[1]);
	for (int way = 0; way < WAYS; way++)
		close(listeners[way]);
	start_all(processes, "holder", connections, NULL, ready[1]);
	close(ready[1]);
	for (int i = 0; i < servers + processes; i++)
		if (read(ready[0], &byte, 1) != 1)
			die("a process did not get ready");
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	unlink(unix_address.sun_path);
	return 0;
}
