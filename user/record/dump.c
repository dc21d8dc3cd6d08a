/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * dump.c - see dump.h.
 *
 * The table at the end is all there is to know of a kind; a kind without a row does not compile.
 */
#include "user/record/dump.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "user/base/json_value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Names of numbers and bits.
 */

static const char *const databases[] = {"unknown", "postgresql", "mysql", "sqlite", "redis", NULL};
static const char *const client_libraries[] = {"libpq",	 "mysql",   "openssl",
					       "sqlite", "hiredis", NULL};
static const char *const resources[] = {"none",	  "connection", "transaction", "statement",
					"cursor", "result",	"memory",      NULL};
static const char *const tiers[] = {"off", "growth", "client", "full", NULL};
static const char *const roles[] = {"client", "pooler", "server", NULL};
static const char *const modes[] = {"watch", "run", "snapshot", NULL};
static const char *const statuses[] = {"unknown", "idle", "transaction", "failed", NULL};
static const char *const limits[] = {"none", "cgroup", "process", "host", NULL};
static const char *const languages[] = {"unknown", "native",	 "python", "perl", "php",
					"ruby",	   "javascript", "java",   "go",   NULL};
static const char *const signs[] = {"port",   "handshake", "request", "reply",
				    "server", "library",   NULL};
static const char *const connection_flags[] = {
	"pre_existing", "tls",		 "compressed", "listening", "replication", "cancel",
	"terminated",	"closed",	 "exit",       "unaligned", "truncated",   "pipelined",
	"wrote",	"authenticated", "refused",    "hidden_io", "decrypted",   "tentative",
	"cursor",	"asked",	 "unread",     "missed",    NULL};
static const char *const handle_flags[] = {"pre_existing", "unread", "tentative", "zombie", NULL};
static const char *const frame_flags[] = {"inlined", "defined", "exported", "takes", NULL};
static const char *const stack_flags[] = {"cut", "caller", "greenlet", "nameless", NULL};
static const char *const memory_flags[] = {"estimated", "lower_bound", "windows", NULL};
static const char *const thread_states[] = {"unknown", "sleeps", "moves", NULL};
static const char *const waits[] = {"unknown", "lock",	"socket", "many",
				    "time",    "child", "task",	  NULL};
static const char *const session_sources[] = {"none", "title", "statistics", NULL};
static const char *const hexadecimals[] = {NULL}; /* ids */
static const char *const session_flags[] = {"busy", NULL};
static const char *const collectors[] = {"unknown", "python", "hotspot", NULL};
static const char *const collections_flags[] = {"stopped", NULL};
static const char *const evidence_kinds[] = {"none",	 "opened", "begun",  "prepared",
					     "acquired", "site",   "result", NULL};

/*
 * Fields of each kind.  Each field of a record has a row, also those that are not printed.
 */

