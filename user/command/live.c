/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * live.c - see live.h.
 */
#include "user/command/live.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user/base/count.h"
#include "user/base/output.h"
#include "user/capture/dsn/asker.h"
#include "user/capture/worker/ceiling.h"
#include "user/capture/worker/looking.h"
#include "user/capture/host/host_root.h"
#include "user/capture/host/others.h"
#include "user/capture/kernel/feature.h"
#include "user/capture/rights.h"
#include "user/judge/forget.h"
#include "user/command/refuse.h"
#include "user/command/collector.h"
#include "user/command/status.h"
#include "user/command/watch_progress.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define STEP_MS	   100
#define COLLECT_MS 5000 /* between judgements for a collector */
#define LOCK_MS	   300	/* a record is applied in microseconds */

/* Where it is to be; NULL: nobody has asked. */
static const char *record_path(const struct live *l)
{
	return l->options->record ? l->options->record : l->spare_kept ? l->spare_record : NULL;
}

/* Has somebody asked for the recording that is made? */
static bool record_is_wanted(const struct live *l)
{
	return record_path(l);
}

/* Closes the recording.  Once there was a watch it takes its place: what is there can be read. */
static int end_recording(struct live *l)
{
	int err = recording_close(l->recording), kept;
	bool wanted = l->watching && record_is_wanted(l);
	bool file = outfile_has_place(&l->recorded) && wanted;

	l->recording = NULL;
	kept = outfile_end(&l->recorded, wanted);
	err = err ? err : kept;
	if (file && !err && !l->record_err && (!l->options->quiet || l->spare_kept))
		progress_written("recording", record_path(l), l->record_bytes);
	return err;
}

/* Nobody has asked for it, so nobody is told before somebody does. */
static void lose_spare(struct live *l, int err)
{
	recording_close(l->recording);
	l->recording = NULL;
	outfile_end(&l->recorded, false);
	l->spare_err = err;
}

void live_keep_recording(struct live *l, bool keep)
{
	l->spare_kept = keep && !l->spare_err;
	if (l->spare_kept)
		outfile_keep_part(&l->recorded);
}

static int tell_model(struct live *l, const struct ev_head *record)
{
	int err;

	pthread_mutex_lock(&l->lock);
	err = l->model ? judge_apply(l->model, record) : 0;
	if (record->ns > l->last_ns)
		l->last_ns = record->ns;
	l->begun = true;
	pthread_mutex_unlock(&l->lock);
	return err;
}

/* A full disk, or a limit, ends the recording: the watch goes on, and says so. */
static int lose_recording(struct live *l, const struct ev_head *last, int err)
{
	struct ev_gap gap = {.head = {.ns = last->ns, .kind = EV_GAP, .size = sizeof(gap)}};
	char bytes[COUNT_SIZE];

	if (!record_is_wanted(l)) {
		lose_spare(l, err);
		return 0;
	}
	if (err == -EFBIG)
		snprintf(gap.text, sizeof(gap.text),
			 "the recording ended at its limit of %s bytes "
			 "(--record-limit)",
			 count_text(bytes, l->options->record_limit));
	else
		snprintf(gap.text, sizeof(gap.text), "the recording ended after %s bytes: %s",
			 count_text(bytes, l->record_bytes), strerror(-err));
	progress_end(&l->progress);
	fprintf(stderr, "dbleak: %s: %s\n", outfile_name(record_path(l)), gap.text);
	/* The file takes its place later: there may be no watch yet. */
	recording_close(l->recording);
	l->recording = NULL;
	if (err != -EFBIG)
		l->record_err = err;
	if (l->records_only)
		return err;
	return tell_model(l, &gap.head);
}

static int keep_record(struct live *l, const struct ev_head *record)
{
	bool fits = l->record_bytes + record->size <= l->options->record_limit;
	int err = fits ? recording_write(l->recording, record) : -EFBIG;

	if (err)
		return lose_recording(l, record, err);
	l->record_bytes += record->size;
	return 0;
}

static int take_record(void *context, const struct ev_head *record)
{
	struct live *l = context;
	int err;

	pthread_mutex_lock(&l->record_lock);
	err = tell_model(l, record);
	if (!err && l->recording)
		err = keep_record(l, record);
	pthread_mutex_unlock(&l->record_lock);
	if (!l->watching)
		watch_opening(&l->progress, &l->met, record);
	return err;
}

