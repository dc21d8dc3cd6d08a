/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * owner.c - the processes that own what is watched: who they are, what memory they hold, and
 * which of their connections cannot be read.  Each is told once, and again when it changes.
 */
#include "user/capture/watched/owner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cmdline.h"
#include "user/base/redact.h"
#include "user/capture/clientlib/client.h"
#include "user/capture/host/container.h"
#include "user/capture/worker/looking.h"
#include "user/capture/host/procfs.h"
#include "user/capture/host/program_facts.h"
#include "user/capture/probe/probe.h"
#include "user/system/debug.h"

#define UNREADABLE_NS (5 * SECOND_NS)
#define SETTLED_NS    (60 * SECOND_NS)
#define ARGUMENTS_LEN 65536	      /* the class that Java runs stands behind a long class path */
#define LOST_NS	      (2 * SECOND_NS) /* the record of an end may still be in the ring */
#define ROUND_NS      (5 * SECOND_NS) /* in which each is looked at once */
/* Looks, of which one asks for all although nothing seems to have changed */
#define LOOKS_FULL 12
#define ALL_FOR_NS (SECOND_NS / 2) /* at the end */
#define SHARE	   20		   /* looks take one part of so many of a CPU at the most */
/* Processes whose memory is looked at each time; of more, those that grow */
#define OWNERS_FEW 32
enum owner_gap_kind { GAP_TLS = 1, GAP_COMPRESSED = 2, GAP_IO = 4, GAP_BYTES = 8 };

static const struct {
	enum owner_gap_kind kind;
	uint32_t flag;
	const char *text;
} gap_texts[] = {
	{GAP_TLS, EV_CONN_TLS,
	 "encrypted (TLS): connections are counted, transactions and statements are not visible"},
	{GAP_COMPRESSED, EV_CONN_COMPRESSED,
	 "compressed: connections are counted, transactions and statements are not visible"},
	{GAP_IO, EV_CONN_HIDDEN_IO,
	 "io_uring or 32-bit program: connections are counted, their traffic is not visible"},
	{GAP_BYTES, 0, "a database port, but the traffic is neither PostgreSQL nor MySQL"},
};

/* Encrypted, and its library did not let us read it in the time that takes, nor has a sweep since.
 */
static bool is_unreadable_long(const struct capture *c, const struct owner *o)
{
	uint64_t since = o->unreadable_ns, tls_since;

	if (!since || o->tls_read)
		return false;
	tls_since = c->clients ? clients_tls_since(c->clients) : 0;
	if (tls_since > since)
		since = tls_since;
	return !c->clients || c->ending || c->swept_ns > since + UNREADABLE_NS;
}

void owner_tell_gaps(struct capture *c, struct owner *o, const struct ev_connection *ev)
{
	for (size_t i = 0; i < sizeof(gap_texts) / sizeof(gap_texts[0]); i++) {
		struct ev_gap gap = {};
		bool hit = gap_texts[i].flag ? ev->flags & gap_texts[i].flag
					     : ev->database == EV_DB_UNKNOWN;

		if (gap_texts[i].kind == GAP_TLS && !is_unreadable_long(c, o))
			hit = false;
		if (!hit || o->gaps & gap_texts[i].kind)
			continue;
		o->gaps |= gap_texts[i].kind;
		INIT(gap, EV_GAP);
		gap.start_ns = o->facts.start_ns;
		gap.pid = o->facts.pid;
		snprintf(gap.text, sizeof(gap.text), "%s", gap_texts[i].text);
		capture_tell(c, &gap.head);
	}
}

/* Writes what may be shown of its arguments, cut in the middle if the field is too short. */
static void tell_arguments(struct ev_process *p, const char *arguments, size_t len,
			   unsigned int flags, char *line)
{
	redact(line, ARGUMENTS_LEN, arguments, len, flags);
	cmdline_fit(p->cmdline, sizeof(p->cmdline), line);
}

