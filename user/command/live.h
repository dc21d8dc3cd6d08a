/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * live.h - what the live subcommands share: capture into model and recording, then the report.
 */
#ifndef DBLEAK_COMMAND_LIVE_H
#define DBLEAK_COMMAND_LIVE_H

#include <stdbool.h>
#include <stdio.h>

#include "user/capture/capture.h"
#include "user/capture/helpers.h"
#include "user/judge/judge.h"
#include "user/record/recording.h"
#include "user/command/exports.h"
#include "user/command/notify.h"
#include "user/command/options.h"
#include "user/command/outfile.h"
#include "user/command/print_view.h"
#include "user/command/progress.h"
#include "user/command/stream.h"
#include "user/command/watchdog.h"

struct live {
	const struct options *options;
	struct helpers helpers;
	struct asker *asker;	     /* of --dsn; NULL: none */
	struct collector *collector; /* of --otlp; NULL: none */
	pid_t server;		     /* that serves pages; 0: none */
	struct containers *containers;
	struct model *model;
	struct recording *recording; /* NULL: none, or it has ended */
	struct outfile output, recorded;
	struct exports exports;
	uint64_t record_bytes;
	int record_err;	    /* why the recording ended before the watch; its limit is no error */
	int command_status; /* of run's command: dbleak's own where nothing leaks */
	struct capture *capture;
	FILE *out;	       /* of the report */
	struct stream *stream; /* of --events, in its place; NULL: a report */
	int stream_err;	       /* why the stream ended before the watch */
	struct watchdog watchdog;
	struct notify notify; /* of a watch that is a service */
	struct progress progress;
	uint64_t met;	      /* processes that were told of before the watch began */
	pthread_mutex_t lock; /* of the model, while records come */
	/* The recording's lock: taken before that of the model, and held as long as a slow disk
	 * takes. */
	pthread_mutex_t record_lock;
	unsigned int interrupts; /* how often we were asked to stop */
	uint64_t last_ns;	 /* of the last record */
	bool begun;		 /* the model knows of which host and when: it can be judged */
	bool watching;		 /* everything is open: the recording is worth its place */
	bool records_only;	 /* nothing is to be reported */
	/* Called by live_work after each look at the kernel, some ten times a second, in its
	 * thread: the model may be read.  0 to go on, 1 to end the watch, or -errno.  NULL:
	 * nothing. */
	int (*step)(struct live *l, void *context);
	/* Called by live_open when all else is open and the rights are still there: -1 to go on,
	 * or the status to exit with.  NULL: nothing. */
	int (*opened)(struct live *l, void *context);
	void *step_context; /* of both */
	/* Called in any thread before the process ends without its main thread.  NULL: nothing. */
	void (*leave)(void);
	/* A recording that nobody has asked for yet: its file takes its place only if
	 * live_keep_recording has said so.  NULL: none. */
	const char *spare_record;
	int spare_err; /* why it cannot be kept, 0 it can */
	bool spare_kept;
};

/* Opens everything up to the attached probes.  Returns -1 to go on, or the status to exit with
 * (the reason is on standard error).  Call live_close also after a failure. */
int live_open(struct live *l, struct options *o, enum ev_mode mode, FILE *out);
/* Says on standard error what is watched, for how long, and how it ends (not with -q). */
void live_tell_begin(const struct live *l);
/* Works until the time is over (0: no limit), we are asked to stop, or stop says so.  0 or
 * -errno. */
int live_work(struct live *l, double duration_s, bool (*stop)(struct live *l, void *context, int),
	      void *context);
/* Last look; from now on the report is due.  0 or -errno. */
int live_finish(struct live *l);
/* Last look, report, recording's end.  Returns the exit status. */
int live_report(struct live *l);
/* Instead of live_report when there was nothing to watch: no report, and no recording. */
void live_discard(struct live *l);
/* Decides whether the spare recording, which has all since the watch began, is kept at the end. */
void live_keep_recording(struct live *l, bool keep);
/* Puts the recording in its place: 0 or -errno, also of what ended it before. */
int live_end_recording(struct live *l);
/* Says on standard error why the recording cannot be written.  Returns the exit status. */
int live_fail_recording(const struct live *l, int err);
void live_close(struct live *l);

#endif
