/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pprof.h - what is held, by stack, as profile.proto in gzip: for go tool pprof and its like.
 *
 * A stack begins at the line that answers for what was taken, as profiles of memory do: frames of
 * drivers below it would come first in every list.  Without such a line it is whole.
 */
#ifndef DBLEAK_REPORT_PPROF_H
#define DBLEAK_REPORT_PPROF_H

#include <stdio.h>

#include "user/judge/held.h"

/* 0 or -errno.  The caller closes the file and looks for later errors. */
int report_pprof(FILE *out, const struct report_view *v, const struct held *h);

#endif
