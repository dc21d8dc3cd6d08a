/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sources.c - see sources.h.
 *
 * To add a source: a member of struct capture, a row of the table, and its place in the order of
 * opening and of closing.
 */
#include "user/capture/sources.h"

#include <stddef.h>

#include "bpf/clientlib/client.h"
#include "bpf/memory/growth.h"
#include "bpf/memory/pool.h"
#include "bpf/stack/raw_stack.h"
#include "user/capture/clientlib/client.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/memory/collections.h"
#include "user/capture/memory/growth.h"
#include "user/capture/memory/heap.h"
#include "user/capture/memory/library_heap.h"
#include "user/capture/parts.h"
#include "user/capture/stack/present.h"
#include "user/capture/stack/reader.h"
#include "user/capture/worker/looking.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define LOADING_WAKE_NS (SECOND_NS / 100)

/* In the order of their steps and sweeps: a library is probed before its stacks are read, and the
 * last stacks are asked for before the readers end. */
enum source_id { PRESENTS, CLIENTS, READERS, HEAP, LIBRARY_HEAP, COLLECTIONS, GROWTH, SOURCES };

struct sources_source {
	size_t member; /* of struct capture: the source, NULL while it is not open */
	bool (*wanted)(const struct capture_options *o);
	int (*open)(struct capture *c);
	void (*begin)(void *source);
	int (*fd)(const void *source);
	uint64_t (*due_ns)(const void *source, uint64_t now);
	int (*step)(void *source, uint64_t now);
	int (*sweep)(void *source, uint64_t now, bool last);
	void (*finish)(void *source, uint64_t until_ns); /* before the last sweep */
	void (*met)(void *source, uint32_t pid, uint64_t start_ns);
	void (*gone)(void *source, uint32_t pid, uint64_t start_ns);
	bool (*has_probe)(const void *source, uint64_t inode, uint64_t offset);
	double (*cost_ns)(void *source, uint64_t faults);
	bool (*stepped_down)(const void *source);
	void (*account)(void *source); /* tells what it has cost and seen so far */
	void (*close)(void *source);   /* accepts NULL */
};

static bool is_watch(const struct capture_options *o)
{
	return o->mode != EV_MODE_SNAPSHOT;
}

/* --- client libraries ------------------------------------------------------------------------ */

static bool want_clients(const struct capture_options *o)
{
	return is_watch(o) && o->probe_libraries;
}

static int clients_descriptor(const void *source)
{
	return clients_fd(source);
}

static uint64_t clients_due(const void *source, uint64_t now)
{
	return clients_wait(source) ? now + LOADING_WAKE_NS : UINT64_MAX;
}

static int step_clients(void *source, uint64_t now)
{
	return clients_step(source, now);
}

static int sweep_clients(void *source, uint64_t now, bool last)
{
	if (!last)
		return clients_sweep(source, now);
	clients_end(source);
	return 0;
}

static void gone_clients(void *source, uint32_t pid, uint64_t start_ns)
{
	(void)pid;
	(void)start_ns;
	clients_exit(source, capture_now());
}

static bool clients_probe(const void *source, uint64_t inode, uint64_t offset)
{
	return clients_is_at(source, inode, offset);
}

static double clients_cost(void *source, uint64_t faults)
{
	(void)faults;
	return clients_cost_ns(source);
}

static bool clients_less(const void *source)
{
	return clients_stepped_down(source);
}

static void account_clients(void *source)
{
	clients_tell_libraries(source);
}

static void close_clients(void *source)
{
	clients_close(source);
}

/* --- stacks ---------------------------------------------------------------------------------- */

static bool want_readers(const struct capture_options *o)
{
	return is_watch(o) && o->take_stacks;
}

static int readers_descriptor(const void *source)
{
	return readers_fd(source);
}

static int step_readers(void *source, uint64_t now)
{
	(void)now;
	return readers_step(source);
}

static void finish_readers(void *source, uint64_t until_ns)
{
	uint64_t now = capture_now();

	looking_over();
	readers_finish(source, now < until_ns ? (int)((until_ns - now) / 1000000) : 0);
}

static void met_readers(void *source, uint32_t pid, uint64_t start_ns)
{
	readers_process(source, pid, start_ns);
}

static void close_readers(void *source)
{
	readers_close(source);
}

/* --- sleeping threads ------------------------------------------------------------------------- */

static void begin_presents(void *source)
{
	presents_begin(source);
}

static uint64_t due_presents(const void *source, uint64_t now)
{
	(void)now;
	return presents_due(source);
}

static int step_presents(void *source, uint64_t now)
{
	presents_step(source, now);
	return 0;
}