static int fail(const char *what, const char *thing, int err)
{
	fprintf(stderr, "dbleak: %s%s%s: %s\n", what, thing ? " " : "", thing ? thing : "",
		strerror(-err));
	return 2;
}

int live_fail_recording(const struct live *l, int err)
{
	const char *path = record_path(l);

	if (!path)
		return fail("cannot keep what was seen", NULL, err);
	return fail("cannot write the recording to", outfile_name(path), err);
}

static int live_refuse(const char *path, const char *why)
{
	fprintf(stderr, "dbleak: cannot write %s: %s\n", outfile_name(path), why);
	return 2;
}

static int open_recording(struct live *l, const char *path)
{
	int err, status = outfile_begin(&l->recorded, path, NULL);

	if (status >= 0)
		return status;
	if (isatty(fileno(l->recorded.file)))
		return live_refuse(path, "a recording is not for a terminal");
	err = recording_open_write(&l->recording, l->recorded.file);
	l->recorded.file = NULL; /* the recording's, also after an error */
	return err ? live_fail_recording(l, err) : -1;
}

/* Where it cannot be made, the watch does without. */
static void open_spare(struct live *l)
{
	l->spare_err = outfile_open(&l->recorded, l->spare_record, NULL);
	if (l->spare_err)
		return;
	l->spare_err = recording_open_write(&l->recording, l->recorded.file);
	l->recorded.file = NULL; /* the recording's, also after an error */
}

/* Nothing that is there is touched before all can be written. */
static int open_outputs(struct live *l, const struct options *o)
{
	const char *report = o->output ? o->output : l->out == stdout ? "-" : "/dev/stderr";
	int status;

	if (o->record && !l->records_only && outfile_is_same(report, o->record))
		return live_refuse(o->record, "report and recording cannot be one file");
	status = outfile_begin(&l->output, o->output, NULL);
	if (l->output.file)
		l->out = l->output.file;
	if (status < 0)
		status = exports_begin(&l->exports, o, report, NULL);
	if (status < 0 && o->events) {
		l->stream = stream_open(l->out, &o->library, o->baseline);
		if (!l->stream)
			status = fail("cannot start", NULL, -ENOMEM);
	}
	if (status < 0 && o->record)
		status = open_recording(l, o->record);
	else if (status < 0 && l->spare_record)
		open_spare(l);
	return status;
}

void live_tell_begin(const struct live *l)
{
	const struct options *o = l->options;
	bool all = select_is_empty(&o->select);
	char time[32] = "";

	if (o->quiet)
		return;
	if (o->duration_s > 0)
		snprintf(time, sizeof(time), " for %.10g s", o->duration_s);
	fprintf(stderr, "dbleak: %s %s%s%s%s, Ctrl-C to stop%s\n",
		l->records_only ? "recording" : "watching",
		all ? "the whole host" : "the selected processes", l->records_only ? " to " : "",
		l->records_only ? outfile_name(o->record) : "", time,
		l->records_only ? "" : " and report");
}

/* Warns a person at a terminal.  Scripts run several on purpose. */
static void tell_others(const struct options *o)
{
	if (!o->quiet && (isatty(STDERR_FILENO) || o->verbose) && others_watching())
		fputs("dbleak: another dbleak watches this host: each adds to what programs pay\n",
		      stderr);
}

static int open_capture(struct live *l, struct options *o, enum ev_mode mode)
{
	struct capture_options c = {
		.mode = mode,
		.min_age_ns = o->min_age_s * 1e9,
		.interval_ms = o->interval_s * 1000,
		.show_literals = o->show_literals,
		.show_arguments = o->show_arguments,
		.max_overhead = o->max_overhead,
		.probe_libraries = !o->no_libraries,
		.probe_at_entry = o->probe_at_entry,
		.take_stacks = !o->no_stacks,
		.tier = o->heap,
		.heap_interval = o->heap_sample,
		.command = o->command,
		.select = &o->select,
		.containers = l->containers,
		.helpers = &l->helpers,
		.asker = l->asker,
		.beside = {l->server, l->collector ? collector_pid(l->collector) : 0},
		.sink = take_record,
		.context = l,
	};
	int err;

	if (mode != EV_MODE_SNAPSHOT)
		tell_others(o);
	/* The terminal is the command's, and a line would stand in the middle of other lines. */
	progress_begin(&l->progress,
		       !o->quiet && mode != EV_MODE_RUN && !(o->events && isatty(fileno(l->out))));
	err = capture_open(&l->capture, &c);
	progress_end(&l->progress);
	if (!err) {
		l->watching = true;
		if (record_is_wanted(l))
			outfile_keep_part(&l->recorded);
		if (l->stream) /* a report is one, lines are some */
			outfile_keep_part(&l->output);
		return -1;
	}
	if (o->record && (err == -ENOSPC || err == -EPIPE || err == -EIO))
		return live_fail_recording(l, err);
	return refuse_host(err);
}

