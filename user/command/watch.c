/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * watch.c - dbleak watch: look at a live system for a while, then report.
 */
#include <stdio.h>
#include <unistd.h>

#include "user/command/command.h"
#include "user/command/live.h"
#include "user/command/parse.h"

/* On a terminal the answer to "what is open now" comes at once. */
static void first_answer(struct live *l)
{
	struct report_view *v;

	if (!isatty(STDOUT_FILENO) || l->options->json || l->options->events || l->options->brief ||
	    l->options->output || l->options->quiet)
		return;
	v = judge_view(l->model, &l->options->library);
	if (!v)
		return;
	v->mode = EV_MODE_SNAPSHOT;
	v->cut = false;
	print_view(stdout, v, l->options);
	fflush(stdout);
	view_close(v);
}

int command_watch(int argc, char **argv)
{
	struct options o;
	static struct live l; /* the thread of its watchdog may outlive this function */
	int status = options_parse(&o, argc, argv, COMMAND_WATCH);

	if (status < 0 && o.next < argc)
		status = options_stray(COMMAND_WATCH, argv[o.next]);
	if (status < 0)
		status = live_open(&l, &o, EV_MODE_WATCH, stdout);
	if (status < 0) {
		live_tell_begin(&l);
		first_answer(&l);
		live_work(&l, o.duration_s, NULL, NULL);
		status = live_report(&l);
	}
	live_close(&l);
	options_free(&o);
	return status;
}
