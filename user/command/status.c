/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * status.c - see status.h.
 */
#include "user/command/status.h"

int status_of_view(const struct report_view *v, const struct options *o)
{
	if (v->mode == EV_MODE_SNAPSHOT)
		return 0;
	for (size_t i = 0; i < v->process_count; i++)
		if (v->processes[i].verdict >= o->fail_on)
			return o->error_exitcode;
	return v->cut ? STATUS_INCOMPLETE : 0;
}
