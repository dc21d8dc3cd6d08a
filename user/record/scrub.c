/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * scrub.c - see scrub.h.
 *
 * How SQL is read depends on its database, which only the connection's own record names.  Where
 * that is missing, the text is read in the strictest way.
 */
#include "user/record/scrub.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "user/base/redact.h"
#include "user/base/sql.h"

#define CONNECTIONS_MOST 65536 /* those beyond are read in the strictest way */

static struct table_key scrub_key(uint64_t id)
{
	return (struct table_key){id, 0};
}

static enum ev_database database_of(const struct scrub *s, uint64_t id)
{
	return (enum ev_database)(uintptr_t)table_get(&s->databases, scrub_key(id));
}

/* Returns the new length. */
static uint32_t scrub_sql(enum ev_database database, char *text, uint32_t length)
{
	char clean[EV_SQL_LEN + 1];
	size_t n = sql_normalise(clean, sizeof(clean), text, length, database, 0);

	n = n < length ? n : length;
	memcpy(text, clean, n);
	memset(text + n, 0, length - n);
	return (uint32_t)n;
}

static void scrub_process(struct ev_process *p)
{
	char clean[sizeof(p->cmdline)];
	size_t n = redact(clean, sizeof(clean), p->cmdline, strlen(p->cmdline), 0);

	memset(p->cmdline, 0, sizeof(p->cmdline));
	memcpy(p->cmdline, clean, n);
	redact_name(p->comm);
}

static void scrub_path(char *path, size_t size)
{
	size_t n = redact_path(path);

	memset(path + n, 0, size - n);
}

static void scrub_connection(struct scrub *s, struct ev_connection *c)
{
	redact_name(c->comm);
	if (c->flags & EV_CONN_CLOSED)
		table_remove(&s->databases, scrub_key(c->id));
	else if (c->database && s->databases.count < CONNECTIONS_MOST)
		table_put(&s->databases, scrub_key(c->id), (void *)(uintptr_t)c->database);
}

static void scrub_identity(struct ev_identity *id)
{
	char path[sizeof(id->path) + 1] = ""; /* a path may fill its field */

	memcpy(path, id->path, sizeof(id->path));
	scrub_path(path, sizeof(path));
	memcpy(id->path, path, sizeof(id->path));
	redact_name(id->user);
	redact_name(id->name);
	redact_name(id->application);
}

/* The texts of a frame follow each other: function, file, module, build id. */
static void scrub_frame(struct ev_frame *f)
{
	char file[EV_FRAME_TEXT_LEN + 1] = "";
	size_t rest = (size_t)f->module_length + f->build_length, n;
	char *at = f->text + f->function_length;

	memcpy(file, at, f->file_length);
	n = redact_path(file);
	if (n >= f->file_length)
		return;
	memmove(at + n, at + f->file_length, rest);
	memset(at + n + rest, 0, f->file_length - n);
	f->file_length = (__u16)n;
}

/* Records with SQL: where their parts lie. */
static const struct {
	uint16_t kind, id, length, text;
} sql_texts[] = {
	{EV_SQL, offsetof(struct ev_sql, id), offsetof(struct ev_sql, length),
	 offsetof(struct ev_sql, text)},
	{EV_STATEMENT, offsetof(struct ev_statement, id), offsetof(struct ev_statement, length),
	 offsetof(struct ev_statement, text)},
	{EV_RESULT, offsetof(struct ev_result, id), offsetof(struct ev_result, length),
	 offsetof(struct ev_result, text)},
	{EV_FILE, offsetof(struct ev_file, id), offsetof(struct ev_file, length),
	 offsetof(struct ev_file, text)},
};

static void scrub_texts(const struct scrub *s, struct ev_head *record)
{
	char *bytes = (char *)record;

	for (size_t i = 0; i < sizeof(sql_texts) / sizeof(sql_texts[0]); i++) {
		uint64_t id;
		uint32_t length;

		if (sql_texts[i].kind != record->kind)
			continue;
		memcpy(&id, bytes + sql_texts[i].id, sizeof(id));
		memcpy(&length, bytes + sql_texts[i].length, sizeof(length));
		length = scrub_sql(database_of(s, id), bytes + sql_texts[i].text, length);
		memcpy(bytes + sql_texts[i].length, &length, sizeof(length));
	}
}

void scrub_record(struct scrub *s, struct ev_head *record)
{
	void *any = record;

	if (record->kind == EV_HOST)
		s->current = ((struct ev_host *)any)->redacted >= REDACTION_RULES;
	if (s->current)
		return;
	switch (record->kind) {
	case EV_PROCESS:
		scrub_process(any);
		break;
	case EV_PROGRAM:
		scrub_path(((struct ev_program *)any)->exe, EV_TEXT_LEN);
		break;
	case EV_WITHDRAWN:
		redact_name(((struct ev_withdrawn *)any)->comm);
		break;
	case EV_CONNECTION:
		scrub_connection(s, any);
		break;
	case EV_IDENTITY:
		scrub_identity(any);
		break;
	case EV_FRAME:
		scrub_frame(any);
		break;
	default:
		scrub_texts(s, record);
	}
}

void scrub_free(struct scrub *s)
{
	table_free(&s->databases);
}
