/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * exports.h - files beside the report, each for another tool: which there are, and their lives.
 *
 * Each is written whole or not at all (outfile.h), after the report.  One that cannot be written
 * is told, keeps no other from being written, and makes the exit status 2.
 */
#ifndef DBLEAK_COMMAND_EXPORTS_H
#define DBLEAK_COMMAND_EXPORTS_H

#include "user/command/options.h"
#include "user/command/outfile.h"
#include "user/judge/held.h"
#include "user/report/ci.h"

/* Facts that an export is made of; all of them live longer than it. */
struct export_input {
	const struct report_view *view;
	const struct model *model;
	const struct site_patterns *library;
	const struct held *held;
	struct ci_options ci;
};

/* How an export is made.  write: 0 or -errno; the caller closes the file. */
struct export_row {
	const char *option; /* behind -- */
	int (*write)(FILE *out, const struct export_input *in);
	const char *what; /* in words, once it is written; NULL: a stream */
};

extern const struct export_row export_table[EXPORTS];

/* Zeroed: none is open. */
struct exports {
	struct outfile files[EXPORTS];
};

/* Opens the files that the options name.  report: the path of the report as outfile.h has it;
 * input: as there.  -1 to go on, or the status to exit with (the reason is on standard error; call
 * exports_end then, too). */
int exports_begin(struct exports *x, const struct options *o, const char *report, FILE *input);
/* Writes all of them, of a view that is judged from the model.  0, or 2: at least one is not
 * there, which is told on standard error. */
int exports_write(struct exports *x, const struct options *o, const struct model *m,
		  const struct report_view *v);
/* Drops what was not written.  May be called more than once. */
void exports_end(struct exports *x);

#endif
