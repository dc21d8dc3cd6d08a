/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * status.h - the exit status that a report leads to.
 */
#ifndef DBLEAK_COMMAND_STATUS_H
#define DBLEAK_COMMAND_STATUS_H

#include "user/command/options.h"
#include "user/judge/view.h"

#define STATUS_INCOMPLETE 3 /* no leak, in what is there of a recording */

/* 0, --error-exitcode when a process has the verdict of --fail-on or a worse one, or
 * STATUS_INCOMPLETE.  A snapshot accuses nobody. */
int status_of_view(const struct report_view *v, const struct options *o);

#endif