/* Arguments of a process leave this function without their secrets. */
static void look_up_cmdline(const struct capture *c, struct ev_process *p)
{
	unsigned int flags = c->options.show_arguments ? REDACT_SHOW_VALUES : 0;
	char *arguments = malloc(2 * ARGUMENTS_LEN);
	ssize_t len;

	memset(p->cmdline, 0, sizeof(p->cmdline));
	if (!arguments)
		return;
	len = procfs_arguments(c->procfs, p->pid, p->start_ns, arguments, ARGUMENTS_LEN);
	if (len >= ARGUMENTS_LEN - 1)
		flags |= REDACT_CUT;
	if (len > 0)
		tell_arguments(p, arguments, (size_t)len, flags, arguments + ARGUMENTS_LEN);
	explicit_bzero(arguments, ARGUMENTS_LEN);
	free(arguments);
}

static void look_up_role(const struct capture *c, struct owner *o)
{
	struct table_key key = {o->facts.pid, o->facts.start_ns};
	bool server = kernel_is_server(c->kernel, o->facts.pid) || table_get(&c->serving, key);

	o->facts.role = server ? EV_ROLE_POOLER : EV_ROLE_CLIENT;
}

/* The owner of its container.  The texts are as long as the fields, or shorter. */
static void look_up_pod(struct ev_container *ev, const struct container *container)
{
	snprintf(ev->pod, sizeof(ev->pod), "%s", container->pod);
	snprintf(ev->pod_namespace, sizeof(ev->pod_namespace), "%s", container->pod_namespace);
	snprintf(ev->image, sizeof(ev->image), "%s", container->image);
}

/* A process on the host has none. */
static void tell_container(struct capture *c, struct owner *o)
{
	if (!*o->container.pod && !*o->container.image)
		return;
	o->container.head.ns = capture_now();
	capture_tell(c, &o->container.head);
}

/* Asks /proc and the container run times who that is.  What is unknown stays as it was. */
static void look_up(struct capture *c, struct owner *o)
{
	const struct container *container = NULL;
	struct process_facts facts;
	struct ev_process *p = &o->facts;

	looking_at(p->pid, "/proc");
	o->looks = 0;
	if (procfs_pages(c->procfs, p->pid, &o->pages))
		o->pages = 0;
	if (procfs_facts(c->procfs, p->pid, &facts) ||
	    !procfs_same_start(facts.start_ns, p->start_ns))
		return;
	p->nofile_limit = facts.nofile_limit;
	p->parent_pid = facts.parent_pid;
	memcpy(p->comm, facts.comm, sizeof(p->comm));
	redact_name(p->comm);
	look_up_cmdline(c, p);
	look_up_role(c, o);
	procfs_libraries(c->procfs, p->pid, &p->libraries);
	program_facts(c->procfs, &o->program);
	if (containers_of_pid(c->options.containers, p->pid, &container) || !container)
		return;
	memset(o->program.unit, 0, sizeof(o->program.unit)); /* that of the run time */
	snprintf(p->runtime, sizeof(p->runtime), "%s", container->runtime);
	snprintf(p->container_id, sizeof(p->container_id), "%.*s", (int)sizeof(p->container_id) - 1,
		 container->id);
	snprintf(p->container_name, sizeof(p->container_name), "%.*s",
		 (int)sizeof(p->container_name) - 1, container->name);
	look_up_pod(&o->container, container);
}

struct owner *owner_of(struct capture *c, uint32_t pid, uint64_t start_ns, const char *comm)
{
	struct table_key key = {pid, start_ns};
	struct owner *o = table_get(&c->owners, key);

	if (o)
		return o;
	o = calloc(1, sizeof(*o));
	if (!o || table_put(&c->owners, key, o)) {
		c->err = -ENOMEM;
		free(o);
		return NULL;
	}
	INIT(o->facts, EV_PROCESS);
	o->facts.start_ns = start_ns;
	o->facts.pid = pid;
	o->facts.nofile_limit = UNKNOWN64;
	INIT(o->program, EV_PROGRAM);
	o->program.start_ns = start_ns;
	o->program.pid = pid;
	o->program.uid = UNKNOWN32;
	INIT(o->container, EV_CONTAINER);
	o->container.start_ns = start_ns;
	o->container.pid = pid;
	if (comm)
		memcpy(o->facts.comm, comm, EV_COMM_LEN - 1);
	redact_name(o->facts.comm);
	look_up(c, o);
	debug(DEBUG_HOST, "process %u (%s): %s %.12s, open files limit %lld", pid, o->facts.comm,
	      *o->facts.container_id ? "container" : "on the host", o->facts.container_id,
	      (long long)o->facts.nofile_limit);
	capture_tell(c, &o->facts.head);
	capture_tell(c, &o->program.head);
	tell_container(c, o);
	c->events->met(c, pid, start_ns);
	return o;
}

