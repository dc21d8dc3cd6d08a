/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * top.c - dbleak top: a live system on a screen, the worst first; then the report.
 *
 * The screen is drawn by user/top from the same view that the report is printed from.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/command/command.h"
#include "user/command/live.h"
#include "user/command/parse.h"
#include "user/command/record_file.h"
#include "user/command/top_terminal.h"
#include "user/system/clock.h"
#include "user/top/display.h"

#define SHARE	  50 /* a view may take one part in so many of the time: 2 % of a CPU */
#define WORDS_FOR 4  /* seconds that words about a recording stand instead of the keys */
#define WORDS	  256

struct top_run {
	struct display display;
	struct screen screen;
	double judged, every; /* seconds: when, and between two */
	double said;	      /* when words about the recording were put there */
	bool record;	      /* as it was when they were */
	char words[WORDS];
	char name[RECORD_FILE]; /* of a recording that may be asked for */
};

static double top_now(void)
{
	return clock_monotonic_ns() / 1e9;
}

/* Seconds of processor time that this thread has taken. */
static double top_cost(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) / 1e9;
}

/* Judges once more, if it is time.  A host so large that this takes long is judged less often. */
static int judge_again(struct live *l, struct top_run *t, bool *changed)
{
	double begin = top_now(), cost = top_cost();
	struct report_view *v;
	int err;

	if (t->display.view && (t->display.state.frozen || begin - t->judged < t->every))
		return 0;
	v = judge_view(l->model, &l->options->library);
	if (!v)
		return -ENOMEM;
	err = baseline_mark(l->options->baseline, v);
	if (!err)
		err = display_take(&t->display, v);
	if (err && t->display.view != v)
		view_close(v);
	cost = (top_cost() - cost) * SHARE;
	t->judged = begin;
	t->every = l->options->interval_s > cost ? l->options->interval_s : cost;
	*changed = true;
	return err;
}

static void say_recording(const struct live *l, struct top_run *t)
{
	const struct options *o = l->options;

	if (o->record)
		snprintf(t->words, sizeof(t->words), "Recording to %s since the start.", o->record);
	else if (l->spare_err == -EFBIG)
		snprintf(t->words, sizeof(t->words),
			 "Cannot record: all since the start is more than --record-limit.");
	else if (l->spare_err)
		snprintf(t->words, sizeof(t->words), "Cannot record to %s: %s.", l->spare_record,
			 outfile_why(l->spare_err));
	else if (l->spare_kept)
		snprintf(t->words, sizeof(t->words), "Recording to %s, with all since the start.",
			 l->spare_record);
	else
		snprintf(t->words, sizeof(t->words), "No recording will be kept.");
	t->display.recording = t->words;
	t->said = top_now();
}

static void follow_recording(struct live *l, struct top_run *t)
{
	struct top_state *s = &t->display.state;

	if (s->record == t->record)
		return;
	if (!l->options->record)
		live_keep_recording(l, s->record);
	t->record = s->record;
	say_recording(l, t);
}

static int take_keys(struct live *l, struct top_run *t, bool *changed)
{
	uint32_t key;
	int err = 0;

	while (!err && !t->display.state.quit && (key = terminal_key())) {
		err = display_key(&t->display, key);
		follow_recording(l, t);
		*changed = true;
	}
	if (t->display.recording && top_now() - t->said >= WORDS_FOR) {
		t->display.recording = NULL;
		*changed = true;
	}
	return err;
}

static int top_draw(struct live *l, struct top_run *t, size_t rows, size_t columns)
{
	int err = screen_size(&t->screen, rows, columns);

	t->display.is_recorded = l->options->record ? l->recording != NULL : l->spare_kept;
	if (!err)
		err = display_draw(&t->display, &t->screen);
	if (!err)
		terminal_show(&t->screen);
	return err;
}

static int top_step(struct live *l, void *context)
{
	struct top_run *t = context;
	bool changed = false;
	size_t rows, columns;
	int err = take_keys(l, t, &changed);

	if (!err)
		err = judge_again(l, t, &changed);
	if (terminal_size(&rows, &columns))
		changed = true;
	if (!err && changed)
		err = top_draw(l, t, rows, columns);
	return err ? err : t->display.state.quit;
}

/* All is open, and the descriptions of terminals can still be read. */
static int take_terminal(struct live *l, void *context)
{
	struct top_run *t = context;
	int err = terminal_open();

	progress_begin(&l->progress, false); /* the screen shows it */
	t->screen.utf8 = terminal_has_utf8();
	if (!err)
		return -1;
	fprintf(stderr, "dbleak: cannot draw on this terminal: %s\n", strerror(-err));
	return 2;
}

static int top_watch(struct live *l, struct options *o, struct top_run *t)
{
	FILE *out = o->quiet && !o->output ? fopen("/dev/null", "we") : stdout;
	int status, err;

	t->display.state = (struct top_state){.by = o->by, .sort = o->sort};
	l->step = top_step;
	l->opened = take_terminal;
	l->leave = terminal_leave;
	l->step_context = t;
	l->spare_record = o->record ? NULL : record_file_name(t->name);
	status = out ? live_open(l, o, EV_MODE_WATCH, out) : 2;
	if (status >= 0)
		return status;
	err = live_work(l, o->duration_s, NULL, NULL);
	terminal_close();
	if (err)
		fprintf(stderr, "dbleak: the live view ended: %s\n", strerror(-err));
	return live_report(l);
}

int command_top(int argc, char **argv)
{
	struct options o;
	static struct live l; /* the thread of its watchdog may outlive this function */
	static struct top_run t;
	int status = options_parse(&o, argc, argv, COMMAND_TOP);

	if (status < 0 && o.next < argc)
		status = options_stray(COMMAND_TOP, argv[o.next]);
	if (status < 0)
		status = terminal_check();
	if (status < 0)
		status = top_watch(&l, &o, &t);
	terminal_close();
	live_close(&l);
	display_free(&t.display);
	screen_free(&t.screen);
	options_free(&o);
	return status;
}
