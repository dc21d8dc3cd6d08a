/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * cost.h - what was lost, and what we cost.
 */
#ifndef DBLEAK_CAPTURE_COST_H
#define DBLEAK_CAPTURE_COST_H

#include "user/capture/watched/context.h"

void cost_tell_losses(struct capture *c);
void cost_tell(struct capture *c);
/* Tells, once, if no file can be opened any more, so that what comes now may not be seen. */
void cost_tell_full(struct capture *c);
/* Over budget since the last call: sweep half as often. */
void cost_keep_budget(struct capture *c, uint64_t now);
/* The run time of our programs is sampled: counting it costs each run a little. */
void cost_sample(struct capture *c, uint64_t now);

#endif
