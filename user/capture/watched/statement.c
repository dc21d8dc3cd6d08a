/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * statement.c - what was sent to a database: its text goes on without its literals.
 */
#include "user/capture/watched/statement.h"

#include <stddef.h>
#include <string.h>

#include "user/base/sql.h"
#include "user/capture/kernel/kernel.h"

/* Keeps of an SQL text what may be kept: all but its literals.  cut and length are updated. */
static void privatise(const struct capture *c, uint64_t id, char *text, size_t size,
		      uint32_t *length, uint32_t *cut)
{
	const struct tracked *k = table_get(&c->connections, (struct table_key){id, 0});
	enum ev_database database = k ? k->last.database : EV_DB_UNKNOWN;
	size_t n = *length < size ? *length : size, there = strnlen(text, n);
	char out[EV_SQL_LEN + 1];

	if (there < n)
		*cut = 0; /* the text ended by itself */
	n = sql_normalise(out, sizeof(out), text, there, database,
			  c->options.show_literals ? SQL_KEEP_LITERALS : 0);
	if (n > size)
		n = size;
	memset(text, 0, size);
	memcpy(text, out, n);
	*length = n;
}

void statement_sql(struct capture *c, const struct ev_head *record)
{
	struct ev_sql ev = *(const struct ev_sql *)record;

	privatise(c, ev.id, ev.text, sizeof(ev.text), &ev.length, &ev.cut);
	capture_tell_cut(c, &ev.head, offsetof(struct ev_sql, text), ev.length);
}

/* PREPARE name AS text: the statement is the text, whatever its name. */
static void strip_prepare(struct ev_statement *ev)
{
	char text[EV_STATEMENT_SQL_LEN + 1];
	const char *as;
	size_t skip;

	memcpy(text, ev->text, ev->length);
	text[ev->length] = 0;
	as = strncasecmp(text, "prepare ", 8) ? NULL : strcasestr(text, " as ");
	if (!as)
		return;
	skip = as + 4 - text;
	memmove(ev->text, ev->text + skip, ev->length - skip);
	memset(ev->text + ev->length - skip, 0, skip);
	ev->length -= skip;
}

/* MySQL has the statement in a literal; with it gone, all would be one. */
static void open_literal(struct ev_statement *ev)
{
	size_t length = ev->length < sizeof(ev->text) ? ev->length : sizeof(ev->text), n;
	const char *text = sql_prepared(ev->text, strnlen(ev->text, length), &n);

	if (!text)
		return;
	memmove(ev->text, text, n);
	memset(ev->text + n, 0, sizeof(ev->text) - n);
	ev->length = n;
}

void statement_prepared(struct capture *c, const struct ev_head *record)
{
	struct ev_statement ev = *(const struct ev_statement *)record;

	if (!table_get(&c->connections, (struct table_key){ev.id, 0})) {
		kernel_statements_forget(c->kernel, ev.id, UINT64_MAX);
		return;
	}
	open_literal(&ev);
	privatise(c, ev.id, ev.text, sizeof(ev.text), &ev.length, &ev.cut);
	strip_prepare(&ev);
	capture_tell_cut(c, &ev.head, offsetof(struct ev_statement, text), ev.length);
}

void statement_result(struct capture *c, const struct ev_head *record)
{
	struct ev_result ev = *(const struct ev_result *)record;

	privatise(c, ev.id, ev.text, sizeof(ev.text), &ev.length, &ev.cut);
	capture_tell_cut(c, &ev.head, offsetof(struct ev_result, text), ev.length);
}

void statement_closed(struct capture *c, const struct ev_head *record)
{
	const struct ev_statement_closed *ev = (const void *)record;

	if (!ev->statement)
		kernel_statements_forget(c->kernel, ev->id, ev->head.ns);
	capture_tell(c, record);
}
