/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * json_finding.c - see json_finding.h.
 */
#include "user/report/json_finding.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static json_t *json_evidence(const struct finding_view *f)
{
	json_t *array = json_array();

	for (size_t i = 0; i < f->evidence_count; i++)
		array = json_array_with(array, json_text(f->evidence[i]));
	return array;
}

static json_t *json_evidence_code(const struct evidence_view *e)
{
	json_t *numbers = json_array();

	for (size_t i = 0; i < e->number_count; i++)
		numbers = json_array_with(numbers, json_number(e->numbers[i]));

	const struct json_pair pairs[] = {
		{"code", json_text(e->code)},
		{"numbers", numbers},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_evidence_codes(const struct finding_view *f)
{
	json_t *array = json_array();

	for (size_t i = 0; f->evidence_facts && i < f->evidence_count; i++)
		array = json_array_with(array, json_evidence_code(&f->evidence_facts[i]));
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

	const struct json_pair pairs[] = {
		{"limit", json_text(f->exhausts_limit)},
		{"in_seconds", json_whole_seconds(f->exhausts_seconds)},
		{"earliest_seconds", json_bound(f->exhausts_earliest)},
		{"latest_seconds", json_bound(f->exhausts_latest)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_line_exact(const struct frame_view *f)
{
	return f->line ? json_boolean(!(f->flags & EV_FRAME_DEFINED)) : json_null();
}

json_t *json_site(const struct frame_view *f)
{
	if (!f)
		return json_null();

	const struct json_pair pairs[] = {
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
	const struct json_pair pairs[] = {
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

static json_t *json_frames(const struct frame_view *frames, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		array = json_array_with(array, json_frame(&frames[i]));
	return array;
}

/* The memory that a finding costs; null where nothing is known of it. */
static json_t *json_cost_in_memory(const struct finding_view *f)
{
	const struct memory_cost *m = &f->memory;

	if (m->tier == EV_TIER_OFF)
		return json_null();

	const struct json_pair pairs[] = {
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

/* Objects that leak, and those that were closed only because the process ended. */
static uint64_t leaked(const struct finding_view *f)
{
	return f->verdict == VERDICT_BIG ? UNKNOWN64 : f->open;
}

static uint64_t closed_at_exit(const struct process_view *p, const struct finding_view *f)
{
	if (f->verdict == VERDICT_BIG || f->acquired == UNKNOWN64 || f->released == UNKNOWN64)
		return UNKNOWN64;
	return p->exited && f->acquired > f->released ? f->acquired - f->released : 0;
}

json_t *json_waiters(const struct waiters_view *w)
{
	if (!w->count)
		return json_null();

	const struct json_pair pairs[] = {
		{"count", json_count(w->count)},
		{"tasks", json_count(w->tasks)},
		{"oldest_seconds", json_number(w->oldest_seconds)},
		{"pool", json_text(w->pool)},
		{"site", json_site(w->site)},
		{"stack", json_frames(w->stack, w->stack_count)},
		{"kind", json_text(w->requests ? "request" : "thread")},
		{"site_unknown", json_text(w->unseen)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_session(const struct session_view *s)
{
	static const char *const sources[] = {
		[EV_SESSION_TITLE] = "title", [EV_SESSION_STATISTICS] = "statistics"};
	static const char *const states[] = {[EV_STATUS_IDLE] = "idle",
					     [EV_STATUS_TRANSACTION] = "transaction",
					     [EV_STATUS_FAILED] = "failed"};
	const char *source = s->source < COUNT(sources) ? sources[s->source] : NULL;
	const char *state = s->status < COUNT(states) ? states[s->status] : NULL;

	const struct json_pair pairs[] = {
		{"session", json_count(s->session)},
		{"pid", json_positive(s->pid)},
		{"source", json_text(source)},
		{"status", json_text(state)},
		{"busy", json_boolean(s->busy)},
		{"transaction_seconds", json_number(s->transaction_seconds)},
		{"state_seconds", json_number(s->state_seconds)},
		{"application", json_text(s->application)},
		{"sql", json_text(s->sql)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_holder(const struct holder_view *h)
{
	static const char *const states[] = {
		[HOLDER_UNKNOWN] = NULL,
		[HOLDER_RUNNING] = "running",
		[HOLDER_WAITING] = "waiting",
		[HOLDER_GONE] = "gone",
	};

	if (h->state == HOLDER_UNKNOWN)
		return json_null();

	const struct json_pair pairs[] = {
		{"state", json_text(states[h->state])},
		{"since_seconds", json_number(h->since_seconds)},
		{"waits_for", json_text(h->waits_for)},
		{"site", json_site(h->site)},
		{"stack", json_frames(h->stack, h->stack_count)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_thread_line(const struct threads_view *t)
{
	const struct json_pair pairs[] = {
		{"count", json_count(t->count)},
		{"tasks", json_boolean(t->tasks)},
		{"longest_seconds", json_number(t->longest_seconds)},
		{"waits_for", json_text(t->waits_for)},
		{"site", json_site(t->site)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *json_threads(const struct finding_view *f)
{
	json_t *array = json_array();

	for (size_t i = 0; i < f->thread_lines; i++)
		array = json_array_with(array, json_thread_line(&f->threads[i]));
	return array;
}

static json_t *json_sessions(const struct finding_view *f)
{
	json_t *array = json_array();

	for (size_t i = 0; i < f->session_count; i++)
		array = json_array_with(array, json_session(&f->sessions[i]));
	return array;
}

/* The number of transactions begun before the watch, and ended, is not known. */
static uint64_t seen_count(const struct finding_view *f, uint64_t n)
{
	return f->begin_unseen ? UNKNOWN64 : n;
}

json_t *json_finding(const struct process_view *p, const struct finding_view *f)
{
	const struct json_pair pairs[] = {
		{"verdict", json_text(verdict_name(f->verdict))},
		{"confidence", json_text(confidence_name(f->confidence))},
		{"cause", json_text(cause_name(f->cause))},
		{"kind", json_text(kind_name(f->kind))},
		{"resource", json_text(resource_name(f->resource))},
		{"database", json_text(database_name(f->database))},
		{"endpoint", json_text(f->endpoint)},
		{"acquired", json_count(seen_count(f, f->acquired))},
		{"released", json_count(seen_count(f, f->released))},
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
		{"stack", json_frames(f->stack, f->stack_count)},
		{"sql", json_text(f->sql)},
		{"evidence", json_evidence(f)},
		{"advice", json_text(f->advice)},
		{"exhausts", json_exhausts(f)},
		{"leaked", json_count(leaked(f))},
		{"not_judged",
		 json_count(f->verdict == VERDICT_BIG ? UNKNOWN64 : finding_not_judged(f))},
		{"closed_at_exit", json_count(closed_at_exit(p, f))},
		{"now", json_text(f->now)},
		{"fingerprint", json_text(f->fingerprint)},
		{"part_of", json_text(f->part_of ? f->part_of->fingerprint : NULL)},
		{"evidence_codes", json_evidence_codes(f)},
		{"waiters", json_waiters(&f->waiters)},
		{"holder", json_holder(&f->holder)},
		{"threads", json_threads(f)},
		{"begin_unseen", json_boolean(f->begin_unseen)},
		{"sessions", json_sessions(f)},
		{"test", json_text(f->test)},
		{"known", json_boolean(f->known)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

json_t *json_flat_finding_of(const struct process_view *p, json_t *finding)
{
	const struct json_pair pairs[] = {
		{"pid", json_count(p->pid)},
		{"comm", json_text(p->comm)},
		{"container", json_text(p->container_name)},
		{"exited", json_boolean(p->exited)},
	};
	json_t *flat = json_object_of(pairs, COUNT(pairs));

	if (flat && !json_object_update(flat, finding) && !json_object_del(flat, "stack"))
		return flat;
	json_decref(flat);
	return NULL;
}

json_t *json_flat_finding(const struct process_view *p, const struct finding_view *f)
{
	json_t *finding = json_finding(p, f), *flat = json_flat_finding_of(p, finding);

	json_decref(finding);
	return flat;
}
