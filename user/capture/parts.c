/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * parts.c - opens each source of a capture, and answers what a source asks of the whole: to tell a
 * record, to know a process, to keep a stack.
 */
#include "user/capture/parts.h"

#include <stdlib.h>

#include "user/capture/clientlib/client.h"
#include "user/capture/clientlib/client_host.h"
#include "user/capture/host/container.h"
#include "user/capture/memory/collections.h"
#include "user/capture/memory/growth.h"
#include "user/capture/memory/heap.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/memory/library_heap.h"
#include "user/capture/watched/owner.h"
#include "user/capture/probe/reach.h"
#include "user/capture/stack/present.h"
#include "user/capture/stack/reader.h"

/* The children that selected processes have already; later ones the kernel half follows. */
static int follow_children(struct capture *c)
{
	struct table chosen = {};
	struct process_facts facts;
	uint32_t *pids = NULL;
	size_t count = 0;
	int err = 0;
	bool more;

	for (size_t i = 0; i < c->options.select->pid_count && !err; i++)
		err = table_put(&chosen, (struct table_key){c->options.select->pids[i].pid, 0}, c);
	if (!err && chosen.count)
		err = procfs_pids(c->procfs, &pids, &count);
	for (more = count > 0; more && !err;) {
		more = false;
		for (size_t i = 0; i < count && !err; i++) {
			struct table_key key = {pids[i], 0};

			if (table_get(&chosen, key) || procfs_facts(c->procfs, pids[i], &facts) ||
			    !table_get(&chosen, (struct table_key){facts.parent_pid, 0}))
				continue;
			more = true;
			err = table_put(&chosen, key, c);
			if (!err)
				err = kernel_select_pid(c->kernel, pids[i]);
		}
	}
	free(pids);
	table_free(&chosen);
	return err;
}

int parts_attach(struct capture *c)
{
	int err = 0;

	if (c->options.mode != EV_MODE_SNAPSHOT) {
		err = kernel_attach(c->kernel);
		if (!err && !kernel_stats(c->kernel, true))
			c->stats_until_ns = capture_now() + SECOND_NS;
	}
	return err ? err : follow_children(c);
}

static void tell_for_readers(void *context, struct ev_head *record)
{
	record->ns = capture_now();
	capture_tell(context, record);
}

int parts_open_readers(struct capture *c)
{
	const struct readers_host host = {.context = c, .tell = tell_for_readers};

	return readers_open(&c->readers, c->kernel, c->nursery, &host);
}

/* The processes with open connections.  A connection names its process, so a process with many of
 * them is met many times, mostly in a row. */
static size_t processes_for_presents(void *context, struct present_process *out, size_t most)
{
	const struct capture *c = context;
	struct table met = {};
	struct table_slot *slot;
	size_t at = 0, n = 0;

	while (n < most && (slot = table_next(&c->connections, &at))) {
		const struct ev_connection *ev = &((const struct tracked *)slot->value)->last;
		struct table_key key = {ev->pid, ev->start_ns};

		if (ev->flags & EV_CONN_CLOSED || table_get(&met, key) || table_put(&met, key, out))
			continue;
		out[n++] = (struct present_process){ev->pid, ev->start_ns};
	}
	table_free(&met);
	return n;
}

int parts_open_presents(struct capture *c)
{
	const struct presents_host host = {
		.context = c, .tell = tell_for_readers, .processes = processes_for_presents};

	return presents_open(&c->presents, c->kernel, c->readers, &host);
}

static void tell_for_clients(void *context, const struct ev_head *record)
{
	capture_tell(context, record);
}

static void site_for_clients(void *context, const struct ev_site *site, uint64_t stack,
			     bool is_caller)
{
	struct capture *c = context;

	if (!c->readers)
		return;
	readers_site(c->readers, site, stack, is_caller);
}

