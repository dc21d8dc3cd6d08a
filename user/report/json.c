/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * json.c - the report for programs: the contract dbleak.report/1.
 *
 * Objects are lists of pairs in the contract's order.  A value that could not be made is NULL and
 * makes all that holds it NULL, so one check at the end sees every lack of memory.
 */
#include "user/report/json.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <time.h>

#include "user/base/json_value.h"

#define NS_PER_SECOND 1000000000ULL
#define NS_PER_MS     1000000ULL
#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))

struct pair {
	const char *key;
	json_t *value;
};

/* Takes over the values. */
static json_t *json_object_of(const struct pair *pairs, size_t count)
{
	json_t *object = json_object();
	bool failed = !object;

	for (size_t i = 0; i < count; i++)
		if (failed || json_object_set_new_nocheck(object, pairs[i].key, pairs[i].value)) {
			json_decref(failed ? pairs[i].value : NULL);
			failed = true;
		}
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

/* Rounds to milliseconds, which is more than dbleak knows. */
static json_t *json_number(double value)
{
	if (!isfinite(value) || value < 0)
		return json_null();
	if (value < 1e12)
		value = (double)(uint64_t)(value * 1000 + 0.5) / 1000;
	return json_real(value);
}

static json_t *json_whole_seconds(double value)
{
	if (!isfinite(value) || value < 0)
		return json_null();
	return json_integer(value < 1e18 ? (json_int_t)(value + 0.5) : LLONG_MAX);
}

static json_t *json_time(uint64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / NS_PER_SECOND);
	char text[64], date[32];
	struct tm tm;

	if (!realtime_ns || realtime_ns == UNKNOWN64 || !gmtime_r(&seconds, &tm))
		return json_null();
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", date,
		 (unsigned)(realtime_ns % NS_PER_SECOND / NS_PER_MS));
	return json_string(text);
}

