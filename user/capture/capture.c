/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * capture.c - drains, sweeps, looks up facts, and tells what changed.
 */
#include "user/capture/capture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bpf/stack/raw_stack.h"
#include "user/base/redact.h"
#include "user/capture/watched/context.h"
#include "user/capture/watched/connection.h"
#include "user/capture/host/container.h"
#include "user/capture/cost.h"
#include "user/capture/dsn/asker.h"
#include "user/capture/worker/fetcher.h"
#include "user/capture/helpers.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/worker/looking.h"
#include "user/capture/elf/look.h"
#include "user/capture/watched/owner.h"
#include "user/capture/parts.h"
#include "user/capture/probe/probe.h"
#include "user/capture/host/procfs.h"
#include "user/capture/host/server.h"
#include "user/capture/watched/session.h"
#include "user/capture/watched/share.h"
#include "user/capture/watched/statement.h"
#include "user/capture/sources.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define GRACE_NS	(SECOND_NS / 2)
#define FACTS_EVERY_NS	(5 * SECOND_NS)
#define STATS_FOR_NS	(SECOND_NS / 5)
#define SESSION_WAKE_NS (SECOND_NS / 100)

void capture_exited(struct capture *c, const struct ev_head *record)
{
	const struct ev_exit *ev = (const void *)record;
	struct owner *o = table_get(&c->owners, (struct table_key){ev->pid, ev->start_ns});
	struct table_slot *slot;
	size_t at = 0;

	if (o)
		o->gone_ns = capture_now();
	sources_gone(c, ev->pid, ev->start_ns);
	while ((slot = table_next(&c->connections, &at))) {
		struct tracked *k = slot->value;

		if (k->last.pid != ev->pid || k->last.start_ns != ev->start_ns)
			continue;
		k->orphan = true;
		c->orphans = true;
	}
	capture_tell(c, record);
}

/* Did it die by one of our probes, as far as can be told? */
static bool is_our_doing(const struct capture *c, const struct raw_death *d)
{
	return d->flags || sources_have_probe(c, d->inode, d->offset);
}

/* Nobody else is to come to harm: no probe anywhere, for the rest of the time. */
static void on_death(struct capture *c, const struct raw_death *d)
{
	struct ev_withdrawn reported = {};

	if (c->withdrawn || !is_our_doing(c, d))
		return;
	debug(DEBUG_PROBE, "process %u died of signal %u at one of our probes: all are taken out",
	      d->pid, d->signal);
	c->withdrawn = true;
	probes_withdraw();
	INIT(reported, EV_WITHDRAWN);
	reported.start_ns = d->start_ns;
	reported.pid = d->pid;
	reported.signal = d->signal;
	memcpy(reported.comm, d->comm, sizeof(reported.comm));
	reported.comm[sizeof(reported.comm) - 1] = '\0';
	capture_tell(c, &reported.head);
}

/* One that only has the name of a server teaches nothing until it answers like one. */
static void server_reported(struct capture *c, const struct raw_server *end)
{
	enum server_proof proof;

	if (peers_add(&c->peers, end))
		c->err = -ENOMEM;
	if (!end->claimed)
		return;
	proof = server_prove(c->procfs, end->pid, end->start_ns, end->claimed, kernel_server_named);
	debug(DEBUG_HOST, "process %u listens at %s%.*u: %s", end->pid,
	      end->local_port ? "port " : "a socket", end->local_port ? 1 : 0, end->local_port,
	      proof == SERVER_UNPROVEN ? "not proven to be a database server"
				       : "taken for a database server");
	if (proof == SERVER_UNPROVEN)
		return;
	table_put(&c->serving, (struct table_key){end->pid, end->start_ns}, c);
	if (end->local_port)
		kernel_serve_port(c->kernel, end->local_port, end->claimed, proof < SERVER_PROVEN);
	else if (end->path && (proof == SERVER_PROVEN || end->named))
		kernel_serve_path(c->kernel, end->path, end->claimed, end->named);
}

