/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * echo.c - socket traffic that is no database's: echo MODE SECONDS
 *
 * unix, tcp: two processes send 64 bytes to and fro.  fresh: each exchange on a new pair.
 * peek: looks at one waiting byte again and again, which our programs pass over at once, so their
 * run time is what measuring costs.  Prints the number of messages, sent and received each counted.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE 64
#define BATCH	1000 /* between looks at the clock */

static char text[MESSAGE] = "nothing that a database would say, and nothing it would answer";

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void say(int fd)
{
	if (send(fd, text, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
		die("send");
}

static int hear(int fd)
{
	char buffer[MESSAGE];

	return recv(fd, buffer, MESSAGE, MSG_WAITALL) == MESSAGE;
}

static void tcp_pair(int *pair)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(to);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (listener < 0 || bind(listener, (void *)&to, size) || listen(listener, 1) ||
	    getsockname(listener, (void *)&to, &size))
		die("listen");
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(pair[0], (void *)&to, size))
		die("connect");
	pair[1] = accept(listener, NULL, NULL);
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	close(listener);
}

static void unix_pair(int *pair)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair");
}

static void answer(int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (hear(fd))
		say(fd);
	_exit(0);
}

static unsigned long to_and_fro(int *pair, double until)
{
	unsigned long rounds = 0;

	if (fork() == 0) {
		close(pair[0]);
		answer(pair[1]);
	}
	close(pair[1]);
	do {
		for (int i = 0; i < BATCH; i++, rounds++) {
			say(pair[0]);
			if (!hear(pair[0]))
				die("recv");
		}
	} while (now() < until);
	close(pair[0]);
	wait(NULL);
	return 4 * rounds;
}

static unsigned long fresh(double until)
{
	unsigned long rounds = 0;
	int pair[2];

	do {
		for (int i = 0; i < BATCH; i++, rounds++) {
			unix_pair(pair);
			for (int side = 0; side < 2; side++) {
				say(pair[side]);
				if (!hear(pair[!side]))
					die("recv");
			}
			close(pair[0]);
			close(pair[1]);
		}
	} while (now() < until);
	return 4 * rounds;
}

static unsigned long peek(double until)
{
	unsigned long looks = 0;
	int pair[2];
	char byte;

	unix_pair(pair);
	say(pair[0]);
	do {
		for (int i = 0; i < BATCH; i++, looks++)
			if (recv(pair[1], &byte, 1, MSG_PEEK) != 1)
				die("recv");
	} while (now() < until);
	return looks;
}

int main(int argc, char **argv)
{
	const char *mode = argc == 3 ? argv[1] : "";
	double until = now() + (argc == 3 ? atof(argv[2]) : 0);
	unsigned long messages;
	int pair[2];

	if (!strcmp(mode, "peek")) {
		messages = peek(until);
	} else if (!strcmp(mode, "fresh")) {
		messages = fresh(until);
	} else if (!strcmp(mode, "unix") || !strcmp(mode, "tcp")) {
		(mode[0] == 'u' ? unix_pair : tcp_pair)(pair);
		messages = to_and_fro(pair, until);
	} else {
		fprintf(stderr, "usage: echo unix|tcp|fresh|peek SECONDS\n");
		return 2;
	}
	printf("%lu\n", messages);
	return 0;
}
