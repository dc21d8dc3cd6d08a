/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * status.c - see status.h.
 */
#include "user/command/status.h"

/* A finding that the baseline knows does not fail. */
static bool process_fails(const struct process_view *p, enum verdict lowest)
{
	bool known = false;

	if (p->verdict < lowest)
		return false;
	for (size_t i = 0; i < p->finding_count; i++) {
		if (p->findings[i].verdict < lowest)
			continue;
		if (!p->findings[i].known)
			return true;
		known = true;
	}
	return !known;
}

int status_of_view(const struct report_view *v, const struct options *o)
{
	if (v->mode == EV_MODE_SNAPSHOT)
		return 0;
	for (size_t i = 0; i < v->process_count; i++)
		if (process_fails(&v->processes[i], o->fail_on))
			return o->error_exitcode;
	return v->cut ? STATUS_INCOMPLETE : 0;
}