static double now(void)
{
	return clock_monotonic_ns() / 1e9;
}

/* A watch that holds too much memory ends early, with a report of all that it saw. */
static bool holds_too_much(struct live *l)
{
	struct ev_gap gap = {.head = {.kind = EV_GAP, .size = sizeof(gap)}};

	if (!ceiling_is_reached(l->options->max_memory))
		return false;
	gap.head.ns = clock_boot_ns();
	snprintf(gap.text, sizeof(gap.text),
		 "the watch ended early: dbleak itself held %llu MB, more than --max-memory",
		 (unsigned long long)(ceiling_resident() >> 20));
	take_record(l, &gap.head);
	return true;
}

/* Looks a last time, and gives probes and their memory back. */
static int end_capture(struct live *l)
{
	int err = l->capture ? capture_finish(l->capture, watchdog_left_ms(&l->watchdog)) : 0;

	capture_close(l->capture);
	l->capture = NULL;
	return err;
}

/* The command of dbleak run goes on without being watched, for only its owner ends it. */
static int wait_unwatched(struct live *l, bool (*stop)(struct live *, void *, int), void *context)
{
	int err;

	looking_over();
	err = end_capture(l);
	looking_over();
	while (!stop(l, context, watchdog_signal(&l->watchdog)))
		poll(NULL, 0, STEP_MS);
	return err;
}

static void live_tell_collector(const struct live *l, unsigned int ago_ms)
{
	if (l->collector && l->begun)
		collector_look(l->collector, l->model, &l->options->library, ago_ms);
}

/* Tells of what has happened.  The watchdog's thread may judge, too, so the lock is held.  Nobody
 * but the owner of run's command ends that. */
static int tell_events(struct live *l, bool goes_on)
{
	int err = 0;

	if (!l->stream || l->stream_err)
		return 0;
	pthread_mutex_lock(&l->lock);
	err = stream_watch(l->stream, l->model);
	pthread_mutex_unlock(&l->lock);
	l->stream_err = err;
	return goes_on ? 0 : err;
}

int live_work(struct live *l, double duration_s, bool (*stop)(struct live *, void *, int),
	      void *context)
{
	double start = now(), shown = 0;
	int err = 0, sig;

	watchdog_stage(&l->watchdog, STAGE_WORKING);
	notify_say(&l->notify, "READY=1");
	for (;;) {
		double since = now() - start, left = duration_s > 0 ? duration_s - since : 1;
		int wait = left * 1000 < STEP_MS ? left * 1000 : STEP_MS;

		if (duration_s > 0 && left <= 0)
			break;
		sig = watchdog_signal(&l->watchdog);
		if (stop ? stop(l, context, sig) : sig == SIGINT || sig == SIGTERM || sig == SIGHUP)
			break;
		looking_over();
		notify_live(&l->notify);
		err = capture_step(l->capture, wait > 0 ? wait : 1);
		if (!err)
			err = tell_events(l, stop != NULL);
		if (!err && l->step)
			err = l->step(l, l->step_context);
		live_tell_collector(l, COLLECT_MS);
		if (err)
			break;
		if (since - shown >= 1) {
			shown = since;
			watch_progress(&l->progress, l->capture, since, duration_s);
			watch_status(&l->notify, l->capture);
			if (!holds_too_much(l))
				continue;
			if (stop)
				err = wait_unwatched(l, stop, context);
			break;
		}
	}
	progress_end(&l->progress);
	return err > 0 ? 0 : err;
}

int live_end_recording(struct live *l)
{
	return l->record_err ? l->record_err : end_recording(l);
}

int live_finish(struct live *l)
{
	int err;

	watchdog_stage(&l->watchdog, STAGE_FINISHING);
	notify_say(&l->notify, "STOPPING=1");
	looking_over();
	err = l->capture ? capture_finish(l->capture, watchdog_left_ms(&l->watchdog)) : 0;
	watchdog_stage(&l->watchdog, STAGE_REPORTING);
	live_tell_collector(l, 0);
	return err;
}

