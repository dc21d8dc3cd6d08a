/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite_sweep.c - one look at all SQLite connections and statements that are open: what changed.
 */
#include "user/capture/clientlib/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/clientlib/sqlite_state.h"

/* Rows of the run so far. */
static uint32_t rows_so_far(const struct sqlite_fields *fields, const unsigned char *bytes)
{
	uint32_t counter = 0;

	if (fields->rows <= STATEMENT_BYTES - sizeof(counter))
		memcpy(&counter, bytes + fields->rows, sizeof(counter));
	return counter & 1 ? counter / 2 : 0;
}

/* Reports a run that is still at work, and again when the growth has doubled. */
static void look_at_run(struct sqlites *s, struct open_statement *st, struct open_file *f,
			const unsigned char *bytes, uint64_t now)
{
	uint32_t rows = rows_so_far(&f->fields, bytes);
	bool large = st->busy && rows >= RUN_ROWS;
	struct sqlite_rest before = st->run.rest[0], after = {now, 0};
	struct ev_result ev = {.head.ns = now, .rows = rows};
	uint64_t began_ns;

	after.bytes = !st->busy || large ? sqlite_memory_of(s, st->key.pid) : UNKNOWN64;
	sqlite_run_look(&st->run, st->busy, after.bytes, now);
	if (!large)
		return;
	ev.rss_bytes = after.bytes;
	ev.grown_bytes = sqlite_run_grown(&st->run, &before, &after, &began_ns);
	ev.began_ns = began_ns;
	if (ev.grown_bytes < RUN_GROWN || ev.grown_bytes < 2 * st->run.reported_bytes)
		return;
	st->run.reported_bytes = ev.grown_bytes;
	sqlite_tell_result(s, f, &ev, st->text, 0);
}

/* Looks at a statement.  Returns whether it was used since the last look. */
static bool look_at_statement(struct sqlites *s, struct open_statement *st, struct open_file *f,
			      uint64_t now)
{
	unsigned char bytes[STATEMENT_BYTES];
	uint64_t digest = sqlite_read_object(st->key.pid, st->key.handle, bytes, sizeof(bytes));
	bool used = digest != st->digest && st->digest;

	if (!digest)
		return false;
	st->busy = sqlite_field_value(&f->fields.busy, bytes, sizeof(bytes)) == 1;
	look_at_run(s, st, f, bytes, now);
	if (digest != st->digest)
		st->still_ns = st->digest ? now : st->born_ns;
	st->digest = digest;
	return used;
}

/* Adds up, for each connection, what its statements are doing. */
static void look_at_statements(struct sqlites *s, uint64_t now)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&s->statements, &at))) {
		struct open_statement *st = slot->value;
		struct open_file *f = table_get(&s->files, sqlite_key_of(st->parent, st->key.pid));

		if (!f)
			continue;
		if (!st->reported)
			sqlite_tell_statement(s, f, st, now);
		if (sqlite_is_due(s, &st->key, s->statements.count) &&
		    look_at_statement(s, st, f, now))
			f->ev.used_ns = now;
		f->statements++;
		if (!st->busy)
			continue;
		f->busy++;
		if (f->file.reading_ns && f->file.reading_ns <= st->still_ns)
			continue;
		f->file.reading_ns = st->still_ns;
		memset(f->file.text, 0, sizeof(f->file.text));
		memcpy(f->file.text, st->sql ? st->sql : "", st->length);
		f->file.length = st->length;
		f->file.cut = st->cut;
	}
}

static void enter_transaction(struct ev_connection *ev, uint64_t used_before, uint64_t now)
{
	if (ev->status == EV_STATUS_TRANSACTION) {
		if (ev->used_ns > used_before && used_before &&
		    ev->used_ns - used_before > ev->longest_gap_ns)
			ev->longest_gap_ns = ev->used_ns - used_before;
		return;
	}
	ev->status = EV_STATUS_TRANSACTION;
	ev->transaction_ns = now;
	ev->begun++;
}

static void leave_transaction(struct ev_connection *ev)
{
	ev->committed += ev->status == EV_STATUS_TRANSACTION;
	ev->status = EV_STATUS_IDLE;
	ev->transaction_ns = 0;
}

/* Takes what the ledger has of a connection. */
static void take_handle(void *context, const struct handle_key *key, const struct ledger_handle *h)
{
	struct sqlites *s = context;
	struct open_file *f = table_get(&s->files, sqlite_table_key_of(key));

	if (!f)
		return;
	f->handle = *h;
	f->ev.prepared = f->ev.requests = h->acquired;
	f->ev.unprepared = h->released < h->acquired ? h->released : h->acquired;
	if (h->used_ns > f->ev.used_ns)
		f->ev.used_ns = h->used_ns;
	f->file.zombie = !!(h->flags & EV_HANDLE_ZOMBIE);
}

