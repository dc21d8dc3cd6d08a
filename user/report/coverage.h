/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * coverage.h - what the report does not cover, what was lost, and what dbleak itself did and cost.
 */
#ifndef DBLEAK_REPORT_COVERAGE_H
#define DBLEAK_REPORT_COVERAGE_H

#include "user/judge/view.h"
#include "user/report/page.h"

/* all: each gap, and the libraries that carried probes. */
void coverage_print(struct page *page, const struct report_view *v, bool all);

/* The process that died at a probe, if one did: nothing is more urgent. */
void coverage_print_harm(struct page *page, const struct report_view *v);

#endif
