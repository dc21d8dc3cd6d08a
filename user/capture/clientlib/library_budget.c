/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_budget.c - the cost of the probes in libraries, and what is taken out when it is too
 * high.
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
#include <time.h>
#include <unistd.h>

#include "user/capture/clientlib/clientlib_state.h"
#include "user/capture/probe/probe.h"
#include "user/system/debug.h"

/* --- the budget ----------------------------------------------------------------------------- */

/* Reads the average run time of the programs, if the kernel's statistics are on. */
static void read_run_time(struct clients *c)
{
	const struct kernel_client_runs *canary = &c->program_cost.canary;
	struct kernel_client_runs now;

	if (kernel_client_run_time(c->kernel, &now))
		return;
	for (int i = 0; i < 2; i++) {
		uint64_t runs = now.runs[i] - canary->runs[i];
		uint64_t least = canary->runs[i] ? canary->ns[i] / canary->runs[i] : 0, mean;

		if (runs < RUNS_ENOUGH)
			continue;
		mean = (now.ns[i] - canary->ns[i]) / runs;
		c->program_cost.more_ns[i] = mean > least ? mean - least : 0;
	}
}

static bool knows_run_time(const struct clients *c)
{
	return c->program_cost.more_ns[0] || c->program_cost.more_ns[1];
}

/* Turns the kernel's statistics on until the next look, if probes are hit and their run time is not
 * known. */
static void measure_run_time(struct clients *c, bool busy)
{
	if (c->measuring) {
		read_run_time(c);
		kernel_stats(c->kernel, false);
		c->measuring = false;
	} else if (busy && !knows_run_time(c)) {
		c->measuring = !kernel_stats(c->kernel, true);
	}
}

/* Cost of the hits since the last count, in ns. */
static uint64_t cost_of(const struct clients *c, const struct placed *p, uint64_t begun,
			uint64_t ended)
{
	return (begun - p->hits) * (p->cost_ns + c->program_cost.more_ns[0]) +
	       (ended - p->ended) * (p->exit_ns + c->program_cost.more_ns[1]);
}

void client_count_hits(struct clients *c)
{
	static uint64_t begun[PROBES_MOST], ended[PROBES_MOST];
	const uint32_t first = PROBE_CANARIES;
	uint32_t n = c->used - first;

	if (c->used <= first || kernel_client_hits(c->kernel, first, n, begun + first) ||
	    kernel_client_hits(c->kernel, HITS_OF_EXITS(first), n, ended + first))
		return;
	for (uint32_t i = first; i < c->used; i++) {
		struct placed *p = &c->placed[i];

		if (!p->of || p->of->left_ns)
			continue;
		p->of->spent_ns[client_group_of(p->row)] += cost_of(c, p, begun[i], ended[i]);
		p->hits = begun[i];
		p->ended = ended[i];
	}
}

/* Removes the probes that show how many rows a statement gave.  The budget is then enough for the
 * others. */
static void step_down_runs(struct clients *c, struct attached *a)
{
	char text[EV_TEXT_LEN];

	client_detach(a, GROUP_RUNS);
	a->credit_ns = 0;
	c->stepped_down = true;
	snprintf(text, sizeof(text),
		 "rows per statement are no longer counted in %.120s: the budget was used up",
		 a->ev.path);
	client_tell_gap(c, text);
}

static void library_budget_step_down(struct clients *c, struct attached *a, uint64_t now)
{
	clients_sweep(c, now);
	client_detach(a, GROUP_OBJECTS);
	client_detach(a, GROUP_RUNS);
	a->ev.detached = 1;
	a->credit_ns = 0;
	c->stepped_down = true;
	client_tell_library(c, a);
}

/* Ends a connection whose close nobody would see: it must not look as if it were kept. */
static void end_unwatched(void *context, const struct handle_key *key,
			  const struct ledger_handle *h)
{
	struct clients *c = context;

	sqlites_gone(c->sqlites, key, h->born_ns, clock_boot_ns(), false);
}

