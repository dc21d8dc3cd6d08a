/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * speedscope.h - what is held, by stack, for speedscope.app: a profile for each kind of object.
 */
#ifndef DBLEAK_REPORT_SPEEDSCOPE_H
#define DBLEAK_REPORT_SPEEDSCOPE_H

#include <stdio.h>

#include "user/judge/held.h"

/* 0 or -errno.  The caller closes the file and looks for later errors. */
int report_speedscope(FILE *out, const struct report_view *v, const struct held *h);

#endif
