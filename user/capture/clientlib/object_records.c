/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * object_records.c - from the kernel half's ledger of objects to records.
 */
#include "user/capture/clientlib/client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/capture/clientlib/clientlib_state.h"
#include "user/system/clock.h"

/* --- from the ledger to records ------------------------------------------------------------- */

static const struct placed *placed_of(const struct clients *c, uint32_t cookie)
{
	return cookie < c->used && c->placed[cookie].of ? &c->placed[cookie] : NULL;
}

/* The id of a call site within its process. */
static uint64_t site_id(const struct clients *c, uint64_t place, uint32_t probe)
{
	return place ^ (uint64_t)(probe + c->placed[probe].generation * PROBES_MOST) << 48;
}

/* The stack under which an object was acquired, if one was taken then. */
static void handle_evidence(struct clients *c, const struct raw_handle *raw)
{
	struct ev_evidence evidence;

	if (!raw->handle.opened_at)
		return;
	INIT(evidence, EV_EVIDENCE);
	evidence.object = raw->key.handle;
	evidence.second = raw->handle.born_ns;
	evidence.start_ns = raw->start_ns;
	evidence.at_ns = raw->handle.born_ns;
	evidence.pid = raw->key.pid;
	evidence.kind = EV_AT_ACQUIRED;
	evidence.resource = raw->key.resource;
	evidence.stack = raw->handle.opened_at;
	c->host.evidence(c->host.context, &evidence);
}

static void on_site(struct clients *c, const struct raw_site *raw)
{
	const struct placed *placed = placed_of(c, raw->key.probe);
	struct ev_site ev = {};

	if (raw->gone)
		kernel_client_forget_site(c->kernel, &raw->key);
	if (!placed || raw->unwanted ||
	    !c->host.owner(c->host.context, raw->key.pid, raw->start_ns, raw->comm))
		return;
	INIT(ev, EV_SITE);
	ev.start_ns = raw->start_ns;
	ev.site = site_id(c, raw->key.place, raw->key.probe);
	ev.caller = raw->caller;
	ev.acquired = raw->acquired;
	ev.released = raw->released;
	ev.unseen = raw->unseen;
	ev.failed = raw->failed;
	ev.first_ns = raw->first_ns;
	ev.last_ns = raw->last_ns;
	ev.rows = placed->row->rows_after ? raw->rows : UNKNOWN64;
	ev.pid = raw->key.pid;
	ev.resource = raw->resource;
	ev.database = raw->database;
	ev.detached = placed->of->unwatched ||
		      (placed->of->ev.detached && placed->row->resource != EV_RES_CONNECTION);
	snprintf(ev.object, sizeof(ev.object), "%s", placed->row->object);
	snprintf(ev.release, sizeof(ev.release), "%s", placed->row->release);
	client_tell(c, &ev.head);
	c->host.site(c->host.context, &ev, raw->stack, raw->key.place == raw->caller);
	if (raw->database == EV_DB_SQLITE && raw->resource == EV_RES_CONNECTION)
		sqlites_site(c->sqlites, raw);
	if (raw->gone) {
		c->dead = true;
		table_remove(&c->pids, (struct table_key){raw->key.pid, raw->start_ns});
	} else {
		sizes_prepare(c->sizes);
		table_put(&c->pids, (struct table_key){raw->key.pid, raw->start_ns}, c);
		table_put(&placed->of->active, (struct table_key){raw->key.pid, raw->start_ns}, c);
	}
}

static struct table_key unread_key(const struct handle_key *key)
{
	return (struct table_key){key->handle, key->pid};
}

/* Reads how many rows a result has fetched so far, and whether it is at its end. */
static bool read_progress(const struct unread *u, uint64_t *rows, uint8_t *eof)
{
	const struct memory_piece pieces[] = {
		{u->key.handle, sizeof(*rows)},
		{u->key.handle + u->eof, sizeof(*eof)},
	};
	uint8_t bytes[sizeof(*rows) + sizeof(*eof)];

	if (memory_pieces(u->key.pid, pieces, 2, bytes) != sizeof(bytes))
		return false;
	memcpy(rows, bytes, sizeof(*rows));
	*eof = bytes[sizeof(*rows)];
	return true;
}