static int sweep_presents(void *source, uint64_t now, bool last)
{
	(void)now;
	presents_tell(source, last);
	return 0;
}

static void finish_presents(void *source, uint64_t until_ns)
{
	if (capture_now() < until_ns)
		presents_finish(source);
}

static void gone_presents(void *source, uint32_t pid, uint64_t start_ns)
{
	presents_gone(source, pid, start_ns);
}

static void close_presents(void *source)
{
	presents_close(source);
}

/* --- the allocator's calls -------------------------------------------------------------------- */

static int heap_descriptor(const void *source)
{
	return heap_fd(source);
}

static int step_heap(void *source, uint64_t now)
{
	return heap_step(source, now);
}

static int sweep_heap(void *source, uint64_t now, bool last)
{
	heap_sweep(source, now, last);
	return 0;
}

static void gone_heap(void *source, uint32_t pid, uint64_t start_ns)
{
	(void)pid;
	(void)start_ns;
	heap_sweep(source, capture_now(), false);
}

static bool heap_probe(const void *source, uint64_t inode, uint64_t offset)
{
	return heap_is_at(source, inode, offset);
}

static double heap_cost(void *source, uint64_t faults)
{
	(void)faults;
	return heap_cost_ns(source);
}

static bool heap_less(const void *source)
{
	return heap_stepped_down(source);
}

static void close_heap(void *source)
{
	heap_close(source);
}

/* --- the calls of client libraries to the allocator ------------------------------------------- */

static bool want_library_heap(const struct capture_options *o)
{
	return is_watch(o) && o->tier >= EV_TIER_CLIENT;
}

static void begin_library_heap(void *source)
{
	library_heap_begin(source);
}

static uint64_t library_heap_due(const void *source, uint64_t now)
{
	(void)now;
	return library_heap_next(source);
}

static int step_library_heap(void *source, uint64_t now)
{
	library_heap_step(source, now);
	return 0;
}

static int sweep_library_heap(void *source, uint64_t now, bool last)
{
	library_heap_sweep(source, now, last);
	return 0;
}

static double library_heap_cost(void *source, uint64_t faults)
{
	(void)faults;
	return library_heap_cost_ns(source);
}

static bool library_heap_less(const void *source)
{
	return library_heap_stepped_down(source);
}

static void close_library_heap(void *source)
{
	library_heap_close(source);
}

/* --- garbage collections ---------------------------------------------------------------------- */

static uint64_t collections_due(const void *source, uint64_t now)
{
	(void)now;
	return collections_next(source);
}

static int step_collections(void *source, uint64_t now)
{
	collections_step(source, now);
	return 0;
}

static int sweep_collections(void *source, uint64_t now, bool last)
{
	(void)last;
	collections_sweep(source, now);
	return 0;
}

static void met_collections(void *source, uint32_t pid, uint64_t start_ns)
{
	collections_met(source, pid, start_ns);
}

static void gone_collections(void *source, uint32_t pid, uint64_t start_ns)
{
	collections_gone(source, pid, start_ns);
}

static bool collections_probe(const void *source, uint64_t inode, uint64_t offset)
{
	return collections_is_at(source, inode, offset);
}

static double collections_cost(void *source, uint64_t faults)
{
	(void)faults;
	return (double)collections_cost_ns(source);
}

static bool collections_less(const void *source)
{
	return collections_stepped_down(source);
}

static void close_collections(void *source)
{
	collections_close(source);
}

/* --- growth of memory ------------------------------------------------------------------------- */

static bool want_growth(const struct capture_options *o)
{
	return o->tier != EV_TIER_OFF;
}

static void begin_growth(void *source)
{
	growth_begin(source);
}

static uint64_t growth_due(const void *source, uint64_t now)
{
	(void)now;
	return growth_next(source);
}

static int step_growth(void *source, uint64_t now)
{
	growth_step(source, now);
	return 0;
}

static int sweep_growth(void *source, uint64_t now, bool last)
{
	(void)now;
	growth_sweep(source, last);
	return 0;
}

static void met_growth(void *source, uint32_t pid, uint64_t start_ns)
{
	growth_met(source, pid, start_ns);
}

static void gone_growth(void *source, uint32_t pid, uint64_t start_ns)
{
	growth_gone(source, pid, start_ns);
}

static double growth_cost(void *source, uint64_t faults)
{
	return (double)growth_cost_ns(source, faults) + growth_pools_cost_ns(source);
}

