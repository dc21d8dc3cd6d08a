/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * finding.c - see finding.h.
 */
#include "user/report/finding.h"
#include "user/report/server_limit.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* Objects of a kind that are left: "3 results are not freed". */
static const struct {
	const char *one, *many, *left, *noun;
} headlines[] = {
	[CAUSE_UNCLOSED_CONNECTION] = {"connection", "connections", " leaked", "connections"},
	[CAUSE_OPEN_TRANSACTION] = {"transaction is", "transactions are", " open and idle",
				    "transactions"},
	[CAUSE_UNCLOSED_STATEMENT] = {"prepared statement", "prepared statements", " leaked",
				      "statements"},
	[CAUSE_CACHE_GROWTH] = {"statement", "statements", "", "statements"},
	[CAUSE_UNBOUNDED_RESULT] = {"result", "results", "", "large results"},
	[CAUSE_UNFREED_RESULT] = {"result is", "results are", " not freed", "results"},
	[CAUSE_UNCLOSED_CURSOR] = {"cursor is", "cursors are", " left open", "cursors"},
	[CAUSE_WAL_GROWTH] = {"reader blocks", "readers block", " the write-ahead log",
			      "log readers"},
	[CAUSE_UNFREED_MEMORY] = {"buffer is", "buffers are", " not freed", "buffers"},
};

static const struct {
	const char *acquired, *released, *left;
} verbs[] = {
	[RESOURCE_CONNECTION] = {"opened", "closed", "leaked"},
	[RESOURCE_TRANSACTION] = {"begun", "ended", "open"},
	[RESOURCE_STATEMENT] = {"prepared", "closed", "leaked"},
	[RESOURCE_CURSOR] = {"opened", "closed", "left open"},
	[RESOURCE_RESULT] = {"read", "freed", "not freed"},
	[RESOURCE_MEMORY] = {"allocated", "freed", "not freed"},
};

static bool finding_is_known(double value)
{
	return isfinite(value) && value >= 0;
}

bool finding_is_memory(const struct finding_view *f)
{
	return f->resource == RESOURCE_MEMORY && f->memory.tier != EV_TIER_OFF && !f->object;
}

const char *finding_noun(const struct finding_view *f)
{
	return finding_is_memory(f) ? "memory" : headlines[f->cause].noun;
}

const char *finding_left(const struct finding_view *f)
{
	return verbs[f->resource].left;
}

static void words_memory_grown(struct words *w, const struct memory_cost *m, bool exited)
{
	words_add(w, "memory grew by ");
	words_bytes(w, m->grown);
	words_add(w, " in ");
	words_duration(w, m->seconds);
	words_add(w, exited ? ", until the end" : " and is still growing");
}

static void words_memory_headline(struct words *w, const struct finding_view *f, bool exited)
{
	const struct memory_cost *m = &f->memory;

	if (m->grown) {
		words_memory_grown(w, m, exited);
		return;
	}
	words_bytes(w, m->held);
	if (f->open != UNKNOWN64) {
		words_add(w, " in ");
		words_plural(w, f->open, "block", "blocks");
	}
	words_add(w, " are not freed");
}

static void words_result_headline(struct words *w, const struct finding_view *f)
{
	bool one = f->acquired == 1 || f->acquired == UNKNOWN64 || !f->acquired;

	words_plural(w, one ? 1 : f->acquired, "result", "results");
	words_add(w, " of ");
	if (f->rows != UNKNOWN64) {
		words_add(w, !one ? "up to " : f->rows_exact ? "" : "about ");
		words_plural(w, f->rows, "row", "rows");
	}
	if (f->bytes != UNKNOWN64) {
		words_add(w, f->rows != UNKNOWN64 ? " (" : one ? "" : "up to ");
		words_bytes(w, f->bytes);
		words_add(w, f->rows != UNKNOWN64 ? ")" : "");
	}
	if (f->rows == UNKNOWN64 && f->bytes == UNKNOWN64)
		words_add(w, "unknown size");
	words_add(w, " read at once");
}

