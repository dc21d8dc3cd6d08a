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

#include "user/base/redact.h"
#include "user/base/sql.h"
#include "user/base/table.h"
#include "user/capture/clientlib/client_host.h"
#include "user/capture/clientlib/lock.h"
#include "user/capture/host/memory.h"
#include "user/capture/clientlib/sqlite_file.h"
#include "user/capture/clientlib/sqlite_run.h"

#define CONNECTION_BYTES 512 /* of struct sqlite3, which is longer; its counters are among them */
#define STATEMENT_BYTES	 256 /* of a statement; likewise */
#define ID_BASE		 (1ULL << 63) /* no socket's cookie is so high */
#define LOOK_AGAIN_NS	 10000000000ULL
#define LOOKS_MOST	 2000 /* at objects of one kind in one sweep; more take turns */

struct open_file { /* a connection */
	struct handle_key key;
	struct sqlite_fields fields;
	uint64_t digest;
	struct ev_connection ev; /* as reported last */
	struct ev_file file;
	struct sqlite_file at;	   /* path NULL: no file, or not known */
	uint64_t sql;		   /* hash of the text reported last */
	uint64_t begun;		   /* stack of the transaction reported last */
	struct handle handle;	   /* as the ledger has it */
	uint32_t statements, busy; /* of its statements that were reported */
	bool counted;		   /* among the process's told_closed */
};

/* Counts of all connections of a process, reported one by one or not. */
struct opener {
	uint32_t pid;
	uint64_t start_ns;
	uint64_t released; /* by all its sites */
	uint32_t sites;
	uint64_t told_closed; /* of these, how many were reported one by one */
	uint64_t told_brief;
};

struct unnamed { /* what sqlite_file_only said of a process */
	uint64_t ns;
	struct sqlite_file at;
	int err;
};

struct open_statement {
	struct handle_key key;
	uint64_t parent, born_ns, text;
	uint64_t prepared_at; /* stack; 0 none */
	char *sql;	      /* literals replaced; NULL not known */
	uint32_t length, cut;
	uint64_t digest;
	uint64_t still_ns; /* since when its bytes have not changed */
	struct sqlite_run run;
	bool busy;
	bool told; /* its connection is known, too */
};

struct sqlites {
	struct kernel *kernel;
	const struct procfs *procfs;
	const struct client_host *host;
	struct table files, statements; /* by address and pid */
	struct table unnamed, openers;	/* by pid and start */
	struct table sites;		/* by identity and pid: how many each has released */
	struct table memory;		/* by pid, for one sweep: its bytes */
	struct locks *locks;
	uint64_t ids, sweeps;
};

static struct table_key table_key_of(const struct handle_key *key)
{
	return (struct table_key){key->handle, key->pid};
}

static struct table_key key_of(uint64_t handle, uint32_t pid)
{
	return (struct table_key){handle, pid};
}

static void tell(struct sqlites *s, const struct ev_head *record)
{
	s->host->tell(s->host->context, record);
}

static bool is_known(void *context, uint32_t pid, dev_t device, ino_t inode)
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

