/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_file.c - a SQLite reader left open, behind which the write-ahead log grows.
 *
 * A checkpoint cannot pass the oldest reader, so the log grows as long as others write.  Proof:
 *   - a statement was stepped and neither finished nor reset;
 *   - its connection has done nothing for the latter half of that time (a stream being read goes on
 *     stepping);
 *   - the log grew meanwhile by four megabytes, which is SQLite's own limit of a thousand pages
 *     before it wants a checkpoint.
 *
 * The end of a process ends its readers, and excuses none.
 */
#include "user/judge/advice.h"
#include "user/judge/explain.h"
#include "user/judge/origin.h"
#include "user/judge/rules.h"

#define LEAST_GROWTH (4 << 20)
#define LEAST_IDLE   (2 * SECOND_NS)

struct wal_reader {
	const struct conn_history *worst; /* during whose read the log grew most; NULL: none */
	uint64_t grown_bytes;
	uint64_t read_ns; /* how long that one has been reading */
	size_t count;	  /* such readers */
	size_t exits;	  /* ended by the end of their process only */
	struct origins from;
};

/* How long before the end of a read was that moment? */
static uint64_t before_end(const struct conn_history *x, uint64_t ns)
{
	uint64_t end = reader_end_ns(x);

	return end > ns ? end - ns : 0;
}

/* Does the reader read no more? */
static bool is_left(const struct rule_input *s, const struct conn_history *x)
{
	uint64_t used = reader_used_ns(x), reads = before_end(x, x->file->reading_ns);
	uint64_t idle = before_end(x, used);

	if (!used)
		return reads >= s->model->begin.min_age_ns;
	return idle >= LEAST_IDLE && idle >= reads / 2 && !(x->open && x->open->request_ns);
}

/* Reasons why a connection holds no log back, or does. */
enum reader_fate { READER_NONE, READER_UNKNOWN, READER_SMALL, READER_AT_WORK, READER_LEFT };

#define READER_FATES (READER_LEFT + 1)

static enum reader_fate reader_fate_of(const struct rule_input *s, const struct conn_history *x)
{
	const struct file_model *f = x->file;

	if (!f || !f->reading || !f->reading_ns)
		return READER_NONE;
	if (f->wal_bytes == UNKNOWN64 || f->before_bytes == UNKNOWN64)
		return READER_UNKNOWN;
	if (f->wal_bytes < f->before_bytes || f->wal_bytes - f->before_bytes < LEAST_GROWTH)
		return READER_SMALL;
	return is_left(s, x) ? READER_LEFT : READER_AT_WORK;
}

static void explain_readers(const struct rule_input *s, const size_t *fates)
{
	static const char *const words[READER_FATES] = {
		[READER_NONE] = "without a statement to be finished",
		[READER_UNKNOWN] = "whose log is not known",
		[READER_SMALL] = "behind which the log grew by less than 4 MB",
		[READER_AT_WORK] = "at work within the latter half of the read",
		[READER_LEFT] = "idle for long while the log grew",
	};

	explain_saw(s, "connections: %s", explain_counts(s, fates, words, READER_FATES));
}

static void rule_file_look(const struct rule_input *s, struct wal_reader *r)
{
	size_t fates[READER_FATES] = {};

	for (size_t i = 0; i < s->count; i++) {
		const struct conn_history *x = &s->conn_history[i];
		enum reader_fate fate = reader_fate_of(s, x);
		uint64_t grown;

		fates[fate]++;
		if (fate != READER_LEFT)
			continue;
		grown = x->file->wal_bytes - x->file->before_bytes;
		r->count++;
		r->exits += x->exit;
		origins_add(&r->from, origin_of_reader(s, x), 1);
		if (r->worst && grown <= r->grown_bytes)
			continue;
		r->worst = x;
		r->grown_bytes = grown;
		r->read_ns = before_end(x, x->file->reading_ns);
	}
	if (s->explanation)
		explain_readers(s, fates);
}

/* The log still grows, or did until the end, if its last growth is not longer ago than all of it
 * took, or LEAST_IDLE. */
static bool still_grows(const struct conn_history *x)
{
	const struct file_model *f = x->file;
	uint64_t span = f->grown_ns - f->growth_ns;

	return f->grown_ns && before_end(x, f->grown_ns) <= (span > LEAST_IDLE ? span : LEAST_IDLE);
}

int rule_wal(struct rule_input *s)
{
	const struct file_model *file;
	struct wal_reader r = {};
	struct finding_view *f;
	uint64_t used;
	bool grows;

	if (s->endpoint->database != EV_DB_SQLITE) {
		explain_not(s, "only SQLite has such a log");
		return 0;
	}
	rule_file_look(s, &r);
	if (!r.count) {
		explain_not(s, "no reader was idle for long while the log grew");
		return 0;
	}
	explain_proven(s, "%zu readers; behind one the log grew by %.1f MB in %.1f s", r.count,
		       r.grown_bytes / 1e6, seconds(r.read_ns));
	f = finding_add(s, CAUSE_WAL_GROWTH, RESOURCE_CURSOR);
	if (!f)
		return 0;
	file = r.worst->file;
	grows = still_grows(r.worst);
	f->verdict = grows ? VERDICT_LEAKING : VERDICT_STUCK;
	f->kind = r.count == 1 ? KIND_ONE_TIME : KIND_SPORADIC;
	f->confidence = confidence_cap(s, CONFIDENCE_CERTAIN);
	f->acquired = f->released = UNKNOWN64;
	f->open = r.count;
	f->oldest_seconds = seconds(r.read_ns);
	f->bytes = file->wal_bytes;
	f->sql = file->sql ? file->sql->sql : NULL;
	finding_because(s, f, EVIDENCE_LOG_GREW, r.grown_bytes / 1e6, file->wal_bytes / 1e6,
			r.exits ? "the end of the process ended it"
			: grows ? "it is still growing"
				: "it cannot shrink until this reader ends");
	used = reader_used_ns(r.worst);
	finding_because(s, f, EVIDENCE_ROWS_NOT_READ,
			seconds(before_end(r.worst, used ? used : file->reading_ns)));
	finding_from(s, f, &r.from, false);
	f->advice = advice_for(s, f, ADVICE_READ);
	return 0;
}
