/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fingerprint.h - a name for a leak that stays the same from one report to the next.
 *
 * Made of what a new deployment does not change: what the process runs, the cause, the file's name
 * and the function.  Not of pids, addresses, numbers, folders or lines.
 */
#ifndef DBLEAK_JUDGE_FINGERPRINT_H
#define DBLEAK_JUDGE_FINGERPRINT_H

#include "user/judge/view.h"

/* Sets the fingerprint of a finding of that process. */
void fingerprint_set(const struct process_view *p, struct finding_view *f);

#endif