static void close_growth(void *source)
{
	growth_close(source);
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct sources_source table[SOURCES] = {
	[CLIENTS] = {.member = offsetof(struct capture, clients),
		     .wanted = want_clients,
		     .open = parts_open_clients,
		     .fd = clients_descriptor,
		     .due_ns = clients_due,
		     .step = step_clients,
		     .sweep = sweep_clients,
		     .gone = gone_clients,
		     .has_probe = clients_probe,
		     .cost_ns = clients_cost,
		     .stepped_down = clients_less,
		     .account = account_clients,
		     .close = close_clients},
	[READERS] = {.member = offsetof(struct capture, readers),
		     .wanted = want_readers,
		     .open = parts_open_readers,
		     .fd = readers_descriptor,
		     .step = step_readers,
		     .finish = finish_readers,
		     .met = met_readers,
		     .close = close_readers},
	[PRESENTS] = {.member = offsetof(struct capture, presents),
		      .wanted = want_readers,
		      .open = parts_open_presents,
		      .begin = begin_presents,
		      .due_ns = due_presents,
		      .step = step_presents,
		      .sweep = sweep_presents,
		      .finish = finish_presents,
		      .gone = gone_presents,
		      .close = close_presents},
	[HEAP] = {.member = offsetof(struct capture, heap),
		  .wanted = parts_follow_heap,
		  .open = parts_open_heap,
		  .fd = heap_descriptor,
		  .step = step_heap,
		  .sweep = sweep_heap,
		  .gone = gone_heap,
		  .has_probe = heap_probe,
		  .cost_ns = heap_cost,
		  .stepped_down = heap_less,
		  .close = close_heap},
	[LIBRARY_HEAP] = {.member = offsetof(struct capture, library_heap),
			  .wanted = want_library_heap,
			  .open = parts_open_library_heap,
			  .begin = begin_library_heap,
			  .due_ns = library_heap_due,
			  .step = step_library_heap,
			  .sweep = sweep_library_heap,
			  .cost_ns = library_heap_cost,
			  .stepped_down = library_heap_less,
			  .close = close_library_heap},
	[COLLECTIONS] = {.member = offsetof(struct capture, collections),
			 .wanted = want_clients,
			 .open = parts_open_collections,
			 .due_ns = collections_due,
			 .step = step_collections,
			 .sweep = sweep_collections,
			 .met = met_collections,
			 .gone = gone_collections,
			 .has_probe = collections_probe,
			 .cost_ns = collections_cost,
			 .stepped_down = collections_less,
			 .close = close_collections},
	[GROWTH] = {.member = offsetof(struct capture, growth),
		    .wanted = want_growth,
		    .open = parts_open_growth,
		    .begin = begin_growth,
		    .due_ns = growth_due,
		    .step = step_growth,
		    .sweep = sweep_growth,
		    .met = met_growth,
		    .gone = gone_growth,
		    .cost_ns = growth_cost,
		    .close = close_growth},
};

/* Readers and growth know what the kernel's programs tell from the first moment on; the library
 * heap hears of each library that clients find.  It gives its probes back before clients go. */
static const enum source_id before_programs[] = {READERS, PRESENTS, GROWTH};
static const enum source_id after_programs[] = {LIBRARY_HEAP, CLIENTS, HEAP, COLLECTIONS};
static const enum source_id closing[] = {LIBRARY_HEAP, HEAP,	 COLLECTIONS, CLIENTS,
					 GROWTH,       PRESENTS, READERS};

static void *source_of(const struct capture *c, size_t i)
{
	return *(void *const *)((const char *)c + table[i].member);
}

/* --- life ------------------------------------------------------------------------------------- */

static int open_some(struct capture *c, const enum source_id *ids, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		if (table[ids[i]].wanted(&c->options))
			err = table[ids[i]].open(c);
	return err;
}

int sources_open(struct capture *c)
{
	int err = open_some(c, before_programs, COUNT(before_programs));

	if (!err)
		err = parts_attach(c);
	if (!err)
		err = open_some(c, after_programs, COUNT(after_programs));
	if (!err && c->options.tier == EV_TIER_CLIENT)
		parts_tier(c, EV_TIER_CLIENT);
	return err;
}

void sources_begin(struct capture *c)
{
	parts_births(c);
	/* Threads that wait in a full pool are wanted soonest. */
	for (size_t i = 0; i < SOURCES; i++)
		if (table[i].begin && source_of(c, i))
			table[i].begin(source_of(c, i));
}

void sources_close(struct capture *c)
{
	for (size_t i = 0; i < COUNT(closing); i++)
		table[closing[i]].close(source_of(c, closing[i]));
}

/* --- work ------------------------------------------------------------------------------------- */

void sources_wait(const struct capture *c, struct pollfd fds[SOURCE_FDS])
{
	size_t n = 0;

	for (size_t i = 0; i < SOURCES; i++) {
		if (!table[i].fd)
			continue;
		fds[n].fd = source_of(c, i) ? table[i].fd(source_of(c, i)) : -1;
		fds[n++].events = POLLIN;
	}
}

uint64_t sources_due(const struct capture *c, uint64_t now)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < SOURCES; i++) {
		uint64_t due = table[i].due_ns && source_of(c, i)
				       ? table[i].due_ns(source_of(c, i), now)
				       : UINT64_MAX;

		if (due < first)
			first = due;
	}
	return first;
}

