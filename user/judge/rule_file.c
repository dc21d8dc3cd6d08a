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
 */
#include "user/judge/advice.h"
#include "user/judge/explain.h"
#include "user/judge/origin.h"
#include "user/judge/rules.h"

#define LEAST_GROWTH (4 << 20)
#define LEAST_IDLE   (2 * SECOND_NS)

struct wal_reader {
	const struct connection *connection; /* during whose read the log grew most; NULL: none */
	uint64_t grown_bytes;
	uint64_t read_ns; /* how long that one has been reading */
	size_t count;	  /* such readers */
	struct origins from;
};

/* Does the reader read no more? */
static bool is_left(const struct rule_input *s, const struct connection *c)
{
	uint64_t reads = s->now_ns > c->file->reading_ns ? s->now_ns - c->file->reading_ns : 0;
	uint64_t idle = s->now_ns > c->life.used_ns ? s->now_ns - c->life.used_ns : 0;

	if (!c->life.used_ns)
		return reads >= s->model->begin.min_age_ns;
	return idle >= LEAST_IDLE && idle >= reads / 2 && !c->request_ns;
}

/* Why a connection holds no log back, or does. */
enum reader_fate { READER_NONE, READER_UNKNOWN, READER_SMALL, READER_AT_WORK, READER_LEFT };

#define READER_FATES (READER_LEFT + 1)

static enum reader_fate reader_fate_of(const struct rule_input *s, const struct connection *c)
{
	const struct file_model *f = c ? c->file : NULL;

	if (!f || !f->reading || !f->reading_ns)
		return READER_NONE;
	if (f->wal_bytes == UNKNOWN64 || f->before_bytes == UNKNOWN64)
		return READER_UNKNOWN;
	if (f->wal_bytes < f->before_bytes || f->wal_bytes - f->before_bytes < LEAST_GROWTH)
		return READER_SMALL;
	return is_left(s, c) ? READER_LEFT : READER_AT_WORK;
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
		const struct connection *c = s->conn_history[i].open;
		enum reader_fate fate = reader_fate_of(s, c);
		uint64_t grown;

		fates[fate]++;
		if (fate != READER_LEFT)
			continue;
		grown = c->file->wal_bytes - c->file->before_bytes;
		r->count++;
		origins_add(&r->from, origin_of_reader(s, c), 1);
		if (r->connection && grown <= r->grown_bytes)
			continue;
		r->connection = c;
		r->grown_bytes = grown;
		r->read_ns = s->now_ns - c->file->reading_ns;
	}
	if (s->explanation)
		explain_readers(s, fates);
}

/* The log still grows if its last growth is not longer ago than all of it took, or LEAST_IDLE. */
static bool still_grows(const struct rule_input *s, const struct file_model *f)
{
	uint64_t span = f->grown_ns - f->growth_ns;

	return f->grown_ns && s->now_ns - f->grown_ns <= (span > LEAST_IDLE ? span : LEAST_IDLE);
}

int rule_wal(struct rule_input *s)
{
	const struct file_model *file;
	struct wal_reader r = {};
	struct finding_view *f;
	bool grows;

	if (s->endpoint->database != EV_DB_SQLITE || s->process->exited_ns) {
		explain_not(s, s->process->exited_ns
				       ? "the process has ended, and freed all with it"
				       : "only SQLite has such a log");
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
	file = r.connection->file;
	grows = still_grows(s, file);
	f->verdict = grows ? VERDICT_LEAKING : VERDICT_STUCK;
	f->kind = r.count == 1 ? KIND_ONE_TIME : KIND_SPORADIC;
	f->confidence = confidence_cap(s, CONFIDENCE_CERTAIN);
	f->acquired = f->released = UNKNOWN64;
	f->open = r.count;
	f->oldest_seconds = seconds(r.read_ns);
	f->bytes = file->wal_bytes;
	f->sql = file->sql ? file->sql->sql : NULL;
	finding_because(s, f, EVIDENCE_LOG_GREW, r.grown_bytes / 1e6, file->wal_bytes / 1e6,
			grows ? "it is still growing" : "it cannot shrink until this reader ends");
	finding_because(s, f, EVIDENCE_ROWS_NOT_READ,
			seconds(s->now_ns - (r.connection->life.used_ns ? r.connection->life.used_ns
									: file->reading_ns)));
	finding_from(s, f, &r.from, false);
	f->advice = advice_for(s, f, ADVICE_READ);
	return 0;
}
