/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * json.h - the report for programs: the contract dbleak.report/1.
 *
 * Each key of the contract is always there, in its order; an unknown value is null.  Refuses to
 * drop or rename a key: that takes a new version of the schema.
 *
 * Memory.  anonymous_bytes is the memory of a process that no file backs, with swapped_bytes; the
 * sites are the largest only.  A finding's `memory` is what it costs:
 *   held_bytes           taken at its place and not given back, as `tier` knows it
 *   error_bytes          held_bytes is within this of the truth 19 times of 20; 0: exact
 *   process_grown_bytes  how much the floor of the whole process rose in_seconds
 *   bytes_per_minute     how fast it grows
 * In a finding of the resource memory, `bytes` is held_bytes.  Its acquired, released, open and
 * growth_per_minute count blocks, and are null where blocks are not counted.
 */
#ifndef DBLEAK_REPORT_JSON_H
#define DBLEAK_REPORT_JSON_H

#include <stdio.h>

#include "user/base/json_value.h"
#include "user/judge/view.h"

/* Writes one document and a newline, in ASCII only.  Returns 0, or -errno if it did not arrive
 * whole. */
int report_json(FILE *out, const struct report_view *v);

/* Parts of that document, for other outputs.  NULL: memory ran out. */
json_t *json_time(uint64_t realtime_ns); /* null where not known */
json_t *json_window(const struct report_view *v);
json_t *json_host(const struct report_view *v);
json_t *json_dbleak(const struct report_view *v);
json_t *json_losses(const struct report_view *v);
json_t *json_cost(const struct report_view *v);
json_t *json_summary(const struct report_view *v);
/* null for a text that is not known, or empty. */
json_t *json_known_text(const char *text);
const char *role_name(enum ev_role role);

#endif
