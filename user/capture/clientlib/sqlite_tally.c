/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite_tally.c - SQLite connections that were closed before they were worth a record, counted by
 * call site.
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

void sqlite_count_closed(struct sqlites *s, struct open_file *f)
{
	struct opener *o;

	if (f->counted || f->ev.flags & EV_CONN_PRE_EXISTING)
		return;
	f->counted = true;
	o = opener_of(s, f->key.pid, f->ev.start_ns);
	if (o)
		o->reported_closed++;
}

void sqlite_report_short_lived(struct sqlites *s, struct opener *o, uint64_t now)
{
	struct ev_tally ev = {};

	ev.opened = o->released > o->reported_closed ? o->released - o->reported_closed : 0;
	if (ev.opened == o->reported_short_lived)
		return;
	o->reported_short_lived = ev.opened;
	ev.head = (struct ev_head){.ns = now, .kind = EV_TALLY, .size = sizeof(ev)};
	ev.start_ns = o->start_ns;
	ev.pid = o->pid;
	ev.database = EV_DB_SQLITE;
	sqlite_tell(s, &ev.head);
}