static void words_inside(struct words *w, const struct finding_view *f)
{
	if (f->resource != RESOURCE_CONNECTION || !f->in_transaction ||
	    f->in_transaction == UNKNOWN64)
		return;
	if (f->in_transaction >= f->open) {
		words_item(w, f->open == 1 ? "" : "all ");
	} else {
		words_comma(w);
		words_count(w, f->in_transaction);
		words_add(w, " ");
	}
	words_add(w, "inside an open transaction");
}

/* The pool hands its connections out, and they may be given back yet. */
static bool is_full_pool(const struct finding_view *f)
{
	return f->waiters.count && f->verdict == VERDICT_STUCK &&
	       f->resource == RESOURCE_CONNECTION;
}

void words_finding(struct words *w, const struct finding_view *f, bool exited)
{
	if (finding_is_memory(f)) {
		words_memory_headline(w, f, exited);
		return;
	}
	if (f->cause == CAUSE_UNBOUNDED_RESULT) {
		words_result_headline(w, f);
		return;
	}
	if (is_full_pool(f)) {
		words_add(w, "full pool, ");
		words_plural(w, f->open, "connection is", "connections are");
		words_add(w, " taken and idle");
		words_inside(w, f);
		return;
	}
	if (f->cause == CAUSE_CACHE_GROWTH) {
		words_add(w, "a statement cache %s without limit: ", exited ? "grew" : "grows");
		words_plural(w, f->open, "statement", "statements");
		return;
	}
	words_plural(w, f->open, headlines[f->cause].one, headlines[f->cause].many);
	words_add(w, "%s", headlines[f->cause].left);
	if (f->cause == CAUSE_WAL_GROWTH && f->bytes != UNKNOWN64) {
		words_add(w, ": it grew to ");
		words_bytes(w, f->bytes);
	}
	words_inside(w, f);
}

void words_headline(struct words *w, const struct finding_view *f, bool exited)
{
	if (f->verdict == VERDICT_STUCK)
		words_add(w, "STUCK: ");
	words_finding(w, f, exited);
}

static void words_often(struct words *w, const struct finding_view *f)
{
	static const char *const often[] = {
		[KIND_FREQUENT] = "on every call",
		[KIND_SPORADIC] = "on some calls",
		[KIND_ONE_TIME] = "once",
		[KIND_IMPLICIT] = "closed only at the end",
	};
	bool at_end = f->kind == KIND_IMPLICIT && finding_is_memory(f);

	if (f->cause == CAUSE_UNBOUNDED_RESULT)
		return; /* its headline counts them */
	if (f->kind == KIND_ONE_TIME && f->earlier && !f->begin_unseen)
		return; /* how often is not known */
	words_item(w, "%s",
		   f->begin_unseen ? "begun before the watch"
		   : at_end	   ? "freed only at the end"
				   : often[f->kind]);
}

void words_sure(struct words *w, const struct finding_view *f)
{
	words_add(w, "%s", confidence_name(f->confidence));
	words_often(w, f);
	if (f->known)
		words_item(w, "known");
}

/* A rate in the unit of time in which it is at least `least`. */
static void words_per(struct words *w, double per_minute, double least, bool brief,
		      void (*amount)(struct words *, uint64_t))
{
	static const struct {
		double minutes;
		const char *name, *brief;
	} units[] = {{1, " per minute", "/min"}, {60, " per hour", "/h"}, {1440, " per day", "/d"}};
	size_t i = 0;

	while (i < 2 && per_minute * units[i].minutes < least)
		i++;

	double n = per_minute * units[i].minutes;

	words_add(w, "+");
	amount(w, n < 1e18 ? (uint64_t)(n + 0.5) : UNKNOWN64);
	words_add(w, "%s", brief ? units[i].brief : units[i].name);
}