static void look_at_file(struct sqlites *s, struct open_file *f, uint64_t used_before, uint64_t now)
{
	unsigned char bytes[CONNECTION_BYTES];
	uint64_t digest = sqlite_read_object(f->key.pid, f->key.handle, bytes, sizeof(bytes));
	int autocommit;

	if (!digest)
		return;
	if (f->digest && digest != f->digest && f->ev.used_ns == used_before)
		f->ev.used_ns = now;
	f->digest = digest;
	autocommit = sqlite_field_value(&f->fields.autocommit, bytes, sizeof(bytes));
	if (autocommit == 0)
		enter_transaction(&f->ev, used_before, now);
	else if (autocommit > 0)
		leave_transaction(&f->ev);
	if (f->ev.used_ns == used_before || f->ev.status == EV_STATUS_TRANSACTION)
		sqlite_tell_sql(s, f, f->handle.latest, now);
	if (f->ev.status == EV_STATUS_TRANSACTION && f->handle.begun_at != f->begun) {
		f->begun = f->handle.begun_at;
		sqlite_tell_evidence(s, f, EV_AT_BEGUN, f->begun, 0);
	}
}

/* Number of statements of the connection that are being read.  Only some of a call site's
 * statements are reported; the others are taken to be like those. */
static uint32_t all_reading(const struct open_file *f)
{
	uint64_t open = f->ev.prepared - f->ev.unprepared;

	if (!f->statements || open <= f->statements)
		return f->busy;
	return open * f->busy / f->statements;
}

static void tell_file(struct sqlites *s, struct open_file *f, const struct ev_file *before,
		      bool due, uint64_t now)
{
	struct ev_file *ev = &f->file;

	ev->reading = all_reading(f);
	if (due)
		ev->wal_bytes = sqlite_wal_bytes(f);
	if (ev->wal_bytes == before->wal_bytes && ev->reading == before->reading &&
	    ev->reading_ns == before->reading_ns && ev->zombie == before->zombie)
		return;
	ev->id = f->ev.id;
	ev->head = (struct ev_head){.ns = now, .kind = EV_FILE};
	ev->head.size = (offsetof(struct ev_file, text) + ev->length + 7) & ~7ULL;
	sqlite_tell(s, &ev->head);
}

static void sweep_file(struct sqlites *s, struct open_file *f, const struct before *before,
		       uint64_t now)
{
	/* A connection in use may have begun or ended a transaction, so it is due, too. */
	bool due = sqlite_is_due(s, &f->key, s->files.count) || f->ev.used_ns != before->ev.used_ns;

	if (due)
		look_at_file(s, f, before->ev.used_ns, now);
	if (f->file.zombie) /* its site has released it */
		sqlite_count_closed(s, f);
	tell_file(s, f, &before->file, due, now);
	if (!memcmp((char *)&before->ev + sizeof(struct ev_head),
		    (char *)&f->ev + sizeof(struct ev_head),
		    sizeof(f->ev) - sizeof(struct ev_head)))
		return;
	f->ev.head.ns = now;
	sqlite_tell(s, &f->ev.head);
}

void sqlites_sweep(struct sqlites *s, uint64_t now)
{
	struct before *before = calloc(s->files.count + 1, sizeof(*before));
	struct table_walk walk;
	struct table_slot *slot;
	size_t at = 0, i = 0;

	if (!before)
		return;
	while ((slot = table_next(&s->files, &at))) {
		struct open_file *f = slot->value;

		before[i].ev = f->ev;
		before[i++].file = f->file;
		f->statements = f->busy = 0;
		f->file.reading_ns = 0;
		f->file.length = 0;
	}
	s->sweeps++;
	if (s->files.count)
		kernel_client_links(s->kernel, take_handle, s);
	look_at_statements(s, now);
	table_free_values(&s->memory);
	for (at = 0, i = 0; (slot = table_next(&s->files, &at)); i++)
		sweep_file(s, slot->value, &before[i], now);
	free(before);
	locks_sweep(s->locks, now, &s->ids);
	walk = table_walk(&s->openers);
	while ((slot = table_walk_next(&walk))) {
		struct opener *o = slot->value;

		sqlite_report_short_lived(s, o, now);
		if (!o->sites)
			free(table_walk_remove(&walk));
	}
}
