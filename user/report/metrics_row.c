/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics_row.c - see metrics_row.h.
 *
 * Gauges are of what runs: a process that has ended holds nothing any more.  Counters go on
 * counting it, so that they never fall.
 */
#include "user/report/metrics_row.h"

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static double counted(uint64_t n)
{
	return n == UNKNOWN64 ? NAN : (double)n;
}

/* Negative values of a view are not known. */
static double measured(double x)
{
	return isfinite(x) && x >= 0 ? x : NAN;
}

static double while_running(const struct metric_source *s, double value)
{
	return s->process->exited ? NAN : value;
}

/* Defines a row's function. */
#define SELF(name, value)                                 \
	static double name(const struct metric_source *s) \
	{                                                 \
		const struct report_view *v = s->view;    \
                                                          \
		return value;                             \
	}
#define CLIENT(name, value)                                \
	static double name(const struct metric_source *s)  \
	{                                                  \
		const struct process_view *p = s->process; \
                                                           \
		return while_running(s, value);            \
	}
#define POOL(name, value)                                    \
	static double name(const struct metric_source *s)    \
	{                                                    \
		const struct endpoint_view *e = s->endpoint; \
                                                             \
		return while_running(s, value);              \
	}
#define TOTAL(name, member)                               \
	static double name(const struct metric_source *s) \
	{                                                 \
		return counted(s->endpoint->member);      \
	}
#define FINDING(name, value)                               \
	static double name(const struct metric_source *s)  \
	{                                                  \
		const struct finding_view *f = s->finding; \
                                                           \
		return while_running(s, value);            \
	}

/* --- dbleak itself ------------------------------------------------------------------------ */

SELF(watch_seconds, measured(v->seconds))
SELF(cpu_ratio, measured(v->cpu_percent / 100))
SELF(budget_ratio, measured(v->budget_percent / 100))
SELF(resident_bytes, counted(v->rss_bytes ? v->rss_bytes : UNKNOWN64)) /* 0: not yet */
SELF(kernel_bytes, counted(v->kernel_bytes))
SELF(stepped_down, v->stepped_down)
SELF(gaps, counted(v->gap_count))
SELF(events, counted(v->events))
SELF(forgotten, counted(v->forgotten_processes))
SELF(lost_ring, counted(v->losses[EV_LOSS_RING_FULL]))
SELF(lost_map, counted(v->losses[EV_LOSS_MAP_FULL]))
SELF(lost_read, counted(v->losses[EV_LOSS_READ_FAULT]))
SELF(lost_return, counted(v->losses[EV_LOSS_MISSED_RETURN]))
SELF(lost_text, counted(v->losses[EV_LOSS_TRUNCATED]))

#define LOST \
	"dbleak_lost_records", NULL, "Records that dbleak lost, by reason.  Zero: all was seen."

static const struct metric_row self_rows[] = {
	{"dbleak_watch_seconds", "seconds", "Time since dbleak began to watch.",
	 .of = watch_seconds},
	{"dbleak_cpu_ratio", "ratio", "Cost of dbleak, in processors.", .of = cpu_ratio},
	{"dbleak_budget_ratio", "ratio", "Limit of that cost (--max-overhead).",
	 .of = budget_ratio},
	{"dbleak_resident_bytes", "bytes", "Memory of dbleak.", .of = resident_bytes},
	{"dbleak_kernel_bytes", "bytes", "Memory of dbleak in the kernel.", .of = kernel_bytes},
	{"dbleak_stepped_down", NULL, "1: dbleak gave up detail to keep its limit of cost.",
	 .of = stepped_down},
	{"dbleak_gaps", NULL, "Things that dbleak cannot see; /report names them.", .of = gaps},
	{"dbleak_events", NULL, "Events that the kernel reported.", .type = METRIC_COUNTER,
	 .of = events},
	{"dbleak_forgotten_processes", NULL, "Processes that ended long ago and are dropped.",
	 .type = METRIC_COUNTER, .of = forgotten},
	{LOST, "reason=\"ring_full\"", .type = METRIC_COUNTER, .of = lost_ring},
	{LOST, "reason=\"map_full\"", .type = METRIC_COUNTER, .of = lost_map},
	{LOST, "reason=\"read_fault\"", .type = METRIC_COUNTER, .of = lost_read},
	{LOST, "reason=\"missed_return\"", .type = METRIC_COUNTER, .of = lost_return},
	{LOST, "reason=\"truncated\"", .type = METRIC_COUNTER, .of = lost_text},
};

/* --- processes ---------------------------------------------------------------------------- */

/* Few processes have each verdict, and a series is made only where there are some. */
static double have(const struct process_view *p, enum verdict verdict)
{
	return p->verdict == verdict ? 1 : NAN;
}

CLIENT(are_ok, have(p, VERDICT_OK))
CLIENT(are_unknown, have(p, VERDICT_UNKNOWN))
CLIENT(are_bounded, have(p, VERDICT_BOUNDED))
CLIENT(are_big, have(p, VERDICT_BIG))
CLIENT(are_stuck, have(p, VERDICT_STUCK))
CLIENT(are_leaking, have(p, VERDICT_LEAKING))
CLIENT(process_resident, counted(p->rss_end))
CLIENT(process_anonymous, counted(p->memory.end))