int sqlites_open(struct sqlites **out, struct kernel *kernel, const struct procfs *procfs,
		 const struct client_host *host)
{
	struct sqlites *s = calloc(1, sizeof(*s));

	*out = s;
	if (!s)
		return -ENOMEM;
	s->kernel = kernel;
	s->procfs = procfs;
	s->host = host;
	s->ids = ID_BASE;
	return locks_open(&s->locks, kernel, procfs, host, is_known, s);
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

/* Reads an object of a process.  Returns a digest of its bytes, 0 when they cannot be read. */
static uint64_t read_object(uint32_t pid, uint64_t address, void *bytes, size_t size)
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

/* The value that an accessor would return for an object with these first bytes.  -1: not known. */
static int field_value(const struct probe_field *field, const unsigned char *bytes, size_t size)
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
	tell(s, &id.head);
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
static const char *find_file(struct sqlites *s, struct open_file *f, const struct handle *h)
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

/* Reports a stack of the kernel half for the connection, or for one of its statements (second). */
static void tell_evidence(struct sqlites *s, const struct open_file *f, enum ev_evidence_kind kind,
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

	if (!f || table_put(&s->files, table_key_of(&raw->key), f)) {
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
	tell(s, &f->ev.head);
	tell_identity(s, f, otherwise);
	tell_evidence(s, f, EV_AT_OPENED, raw->handle.opened_at, 0);
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

/* Reports the text that the connection was given last.  Callers skip a connection that goes on from
 * text to text outside a transaction. */
static void tell_sql(struct sqlites *s, struct open_file *f, uint64_t hash, uint64_t now)
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
	tell(s, &ev.head);
}

static void tell_statement(struct sqlites *s, const struct open_file *f, struct open_statement *st,
			   uint64_t now)
{
	struct ev_statement ev = {};

	st->told = true;
	ev.id = f->ev.id;
	ev.statement = st->key.handle;
	ev.born_ns = st->born_ns;
	ev.text_hash = st->text;
	ev.length = st->length;
	ev.cut = st->cut;
	memcpy(ev.text, st->sql ? st->sql : "", ev.length);
	ev.head = (struct ev_head){.ns = now, .kind = EV_STATEMENT};
	ev.head.size = (offsetof(struct ev_statement, text) + ev.length + 7) & ~7ULL;
	tell(s, &ev.head);
	tell_evidence(s, f, EV_AT_PREPARED, st->prepared_at, ev.statement);
}

static void statement_enter(struct sqlites *s, const struct raw_handle *raw)
{
	struct open_file *f = table_get(&s->files, key_of(raw->handle.parent, raw->key.pid));
	struct open_statement *st = table_get(&s->statements, table_key_of(&raw->key));
	char text[EV_STATEMENT_SQL_LEN];

	if (!st) {
		st = calloc(1, sizeof(*st));
		if (!st || table_put(&s->statements, table_key_of(&raw->key), st)) {
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
		tell_statement(s, f, st, raw->head.ns);
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
	f = table_get(&s->files, table_key_of(&raw->key));
	if (f && f->ev.born_ns != raw->handle.born_ns && f->ev.born_ns) {
		sqlites_gone(s, &raw->key, f->ev.born_ns, raw->handle.born_ns, false);
		f = NULL;
	}
	if (!f)
		file_enter(s, raw, fields);
}

static void statements_leave(struct sqlites *s, const struct open_file *f)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&s->statements, &at))) {
		struct open_statement *st = slot->value;

		if (st->parent != f->key.handle || st->key.pid != f->key.pid)
			continue;
		table_remove(&s->statements, table_key_of(&st->key));
		statement_free(st);
		at--; /* the removal may have moved an entry here */
	}
}

static void statement_gone(struct sqlites *s, const struct handle_key *key, uint64_t ns)
{
	struct open_statement *st = table_remove(&s->statements, table_key_of(key));
	struct open_file *f = st ? table_get(&s->files, key_of(st->parent, key->pid)) : NULL;
	struct ev_statement_closed ev = {};
	bool told = st && st->told;

	statement_free(st);
	if (!f || !told)
		return;
	ev.head = (struct ev_head){.ns = ns, .kind = EV_STATEMENT_CLOSED, .size = sizeof(ev)};
	ev.id = f->ev.id;
	ev.statement = key->handle;
	tell(s, &ev.head);
}

static struct opener *opener_of(struct sqlites *s, uint32_t pid, uint64_t start_ns)
{
	struct table_key key = {pid, start_ns};
	struct opener *o = table_get(&s->openers, key);

	if (o)
		return o;
	o = calloc(1, sizeof(*o));
	if (!o || table_put(&s->openers, key, o)) {
		free(o);
		return NULL;
	}
	o->pid = pid;
	o->start_ns = start_ns;
	return o;
}

void sqlites_site(struct sqlites *s, const struct raw_site *raw)
{
	struct table_key key = {raw->key.place ^ (uint64_t)raw->key.probe << 48 ^ raw->start_ns,
				raw->key.pid};
	struct opener *o = opener_of(s, raw->key.pid, raw->start_ns);
	uint64_t *released = table_get(&s->sites, key);

	if (!o)
		return;
	if (!released) {
		released = calloc(1, sizeof(*released));
		if (!released || table_put(&s->sites, key, released)) {
			free(released);
			return;
		}
		o->sites++;
	}
	o->released += raw->released - *released;
	*released = raw->released;
	if (raw->gone) {
		free(table_remove(&s->sites, key));
		o->sites--;
	}
}

