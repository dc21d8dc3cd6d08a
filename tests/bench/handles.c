/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * handles.c - a process that holds many results of libpq: handles COUNT
 *
 * They come little by little, as those of a leak do.  Says "ready", then waits for the end of its
 * input.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STEP	20000
#define STEP_US 200000

int main(int argc, char **argv)
{
	long count = argc == 2 ? atol(argv[1]) : 0;
	char byte;

	for (long i = 0; i < count; i++) {
		if (!PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK))
			return 1;
		if (i % STEP == 0)
			usleep(STEP_US);
	}
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