static void watch_unread(struct clients *c, const struct raw_handle *raw,
			 const struct ev_handle *ev, const struct attached *of)
{
	struct unread *u = table_get(&c->unread, unread_key(&raw->key));

	if (of->eof.size != 1)
		return;
	if (!u) {
		u = calloc(1, sizeof(*u));
		if (!u || table_put(&c->unread, unread_key(&raw->key), u)) {
			free(u);
			return;
		}
	}
	u->key = raw->key;
	u->ev = *ev;
	u->eof = of->eof.offset;
}

static void forget_unread(struct clients *c, const struct handle_key *key)
{
	free(table_remove(&c->unread, unread_key(key)));
}

/* Looks at each result that is read row by row: is it in use, at its end, or left alone? */
static void look_at_unread(struct clients *c)
{
	struct table_walk walk = table_walk(&c->unread);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		struct unread *u = slot->value;
		uint64_t rows = 0;
		uint8_t eof = 0;

		if (!read_progress(u, &rows, &eof) || (rows == u->ev.rows && !eof))
			continue;
		INIT(u->ev, EV_HANDLE);
		u->ev.rows = rows;
		u->ev.used_ns = u->ev.head.ns;
		if (eof)
			u->ev.flags &= ~EV_HANDLE_UNREAD;
		client_tell(c, &u->ev.head);
		if (eof)
			free(table_walk_remove(&walk));
	}
}

static void on_holder(void *context, const struct ev_head *record)
{
	const struct raw_holder *raw = (const void *)record;
	struct clients *c = context;

	if (record->kind == RAW_HOLDER && raw->id)
		table_put(&c->sockets.held, (struct table_key){raw->pid, raw->fd},
			  (void *)(uintptr_t)raw->id);
}

/* Lists which descriptor is which connection, by an iterator of the kernel.  No descriptor is ever
 * copied from a process: our copy could become the last one, and closing a file that nobody serves
 * can hang us.  Must not run inside another pass over an iterator. */
static void learn_sockets(struct clients *c)
{
	uint64_t now = clock_boot_ns(), rest = (SOCKETS_SHARE - 1) * c->sockets.took_ns;

	if (c->sockets.at_ns && now - c->sockets.at_ns < (rest > SOCKETS_NS ? rest : SOCKETS_NS))
		return;
	table_free(&c->sockets.held);
	kernel_scan(c->kernel, SCAN_HOLDERS, on_holder, c);
	c->sockets.at_ns = clock_boot_ns();
	c->sockets.took_ns = c->sockets.at_ns - now;
}

/* The kernel's id of the socket behind a process's descriptor; 0: no socket, or not known. */
static uint64_t socket_of(const struct clients *c, uint32_t pid, uint32_t descriptor)
{
	return (uintptr_t)table_get(&c->sockets.held, (struct table_key){pid, descriptor});
}

/* The socket that the connection itself names by its descriptor; 0: not known.  The socket that a
 * thread used last is only a guess where connections take turns.  The first pointer of MYSQL is
 * NULL while it is not connected. */
static uint64_t ask_connection(struct clients *c, const struct handle_key *key,
			       const struct attached *of)
{
	const struct memory_piece pieces[] = {
		{key->handle + of->descriptor.offset, sizeof(int)},
		{key->handle, sizeof(uint64_t)},
	};
	uint8_t bytes[sizeof(int) + sizeof(uint64_t)];
	int descriptor;
	uint64_t first;

	if (of->descriptor.size != sizeof(descriptor) ||
	    memory_pieces(key->pid, pieces, 2, bytes) != sizeof(bytes))
		return 0;
	memcpy(&descriptor, bytes, sizeof(descriptor));
	memcpy(&first, bytes + sizeof(descriptor), sizeof(first));
	if (descriptor < 0 || (of->library->bit == EV_LIBRARY_MYSQL && !first))
		return 0;
	return socket_of(c, key->pid, (uint32_t)descriptor);
}

static void find_socket(struct clients *c, const struct placed *placed,
			const struct raw_handle *raw, struct ev_handle *ev)
{
	uint64_t socket = ask_connection(c, &raw->key, placed->of);

	ev->connection = socket ? socket : raw->handle.socket;
	if (socket)
		ev->flags &= ~EV_HANDLE_TENTATIVE;
}

/* The object's name in its library.  A connection may be known only through an object that belongs
 * to it, so its name may stand in another row. */