static json_t *json_container(const struct process_view *p)
{
	if (!p->runtime || !*p->runtime)
		return json_null();

	const struct pair pairs[] = {
		{"runtime", json_text(p->runtime)},
		{"id", json_text(p->container_id)},
		{"name", json_text(p->container_name)},
		{"pod", json_null()},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_connections(const struct endpoint_view *e)
{
	const struct pair pairs[] = {
		{"open", json_count(e->connections.open)},
		{"peak", json_count(e->connections.peak)},
		{"opened", json_count(e->connections.opened)},
		{"closed", json_count(e->connections.closed)},
		{"pre_existing", json_count(e->connections.pre_existing)},
		{"idle", json_count(e->connections.idle)},
		{"in_transaction", json_count(e->connections.in_transaction)},
		{"close_wait", json_count(e->connections.close_wait)},
		{"oldest_idle_seconds", json_number(e->oldest_idle_seconds)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_statements(const struct endpoint_view *e)
{
	const struct pair pairs[] = {
		{"open", json_count(e->statements.open)},
		{"prepared", json_count(e->statements.prepared)},
		{"closed", json_count(e->statements.closed)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_transactions(const struct endpoint_view *e)
{
	const struct pair pairs[] = {
		{"begun", json_count(e->transactions.begun)},
		{"committed", json_count(e->transactions.committed)},
		{"rolled_back", json_count(e->transactions.rolled_back)},
		{"open", json_count(e->transactions.open)},
		{"abandoned", json_count(e->transactions.abandoned)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_endpoint(const struct endpoint_view *e)
{
	const struct pair pairs[] = {
		{"database", json_text(database_name(e->database))},
		{"address", json_text(e->address)},
		{"name", json_text(e->name)},
		{"user", json_text(e->user)},
		{"guessed", json_boolean(e->guessed)},
		{"connections", json_connections(e)},
		{"statements", json_statements(e)},
		{"transactions", json_transactions(e)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_evidence(const struct finding_view *f)
{
	json_t *array = json_array();

	for (size_t i = 0; i < f->evidence_count; i++)
		array = json_array_with(array, json_text(f->evidence[i]));
	return array;
}

/* value 0: not known. */
static json_t *json_bound(double value)
{
	return value > 0 ? json_whole_seconds(value) : json_null();
}

static json_t *json_exhausts(const struct finding_view *f)
{
	if (!f->exhausts_limit)
		return json_null();

	const struct pair pairs[] = {
		{"limit", json_text(f->exhausts_limit)},
		{"in_seconds", json_whole_seconds(f->exhausts_seconds)},
		{"earliest_seconds", json_bound(f->exhausts_earliest)},
		{"latest_seconds", json_bound(f->exhausts_latest)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_positive(uint64_t n)
{
	return n ? json_count(n) : json_null();
}

static json_t *json_line_exact(const struct frame_view *f)
{
	return f->line ? json_boolean(!(f->flags & EV_FRAME_DEFINED)) : json_null();
}

static json_t *json_site(const struct frame_view *f)
{
	if (!f)
		return json_null();

	const struct pair pairs[] = {
		{"language", json_text(language_name(f->language))},
		{"function", json_text(f->function)},
		{"file", json_text(f->file)},
		{"line", json_positive(f->line)},
		{"column", json_positive(f->column)},
		{"line_exact", json_line_exact(f)},
		{"module", json_text(f->module)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_frame(const struct frame_view *f)
{
	const struct pair pairs[] = {
		{"language", json_text(language_name(f->language))},
		{"function", json_text(f->function)},
		{"file", json_text(f->file)},
		{"line", json_positive(f->line)},
		{"line_exact", json_line_exact(f)},
		{"module", json_text(f->module)},
		{"build_id", json_text(f->build_id)},
		{"offset", json_positive(f->offset)},
		{"inlined", json_boolean(f->flags & EV_FRAME_INLINED)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_stack(const struct finding_view *f)
{
	json_t *array = json_array();

	for (size_t i = 0; i < f->stack_count; i++)
		array = json_array_with(array, json_frame(&f->stack[i]));
	return array;
}

/* The memory that a finding costs; null where nothing is known of it. */
static json_t *json_cost_in_memory(const struct finding_view *f)
{
	const struct memory_cost *m = &f->memory;

	if (m->tier == EV_TIER_OFF)
		return json_null();

	const struct pair pairs[] = {
		{"tier", json_text(tier_name(m->tier))},
		{"held_bytes", m->placed ? json_count(m->held) : json_null()},
		{"error_bytes", m->placed ? json_count(m->error) : json_null()},
		{"at_least", json_boolean(m->at_least)},
		{"process_grown_bytes", json_positive(m->grown)},
		{"in_seconds", m->grown ? json_number(m->seconds) : json_null()},
		{"bytes_per_minute", json_number(m->per_minute)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_finding(const struct finding_view *f)
{
	const struct pair pairs[] = {
		{"verdict", json_text(verdict_name(f->verdict))},
		{"confidence", json_text(confidence_name(f->confidence))},
		{"cause", json_text(cause_name(f->cause))},
		{"kind", json_text(kind_name(f->kind))},
		{"resource", json_text(resource_name(f->resource))},
		{"database", json_text(database_name(f->database))},
		{"endpoint", json_text(f->endpoint)},
		{"acquired", json_count(f->acquired)},
		{"released", json_count(f->released)},
		{"open", json_count(f->open)},
		{"in_transaction", json_count(f->in_transaction)},
		{"oldest_seconds", json_number(f->oldest_seconds)},
		{"oldest_is_minimum", json_boolean(f->oldest_is_minimum)},
		{"growth_per_minute", json_number(f->growth_per_minute)},
		{"bytes", json_count(f->bytes)},
		{"memory", json_cost_in_memory(f)},
		{"rows", json_count(f->rows)},
		{"rows_exact", f->rows == UNKNOWN64 ? json_null() : json_boolean(f->rows_exact)},
		{"site", json_site(f->site)},
		{"stack", json_stack(f)},
		{"sql", json_text(f->sql)},
		{"evidence", json_evidence(f)},
		{"advice", json_text(f->advice)},
		{"exhausts", json_exhausts(f)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_memory_site(const struct memory_site_view *m)
{
	const struct pair pairs[] = {
		{"tier", json_text(tier_name(m->tier))},
		{"site", json_site(m->site)},
		{"object", json_text(m->object)},
		{"held_bytes", json_count(m->held)},
		{"error_bytes", json_count(m->error)},
		{"taken_bytes", json_count(m->taken_bytes)},
		{"taken", json_count(m->taken)},
		{"freed", json_count(m->freed)},
		{"at_least", json_boolean(m->flags & EV_MEMORY_LOWER_BOUND)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_memory_sites(const struct memory_view *m)
{
	json_t *array = json_array();

	for (size_t i = 0; i < m->site_count; i++)
		array = json_array_with(array, json_memory_site(&m->sites[i]));
	return array;
}

static json_t *json_limit(const struct memory_view *m)
{
	return m->limit == UNKNOWN64 ? json_null() : json_text(limit_name(m->limit_kind));
}

static json_t *json_memory(const struct process_view *p)
{
	const struct memory_view *m = &p->memory;

	const struct pair pairs[] = {
		{"rss_start_bytes", json_count(p->rss_start)},
		{"rss_end_bytes", json_count(p->rss_end)},
		{"rss_peak_bytes", json_count(p->rss_peak)},
		{"tier", json_text(tier_name(m->tier))},
		{"anonymous_start_bytes", json_count(m->start)},
		{"anonymous_bytes", json_count(m->end)},
		{"anonymous_peak_bytes", json_count(m->peak)},
		{"swapped_bytes", json_count(m->swapped)},
		{"limit", json_limit(m)},
		{"limit_bytes", json_count(m->limit)},
		{"limit_used_bytes", json_count(m->limit_used)},
		{"sites", json_memory_sites(m)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_endpoints(const struct process_view *p)
{
	json_t *array = json_array();

	for (size_t i = 0; i < p->endpoint_count; i++)
		array = json_array_with(array, json_endpoint(&p->endpoints[i]));
	return array;
}

static json_t *json_findings(const struct process_view *p)
{
	json_t *array = json_array();

	for (size_t i = 0; i < p->finding_count; i++)
		array = json_array_with(array, json_finding(&p->findings[i]));
	return array;
}

/* A recording of a later version may hold roles and modes that this version does not know. */
static const char *role_name(enum ev_role role)
{
	static const char *const names[] = {
		[EV_ROLE_CLIENT] = "client",
		[EV_ROLE_POOLER] = "pooler",
		[EV_ROLE_SERVER] = "server",
	};

	return role < COUNT(names) ? names[role] : "unknown";
}

static json_t *json_process(const struct process_view *p)
{
	const struct pair pairs[] = {
		{"pid", json_count(p->pid)},
		{"comm", json_text(p->comm)},
		{"cmdline", json_text(p->cmdline)},
		{"exited", json_boolean(p->exited)},
		{"role", json_text(role_name(p->role))},
		{"container", json_container(p)},
		{"verdict", json_text(verdict_name(p->verdict))},
		{"verdict_reason", json_text(p->verdict_reason)},
		{"endpoints", json_endpoints(p)},
		{"memory", json_memory(p)},
		{"findings", json_findings(p)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_processes(const struct report_view *v)
{
	json_t *array = json_array();

	for (size_t i = 0; i < v->process_count; i++)
		array = json_array_with(array, json_process(&v->processes[i]));
	return array;
}

static const char *mode_name(enum ev_mode mode)
{
	static const char *const names[] = {
		[EV_MODE_WATCH] = "watch",
		[EV_MODE_RUN] = "run",
		[EV_MODE_SNAPSHOT] = "snapshot",
	};

	return mode < COUNT(names) ? names[mode] : "unknown";
}

static json_t *json_window(const struct report_view *v)
{
	const struct pair pairs[] = {
		{"start", json_time(v->start_realtime_ns)},
		{"seconds", json_number(v->seconds)},
		{"mode", json_text(mode_name(v->mode))},
		{"cut", json_boolean(v->cut)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_host(const struct report_view *v)
{
	const struct pair pairs[] = {
		{"kernel", json_text(v->kernel)},
		{"arch", json_text(v->arch)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_gap(const struct gap_view *gap)
{
	const struct pair pairs[] = {
		{"pid", gap->pid ? json_count(gap->pid) : json_null()},
		{"reason", json_text(gap->reason)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_gaps(const struct report_view *v)
{
	json_t *array = json_array();

	for (size_t i = 0; i < v->gap_count; i++)
		array = json_array_with(array, json_gap(&v->gaps[i]));
	return array;
}

/* The process that died at a probe.  A report without one does not have this key. */
static json_t *json_withdrawn(const struct gap_view *gap)
{
	const struct pair pairs[] = {
		{"pid", json_count(gap->pid)},
		{"comm", json_text(gap->comm)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_library(const struct library_view *library)
{
	const struct pair pairs[] = {
		{"path", json_text(library->path)},
		{"build_id", json_text(library->build_id)},
		{"probes", json_count(library->probes)},
		{"hits", json_count(library->hits)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_libraries(const struct report_view *v)
{
	json_t *array = json_array();

	for (size_t i = 0; i < v->library_count; i++)
		array = json_array_with(array, json_library(&v->libraries[i]));
	return array;
}

/* Processes that ended earlier and are not listed any more.  A report without them lacks this key.
 */
static json_t *json_ended_earlier(const struct report_view *v)
{
	const struct pair pairs[] = {
		{"processes", json_count(v->forgotten_processes)},
		{"connections", json_count(v->forgotten_connections)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_coverage(const struct report_view *v)
{
	const struct pair pairs[] = {
		{"processes", json_count(v->process_count)},
		{"libraries", json_libraries(v)},
		{"gaps", json_gaps(v)},
	};
	json_t *coverage = json_object_of(pairs, COUNT(pairs));

	if (coverage && v->gap_count && v->gaps[0].withdrawn &&
	    json_object_set_new_nocheck(coverage, "withdrawn", json_withdrawn(&v->gaps[0]))) {
		json_decref(coverage);
		return NULL;
	}
	if (v->forgotten_processes && coverage &&
	    json_object_set_new_nocheck(coverage, "ended_earlier", json_ended_earlier(v))) {
		json_decref(coverage);
		return NULL;
	}
	return coverage;
}

static json_t *json_losses(const struct report_view *v)
{
	const struct pair pairs[] = {
		{"ring_full", json_count(v->losses[EV_LOSS_RING_FULL])},
		{"map_full", json_count(v->losses[EV_LOSS_MAP_FULL])},
		{"read_fault", json_count(v->losses[EV_LOSS_READ_FAULT])},
		{"missed_return", json_count(v->losses[EV_LOSS_MISSED_RETURN])},
		{"truncated", json_count(v->losses[EV_LOSS_TRUNCATED])},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_cost(const struct report_view *v)
{
	const struct pair pairs[] = {
		{"cpu_percent", json_number(v->cpu_percent)},
		{"events", json_count(v->events)},
		{"rss_bytes", json_count(v->rss_bytes)},
		{"kernel_bytes", json_count(v->kernel_bytes)},
		{"stepped_down", json_boolean(v->stepped_down)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_report(const struct report_view *v)
{
	const struct pair pairs[] = {
		{"schema", json_text("dbleak.report/1")},
		{"window", json_window(v)},
		{"host", json_host(v)},
		{"coverage", json_coverage(v)},
		{"losses", json_losses(v)},
		{"cost", json_cost(v)},
		{"processes", json_processes(v)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

int report_json(FILE *out, const struct report_view *v)
{
	json_t *report = json_report(v);
	int failed;

	if (!report)
		return -ENOMEM;
	/* ASCII only: what a program put into its name must not reach a terminal raw. */
	errno = 0;
	failed = json_dumpf(report, out,
			    JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
	json_decref(report);
	if (failed || fputc('\n', out) == EOF || fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}
