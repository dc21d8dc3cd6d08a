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
#include <string.h>
#include <time.h>

#include "user/base/json_value.h"
#include "user/report/json_finding.h"
#include "user/report/rank.h"

#define NS_PER_SECOND 1000000000ULL
#define NS_PER_MS     1000000ULL
#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))

json_t *json_time(uint64_t realtime_ns)
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

	const struct json_pair pairs[] = {
		{"runtime", json_text(p->runtime)},	    {"id", json_text(p->container_id)},
		{"name", json_text(p->container_name)},	    {"pod", json_text(p->pod)},
		{"namespace", json_text(p->pod_namespace)}, {"image", json_text(p->image)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_connections(const struct endpoint_view *e)
{
	const struct json_pair pairs[] = {
		{"open", json_count(e->connections.open)},
		{"peak", json_count(e->connections.peak)},
		{"opened", json_count(e->connections.opened)},
		{"closed", json_count(e->connections.closed)},
		{"pre_existing", json_count(e->connections.pre_existing)},
		{"idle", json_count(e->connections.idle)},
		{"in_transaction", json_count(e->connections.in_transaction)},
		{"close_wait", json_count(e->connections.close_wait)},
		{"oldest_idle_seconds", json_number(e->oldest_idle_seconds)},
		{"waiting", json_count(e->waiters.count)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_statements(const struct endpoint_view *e)
{
	const struct json_pair pairs[] = {
		{"open", json_count(e->statements.open)},
		{"prepared", json_count(e->statements.prepared)},
		{"closed", json_count(e->statements.closed)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_transactions(const struct endpoint_view *e)
{
	const struct json_pair pairs[] = {
		{"begun", json_count(e->transactions.begun)},
		{"committed", json_count(e->transactions.committed)},
		{"rolled_back", json_count(e->transactions.rolled_back)},
		{"open", json_count(e->transactions.open)},
		{"abandoned", json_count(e->transactions.abandoned)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

/* null where nobody is seen to wait for a connection. */
static json_t *json_pool(const struct endpoint_view *e)
{
	if (!e->waiters.count)
		return json_null();

	const struct json_pair pairs[] = {
		{"limit", json_null()},
		{"saturated", json_text(e->saturated)},
		{"waiters", json_waiters(&e->waiters)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_durations_class(const struct durations *d, size_t bound)
{
	const struct json_pair pairs[] = {
		{"at_most_seconds",
		 bound < DURATION_BOUNDS ? json_number(duration_bounds[bound]) : json_null()},
		{"count", json_count(durations_within(d, bound))},
	};

	return json_object_of(pairs, COUNT(pairs));
}

/* null where the time of no opening is known. */
static json_t *json_durations(const struct durations *d)
{
	json_t *classes;

	if (!durations_within(d, DURATION_BOUNDS))
		return json_null();
	classes = json_array();
	for (size_t i = 0; i <= DURATION_BOUNDS; i++)
		classes = json_array_with(classes, json_durations_class(d, i));

	const struct json_pair pairs[] = {
		{"count", json_count(durations_within(d, DURATION_BOUNDS))},
		{"sum_seconds", json_number((double)d->sum_ns / NS_PER_SECOND)},
		{"classes", classes},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_endpoint(const struct endpoint_view *e)
{
	const struct json_pair pairs[] = {
		{"database", json_text(database_name(e->database))},
		{"address", json_text(e->address)},
		{"name", json_text(e->name)},
		{"user", json_text(e->user)},
		{"guessed", json_boolean(e->guessed)},
		{"connections", json_connections(e)},
		{"statements", json_statements(e)},
		{"transactions", json_transactions(e)},
		{"pool", json_pool(e)},
		{"create_time", json_durations(&e->created)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_memory_site(const struct memory_site_view *m)
{
	const struct json_pair pairs[] = {
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

	const struct json_pair pairs[] = {
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
		array = json_array_with(array, json_finding(p, &p->findings[i]));
	return array;
}

/* A recording of a later version may hold roles and modes that this version does not know. */
const char *role_name(enum ev_role role)
{
	static const char *const names[] = {
		[EV_ROLE_CLIENT] = "client",
		[EV_ROLE_POOLER] = "pooler",
		[EV_ROLE_SERVER] = "server",
	};

	return role < COUNT(names) ? names[role] : "unknown";
}

json_t *json_known_text(const char *text)
{
	return text && *text ? json_text(text) : json_null();
}

/* The arguments that the command line shows. */
static json_t *json_argv(const char *cmdline)
{
	json_t *array = json_array();

	for (const char *at = cmdline; at && *at;) {
		size_t n = strcspn(at, " ");

		if (n)
			array = json_array_with(array, json_bytes(at, n));
		at += n + (at[n] == ' ');
	}
	return array;
}

static json_t *json_collections(const struct collections_view *c)
{
	const struct json_pair pairs[] = {
		{"source", json_text("usdt")},
		{"runtime", json_text(c->runtime)},
		{"full", json_count(c->full)},
		{"partial", json_count(c->partial)},
		{"seconds", json_number(c->seconds)},
		{"last_full_seconds",
		 c->last_full_seconds < 0 ? json_null() : json_number(c->last_full_seconds)},
		{"stopped", json_boolean(c->stopped)},
	};
	json_t *object = json_object_of(pairs, COUNT(pairs));

	if (c->known)
		return object;
	json_decref(object);
	return json_null();
}

static json_t *json_process(const struct process_view *p)
{
	const struct json_pair pairs[] = {
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
		{"ppid", json_positive(p->parent_pid)},
		{"uid", p->uid == UNKNOWN32 ? json_null() : json_count(p->uid)},
		{"start", json_time(p->start_realtime_ns)},
		{"exe", json_known_text(p->exe)},
		{"unit", json_known_text(p->unit)},
		{"argv", json_argv(p->cmdline)},
		{"collections", json_collections(&p->collections)},
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

json_t *json_window(const struct report_view *v)
{
	const struct json_pair pairs[] = {
		{"start", json_time(v->start_realtime_ns)},
		{"seconds", json_number(v->seconds)},
		{"mode", json_text(mode_name(v->mode))},
		{"cut", json_boolean(v->cut)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

json_t *json_host(const struct report_view *v)
{
	const struct json_pair pairs[] = {
		{"kernel", json_text(v->kernel)},
		{"arch", json_text(v->arch)},
		{"name", json_known_text(v->host_name)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

json_t *json_dbleak(const struct report_view *v)
{
	const struct json_pair pairs[] = {
		{"version", json_known_text(v->version)},
		{"selection", json_text(v->selection)},
		{"budget_percent", json_number(v->budget_percent)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_gap(const struct gap_view *gap)
{
	const struct json_pair pairs[] = {
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
	const struct json_pair pairs[] = {
		{"pid", json_count(gap->pid)},
		{"comm", json_text(gap->comm)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_library(const struct library_view *library)
{
	const struct json_pair pairs[] = {
		{"path", json_text(library->path)},
		{"build_id", json_text(library->build_id)},
		{"probes", json_count(library->probes)},
		{"hits", json_count(library->hits)},
		{"detached", json_boolean(library->detached)},
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
	const struct json_pair pairs[] = {
		{"processes", json_count(v->forgotten_processes)},
		{"connections", json_count(v->forgotten_connections)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_coverage(const struct report_view *v)
{
	const struct json_pair pairs[] = {
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

json_t *json_losses(const struct report_view *v)
{
	const struct json_pair pairs[] = {
		{"ring_full", json_count(v->losses[EV_LOSS_RING_FULL])},
		{"map_full", json_count(v->losses[EV_LOSS_MAP_FULL])},
		{"read_fault", json_count(v->losses[EV_LOSS_READ_FAULT])},
		{"missed_return", json_count(v->losses[EV_LOSS_MISSED_RETURN])},
		{"truncated", json_count(v->losses[EV_LOSS_TRUNCATED])},
	};

	return json_object_of(pairs, COUNT(pairs));
}

json_t *json_cost(const struct report_view *v)
{
	const struct json_pair pairs[] = {
		{"cpu_percent", json_number(v->cpu_percent)},
		{"events", json_count(v->events)},
		{"rss_bytes", json_count(v->rss_bytes)},
		{"kernel_bytes", json_count(v->kernel_bytes)},
		{"stepped_down", json_boolean(v->stepped_down)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

/* processes: what json_processes() made; its findings are shared. */
static json_t *json_flat_findings(const struct report_view *v, json_t *processes)
{
	json_t *array = json_array(), *finding;
	size_t j;

	for (size_t i = 0; i < json_array_size(processes); i++)
		json_array_foreach(json_object_get(json_array_get(processes, i), "findings"), j,
				   finding)
			array = json_array_with(array,
						json_flat_finding_of(&v->processes[i], finding));
	return array;
}

/* Seconds to the limit that is reached first; below 0: none is known. */
static double urgent_seconds(const struct report_view *v)
{
	double first = -1;

	for (size_t i = 0; i < v->process_count; i++) {
		const struct finding_view *f = rank_nearest(&v->processes[i]);

		if (f && (first < 0 || f->exhausts_seconds < first))
			first = f->exhausts_seconds;
	}
	return first;
}

/* The first question of scripts.  A snapshot accuses nobody, and a process that cannot be judged is
 * not well. */
json_t *json_summary(const struct report_view *v)
{
	uint64_t counts[VERDICT_LEAKING + 1] = {0};
	enum verdict worst = VERDICT_OK;

	for (size_t i = 0; i < v->process_count; i++) {
		counts[v->processes[i].verdict]++;
		if (v->processes[i].verdict > worst)
			worst = v->processes[i].verdict;
	}

	const struct json_pair pairs[] = {
		{"verdict", json_text(verdict_name(worst))},
		{"leaking", json_count(counts[VERDICT_LEAKING])},
		{"stuck", json_count(counts[VERDICT_STUCK])},
		{"big", json_count(counts[VERDICT_BIG])},
		{"bounded", json_count(counts[VERDICT_BOUNDED])},
		{"unknown", json_count(counts[VERDICT_UNKNOWN])},
		{"ok", json_count(counts[VERDICT_OK])},
		{"processes", json_count(v->process_count)},
		{"exit_status", json_integer(v->exit_status)},
		{"urgent_seconds", json_number(urgent_seconds(v))},
	};

	return json_object_of(pairs, COUNT(pairs));
}

/* null where no baseline was given. */
static json_t *json_baseline(const struct baseline_view *b)
{
	json_t *gone = json_array();

	for (size_t i = 0; i < b->gone_count; i++)
		gone = json_array_with(gone, json_text(b->gone[i]));
	if (!b->given) {
		json_decref(gone);
		return json_null();
	}

	const struct json_pair pairs[] = {
		{"known", json_count(b->known)},
		{"new", json_count(b->fresh)},
		{"gone", gone},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_report(const struct report_view *v)
{
	json_t *processes = json_processes(v);
	const struct json_pair pairs[] = {
		{"schema", json_text("dbleak.report/1")},
		{"window", json_window(v)},
		{"host", json_host(v)},
		{"coverage", json_coverage(v)},
		{"losses", json_losses(v)},
		{"cost", json_cost(v)},
		{"processes", processes},
		{"dbleak", json_dbleak(v)},
		{"summary", json_summary(v)},
		{"findings", json_flat_findings(v, processes)},
		{"baseline", json_baseline(&v->baseline)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

/* Few bytes at a time, and many: the lock of each call would take an eighth of the report's time.
 */
static int json_put(const char *bytes, size_t size, void *out)
{
	return fwrite_unlocked(bytes, 1, size, out) == size ? 0 : -1;
}

int report_json(FILE *out, const struct report_view *v)
{
	json_t *report = json_report(v);
	int failed;

	if (!report)
		return -ENOMEM;
	/* ASCII only: what a program put into its name must not reach a terminal raw. */
	errno = 0;
	failed = json_dump_callback(report, json_put, out,
				    JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
	json_decref(report);
	if (failed || fputc('\n', out) == EOF || fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}
