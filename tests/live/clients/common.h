/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/* What the C clients share: an error that ends, a short sleep, and the word 'ready'. */
#ifndef CLIENTS_COMMON_H
#define CLIENTS_COMMON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET	"sesame" /* a literal no report may ever show */
#define ONE_ROW "select id, name from items where name <> '" SECRET "' and id = "

static inline void nap(unsigned milliseconds)
{
	usleep(milliseconds * 1000);
}

static inline void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static inline void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

struct mode {
	const char *name;
	void (*run)(void);
};

static inline int run_mode(const struct mode *modes, int argc, char **argv)
{
	for (; modes->name; modes++)
		if (argc > 1 && !strcmp(argv[1], modes->name)) {
			modes->run();
			return 0;
		}
	fprintf(stderr, "no such mode\n");
	return 2;
}

#endif
