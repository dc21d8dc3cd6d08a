/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stream.h - when --events judges, and how its lines leave.
 *
 * At most one judgement a second, and fewer where they are dear: judging costs at most 1 % of a
 * CPU.  A reader that is slow delays no watch and costs no memory: until the lines of one judgement
 * are read there is no other, and the next tells of all that happened meanwhile.
 */
#ifndef DBLEAK_COMMAND_STREAM_H
#define DBLEAK_COMMAND_STREAM_H

#include <stdio.h>

#include "user/judge/baseline.h"
#include "user/judge/judge.h"

struct stream;

/* out stays the caller's, who has written nothing to it.  library and
 * baseline, which may be NULL, are used until the end.  NULL
 * without memory.  The other accepts NULL. */
struct stream *stream_open(FILE *out, const struct site_patterns *library,
			   const struct baseline *baseline);
void stream_close(struct stream *s);

/* Of a watch, to be called often: judges and writes if it is time, and waits for nobody.  0 or
 * -errno: -EPIPE when the reader has gone. */
int stream_watch(struct stream *s, const struct model *m);
/* Of a recording, after each record: the same, by the time of the records, so that one recording
 * always gives the same lines.  Waits for the reader. */
int stream_replay(struct stream *s, const struct model *m, const struct ev_head *record);
/* The last lines; v has the exit status.  Waits for the reader.  0 or -errno. */
int stream_end(struct stream *s, const struct report_view *v);

#endif
