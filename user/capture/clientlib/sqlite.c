/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite.c - keeps what is known of each open SQLite connection and its statements.
 *
 * The object itself shows whether it was used between two looks: stepping a statement moves its
 * counters, preparing one moves those of its connection.  If the bytes of an unfinished statement
 * stay as they are, it is a reader left open, not a stream being read.
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

#include "user/capture/clientlib/sizes.h"
#include "user/capture/clientlib/sqlite_state.h"

struct table_key sqlite_table_key_of(const struct handle_key *key)
{
	return (struct table_key){key->handle, key->pid};
}

struct table_key sqlite_key_of(uint64_t handle, uint32_t pid)
{
	return (struct table_key){handle, pid};
}

void sqlite_tell(struct sqlites *s, const struct ev_head *record)
{
	s->host->tell(s->host->context, record);
}

static bool sqlite_is_known(void *context, uint32_t pid, dev_t device, ino_t inode)
{
	const struct sqlites *s = context;
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&s->files, &at))) {
		const struct open_file *f = slot->value;

		if (f->key.pid == pid && f->at.inode == inode && f->at.device == device)
			return true;
	}
	return false;
}

int sqlites_open(struct sqlites **out, struct kernel *kernel, struct sizes *sizes,
		 const struct procfs *procfs, const struct client_host *host)
{
	struct sqlites *s = calloc(1, sizeof(*s));

	*out = s;
	if (!s)
		return -ENOMEM;
	s->kernel = kernel;
	s->sizes = sizes;
	s->procfs = procfs;
	s->host = host;
	s->ids = ID_BASE;
	return locks_open(&s->locks, kernel, procfs, host, sqlite_is_known, s);
}

static void statement_free(struct open_statement *st)
{
	if (!st)
		return;
	free(st->sql);
	free(st);
}

static void file_free(struct open_file *f)
{
	sqlite_file_free(&f->at);
	free(f);
}

static struct table_key unnamed_key(const struct open_file *f)
{
	return (struct table_key){f->key.pid, f->ev.start_ns};
}

static void unnamed_free(struct unnamed *u)
{
	if (!u)
		return;
	sqlite_file_free(&u->at);
	free(u);
}

void sqlites_close(struct sqlites *s)
{
	struct table_slot *slot;

	if (!s)
		return;
	for (size_t at = 0; (slot = table_next(&s->files, &at));)
		file_free(slot->value);
	for (size_t at = 0; (slot = table_next(&s->statements, &at));)
		statement_free(slot->value);
	table_free_values(&s->openers);
	table_free_values(&s->sites);
	table_free_values(&s->memory);
	for (size_t at = 0; (slot = table_next(&s->unnamed, &at));)
		unnamed_free(slot->value);
	table_free(&s->files);
	table_free(&s->statements);
	table_free(&s->unnamed);
	locks_close(s->locks);
	free(s);
}

uint64_t sqlite_read_object(uint32_t pid, uint64_t address, void *bytes, size_t size)
{
	uint64_t digest = 0xcbf29ce484222325ULL, word;

	if (memory_at(pid, address, bytes, size))
		return 0;
	for (size_t i = 0; i + 8 <= size; i += 8) {
		memcpy(&word, (char *)bytes + i, 8);
		digest = (digest ^ word) * 0x100000001b3ULL;
	}
	return digest | 1;
}

int sqlite_field_value(const struct probe_field *field, const unsigned char *bytes, size_t size)
{
	uint64_t value = 0;

	if (!field->size || field->offset + field->size > size)
		return -1;
	memcpy(&value, bytes + field->offset, field->size);
	return field->compared ? value == field->value : value != 0;
}

/* A path too long for the record keeps its end, which tells more. */
static void identity_path(char out[EV_PATH_LEN], const char *path)
{
	size_t n = redact_path(path); /* not the key in file:x.db?key= */

	if (n < EV_PATH_LEN)
		memcpy(out, path, n);
	else
		snprintf(out, EV_PATH_LEN, "...%.*s", EV_PATH_LEN - 4,
			 path + n - (EV_PATH_LEN - 4));
}

