/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * snapshot.h - the part of the text report that shows one look: what is open now, as a table.
 *
 * A snapshot accuses nobody, so the table has no verdicts.  Rows that deserve a second look come
 * first.
 */
#ifndef DBLEAK_REPORT_SNAPSHOT_H
#define DBLEAK_REPORT_SNAPSHOT_H

#include <stdbool.h>

#include "user/judge/view.h"
#include "user/report/page.h"

/* show_all: nothing shortened.  Returns 0 or -ENOMEM. */
int snapshot_table(struct page *p, const struct report_view *v, bool show_all);

#endif
