/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * changes.c - see changes.h.
 */
#include "user/report/changes.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/table.h"
#include "user/judge/fingerprint.h"

#define ABSENT_MOST  3 /* a rule may lose sight of a finding for a moment */
#define CALM_SECONDS 5 /* between two changes of one finding, unless it gets worse */

/* A process as it was told last. */
struct told_process {
	uint64_t facts; /* a hash of what may change */
	enum verdict verdict;
	bool exited;
	uint64_t round;
};

struct told_gap {
	uint64_t round;
};

struct changes {
	struct table findings, processes, gaps; /* of struct told_* */
	uint64_t round;
};

/* A finding of the view with its key. */
struct candidate {
	const struct process_view *process;
	const struct finding_view *finding;
	struct table_key key;
	struct told_finding *told; /* NULL: new */
};

struct changes *changes_open(void)
{
	return calloc(1, sizeof(struct changes));
}

void changes_close(struct changes *c)
{
	if (!c)
		return;
	table_free_values(&c->findings);
	table_free_values(&c->processes);
	table_free_values(&c->gaps);
	free(c);
}

size_t changes_open_findings(const struct changes *c)
{
	const struct table_slot *slot;
	size_t at = 0, count = 0;

	while ((slot = table_next(&c->findings, &at)))
		count += !((const struct told_finding *)slot->value)->ended;
	return count;
}

/* --- keys --------------------------------------------------------------------------------- */

#define HASH_BEGIN 14695981039346656037ULL /* of FNV-1a, as in judge/fingerprint.c */

static uint64_t hash_byte(uint64_t hash, uint8_t byte)
{
	return (hash ^ byte) * 1099511628211ULL;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = hash_byte(hash, (uint8_t)*text);
	return hash_byte(hash, 0);
}

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
	for (int i = 0; i < 8; i++, number >>= 8)
		hash = hash_byte(hash, (uint8_t)number);
	return hash;
}

/* The numbers of a reason grow; the reason stays the same. */
static uint64_t hash_reason(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		if (!isdigit((unsigned char)*text) && *text != ',' && *text != '.')
			hash = hash_byte(hash, (uint8_t)*text);
	return hash;
}

/* nth: of the findings of that process with that fingerprint. */
static struct table_key finding_key(const struct process_view *p, const char *fingerprint,
				    uint64_t nth)
{
	uint64_t b = hash_number(HASH_BEGIN, p->pid);

	b = hash_number(hash_number(b, p->start_realtime_ns), nth);
	return (struct table_key){strtoull(fingerprint, NULL, 16), b};
}

static struct table_key process_key(const struct process_view *p)
{
	return (struct table_key){p->pid, p->start_realtime_ns};
}

/* --- processes ---------------------------------------------------------------------------- */

static uint64_t hash_facts(const struct process_view *p)
{
	const char *const texts[] = {p->comm, p->runtime,	p->container_id, p->container_name,
				     p->pod,  p->pod_namespace, p->image,	 p->unit};
	uint64_t hash = hash_number(HASH_BEGIN, p->role);

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		hash = hash_text(hash, texts[i]);
	return hash;
}

static int keep_process(struct changes *c, const struct process_view *p)
{
	struct told_process *told = calloc(1, sizeof(*told));
	int err = told ? table_put(&c->processes, process_key(p), told) : -ENOMEM;

	if (err) {
		free(told);
		return err;
	}
	*told = (struct told_process){hash_facts(p), p->verdict, p->exited, c->round};
	return 0;
}

/* A program that has ended before it was seen is told of only if it left a finding. */
static int meet_process(struct changes *c, const struct process_view *p,
			const struct change_sink *sink)
{
	const struct change change = {.kind = CHANGE_NEW, .process = p};
	int err = p->exited && !p->finding_count ? 0 : sink->process(sink->context, &change);

	return err ? err : keep_process(c, p);
}

/* Whoever is not accused may be well, stable or unreadable from one moment to the next. */
static bool is_accused(enum verdict verdict)
{
	return verdict >= VERDICT_BIG;
}

static int compare_process(struct told_process *told, const struct process_view *p,
			   const struct change_sink *sink)
{
	struct change change = {.kind = CHANGE_CHANGED, .process = p};
	uint64_t facts = hash_facts(p);

	if (told->verdict != p->verdict && (is_accused(told->verdict) || is_accused(p->verdict)))
		change.what |= CHANGED_VERDICT;
	if (told->facts != facts)
		change.what |= CHANGED_FACTS;
	if (p->exited && !told->exited)
		change.kind = CHANGE_ENDED;
	else if (!change.what || (p->exited && !p->finding_count))
		return 0;
	told->facts = facts;
	told->verdict = p->verdict;
	told->exited = p->exited;
	return sink->process(sink->context, &change);
}

