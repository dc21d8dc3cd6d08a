/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * recording.h - records written to a file and read back.
 *
 * A recording is nothing but the records of bpf/event.h in a row, EV_BEGIN first.  Each carries a
 * checksum.  All functions return 0 or -errno unless they say otherwise.
 */
#ifndef DBLEAK_RECORD_RECORDING_H
#define DBLEAK_RECORD_RECORDING_H

#include <stdint.h>
#include <stdio.h>

#include "bpf/event.h"

struct recording;

/* Takes over file, also when it fails. */
int recording_open_write(struct recording **out, FILE *file);
int recording_write(struct recording *r, const struct ev_head *record);

int recording_open_read(struct recording **out, FILE *file);
/* 1: *record is the next one, valid until the next call.  0: the clean end.
 * -ENODATA: cut, no EV_END came.  -EBADMSG: damaged.  -EPROTO: not a recording.
 * -ENOTSUP: of a newer version. */
int recording_next(struct recording *r, const struct ev_head **record);
/* Bytes read so far, to say where it went wrong. */
uint64_t recording_offset(const struct recording *r);

/* 0, or the error of the last write: a full disk shows here at the latest.  Accepts NULL. */
int recording_close(struct recording *r);

/* Whether a record is large enough for its kind and its lengths are true: what model_apply
 * relies on. */
int record_check(const struct ev_head *record);

#endif