static void tell_identity(struct sqlites *s, const struct open_file *f, const char *otherwise)
{
	struct ev_identity id = {};

	id.head = (struct ev_head){.ns = f->ev.head.ns, .kind = EV_IDENTITY, .size = sizeof(id)};
	id.id = f->ev.id;
	id.family = AF_UNIX;
	identity_path(id.path, f->at.path ? f->at.path : otherwise);
	sqlite_tell(s, &id.head);
}

/* Names the file of a connection that was opened before dbleak came, or by a name that is
 * forgotten: the process's open files show it.  One look serves all such connections for a while.
 */
static const char *find_unnamed(struct sqlites *s, struct open_file *f)
{
	struct table_key key = unnamed_key(f);
	struct unnamed *u = table_get(&s->unnamed, key);

	if (!u) {
		u = calloc(1, sizeof(*u));
		if (!u || table_put(&s->unnamed, key, u)) {
			free(u);
			return "?";
		}
	}
	if (!u->ns || f->ev.head.ns - u->ns > LOOK_AGAIN_NS) {
		sqlite_file_free(&u->at);
		u->err = sqlite_file_only(&u->at, f->key.pid);
		u->ns = f->ev.head.ns;
	}
	if (!u->err) {
		f->at.path = strdup(u->at.path);
		f->at.reach = u->at.reach ? strdup(u->at.reach) : NULL;
		f->at.device = u->at.device;
		f->at.inode = u->at.inode;
	}
	return u->err == -EMLINK ? "one of several files" : "a file opened before";
}

/* Finds the file of a connection.  Returns the name to show if no file is known. */
static const char *find_file(struct sqlites *s, struct open_file *f, const struct ledger_handle *h)
{
	char name[TEXT_LEN + 1] = "";
	struct client_text text = {};

	if (kernel_client_text(s->kernel, h->text, &text)) {
		bool unread = h->text || f->ev.flags & EV_CONN_PRE_EXISTING;

		return unread ? find_unnamed(s, f) : "";
	}
	memcpy(name, text.bytes, TEXT_LEN);
	return sqlite_file_named(&f->at, f->key.pid, name, text.cut) ? ":memory:" : "";
}

/* The connection's id.  If its lock was reported before, the connection keeps the id of that
 * report. */
static uint64_t id_of(struct sqlites *s, const struct open_file *f)
{
	uint64_t id = f->at.inode ? locks_yield(s->locks, f->key.pid, f->at.device, f->at.inode)
				  : 0;

	return id ? id : ++s->ids;
}

void sqlite_tell_evidence(struct sqlites *s, const struct open_file *f, enum ev_evidence_kind kind,
			  uint64_t stack, uint64_t second)
{
	struct ev_evidence e = {.object = f->ev.id,
				.second = second,
				.start_ns = f->ev.start_ns,
				.stack = stack,
				.at_ns = f->ev.head.ns,
				.pid = f->key.pid,
				.kind = kind};

	e.head = (struct ev_head){.ns = f->ev.head.ns, .kind = EV_EVIDENCE, .size = sizeof(e)};
	if (stack)
		s->host->evidence(s->host->context, &e);
}

