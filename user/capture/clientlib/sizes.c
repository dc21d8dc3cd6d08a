/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sizes.c - see sizes.h.
 */
#include "user/capture/clientlib/sizes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/base/table.h"
#include "user/capture/clientlib/client_host.h"
#include "user/capture/clientlib/size_reader.h"
#include "user/capture/clientlib/size_wire.h"
#include "user/system/clock.h"

#define FIRST_WAIT_NS 900000000ULL /* until the next sweep */
#define MOST_WAIT_NS  (64 * FIRST_WAIT_NS)
#define LOOKS_MOST    500	   /* in one sweep */
#define SWEEP_MOST_NS 100000000ULL /* the rest waits for the next sweep */
#define SIZED_MOST    65536	   /* objects beyond it are read once */
#define REFUSED_MOST  4096

_Static_assert(SIZES_READ_MOST <= LOOKS_MOST, "the looks of a call have room");

struct sized {
	struct ev_handle ev; /* as reported last */
	struct object_wanted wanted;
	uint64_t next_ns, wait_ns;
};

/* A look at one object. */
struct size_look {
	uint32_t pid;
	enum {
		LOOK_LATER, /* nobody could look now */
		LOOK_DONE,
		LOOK_NEVER, /* objects of its process are not read any more */
	} outcome;
	uint64_t start_ns;
	struct object_wanted wanted;
	struct object_size size; /* if it is done */
	union {
		const struct sizing *sizing;
		struct sized *sized;
	} of;
};

struct sizes {
	const struct client_host *host;
	struct parser *reader;
	struct table sized;   /* by address and pid */
	struct table refused; /* processes whose EV_GAP was reported; the value has no meaning */
	size_t at;	      /* where the last sweep stopped */
	struct size_look look[LOOKS_MOST];
};

int sizes_open(struct sizes **out, struct nursery *nursery, const struct client_host *host)
{
	struct sizes *s = calloc(1, sizeof(*s));
	int err = s ? size_reader_open(&s->reader, nursery) : -ENOMEM;

	*out = s;
	if (!err)
		s->host = host;
	return err;
}

void sizes_close(struct sizes *s)
{
	if (!s)
		return;
	parser_close(s->reader);
	table_free(&s->refused);
	table_free_values(&s->sized);
	free(s);
}

void sizes_prepare(struct sizes *s)
{
	parser_prepare(s->reader);
}

/* --- looks ------------------------------------------------------------------------------------ */

static struct size_look size_look_of(const struct ev_handle *ev, const struct object_wanted *wanted)
{
	return (struct size_look){.pid = ev->pid, .start_ns = ev->start_ns, .wanted = *wanted};
}

/* Reports once for each process why sizes of its objects are missing. */
static void sizes_tell_gap(struct sizes *s, struct ev_gap *gap)
{
	struct table_key key = {gap->pid, gap->start_ns};

	if (table_get(&s->refused, key))
		return;
	if (s->refused.count >= REFUSED_MOST) /* a report that is repeated does no harm */
		table_free(&s->refused);
	table_put(&s->refused, key, s);
	gap->head = (struct ev_head){.ns = clock_boot_ns(), .kind = EV_GAP, .size = sizeof(*gap)};
	s->host->tell(s->host->context, &gap->head);
}

/* Returns whether it is so. */
static bool sizes_tell_refusal(struct sizes *s, uint32_t pid, uint64_t start_ns)
{
	struct ev_gap gap = {.start_ns = start_ns, .pid = pid};

	if (!size_reader_gap(s->reader, pid, start_ns, gap.text, sizeof(gap.text)))
		return false;
	sizes_tell_gap(s, &gap);
	return true;
}

static void sizes_tell_late(struct sizes *s, uint32_t pid, uint64_t start_ns)
{
	struct ev_gap gap = {.start_ns = start_ns, .pid = pid};

	snprintf(gap.text, sizeof(gap.text),
		 "some objects of its client libraries could not be read in time: their bytes are "
		 "missing");
	sizes_tell_gap(s, &gap);
}

/* Looks at objects of one process with one question.  Returns at how many, or of how many it is
 * known that nobody looks now. */
static size_t look_once(struct sizes *s, struct size_look *looks, size_t n)
{
	struct object_wanted wanted[SIZES_MOST];
	struct object_size size[SIZES_MOST];
	int done;

	for (size_t i = 0; i < n; i++)
		wanted[i] = looks[i].wanted;
	done = size_reader_ask(s->reader, looks->pid, looks->start_ns, wanted, n, size);
	for (int i = 0; i < done; i++) {
		looks[i].size = size[i];
		looks[i].outcome = LOOK_DONE;
	}
	if (done > 0)
		return (size_t)done;
	sizes_tell_refusal(s, looks->pid, looks->start_ns);
	if (parser_refuses(s->reader, looks->pid, looks->start_ns) == PARSER_REFUSES_PROCESS)
		for (size_t i = 0; i < n; i++)
			looks[i].outcome = LOOK_NEVER;
	return n;
}

