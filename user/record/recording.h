/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * recording.h - records written to a file and read back.
 *
 * A recording is a row of the records of bpf/event.h, and nothing else; EV_BEGIN comes first.  Each
 * carries a checksum.  All functions return 0 or -errno unless they say otherwise.
 */
#ifndef DBLEAK_RECORD_RECORDING_H
#define DBLEAK_RECORD_RECORDING_H

#include <stdint.h>
#include <stdio.h>

#include "bpf/event.h"

struct recording;

/* Takes over file, also on failure. */
int recording_open_write(struct recording **out, FILE *file);
int recording_write(struct recording *r, const struct ev_head *record);

int recording_open_read(struct recording **out, FILE *file);
/* Returns 1: *record is the next one, valid until the next call, its texts redacted anew.  0: the
 * clean end.  -ENODATA: cut, no EV_END came.  -EBADMSG: damaged.  -EPROTO: not a recording.
 * -ENOTSUP: of a newer version. */
int recording_next(struct recording *r, const struct ev_head **record);
/* Returns how many bytes were read well so far, to name the place of an error. */
uint64_t recording_offset(const struct recording *r);

/* A few words for the errors of recording_next. */
const char *recording_why(int err);

/* 0, or the error of the last write: a full disk shows here at the latest.  Accepts NULL. */
int recording_close(struct recording *r);

/* Checks that a record is large enough for its kind and that its lengths are right; model_apply
 * relies on it.  0 or -EBADMSG. */
int record_check(const struct ev_head *record);

#endif
