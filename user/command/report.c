/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * report.c - dbleak report: replay a recording.  Needs no root and no kernel.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/judge/forget.h"
#include "user/base/count.h"
#include "user/base/escape.h"
#include "user/base/output.h"
#include "user/capture/rights.h"
#include "user/command/collector.h"
#include "user/command/command.h"
#include "user/command/infile.h"
#include "user/command/live.h"
#include "user/command/outfile.h"
#include "user/command/parse.h"
#include "user/command/progress.h"
#include "user/command/status.h"

/* A recording on its way to standard output, or to a file. */
struct replay {
	const struct options *options;
	struct outfile *out;
	struct stream *stream; /* of --events; NULL: a report */
	int stream_err;	       /* the lines cannot be written */
	uint64_t total;	       /* bytes of the recording; 0: nobody knows */
	struct progress progress;
};

static FILE *replay_output(const struct replay *r)
{
	return r->out->file ? r->out->file : stdout;
}

static void progress_of_replay(struct replay *p, const struct recording *r)
{
	char bytes[COUNT_SIZE];
	uint64_t read = recording_offset(r);

	if (p->total)
		progress_show(&p->progress, "reading: %.0f %% of %s bytes",
			      100.0 * (double)read / (double)p->total, count_text(bytes, p->total));
	else
		progress_show(&p->progress, "reading: %s bytes so far", count_text(bytes, read));
}

static int replay_record(struct replay *p, struct model *m, const struct ev_head *record)
{
	int err = judge_apply(m, record);

	if (!err && p->stream)
		err = p->stream_err = stream_replay(p->stream, m, record);
	return err;
}

/* Everything up to the first damage is judged; what is missing is said. */
static int replay(struct replay *p, struct model *m, struct recording *r, const char *name)
{
	const struct ev_head *record;
	int n, err = 0;

	while ((n = recording_next(r, &record)) > 0 && !err) {
		err = replay_record(p, m, record);
		if (progress_is_due(&p->progress))
			progress_of_replay(p, r);
	}
	progress_end(&p->progress);
	if (err)
		return err;
	if (n == -ENODATA || n == -EBADMSG)
		fprintf(stderr,
			"dbleak: %s: %s after %llu bytes; the report covers what came "
			"before\n",
			name, recording_why(n), (unsigned long long)recording_offset(r));
	return n == -ENODATA || n == -EBADMSG ? 0 : n;
}

/* A reader of events that has seen enough, as head has, needs no word. */
static int refuse_output(const struct replay *p, int err)
{
	if (!p->stream || err != -EPIPE)
		fprintf(stderr, "dbleak: cannot write the %s to %s: %s\n",
			p->stream ? "events" : "report", outfile_name(p->options->output),
			strerror(-err));
	return 2;
}

static int print(const struct replay *p, struct report_view *v)
{
	bool file = outfile_has_place(p->out);
	int status = v->exit_status = status_of_view(v, p->options);
	int err = p->stream ? stream_end(p->stream, v)
			    : print_view(replay_output(p), v, p->options);

	if (!err)
		err = p->out->file ? outfile_end(p->out, true) : output_close(stdout);
	if (err)
		return refuse_output(p, err);
	if (file && !p->options->quiet)
		progress_written(p->stream ? "events" : "report", p->options->output, 0);
	return status;
}

static bool is_explained(const struct report_view *v)
{
	for (size_t i = 0; i < v->process_count; i++)
		if (v->processes[i].explanation)
			return true;
	return false;
}

#define NAMED_MOST 12

/* Says that the process to explain is not there, and which ones are.  Returns 2. */
static int refuse_process(const struct report_view *v, const char *path, uint32_t pid)
{
	fprintf(stderr, "dbleak: %s has no process %u", path, pid);
	for (size_t i = 0; i < v->process_count && i < NAMED_MOST; i++) {
		const struct process_view *p = &v->processes[i];
		char *comm = escape_terminal(p->comm, strlen(p->comm));

		fprintf(stderr, "%s %u (%s)", i ? "," : "; with a database it has", p->pid,
			comm ? comm : "?");
		free(comm);
	}
	if (v->process_count > NAMED_MOST)
		fprintf(stderr, " and %zu more", v->process_count - NAMED_MOST);
	if (v->forgotten_processes)
		fprintf(stderr, "; %llu that ended long ago without a finding were dropped",
			(unsigned long long)v->forgotten_processes);
	fputc('\n', stderr);
	return 2;
}

