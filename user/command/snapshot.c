/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * snapshot.c - dbleak snapshot: what is open now, without any probe.  Accuses nobody.
 */
#include <stdio.h>

#include "user/command/command.h"
#include "user/command/live.h"

static const char usage[] = "usage: dbleak snapshot [SELECT] [--json] [-o FILE] [-v]\n"
			    "                       [--show-arguments]\n"
			    "Shows which processes hold database connections now.\n"
			    "SELECT as in \"dbleak watch --help\".\n"
			    "Exit status: 0 looked, 2 could not look.\n";

int command_snapshot(int argc, char **argv)
{
	struct options o;
	static struct live l; /* the thread of its watchdog may outlive this function */
	int status = options_parse(&o, argc, argv,
				   OPTIONS_SELECT | OPTIONS_OUTPUT | OPTIONS_REPORT | OPTIONS_LIVE,
				   usage);

	if (status < 0 && o.next < argc) {
		fprintf(stderr, "dbleak: snapshot takes no argument \"%s\"\n%s", argv[o.next],
			usage);
		status = 2;
	}
	if (status < 0)
		status = live_open(&l, &o, EV_MODE_SNAPSHOT, stdout);
	if (status < 0)
		status = live_report(&l);
	live_close(&l);
	options_free(&o);
	return status;
}
