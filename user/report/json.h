/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * json.h - the report for programs: the contract dbleak.report/1.
 *
 * Each key of the contract is always there, in its order; what is not known is null.  It refuses
 * to drop or rename a key: that takes a new version of the schema.
 *
 * Memory.  anonymous_bytes of a process is what it has that no file backs, swapped_bytes of it
 * included; its sites are the largest only.  A finding's `memory` tells what it costs: held_bytes
 * were taken at its place and not given back, within error_bytes of the truth 19 times of 20 (0:
 * exact), known from `tier`; process_grown_bytes is by how much the floor of the whole process rose
 * in_seconds.  Of a finding of the resource memory, `bytes` is held_bytes, while acquired,
 * released, open and growth_per_minute count blocks, and are null where blocks are not counted;
 * memory.bytes_per_minute is how fast it grows.
 */
#ifndef DBLEAK_REPORT_JSON_H
#define DBLEAK_REPORT_JSON_H

#include <stdio.h>

#include "user/judge/view.h"

/* Writes one document and a newline, in ASCII only.  Returns 0, or -errno if it did not arrive
 * whole. */
int report_json(FILE *out, const struct report_view *v);

#endif