/* Counts a reported connection that was closed: its site has counted the close, too. */
static void count_closed(struct sqlites *s, struct open_file *f)
{
	struct opener *o;

	if (f->counted || f->ev.flags & EV_CONN_PRE_EXISTING)
		return;
	f->counted = true;
	o = opener_of(s, f->key.pid, f->ev.start_ns);
	if (o)
		o->told_closed++;
}

static void tell_brief(struct sqlites *s, struct opener *o, uint64_t now)
{
	struct ev_tally ev = {};

	ev.opened = o->released > o->told_closed ? o->released - o->told_closed : 0;
	if (ev.opened == o->told_brief)
		return;
	o->told_brief = ev.opened;
	ev.head = (struct ev_head){.ns = now, .kind = EV_TALLY, .size = sizeof(ev)};
	ev.start_ns = o->start_ns;
	ev.pid = o->pid;
	ev.database = EV_DB_SQLITE;
	tell(s, &ev.head);
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
	f = key->resource == EV_RES_CONNECTION ? table_get(&s->files, table_key_of(key)) : NULL;
	if (!f || (f->ev.born_ns && f->ev.born_ns != born_ns))
		return;
	f->ev.head.ns = ns;
	f->ev.flags |= EV_CONN_CLOSED | (exiting ? EV_CONN_EXIT : EV_CONN_TERMINATED);
	if (f->ev.status == EV_STATUS_TRANSACTION)
		f->ev.abandoned++;
	tell(s, &f->ev.head);
	if (!exiting)
		count_closed(s, f);
	table_remove(&s->files, table_key_of(key));
	statements_leave(s, f);
	if (exiting)
		unnamed_free(table_remove(&s->unnamed, unnamed_key(f)));
	file_free(f);
}

/* Whether it is this object's turn, among `count` objects. */
static bool is_due(const struct sqlites *s, const struct handle_key *key, size_t count)
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
	err = stat(path, &st);
	free(path);
	return err ? UNKNOWN64 : (uint64_t)st.st_size;
}

/* The write-ahead log lies beside the file. */
static uint64_t wal_bytes(const struct open_file *f)
{
	return file_bytes(f, "-wal");
}

/* How many bytes of the file the library may keep in memory; UNKNOWN64. */
static uint64_t pages_bytes(const struct open_file *f)
{
	uint64_t main = file_bytes(f, ""), wal = wal_bytes(f);

	return main == UNKNOWN64 || wal == UNKNOWN64 ? main : main + wal;
}

/* Memory of the process now; one look serves all its statements in a sweep.  UNKNOWN64. */
static uint64_t memory_of(struct sqlites *s, uint32_t pid)
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

static void tell_result(struct sqlites *s, struct open_file *f, struct ev_result *ev, uint64_t text,
			uint64_t stack)
{
	struct ev_evidence e = {.object = f->ev.id,
				.start_ns = f->ev.start_ns,
				.stack = stack,
				.at_ns = ev->head.ns,
				.pid = f->key.pid,
				.kind = EV_AT_RESULT};

	ev->id = f->ev.id;
	ev->bytes = UNKNOWN64;
	ev->cache_kib = sqlite_run_cache(f->key.pid, f->key.handle, &f->fields.autocommit,
					 pages_bytes(f));
	statement_text(s, text, ev->text, &ev->length, &ev->cut);
	ev->head.kind = EV_RESULT;
	ev->head.size = (offsetof(struct ev_result, text) + ev->length + 7) & ~7ULL;
	tell(s, &ev->head);
	e.head = (struct ev_head){.ns = ev->head.ns, .kind = EV_EVIDENCE, .size = sizeof(e)};
	if (stack)
		s->host->evidence(s->host->context, &e);
}

void sqlites_run(struct sqlites *s, const struct raw_run *raw, const struct sqlite_fields *fields)
{
	struct open_file *f = table_get(&s->files, key_of(raw->parent, raw->key.pid));
	struct open_statement *st = table_get(&s->statements, table_key_of(&raw->key));
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
	tell_result(s, f, &ev, raw->text, raw->stack);
}

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

	after.bytes = !st->busy || large ? memory_of(s, st->key.pid) : UNKNOWN64;
	sqlite_run_look(&st->run, st->busy, after.bytes, now);
	if (!large)
		return;
	ev.rss_bytes = after.bytes;
	ev.grown_bytes = sqlite_run_grown(&st->run, &before, &after, &began_ns);
	ev.began_ns = began_ns;
	if (ev.grown_bytes < RUN_GROWN || ev.grown_bytes < 2 * st->run.told_bytes)
		return;
	st->run.told_bytes = ev.grown_bytes;
	tell_result(s, f, &ev, st->text, 0);
}