/* A pipe has no size. */
static void replay_begin(struct replay *p, FILE *in)
{
	struct stat st;

	if (!fstat(fileno(in), &st) && S_ISREG(st.st_mode))
		p->total = (uint64_t)st.st_size;
	progress_begin(&p->progress, !p->options->quiet && !(p->options->events &&
							     isatty(fileno(replay_output(p)))));
}

static int report_open_stream(struct replay *p)
{
	if (!p->options->events)
		return 0;
	p->stream = stream_open(replay_output(p), &p->options->library, p->options->baseline);
	return p->stream ? 0 : -ENOMEM;
}

static int report_report(const struct options *o, const struct infile *in, struct outfile *out,
			 struct exports *exports)
{
	struct replay p = {.options = o, .out = out};
	struct recording *r = NULL;
	struct report_view *v = NULL;
	struct model *m = model_open();
	struct collector *collector = NULL;
	int err = o->otlp ? collector_open(&collector, o->otlp) : 0, status = 2;

	replay_begin(&p, in->file);
	if (!err)
		err = recording_open_read(&r, in->file);
	rights_end(RIGHTS_READ); /* a recording may be anybody's */
	if (!err)
		err = m ? report_open_stream(&p) : -ENOMEM;
	if (!err)
		err = replay(&p, m, r, in->name);
	if (!err) {
		v = judge_explain(m, &o->library, o->explain);
		err = v ? baseline_mark(o->baseline, v) : -ENOMEM;
	}
	if (p.stream_err)
		status = refuse_output(&p, p.stream_err);
	else if (err)
		status = infile_refuse(in, err);
	else if (o->explain && !is_explained(v))
		status = refuse_process(v, in->name, o->explain);
	else
		status = print(&p, v);
	if (!err && exports_write(exports, o, m, v))
		status = 2;
	if (v && collector)
		collector_take(collector, v);
	collector_close(collector);
	view_close(v);
	stream_close(p.stream);
	model_close(m);
	recording_close(r);
	return status;
}

static int report_file(const struct options *o, const char *path)
{
	struct infile in;
	struct outfile out = {0};
	struct exports exports = {0};
	int status = infile_open(&in, path);

	if (status >= 0)
		return status;
	status = outfile_begin(&out, o->output, in.file);
	if (status < 0)
		status = exports_begin(&exports, o, o->output ? o->output : "-", in.file);
	if (status >= 0) {
		fclose(in.file);
	} else {
		signal(SIGPIPE, SIG_IGN); /* an error like others */
		status = report_report(o, &in, &out, &exports);
	}
	exports_end(&exports);
	outfile_end(&out, false);
	return status;
}

int command_report(int argc, char **argv)
{
	struct options o;
	int status = options_parse(&o, argc, argv, COMMAND_REPORT);

	if (status < 0 && o.next == argc)
		status = options_misused(COMMAND_REPORT, "which recording? dbleak report FILE");
	if (status < 0 && o.next + 1 < argc)
		status = options_misused(COMMAND_REPORT,
					 "report takes one recording, not \"%s\" too",
					 argv[o.next + 1]);
	if (status < 0 && o.explain && o.json)
		status = options_misused(COMMAND_REPORT,
					 "--explain prints text, so it cannot go with --json");
	if (status < 0 && o.explain && o.events)
		status = options_misused(COMMAND_REPORT,
					 "--explain prints text, so it cannot go with --events");
	if (status < 0 && o.explain && o.brief)
		status = options_misused(COMMAND_REPORT,
					 "--explain has no lines for scripts, so it cannot go with "
					 "--brief");
	if (status < 0)
		status = report_file(&o, argv[o.next]);
	options_free(&o);
	return status;
}