static const char *object_name(const struct placed *placed, uint32_t resource)
{
	const struct probe_library *l = placed->of->library;

	if (placed->row->resource == resource)
		return placed->row->object;
	for (size_t i = 0; i < l->count; i++)
		if (l->rows[i].resource == resource && l->rows[i].object)
			return l->rows[i].object;
	return NULL;
}

/* Fills in what is reported of an object, but for its size.  False: it is not reported. */
static bool fill_handle(struct clients *c, const struct raw_handle *raw,
			const struct placed *placed, struct ev_handle *out)
{
	struct ev_handle ev = {};

	if (!placed || !c->host.owner(c->host.context, raw->key.pid, raw->start_ns, raw->comm))
		return false;
	INIT(ev, EV_HANDLE);
	ev.start_ns = raw->start_ns;
	ev.handle = raw->key.handle;
	ev.parent = raw->handle.parent;
	ev.born_ns = raw->handle.born_ns;
	ev.used_ns = raw->handle.used_ns;
	ev.site = site_id(c, raw->handle.place, raw->handle.probe);
	ev.rows = raw->handle.rows;
	ev.bytes = UNKNOWN64;
	ev.acquired = raw->handle.acquired;
	ev.released = raw->handle.released;
	ev.pid = raw->key.pid;
	ev.tid = raw->handle.tid;
	ev.resource = raw->key.resource;
	ev.database = placed->of->library->database;
	ev.flags = raw->handle.flags;
	if (ev.resource == EV_RES_CONNECTION)
		find_socket(c, placed, raw, &ev);
	*out = ev;
	return true;
}

static void tell_handle(struct clients *c, const struct raw_handle *raw,
			const struct placed *placed, const struct ev_handle *ev)
{
	if (ev->flags & EV_HANDLE_UNREAD)
		watch_unread(c, raw, ev, placed->of);
	client_tell(c, &ev->head);
	handle_evidence(c, raw);
	if (ev->database == EV_DB_SQLITE)
		sqlites_handle(c->sqlites, raw, &placed->of->fields);
}

/* Reports the objects that wait for it, in the order in which they came. */
static void tell_handles(struct clients *c)
{
	struct sizing each[SIZES_READ_MOST];

	if (!c->reporting_count)
		return;
	for (size_t i = 0; i < c->reporting_count; i++) {
		struct reporting *r = &c->reporting[i];

		each[i] = (struct sizing){&r->ev, &r->placed->of->sized,
					  object_name(r->placed, r->ev.resource)};
	}
	sizes_read(c->sizes, each, c->reporting_count);
	for (size_t i = 0; i < c->reporting_count; i++)
		tell_handle(c, &c->reporting[i].raw, c->reporting[i].placed, &c->reporting[i].ev);
	c->reporting_count = 0;
}

/* Whoever calls this calls tell_handles before anything else may change the objects. */
static void on_handle(struct clients *c, const struct raw_handle *raw)
{
	struct reporting *r = &c->reporting[c->reporting_count];

	r->placed = placed_of(c, raw->handle.probe);
	if (!fill_handle(c, raw, r->placed, &r->ev))
		return;
	r->raw = *raw;
	if (++c->reporting_count == SIZES_READ_MOST)
		tell_handles(c);
}

/* The memory of a process that is gone cannot be read, so the object's size is unknown. */
static void on_dead(struct clients *c, const struct raw_handle *raw)
{
	const struct placed *placed = placed_of(c, raw->handle.probe);
	struct ev_handle ev;

	tell_handles(c);
	/* A connection that was not reported before its process ended was still held to the end. */
	if (!raw->handle.reported && raw->start_ns && raw->key.resource == EV_RES_CONNECTION &&
	    fill_handle(c, raw, placed, &ev))
		tell_handle(c, raw, placed, &ev);
	if (placed && placed->of->library->database == EV_DB_SQLITE)
		sqlites_gone(c->sqlites, &raw->key, raw->handle.born_ns, raw->head.ns, true);
	forget_unread(c, &raw->key);
	sizes_forget(c->sizes, &raw->key);
	kernel_client_forget_handle(c->kernel, &raw->key);
}

/* --- what is left ----------------------------------------------------------------------------- */

