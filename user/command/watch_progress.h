/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * watch_progress.h - what a watch says of itself while it goes on.
 */
#ifndef DBLEAK_COMMAND_WATCH_PROGRESS_H
#define DBLEAK_COMMAND_WATCH_PROGRESS_H

#include "user/capture/capture.h"
#include "user/command/notify.h"
#include "user/command/progress.h"

/* Before the watch begins, and in a snapshot, all that is there is gone through: for each record.
 * met: the processes so far, which it counts. */
void watch_opening(struct progress *p, uint64_t *met, const struct ev_head *record);
/* Seconds since the watch began, and those that it is to last; 0: until it is asked to end. */
void watch_progress(struct progress *p, const struct capture *c, double since, double duration_s);
/* The line of "systemctl status". */
void watch_status(struct notify *n, const struct capture *c);

#endif
