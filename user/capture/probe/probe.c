/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe.c - attaches uprobes to a file, and takes them out again.
 */
#include "user/capture/probe/probe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/capture/probe/remover.h"

#define DETACH_AT_ONCE 64
#define MULTI_RETURN   1  /* BPF_F_UPROBE_MULTI_RETURN */
#define SEMAPHORE_BITS 32 /* of perf_event_attr.config: PERF_UPROBE_REF_CTR_OFFSET_SHIFT */

struct probe_links {
	struct probe_links *next, *before;
	uint64_t set; /* of the remover; 0: it has none of them */
	size_t count;
	int fds[];
};

static struct remover *remover; /* NULL: links are closed here alone */

void probes_use(struct remover *r)
{
	remover = r;
}

/* All attached links of this process, so that probes_withdraw finds them, whoever owns them. */
static struct {
	pthread_mutex_t lock;
	struct probe_links *first;
	bool withdrawn;
} in_place = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool enlist(struct probe_links *l)
{
	bool may;

	pthread_mutex_lock(&in_place.lock);
	may = !in_place.withdrawn;
	if (may) {
		l->next = in_place.first;
		if (l->next)
			l->next->before = l;
		in_place.first = l;
	}
	pthread_mutex_unlock(&in_place.lock);
	return may;
}

/* Takes the links off the list: probes_withdraw no longer sees them, and the caller closes them. */
static void strike(struct probe_links *l)
{
	pthread_mutex_lock(&in_place.lock);
	if (l->next)
		l->next->before = l->before;
	if (l->before)
		l->before->next = l->next;
	else if (in_place.first == l)
		in_place.first = l->next;
	l->next = l->before = NULL;
	pthread_mutex_unlock(&in_place.lock);
}

/* linux/bpf.h of Debian 12 is older than this part of bpf_attr (6.6, include/uapi/linux/bpf.h). */
struct multi_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, reserved;
};

enum probe_kind {
	KIND_ENTRY,
	KIND_RETURN,
	KIND_BEGIN,
	KIND_EXIT,
};

static int program_of(const struct probe_programs *programs, enum probe_kind kind)
{
	return kind == KIND_RETURN  ? programs->returned
	       : kind == KIND_BEGIN ? programs->begun
	       : kind == KIND_EXIT  ? programs->left
				    : programs->entered;
}

static bool is_of_kind(const struct probe_programs *programs, const struct probe_place *place,
		       enum probe_kind kind)
{
	switch (kind) {
	case KIND_RETURN:
		return place->returns && !programs->session;
	case KIND_BEGIN:
		return place->begins && programs->begun > 0;
	case KIND_EXIT:
		return place->leaves;
	default:
		return !place->leaves && !(place->begins && programs->begun > 0);
	}
}

