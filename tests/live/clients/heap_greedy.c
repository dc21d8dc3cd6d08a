// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
/*
 * heap_greedy.c - holds many blocks, taken under hundreds of thousands of stacks, and then runs a
 * command beside them: heap_greedy BLOCKS COMMAND...
 */
#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACKS	    300000 /* 16 bytes apart */
#define BLOCK_BYTES 48

static void *volatile kept;

__attribute__((noinline)) static void take(size_t depth)
{
	volatile char *room = alloca(depth * 16 + 16);

	room[0] = 1;
	kept = malloc(BLOCK_BYTES);
}

int main(int argc, char **argv)
{
	size_t blocks = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	int status = 1;
	pid_t child;

	for (size_t i = 0; i < blocks; i++)
		take(i % STACKS);
	child = vfork();
	if (!child) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}