static void on_record(void *context, const struct ev_head *record)
{
	struct capture *c = context;

	switch (record->kind) {
	case EV_CONNECTION:
		connection_reported(c, record);
		break;
	case RAW_ALIVE:
		/* The ring still holds its birth, without which the model cannot use the rest of
		 * what the sweep tells of it now. */
		if (!connection_alive(c, record->ns) && !kernel_drain(c->kernel, 0, on_record, c))
			connection_alive(c, record->ns);
		break;
	case RAW_IDENTITY:
		connection_identity(c, record);
		break;
	case RAW_SERVER:
		server_reported(c, (const struct raw_server *)record);
		break;
	case EV_SQL:
		statement_sql(c, record);
		break;
	case EV_STATEMENT:
		statement_prepared(c, record);
		break;
	case EV_STATEMENT_CLOSED:
		statement_closed(c, record);
		break;
	case EV_RESULT:
		statement_result(c, record);
		break;
	case EV_EXIT:
		capture_exited(c, record);
		break;
	case RAW_DEATH:
		on_death(c, (const struct raw_death *)record);
		break;
	default:
		sources_record(c, record);
		break;
	}
}

/* The news of a pass over all files, but for server ends, waits until its end: only then is known
 * which processes hold any. */
struct later {
	struct capture *capture;
	char *bytes;
	size_t used, size;
};

static void on_scanned(void *context, const struct ev_head *record)
{
	struct later *l = context;

	if (record->kind == RAW_SERVER) {
		on_record(l->capture, record);
		return;
	}
	if (l->size - l->used < record->size) {
		size_t size = l->size ? 2 * l->size : 1 << 16;
		char *bytes = realloc(l->bytes, size);

		if (!bytes) {
			l->capture->err = -ENOMEM;
			return;
		}
		l->bytes = bytes;
		l->size = size;
	}
	memcpy(l->bytes + l->used, record, record->size);
	l->used += record->size;
}

static int scan_connections(struct capture *c)
{
	struct later later = {.capture = c};
	int err = kernel_scan(c->kernel, SCAN_CONNECTIONS, on_scanned, &later);

	for (size_t at = 0; at < later.used;) {
		const struct ev_head *record = (const void *)(later.bytes + at);

		on_record(c, record);
		at += record->size;
	}
	free(later.bytes);
	return err;
}

static void look_at(void *context, uint32_t pid, const struct process *p)
{
	share_look(context, pid, p);
	owner_tally(context, pid, p);
}

static void look_at_processes(struct capture *c)
{
	kernel_processes(c->kernel, look_at, c);
	shares_tell(c);
}

/* The losses of each process are read after the sum, which therefore never exceeds its parts: a
 * loss of nobody would weaken the findings of all. */
static void tell_lost(struct capture *c)
{
	const struct ev_loss before = c->loss;

	cost_tell_losses(c);
	if (before.count[EV_LOSS_RING_FULL] != c->loss.count[EV_LOSS_RING_FULL] ||
	    before.count[EV_LOSS_MAP_FULL] != c->loss.count[EV_LOSS_MAP_FULL])
		look_at_processes(c);
}

/* Told once for a watch: ages and times of day mean something else from here on. */
static void tell_clocks(struct capture *c)
{
	static const char *const texts[CLOCKS_EVENTS] = {
		[CLOCKS_SLEPT] =
			"the host was suspended meanwhile: ages and silences count that time",
		[CLOCKS_SET] = "the clock of the host was set meanwhile: times of day go by how it "
			       "was set "
			       "at the start",
	};
	struct clocks now = clocks_read();

	for (int i = 0; i < CLOCKS_EVENTS; i++) {
		struct ev_gap gap = {};

		if (c->clocks_told[i] || !clocks_differ(&c->clocks, &now, i))
			continue;
		c->clocks_told[i] = true;
		INIT(gap, EV_GAP);
		snprintf(gap.text, sizeof(gap.text), "%s", texts[i]);
		capture_tell(c, &gap.head);
	}
}

/* A close that the ring still holds says more, and would otherwise end the connection twice. */
static void tell_gone_connections(struct capture *c)
{
	if (!connections_overdue(c) || kernel_drain(c->kernel, 0, on_record, c) ||
	    kernel_is_behind(c->kernel))
		return;
	connections_tell_gone(c);
}

static int sweep(struct capture *c)
{
	struct ev_tick tick = {};
	int err;

	c->sweep++;
	INIT(tick, EV_TICK);
	capture_tell(c, &tick.head);
	if (c->rescan) {
		c->rescan = false;
		scan_connections(c);
	}
	err = kernel_sweep(c->kernel, on_record, c);
	if (err)
		return err;
	if (c->orphans) {
		c->orphans = false;
		kernel_scan(c->kernel, SCAN_HOLDERS, connection_held, c);
	}
	tell_gone_connections(c);
	c->swept_ns = capture_now();
	look_at_processes(c);
	err = sources_sweep(c);
	if (err)
		return err;
	tell_lost(c);
	tell_clocks(c);
	return c->err;
}