#define SIZE(kind, field) sizeof(((struct ev_##kind *)0)->field)
#define KEYED(kind, field, name, ...)                                     \
	{                                                                 \
		.key = name, .offset = offsetof(struct ev_##kind, field), \
		.size = SIZE(kind, field), __VA_ARGS__                    \
	}
#define ROW(kind, field, ...)	 KEYED(kind, field, #field, __VA_ARGS__)
#define NUMBER(kind, field)	 ROW(kind, field, .value = dump_number)
#define NONZERO(kind, field)	 ROW(kind, field, .value = dump_nonzero)
#define TIME(kind, field)	 NONZERO(kind, field)
#define ID(kind, field)		 ROW(kind, field, .value = dump_id)
#define BOOL(kind, field)	 ROW(kind, field, .value = dump_bool)
#define TEXT(kind, field)	 ROW(kind, field, .value = dump_text)
#define ENUM(kind, field, words) ROW(kind, field, .value = dump_enum, .names = words)
#define SET(kind, field, words)	 ROW(kind, field, .value = dump_set, .names = words)
#define HIDDEN(kind, field)	 ROW(kind, field)
/* A text cut after its length, which stands before it. */
#define CUT_TEXT(kind) \
	ROW(kind, text, .value = dump_cut_text, .length = offsetof(struct ev_##kind, length))
#define PART(name, before) \
	KEYED(frame, text, name, .value = dump_part, .length = offsetof(struct ev_frame, before))
#define ADDRESS(kind) \
	ROW(kind, address, .value = dump_address, .length = offsetof(struct ev_##kind, family))
#define LOSS(name, kind)                                                                        \
	{                                                                                       \
		.key = name, .offset = offsetof(struct ev_loss, count) + 8 * (kind), .size = 8, \
		.value = dump_number                                                            \
	}

static const struct dump_field begin_fields[] = {
	HIDDEN(begin, magic),	TIME(begin, realtime_ns), TIME(begin, min_age_ns),
	NUMBER(begin, version), ENUM(begin, mode, modes), TEXT(begin, kernel),
	TEXT(begin, arch),
};

static const struct dump_field end_fields[] = {
	NUMBER(end, records),
};

static const struct dump_field process_fields[] = {
	TIME(process, start_ns),       NUMBER(process, nofile_limit),
	NUMBER(process, pid),	       NUMBER(process, parent_pid),
	ENUM(process, role, roles),    SET(process, libraries, client_libraries),
	TEXT(process, comm),	       TEXT(process, cmdline),
	TEXT(process, runtime),	       TEXT(process, container_id),
	TEXT(process, container_name),
};

static const struct dump_field usage_fields[] = {
	TIME(usage, start_ns), NUMBER(usage, rss_bytes),  NUMBER(usage, rss_peak_bytes),
	NUMBER(usage, pid),    NUMBER(usage, open_files),
};

static const struct dump_field exit_fields[] = {
	TIME(exit, start_ns),
	NUMBER(exit, rss_peak_bytes),
	NUMBER(exit, pid),
	NUMBER(exit, exit_code),
};

static const struct dump_field connection_fields[] = {
	ID(connection, id),
	TIME(connection, start_ns),
	TIME(connection, born_ns),
	TIME(connection, used_ns),
	TIME(connection, request_ns),
	TIME(connection, transaction_ns),
	TIME(connection, hung_up_ns),
	NUMBER(connection, longest_gap_ns),
	NUMBER(connection, bytes_sent),
	NUMBER(connection, bytes_received),
	NUMBER(connection, requests),
	NUMBER(connection, rows),
	NUMBER(connection, begun),
	NUMBER(connection, committed),
	NUMBER(connection, rolled_back),
	NUMBER(connection, abandoned),
	NUMBER(connection, prepared),
	NUMBER(connection, unprepared),
	NUMBER(connection, pid),
	NUMBER(connection, tid),
	NUMBER(connection, user_pid),
	NUMBER(connection, user_tid),
	SET(connection, flags, connection_flags),
	ENUM(connection, database, databases),
	SET(connection, signs, signs),
	ENUM(connection, status, statuses),
	NUMBER(connection, cursors),
	TEXT(connection, comm),
};

static const struct dump_field identity_fields[] = {
	ID(identity, id),
	ADDRESS(identity),
	NUMBER(identity, port),
	NUMBER(identity, local_port),
	ROW(identity, family, .value = dump_family),
	HIDDEN(identity, reserved),
	TEXT(identity, path),
	TEXT(identity, user),
	TEXT(identity, name),
	TEXT(identity, application),
	HIDDEN(identity, reserved2),
};

static const struct dump_field sql_fields[] = {
	ID(sql, id), TIME(sql, sent_ns), HIDDEN(sql, length), BOOL(sql, cut), CUT_TEXT(sql),
};

static const struct dump_field statement_fields[] = {
	ID(statement, id),	  ID(statement, statement),  TIME(statement, born_ns),
	ID(statement, text_hash), HIDDEN(statement, length), BOOL(statement, cut),
	CUT_TEXT(statement),
};

static const struct dump_field statement_closed_fields[] = {
	ID(statement_closed, id),
	ID(statement_closed, statement),
};

static const struct dump_field result_fields[] = {
	ID(result, id),
	NUMBER(result, rows),
	NUMBER(result, bytes),
	TIME(result, began_ns),
	NUMBER(result, grown_bytes),
	NUMBER(result, rss_bytes),
	BOOL(result, rows_exact),
	HIDDEN(result, length),
	BOOL(result, cut),
	NUMBER(result, cache_kib),
	CUT_TEXT(result),
};

static const struct dump_field tally_fields[] = {
	TIME(tally, start_ns),
	NUMBER(tally, opened),
	NUMBER(tally, requests),
	NUMBER(tally, begun),
	NUMBER(tally, committed),
	NUMBER(tally, rolled_back),
	NUMBER(tally, abandoned),
	NUMBER(tally, prepared),
	NUMBER(tally, unprepared),
	NUMBER(tally, pid),
	ENUM(tally, database, databases),
};

static const struct dump_field loss_fields[] = {
	LOSS("ring_full", EV_LOSS_RING_FULL),	LOSS("map_full", EV_LOSS_MAP_FULL),
	LOSS("read_fault", EV_LOSS_READ_FAULT), LOSS("missed_return", EV_LOSS_MISSED_RETURN),
	LOSS("truncated", EV_LOSS_TRUNCATED),	HIDDEN(loss, reserved),
};

static const struct dump_field cost_fields[] = {
	NUMBER(cost, cpu_ns),	    NUMBER(cost, bpf_ns),	  NUMBER(cost, events),
	NUMBER(cost, messages),	    NUMBER(cost, other_messages), NUMBER(cost, rss_bytes),
	NUMBER(cost, kernel_bytes), BOOL(cost, stepped_down),	  HIDDEN(cost, reserved),
};

static const struct dump_field gap_fields[] = {
	TIME(gap, start_ns),
	NONZERO(gap, pid),
	NONZERO(gap, connections),
	TEXT(gap, text),
};

static const struct dump_field holder_fields[] = {
	ID(holder, id),
	TIME(holder, start_ns),
	NUMBER(holder, pid),
	NUMBER(holder, holders),
};

static const struct dump_field gone_fields[] = {
	ID(gone, id),
	TIME(gone, last_seen_ns),
};

static const struct dump_field library_fields[] = {
	NUMBER(library, device),    NUMBER(library, inode), TIME(library, seen_ns),
	TIME(library, attached_ns), NUMBER(library, hits),  SET(library, library, client_libraries),
	NUMBER(library, probes),    NUMBER(library, cheap), BOOL(library, detached),
	TEXT(library, build_id),    TEXT(library, path),
};

static const struct dump_field site_fields[] = {
	TIME(site, start_ns),
	ID(site, site),
	ID(site, caller),
	NUMBER(site, acquired),
	NUMBER(site, released),
	NUMBER(site, unseen),
	NUMBER(site, failed),
	TIME(site, first_ns),
	TIME(site, last_ns),
	NUMBER(site, rows),
	NUMBER(site, pid),
	ENUM(site, resource, resources),
	ENUM(site, database, databases),
	BOOL(site, detached),
	TEXT(site, object),
	TEXT(site, release),
};

static const struct dump_field handle_fields[] = {
	TIME(handle, start_ns),
	ID(handle, handle),
	ID(handle, parent),
	ID(handle, connection),
	TIME(handle, born_ns),
	TIME(handle, used_ns),
	ID(handle, site),
	NUMBER(handle, rows),
	NUMBER(handle, bytes),
	NUMBER(handle, acquired),
	NUMBER(handle, released),
	NUMBER(handle, pid),
	NUMBER(handle, tid),
	ENUM(handle, resource, resources),
	ENUM(handle, database, databases),
	SET(handle, flags, handle_flags),
	HIDDEN(handle, reserved),
};

static const struct dump_field handle_closed_fields[] = {
	TIME(handle_closed, start_ns),
	ID(handle_closed, handle),
	TIME(handle_closed, born_ns),
	NUMBER(handle_closed, pid),
	ENUM(handle_closed, resource, resources),
};

static const struct dump_field file_fields[] = {
	ID(file, id),	    NUMBER(file, wal_bytes), TIME(file, reading_ns), NUMBER(file, reading),
	BOOL(file, zombie), HIDDEN(file, length),    BOOL(file, cut),	     CUT_TEXT(file),
};

static const struct dump_field frame_fields[] = {
	ID(frame, id),
	ID(frame, offset),
	NONZERO(frame, line),
	NONZERO(frame, column),
	ENUM(frame, language, languages),
	SET(frame, flags, frame_flags),
	HIDDEN(frame, function_length),
	HIDDEN(frame, file_length),
	HIDDEN(frame, module_length),
	HIDDEN(frame, build_length),
	HIDDEN(frame, reserved),
	PART("function", function_length),
	PART("file", file_length),
	PART("module", module_length),
	PART("build_id", build_length),
};

static const struct dump_field stack_fields[] = {
	ID(stack, id),
	TIME(stack, start_ns),
	NUMBER(stack, pid),
	SET(stack, flags, stack_flags),
	HIDDEN(stack, count),
	HIDDEN(stack, reserved),
	ROW(stack, frame, .value = dump_frames),
};

static const struct dump_field evidence_fields[] = {
	ID(evidence, object),
	ID(evidence, second),
	TIME(evidence, start_ns),
	ID(evidence, stack),
	TIME(evidence, at_ns),
	NUMBER(evidence, pid),
	KEYED(evidence, kind, "evidence", .value = dump_enum, .names = evidence_kinds),
	ENUM(evidence, resource, resources),
};

static const struct dump_field memory_fields[] = {
	TIME(memory, start_ns),	       NUMBER(memory, anonymous_bytes),
	NUMBER(memory, swapped_bytes), NUMBER(memory, file_bytes),
	NUMBER(memory, limit_bytes),   NUMBER(memory, limit_used_bytes),
	NUMBER(memory, pid),	       ENUM(memory, limit, limits),
	ENUM(memory, tier, tiers),
};

static const struct dump_field memory_site_fields[] = {
	TIME(memory_site, start_ns),	  ID(memory_site, site),
	ID(memory_site, stack),		  ID(memory_site, caller),
	NUMBER(memory_site, taken_bytes), NUMBER(memory_site, held_bytes),
	NUMBER(memory_site, error_bytes), NUMBER(memory_site, taken),
	NUMBER(memory_site, freed),	  TIME(memory_site, first_ns),
	TIME(memory_site, last_ns),	  ID(memory_site, connection),
	NUMBER(memory_site, reply_bytes), NUMBER(memory_site, pid),
	ENUM(memory_site, tier, tiers),	  SET(memory_site, flags, memory_flags),
	TEXT(memory_site, object),
};

static const struct dump_field withdrawn_fields[] = {
	TIME(withdrawn, start_ns),
	NUMBER(withdrawn, pid),
	NUMBER(withdrawn, signal),
	TEXT(withdrawn, comm),
};

#define OF_TABLE(list, name, table)                                                      \
	{                                                                                \
		.key = #list "_" name,                                                   \
		.offset = offsetof(struct ev_unfollowed, list) + 4 * (table), .size = 4, \
		.value = dump_number                                                     \
	}
#define OF_TABLES(list)                                              \
	OF_TABLE(list, "statements", EV_TABLE_STATEMENTS),           \
		OF_TABLE(list, "encrypted", EV_TABLE_ENCRYPTED),     \
		OF_TABLE(list, "connections", EV_TABLE_CONNECTIONS), \
		OF_TABLE(list, "sites", EV_TABLE_SITES),             \
		OF_TABLE(list, "objects", EV_TABLE_OBJECTS),         \
		OF_TABLE(list, "texts", EV_TABLE_TEXTS)

static const struct dump_field unfollowed_fields[] = {
	TIME(unfollowed, start_ns), NUMBER(unfollowed, pid), NUMBER(unfollowed, unsent),
	OF_TABLES(refused),	    OF_TABLES(crowded),	     OF_TABLES(share),
};

static const struct dump_field host_fields[] = {
	NUMBER(host, budget), NUMBER(host, redacted), TEXT(host, name),
	TEXT(host, version),  TEXT(host, selection),
};

static const struct dump_field program_fields[] = {
	TIME(program, start_ns), NUMBER(program, pid), NUMBER(program, uid),
	TEXT(program, exe),	 TEXT(program, unit),
};

static const struct dump_field container_fields[] = {
	TIME(container, start_ns), NUMBER(container, pid),	   HIDDEN(container, reserved),
	TEXT(container, pod),	   TEXT(container, pod_namespace), TEXT(container, image),
};

static const struct dump_field thread_fields[] = {
	TIME(thread, start_ns),
	ID(thread, stack),
	TIME(thread, since_ns),
	ID(thread, socket),
	ADDRESS(thread),
	NUMBER(thread, port),
	ROW(thread, family, .value = dump_family),
	ENUM(thread, state, thread_states),
	ENUM(thread, wait, waits),
	NUMBER(thread, pid),
	NUMBER(thread, tid),
};

static const struct dump_field requests_fields[] = {
	TIME(requests, start_ns),
	TIME(requests, oldest_ns),
	NUMBER(requests, pid),
	NUMBER(requests, unanswered),
};

static const struct dump_field serving_fields[] = {
	TIME(serving, start_ns),
	NONZERO(serving, cpu_ns),
	ROW(serving, came_ns, .value = dump_numbers),
	ROW(serving, called, .value = dump_numbers, .names = hexadecimals),
	NUMBER(serving, first),
	NUMBER(serving, unanswered),
	NUMBER(serving, calls),
	NUMBER(serving, pid),
};

static const struct dump_field session_fields[] = {
	ID(session, id),
	NUMBER(session, session),
	TIME(session, transaction_ns),
	TIME(session, since_ns),
	NONZERO(session, pid),
	ENUM(session, source, session_sources),
	ENUM(session, status, statuses),
	SET(session, flags, session_flags),
	TEXT(session, user),
	TEXT(session, name),
	TEXT(session, application),
	HIDDEN(session, length),
	BOOL(session, cut),
	CUT_TEXT(session),
};

static const struct dump_field collections_fields[] = {
	TIME(collections, start_ns),
	TIME(collections, since_ns),
	NUMBER(collections, full),
	NUMBER(collections, partial),
	TIME(collections, full_ns),
	TIME(collections, last_ns),
	NUMBER(collections, pid),
	ENUM(collections, collector, collectors),
	SET(collections, flags, collections_flags),
};

#define KIND(number, kind) [number] = {#kind, kind##_fields, COUNT(kind##_fields)}

static const struct {
	const char *name;
	const struct dump_field *fields;
	size_t count;
} kinds[] = {
	KIND(EV_BEGIN, begin),
	KIND(EV_END, end),
	[EV_TICK] = {"tick", NULL, 0},
	KIND(EV_PROCESS, process),
	KIND(EV_USAGE, usage),
	KIND(EV_EXIT, exit),
	KIND(EV_CONNECTION, connection),
	KIND(EV_IDENTITY, identity),
	KIND(EV_SQL, sql),
	KIND(EV_STATEMENT, statement),
	KIND(EV_STATEMENT_CLOSED, statement_closed),
	KIND(EV_RESULT, result),
	KIND(EV_TALLY, tally),
	KIND(EV_LOSS, loss),
	KIND(EV_COST, cost),
	KIND(EV_GAP, gap),
	KIND(EV_HOLDER, holder),
	KIND(EV_GONE, gone),
	KIND(EV_LIBRARY, library),
	KIND(EV_SITE, site),
	KIND(EV_HANDLE, handle),
	KIND(EV_HANDLE_CLOSED, handle_closed),
	KIND(EV_FILE, file),
	KIND(EV_FRAME, frame),
	KIND(EV_STACK, stack),
	KIND(EV_EVIDENCE, evidence),
	KIND(EV_MEMORY, memory),
	KIND(EV_MEMORY_SITE, memory_site),
	KIND(EV_WITHDRAWN, withdrawn),
	KIND(EV_UNFOLLOWED, unfollowed),
	KIND(EV_HOST, host),
	KIND(EV_PROGRAM, program),
	KIND(EV_THREAD, thread),
	KIND(EV_REQUESTS, requests),
	KIND(EV_SESSION, session),
	KIND(EV_COLLECTIONS, collections),
	KIND(EV_SERVING, serving),
	KIND(EV_CONTAINER, container),
};

_Static_assert(COUNT(kinds) == EV_KIND_MAX, "each kind of record has a row");

const char *dump_kind_name(uint16_t kind)
{
	return kind < COUNT(kinds) ? kinds[kind].name : NULL;
}

uint16_t dump_kind_of(const char *name, size_t len)
{
	for (uint16_t i = 0; i < COUNT(kinds); i++)
		if (kinds[i].name && strlen(kinds[i].name) == len &&
		    !memcmp(kinds[i].name, name, len))
			return i;
	return 0;
}

const struct dump_field *dump_fields(uint16_t kind, size_t *count)
{
	*count = kind < COUNT(kinds) ? kinds[kind].count : 0;
	return *count ? kinds[kind].fields : NULL;
}

static bool add_member(json_t *object, const char *key, json_t *value)
{
	return !json_object_set_new_nocheck(object, key, value);
}

/* NULL without memory. */
static json_t *record_object(const struct ev_head *record)
{
	size_t count;
	const struct dump_field *f = dump_fields(record->kind, &count);
	json_t *object = json_object();
	bool whole = object &&
		     add_member(object, "kind", json_text(dump_kind_name(record->kind))) &&
		     add_member(object, "ns", json_count(record->ns));

	for (; whole && count--; f++)
		whole = !f->value || add_member(object, f->key, f->value(record, f));
	if (whole)
		return object;
	json_decref(object);
	return NULL;
}

int dump_record(FILE *out, const struct ev_head *record)
{
	json_t *object = record_object(record);
	int failed;

	if (!object)
		return -ENOMEM;
	errno = 0;
	failed = json_dumpf(object, out, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(object);
	if (failed || fputc('\n', out) == EOF)
		return errno ? -errno : -EIO;
	return 0;
}
