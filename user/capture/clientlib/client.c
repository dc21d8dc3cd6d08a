/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client.c - from a mapped file to the probes in it, and from the ledger of handles to records.
 *
 * The symbols that a file exports show which library it holds.  Connections to a server open and
 * close rarely, so their probes stay.  Results, statements and SQLite's connections may come by
 * tens of thousands a second: their probes are removed when they cost more than the budget.
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
#include "user/system/debug.h"

void client_tell(struct clients *c, const struct ev_head *record)
{
	c->host.tell(c->host.context, record);
}

void client_tell_gap_of(struct clients *c, uint32_t pid, const char *text)
{
	struct ev_gap gap = {};

	INIT(gap, EV_GAP);
	gap.pid = pid;
	snprintf(gap.text, sizeof(gap.text), "%s", text);
	client_tell(c, &gap.head);
}

void client_tell_gap(struct clients *c, const char *text)
{
	client_tell_gap_of(c, 0, text);
}

bool clients_wait(const struct clients *c)
{
	return c->tls_waits;
}

/* --- life ----------------------------------------------------------------------------------- */

static uint64_t hits_of(void *context, uint32_t cookie)
{
	struct clients *c = context;
	uint64_t begun = 0, ended = 0;

	if (kernel_client_hits(c->kernel, cookie, 1, &begun) ||
	    kernel_client_hits(c->kernel, HITS_OF_EXITS(cookie), 1, &ended))
		return 0;
	return begun + ended;
}

static int calibrate(struct clients *c)
{
	static const struct probe canary = {.role = PROBE_COUNT};
	struct probe_programs *programs = &c->programs[GROUP_CONNECTIONS];
	int err = kernel_client_programs(c->kernel, KERNEL_PROBES_CLIENT, programs);

	for (uint32_t i = 0; i < PROBE_CANARIES && !err; i++)
		err = kernel_client_probe(c->kernel, i, &canary);
	c->used = PROBE_CANARIES;
	if (!err)
		err = probes_calibrate(&c->cost, programs, 0, hits_of, c);
	if (!err && c->cost.kills)
		err = -EPERM;
	c->programs[GROUP_OBJECTS] = c->programs[GROUP_RUNS] = *programs;
	if (!err)
		err = kernel_client_run_time(c->kernel, &c->program_cost.canary);
	if (!err && !c->cost.fires)
		err = -EIO;
	debug(DEBUG_PROBE,
	      "a probe costs %llu ns, %llu ns where the kernel single-steps, %llu ns more at an "
	      "end%s",
	      (unsigned long long)c->cost.cheap_ns, (unsigned long long)c->cost.dear_ns,
	      (unsigned long long)c->cost.exit_ns,
	      c->cost.exits_kill ? "; ends are not probed: it could kill" : "");
	return err;
}

static void tell_reach_gap(void *context, const char *text)
{
	client_tell_gap(context, text);
}

static bool is_selected(void *context, uint32_t pid)
{
	struct clients *c = context;

	return c->host.selected(c->host.context, pid);
}

/* Before the first probe, finds out whether the memory map of every process answers. */
static void look_for_locked(struct clients *c)
{
	uint32_t *pids = NULL;
	size_t count = 0;

	if (procfs_pids(c->procfs, &pids, &count))
		return;
	for (size_t i = 0; i < count; i++)
		memory_maps_answer(pids[i]);
	free(pids);
	reach_hold(c->reach, memory_maps_locked());
}

static int open_reach(struct clients *c)
{
	const struct reach_host host = {.context = c, .wanted = is_selected, .gap = tell_reach_gap};
	enum reach_how how = !c->host.selective	    ? REACH_EVERYONE
			     : c->cost.keeps_to_pid ? REACH_CHOSEN
						    : REACH_THEIR_FILES;
	int err = reach_open(&c->reach, how, &host);

	debug(DEBUG_PROBE, "probes go into %s",
	      how == REACH_EVERYONE ? "every process that maps a file"
	      : how == REACH_CHOSEN ? "the selected processes alone"
				    : "every process that maps a file of a selected one");
	if (!err)
		look_for_locked(c);
	/* Under REACH_EVERYONE all processes carry a file's probes once one of them maps the file.
	 * A ready probe is there before the first call. */
	if (!err && how == REACH_EVERYONE)
		reach_make_ready(c->reach);
	if (!err && c->host.command) {
		reach_make_ready(c->reach);
		reach_join(c->reach, c->host.command);
	}
	return err;
}