static void follow_selection(struct capture *c)
{
	if (select_is_empty(c->options.select) || select_refresh(c->options.select) != 1)
		return;
	kernel_select(c->kernel, c->options.select);
	c->rescan = true;
}

static void tell_begin(struct capture *c)
{
	struct ev_begin begin = {};
	struct utsname u;

	INIT(begin, EV_BEGIN);
	begin.magic = EV_MAGIC;
	c->clocks = clocks_read();
	begin.realtime_ns = c->clocks.wall_ns;
	begin.min_age_ns = c->options.min_age_ns;
	begin.version = EV_VERSION;
	begin.mode = c->options.mode;
	uname(&u);
	snprintf(begin.kernel, sizeof(begin.kernel), "%.63s", u.release);
	snprintf(begin.arch, sizeof(begin.arch), "%.15s", u.machine);
	c->begun_ns = begin.head.ns;
	capture_tell(c, &begin.head);
}

static void tell_host(struct capture *c)
{
	double budget = c->options.max_overhead;
	struct ev_host host = {};
	struct utsname u;

	INIT(host, EV_HOST);
	host.budget = budget > 0 && budget < OVERHEAD_ANY ? (uint32_t)(budget * 1000 + 0.5)
							  : UNKNOWN32;
	uname(&u);
	host.redacted = REDACTION_RULES;
	snprintf(host.name, sizeof(host.name), "%.63s", u.nodename);
	snprintf(host.version, sizeof(host.version), "%s", DBLEAK_VERSION);
	select_describe(c->options.select, host.selection, sizeof(host.selection));
	capture_tell(c, &host.head);
}

/* Tells what is open already.  Two passes: who listens as a database server, then who talks to
 * them. */
static int first_look(struct capture *c)
{
	int err = kernel_scan(c->kernel, SCAN_SERVERS, on_record, c);

	if (!err)
		err = scan_connections(c);
	/* The ledger, where no probe is attached, holds nothing but what has just been told. */
	if (!err && c->options.mode != EV_MODE_SNAPSHOT)
		err = sweep(c);
	cost_tell_losses(c);
	owners_tell_usage(c); /* who they are was looked up as each was met */
	return err ? err : c->err;
}

int capture_open(struct capture **out, const struct capture_options *options)
{
	struct kernel_options kernel = {
		.look_only = options->mode == EV_MODE_SNAPSHOT,
		.tell_all = options->mode == EV_MODE_RUN,
		.take_stacks = options->take_stacks,
		.heap_interval = parts_follow_heap(options) ? options->heap_interval : 0,
		.grace_ns = options->mode == EV_MODE_RUN ? 0 : GRACE_NS,
		.select = options->select,
		.asker = options->asker ? (uint32_t)asker_pid(options->asker) : 0,
	};
	struct capture *c = calloc(1, sizeof(*c));
	int err;

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->options = *options;
	c->events = &sources_events;
	c->peers.named = kernel_server_named;
	c->procfs = containers_procfs(options->containers);
	c->nursery = options->helpers->nursery;
	c->fetcher = options->helpers->fetcher;
	c->remover = options->helpers->remover;
	if (options->mode != EV_MODE_SNAPSHOT)
		look_through(c->nursery);
	err = kernel_open(&c->kernel, &kernel);
	if (!err) {
		tell_begin(c);
		tell_host(c);
		err = c->err;
	}
	if (!err)
		err = sources_open(c);
	if (!err)
		err = first_look(c);
	if (!err)
		cost_tell_full(c);
	if (err) {
		capture_close(c);
		return err;
	}
	sessions_begin(c);
	c->usage_every_ns = options->interval_ms * 1000000ULL;
	c->next_sweep_ns = capture_now() + c->usage_every_ns;
	c->next_facts_ns = capture_now() + FACTS_EVERY_NS;
	*out = c;
	return 0;
}

static int periodic(struct capture *c, uint64_t now)
{
	cost_sample(c, now);
	if (now >= c->next_usage_ns) {
		owners_look(c, now);
		if (now < c->next_sweep_ns)
			sources_look(c);
	}
	if (now < c->next_sweep_ns)
		return 0;
	c->next_sweep_ns = now + c->options.interval_ms * 1000000ULL;
	follow_selection(c);
	owners_refresh(c, now);
	if (now >= c->next_facts_ns) {
		c->next_facts_ns = now + FACTS_EVERY_NS;
		owners_tell_ends(c);
		cost_tell(c);
		cost_tell_full(c);
		sources_account(c);
		cost_keep_budget(c, now);
		if (!kernel_stats(c->kernel, true))
			c->stats_until_ns = now + STATS_FOR_NS;
	}
	return sweep(c);
}