/* The record of it may have been lost in a full ring. */
static void note_end(struct owner *o)
{
	if (!o->gone_ns && !o->ended_ns)
		o->ended_ns = capture_now();
}

void owner_tally(void *context, uint32_t pid, const struct process *p)
{
	struct capture *c = context;
	struct ev_tally tally = p->short_lived;
	struct owner *o;

	if (p->gone) {
		o = table_get(&c->owners, (struct table_key){pid, p->start_ns});
		if (o)
			note_end(o);
	}
	if (!p->short_lived.opened || !owner_of(c, pid, p->start_ns, NULL))
		return;
	INIT(tally, EV_TALLY);
	tally.pid = pid;
	tally.start_ns = p->start_ns;
	capture_tell(c, &tally.head);
}

static void tell_usage(struct capture *c, struct owner *o)
{
	struct ev_usage ev = {};
	struct process_usage usage;

	looking_at(o->facts.pid, "/proc");
	if (o->gone_ns || procfs_usage(c->procfs, o->facts.pid, &usage) ||
	    !procfs_same_start(usage.start_ns, o->facts.start_ns))
		return;
	INIT(ev, EV_USAGE);
	ev.start_ns = o->facts.start_ns;
	ev.pid = o->facts.pid;
	ev.rss_bytes = usage.rss_bytes;
	ev.rss_peak_bytes = usage.rss_peak_bytes;
	ev.open_files = usage.open_files;
	c->events->usage(c, ev.pid, ev.start_ns, &usage);
	if (ev.rss_bytes == o->usage.rss_bytes && ev.open_files == o->usage.open_files)
		return;
	o->usage = ev;
	capture_tell(c, &ev.head);
}

/* Whether it may be another than it was: another program, or with other libraries.  Asks for
 * nothing that keeps the process waiting. */
static bool seems_changed(struct capture *c, struct owner *o)
{
	uint64_t pages = 0;
	int err = procfs_pages(c->procfs, o->facts.pid, &pages);

	if (err == -ESRCH)
		note_end(o);
	return !err && (pages != o->pages || ++o->looks >= LOOKS_FULL);
}

/* A process may exec, become a server, or move into a container after we first met it. */
static void refresh_facts(struct capture *c, struct owner *o)
{
	struct ev_process before = o->facts;
	struct ev_program ran = o->program;
	struct ev_container lived = o->container;

	if (o->gone_ns)
		return;
	if (seems_changed(c, o))
		look_up(c, o);
	look_up_role(c, o);
	if (memcmp(&before, &o->facts, sizeof(before)) != 0) {
		o->facts.head.ns = capture_now();
		capture_tell(c, &o->facts.head);
	}
	if (memcmp(&ran, &o->program, sizeof(ran)) != 0) {
		o->program.head.ns = capture_now();
		capture_tell(c, &o->program.head);
	}
	if (memcmp(&lived, &o->container, sizeof(lived)) != 0)
		tell_container(c, o);
}

void owners_tell_usage(struct capture *c)
{
	struct table_slot *slot;
	size_t at = 0;

	c->events->look_begins(c);
	while ((slot = table_next(&c->owners, &at)))
		tell_usage(c, slot->value);
}

/* Not less often where sweeps are: whether memory grows is told by many looks, each cheap. */
void owners_look(struct capture *c, uint64_t now)
{
	bool few = c->owners.count <= OWNERS_FEW;
	struct table_slot *slot;
	size_t at = 0;

	c->next_usage_ns = now + c->usage_every_ns;
	c->events->look_begins(c);
	while ((slot = table_next(&c->owners, &at))) {
		struct owner *o = slot->value;

		if (few || c->events->follows(c, o->facts.pid, o->facts.start_ns))
			tell_usage(c, o);
	}
}

/* The connections of such processes have not changed, or are gone, since it might have been told.
 */