#define PROCESSES "dbleak_processes", NULL, "Running processes that use a database, by verdict."

static const struct metric_row client_rows[] = {
	{PROCESSES, "verdict=\"ok\"", .of = are_ok},
	{PROCESSES, "verdict=\"unknown\"", .of = are_unknown},
	{PROCESSES, "verdict=\"bounded\"", .of = are_bounded},
	{PROCESSES, "verdict=\"big\"", .of = are_big},
	{PROCESSES, "verdict=\"stuck\"", .of = are_stuck},
	{PROCESSES, "verdict=\"leaking\"", .of = are_leaking},
	{"dbleak_process_resident_bytes", "bytes", "Resident memory of these processes.",
	 .of = process_resident},
	{"dbleak_process_anonymous_bytes", "bytes", "Memory of these processes that no file backs.",
	 .of = process_anonymous},
};

/* --- connections -------------------------------------------------------------------------- */

static double used_of(const struct endpoint_view *e)
{
	if (e->connections.idle == UNKNOWN64)
		return counted(e->connections.open);
	return counted(e->connections.open - e->connections.idle);
}

POOL(pool_idle, counted(e->connections.idle))
POOL(pool_used, used_of(e))
/* A pool whose size nobody knows is full when somebody waits and all are held. */
POOL(pool_most, e->saturated ? counted(e->connections.open) : NAN)
POOL(pool_pending, counted(e->waiters.count))
POOL(in_transaction, counted(e->connections.in_transaction))
POOL(close_wait, counted(e->connections.close_wait))
POOL(oldest_idle, measured(e->oldest_idle_seconds))
POOL(longest_wait, e->waiters.count ? measured(e->waiters.oldest_seconds) : NAN)
POOL(statements_open, counted(e->statements.open))
TOTAL(opened, connections.opened)
TOTAL(closed, connections.closed)
TOTAL(prepared, statements.prepared)
TOTAL(unprepared, statements.closed)
TOTAL(begun, transactions.begun)
TOTAL(committed, transactions.committed)
TOTAL(rolled_back, transactions.rolled_back)
TOTAL(abandoned, transactions.abandoned)

#define SEMANTIC_COUNT                                                                             \
	"db_client_connection_count", NULL,                                                        \
		"Open connections.  idle: no request waits for its answer, and no transaction is " \
		"open."
#define ENDED "dbleak_transactions_ended", NULL, "Transactions that ended, by how."

static const struct metric_row pool_rows[] = {
	{SEMANTIC_COUNT, "db_client_connection_state=\"idle\"", .semantic = true, .of = pool_idle},
	{SEMANTIC_COUNT, "db_client_connection_state=\"used\"", .semantic = true, .of = pool_used},
	{"db_client_connection_max", NULL,
	 "Size of the pool, known while all its connections are held and somebody waits.",
	 .semantic = true, .of = pool_most},
	{"db_client_connection_pending_requests", NULL,
	 "Threads and tasks that wait for a connection of the pool.", .semantic = true,
	 .of = pool_pending},
	{"dbleak_connections_in_transaction", NULL, "Open connections inside a transaction.",
	 .of = in_transaction},
	{"dbleak_connections_close_wait", NULL, "Open connections that the server has closed.",
	 .of = close_wait},
	{"dbleak_connections_oldest_idle_seconds", "seconds",
	 "Age of the use of the longest unused open connection.", .merge = METRIC_MOST,
	 .of = oldest_idle},
	{"dbleak_waiting_longest_seconds", "seconds",
	 "Time that the longest waiter has waited for a connection.", .merge = METRIC_MOST,
	 .of = longest_wait},
	{"dbleak_statements_open", NULL, "Prepared statements that are open.",
	 .of = statements_open},
	{"dbleak_connections_opened", NULL, "Connections opened.", .type = METRIC_COUNTER,
	 .of = opened},
	{"dbleak_connections_closed", NULL, "Connections closed.", .type = METRIC_COUNTER,
	 .of = closed},
	{"dbleak_statements_prepared", NULL, "Statements prepared.", .type = METRIC_COUNTER,
	 .of = prepared},
	{"dbleak_statements_closed", NULL, "Prepared statements closed.", .type = METRIC_COUNTER,
	 .of = unprepared},
	{"dbleak_transactions_begun", NULL, "Transactions begun.", .type = METRIC_COUNTER,
	 .of = begun},
	{ENDED, "how=\"committed\"", .type = METRIC_COUNTER, .of = committed},
	{ENDED, "how=\"rolled_back\"", .type = METRIC_COUNTER, .of = rolled_back},
	{ENDED, "how=\"abandoned\"", .type = METRIC_COUNTER, .of = abandoned},
};

/* --- findings ----------------------------------------------------------------------------- */

