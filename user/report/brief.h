/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * brief.h - one line for each leak, for scripts: fields with tabs between, and nothing else.
 *
 * Fields: verdict, objects, what they are, process, line of the program, since when (UTC; ? not
 * known), fingerprint.  With a baseline an eighth says known or new.
 */
#ifndef DBLEAK_REPORT_BRIEF_H
#define DBLEAK_REPORT_BRIEF_H

#include <stdio.h>

#include "user/judge/view.h"

/* 0 or -errno.  Nothing is printed where nothing leaks. */
int report_brief(FILE *out, const struct report_view *v);

#endif