/* Removes the last probes of the library, those of its connections. */
static void step_down_connections(struct clients *c, struct attached *a, uint64_t now)
{
	char text[EV_TEXT_LEN];

	library_budget_step_down(c, a, now);
	client_detach(a, GROUP_CONNECTIONS);
	a->unwatched = true;
	kernel_client_drop_links(c->kernel, a->first, a->count, end_unwatched, c);
	snprintf(
		text, sizeof(text),
		"connections are no longer seen in %.120s: watching opens and closes took too long",
		a->ev.path);
	client_tell_gap(c, text);
}

/* Whether connections may come as often as objects: no server is asked for one. */
static bool opens_are_cheap(const struct attached *a)
{
	return a->library->database == EV_DB_SQLITE;
}

/* Number of processes that share a library's budget.  Idle processes do not count, or one busy
 * process could spend the shares of all. */
static size_t users_of(const struct attached *a)
{
	size_t n = a->users > a->active.count ? a->users : a->active.count;

	return n ? n : 1;
}

static void forget_users(struct attached *a)
{
	a->users = a->active.count;
	table_free(&a->active);
}

/* Cost of a group's probes since the last look, in ns. */
static uint64_t spent_since(struct attached *a, enum group g)
{
	uint64_t spent = a->spent_ns[g] - a->before_ns[g];

	a->before_ns[g] = a->spent_ns[g];
	return spent;
}

/* Takes out the group that costs most for what it shows, if without it the rest fits in. */
static void step_down(struct clients *c, struct attached *a, const uint64_t cost[GROUPS],
		      double earned, uint64_t now)
{
	uint64_t opens = cost[GROUP_CONNECTIONS], objects = opens + cost[GROUP_OBJECTS];

	debug(DEBUG_BUDGET,
	      "%s: probes of connections cost %.2f ms, of objects %.2f ms and of rows %.2f ms, for "
	      "%zu processes that may cost %.2f ms",
	      a->ev.path, opens / 1e6, cost[GROUP_OBJECTS] / 1e6, cost[GROUP_RUNS] / 1e6,
	      users_of(a), earned / 1e6);
	if (a->sets[GROUP_RUNS] && objects <= earned)
		step_down_runs(c, a);
	else if (a->sets[GROUP_OBJECTS] && opens <= earned)
		library_budget_step_down(c, a, now);
	else if (opens_are_cheap(a) && opens > earned)
		step_down_connections(c, a, now);
}

/* Charges a library's budget with what its probes took.  Steps down when it is spent.  Returns
 * whether the probes were hit. */
static bool charge(struct clients *c, struct attached *a, uint64_t passed, uint64_t now)
{
	const uint64_t cost[GROUPS] = {
		[GROUP_CONNECTIONS] = opens_are_cheap(a) ? spent_since(a, GROUP_CONNECTIONS) : 0,
		[GROUP_OBJECTS] = spent_since(a, GROUP_OBJECTS),
		[GROUP_RUNS] = spent_since(a, GROUP_RUNS),
	};
	uint64_t spent = cost[GROUP_CONNECTIONS] + cost[GROUP_OBJECTS] + cost[GROUP_RUNS];
	double rate = c->host.max_overhead / 100 * users_of(a);

	if (c->host.max_overhead >= OVERHEAD_ANY)
		return spent > 0;
	if (!a->budgeted) {
		a->budgeted = true;
		a->credit_ns = rate * BURST_NS;
	}
	a->credit_ns += rate * passed - spent;
	if (a->credit_ns > rate * BURST_NS)
		a->credit_ns = rate * BURST_NS;
	if (a->credit_ns < 0 && !a->unwatched)
		step_down(c, a, cost, rate * passed, now);
	return spent > 0;
}

void client_keep_budget(struct clients *c, uint64_t now)
{
	uint64_t passed = now - c->budget_at_ns;
	bool busy = false;

	if (passed < BUDGET_EVERY_NS)
		return;
	if (passed > BURST_NS) /* the first look */
		passed = BURST_NS;
	read_run_time(c);
	client_count_hits(c);
	for (struct attached *a = c->files; a; a = a->next)
		busy |= charge(c, a, passed, now);
	measure_run_time(c, busy);
	c->budget_at_ns = now;
	if (now - c->users_at_ns < SECOND_NS)
		return;
	for (struct attached *a = c->files; a; a = a->next)
		forget_users(a);
	c->users_at_ns = now;
}