static bool is_path(const char *output)
{
	return output && strcmp(output, "-") != 0;
}

static int live_print(struct live *l, const struct report_view *v)
{
	if (!l->stream)
		return print_view(l->out, v, l->options);
	return l->stream_err ? l->stream_err : stream_end(l->stream, v);
}

/* A reader of events that has seen enough, as head has, needs no word. */
static int live_fail_output(const struct live *l, int err)
{
	if (l->stream && err == -EPIPE)
		return 2;
	return fail(l->stream ? "cannot write the events to" : "cannot write the report to",
		    outfile_name(l->options->output), err);
}

/* Prints the report and returns the exit status. */
static int live_write_report(struct live *l)
{
	struct report_view *v = judge_view(l->model, &l->options->library);
	int err, status;
	bool file;

	if (!v)
		return fail("cannot judge", NULL, -ENOMEM);
	if (baseline_mark(l->options->baseline, v)) {
		view_close(v);
		return fail("cannot compare with the baseline", NULL, -ENOMEM);
	}
	status = status_of_view(v, l->options);
	if (!status)
		status = l->command_status;
	if (l->record_err)
		status = 2; /* what was asked for is not there */
	v->exit_status = status;
	file = outfile_has_place(&l->output);
	err = live_print(l, v);
	if (!err)
		err = l->output.file ? outfile_end(&l->output, true) : output_close(l->out);
	if (err) {
		status = live_fail_output(l, err);
		if (is_path(l->options->output)) /* what was seen is not to be lost with the file */
			print_view(stderr, v, l->options);
	} else if (file && !l->options->quiet) {
		progress_written(l->stream ? "events" : "report", l->options->output, 0);
	}
	outfile_end(&l->output, false);
	if (exports_write(&l->exports, l->options, l->model, v))
		status = 2;
	view_close(v);
	return status;
}

int live_report(struct live *l)
{
	int err = live_finish(l), status;

	if (err)
		return live_fail_recording(l, err);
	status = live_write_report(l);
	err = end_recording(l);
	if (err)
		live_fail_recording(l, err);
	if (err)
		status = 2;
	watchdog_closing(&l->watchdog, status);
	return status;
}

void live_discard(struct live *l)
{
	l->watching = false;
	end_recording(l);
	exports_end(&l->exports);
	outfile_end(&l->output, false);
}

/* Adds the records that a hanging capture cannot send any more: the gap and the end.  The watch
 * ended with the last record: of what came later nothing is known, and nothing was at rest. */
static int live_tell_end(struct live *l, uint32_t pid, const char *where)
{
	const bool kept = !l->record_err;
	struct ev_gap gap = {.head = {.ns = l->last_ns, .kind = EV_GAP, .size = sizeof(gap)},
			     .pid = pid};
	struct ev_end end = {.head = {.ns = gap.head.ns, .kind = EV_END, .size = sizeof(end)}};
	int err;

	if (l->watching)
		snprintf(gap.text, sizeof(gap.text),
			 "the last look was left out: %s did not answer",
			 *where ? where : "the kernel");
	else
		snprintf(gap.text, sizeof(gap.text),
			 "the watch ended while dbleak was still attaching its probes");
	l->watching = true; /* there is a report, so the recording is worth its place, too */
	err = judge_apply(l->model, &gap.head);
	if (!err)
		err = judge_apply(l->model, &end.head);
	if (err || !l->recording)
		return err;
	if (kept)
		l->record_err = recording_write(l->recording, &gap.head);
	if (!l->record_err)
		l->record_err = recording_write(l->recording, &end.head);
	if (!l->record_err)
		l->record_err = end_recording(l);
	if (l->record_err)
		live_fail_recording(l, l->record_err);
	return 0;
}

/* Waits a while for a lock that is free within microseconds unless its holder hangs. */
static bool is_locked(pthread_mutex_t *lock)
{
	uint64_t end_ns = clock_monotonic_ns() + LOCK_MS * 1000000ULL;
	struct timespec until = {.tv_sec = end_ns / 1000000000, .tv_nsec = end_ns % 1000000000};

	return !pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &until);
}

/* Runs in a thread of its own.  The others are never to go on, so the locks are kept.  A disk that
 * hangs costs the recording, and not the report. */