void words_rate(struct words *w, const struct finding_view *f, bool brief)
{
	if (finding_is_memory(f)) {
		if (finding_is_known(f->memory.per_minute) && f->memory.per_minute > 0)
			words_per(w, f->memory.per_minute, 1e5, brief, words_bytes);
		return;
	}
	if (!finding_is_known(f->growth_per_minute))
		return;
	if (f->growth_per_minute * 1440 < 0.95)
		words_add(w, "not growing");
	else
		words_per(w, f->growth_per_minute, 0.95, brief, words_count);
}

void words_balance(struct words *w, const struct finding_view *f)
{
	if (f->acquired == UNKNOWN64 || f->released == UNKNOWN64)
		return;
	words_count(w, f->acquired - f->earlier);
	words_add(w, " %s, ", verbs[f->resource].acquired);
	if (f->earlier) {
		words_count(w, f->earlier);
		words_add(w, " open before the watch, ");
	}
	words_count(w, f->released);
	words_add(w, " %s", verbs[f->resource].released);
}

/* The balance adds up: what is open and is not accused is not judged. */
static void words_whole_balance(struct words *w, const struct finding_view *f)
{
	uint64_t rest;

	words_balance(w, f);
	words_comma(w);
	words_count(w, f->open);
	words_add(w, " %s", is_full_pool(f) ? "taken" : verbs[f->resource].left);
	rest = finding_not_judged(f);
	if (rest && rest != UNKNOWN64) {
		words_comma(w);
		words_count(w, rest);
		words_add(w, " not judged");
	}
}

static void words_sentence(struct words *w, const struct words *sentence)
{
	if (!sentence->length)
		return;
	if (w->length)
		words_stop(w);
	words_add(w, "%s", sentence->text);
}

static void words_oldest(struct words *w, const struct finding_view *f)
{
	if (!finding_is_known(f->oldest_seconds))
		return;
	words_add(w, f->open == 1 ? "Age: " : "Oldest: ");
	words_add(w, f->oldest_is_minimum ? "at least " : "");
	words_duration(w, f->oldest_seconds);
}

static void words_size(struct words *w, const struct finding_view *f)
{
	if (f->cause == CAUSE_WAL_GROWTH)
		return; /* its headline has it */
	if (f->rows != UNKNOWN64 || f->bytes != UNKNOWN64)
		words_add(w, "Size: ");
	if (f->rows != UNKNOWN64) {
		words_add(w, f->rows_exact ? "" : "about ");
		words_plural(w, f->rows, "row", "rows");
	}
	if (f->bytes != UNKNOWN64) {
		words_add(w, f->rows != UNKNOWN64 ? ", " : "");
		words_bytes(w, f->bytes);
	}
}

static void words_memory_cost(struct words *w, const struct finding_view *f)
{
	const struct memory_cost *m = &f->memory;

	if (!m->placed || !m->grown)
		return; /* its headline has it */
	words_add(w, m->at_least ? "At least " : "");
	words_bytes(w, m->held);
	words_add(w, " of this line not freed");
	if (f->open != UNKNOWN64) {
		words_add(w, ", in ");
		words_plural(w, f->open, "block", "blocks");
	}
}

void words_how_bad(struct words *w, const struct finding_view *f)
{
	struct words parts[4] = {};

	if (f->cause == CAUSE_UNBOUNDED_RESULT)
		return;
	words_rate(&parts[0], f, false);
	if (finding_is_memory(f)) {
		words_memory_cost(&parts[1], f);
	} else {
		words_whole_balance(&parts[1], f);
		words_oldest(&parts[2], f);
		words_size(&parts[3], f);
	}
	for (size_t i = 0; i < 4; i++)
		words_sentence(w, &parts[i]);
}

static bool is_memory_limit(const struct finding_view *f)
{
	return !strncmp(f->exhausts_limit, "memory ", 7);
}

/* The number behind the last space; NULL: there is none. */
static const char *number_of(const char *limit)
{
	const char *number = strrchr(limit, ' ');

	return number && number[1] && strspn(number + 1, "0123456789") == strlen(number + 1)
		       ? number
		       : NULL;
}