/* Tells of processes whose memory, mappings or files hung a worker that looked at them. */
static void tell_silent(struct capture *c)
{
	uint32_t pid;

	while ((pid = fetcher_silent(c->fetcher))) {
		struct ev_gap gap = {};

		INIT(gap, EV_GAP);
		gap.pid = pid;
		snprintf(gap.text, sizeof(gap.text),
			 "the process does not answer: reading its memory, files or state hangs");
		capture_tell(c, &gap.head);
	}
}

/* Tells of container run times whose state files broke a worker that read them. */
static void tell_lost_names(struct capture *c)
{
	struct ev_gap gap = {};
	uid_t owner;

	while (containers_lost(c->options.containers, &owner)) {
		INIT(gap, EV_GAP);
		snprintf(gap.text, sizeof(gap.text),
			 "a container state file of user %u cannot be read safely: containers may "
			 "have no names",
			 owner);
		capture_tell(c, &gap.head);
	}
}

int capture_step(struct capture *c, int timeout_ms)
{
	uint64_t now = capture_now(), deadline = now + timeout_ms * 1000000ULL;
	struct pollfd fds[1 + SOURCE_FDS] = {{.fd = kernel_ring_fd(c->kernel), .events = POLLIN}};
	uint64_t due;
	int err;

	if (deadline > c->next_sweep_ns)
		deadline = c->next_sweep_ns;
	if (!c->begun) {
		c->begun = true;
		sources_begin(c);
	}
	sources_wait(c, fds + 1);
	due = sources_due(c, now);
	if (deadline > due)
		deadline = due;
	if (sessions_are_coming(c) && deadline > now + SESSION_WAKE_NS)
		deadline = now + SESSION_WAKE_NS;
	if (c->stacks_come && deadline > now + STACK_WAKE_NS)
		deadline = now + STACK_WAKE_NS;
	c->stacks_come = false;
	looking_over();
	poll(fds, 1 + SOURCE_FDS, deadline > now ? (deadline - now) / 1000000 + 1 : 0);
	err = kernel_drain(c->kernel, 0, on_record, c);
	if (!err)
		err = sources_step(c);
	sessions_step(c);
	if (!err)
		err = periodic(c, capture_now());
	tell_silent(c);
	tell_lost_names(c);
	if (!c->err && (err == -EMFILE || err == -ENFILE)) {
		cost_tell_full(c); /* a later sweep tells what this one could not */
		return 0;
	}
	return err ? err : c->err;
}

int capture_finish(struct capture *c, int wait_ms)
{
	uint64_t until = capture_now() + (uint64_t)wait_ms * 1000000;
	struct ev_end end = {};

	if (c->options.mode != EV_MODE_SNAPSHOT)
		sessions_ask(c); /* the answer comes beside the last look */
	kernel_drain(c->kernel, 0, on_record, c);
	if (c->stats_until_ns) {
		c->stats_until_ns = 1;
		cost_sample(c, 1);
	}
	if (c->options.mode != EV_MODE_SNAPSHOT) {
		sweep(c);
		looking_over();
		sweep(c);
		kernel_drain(c->kernel, 0, on_record, c);
		looking_over();
		c->ending = true;
		owners_tell_facts(c);
		sources_finish(c, until);
	}
	sessions_finish(c, wait_ms);
	sources_account(c);
	tell_silent(c);
	tell_lost_names(c);
	cost_tell(c);
	INIT(end, EV_END);
	end.records = c->records;
	capture_tell(c, &end.head);
	return c->err;
}

void capture_close(struct capture *c)
{
	struct table_slot *slot;
	size_t at;

	if (!c)
		return;
	births_close(c->births);
	sources_close(c);
	kernel_close(c->kernel);
	look_through(NULL);
	for (at = 0; (slot = table_next(&c->connections, &at));)
		free(slot->value);
	for (at = 0; (slot = table_next(&c->owners, &at));)
		free(slot->value);
	table_free(&c->connections);
	table_free(&c->owners);
	table_free(&c->serving);
	peers_free(&c->peers);
	free(c);
}

void capture_progress(const struct capture *c, struct capture_progress *p)
{
	p->connections = c->connections.count;
	p->processes = c->owners.count;
	p->lost = 0;
	for (int i = 0; i < EV_LOSS_KINDS; i++)
		p->lost += c->loss.count[i];
	p->door = kernel_door(c->kernel);
}
