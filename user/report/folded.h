/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * folded.h - what is held, one stack a line, as flame graphs are made of: "outer;inner 12".
 *
 * A line begins with what it counts and the name of the process.  Numbers of two units make no
 * picture.  So there are connections, transactions and statements, or bytes instead, where the
 * worst finding is of memory or nothing else is held.
 */
#ifndef DBLEAK_REPORT_FOLDED_H
#define DBLEAK_REPORT_FOLDED_H

#include <stdio.h>

#include "user/judge/held.h"

/* 0 or -errno.  The caller closes the file and looks for later errors. */
int report_folded(FILE *out, const struct report_view *v, const struct held *h);

#endif
