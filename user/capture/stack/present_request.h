/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present_request.h - the sockets of the processes whose threads are looked at: what a thread waits
 * on, which requests have no answer yet, and which other servers were asked.
 */
#ifndef DBLEAK_CAPTURE_PRESENT_REQUEST_H
#define DBLEAK_CAPTURE_PRESENT_REQUEST_H

#include <stdint.h>

struct presents;

/* During a look: fills in the sockets of p->asking, and reports EV_SERVING of each process that has
 * requests to answer, and once more when it has none.  pids: those of p->processes. */
void present_requests_look(struct presents *p, const uint32_t *pids);

#endif