static void file_enter(struct sqlites *s, const struct raw_handle *raw,
		       const struct sqlite_fields *fields)
{
	struct open_file *f = calloc(1, sizeof(*f));
	const char *otherwise;

	if (!f || table_put(&s->files, sqlite_table_key_of(&raw->key), f)) {
		free(f);
		return;
	}
	f->key = raw->key;
	f->fields = *fields;
	f->ev.head = (struct ev_head){
		.ns = raw->head.ns, .kind = EV_CONNECTION, .size = sizeof(f->ev)};
	f->ev.start_ns = raw->start_ns;
	f->ev.born_ns = raw->handle.flags & EV_HANDLE_PRE_EXISTING ? 0 : raw->handle.born_ns;
	f->ev.used_ns = raw->handle.used_ns;
	f->ev.requests = raw->handle.acquired;
	f->ev.prepared = raw->handle.acquired;
	f->ev.unprepared = raw->handle.released;
	f->ev.pid = f->ev.user_pid = raw->key.pid;
	f->ev.tid = f->ev.user_tid = raw->handle.tid;
	f->ev.flags = raw->handle.flags & EV_HANDLE_PRE_EXISTING ? EV_CONN_PRE_EXISTING : 0;
	f->ev.database = EV_DB_SQLITE;
	f->ev.signs = EV_SIGN_LIBRARY | EV_SIGN_HANDSHAKE;
	memcpy(f->ev.comm, raw->comm, EV_COMM_LEN - 1);
	redact_name(f->ev.comm);
	f->file.wal_bytes = UNKNOWN64;
	otherwise = find_file(s, f, &raw->handle);
	f->ev.id = id_of(s, f);
	sqlite_tell(s, &f->ev.head);
	tell_identity(s, f, otherwise);
	sqlite_tell_evidence(s, f, EV_AT_OPENED, raw->handle.opened_at, 0);
}

static void statement_text(struct sqlites *s, uint64_t hash, char *out, uint32_t *length,
			   uint32_t *cut)
{
	struct client_text text = {};
	char clean[EV_STATEMENT_SQL_LEN + 1];

	*length = *cut = 0;
	if (kernel_client_text(s->kernel, hash, &text))
		return;
	*length = sql_normalise(clean, sizeof(clean), text.bytes,
				strnlen(text.bytes, sizeof(text.bytes)), EV_DB_SQLITE,
				s->host->show_literals ? SQL_KEEP_LITERALS : 0);
	if (*length > EV_STATEMENT_SQL_LEN)
		*length = EV_STATEMENT_SQL_LEN;
	*cut = text.cut;
	memcpy(out, clean, *length);
}

void sqlite_tell_sql(struct sqlites *s, struct open_file *f, uint64_t hash, uint64_t now)
{
	struct ev_sql ev = {};

	if (!hash || hash == f->sql)
		return;
	f->sql = hash;
	statement_text(s, hash, ev.text, &ev.length, &ev.cut);
	if (!ev.length)
		return;
	ev.id = f->ev.id;
	ev.sent_ns = f->ev.used_ns;
	ev.head = (struct ev_head){.ns = now, .kind = EV_SQL};
	ev.head.size = (offsetof(struct ev_sql, text) + ev.length + 7) & ~7ULL;
	sqlite_tell(s, &ev.head);
}

void sqlite_tell_statement(struct sqlites *s, const struct open_file *f, struct open_statement *st,
			   uint64_t now)
{
	struct ev_statement ev = {};

	st->reported = true;
	ev.id = f->ev.id;
	ev.statement = st->key.handle;
	ev.born_ns = st->born_ns;
	ev.text_hash = st->text;
	ev.length = st->length;
	ev.cut = st->cut;
	memcpy(ev.text, st->sql ? st->sql : "", ev.length);
	ev.head = (struct ev_head){.ns = now, .kind = EV_STATEMENT};
	ev.head.size = (offsetof(struct ev_statement, text) + ev.length + 7) & ~7ULL;
	sqlite_tell(s, &ev.head);
	sqlite_tell_evidence(s, f, EV_AT_PREPARED, st->prepared_at, ev.statement);
}

