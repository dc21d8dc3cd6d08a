/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * model.h - what is open, by whom, since when.  Records go in; the judge reads the result.
 *
 * What can a probe miss?  Any event: a record may be lost in a full ring, a connection may have
 * opened before the watch, a close may come without a goodbye.  So the model never counts events.
 * Each EV_CONNECTION is the whole state of a connection and replaces the one before.  A connection
 * that is no longer in the kernel's ledger is closed, whether or not its end was reported.
 */
#ifndef DBLEAK_MODEL_MODEL_H
#define DBLEAK_MODEL_MODEL_H

#include "user/model/model_state.h"
#include "user/model/process.h"

/* NULL without memory. */
struct model *model_open(void);
void model_close(struct model *m);

/* Takes in one record, which record_check() has passed.  0 or -ENOMEM. */
int model_apply(struct model *m, const struct ev_head *record);

#endif
