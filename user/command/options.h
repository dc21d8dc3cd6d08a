/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * options.h - the command line's options: one table for all subcommands.
 */
#ifndef DBLEAK_COMMAND_OPTIONS_H
#define DBLEAK_COMMAND_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/host/select.h"
#include "user/judge/site.h"

struct options {
	struct select select;
	double duration_s; /* 0: until told to stop */
	double interval_s;
	double min_age_s;
	double max_overhead;	      /* percent of a CPU */
	uint64_t max_memory;	      /* --max-memory: bytes of our own */
	const char *output;	      /* -o */
	const char *record;	      /* --record */
	uint64_t record_limit;	      /* --record-limit: bytes */
	struct site_patterns library; /* --library */
	enum ev_tier heap;	      /* --heap */
	uint64_t heap_sample;	      /* --heap-sample: bytes; 1: every block */
	bool json, show_literals, show_arguments, verbose;
	bool probe_at_entry; /* --probe-at=entry */
	bool no_libraries;   /* --probe-at=none */
	bool no_stacks;
	const char *user;    /* run --user; NULL: whoever called sudo */
	const char *command; /* run: what is about to start; NULL: nothing is */
	int next;	     /* index of the first argument that is no option */
};

/* The options that a subcommand takes. */
enum {
	OPTIONS_SELECT = 1,   /* SELECT, --max-memory */
	OPTIONS_TIME = 2,     /* --duration, --interval, --min-age, --max-overhead */
	OPTIONS_OUTPUT = 4,   /* -o */
	OPTIONS_RECORD = 8,   /* --record */
	OPTIONS_REPORT = 16,  /* --json, --library, -v */
	OPTIONS_SQL = 32,     /* --show-literals */
	OPTIONS_COMMAND = 64, /* --user, and a command follows: stop at the first other argument */
	OPTIONS_LIVE = 128,   /* --show-arguments */
};

/* Fills o; call options_free also after a failure.  Returns -1 to go on, or the status to exit
 * with (the reason, or the help asked for, is printed). */
int options_parse(struct options *o, int argc, char **argv, unsigned int takes, const char *usage);
void options_free(struct options *o);

#endif
