/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * otlp.c - see otlp.h.
 *
 * Whole numbers are texts and enums are numbers, as the JSON of OTLP wants them.  Attributes that
 * are not known are left out.
 */
#include "user/report/otlp.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/json_value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum severity { SEVERITY_INFO = 9, SEVERITY_WARN = 13, SEVERITY_ERROR = 17 };

/* --- attributes --------------------------------------------------------------------------- */

/* Takes over the list and the value, also on failure. */
static json_t *attribute(json_t *list, const char *key, const char *type, json_t *value)
{
	const struct json_pair inner[] = {{type, value}};
	const struct json_pair pairs[] = {{"key", json_text(key)},
					  {"value", json_object_of(inner, COUNT(inner))}};

	return json_array_with(list, json_object_of(pairs, COUNT(pairs)));
}

static json_t *with_text(json_t *list, const char *key, const char *text)
{
	return text && *text ? attribute(list, key, "stringValue", json_text(text)) : list;
}

static json_t *with_count(json_t *list, const char *key, uint64_t n)
{
	char digits[24];

	if (n == UNKNOWN64)
		return list;
	snprintf(digits, sizeof(digits), "%" PRIu64, n);
	return attribute(list, key, "intValue", json_text(digits));
}

static json_t *with_number(json_t *list, const char *key, double value)
{
	if (!isfinite(value) || value < 0)
		return list;
	return attribute(list, key, "doubleValue", json_real(value));
}

static json_t *with_process(json_t *a, const struct process_view *p)
{
	a = with_text(a, "process.command_line", p->cmdline);
	a = with_text(a, "systemd.unit", p->unit);
	a = with_text(a, "container.id", p->container_id);
	a = with_text(a, "container.name", p->container_name);
	a = with_text(a, "k8s.pod.name", p->pod);
	return with_text(a, "k8s.namespace.name", p->pod_namespace);
}

static json_t *with_site(json_t *a, const struct frame_view *site)
{
	if (!site)
		return a;
	a = with_text(a, "code.file.path", site->file ? site->file : site->module);
	a = with_text(a, "code.function.name", site->function);
	return with_count(a, "code.line.number", site->line ? site->line : UNKNOWN64);
}

static json_t *with_finding(json_t *a, const struct finding_view *f)
{
	a = with_text(a, "db.system.name", database_name(f->database));
	a = with_text(a, "db.query.text", f->sql);
	a = with_text(a, "dbleak.endpoint", f->endpoint);
	a = with_text(a, "dbleak.confidence", confidence_name(f->confidence));
	a = with_text(a, "dbleak.resource", resource_name(f->resource));
	a = with_count(a, "dbleak.open", f->open);
	a = with_number(a, "dbleak.oldest_seconds", f->oldest_seconds);
	a = with_number(a, "dbleak.growth_per_minute", f->growth_per_minute);
	a = with_text(a, "dbleak.exhausts.limit", f->exhausts_limit);
	if (f->exhausts_limit)
		a = with_number(a, "dbleak.exhausts.in_seconds", f->exhausts_seconds);
	a = with_text(a, "dbleak.evidence", f->evidence_count ? f->evidence[0] : NULL);
	a = with_text(a, "dbleak.now", f->now);
	a = with_text(a, "dbleak.fix", f->advice);
	return with_site(a, f->site);
}

static json_t *attributes_of(const struct otlp_item *i)
{
	static const char *const events[] = {"dbleak.finding.new", "dbleak.finding.changed",
					     "dbleak.finding.ended"};
	json_t *a = with_text(json_array(), "event.name", events[i->event]);

	a = with_count(a, "process.pid", i->told.pid);
	a = with_text(a, "process.executable.name", i->told.comm);
	a = with_text(a, "dbleak.cause", cause_name(i->told.cause));
	a = with_text(a, "dbleak.verdict", verdict_name(i->told.verdict));
	a = with_text(a, "dbleak.fingerprint", i->told.fingerprint);
	if (i->process)
		a = with_process(a, i->process);
	return i->finding ? with_finding(a, i->finding) : a;
}

