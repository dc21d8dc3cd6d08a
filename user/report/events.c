/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * events.c - see events.h.
 */
#include "user/report/events.h"

#include <errno.h>
#include <stdlib.h>

#include "user/report/changes.h"
#include "user/report/json.h"
#include "user/report/json_finding.h"

#define COUNT(array)	  (sizeof(array) / sizeof((array)[0]))
#define HEARTBEAT_SECONDS 60

struct events {
	struct changes *changes;
	bool begun;
	double last_seconds; /* of the watch, at the latest line */
};

/* One step: where its lines go, and of which view they are. */
struct event_telling {
	struct events *events;
	const struct report_view *view;
	FILE *out;
};

struct events *events_open(void)
{
	struct events *e = calloc(1, sizeof(*e));

	if (e)
		e->changes = changes_open();
	if (e && e->changes)
		return e;
	free(e);
	return NULL;
}

void events_close(struct events *e)
{
	if (!e)
		return;
	changes_close(e->changes);
	free(e);
}

/* --- a line ------------------------------------------------------------------------------- */

/* ASCII only, as in the report.  Takes over the object. */
static int write_line(FILE *out, json_t *line)
{
	int failed;

	if (!line)
		return -ENOMEM;
	errno = 0;
	failed = json_dumpf(line, out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
	json_decref(line);
	if (failed || fputc('\n', out) == EOF)
		return errno ? -errno : -EIO;
	return 0;
}

static json_t *line_time(const struct report_view *v)
{
	if (!v->start_realtime_ns)
		return json_null();
	return json_time(v->start_realtime_ns + (uint64_t)(v->seconds * 1e9));
}

/* Writes a line: its head, and the keys of body, which it takes over. */
static int tell_line(const struct event_telling *t, const char *type, json_t *body)
{
	const struct json_pair head[] = {
		{"schema", json_text("dbleak.events/1")},
		{"type", json_text(type)},
		{"time", line_time(t->view)},
		{"seconds", json_number(t->view->seconds)},
	};
	json_t *line = json_object_of(head, COUNT(head));

	t->events->last_seconds = t->view->seconds;
	if (!body || (line && json_object_update(line, body))) {
		json_decref(line);
		line = NULL;
	}
	json_decref(body);
	return write_line(t->out, line);
}

/* --- what changes ------------------------------------------------------------------------- */

static const char *change_name(enum change_kind kind)
{
	static const char *const names[] = {
		[CHANGE_NEW] = "new", [CHANGE_CHANGED] = "changed", [CHANGE_ENDED] = "ended"};

	return names[kind];
}

static json_t *json_changes(unsigned int what)
{
	static const char *const names[CHANGE_WHATS] = {"verdict", "confidence", "open",
							"bytes",   "site",	 "facts"};
	json_t *array = json_array();

	for (unsigned int i = 0; i < CHANGE_WHATS; i++)
		if (what & 1U << i)
			array = json_array_with(array, json_text(names[i]));
	return array;
}

static int tell_process(void *context, const struct change *c)
{
	const struct process_view *p = c->process;
	const struct json_pair pairs[] = {
		{"event", json_text(change_name(c->kind))},
		{"changes", json_changes(c->what)},
		{"pid", json_count(p->pid)},
		{"comm", json_text(p->comm)},
		{"cmdline", json_text(p->cmdline)},
		{"exe", json_known_text(p->exe)},
		{"unit", json_known_text(p->unit)},
		{"ppid", json_positive(p->parent_pid)},
		{"uid", p->uid == UNKNOWN32 ? json_null() : json_count(p->uid)},
		{"start", json_time(p->start_realtime_ns)},
		{"exited", json_boolean(p->exited)},
		{"role", json_text(role_name(p->role))},
		{"verdict", json_text(verdict_name(p->verdict))},
		{"verdict_reason", json_text(p->verdict_reason)},
		{"runtime", json_known_text(p->runtime)},
		{"container", json_known_text(p->container_name)},
		{"container_id", json_known_text(p->container_id)},
		{"pod", json_known_text(p->pod)},
		{"namespace", json_known_text(p->pod_namespace)},
		{"image", json_known_text(p->image)},
	};

	return tell_line(context, "process", json_object_of(pairs, COUNT(pairs)));
}

/* The keys that a line about a finding has besides the finding itself. */
static json_t *json_of_change(const struct change *c)
{
	const struct process_view *p = c->process;
	const struct json_pair pairs[] = {
		{"event", json_text(change_name(c->kind))},
		{"changes", json_changes(c->what)},
		{"fingerprint_before", json_text(c->before)},
		{"start", json_time(c->told->start_realtime_ns)},
		{"pod", json_known_text(p ? p->pod : NULL)},
		{"namespace", json_known_text(p ? p->pod_namespace : NULL)},
		{"image", json_known_text(p ? p->image : NULL)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

/* The rest of a finding that the judge does not make any more. */
static json_t *json_told(const struct told_finding *told)
{
	const struct json_pair pairs[] = {
		{"pid", json_count(told->pid)},
		{"comm", json_text(told->comm)},
		{"exited", json_boolean(told->exited)},
		{"verdict", json_text(verdict_name(told->verdict))},
		{"confidence", json_text(confidence_name(told->confidence))},
		{"cause", json_text(cause_name(told->cause))},
		{"resource", json_text(resource_name(told->resource))},
		{"database", json_text(database_name(told->database))},
		{"fingerprint", json_text(told->fingerprint)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

/* A log cuts lines that are too long for it: journald does at 48 KB. */
static json_t *without_stacks(json_t *finding)
{
	static const char *const keys[] = {"waiters", "holder"};

	for (size_t i = 0; i < COUNT(keys); i++)
		json_array_clear(json_object_get(json_object_get(finding, keys[i]), "stack"));
	return finding;
}

static int tell_finding(void *context, const struct change *c)
{
	json_t *line = json_of_change(c);
	json_t *finding = c->finding ? without_stacks(json_flat_finding(c->process, c->finding))
				     : json_told(c->told);
	bool failed = !line || !finding || json_object_update(line, finding);

	json_decref(finding);
	if (failed) {
		json_decref(line);
		line = NULL;
	}
	return tell_line(context, "finding", line);
}

static int tell_gap(void *context, const struct gap_view *gap)
{
	const struct json_pair pairs[] = {
		{"pid", json_positive(gap->pid)},
		{"comm", json_known_text(gap->comm)},
		{"reason", json_text(gap->reason)},
	};

	return tell_line(context, gap->withdrawn ? "withdrawn" : "gap",
			 json_object_of(pairs, COUNT(pairs)));
}

/* --- begin, heartbeat, end ---------------------------------------------------------------- */

static int tell_begin(const struct event_telling *t)
{
	const struct json_pair pairs[] = {
		{"window", json_window(t->view)},
		{"host", json_host(t->view)},
		{"dbleak", json_dbleak(t->view)},
	};

	return tell_line(t, "begin", json_object_of(pairs, COUNT(pairs)));
}

static json_t *open_findings(const struct event_telling *t)
{
	return json_count(changes_open_findings(t->events->changes));
}

static int tell_heartbeat(const struct event_telling *t)
{
	const struct json_pair pairs[] = {
		{"processes", json_count(t->view->process_count)},
		{"findings", open_findings(t)},
		{"losses", json_losses(t->view)},
		{"cost", json_cost(t->view)},
	};

	return tell_line(t, "heartbeat", json_object_of(pairs, COUNT(pairs)));
}

static int tell_end(const struct event_telling *t)
{
	const struct json_pair pairs[] = {
		{"window", json_window(t->view)}, {"summary", json_summary(t->view)},
		{"findings", open_findings(t)},	  {"losses", json_losses(t->view)},
		{"cost", json_cost(t->view)},
	};

	return tell_line(t, "end", json_object_of(pairs, COUNT(pairs)));
}

static int tell_changes(struct event_telling *t)
{
	const struct change_sink sink = {
		.process = tell_process, .finding = tell_finding, .gap = tell_gap, .context = t};
	int err = t->events->begun ? 0 : tell_begin(t);

	t->events->begun = true;
	return err ? err : changes_step(t->events->changes, t->view, &sink);
}

int events_step(struct events *e, const struct report_view *v, FILE *out)
{
	struct event_telling t = {e, v, out};
	int err = tell_changes(&t);

	if (!err && v->seconds - e->last_seconds >= HEARTBEAT_SECONDS)
		err = tell_heartbeat(&t);
	return err;
}

int events_end(struct events *e, const struct report_view *v, FILE *out)
{
	struct event_telling t = {e, v, out};
	int err = tell_changes(&t);

	return err ? err : tell_end(&t);
}
