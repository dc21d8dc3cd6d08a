/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * json.h - the report for programs: the contract dbleak.report/1.
 *
 * Each key of the contract is always there, in its order; what is not known is null.  It refuses
 * to drop or rename a key: that takes a new version of the schema.
 */
#ifndef DBLEAK_REPORT_JSON_H
#define DBLEAK_REPORT_JSON_H

#include <stdio.h>

#include "../model/view.h"

/* Writes one document and a newline, in ASCII only.  Returns 0, or -errno if it did not arrive
 * whole. */
int report_json(FILE *out, const struct report_view *v);

#endif
