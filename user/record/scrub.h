/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * scrub.h - redacts the texts of a recording that was made by older, weaker rules.
 *
 * Its values and literals are dropped, asked for or not.  A recording made by the rules of today
 * says so, and stays as it is: a second pass would know less, for the arguments of a command line
 * are one line by then.
 */
#ifndef DBLEAK_RECORD_SCRUB_H
#define DBLEAK_RECORD_SCRUB_H

#include <stdbool.h>

#include "bpf/event.h"
#include "user/base/table.h"

/* Zero is a good beginning. */
struct scrub {
	struct table databases; /* id of an open connection -> enum ev_database */
	bool current;		/* the recording's EV_HOST says that today's rules made it */
};

/* Redacts a record that passed record_check, in place; it gets no longer.  Records must come in
 * the order of the recording. */
void scrub_record(struct scrub *s, struct ev_head *record);
void scrub_free(struct scrub *s);

#endif
