/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * option_table.c - see option_table.h.
 *
 * How it reads: meaning is a line or two that begin small, for --help; more is whole sentences.
 */
#include "user/command/option_table.h"

#include <string.h>

#include "user/command/option_value.h"

#define WATCH	 (1U << COMMAND_WATCH)
#define TOP	 (1U << COMMAND_TOP)
#define RUN	 (1U << COMMAND_RUN)
#define SNAPSHOT (1U << COMMAND_SNAPSHOT)
#define RECORD	 (1U << COMMAND_RECORD)
#define SERVE	 (1U << COMMAND_SERVE)
#define REPORT	 (1U << COMMAND_REPORT)
#define DUMP	 (1U << COMMAND_DUMP)
#define DOCTOR	 (1U << COMMAND_DOCTOR)
#define HELP	 (1U << COMMAND_HELP)
#define PROGRAM	 (1U << COMMANDS) /* dbleak itself, before any command */

#define CHOOSE (WATCH | TOP | SNAPSHOT | RECORD | SERVE)       /* what is there already */
#define LAST   (WATCH | TOP | RECORD | SERVE)		       /* until told to end */
#define LOOK   (WATCH | TOP | RUN | RECORD | SERVE)	       /* with probes */
#define TELL   (WATCH | TOP | RUN | SNAPSHOT | SERVE | REPORT) /* with a report */
#define JUDGE  (WATCH | TOP | RUN | REPORT)		       /* with verdicts */

#define FIELD(member) offsetof(struct options, member)

const char *const option_groups[GROUPS] = {
	[GROUP_SELECT] = "What to watch (default: the whole host; may be repeated)",
	[GROUP_WATCH] = "How long and how much",
	[GROUP_COMMAND] = "The command",
	[GROUP_SERVE] = "Serving",
	[GROUP_OUTPUT] = "Output",
	[GROUP_STATUS] = "Exit status",
	[GROUP_OTHER] = "Other",
};

