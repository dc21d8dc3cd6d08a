/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * said.h - what a function prints on standard error.
 */
#ifndef DBLEAK_TEST_SAID_H
#define DBLEAK_TEST_SAID_H

#include <stdio.h>
#include <unistd.h>

static FILE *said_file;
static int said_before;

/* From here on standard error is kept. */
static inline void said_begin(void)
{
	said_file = tmpfile();
	fflush(stderr);
	said_before = dup(STDERR_FILENO);
	dup2(fileno(said_file), STDERR_FILENO);
}

/* Gives what was kept, until the next call, and standard error back. */
static inline const char *said_end(void)
{
	static char text[4096];
	size_t length;

	fflush(stderr);
	dup2(said_before, STDERR_FILENO);
	close(said_before);
	rewind(said_file);
	length = fread(text, 1, sizeof(text) - 1, said_file);
	text[length] = '\0';
	fclose(said_file);
	return text;
}

#endif