static void tell_late_gaps(struct capture *c)
{
	const struct ev_connection encrypted = {.flags = EV_CONN_TLS, .database = EV_DB_POSTGRESQL};
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->owners, &at))) {
		struct owner *o = slot->value;

		if (o->unreadable_ns)
			owner_tell_gaps(c, o, &encrypted);
	}
}

static void mark_holders(struct capture *c)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->connections, &at))) {
		const struct ev_connection *ev = &((const struct tracked *)slot->value)->last;
		struct owner *o = table_get(&c->owners, (struct table_key){ev->pid, ev->start_ns});

		if (o)
			o->holds = true;
	}
}

/* Processes that ended so long ago that nothing tells of them any more. */
static void forget_gone(struct capture *c, uint64_t now)
{
	struct table_walk walk = table_walk(&c->owners);
	struct table_slot *slot;

	mark_holders(c);
	while ((slot = table_walk_next(&walk))) {
		struct owner *o = slot->value;
		bool keep = !o->gone_ns || o->holds || now - o->gone_ns < SETTLED_NS;

		o->holds = false;
		if (keep)
			continue;
		free(table_walk_remove(&walk));
	}
}

static void owner_tell_end(struct capture *c, const struct owner *o)
{
	struct ev_exit ev = {};

	INIT(ev, EV_EXIT);
	ev.start_ns = o->facts.start_ns;
	ev.pid = o->facts.pid;
	ev.rss_peak_bytes = UNKNOWN64;
	capture_exited(c, &ev.head);
}

/* Processes whose end was seen, and no record has told of it since. */
static void make_up_ends(struct capture *c, uint64_t now)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->owners, &at))) {
		struct owner *o = slot->value;

		if (o->ended_ns && !o->gone_ns && now - o->ended_ns >= LOST_NS)
			owner_tell_end(c, o);
	}
}

void owners_tell_ends(struct capture *c)
{
	tell_late_gaps(c);
	make_up_ends(c, capture_now());
	forget_gone(c, capture_now());
}

static struct owner *next_owner(struct capture *c)
{
	struct table_slot *slot = table_next(&c->owners, &c->owner_at);

	if (!slot) {
		c->owner_at = 0;
		slot = table_next(&c->owners, &c->owner_at);
	}
	return slot ? slot->value : NULL;
}

/* Looks at the next so many, while there is time.  False: there was not. */
static bool look_at_some(struct capture *c, size_t count, uint64_t until_ns)
{
	struct owner *o;

	while (count-- && (o = next_owner(c))) {
		refresh_facts(c, o);
		tell_usage(c, o);
		if (capture_now() >= until_ns)
			return count == 0;
	}
	return true;
}

static void tell_slow(struct capture *c)
{
	struct ev_gap gap = {};

	if (c->reported_slow)
		return;
	c->reported_slow = true;
	debug(DEBUG_BUDGET, "%zu processes are looked at less often", c->owners.count);
	INIT(gap, EV_GAP);
	snprintf(
		gap.text, sizeof(gap.text),
		"%zu processes are checked less often than every %llu s, to stay within the budget",
		c->owners.count, ROUND_NS / SECOND_NS);
	capture_tell(c, &gap.head);
}

/* Each has its turn within a round, spread over it; in the time that the budget gives. */
void owners_refresh(struct capture *c, uint64_t now)
{
	uint64_t passed = c->refreshed_ns ? now - c->refreshed_ns : ROUND_NS;
	double share = c->options.max_overhead / 100 * (double)c->owners.count, budget;

	c->refreshed_ns = now;
	if (!c->owners.count)
		return;
	passed = passed > ROUND_NS ? ROUND_NS : passed;
	share = share > 1.0 / SHARE ? 1.0 / SHARE : share;
	budget = share * (double)passed;
	c->events->look_begins(c);
	if (!look_at_some(c, (c->owners.count * passed + ROUND_NS - 1) / ROUND_NS,
			  c->options.max_overhead >= OVERHEAD_ANY
				  ? UINT64_MAX
				  : capture_now() + (uint64_t)budget))
		tell_slow(c);
}

void owners_tell_facts(struct capture *c)
{
	tell_late_gaps(c);
	c->events->look_begins(c);
	c->owner_at = 0;
	look_at_some(c, c->owners.count, capture_now() + ALL_FOR_NS);
	make_up_ends(c, UINT64_MAX);
	forget_gone(c, capture_now());
}
