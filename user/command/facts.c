/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * facts.c - see facts.h.
 */
#include "user/command/facts.h"

#include <stdio.h>

#define ALL ((1U << COMMANDS) - 1)

const char *const fact_description[] = {
	"dbleak finds database client leaks on a live Linux system: connections and sessions never "
	"closed, transactions never ended, prepared statements never freed, results fetched "
	"without "
	"bound. It needs no change to the programs it watches and no configuration.",
	"A report says which process leaks what, at which source line, how fast, when a limit will "
	"be reached, and what to do. What could not be seen, what was lost and what the watch cost "
	"stand in every report.",
	"dbleak needs Linux 5.15 on x86-64, BTF, and root or the rights that \"dbleak doctor\" "
	"lists. "
	"A recording is read without any right.",
	"A first signal (Ctrl-C, SIGTERM) ends a watch with its report, a second one without.",
	NULL,
};

const struct fact fact_environment[] = {
	{"NO_COLOR", "If it is set and not empty, a report on a terminal has no colours."},
	{"TERM", "A terminal that is dumb gets no colours either."},
	{"PATH", "Where run looks for its command."},
	{"SRCROOT", "The folder of the sources, as the watched programs name it: paths for CI are "
		    "relative to it. "
		    "Without it that is the current folder."},
	{"DBLEAK_DEBUG",
	 "Topics, separated by commas, or all: what dbleak decides about them is printed on "
	 "standard error. 1 means libbpf."},
	{"DBLEAK_WITHOUT",
	 "Features of the kernel, as doctor -v names them, separated by commas: dbleak does "
	 "without them, as on an older kernel."},
	{"DBLEAK_ROOM",
	 "A power of two up to 1024: the kernel's rings and tables have that part of their room, "
	 "which shows how a full one is told."},
	{"LIBBPF_LOG_LEVEL", "How much libbpf says under that topic: warn, info or debug."},
	{"LD_PRELOAD", "Honoured by the loader, as in any program; --heap full looks there for an "
		       "allocator, too."},
	{"SUDO_UID",
	 "With SUDO_GID and SUDO_USER, PKEXEC_UID or DOAS_USER: as whom run starts its command."},
	{"NOTIFY_SOCKET", "With WATCHDOG_USEC: where a watch that is a service tells its manager "
			  "that it is ready and that it lives."},
	{NULL, NULL},
};

const struct fact fact_files[] = {
	{"FILE of -o and --record",
	 "Written beside its name and put in its place when it is whole, never through a symbolic "
	 "link. A recording has mode 0600 and holds "
	 "no passwords, and no literals without --show-literals."},
	{"/sys/kernel/btf/vmlinux", "The types of the kernel; nothing works without it."},
	{"/sys/fs/cgroup", "Cgroups and containers, and the limits of their memory."},
	{"/proc/PID", "Maps, memory and open files of the processes that are watched."},
	{"/tmp/perf-PID.map", "Names of compiled functions, by the run times that write it."},
	{NULL, NULL},
};

const struct fact fact_examples[] = {
	{"dbleak", "The whole host, until Ctrl-C:"},
	{"dbleak watch -d 30s -c web1", "One container, for half a minute:"},
	{"dbleak watch -p 4711 --heap full", "One process, with each allocation:"},
	{"dbleak snapshot", "What is open now, at once:"},
	{"dbleak run -o leaks.txt -- pytest tests/", "A test suite, which fails if it leaks:"},
	{"dbleak run --baseline known.json --junit leaks.xml -- pytest tests/",
	 "The same for CI, where only new leaks fail:"},
	{"dbleak record -o incident.dbleak -d 60s", "Keep what happens now:"},
	{"dbleak report incident.dbleak", "The report on it, anywhere and without root:"},
	{"dbleak watch --json -d 30s | jq -r '.processes[] | select(.verdict == "
	 "\"leaking\") | "
	 ".pid'",
	 "The processes that leak, for a script:"},
	{"dbleak watch --events | jq -c 'select(.type == \"finding\")'",
	 "Each leak when it is found:"},
	{NULL, NULL},
};

const struct fact fact_seen[] = {
	{"ps", "1"}, {"sudo", "8"},	    {"bpftool", "8"}, {"perf", "1"},
	{"jq", "1"}, {"capabilities", "7"}, {"cgroups", "7"}, {NULL, NULL},
};

const char *fact_commands(const struct option_row *row, char *out, size_t size)
{
	unsigned int takers = row->commands & ALL;

	if (takers == ALL)
		snprintf(out, size, "all commands");
	else if (!takers)
		snprintf(out, size, "dbleak alone, before any command");
	else
		command_names(out, size, takers);
	return out;
}
