/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * record.c - dbleak record: look and keep, judge later.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/command/command.h"
#include "user/command/live.h"
#include "user/command/parse.h"
#include "user/command/record_file.h"

static int record(struct options *o, struct live *l)
{
	int err;

	o->record = o->output;
	o->output = NULL;
	l->records_only = true;
	err = live_open(l, o, EV_MODE_WATCH, stdout);
	if (err >= 0)
		return err;
	live_tell_begin(l);
	live_work(l, o->duration_s, NULL, NULL);
	err = live_finish(l);
	if (!err)
		err = live_end_recording(l);
	if (err)
		live_fail_recording(l, err);
	watchdog_closing(&l->watchdog, err ? 2 : 0);
	return err ? 2 : 0;
}

int command_record(int argc, char **argv)
{
	struct options o;
	char name[RECORD_FILE];
	static struct live l; /* the thread of its watchdog may outlive this function */
	int status = options_parse(&o, argc, argv, COMMAND_RECORD);

	if (status < 0)
		status = record_file_choose(&o, name, argc - o.next, argv + o.next);
	if (status < 0)
		status = record(&o, &l);
	live_close(&l);
	options_free(&o);
	return status;
}
