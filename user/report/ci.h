/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ci.h - the leaks of a report for the tools of CI: SARIF, JUnit, annotations of GitHub.
 *
 * All three name rules alike ("dbleak/unclosed-connection") and tell one leak once (leaks.h).
 * Paths below the root folder are relative to it, as those tools know files; others are absolute.
 */
#ifndef DBLEAK_REPORT_CI_H
#define DBLEAK_REPORT_CI_H

#include <stdio.h>

#include "user/judge/view.h"

struct ci_options {
	const char *root;     /* an absolute path without a slash at its end; NULL: none */
	enum verdict fail_on; /* the lowest verdict that fails a test */
};

/* All return 0 or -errno; the caller closes the file and looks for later errors. */
int report_sarif(FILE *out, const struct report_view *v, const struct ci_options *o);
int report_junit(FILE *out, const struct report_view *v, const struct ci_options *o);
/* The worst ten that the baseline does not know, each on a line that begins with "::". */
int report_github(FILE *out, const struct report_view *v, const struct ci_options *o);

#endif
