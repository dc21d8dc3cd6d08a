/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * watch_progress.c - see watch_progress.h.
 */
#include "user/command/watch_progress.h"

#include <stdio.h>

#include "user/base/count.h"

void watch_opening(struct progress *p, uint64_t *met, const struct ev_head *record)
{
	char text[COUNT_SIZE];

	*met += record->kind == EV_PROCESS;
	if (!progress_is_due(p))
		return;
	if (*met)
		progress_show(p, "looking: %s clients of databases so far", count_text(text, *met));
	else
		progress_show(p, "starting");
}

void watch_progress(struct progress *p, const struct capture *c, double since, double duration_s)
{
	struct capture_progress now;
	char left[32] = "Ctrl-C for the report";

	if (!progress_is_due(p))
		return;
	capture_progress(c, &now);
	if (duration_s > 0)
		snprintf(left, sizeof(left), "%.0f s to go", duration_s - since);
	progress_show(p, "%.0f s: %llu connections open in %llu processes, %s; %s", since,
		      (unsigned long long)now.connections, (unsigned long long)now.processes,
		      now.lost ? "some records lost" : "nothing lost", left);
}

void watch_status(struct notify *n, const struct capture *c)
{
	struct capture_progress now;
	char status[128];

	if (!notify_wants_status(n))
		return;
	capture_progress(c, &now);
	snprintf(status, sizeof(status), "STATUS=%llu connections open in %llu processes",
		 (unsigned long long)now.connections, (unsigned long long)now.processes);
	notify_say(n, status);
}
