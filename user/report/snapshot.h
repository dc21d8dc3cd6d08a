/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * snapshot.h - the part of the text report that shows one look: what is open now, as a table.
 *
 * One look accuses nobody, so there are no verdicts here, only the longest rows first.
 */
#ifndef DBLEAK_REPORT_SNAPSHOT_H
#define DBLEAK_REPORT_SNAPSHOT_H

#include "user/judge/view.h"
#include "user/report/page.h"
#include "user/report/text.h"

/* Returns 0 or -ENOMEM. */
int snapshot_table(struct page *p, const struct report_view *v, const struct text_options *o);

#endif
