/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rest.h - the processes that are not accused: no leak was seen, growth stopped, or nobody can
 * tell.
 */
#ifndef DBLEAK_REPORT_REST_H
#define DBLEAK_REPORT_REST_H

#include "user/judge/view.h"
#include "user/report/page.h"

/* all: each process by itself, with all that it holds; else those with one reason share a line. */
void rest_print(struct page *page, const struct report_view *v, bool all);

#endif