static const char *client_why_not(int err)
{
	switch (err) {
	case -EIO:
		return "a test probe did not fire";
	case -EPERM:
		return "on this kernel probes could kill processes with seccomp filters";
	default:
		return strerror(-err);
	}
}

int clients_open(struct clients **out, struct kernel *kernel, struct nursery *nursery,
		 const struct procfs *procfs, const struct client_host *host)
{
	struct clients *c = calloc(1, sizeof(*c));
	char text[EV_TEXT_LEN];
	int err;

	*out = c;
	if (!c)
		return -ENOMEM;
	c->kernel = kernel;
	c->procfs = procfs;
	c->host = *host;
	err = sizes_open(&c->sizes, nursery, &c->host);
	if (!err)
		err = sqlites_open(&c->sqlites, kernel, c->sizes, procfs, &c->host);
	if (!err)
		err = calibrate(c);
	if (!err)
		err = open_reach(c);
	if (!err)
		err = runtimes_open(&c->runtimes, kernel, procfs, c->reach);
	if (!err)
		err = libraries_open(&c->libraries, procfs);
	if (err) {
		snprintf(text, sizeof(text), "cannot watch client libraries: %s",
			 client_why_not(err));
		client_tell_gap(c, text);
		return 0;
	}
	if (c->cost.exits_kill)
		client_tell_gap(c, "results, statements, buffers are not counted: on this kernel "
				   "such probes could kill programs");
	libraries_on_mapping(c->libraries, client_on_mapping);
	libraries_on_gone(c->libraries, client_on_gone);
	if (libraries_watch(c->libraries))
		client_tell_gap(c, "libraries loaded later are found with delay: no perf events");
	if (host->eager && client_begin_tls(c))
		c->host.eager = false;
	if (c->programs[0].multi) /* without uprobe.multi each probe takes long to remove */
		client_head_start(c);
	runtimes_head_start(c->runtimes);
	return libraries_scan(c->libraries, client_on_file, c);
}

void clients_close(struct clients *c)
{
	struct attached *a, *next;

	if (!c)
		return;
	reach_close(c->reach);
	for (a = c->files; a; a = next) {
		next = a->next;
		table_free(&a->active);
		free(a);
	}
	while (c->tls_count)
		close(c->tls[--c->tls_count].fd);
	table_free_values(&c->tls_users);
	while (c->waiting_count)
		close(c->waiting[--c->waiting_count].fd);
	table_free_values(&c->unread);
	table_free(&c->sockets.held);
	table_free(&c->pids);
	libraries_close(c->libraries);
	runtimes_close(c->runtimes);
	sqlites_close(c->sqlites);
	sizes_close(c->sizes);
	free(c);
}

uint64_t clients_hit_ns(const struct clients *c)
{
	return c->cost.cheap_ns;
}

bool clients_keep_to_pid(const struct clients *c)
{
	return c->reach && c->cost.keeps_to_pid;
}

struct reach *clients_reach(const struct clients *c)
{
	return c->reach;
}

bool clients_is_at(const struct clients *c, uint64_t inode, uint64_t offset)
{
	return c->reach && reach_is_at(c->reach, inode, offset);
}

struct runtimes *clients_runtimes(const struct clients *c)
{
	return c->runtimes;
}

int clients_fd(const struct clients *c)
{
	return c->libraries ? libraries_fd(c->libraries) : -1;
}

int clients_step(struct clients *c, uint64_t now_ns)
{
	int err = 0;

	if (!c->libraries)
		return 0;
	err = libraries_poll(c->libraries, client_on_file, c);
	if (c->runtimes)
		runtimes_step(c->runtimes, now_ns);
	client_look_deeper(c);
	client_load_tls(c);
	client_keep_budget(c, now_ns);
	return err < 0 ? err : 0;
}

void clients_end(struct clients *c)
{
	sizes_end(c->sizes);
}

void clients_tell_libraries(struct clients *c)
{
	client_count_hits(c);
	for (struct attached *a = c->files; a; a = a->next)
		if (!a->left_ns)
			client_tell_library(c, a);
}

uint64_t clients_cost_ns(struct clients *c)
{
	uint64_t spent = c->left_cost_ns;

	client_count_hits(c);
	for (struct attached *a = c->files; a; a = a->next)
		for (int g = 0; g < GROUPS; g++)
			spent += a->spent_ns[g];
	return spent;
}

bool clients_stepped_down(const struct clients *c)
{
	return c->stepped_down;
}