int sources_step(struct capture *c)
{
	int err = 0;

	for (size_t i = 0; i < SOURCES && !err; i++)
		if (table[i].step && source_of(c, i))
			err = table[i].step(source_of(c, i), capture_now());
	return err;
}

static int sweep_all(struct capture *c, bool last)
{
	int err = 0;

	for (size_t i = 0; i < SOURCES && !err; i++)
		if (table[i].sweep && source_of(c, i))
			err = table[i].sweep(source_of(c, i), capture_now(), last);
	return err;
}

int sources_sweep(struct capture *c)
{
	return sweep_all(c, false);
}

void sources_look(struct capture *c)
{
	if (source_of(c, GROWTH))
		table[GROWTH].sweep(source_of(c, GROWTH), capture_now(), false);
}

void sources_finish(struct capture *c, uint64_t until_ns)
{
	for (size_t i = 0; i < SOURCES; i++)
		if (table[i].finish && source_of(c, i))
			table[i].finish(source_of(c, i), until_ns);
	sweep_all(c, true);
}

bool sources_record(struct capture *c, const struct ev_head *record)
{
	switch (record->kind) {
	case EV_HANDLE_CLOSED:
	case RAW_HANDLE:
	case RAW_RUN:
		clients_record(c->clients, record);
		return true;
	case RAW_STACK:
		readers_stack(c->readers, record);
		c->stacks_come = true;
		return true;
	case RAW_EVIDENCE:
		readers_evidence(c->readers, record);
		return true;
	case RAW_GROWTH:
		growth_sample(c->growth, record);
		return true;
	case RAW_POOL:
		growth_pool(c->growth, record);
		return true;
	case RAW_POOL_SEEN:
		growth_pool_seen(c->growth, record);
		return true;
	default:
		return false;
	}
}

/* --- processes -------------------------------------------------------------------------------- */

static void met_all(struct capture *c, uint32_t pid, uint64_t start_ns)
{
	for (size_t i = 0; i < SOURCES; i++)
		if (table[i].met && source_of(c, i))
			table[i].met(source_of(c, i), pid, start_ns);
}

void sources_gone(struct capture *c, uint32_t pid, uint64_t start_ns)
{
	for (size_t i = SOURCES; i-- > 0;)
		if (table[i].gone && source_of(c, i))
			table[i].gone(source_of(c, i), pid, start_ns);
}

static void usage_read(struct capture *c, uint32_t pid, uint64_t start_ns,
		       const struct process_usage *usage)
{
	if (source_of(c, GROWTH))
		growth_usage(c->growth, pid, start_ns, usage);
}

static void look_begins(struct capture *c)
{
	if (source_of(c, GROWTH))
		growth_look(c->growth);
}

static bool follows(const struct capture *c, uint32_t pid, uint64_t start_ns)
{
	return source_of(c, GROWTH) && growth_follows(c->growth, pid, start_ns);
}

const struct process_events sources_events = {
	.met = met_all,
	.usage = usage_read,
	.look_begins = look_begins,
	.follows = follows,
};

/* --- probes and their cost
 * ------------------------------------------------------------------------ */

bool sources_have_probe(const struct capture *c, uint64_t inode, uint64_t offset)
{
	for (size_t i = 0; i < SOURCES; i++)
		if (table[i].has_probe && source_of(c, i) &&
		    table[i].has_probe(source_of(c, i), inode, offset))
			return true;
	return false;
}

double sources_cost_ns(struct capture *c, uint64_t faults)
{
	double ns = 0;

	for (size_t i = 0; i < SOURCES; i++)
		if (table[i].cost_ns && source_of(c, i))
			ns += table[i].cost_ns(source_of(c, i), faults);
	return ns;
}

void sources_account(struct capture *c)
{
	for (size_t i = 0; i < SOURCES; i++)
		if (table[i].account && source_of(c, i))
			table[i].account(source_of(c, i));
}

bool sources_stepped_down(const struct capture *c)
{
	for (size_t i = 0; i < SOURCES; i++)
		if (table[i].stepped_down && source_of(c, i) &&
		    table[i].stepped_down(source_of(c, i)))
			return true;
	return false;
}