/* --- records ------------------------------------------------------------------------------ */

static enum severity severity_of(const struct otlp_item *i)
{
	if (i->event == CHANGE_ENDED || i->told.verdict < VERDICT_BIG)
		return SEVERITY_INFO;
	return i->told.verdict == VERDICT_LEAKING ? SEVERITY_ERROR : SEVERITY_WARN;
}

static const char *severity_text(enum severity s)
{
	return s == SEVERITY_ERROR ? "ERROR" : s == SEVERITY_WARN ? "WARN" : "INFO";
}

/* "leaking: unclosed-connection, python3[812]" */
static json_t *body_of(const struct otlp_item *i)
{
	struct json_pair body = {"stringValue", NULL};
	char text[256];

	snprintf(text, sizeof(text), "%s: %s, %s[%u]",
		 i->event == CHANGE_ENDED ? "ended" : verdict_name(i->told.verdict),
		 cause_name(i->told.cause), i->told.comm, i->told.pid);
	body.value = json_text(text);
	return json_object_of(&body, 1);
}

static json_t *time_of(const struct report_view *v)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64,
		 v->start_realtime_ns + (uint64_t)(v->seconds > 0 ? v->seconds * 1e9 : 0));
	return json_text(digits);
}

static json_t *record_of(const struct report_view *v, const struct otlp_item *i)
{
	enum severity severity = severity_of(i);
	const struct json_pair pairs[] = {
		{"timeUnixNano", time_of(v)},
		{"observedTimeUnixNano", time_of(v)},
		{"severityNumber", json_count(severity)},
		{"severityText", json_text(severity_text(severity))},
		{"body", body_of(i)},
		{"attributes", attributes_of(i)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *resource_of(const struct report_view *v)
{
	json_t *a = with_text(json_array(), "service.name", "dbleak");

	a = with_text(a, "service.version", v->version);
	a = with_text(a, "host.name", v->host_name);
	a = with_text(a, "host.arch", v->arch);

	const struct json_pair pairs[] = {{"attributes", a}};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *scope_logs(const struct report_view *v, const struct otlp_item *items, size_t count)
{
	const struct json_pair scope[] = {{"name", json_text("dbleak")},
					  {"version", json_text(v->version ? v->version : "")}};
	json_t *records = json_array();

	for (size_t i = 0; i < count; i++)
		records = json_array_with(records, record_of(v, &items[i]));

	const struct json_pair pairs[] = {{"scope", json_object_of(scope, COUNT(scope))},
					  {"logRecords", records}};

	return json_array_with(json_array(), json_object_of(pairs, COUNT(pairs)));
}

int otlp_items_add(struct otlp_items *out, const struct change *c)
{
	if (out->count == out->size) {
		size_t size = out->size ? 2 * out->size : 16;
		struct otlp_item *items = realloc(out->items, size * sizeof(*items));

		if (!items)
			return -ENOMEM;
		out->items = items;
		out->size = size;
	}
	out->items[out->count++] = (struct otlp_item){
		.event = c->kind, .process = c->process, .finding = c->finding, .told = *c->told};
	return 0;
}

int report_otlp(FILE *out, const struct report_view *v, const struct otlp_item *items, size_t count)
{
	const struct json_pair logs[] = {{"resource", resource_of(v)},
					 {"scopeLogs", scope_logs(v, items, count)}};
	const struct json_pair pairs[] = {
		{"resourceLogs", json_array_with(json_array(), json_object_of(logs, COUNT(logs)))}};
	json_t *request = json_object_of(pairs, COUNT(pairs));
	int failed;

	if (!request)
		return -ENOMEM;
	errno = 0;
	failed = json_dumpf(request, out,
			    JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
	json_decref(request);
	if (failed || fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}