static void words_limit_name(struct words *w, const struct finding_view *f)
{
	const char *limit = f->exhausts_limit, *number = number_of(limit);
	const char *of = is_memory_limit(f) ? strstr(limit, " of ") : NULL;

	if (of) {
		words_add(w, "%s", of + 4);
	} else if (!strncmp(limit, "open files ", 11) && number) {
		words_add(w, "file descriptors (");
		for (const char *at = number + 1; *at; at++)
			words_add(w, "%c%s", *at, strlen(at) > 1 && strlen(at) % 3 == 1 ? "," : "");
		words_add(w, ")");
	} else {
		words_add(w, "%s", limit);
	}
}

#define CLOCK_MOST 86400 /* seconds ahead: then the date says more than the hour */

void words_clock(struct words *w, uint64_t realtime_ns, double seconds)
{
	time_t when = (time_t)(realtime_ns / 1000000000);
	struct tm tm;

	if (!realtime_ns || !gmtime_r(&when, &tm))
		return;
	if (seconds < CLOCK_MOST)
		words_add(w, ", about %02d:%02d UTC", tm.tm_hour, tm.tm_min);
	else
		words_add(w, ", about %04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1,
			  tm.tm_mday);
}

void words_limit_met(struct words *w, const struct finding_view *f)
{
	words_limit_name(w, f);
	words_add(w, is_memory_limit(f) ? " is out of memory in " : " run out in ");
	words_duration(w, f->exhausts_seconds);
	words_clock(w, f->exhausts_realtime_ns, f->exhausts_seconds);
}

static void words_when(struct words *w, const struct finding_view *f)
{
	words_duration(w, f->exhausts_seconds);
	if (f->exhausts_earliest > 0 && f->exhausts_latest > 0) {
		words_add(w, " (");
		words_duration(w, f->exhausts_earliest);
		words_add(w, " to ");
		words_duration(w, f->exhausts_latest);
		words_add(w, ")");
	}
	words_clock(w, f->exhausts_realtime_ns, f->exhausts_seconds);
}

static void words_known_limit(struct words *w, const struct process_view *p,
			      const struct finding_view *f)
{
	const struct memory_view *m = &p->memory;

	words_limit_name(w, f);
	if (is_memory_limit(f)) {
		if (m->limit != UNKNOWN64 && m->limit_used != UNKNOWN64) {
			words_add(w, ": ");
			words_bytes(w, m->limit_used);
			words_add(w, " of ");
			words_bytes(w, m->limit);
			words_add(w, " used");
		}
		words_add(w, ", all of it in ");
	} else {
		words_add(w, " run out in ");
	}
	words_when(w, f);
}

#define FAR_OFF 10 /* times as far as the nearest limit: that says nothing any more */

/* Other clients of the server are not seen, and the report cannot know what was configured. */
static void words_guessed_limit(struct words *w, const struct server_fill *s)
{
	words_server_full(w, s);
	words_add(w, ", sooner with other clients (its own limit: %s)", server_asks(s));
}

void words_limit(struct words *w, const struct process_view *p, const struct finding_view *f)
{
	const struct server_fill s = server_fill_by(p, f);
	bool known = f->exhausts_limit && finding_is_known(f->exhausts_seconds);
	bool guessed = isfinite(s.seconds);
	bool first = guessed && !(known && f->exhausts_seconds < s.seconds);

	if (p->exited || f->verdict != VERDICT_LEAKING)
		return;
	if (first)
		words_guessed_limit(w, &s);
	if (known && !(first && f->exhausts_seconds > FAR_OFF * s.seconds)) {
		words_add(w, "%s", first ? "; " : "");
		words_known_limit(w, p, f);
	}
	if (guessed && !first) {
		words_add(w, "; ");
		words_guessed_limit(w, &s);
	}
	if (!guessed && f->resource == RESOURCE_CONNECTION && f->database != EV_DB_SQLITE)
		words_add(w, known ? "; the database's own limit may come first"
				   : "the database's own limit is not known and may be near");
}