static void statement_enter(struct sqlites *s, const struct raw_handle *raw)
{
	struct open_file *f = table_get(&s->files, sqlite_key_of(raw->handle.parent, raw->key.pid));
	struct open_statement *st = table_get(&s->statements, sqlite_table_key_of(&raw->key));
	char text[EV_STATEMENT_SQL_LEN];

	if (!st) {
		st = calloc(1, sizeof(*st));
		if (!st || table_put(&s->statements, sqlite_table_key_of(&raw->key), st)) {
			free(st);
			return;
		}
	}
	free(st->sql);
	*st = (struct open_statement){.key = raw->key,
				      .parent = raw->handle.parent,
				      .born_ns = raw->handle.born_ns,
				      .text = raw->handle.text,
				      .prepared_at = raw->handle.opened_at};
	st->run.rest[0].ns = raw->handle.born_ns + raw->handle.before_ms * 1000000ULL;
	st->run.rest[0].bytes = raw->handle.before_pages * (uint64_t)sysconf(_SC_PAGESIZE);
	/* The kernel keeps only the latest texts, so this one is copied now. */
	statement_text(s, st->text, text, &st->length, &st->cut);
	st->sql = st->length ? strndup(text, st->length) : NULL;
	if (!st->sql)
		st->length = 0;
	if (f) /* else a sweep meets its connection later */
		sqlite_tell_statement(s, f, st, raw->head.ns);
}

void sqlites_handle(struct sqlites *s, const struct raw_handle *raw,
		    const struct sqlite_fields *fields)
{
	struct open_file *f;

	if (raw->key.resource == EV_RES_STATEMENT) {
		statement_enter(s, raw);
		return;
	}
	if (raw->key.resource != EV_RES_CONNECTION)
		return;
	f = table_get(&s->files, sqlite_table_key_of(&raw->key));
	if (f && f->ev.born_ns != raw->handle.born_ns && f->ev.born_ns) {
		sqlites_gone(s, &raw->key, f->ev.born_ns, raw->handle.born_ns, false);
		f = NULL;
	}
	if (!f)
		file_enter(s, raw, fields);
}

static void statements_leave(struct sqlites *s, const struct open_file *f)
{
	struct table_walk walk = table_walk(&s->statements);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		struct open_statement *st = slot->value;

		if (st->parent == f->key.handle && st->key.pid == f->key.pid)
			statement_free(table_walk_remove(&walk));
	}
}

static void statement_gone(struct sqlites *s, const struct handle_key *key, uint64_t ns)
{
	struct open_statement *st = table_remove(&s->statements, sqlite_table_key_of(key));
	struct open_file *f = st ? table_get(&s->files, sqlite_key_of(st->parent, key->pid)) : NULL;
	struct ev_statement_closed ev = {};
	bool reported = st && st->reported;

	statement_free(st);
	if (!f || !reported)
		return;
	ev.head = (struct ev_head){.ns = ns, .kind = EV_STATEMENT_CLOSED, .size = sizeof(ev)};
	ev.id = f->ev.id;
	ev.statement = key->handle;
	sqlite_tell(s, &ev.head);
}

void sqlites_gone(struct sqlites *s, const struct handle_key *key, uint64_t born_ns, uint64_t ns,
		  bool exiting)
{
	struct open_file *f;

	if (key->resource == EV_RES_STATEMENT) {
		/* At the end of the process its statements go with their connection. */
		if (!exiting)
			statement_gone(s, key, ns);
		return;
	}
	f = key->resource == EV_RES_CONNECTION ? table_get(&s->files, sqlite_table_key_of(key))
					       : NULL;
	if (!f || (f->ev.born_ns && f->ev.born_ns != born_ns))
		return;
	f->ev.head.ns = ns;
	f->ev.flags |= EV_CONN_CLOSED | (exiting ? EV_CONN_EXIT : EV_CONN_TERMINATED);
	if (f->ev.status == EV_STATUS_TRANSACTION)
		f->ev.abandoned++;
	sqlite_tell(s, &f->ev.head);
	if (!exiting)
		sqlite_count_closed(s, f);
	table_remove(&s->files, sqlite_table_key_of(key));
	statements_leave(s, f);
	if (exiting)
		unnamed_free(table_remove(&s->unnamed, unnamed_key(f)));
	file_free(f);
}