static int attach_multi(const struct probe_programs *programs, const char *path,
			const uint64_t *offsets, const uint64_t *cookies,
			const uint64_t *semaphores, size_t n, enum probe_kind kind)
{
	struct multi_attr attr = {
		.prog_fd = program_of(programs, kind),
		.attach_type = programs->session && kind == KIND_ENTRY ? PROBE_ATTACH_TYPE_SESSION
								       : PROBE_ATTACH_TYPE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.ref_ctr_offsets = (uintptr_t)semaphores,
		.count = n,
		.multi_flags = kind == KIND_RETURN ? MULTI_RETURN : 0,
		.pid = programs->pid,
	};
	int fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

static int probe_read_number(const char *path, const char *format)
{
	FILE *f = fopen(path, "re");
	int n = -1;

	if (f && fscanf(f, format, &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

/* Opens a perf event with a program.  The event lives as long as the link.  pid 0: all processes.
 */
static int attach_event(int program, const char *path, const struct probe_place *place,
			bool returns, uint32_t pid)
{
	DECLARE_LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = place->cookie);
	struct perf_event_attr attr = {.size = sizeof(attr)};
	int type = probe_read_number("/sys/bus/event_source/devices/uprobe/type", "%d");
	int bit = probe_read_number("/sys/bus/event_source/devices/uprobe/format/retprobe",
				    "config:%d");
	int event, link;

	if (type < 0 || bit < 0)
		return -ENOTSUP;
	attr.type = type;
	if (place->semaphore > UINT32_MAX)
		return -ERANGE;
	attr.config = (returns ? 1ULL << bit : 0) | place->semaphore << SEMAPHORE_BITS;
	attr.config1 = (uintptr_t)path;
	attr.config2 = place->offset;
	event = syscall(SYS_perf_event_open, &attr, pid ? (int)pid : -1, pid ? -1 : 0, -1,
			PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		return -errno;
	link = bpf_link_create(program, event, BPF_PERF_EVENT, &opts);
	if (link < 0)
		link = -errno;
	close(event);
	return link;
}

static int links_add(struct probe_links *l, int fd)
{
	if (fd < 0)
		return fd;
	l->fds[l->count++] = fd;
	return 0;
}

/* Attach return probes before entry probes: an entry whose return is not seen would count as a
 * loss.  Attach exit probes after entry probes: an exit without its entry would count so too. */
static const enum probe_kind in_order[] = {KIND_RETURN, KIND_ENTRY, KIND_BEGIN, KIND_EXIT};
#define KINDS (sizeof(in_order) / sizeof(in_order[0]))

static int attach_kind_multi(struct probe_links *l, const struct probe_programs *programs,
			     const char *path, const struct probe_place *places, size_t n,
			     enum probe_kind kind)
{
	uint64_t *offsets = calloc(n, 3 * sizeof(*offsets)), *cookies, *semaphores;
	bool counted = false;
	size_t count = 0;
	int err = 0;

	if (!offsets)
		return -ENOMEM;
	cookies = offsets + n;
	semaphores = cookies + n;
	for (size_t i = 0; i < n; i++) {
		if (!is_of_kind(programs, &places[i], kind))
			continue;
		counted |= places[i].semaphore != 0;
		offsets[count] = places[i].offset;
		semaphores[count] = places[i].semaphore;
		cookies[count++] = places[i].cookie;
	}
	if (count)
		err = links_add(l, attach_multi(programs, path, offsets, cookies,
						counted ? semaphores : NULL, count, kind));
	free(offsets);
	return err;
}

static int attach_kind_events(struct probe_links *l, const struct probe_programs *programs,
			      const char *path, const struct probe_place *places, size_t n,
			      enum probe_kind kind)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		if (is_of_kind(programs, &places[i], kind))
			err = links_add(l, attach_event(program_of(programs, kind), path,
							&places[i], kind == KIND_RETURN,
							programs->taxed ? programs->pid : 0));
	return err;
}

static bool is_withdrawn(void)
{
	bool is;

	pthread_mutex_lock(&in_place.lock);
	is = in_place.withdrawn;
	pthread_mutex_unlock(&in_place.lock);
	return is;
}

int probes_attach(struct probe_links **out, const struct probe_programs *programs, int fd,
		  const struct probe_place *places, size_t n)
{
	struct probe_links *l = calloc(1, sizeof(*l) + (2 * n + KINDS) * sizeof(l->fds[0]));
	char path[64];
	int err = 0;

	*out = NULL;
	if (!l)
		return -ENOMEM;
	if (is_withdrawn()) { /* enlist checks again, after attaching */
		free(l);
		return -ECANCELED;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (size_t i = 0; i < KINDS && !err; i++)
		err = programs->multi
			      ? attach_kind_multi(l, programs, path, places, n, in_order[i])
			      : attach_kind_events(l, programs, path, places, n, in_order[i]);
	if (!err)
		l->set = remover_keep(remover, l->fds, l->count);
	if (!err && !enlist(l))
		err = -ECANCELED;
	if (err) {
		probes_detach(l);
		return err;
	}
	*out = l;
	return 0;
}

static void *close_links(void *context)
{
	struct probe_links *l = context;

	strike(l);
	for (size_t i = l->count; i-- > 0;) /* in the reverse order of attaching */
		close(l->fds[i]);
	free(l);
	return NULL;
}

/* Closes links that the remover has, too: at once, for these are not the last descriptors. */
static void close_copies(struct probe_links *l, enum remover_haste haste)
{
	uint64_t set = l->set;

	close_links(l);
	remover_take_out(remover, &set, 1, haste);
}

void probes_detach(struct probe_links *l)
{
	if (l && l->set)
		close_copies(l, REMOVER_SOON);
	else if (l)
		close_links(l);
}

void probes_detach_later(struct probe_links *l)
{
	pthread_t thread;

	if (l && l->set)
		close_copies(l, REMOVER_LATER);
	else if (l && !pthread_create(&thread, NULL, close_links, l))
		pthread_detach(thread);
	else
		probes_detach(l);
}

static void *close_one(void *context)
{
	close((int)(intptr_t)context);
	return NULL;
}

/* A thread closes each descriptor: the kernel waits for all CPUs each time, and waits can overlap.
 */
struct closers {
	pthread_t threads[DETACH_AT_ONCE];
	size_t running;
};

static void close_soon(struct closers *c, int number)
{
	void *fd = (void *)(intptr_t)number;

	if (c->running < DETACH_AT_ONCE &&
	    !pthread_create(&c->threads[c->running], NULL, close_one, fd))
		c->running++;
	else
		close_one(fd);
}

static void wait_for_closers(struct closers *c)
{
	while (c->running)
		pthread_join(c->threads[--c->running], NULL);
}

/* Closes the descriptors, those that are the last in threads.  Returns the set to take out. */
static uint64_t close_all_of(struct closers *c, struct probe_links *l)
{
	while (l->count) {
		int fd = l->fds[--l->count];

		if (l->set)
			close(fd);
		else
			close_soon(c, fd);
	}
	return l->set;
}

void probes_detach_all(struct probe_links *const *links, size_t n)
{
	uint64_t *sets = calloc(n + 1, sizeof(*sets)), set;
	struct closers closers = {};

	for (size_t i = 0; i < n; i++) {
		if (!links[i])
			continue;
		strike(links[i]);
		set = close_all_of(&closers, links[i]);
		if (sets)
			sets[i] = set;
		else
			remover_take_out(remover, &set, 1, REMOVER_LATER);
		free(links[i]);
	}
	wait_for_closers(&closers);
	if (sets)
		remover_take_out(remover, sets, n, REMOVER_SOON);
	free(sets);
}

/* The lock is held: attached links are counted. */
static size_t count_in_place(void)
{
	size_t n = 0;

	for (const struct probe_links *l = in_place.first; l; l = l->next)
		n++;
	return n;
}

void probes_withdraw(void)
{
	struct closers closers = {};
	struct probe_links *l, *next;
	uint64_t *sets, set;
	size_t n = 0;

	pthread_mutex_lock(&in_place.lock);
	in_place.withdrawn = true;
	sets = calloc(count_in_place() + 1, sizeof(*sets));
	for (l = in_place.first; l; l = next) {
		next = l->next;
		set = close_all_of(&closers, l);
		if (sets)
			sets[n++] = set;
		else
			remover_take_out(remover, &set, 1, REMOVER_LATER);
		l->set = 0;
		l->next = l->before = NULL;
	}
	in_place.first = NULL;
	pthread_mutex_unlock(&in_place.lock);
	wait_for_closers(&closers);
	if (sets)
		remover_take_out(remover, sets, n, REMOVER_AT_ONCE);
	free(sets);
}
