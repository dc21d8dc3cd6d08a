/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sizes.c - see sizes.h.
 */
#include "user/capture/clientlib/sizes.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/table.h"
#include "user/capture/clientlib/client_host.h"
#include "user/system/clock.h"

#define FIRST_WAIT_NS 900000000ULL /* until the next sweep */
#define MOST_WAIT_NS  (64 * FIRST_WAIT_NS)
#define LOOKS_MOST    500	   /* in one sweep */
#define SWEEP_NS      5000000ULL   /* looks so close together share the pages they read */
#define SWEEP_MOST_NS 100000000ULL /* the rest waits for the next sweep */
#define SIZED_MOST    65536	   /* objects beyond it are read once */

struct sized {
	struct ev_handle ev; /* as reported last */
	struct object_fields fields;
	const char *object;
	uint64_t next_ns, wait_ns;
};

struct sizes {
	const struct client_host *host;
	struct table sized; /* by address and pid */
	size_t at;	    /* where the last sweep stopped */
};

int sizes_open(struct sizes **out, const struct client_host *host)
{
	struct sizes *s = calloc(1, sizeof(*s));

	*out = s;
	if (!s)
		return -ENOMEM;
	s->host = host;
	return 0;
}

void sizes_close(struct sizes *s)
{
	if (!s)
		return;
	table_free_values(&s->sized);
	free(s);
}

/* An object and its first member have one address, so the key names the resource, too. */
static struct table_key sizes_key_of(uint64_t handle, uint32_t pid, uint32_t resource)
{
	return (struct table_key){handle, (uint64_t)resource << 32 | pid};
}

static struct object_size sizes_look(const struct ev_handle *ev, const struct object_fields *fields,
				     const char *object)
{
	struct memory memory = memory_for_look(ev->pid, SWEEP_NS);

	return object_size(&memory, fields, object, ev->handle, ev->parent);
}

static void sizes_fill(struct ev_handle *ev, const struct object_size *size)
{
	ev->bytes = size->bytes;
	if (size->rows != UNKNOWN64)
		ev->rows = size->rows;
}

void sizes_forget(struct sizes *s, const struct handle_key *key)
{
	free(table_remove(&s->sized, sizes_key_of(key->handle, key->pid, key->resource)));
}

/* Whether the object is to be read again.  A result with unread rows is not: client.c watches it
 * and reports it again. */
static bool may_change(const struct ev_handle *ev)
{
	return ev->bytes != UNKNOWN64 && !(ev->flags & EV_HANDLE_UNREAD);
}

void sizes_read(struct sizes *s, struct ev_handle *ev, const struct object_fields *fields,
		const char *object)
{
	struct table_key key = sizes_key_of(ev->handle, ev->pid, ev->resource);
	struct sized *sized = table_get(&s->sized, key);
	struct object_size size = sizes_look(ev, fields, object);

	sizes_fill(ev, &size);
	if (!may_change(ev)) {
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
				.fields = *fields,
				.object = object,
				.next_ns = ev->head.ns + FIRST_WAIT_NS,
				.wait_ns = FIRST_WAIT_NS};
}

/* Reads an object again.  Returns whether it may still change. */
static bool look_again(struct sizes *s, struct sized *sized, uint64_t now)
{
	struct object_size size = sizes_look(&sized->ev, &sized->fields, sized->object);
	bool same = size.bytes == sized->ev.bytes;

	if (size.bytes == UNKNOWN64)
		return false;
	if (same && sized->ev.resource != EV_RES_CONNECTION &&
	    sized->ev.resource != EV_RES_STATEMENT)
		return false;
	if (same && sized->wait_ns < MOST_WAIT_NS)
		sized->wait_ns *= 2;
	sized->next_ns = now + sized->wait_ns;
	if (same)
		return true;
	sizes_fill(&sized->ev, &size);
	sized->ev.head.ns = now;
	s->host->tell(s->host->context, &sized->ev.head);
	return true;
}

void sizes_sweep(struct sizes *s, uint64_t now)
{
	struct table_walk walk = table_walk(&s->sized);
	struct table_slot *slot = NULL;
	uint64_t began = clock_boot_ns();
	size_t looks = 0;

	walk.passed = s->at;
	while (looks < LOOKS_MOST && clock_boot_ns() - began < SWEEP_MOST_NS &&
	       (slot = table_walk_next(&walk))) {
		struct sized *sized = slot->value;

		if (sized->next_ns > now)
			continue;
		looks++;
		if (!look_again(s, sized, now))
			free(table_walk_remove(&walk));
	}
	s->at = slot ? walk.passed : 0;
}
