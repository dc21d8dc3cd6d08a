/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * snapshot.c - dbleak snapshot: what is open now, without any probe.  Accuses nobody.
 */
#include <stdio.h>

#include "user/command/command.h"
#include "user/command/live.h"
#include "user/command/parse.h"

int command_snapshot(int argc, char **argv)
{
	struct options o;
	static struct live l; /* the thread of its watchdog may outlive this function */
	int status = options_parse(&o, argc, argv, COMMAND_SNAPSHOT);

	if (status < 0 && o.next < argc)
		status = options_stray(COMMAND_SNAPSHOT, argv[o.next]);
	if (status < 0)
		status = live_open(&l, &o, EV_MODE_SNAPSHOT, stdout);
	if (status < 0)
		status = live_report(&l);
	live_close(&l);
	options_free(&o);
	return status;
}
