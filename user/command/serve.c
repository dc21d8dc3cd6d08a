/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * serve.c - dbleak serve: watch until told to end, and tell over HTTP what is seen.
 *
 * To add a page, write a function that writes it and add its row to pages.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/rights.h"
#include "user/command/command.h"
#include "user/command/live.h"
#include "user/command/parse.h"
#include "user/judge/held.h"
#include "user/judge/timeline.h"
#include "user/report/html.h"
#include "user/report/json.h"
#include "user/report/metrics.h"
#include "user/serve/publisher.h"
#include "user/system/clock.h"

#define FRESH_MS 1000  /* at least, so that readers cannot make cost */
#define STILL_MS 10000 /* a watch that has not moved for so long hangs */

struct serving {
	struct live *live;
	struct publisher *publisher;
	struct metrics_totals *totals; /* of the thread that writes pages */
	struct listen_address address;
	struct access_token token;
	_Atomic uint64_t moved_ms; /* when the watch went on; 0: it has not begun */
};

/* --- pages: called in the thread of the server -------------------------------------------- */

/* With the lock of the model held.  NULL: the watch has not begun. */
static struct report_view *judge_now(const struct live *l)
{
	struct report_view *v = l->begun ? judge_view(l->model, &l->options->library) : NULL;

	if (v)
		v->cut = false; /* it goes on */
	return v;
}

static struct report_view *serve_view(struct serving *s)
{
	struct live *l = s->live;
	struct report_view *v;

	pthread_mutex_lock(&l->lock);
	v = judge_now(l);
	pthread_mutex_unlock(&l->lock);
	return v;
}

static int write_metrics(FILE *out, struct serving *s, enum metrics_format format)
{
	struct report_view *v = serve_view(s);
	int err;

	if (!v)
		return -EAGAIN;
	err = report_metrics(out, v, format, s->totals);
	view_close(v);
	return err;
}

static int write_plain(FILE *out, void *context)
{
	return write_metrics(out, context, METRICS_PLAIN);
}

static int write_open(FILE *out, void *context)
{
	return write_metrics(out, context, METRICS_OPEN);
}

static int write_report(FILE *out, void *context)
{
	struct report_view *v = serve_view(context);
	int err;

	if (!v)
		return -EAGAIN;
	err = report_json(out, v);
	view_close(v);
	return err;
}

static int html_of(FILE *out, const struct live *l, const struct report_view *v)
{
	struct timeline *t = timeline_open(l->model, v, &l->options->library);
	struct held *held = held_open(l->model, v, &l->options->library);
	int err = t && held ? report_html(out, v, t, held) : -ENOMEM;

	held_close(held);
	timeline_close(t);
	return err;
}

/* The page shows strings of the model, so the watch waits until it is made, in memory. */
static int make_html(FILE *made, struct serving *s)
{
	struct live *l = s->live;
	struct report_view *v;
	int err;

	pthread_mutex_lock(&l->lock);
	v = judge_now(l);
	err = v ? html_of(made, l, v) : -EAGAIN;
	view_close(v);
	pthread_mutex_unlock(&l->lock);
	return err;
}

static int write_html(FILE *out, void *context)
{
	char *text = NULL;
	size_t size = 0;
	FILE *made = open_memstream(&text, &size);
	int err = made ? make_html(made, context) : -ENOMEM;

	if (made && fclose(made) && !err)
		err = -ENOMEM;
	if (!err && fwrite(text, 1, size, out) != size)
		err = -EIO;
	free(text);
	return err;
}

static int write_health(FILE *out, void *context)
{
	struct serving *s = context;
	uint64_t moved = s->moved_ms;

	if (moved && clock_monotonic_ms() - moved < STILL_MS)
		return fputs("ok\n", out) < 0 ? -EIO : 0;
	fputs(moved ? "the watch hangs\n" : "the watch has not begun\n", out);
	return -EAGAIN;
}

static const struct served_page pages[] = {
	{"/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8",
	 .accepted = "application/openmetrics-text", .write = write_open},
	{"/metrics", "text/plain; version=0.0.4; charset=utf-8", .write = write_plain},
	{"/report", "application/json", .write = write_report},
	/* The page holds its own policy, with the digests of its script and style. */
	{"/html", "text/html; charset=utf-8", .policy = "", .write = write_html},
	{"/healthz", "text/plain; charset=utf-8", .open = true, .write = write_health},
};
static const struct page_table table = {pages, sizeof(pages) / sizeof(pages[0])};