static void report_without(void *context, uint32_t pid, const char *where)
{
	struct live *l = context;
	int status;

	if (!is_locked(&l->record_lock)) {
		l->record_err = -ETIMEDOUT;
		pid = 0;
		where = "the file of the recording";
	}
	if (!is_locked(&l->lock) || !l->model || !l->begun)
		return;
	if (live_tell_end(l, pid, where))
		return;
	status = l->record_err ? 2 : 0;
	if (!l->records_only)
		status = live_write_report(l);
	if (!status && l->watchdog.command)
		status = 2; /* its own is not known */
	_exit(status);
}

static int start_watchdog(struct live *l)
{
	const struct watchdog_host host = {.report = report_without,
					   .begin = rights_end_thread,
					   .leave = l->leave,
					   .context = l};
	int err;

	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->record_lock, NULL);
	err = watchdog_start(&l->watchdog, &host);
	watchdog_duration(&l->watchdog, l->options->duration_s);
	return err;
}

/* Reports as gaps what stays hidden because a right is missing. */
static int tell_missing(struct live *l)
{
	size_t count;
	const struct right *r = rights_list(&count);
	int err = 0;

	for (; count-- && !err; r++) {
		struct ev_gap gap = {.head = {.kind = EV_GAP, .size = sizeof(gap)}};

		if (r->needed || r->term > RIGHT_ERRAND || right_is_held(r))
			continue;
		gap.head.ns = clock_boot_ns();
		snprintf(gap.text, sizeof(gap.text), "without %s: %s", r->name, r->without);
		err = take_record(l, &gap.head);
	}
	return err;
}

/* Gives up rights: from here on dbleak can read and report, and little else. */
static int give_up_rights(struct live *l, enum ev_mode mode)
{
	int err = tell_missing(l);

	if (err)
		return live_fail_recording(l, err);
	err = rights_end(mode == EV_MODE_RUN ? RIGHTS_RUN : RIGHTS_WATCH);
	if (err)
		fprintf(stderr, "dbleak: goes on with more rights than it needs: %s\n",
			strerror(-err));
	return -1;
}

/* First of all: nobody else inherits the URL. */
static int open_asker(struct live *l, struct options *o)
{
	int err = o->dsn ? asker_open(&l->asker, o->dsn, rights_end_asker) : 0;

	options_forget_dsn(o);
	return err || !o->otlp ? err : collector_open(&l->collector, o->otlp);
}

int live_open(struct live *l, struct options *o, enum ev_mode mode, FILE *out)
{
	int err, status;

	l->options = o;
	l->out = out;
	signal(SIGPIPE, SIG_IGN);
	if (mode == EV_MODE_WATCH) /* a command of run, and what lasts a second, is none */
		notify_open(&l->notify);
	rights_begin();
	if (o->heap == EV_TIER_FULL && select_is_empty(&o->select)) {
		fputs("dbleak: --heap full follows each allocation: it needs processes to be "
		      "chosen "
		      "(-p, --comm, --container, --pod, --namespace, --cgroup)\n",
		      stderr);
		return 2;
	}
	err = open_asker(l, o);
	if (!err)
		err = start_watchdog(l);
	if (!err)
		err = helpers_open(&l->helpers);
	if (!err)
		err = containers_open(&l->containers, host_root(), l->helpers.nursery);
	if (err && feature_try(FEATURE_PROC))
		return refuse_host(err);
	if (err)
		return fail("cannot start", NULL, err);
	l->model = model_open();
	if (!l->model)
		return fail("cannot start", NULL, -ENOMEM);
	err = select_resolve(&o->select, l->containers, stderr);
	if (err)
		return err == -ENOENT ? 2 : fail("cannot select", NULL, err);
	status = open_outputs(l, o);
	if (status < 0)
		status = open_capture(l, o, mode);
	if (status < 0 && l->opened)
		status = l->opened(l, l->step_context);
	return status >= 0 ? status : give_up_rights(l, mode);
}

void live_close(struct live *l)
{
	capture_close(l->capture);
	collector_close(l->collector);
	end_recording(l);
	exports_end(&l->exports);
	stream_close(l->stream);
	notify_close(&l->notify);
	outfile_end(&l->output, false);
	model_close(l->model);
	containers_close(l->containers);
	helpers_close(&l->helpers);
	asker_close(l->asker);
}