static void evidence_for_clients(void *context, const struct ev_evidence *evidence)
{
	struct capture *c = context;

	if (!c->readers)
		return;
	readers_evidence(c->readers, &evidence->head);
}

static bool owner_for_clients(void *context, uint32_t pid, uint64_t start_ns, const char *comm)
{
	return owner_of(context, pid, start_ns, comm) != NULL;
}

static bool wanted_for_clients(void *context, uint32_t pid, const char *comm)
{
	struct capture *c = context;

	return select_has(c->options.select, pid, comm);
}

/* Processes that the kernel half follows, whoever their parents were, and those of the user. */
static bool selected_for_clients(void *context, uint32_t pid)
{
	struct capture *c = context;
	const struct select *s = c->options.select;
	struct process_facts facts = {};

	if (kernel_targets(c->kernel, pid))
		return true;
	return (!s->comm_count || !procfs_facts(c->procfs, pid, &facts)) &&
	       select_has(s, pid, facts.comm);
}

static void file_for_clients(void *context, struct elf_file *elf, const struct library_file *file,
			     const char *library)
{
	struct capture *c = context;

	library_heap_file(c->library_heap, elf, file, library);
}

static void gone_for_clients(void *context, uint64_t device, uint64_t inode)
{
	struct capture *c = context;

	library_heap_gone(c->library_heap, device, inode);
}

static bool keeps_for_clients(void *context, uint64_t device, uint64_t inode)
{
	const struct capture *c = context;

	return library_heap_keeps(c->library_heap, device, inode);
}

/* The process waits for us to be let go. */
static uint32_t command_of(const struct capture *c)
{
	const struct select *s = c->options.select;

	return c->options.mode == EV_MODE_RUN && s->pid_count ? s->pids[0].pid : 0;
}

int parts_open_clients(struct capture *c)
{
	const struct client_host host = {.context = c,
					 .file = c->library_heap ? file_for_clients : NULL,
					 .gone = c->library_heap ? gone_for_clients : NULL,
					 .keeps = c->library_heap ? keeps_for_clients : NULL,
					 .tell = tell_for_clients,
					 .evidence = evidence_for_clients,
					 .site = site_for_clients,
					 .owner = owner_for_clients,
					 .wanted = wanted_for_clients,
					 .selected = selected_for_clients,
					 .selective = !select_is_empty(c->options.select),
					 .command = command_of(c),
					 .show_literals = c->options.show_literals,
					 .eager = c->options.mode == EV_MODE_RUN,
					 .at_entry = c->options.probe_at_entry,
					 .max_overhead = c->options.max_overhead};
	int err = clients_open(&c->clients, c->kernel, c->nursery, c->procfs, &host);

	if (err || !c->readers)
		return err;
	readers_runtimes(c->readers, clients_runtimes(c->clients));
	if (c->presents)
		presents_runtimes(c->presents, clients_runtimes(c->clients));
	return 0;
}

static void tell_for_growth(void *context, struct ev_head *record)
{
	record->ns = capture_now();
	capture_tell(context, record);
}

static void ask_for_growth(void *context, uint32_t pid)
{
	struct capture *c = context;
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->connections, &at))) {
		const struct ev_connection *ev = &((const struct tracked *)slot->value)->last;

		if (ev->user_pid == pid && ev->used_ns)
			growth_spoke(c->growth, pid, ev->user_tid, ev->id, ev->used_ns);
	}
}

int parts_open_growth(struct capture *c)
{
	bool look_only = c->options.mode == EV_MODE_SNAPSHOT;
	const struct growth_host host = {.context = c,
					 .tell = tell_for_growth,
					 .ask = ask_for_growth,
					 .kernel = look_only ? NULL : c->kernel,
					 .readers = c->readers,
					 .max_overhead = c->options.max_overhead,
					 .eager = c->options.mode == EV_MODE_RUN,
					 .procfs = c->procfs,
					 .cgroups = containers_cgroups(c->options.containers)};

	return growth_open(&c->growth, &host);
}

