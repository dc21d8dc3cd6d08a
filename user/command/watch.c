/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * watch.c - dbleak watch: look at a live system for a while, then report.
 */
#include <stdio.h>
#include <unistd.h>

#include "user/command/command.h"
#include "user/command/live.h"

static const char usage[] =
	"usage: dbleak [watch] [SELECT] [--duration S] [--interval S] [--min-age S]\n"
	"              [--json] [-o FILE] [--record FILE] [--show-literals] [-v]\n"
	"              [--show-arguments] [--library PATTERN]...\n"
	"Watches database connections until Ctrl-C or the end of the duration, then reports\n"
	"what leaks.  SELECT, all may repeat; default is the whole host:\n"
	"  -p PID[,PID...]     these processes and their children\n"
	"  --comm NAME         processes of that name (as ps -o comm shows it)\n"
	"  --cgroup PATH       processes in that cgroup\n"
	"  --container NAME    a Docker or podman container, by name, id or a prefix\n"
	"Others:\n"
	"  --min-age S         held so long before it is called stuck (10)\n"
	"  --max-memory SIZE   end the watch, with its report, when dbleak itself holds more "
	"(256M)\n"
	"  --no-stacks         do not look who called: no source lines\n"
	"  --heap TIER         memory: off; growth (default); client, also what client libraries "
	"take;\n"
	"                      full, also each malloc of the chosen processes\n"
	"  --heap-sample BYTES with full: one block in so many bytes is looked at (16384); 1 all\n"
	"  --record FILE       keep what was seen, for \"dbleak report FILE\"\n"
	"  --record-limit SIZE a recording ends at so many bytes (1G); the watch goes on\n"
	"  --library PATTERN   skip such frames, too, when naming a source line: a file, folder,\n"
	"                      module or function, * being any text; may repeat\n"
	"  --show-literals     do not replace the values in SQL by ?\n"
	"  --show-arguments    command lines with their values, not the names of options alone;\n"
	"                      never a password\n"
	"Exit status: 0 nothing leaks, 1 something leaks or is stuck, 2 could not look, or not\n"
	"write all that was asked for.\n";

/* On a terminal the answer to "what is open now" comes at once. */
static void first_answer(struct live *l)
{
	struct report_view *v;

	if (!isatty(STDOUT_FILENO) || l->options->json || l->options->output)
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
	int status = options_parse(&o, argc, argv,
				   OPTIONS_SELECT | OPTIONS_TIME | OPTIONS_OUTPUT | OPTIONS_RECORD |
					   OPTIONS_REPORT | OPTIONS_SQL | OPTIONS_LIVE,
				   usage);

	if (status < 0 && o.next < argc) {
		fprintf(stderr, "dbleak: watch takes no argument \"%s\"\n%s", argv[o.next], usage);
		status = 2;
	}
	if (status < 0)
		status = live_open(&l, &o, EV_MODE_WATCH, stdout);
	if (status < 0) {
		first_answer(&l);
		live_work(&l, o.duration_s, NULL, NULL);
		status = live_report(&l);
	}
	live_close(&l);
	options_free(&o);
	return status;
}