bool sqlite_is_due(const struct sqlites *s, const struct handle_key *key, size_t count)
{
	uint64_t turns = 1 + count / LOOKS_MOST;

	return (key->handle >> 4) * 0x9e3779b97f4a7c15ULL % turns == s->sweeps % turns;
}

/* Size of the database or of a file beside it; UNKNOWN64. */
static uint64_t file_bytes(const struct open_file *f, const char *suffix)
{
	struct stat st;
	char *path;
	int err;

	if (!f->at.reach || asprintf(&path, "%s%s", f->at.reach, suffix) < 0)
		return UNKNOWN64;
	err = sqlite_file_stat(f->key.pid, path, &st);
	free(path);
	return err ? UNKNOWN64 : (uint64_t)st.st_size;
}

uint64_t sqlite_wal_bytes(const struct open_file *f)
{
	return file_bytes(f, "-wal");
}

/* Number of bytes of the file that the library may keep in memory; UNKNOWN64. */
static uint64_t pages_bytes(const struct open_file *f)
{
	uint64_t main = file_bytes(f, ""), wal = sqlite_wal_bytes(f);

	return main == UNKNOWN64 || wal == UNKNOWN64 ? main : main + wal;
}

uint64_t sqlite_memory_of(struct sqlites *s, uint32_t pid)
{
	uint64_t *bytes = table_get(&s->memory, (struct table_key){pid, 0});

	if (bytes)
		return *bytes;
	bytes = malloc(sizeof(*bytes));
	if (!bytes || table_put(&s->memory, (struct table_key){pid, 0}, bytes)) {
		free(bytes);
		return UNKNOWN64;
	}
	*bytes = sqlite_run_memory(s->procfs, pid);
	return *bytes;
}

void sqlite_tell_result(struct sqlites *s, struct open_file *f, struct ev_result *ev, uint64_t text,
			uint64_t stack)
{
	const struct sqlite_cache_wanted wanted = {f->key.handle, f->fields.autocommit,
						   pages_bytes(f)};
	struct ev_evidence e = {.object = f->ev.id,
				.start_ns = f->ev.start_ns,
				.stack = stack,
				.at_ns = ev->head.ns,
				.pid = f->key.pid,
				.kind = EV_AT_RESULT};

	ev->id = f->ev.id;
	ev->bytes = UNKNOWN64;
	ev->cache_kib = sizes_sqlite_cache(s->sizes, f->key.pid, f->ev.start_ns, &wanted);
	statement_text(s, text, ev->text, &ev->length, &ev->cut);
	ev->head.kind = EV_RESULT;
	ev->head.size = (offsetof(struct ev_result, text) + ev->length + 7) & ~7ULL;
	sqlite_tell(s, &ev->head);
	e.head = (struct ev_head){.ns = ev->head.ns, .kind = EV_EVIDENCE, .size = sizeof(e)};
	if (stack)
		s->host->evidence(s->host->context, &e);
}

void sqlites_run(struct sqlites *s, const struct raw_run *raw, const struct sqlite_fields *fields)
{
	struct open_file *f = table_get(&s->files, sqlite_key_of(raw->parent, raw->key.pid));
	struct open_statement *st = table_get(&s->statements, sqlite_table_key_of(&raw->key));
	struct sqlite_rest before = {raw->before_ns, raw->before_bytes};
	struct sqlite_rest after = {raw->head.ns, raw->after_bytes};
	struct ev_result ev = {.head.ns = raw->head.ns,
			       .rows = raw->rows,
			       .rss_bytes = raw->after_bytes,
			       .rows_exact = 1};

	uint64_t began_ns;

	if (st && st->born_ns != raw->born_ns)
		st = NULL;
	ev.grown_bytes = sqlite_run_grown(st ? &st->run : NULL, &before, &after, &began_ns);
	ev.began_ns = began_ns;
	if (!f || f->fields.rows != fields->rows || ev.grown_bytes < RUN_GROWN)
		return;
	sqlite_tell_result(s, f, &ev, raw->text, raw->stack);
}
