/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * options.h - what the command line asks for; option_table.c tells which option sets what.
 */
#ifndef DBLEAK_COMMAND_OPTIONS_H
#define DBLEAK_COMMAND_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/host/select.h"
#include "user/judge/baseline.h"
#include "user/judge/site.h"
#include "user/judge/view.h"
#include "user/top/keys.h"

enum completion_shell { COMPLETION_NONE, COMPLETION_BASH, COMPLETION_ZSH, COMPLETION_FISH };

/* Files for other tools, written beside the report. */
enum export_id {
	EXPORT_FOLDED,
	EXPORT_PPROF,
	EXPORT_SPEEDSCOPE,
	EXPORT_SARIF,
	EXPORT_JUNIT,
	EXPORT_HTML,
	EXPORT_GITHUB, /* a stream: standard output, after the report */
	EXPORTS
};

struct options {
	struct select select;
	double duration_s; /* 0: until told to stop */
	double interval_s;
	double min_age_s;
	double max_overhead;	      /* percent of a CPU */
	uint64_t max_memory;	      /* --max-memory: bytes of our own */
	const char *output;	      /* -o */
	const char *record;	      /* --record */
	const char *exports[EXPORTS]; /* paths, NULL: not wanted */
	char github_word[33];	      /* of --github: nobody can guess it; "": not wanted */
	uint64_t record_limit;	      /* --record-limit: bytes */
	struct site_patterns library; /* --library */
	struct baseline *baseline;    /* --baseline; NULL: none */
	enum ev_tier heap;	      /* --heap */
	uint64_t heap_sample;	      /* --heap-sample: bytes; 1: every block */
	enum verdict fail_on;	      /* --fail-on: the lowest verdict that fails */
	int error_exitcode;	      /* --error-exitcode */
	bool json, events, brief, show_literals, show_arguments, verbose, quiet, wide;
	bool probe_at_entry; /* --probe-at=entry */
	bool no_libraries;   /* --probe-at=none */
	bool no_stacks;
	uint32_t explain;		  /* report --explain: a pid; 0: none */
	bool man, markdown;		  /* of help */
	enum completion_shell completion; /* help --completion */
	enum top_by by;			  /* top --by */
	enum top_sort sort;		  /* top --sort */
	const char *kinds;		  /* dump --kind: names with commas between; NULL: all */
	char *dsn;			  /* --dsn: a URL, secret; NULL: none */
	const char *listen;		  /* serve --listen */
	const char *token_file;		  /* serve --token-file; NULL: none */
	const char *otlp;		  /* --otlp: a URL; NULL: none */
	const char *user;		  /* run --user; NULL: whoever called sudo */
	const char *command;		  /* run: what is about to start; NULL: nothing is */
	int next;			  /* index of the first argument that is no option */
};

void options_free(struct options *o);
/* Once its server can be asked, nobody needs the URL any more. */
void options_forget_dsn(struct options *o);

#endif