/* Looks at a statement.  Returns whether it was used since the last look. */
static bool look_at_statement(struct sqlites *s, struct open_statement *st, struct open_file *f,
			      uint64_t now)
{
	unsigned char bytes[STATEMENT_BYTES];
	uint64_t digest = read_object(st->key.pid, st->key.handle, bytes, sizeof(bytes));
	bool used = digest != st->digest && st->digest;

	if (!digest)
		return false;
	st->busy = field_value(&f->fields.busy, bytes, sizeof(bytes)) == 1;
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
		struct open_file *f = table_get(&s->files, key_of(st->parent, st->key.pid));

		if (!f)
			continue;
		if (!st->told)
			tell_statement(s, f, st, now);
		if (is_due(s, &st->key, s->statements.count) && look_at_statement(s, st, f, now))
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
static void take_handle(void *context, const struct handle_key *key, const struct handle *h)
{
	struct sqlites *s = context;
	struct open_file *f = table_get(&s->files, table_key_of(key));

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
	uint64_t digest = read_object(f->key.pid, f->key.handle, bytes, sizeof(bytes));
	int autocommit;

	if (!digest)
		return;
	if (f->digest && digest != f->digest && f->ev.used_ns == used_before)
		f->ev.used_ns = now;
	f->digest = digest;
	autocommit = field_value(&f->fields.autocommit, bytes, sizeof(bytes));
	if (autocommit == 0)
		enter_transaction(&f->ev, used_before, now);
	else if (autocommit > 0)
		leave_transaction(&f->ev);
	if (f->ev.used_ns == used_before || f->ev.status == EV_STATUS_TRANSACTION)
		tell_sql(s, f, f->handle.latest, now);
	if (f->ev.status == EV_STATUS_TRANSACTION && f->handle.begun_at != f->begun) {
		f->begun = f->handle.begun_at;
		tell_evidence(s, f, EV_AT_BEGUN, f->begun, 0);
	}
}

/* How many statements of the connection are being read.  Only some of a call site's statements are
 * reported; the others are taken to be like those. */
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
		ev->wal_bytes = wal_bytes(f);
	if (ev->wal_bytes == before->wal_bytes && ev->reading == before->reading &&
	    ev->reading_ns == before->reading_ns && ev->zombie == before->zombie)
		return;
	ev->id = f->ev.id;
	ev->head = (struct ev_head){.ns = now, .kind = EV_FILE};
	ev->head.size = (offsetof(struct ev_file, text) + ev->length + 7) & ~7ULL;
	tell(s, &ev->head);
}

struct before { /* a connection as the last sweep had it */
	struct ev_connection ev;
	struct ev_file file;
};

static void sweep_file(struct sqlites *s, struct open_file *f, const struct before *before,
		       uint64_t now)
{
	/* A connection in use may have begun or ended a transaction, so it is due, too. */
	bool due = is_due(s, &f->key, s->files.count) || f->ev.used_ns != before->ev.used_ns;

	if (due)
		look_at_file(s, f, before->ev.used_ns, now);
	if (f->file.zombie) /* its site has released it */
		count_closed(s, f);
	tell_file(s, f, &before->file, due, now);
	if (!memcmp((char *)&before->ev + sizeof(struct ev_head),
		    (char *)&f->ev + sizeof(struct ev_head),
		    sizeof(f->ev) - sizeof(struct ev_head)))
		return;
	f->ev.head.ns = now;
	tell(s, &f->ev.head);
}

void sqlites_sweep(struct sqlites *s, uint64_t now)
{
	struct before *before = calloc(s->files.count + 1, sizeof(*before));
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
	for (at = 0; (slot = table_next(&s->openers, &at));) {
		struct opener *o = slot->value;

		tell_brief(s, o, now);
		if (o->sites)
			continue;
		table_remove(&s->openers, (struct table_key){o->pid, o->start_ns});
		free(o);
		at--; /* the removal may have moved an entry here */
	}
}