static int step_processes(struct changes *c, const struct report_view *v,
			  const struct change_sink *sink)
{
	int err = 0;

	for (size_t i = 0; i < v->process_count && !err; i++) {
		const struct process_view *p = &v->processes[i];
		struct told_process *told = table_get(&c->processes, process_key(p));

		if (told)
			told->round = c->round;
		err = told ? compare_process(told, p, sink) : meet_process(c, p, sink);
	}
	return err;
}

static void forget_processes(struct changes *c)
{
	struct table_walk walk = table_walk(&c->processes);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk)))
		if (((struct told_process *)slot->value)->round != c->round)
			free(table_walk_remove(&walk));
}

/* --- findings ----------------------------------------------------------------------------- */

static size_t count_findings(const struct report_view *v)
{
	size_t count = 0;

	for (size_t i = 0; i < v->process_count; i++)
		count += v->processes[i].finding_count;
	return count;
}

static int by_order(const void *a, const void *b)
{
	const struct finding_view *x = ((const struct candidate *)a)->finding;
	const struct finding_view *y = ((const struct candidate *)b)->finding;

	return (x->order > y->order) - (x->order < y->order);
}

/* Gives a candidate the first key that no other of this judgement has, and what was told of it. */
static void key_candidate(struct changes *c, struct candidate *all, struct candidate *one)
{
	uint64_t nth = 0;

	for (const struct candidate *other = one; other-- > all && other->process == one->process;)
		nth += !strcmp(other->finding->fingerprint, one->finding->fingerprint);
	one->key = finding_key(one->process, one->finding->fingerprint, nth);
	one->told = table_get(&c->findings, one->key);
	if (one->told)
		one->told->round = c->round;
}

/* In the order in which the judge found them: the order of the report changes with their numbers.
 */
static void list_candidates(struct changes *c, const struct report_view *v, struct candidate *all)
{
	struct candidate *next = all;

	for (size_t i = 0; i < v->process_count; i++) {
		const struct process_view *p = &v->processes[i];

		for (size_t j = 0; j < p->finding_count; j++)
			next[j] = (struct candidate){.process = p, .finding = &p->findings[j]};
		qsort(next, p->finding_count, sizeof(*next), by_order);
		for (size_t j = 0; j < p->finding_count; j++)
			key_candidate(c, all, &next[j]);
		next += p->finding_count;
	}
}

static void keep_told(struct told_finding *told, const struct candidate *one,
		      const struct changes *c, double seconds)
{
	const struct process_view *p = one->process;
	const struct finding_view *f = one->finding;
	bool ended = told->ended;

	*told = (struct told_finding){.start_realtime_ns = p->start_realtime_ns,
				      .open = f->open,
				      .bytes = f->bytes,
				      .seconds = seconds,
				      .pid = p->pid,
				      .verdict = f->verdict,
				      .confidence = f->confidence,
				      .cause = f->cause,
				      .resource = f->resource,
				      .database = f->database,
				      .ended = ended,
				      .exited = p->exited,
				      .round = c->round};
	snprintf(told->comm, sizeof(told->comm), "%s", p->comm ? p->comm : "");
	snprintf(told->fingerprint, sizeof(told->fingerprint), "%s", f->fingerprint);
}

/* Told of the same finding while its line was not known: that moves to the new key.
 * NULL: nothing was. */
static struct told_finding *adopt(struct changes *c, const struct candidate *one)
{
	struct finding_view without = *one->finding;
	struct told_finding *told;
	struct table_key key;

	if (!without.site)
		return NULL;
	without.site = NULL;
	fingerprint_set(one->process, &without);
	key = finding_key(one->process, without.fingerprint, 0);
	told = table_get(&c->findings, key);
	if (!told || told->ended || told->round == c->round ||
	    table_put(&c->findings, one->key, told))
		return NULL;
	table_remove(&c->findings, key);
	told->round = c->round;
	return told;
}

static bool has_doubled(uint64_t before, uint64_t now)
{
	return now != UNKNOWN64 && before != UNKNOWN64 && now / 2 >= before && now > before;
}

static unsigned int compare_finding(const struct told_finding *told, const struct finding_view *f)
{
	unsigned int what = 0;

	if (told->verdict != f->verdict)
		what |= CHANGED_VERDICT;
	if (told->confidence != f->confidence)
		what |= CHANGED_CONFIDENCE;
	if (has_doubled(told->open, f->open))
		what |= CHANGED_OPEN;
	if (has_doubled(told->bytes, f->bytes))
		what |= CHANGED_BYTES;
	return what;
}

