/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * events.h - the report as it happens: lines of JSON, the contract dbleak.events/1.
 *
 * Each line is one object with the keys schema, type, time and seconds (of the watch).  Types:
 *   begin      first: what is watched, where, by which dbleak
 *   process    a client of a database: new, changed or ended, with its container and pod
 *   finding    as in the flat list of the report: new, changed (verdict, confidence, or open or
 *              bytes doubled) or ended
 *   gap        what cannot be seen
 *   withdrawn  a process died at a probe, so that all probes were taken out
 *   heartbeat  nothing happened for a minute
 *   end        last: the summary of the report, with the exit status
 */
#ifndef DBLEAK_REPORT_EVENTS_H
#define DBLEAK_REPORT_EVENTS_H

#include <stdio.h>

#include "user/judge/view.h"

struct events;

/* NULL without memory.  The other accepts NULL. */
struct events *events_open(void);
void events_close(struct events *e);

/* Writes what happened since the view before, in ASCII only.  0 or -errno. */
int events_step(struct events *e, const struct report_view *v, FILE *out);
/* The same for the last view, and the end. */
int events_end(struct events *e, const struct report_view *v, FILE *out);

#endif
