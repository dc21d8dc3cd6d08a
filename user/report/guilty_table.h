/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * guilty_table.h - one row for each guilty process, the most urgent first.
 */
#ifndef DBLEAK_REPORT_GUILTY_TABLE_H
#define DBLEAK_REPORT_GUILTY_TABLE_H

#include "user/judge/view.h"
#include "user/report/page.h"

/* guilty: as rank_guilty() returns them; at most `shown` rows are printed, and how many are left.
 */
void guilty_table_print(struct page *page, const struct process_view *const *guilty, size_t count,
			size_t shown);

#endif