static bool is_old(const struct attached *a, uint64_t now, uint64_t age)
{
	return a->left_ns && now - a->left_ns >= age;
}

/* A process may unload a library and go on: the objects it had of it are gone. */
static void on_dropped(void *context, const struct handle_key *key, const struct ledger_handle *h)
{
	struct clients *c = context;
	const struct placed *placed = placed_of(c, h->probe);

	if (placed && placed->of->library->database == EV_DB_SQLITE)
		sqlites_gone(c->sqlites, key, h->born_ns, clock_boot_ns(), true);
	forget_unread(c, key);
	sizes_forget(c->sizes, key);
}

static void forget_attached(struct clients *c, struct attached *a)
{
	client_release_cookies(c, a);
	for (int g = 0; g < GROUPS; g++)
		c->left_cost_ns += a->spent_ns[g];
	table_free(&a->active);
	free(a);
	c->left--;
}

void client_forget_left(struct clients *c, uint64_t now, uint64_t age)
{
	static bool cookies[PROBES_MOST];
	struct attached **at = &c->files, *a;
	size_t n = 0;

	memset(cookies, 0, sizeof(cookies));
	for (a = c->files; a; a = a->next) {
		if (!is_old(a, now, age))
			continue;
		memset(cookies + a->first, true, a->count);
		n++;
	}
	if (!n || kernel_client_drop(c->kernel, cookies, on_dropped, c))
		return;
	while ((a = *at)) {
		if (!is_old(a, now, age)) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		forget_attached(c, a);
	}
}

static void on_swept(void *context, const struct ev_head *record)
{
	struct clients *c = context;

	if (record->kind == RAW_SITE)
		on_site(c, (const void *)record);
	else if (record->kind == RAW_HANDLE)
		on_handle(c, (const void *)record);
	else if (record->kind == RAW_DEAD)
		on_dead(c, (const void *)record);
}

static void on_run(struct clients *c, const struct raw_run *raw)
{
	const struct placed *placed = placed_of(c, raw->probe);

	if (placed)
		sqlites_run(c->sqlites, raw, &placed->of->fields);
}

static void on_closed(struct clients *c, const struct ev_head *record)
{
	const struct ev_handle_closed *ev = (const void *)record;
	struct handle_key key = {.handle = ev->handle, .pid = ev->pid, .resource = ev->resource};

	client_tell(c, record);
	forget_unread(c, &key);
	sizes_forget(c->sizes, &key);
	sqlites_gone(c->sqlites, &key, ev->born_ns, ev->head.ns, false);
}

static void on_reported(struct clients *c, const struct raw_handle *raw)
{
	if (raw->key.resource == EV_RES_CONNECTION)
		learn_sockets(c);
	on_handle(c, raw);
	tell_handles(c);
}

void clients_record(struct clients *c, const struct ev_head *record)
{
	if (record->kind == EV_HANDLE_CLOSED)
		on_closed(c, record);
	else if (record->kind == RAW_HANDLE)
		on_reported(c, (const void *)record);
	else if (record->kind == RAW_RUN)
		on_run(c, (const void *)record);
}

void clients_exit(struct clients *c, uint64_t now_ns)
{
	if (c->pids.count && now_ns - c->swept_ns >= EXIT_SWEEP_NS)
		clients_sweep(c, now_ns);
}

int clients_sweep(struct clients *c, uint64_t now_ns)
{
	int err;

	if (!c->kernel)
		return 0;
	c->swept_ns = now_ns;
	if (c->pids.count)
		learn_sockets(c);
	err = kernel_client_sweep(c->kernel, on_swept, c);
	if (!err && c->dead && now_ns - c->buried_ns >= BURY_EVERY_NS) {
		c->dead = false;
		c->buried_ns = now_ns;
		err = kernel_client_bury(c->kernel, on_swept, c);
	}
	tell_handles(c);
	if (c->reach) { /* NULL where no probe works */
		reach_hold(c->reach, memory_maps_locked());
		reach_step(c->reach, c->procfs, now_ns);
	}
	if (c->left > LEFT_MOST)
		client_forget_left(c, now_ns, LEFT_NS);
	client_look_for_tls_again(c, now_ns);
	look_at_unread(c);
	sizes_sweep(c->sizes, now_ns);
	sqlites_sweep(c->sqlites, now_ns);
	return err;
}
