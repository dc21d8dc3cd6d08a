/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * mappers.c - many processes that map libraries and call none of them: mappers PROCESSES LIBRARY...
 *
 * Says "ready", then waits for the end of its input.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void die(const char *what, const char *why)
{
	fprintf(stderr, "mappers: %s: %s\n", what, why);
	exit(1);
}

static void start(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("fork", strerror(errno));
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	int processes = argc > 2 ? atoi(argv[1]) : 0;
	char byte;

	if (processes <= 0) {
		fprintf(stderr, "usage: mappers PROCESSES LIBRARY...\n");
		return 2;
	}
	for (int i = 2; i < argc; i++)
		if (!dlopen(argv[i], RTLD_NOW))
			die(argv[i], dlerror());
	signal(SIGCHLD, SIG_IGN);
	while (processes--)
		start();
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