static int by_looked_process(const void *a, const void *b)
{
	const struct size_look *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

/* Makes the first n looks of s->look, as many as the time allows.  Their order changes. */
static void look_all(struct sizes *s, size_t n)
{
	uint64_t began = clock_boot_ns();
	size_t some;

	qsort(s->look, n, sizeof(s->look[0]), by_looked_process);
	for (size_t at = 0; at < n && clock_boot_ns() - began < SWEEP_MOST_NS; at += some) {
		some = 1;
		while (at + some < n && some < SIZES_MOST &&
		       !by_looked_process(&s->look[at], &s->look[at + some]))
			some++;
		some = look_once(s, &s->look[at], some);
	}
}

/* --- objects that are reported -----------------------------------------------------------------
 */

/* An object and its first member have one address, so the key names the resource, too. */
static struct table_key sizes_key_of(uint64_t handle, uint32_t pid, uint32_t resource)
{
	return (struct table_key){handle, (uint64_t)resource << 32 | pid};
}

static struct table_key sizes_key(const struct ev_handle *ev)
{
	return sizes_key_of(ev->handle, ev->pid, ev->resource);
}

void sizes_forget(struct sizes *s, const struct handle_key *key)
{
	free(table_remove(&s->sized, sizes_key_of(key->handle, key->pid, key->resource)));
}

static void sizes_fill(struct ev_handle *ev, const struct object_size *size)
{
	ev->bytes = size->bytes;
	if (size->rows != UNKNOWN64)
		ev->rows = size->rows;
}

/* Whether the object is to be read again.  A result with unread rows is not: client.c watches it
 * and reports it again. */
static bool may_change(const struct size_look *l, const struct ev_handle *ev)
{
	return !(ev->flags & EV_HANDLE_UNREAD) &&
	       (l->outcome == LOOK_LATER ||
		(l->outcome == LOOK_DONE && l->size.bytes != UNKNOWN64));
}

static void sizes_keep(struct sizes *s, const struct size_look *l, const struct ev_handle *ev)
{
	struct table_key key = sizes_key(ev);
	struct sized *sized = table_get(&s->sized, key);

	if (!may_change(l, ev)) {
		free(table_remove(&s->sized, key));
		return;
	}
	if (!sized) {
		sized = s->sized.count < SIZED_MOST ? calloc(1, sizeof(*sized)) : NULL;
		if (!sized || table_put(&s->sized, key, sized)) {
			free(sized);
			return;
		}
	}
	*sized = (struct sized){.ev = *ev,
				.wanted = l->wanted,
				.next_ns = ev->head.ns + FIRST_WAIT_NS,
				.wait_ns = FIRST_WAIT_NS};
}

void sizes_read(struct sizes *s, const struct sizing *each, size_t n)
{
	size_t looks = 0;

	for (size_t i = 0; i < n && i < SIZES_READ_MOST; i++) {
		const struct ev_handle *ev = each[i].ev;
		const struct object_wanted wanted = {.fields = *each[i].fields,
						     .address = ev->handle,
						     .parent = ev->parent,
						     .kind = object_kind(each[i].object)};

		each[i].ev->bytes = UNKNOWN64;
		if (wanted.kind == OBJECT_UNSIZED)
			continue;
		s->look[looks] = size_look_of(ev, &wanted);
		s->look[looks++].of.sizing = &each[i];
	}
	look_all(s, looks);
	for (size_t i = 0; i < looks; i++) {
		struct ev_handle *ev = s->look[i].of.sizing->ev;

		if (s->look[i].outcome == LOOK_DONE)
			sizes_fill(ev, &s->look[i].size);
		sizes_keep(s, &s->look[i], ev);
	}
}

/* --- objects that may change -------------------------------------------------------------------
 */

/* Takes in another look at an object.  Returns whether it may still change. */
static bool look_taken(struct sizes *s, const struct size_look *l, uint64_t now)
{
	struct sized *sized = l->of.sized;
	bool same = l->size.bytes == sized->ev.bytes;

	if (l->outcome == LOOK_LATER)
		return true;
	if (l->outcome == LOOK_NEVER || l->size.bytes == UNKNOWN64)
		return false;
	if (same && sized->ev.resource != EV_RES_CONNECTION &&
	    sized->ev.resource != EV_RES_STATEMENT)
		return false;
	if (same && sized->wait_ns < MOST_WAIT_NS)
		sized->wait_ns *= 2;
	sized->next_ns = now + sized->wait_ns;
	if (same)
		return true;
	sizes_fill(&sized->ev, &l->size);
	sized->ev.head.ns = now;
	s->host->tell(s->host->context, &sized->ev.head);
	return true;
}

/* Collects the objects whose turn it is.  Returns how many. */
static size_t sizes_due(struct sizes *s, uint64_t now)
{
	struct table_walk walk = table_walk(&s->sized);
	struct table_slot *slot = NULL;
	size_t looks = 0;

	walk.passed = s->at;
	while (looks < LOOKS_MOST && (slot = table_walk_next(&walk))) {
		struct sized *sized = slot->value;

		if (sized->next_ns > now)
			continue;
		s->look[looks] = size_look_of(&sized->ev, &sized->wanted);
		s->look[looks++].of.sized = sized;
	}
	s->at = slot ? walk.passed : 0;
	return looks;
}

void sizes_sweep(struct sizes *s, uint64_t now)
{
	size_t looks = sizes_due(s, now);

	look_all(s, looks);
	for (size_t i = 0; i < looks; i++) {
		struct sized *sized = s->look[i].of.sized;

		if (!look_taken(s, &s->look[i], now))
			free(table_remove(&s->sized, sizes_key(&sized->ev)));
	}
}

void sizes_end(struct sizes *s)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&s->sized, &at))) {
		const struct sized *sized = slot->value;

		if (sized->ev.bytes == UNKNOWN64)
			sizes_tell_late(s, sized->ev.pid, sized->ev.start_ns);
	}
}

/* --- SQLite ------------------------------------------------------------------------------------
 */

uint32_t sizes_sqlite_cache(struct sizes *s, uint32_t pid, uint64_t start_ns,
			    const struct sqlite_cache_wanted *wanted)
{
	uint32_t kib;

	if (!size_reader_cache(s->reader, pid, start_ns, wanted, &kib))
		return kib;
	if (!sizes_tell_refusal(s, pid, start_ns))
		sizes_tell_late(s, pid, start_ns);
	return UNKNOWN32;
}