_Static_assert(sizeof(pages) / sizeof(pages[0]) <= PAGES_MOST, "PAGES_MOST");

/* --- the command -------------------------------------------------------------------------- */

static int serve_refuse(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "dbleak: --%s %s: %s\n", option, value, why);
	return 2;
}

/* The rule of who may connect.  -1, or the exit status. */
static int choose_guests(struct serving *s, const struct options *o)
{
	const char *why;

	if (!listen_parse(&s->address, o->listen))
		return serve_refuse("listen", o->listen,
				    "not ADDRESS:PORT with an address in numbers, nor unix:/PATH");
	why = o->token_file ? token_load(&s->token, o->token_file) : NULL;
	if (why)
		return serve_refuse("token-file", o->token_file, why);
	if (s->token.length || s->address.loopback || *s->address.path)
		return -1;
	return serve_refuse("listen", o->listen,
			    "other hosts can connect to it: that needs --token-file FILE");
}

/* Starts the process that serves, while there is no thread and no file of the watch. */
static int open_server(struct serving *s, const struct options *o)
{
	struct http_setup setup = {
		.address = &s->address,
		.table = &table,
		.token = &s->token,
		.fresh_ms = o->interval_s * 1000 > FRESH_MS ? (unsigned)(o->interval_s * 1000)
							    : FRESH_MS,
		.confine = rights_end_server,
	};
	uint16_t port;
	int err;

	setup.listening = listen_open(&s->address);
	if (setup.listening < 0)
		return serve_refuse("listen", o->listen, strerror(-setup.listening));
	port = listen_port(setup.listening);
	err = publisher_open(&s->publisher, &setup);
	explicit_bzero(&s->token, sizeof(s->token));
	if (err)
		return serve_refuse("listen", o->listen, strerror(-err));
	if (!o->quiet && port) /* the kernel's choice, where 0 was asked for */
		fprintf(stderr, "dbleak: serving at %.*s:%u: /metrics, /html, /report, /healthz\n",
			(int)(strrchr(o->listen, ':') - o->listen), o->listen, port);
	else if (!o->quiet)
		fprintf(stderr, "dbleak: serving at %s: /metrics, /html, /report, /healthz\n",
			o->listen);
	return -1;
}

static int serve_step(struct live *l, void *context)
{
	struct serving *s = context;

	(void)l;
	s->moved_ms = clock_monotonic_ms();
	if (publisher_is_alive(s->publisher))
		return 0;
	fputs("dbleak: the process that serves has ended\n", stderr);
	return 1;
}

/* The end: a report only where one was asked for. */
static int serve_end(struct live *l, const struct options *o)
{
	int status = o->output ? live_report(l) : live_finish(l) ? 2 : 0;

	watchdog_closing(&l->watchdog, status == 1 ? 0 : status);
	return status == 1 ? 0 : status; /* a leak is no failure of the service */
}

static int serve_watch(struct serving *s, struct options *o)
{
	struct live *l = s->live;
	int status, err;
	bool alive;

	l->server = publisher_pid(s->publisher);
	status = live_open(l, o, EV_MODE_WATCH, stdout);
	if (status >= 0)
		return status;
	err = publisher_begin(s->publisher, rights_end_thread, s);
	if (err)
		return serve_refuse("listen", o->listen, strerror(-err));
	l->records_only = !o->output;
	l->step = serve_step;
	l->step_context = s;
	live_work(l, o->duration_s, NULL, NULL);
	alive = publisher_is_alive(s->publisher);
	publisher_close(s->publisher);
	s->publisher = NULL;
	status = serve_end(l, o);
	return status || alive ? status : 2;
}

int command_serve(int argc, char **argv)
{
	struct options o;
	static struct live l; /* the thread of its watchdog may outlive this function */
	static struct serving s;
	int status = options_parse(&o, argc, argv, COMMAND_SERVE);

	s.live = &l;
	s.totals = metrics_totals_open();
	if (status < 0 && o.next < argc)
		status = options_stray(COMMAND_SERVE, argv[o.next]);
	if (status < 0)
		status = choose_guests(&s, &o);
	if (status < 0) {
		rights_begin();
		status = open_server(&s, &o);
	}
	if (status < 0)
		status = serve_watch(&s, &o);
	publisher_close(s.publisher);
	listen_remove(&s.address);
	live_close(&l);
	metrics_totals_close(s.totals);
	options_free(&o);
	return status;
}