/* clang-format off */
const struct option_row option_table[] = {
	{"pid", 'p', "PID[,PID...]", CHOOSE, GROUP_SELECT, NULL,
	 "these processes and their children", NULL,
	 .set = value_pid},
	{"comm", 'n', "NAME", CHOOSE, GROUP_SELECT, NULL,
	 "processes with this name (ps -o comm)", NULL,
	 .set = value_comm},
	{"container", 'c', "NAME", CHOOSE, GROUP_SELECT, NULL,
	 "container: name, id or prefix",
	 "Containers of Docker, podman, containerd (also of nerdctl and ctr) and CRI-O are known by "
	 "name. With --pod or --namespace, only those of the pods chosen count.",
	 .set = value_container},
	{"pod", 0, "[NS/]NAME", CHOOSE, GROUP_SELECT, NULL,
	 "Kubernetes pod: name or prefix, with its namespace",
	 "The namespace may be left out where only one has such a pod. Pods of that name that start "
	 "later are watched, too.",
	 .set = value_pod},
	{"namespace", 0, "NAME", CHOOSE, GROUP_SELECT, NULL,
	 "pods of this Kubernetes namespace", NULL,
	 .set = value_namespace},
	{"cgroup", 0, "PATH", CHOOSE, GROUP_SELECT, NULL,
	 "processes in this cgroup",
	 "The path is the one below /sys/fs/cgroup, or the one of /proc/PID/cgroup.",
	 .set = value_cgroup},

	{"duration", 'd', "TIME", LAST, GROUP_WATCH, NULL,
	 "stop after 30, 30s, 5m, 1h or 2d (default: at Ctrl-C)",
	 "A plain number means seconds, for each option that takes a time.",
	 .set = value_time, .field = FIELD(duration_s), .least = 0.1, .most = 1e7},
	{"interval", 0, "TIME", LAST, GROUP_WATCH, "1",
	 "time between looks", NULL,
	 .set = value_time, .field = FIELD(interval_s), .least = 0.05, .most = 3600},
	{"interval", 0, "TIME", RUN, GROUP_WATCH, "0.1",
	 "time between looks",
	 "Commands of a test suite may end soon, so run looks more often.",
	 .set = value_time, .field = FIELD(interval_s), .least = 0.05, .most = 3600},
	{"min-age", 0, "TIME", LOOK, GROUP_WATCH, "10",
	 "report as stuck what is held and idle for so long",
	 "A leak that grows needs no age.",
	 .set = value_time, .field = FIELD(min_age_s), .least = 0.1, .most = 1e7},
	{"max-overhead", 0, "PCT", RUN, GROUP_WATCH, "100",
	 "CPU budget of dbleak, in percent of one CPU; 100: none",
	 "A run is exact: without this option nothing is given up, however much it costs.",
	 .set = value_number, .field = FIELD(max_overhead), .least = 0.01, .most = 100},
	{"max-overhead", 0, "PCT", LAST, GROUP_WATCH, "2",
	 "CPU budget of dbleak, in percent of one CPU; 100: none",
	 "Above it dbleak looks less often. Probes in a client library that cost a process more are "
	 "taken out again, those of results and statements first. The report says when.",
	 .set = value_number, .field = FIELD(max_overhead), .least = 0.01, .most = 100},
	{"max-memory", 0, "SIZE", LOOK, GROUP_WATCH, "256M",
	 "stop when dbleak itself holds more memory",
	 "The report has what was seen until then. The command of run goes on, and the report comes "
	 "at its end.",
	 .set = value_size, .field = FIELD(max_memory)},
	{"heap", 0, "TIER", LOOK, GROUP_WATCH, "growth",
	 "how closely to watch memory: off, growth, client, full",
	 "growth: sizes, and where a process grows. client: also what client libraries take and give "
	 "back. full: also each malloc, free and mmap of the processes that were chosen or that run "
	 "starts, by whatever allocator. What costs more than --max-overhead steps down within a "
	 "second, and the report says so; --max-overhead 100 keeps it.",
	 .set = value_heap},
	{"heap-sample", 0, "BYTES", LOOK, GROUP_WATCH, "16384",
	 "with --heap full: one block per BYTES; 1: every block",
	 "A block of that size or more is always looked at, a smaller one with the chance of its "
	 "size. Figures are then estimates, with their error.",
	 .set = value_heap_sample, .least = 0, .most = 1 << 30},
	{"probe-at", 0, "WHERE", LOOK, GROUP_WATCH, "best",
	 "where to probe libraries: best, entry or none",
	 "best: at cheap instructions. entry: at the first one of each function. none: client "
	 "libraries get no probes.",
	 .set = value_probe_at},
	{"no-stacks", 0, NULL, LOOK, GROUP_WATCH, NULL,
	 "do not record call stacks (no source lines)", NULL,
	 .set = value_flag, .field = FIELD(no_stacks)},

	{"dsn", 0, "DSN", LOOK | SNAPSHOT, GROUP_WATCH, NULL,
	 "a database server to ask about its sessions: file:PATH, env:NAME or a URL",
	 "The URL, which is best kept in a file of mode 0600, is postgresql://USER@HOST/NAME, or "
	 "mysql://USER@HOST as one who may see all sessions (pg_monitor, PROCESS). The server is asked "
	 "when the watch begins and ends, for at most 3 seconds, by a child with no other right than the "
	 "network. Passwords may come from PGPASSWORD or MYSQL_PWD.",
	 .set = value_dsn},
	{"listen", 0, "ADDRESS", SERVE, GROUP_SERVE, "127.0.0.1:19187",
	 "where to serve: ADDRESS:PORT, :PORT (all) or unix:/PATH",
	 "Addresses are numbers, or localhost. One of this host alone (127.0.0.1, ::1) and a Unix socket, "
	 "which its owner and group may use, need no token.",
	 .set = value_text, .field = FIELD(listen)},
	{"token-file", 0, "FILE", SERVE, GROUP_SERVE, NULL,
	 "whoever connects must send the token in FILE (Authorization: Bearer TOKEN)",
	 "FILE has one line of 16 to 512 characters, and nobody but its owner may read it. /healthz needs "
	 "no token.",
	 .set = value_text, .field = FIELD(token_file)},
	{"user", 0, "NAME|UID", RUN, GROUP_COMMAND, NULL,
	 "run the command as this user (default: sudo's caller)", NULL,
	 .set = value_text, .field = FIELD(user)},

	{"output", 'o', "FILE", TELL, GROUP_OUTPUT, NULL,
	 "write the report to FILE; - is standard output", NULL,
	 .set = value_text, .field = FIELD(output)},
	{"output", 'o', "FILE", RECORD, GROUP_OUTPUT, NULL,
	 "write the recording to FILE (default: dbleak-DATE-TIME.rec)",
	 "FILE may stand without -o. - is standard output.",
	 .set = value_text, .field = FIELD(output)},
	{"output", 'o', "FILE", DUMP, GROUP_OUTPUT, NULL,
	 "write the records to FILE; - is standard output", NULL,
	 .set = value_text, .field = FIELD(output)},
	{"kind", 0, "KIND[,...]", DUMP, GROUP_OUTPUT, NULL,
	 "print only records of these kinds",
	 "An unknown name lists all kinds.",
	 .set = value_text, .field = FIELD(kinds)},
	{"json", 'j', NULL, TELL, GROUP_OUTPUT, NULL,
	 "JSON (dbleak.report/1) instead of text", NULL,
	 .set = value_flag, .field = FIELD(json)},
	{"json", 'j', NULL, DOCTOR, GROUP_OUTPUT, NULL,
	 "JSON (dbleak.doctor/1) instead of text", NULL,
	 .set = value_flag, .field = FIELD(json)},
	{"folded", 0, "FILE", JUDGE, GROUP_OUTPUT, NULL,
	 "also write what is held, by stack, for flame graphs",
	 "One stack a line, outermost first; its first word is what it counts: connections, transactions "
	 "or statements, or bytes where memory is what leaks. flamegraph.pl and speedscope.app read it.",
	 .set = value_text, .field = FIELD(exports[EXPORT_FOLDED])},
	{"pprof", 0, "FILE", JUDGE, GROUP_OUTPUT, NULL,
	 "also write what is held, by stack, as a profile in gzip",
	 "For go tool pprof and what reads profile.proto. Sample types are connections, transactions, "
	 "statements and inuse_space; a stack begins at the line that answers. Labels are pid, comm, "
	 "container, endpoint and test.",
	 .set = value_text, .field = FIELD(exports[EXPORT_PPROF])},
	{"speedscope", 0, "FILE", JUDGE, GROUP_OUTPUT, NULL,
	 "also write what is held, by stack, for speedscope.app",
	 "A profile for each of connections, transactions, statements and bytes; what leaks is shown "
	 "first.",
	 .set = value_text, .field = FIELD(exports[EXPORT_SPEEDSCOPE])},
	{"events", 0, NULL, JUDGE & ~TOP, GROUP_OUTPUT, NULL,
	 "lines of JSON (dbleak.events/1) as things happen, instead of a report",
	 "A line is one object: begin, process, finding (new, changed or ended), gap, withdrawn, "
	 "heartbeat, and end with the summary. A reader that is slow gets fewer lines, and one that "
	 "closes the pipe ends the watch. With run, which prints on standard error, -o names another "
	 "place.",
	 .set = value_flag, .field = FIELD(events)},
	{"sarif", 0, "FILE", JUDGE, GROUP_OUTPUT, NULL,
	 "also write the leaks as SARIF 2.1.0, for code scanning",
	 "Rules are named by causes, as dbleak/unclosed-connection, and results have the fingerprint of "
	 "the report. Paths are relative below SRCROOT or the current folder.",
	 .set = value_text, .field = FIELD(exports[EXPORT_SARIF])},
	{"junit", 0, "FILE", JUDGE, GROUP_OUTPUT, NULL,
	 "also write the leaks as test results, in JUnit's XML",
	 "A leak is a failed case of the test that stands on its stack; what the baseline knows was "
	 "skipped. Without leaks one case passes.",
	 .set = value_text, .field = FIELD(exports[EXPORT_JUNIT])},
	{"github", 0, NULL, JUDGE, GROUP_OUTPUT, NULL,
	 "also print the worst ten as annotations of GitHub, on standard output",
	 "They come after the report, and leave out what the baseline knows. A report on the terminal is "
	 "kept from giving commands to GitHub.",
	 .set = value_github},
	{"brief", 'b', NULL, JUDGE, GROUP_OUTPUT, NULL,
	 "one line for each leak, for scripts, and nothing else",
	 "Fields with tabs between: verdict, number, objects or bytes, process, line, since when, "
	 "fingerprint; with --baseline also known or new. With -q only errors stand beside them.",
	 .set = value_flag, .field = FIELD(brief)},
	{"html", 0, "FILE", JUDGE, GROUP_OUTPUT, NULL,
	 "also write a page for a browser: verdicts, timeline, memory, stacks",
	 "One file that needs no network. It draws each connection over time, what is held by stack, and "
	 "what was opened in a window of time and not closed by its end.",
	 .set = value_text, .field = FIELD(exports[EXPORT_HTML])},
	{"explain", 0, "PID", REPORT, GROUP_OUTPUT, NULL,
	 "instead of the report: why the rules judged that process so",
	 "Each rule tells what it asked, what it saw, and why that proves something or not; with "
	 "--verbose, all that it saw. The exit status is that of the report.",
	 .set = value_process, .field = FIELD(explain)},
	{"verbose", 'v', NULL, DOCTOR, GROUP_OUTPUT, NULL,
	 "all features and rights, those that are there, too", NULL,
	 .set = value_flag, .field = FIELD(verbose)},
	{"verbose", 'v', NULL, TELL, GROUP_OUTPUT, NULL,
	 "all leaks, stacks and libraries", NULL,
	 .set = value_flag, .field = FIELD(verbose)},
	{"wide", 0, NULL, TELL, GROUP_OUTPUT, NULL,
	 "lines as long as they are: no path or SQL is cut or wrapped",
	 "Without it lines have the width of the terminal, and 80 columns in a pipe or a file.",
	 .set = value_flag, .field = FIELD(wide)},
	{"quiet", 'q', NULL, TOP, GROUP_OUTPUT, NULL,
	 "no report at the end", NULL,
	 .set = value_flag, .field = FIELD(quiet)},
	{"quiet", 'q', NULL, LOOK & ~TOP, GROUP_OUTPUT, NULL,
	 "no progress and no remarks, only errors and the report", NULL,
	 .set = value_flag, .field = FIELD(quiet)},
	{"record", 0, "FILE", WATCH | TOP | RUN, GROUP_OUTPUT, NULL,
	 "also keep a recording for \"dbleak report FILE\"", NULL,
	 .set = value_text, .field = FIELD(record)},
	{"record-limit", 0, "SIZE", TOP, GROUP_OUTPUT, "100M",
	 "end a recording at this size; the view goes on",
	 "top always records into a file without its name yet, so that the key r can keep what led to a "
	 "leak. Without r and --record that file is gone at the end.",
	 .set = value_size, .field = FIELD(record_limit)},
	{"record-limit", 0, "SIZE", WATCH | RUN | RECORD, GROUP_OUTPUT, "1G",
	 "end a recording at this size; watch and run go on", NULL,
	 .set = value_size, .field = FIELD(record_limit)},
	{"by", 0, "WHAT", TOP, GROUP_OUTPUT, "process",
	 "one row for each process, line, database or container", NULL,
	 .set = value_by},
	{"sort", 0, "COLUMN", TOP, GROUP_OUTPUT, "urgency",
	 "sort by urgency, name, open, idle, transaction, waiting, rate, oldest or memory", NULL,
	 .set = value_sort},
	{"library", 0, "PATTERN", TELL, GROUP_OUTPUT, NULL,
	 "never blame lines in these files, folders, modules or functions; may be repeated",
	 "* in a pattern stands for any text.",
	 .set = value_library},
	{"show-literals", 0, NULL, LOOK, GROUP_OUTPUT, NULL,
	 "show values in SQL (default: ?)", NULL,
	 .set = value_flag, .field = FIELD(show_literals)},
	{"show-arguments", 0, NULL, LOOK | SNAPSHOT, GROUP_OUTPUT, NULL,
	 "show whole command lines, never a password",
	 "Without it a report shows a program, its script and the names of its options.",
	 .set = value_flag, .field = FIELD(show_arguments)},
	{"otlp", 0, "URL", JUDGE | SERVE, GROUP_OUTPUT, NULL,
	 "send findings to an OpenTelemetry collector: http://ADDRESS:PORT",
	 "One log record (OTLP/HTTP, JSON) for each finding that is new, changed or has ended, at /v1/logs if "
	 "the URL has no path. ADDRESS is a number or localhost. A child with no other right than the network "
	 "sends them, tries again for 4 seconds, and what is lost is said.",
	 .set = value_otlp},
	{"fail-on", 0, "VERDICT", JUDGE, GROUP_STATUS, "stuck",
	 "lowest verdict that fails: leaking, stuck or big", NULL,
	 .set = value_fail_on},
	{"baseline", 0, "FILE", JUDGE, GROUP_STATUS, NULL,
	 "a former report in JSON, or fingerprints: what it has does not fail",
	 "Such a finding stays in the report and is marked as known; the report says what of the "
	 "baseline was not seen any more. FILE has a report of --json, or of each line the "
	 "fingerprint, as --brief prints it.",
	 .set = value_baseline},
	{"error-exitcode", 0, "N", JUDGE, GROUP_STATUS, "1",
	 "exit status when that is seen; 0: never fail",
	 "With run it tells a leak from a failure of the command.",
	 .set = value_exitcode},

	{"man", 0, NULL, HELP, GROUP_OUTPUT, NULL,
	 "print the man page, to be read with \"man -l\"", NULL,
	 .set = value_flag, .field = FIELD(man)},
	{"completion", 0, "SHELL", HELP, GROUP_OUTPUT, NULL,
	 "print what a shell needs to complete words: bash, zsh or fish",
	 "In ~/.bashrc: eval \"$(dbleak help --completion bash)\". For zsh a file _dbleak in a folder of "
	 "$fpath; for fish: dbleak help --completion fish | source.",
	 .set = value_shell},
	{"markdown", 0, NULL, HELP, GROUP_OUTPUT, NULL,
	 "print all options of all commands as tables of Markdown", NULL,
	 .set = value_flag, .field = FIELD(markdown)},

	{"help", 'h', NULL, ~0U, GROUP_OTHER, NULL,
	 "print this help", NULL, .set = NULL},
	{"version", 'V', NULL, PROGRAM, GROUP_OTHER, NULL,
	 "print the version", NULL, .set = NULL},
	{.name = NULL},
};
/* clang-format on */

const size_t option_count = sizeof(option_table) / sizeof(option_table[0]) - 1;

bool option_taken(const struct option_row *row, enum command_id id)
{
	return row->commands & 1U << id;
}

unsigned int option_takers(const char *name)
{
	unsigned int mask = 0;

	for (const struct option_row *row = option_table; row->name; row++)
		if (!strcmp(row->name, name))
			mask |= row->commands;
	return mask;
}

/* A value that cannot be taken is told on standard error; a test keeps all of them right. */
void option_initials(struct options *o, enum command_id id)
{
	for (const struct option_row *row = option_table; row->name; row++)
		if (option_taken(row, id) && row->initial)
			row->set(row, o, row->initial);
}
