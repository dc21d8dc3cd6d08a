/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * option_row.h - the description of one option, from which all else about it is made.
 */
#ifndef DBLEAK_COMMAND_OPTION_ROW_H
#define DBLEAK_COMMAND_OPTION_ROW_H

#include <stddef.h>

#include "user/command/options.h"

/* The headings under which --help shows options, in this order. */
enum option_group {
	GROUP_SELECT,
	GROUP_WATCH,
	GROUP_COMMAND,
	GROUP_SERVE,
	GROUP_OUTPUT,
	GROUP_STATUS,
	GROUP_OTHER,
	GROUPS,
};

struct option_row {
	const char *name;      /* behind -- */
	char letter;	       /* behind -; 0: none */
	const char *argument;  /* the name of its value; NULL: takes none */
	unsigned int commands; /* 1 << enum command_id of each that takes it */
	enum option_group group;
	const char *initial; /* the value that holds without it; NULL: none */
	const char *meaning; /* for --help: a line or two */
	const char *more;    /* whole sentences, for the man page and the README; NULL: none */
	/* Takes a value (NULL: it has none) into o.  -1 to go on, or the status to exit with,
	 * the reason being printed.  NULL: the parser answers the option itself. */
	int (*set)(const struct option_row *row, struct options *o, const char *value);
	size_t field;	    /* for set: offsetof(struct options, ...) */
	double least, most; /* for set: of a number */
};

#endif
