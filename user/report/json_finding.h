/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * json_finding.h - a finding, and a line of a program, as the contract dbleak.report/1 has them.
 *
 * A value that could not be made is NULL: memory ran out.
 */
#ifndef DBLEAK_REPORT_JSON_FINDING_H
#define DBLEAK_REPORT_JSON_FINDING_H

#include "user/base/json_value.h"
#include "user/judge/view.h"

/* null for NULL. */
json_t *json_site(const struct frame_view *f);

/* A finding inside its process; and one in the flat list of all: with the process that it is of,
 * without its stack. */
json_t *json_finding(const struct process_view *p, const struct finding_view *f);
json_t *json_flat_finding(const struct process_view *p, const struct finding_view *f);
/* The same, of what json_finding() gave, which stays the caller's; values are shared. */
json_t *json_flat_finding_of(const struct process_view *p, json_t *finding);

/* null where nobody waits. */
json_t *json_waiters(const struct waiters_view *w);

#endif
