/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * capture.h - a live system turned into records: the impure input, whole.
 *
 * Everything the model will ever know goes through the sink, in order, so a recording of it
 * replays to the same report.
 */
#ifndef DBLEAK_CAPTURE_CAPTURE_H
#define DBLEAK_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/watched/capture_options.h"

struct capture;

/* Loads, attaches, and tells what is open already.  0 or -errno; the kernel's refusal is told in
 * words on standard error by the caller. */
int capture_open(struct capture **out, const struct capture_options *options);
/* Works for at most timeout_ms, sweeping when it is time.  0 or -errno of the sink. */
int capture_step(struct capture *c, int timeout_ms);
/* The last look, the losses and the cost, and EV_END.  Stacks still being read are waited for,
 * as long as all of it takes no more than wait_ms. */
int capture_finish(struct capture *c, int wait_ms);
/* Detaches.  Accepts NULL. */
void capture_close(struct capture *c);

/* For a line of progress. */
struct capture_progress {
	uint64_t connections; /* tracked now */
	uint64_t processes;   /* that have had any */
	uint64_t lost;
	const char *door;
};

void capture_progress(const struct capture *c, struct capture_progress *p);

#endif
