/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * cost.c - what was lost and what we cost, as the records tell it; over budget we sweep less often.
 */
#include "user/capture/cost.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "user/capture/worker/ceiling.h"
#include "user/capture/probe/remover.h"
#include "user/capture/worker/fetcher.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/worker/nursery.h"
#include "user/capture/dsn/asker.h"
#include "user/capture/worker/kin.h"
#include "user/capture/host/procfs.h"
#include "user/capture/probe/probe.h"
#include "user/capture/stack/reader.h"
#include "user/capture/sources.h"
#include "user/system/debug.h"

#define LONGEST_INTERVAL_MS 8000
#define CREDIT_NS	    1e9 /* of processor time that may be taken in advance */

void cost_tell_losses(struct capture *c)
{
	uint64_t counters[COUNTERS];
	struct ev_loss loss = {};

	if (kernel_counters(c->kernel, counters))
		return;
	INIT(loss, EV_LOSS);
	for (int i = 0; i < EV_LOSS_KINDS; i++)
		loss.count[i] = counters[COUNTER_LOSS + i];
	loss.count[EV_LOSS_MISSED_RETURN] += kernel_missed(c->kernel);
	loss.count[EV_LOSS_TRUNCATED] += c->readers ? readers_lost(c->readers) : 0;
	if (!memcmp(loss.count, c->loss.count, sizeof(loss.count)))
		return;
	c->loss = loss;
	capture_tell(c, &loss.head);
}

static uint64_t own_cpu(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * SECOND_NS +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ULL;
}

/* Nanoseconds of processor time that dbleak may take in one: the share of each process followed. */
static double own_rate(const struct capture *c)
{
	return c->options.max_overhead / 100 * (c->owners.count ? (double)c->owners.count : 1);
}

/* A new process costs much once, and little afterwards: the budget is kept over time. */
void cost_keep_budget(struct capture *c, uint64_t now)
{
	uint64_t cpu = own_cpu();

	if (c->options.max_overhead >= OVERHEAD_ANY)
		return;
	if (c->cpu_at_ns)
		c->credit_ns += own_rate(c) * (now - c->cpu_at_ns) - (cpu - c->cpu_ns);
	if (!c->cpu_at_ns || c->credit_ns > CREDIT_NS)
		c->credit_ns = CREDIT_NS;
	if (c->credit_ns < 0 && c->options.interval_ms < LONGEST_INTERVAL_MS) {
		c->options.interval_ms *= 2;
		debug(DEBUG_BUDGET,
		      "dbleak itself took %.1f ms of CPU in %.1f s, its share is %.2f %%: it looks "
		      "every %u ms now",
		      (cpu - c->cpu_ns) / 1e6, (now - c->cpu_at_ns) / 1e9, own_rate(c) * 100,
		      (unsigned int)c->options.interval_ms);
		c->credit_ns = 0;
		c->stepped_down = true;
	}
	c->cpu_ns = cpu;
	c->cpu_at_ns = now;
}

void cost_tell_full(struct capture *c)
{
	int fd = openat(procfs_folder(c->procfs), "stat", O_RDONLY | O_CLOEXEC);
	struct ev_gap gap = {};
	int err = errno;

	if (fd >= 0)
		close(fd);
	if (fd >= 0 || c->reported_full || (err != EMFILE && err != ENFILE && err != ENOMEM))
		return;
	c->reported_full = true;
	INIT(gap, EV_GAP);
	snprintf(gap.text, sizeof(gap.text),
		 "new libraries and calls may be missed from now on: dbleak cannot open more files "
		 "(%s)",
		 strerror(err));
	capture_tell(c, &gap.head);
}

void cost_tell(struct capture *c)
{
	uint64_t counters[COUNTERS];
	struct ev_cost cost = {};

	if (kernel_counters(c->kernel, counters))
		return;
	INIT(cost, EV_COST);
	cost.cpu_ns = own_cpu() + (c->nursery ? nursery_cpu_ns(c->nursery) : 0) +
		      (c->fetcher ? fetcher_cpu_ns(c->fetcher) : 0) + remover_cpu_ns(c->remover) +
		      (c->options.asker ? asker_cpu_ns(c->options.asker) : 0);
	for (size_t i = 0; i < BESIDE_MOST; i++)
		cost.cpu_ns += kin_cpu_ns(c->options.beside[i]);
	cost.stepped_down = c->stepped_down || sources_stepped_down(c);
	cost.messages = counters[COUNTER_MESSAGES];
	cost.other_messages = counters[COUNTER_OTHER_MESSAGES];
	cost.events = counters[COUNTER_EVENTS];
	if (c->runs)
		cost.bpf_ns = (double)c->run_ns / c->runs * (cost.messages + cost.other_messages);
	cost.bpf_ns += sources_cost_ns(c, counters[COUNTER_FAULTS]);
	cost.rss_bytes = ceiling_resident();
	cost.kernel_bytes = kernel_bytes(c->kernel);
	capture_tell(c, &cost.head);
}

void cost_sample(struct capture *c, uint64_t now)
{
	if (c->stats_until_ns && now >= c->stats_until_ns) {
		kernel_run_time(c->kernel, &c->run_ns, &c->runs);
		kernel_stats(c->kernel, false);
		c->stats_until_ns = 0;
	}
}