FINDING(finding_one, f ? 1 : NAN)
FINDING(finding_objects, counted(f->open))
FINDING(finding_oldest, measured(f->oldest_seconds))
FINDING(finding_growth, measured(f->growth_per_minute / 60))
FINDING(finding_exhausts, f->exhausts_limit ? measured(f->exhausts_seconds) : NAN)
FINDING(finding_held,
	f->memory.tier != EV_TIER_OFF && f->memory.placed ? counted(f->memory.held) : NAN)
FINDING(finding_waiting, f->waiters.count ? (double)f->waiters.count : NAN)

static const struct metric_row finding_rows[] = {
	{"dbleak_findings", NULL, "Findings of running processes; /report tells all of each.",
	 .of = finding_one},
	{"dbleak_finding_objects", NULL, "Objects that are held and should not be.",
	 .of = finding_objects},
	{"dbleak_finding_oldest_seconds", "seconds", "Age of the oldest of them.",
	 .merge = METRIC_MOST, .of = finding_oldest},
	{"dbleak_finding_growth_per_second", NULL, "More of them each second.",
	 .of = finding_growth},
	{"dbleak_finding_exhausts_seconds", "seconds",
	 "Time until a limit (connections, open files, memory) is reached.", .merge = METRIC_LEAST,
	 .of = finding_exhausts},
	{"dbleak_finding_held_bytes", "bytes", "Memory taken at that place and not given back.",
	 .of = finding_held},
	{"dbleak_finding_waiting", NULL, "Threads and tasks that wait because of the finding.",
	 .of = finding_waiting},
};

/* --- endpoints ---------------------------------------------------------------------------- */

/* In seconds; what nobody measured has no samples. */
static double created_within(const struct metric_source *s, size_t bound)
{
	const struct durations *d = &s->endpoint->created;

	return durations_within(d, DURATION_BOUNDS) ? counted(durations_within(d, bound)) : NAN;
}

static double created_sum(const struct metric_source *s)
{
	return durations_within(&s->endpoint->created, DURATION_BOUNDS)
		       ? (double)s->endpoint->created.sum_ns / 1e9
		       : NAN;
}

#define WITHIN(name, bound)                               \
	static double name(const struct metric_source *s) \
	{                                                 \
		return created_within(s, bound);          \
	}

WITHIN(created_within_0, 0)
WITHIN(created_within_1, 1)
WITHIN(created_within_2, 2)
WITHIN(created_within_3, 3)
WITHIN(created_within_4, 4)
WITHIN(created_within_5, 5)
WITHIN(created_within_6, 6)
WITHIN(created_within_7, 7)
WITHIN(created_within_8, 8)
WITHIN(created_in_all, DURATION_BOUNDS)

#define CREATE_TIME                                                                        \
	"db_client_connection_create_time_seconds", "seconds",                             \
		"Time from connect() until the server let a client in.  Not of encrypted " \
		"ones, nor of those used before dbleak heard of them."
#define BUCKET(le, function)                                                              \
	{                                                                                 \
		CREATE_TIME, "le=\"" le "\"", "_bucket", METRIC_HISTOGRAM, .of = function \
	}

/* Labels of bounds read the same in both formats.  They are those of duration_bounds. */
static const struct metric_row server_rows[] = {
	BUCKET("0.001", created_within_0),
	BUCKET("0.005", created_within_1),
	BUCKET("0.01", created_within_2),
	BUCKET("0.05", created_within_3),
	BUCKET("0.1", created_within_4),
	BUCKET("0.5", created_within_5),
	BUCKET("1.0", created_within_6),
	BUCKET("5.0", created_within_7),
	BUCKET("10.0", created_within_8),
	BUCKET("+Inf", created_in_all),
	{CREATE_TIME, NULL, "_sum", METRIC_HISTOGRAM, .of = created_sum},
	{CREATE_TIME, NULL, "_count", METRIC_HISTOGRAM, .of = created_in_all},
};

static const struct {
	const struct metric_row *rows;
	size_t count;
} scopes[METRIC_SCOPES] = {
	[METRIC_SELF] = {self_rows, COUNT(self_rows)},
	[METRIC_CLIENT] = {client_rows, COUNT(client_rows)},
	[METRIC_POOL] = {pool_rows, COUNT(pool_rows)},
	[METRIC_FINDING] = {finding_rows, COUNT(finding_rows)},
	[METRIC_SERVER] = {server_rows, COUNT(server_rows)},
};

_Static_assert(COUNT(self_rows) <= METRICS_MOST, "METRICS_MOST");
_Static_assert(COUNT(client_rows) <= METRICS_MOST, "METRICS_MOST");
_Static_assert(COUNT(pool_rows) <= METRICS_MOST, "METRICS_MOST");
_Static_assert(COUNT(finding_rows) <= METRICS_MOST, "METRICS_MOST");
_Static_assert(COUNT(server_rows) == DURATION_BOUNDS + 3, "a row for each class, sum and count");

const struct metric_row *metric_rows(enum metric_scope scope, size_t *count)
{
	*count = scopes[scope].count;
	return scopes[scope].rows;
}