static bool owner_for_heap(void *context, uint32_t pid, uint64_t start_ns)
{
	return owner_of(context, pid, start_ns, NULL) != NULL;
}

static void met_for_heap(void *context, uint32_t pid, uint64_t start_ns)
{
	struct capture *c = context;

	if (!c->readers)
		return;
	readers_process(c->readers, pid, start_ns);
}

static int stack_for_heap(void *context, uint64_t sample, uint64_t *stack)
{
	struct capture *c = context;

	*stack = 0;
	return c->readers ? readers_reported(c->readers, sample, stack) : 0;
}

static bool start_library_heap(struct capture *c)
{
	return c->library_heap && c->clients && clients_reach(c->clients) &&
	       library_heap_start(c->library_heap, clients_reach(c->clients),
				  clients_hit_ns(c->clients), capture_now());
}

void parts_tier(void *context, enum ev_tier tier)
{
	struct capture *c = context;

	if (tier == EV_TIER_CLIENT && !start_library_heap(c))
		tier = EV_TIER_GROWTH;
	if (tier != EV_TIER_CLIENT && c->library_heap)
		library_heap_stop(c->library_heap, capture_now());
	if (!c->growth)
		return;
	growth_tier(c->growth, tier);
}

/* The process waits for its turn where the allocator itself is followed. */
int parts_open_library_heap(struct capture *c)
{
	const struct library_heap_host host = {.balances = {.context = c,
							    .tell = tell_for_growth,
							    .owner = owner_for_heap,
							    .stack = stack_for_heap},
					       .tier = parts_tier,
					       .max_overhead = c->options.max_overhead};

	return library_heap_open(&c->library_heap, c->kernel, &host);
}

/* In a thread of its own: only what others may call while work goes on. */
static void on_task(void *context, const struct raw_task *task)
{
	const struct capture *c = context;
	struct reach *clients = c->clients ? clients_reach(c->clients) : NULL;
	struct reach *heap = c->heap ? heap_reach(c->heap) : NULL;

	if (heap) /* first: its calls come sooner */
		reach_task(heap, task);
	if (clients)
		reach_task(clients, task);
}

void parts_births(struct capture *c)
{
	struct ev_gap gap = {};

	if (select_is_empty(c->options.select) || (!c->clients && !c->heap) ||
	    !births_open(&c->births, c->kernel, on_task, c))
		return;
	INIT(gap, EV_GAP);
	snprintf(gap.text, sizeof(gap.text),
		 "new processes are found late: dbleak cannot start a thread");
	capture_tell(c, &gap.head);
}

int parts_open_collections(struct capture *c)
{
	const struct collections_host host = {.context = c,
					      .tell = tell_for_growth,
					      .kernel = c->kernel,
					      .procfs = c->procfs,
					      .hit_ns = c->clients ? clients_hit_ns(c->clients) : 0,
					      .max_overhead = c->options.max_overhead};

	if (!c->clients || !clients_keep_to_pid(c->clients))
		return 0;
	return collections_open(&c->collections, &host);
}

bool parts_follow_heap(const struct capture_options *o)
{
	return o->tier == EV_TIER_FULL && o->mode != EV_MODE_SNAPSHOT;
}

int parts_open_heap(struct capture *c)
{
	const struct heap_host host = {.context = c,
				       .tell = tell_for_readers,
				       .owner = owner_for_heap,
				       .met = met_for_heap,
				       .stack = stack_for_heap,
				       .wanted = wanted_for_clients,
				       .tier = parts_tier,
				       .interval = c->options.heap_interval,
				       .command = c->options.command,
				       .command_pid = command_of(c),
				       .at_entry = c->options.probe_at_entry,
				       .max_overhead = c->options.max_overhead};

	return heap_open(&c->heap, c->kernel, c->procfs, &host, capture_now());
}