static int meet_finding(struct changes *c, struct candidate *one, double seconds,
			const struct change_sink *sink)
{
	struct change change = {
		.kind = CHANGE_NEW, .process = one->process, .finding = one->finding};
	int err;

	one->told = calloc(1, sizeof(*one->told));
	err = one->told ? table_put(&c->findings, one->key, one->told) : -ENOMEM;
	if (err) {
		free(one->told);
		return err;
	}
	keep_told(one->told, one, c, seconds);
	change.told = one->told;
	return sink->finding(sink->context, &change);
}

static int follow_finding(struct changes *c, struct candidate *one, double seconds, bool adopted,
			  const struct change_sink *sink)
{
	char before[FINGERPRINT];
	struct change change = {.kind = CHANGE_CHANGED,
				.what = compare_finding(one->told, one->finding),
				.process = one->process,
				.finding = one->finding,
				.told = one->told};
	bool worse = one->finding->verdict > one->told->verdict;

	one->told->absent = 0;
	if (adopted) {
		memcpy(before, one->told->fingerprint, sizeof(before));
		change.what |= CHANGED_SITE;
		change.before = before;
	}
	if (!change.what || one->told->ended ||
	    (!adopted && !worse && seconds - one->told->seconds < CALM_SECONDS))
		return 0;
	keep_told(one->told, one, c, seconds);
	return sink->finding(sink->context, &change);
}

static int end_with_process(struct candidate *one, const struct change_sink *sink)
{
	const struct change change = {.kind = CHANGE_ENDED,
				      .process = one->process,
				      .finding = one->finding,
				      .told = one->told};

	if (!one->process->exited || one->told->ended)
		return 0;
	one->told->ended = one->told->exited = true;
	return sink->finding(sink->context, &change);
}

static int step_finding(struct changes *c, struct candidate *one, double seconds,
			const struct change_sink *sink)
{
	bool adopted = !one->told && (one->told = adopt(c, one));
	int err = one->told ? follow_finding(c, one, seconds, adopted, sink)
			    : meet_finding(c, one, seconds, sink);

	return err ? err : end_with_process(one, sink);
}

static int step_findings(struct changes *c, const struct report_view *v,
			 const struct change_sink *sink)
{
	size_t count = count_findings(v);
	struct candidate *all = calloc(count + 1, sizeof(*all));
	int err = all ? 0 : -ENOMEM;

	if (all)
		list_candidates(c, v, all);
	for (size_t i = 0; i < count && !err; i++)
		err = step_finding(c, &all[i], v->seconds, sink);
	free(all);
	return err;
}

/* Tells of findings that this view and those before it lack, and forgets them. */
static int end_absent(struct changes *c, const struct change_sink *sink)
{
	struct table_walk walk = table_walk(&c->findings);
	struct table_slot *slot;
	int err = 0;

	while ((slot = table_walk_next(&walk)) && !err) {
		struct told_finding *told = slot->value;
		const struct change change = {.kind = CHANGE_ENDED, .told = told};

		if (told->round == c->round || (!told->ended && ++told->absent < ABSENT_MOST))
			continue;
		if (!told->ended)
			err = sink->finding(sink->context, &change);
		free(table_walk_remove(&walk));
	}
	return err;
}

/* --- gaps --------------------------------------------------------------------------------- */

static int step_gap(struct changes *c, const struct gap_view *g, const struct change_sink *sink)
{
	struct table_key key = {g->pid | (uint64_t)g->withdrawn << 32,
				hash_reason(HASH_BEGIN, g->reason)};
	struct told_gap *told = table_get(&c->gaps, key);
	int err;

	if (told) {
		told->round = c->round;
		return 0;
	}
	told = calloc(1, sizeof(*told));
	err = told ? table_put(&c->gaps, key, told) : -ENOMEM;
	if (err) {
		free(told);
		return err;
	}
	told->round = c->round;
	return sink->gap(sink->context, g);
}

static int step_gaps(struct changes *c, const struct report_view *v, const struct change_sink *sink)
{
	struct table_walk walk;
	struct table_slot *slot;
	int err = 0;

	for (size_t i = 0; i < v->gap_count && !err; i++)
		err = step_gap(c, &v->gaps[i], sink);
	walk = table_walk(&c->gaps);
	while ((slot = table_walk_next(&walk)))
		if (((struct told_gap *)slot->value)->round != c->round)
			free(table_walk_remove(&walk));
	return err;
}

int changes_step(struct changes *c, const struct report_view *v, const struct change_sink *sink)
{
	int err;

	c->round++;
	err = step_processes(c, v, sink);
	if (!err)
		err = step_findings(c, v, sink);
	if (!err)
		err = end_absent(c, sink);
	if (!err)
		err = step_gaps(c, v, sink);
	forget_processes(c);
	return err;
}
