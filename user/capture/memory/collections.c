/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collections.c - see collections.h.
 *
 * A collection takes far longer than the probe at its start.  Yet a program that makes garbage as
 * fast as it can may begin thousands a second.  The probes of a process that has spent its credit
 * go, and stay out: from then on its collections are not known.
 */
#include "user/capture/memory/collections.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/table.h"
#include "user/capture/elf/elf.h"
#include "user/capture/host/memory.h"
#include "user/capture/kernel/kernel_collections.h"
#include "user/capture/probe/usdt.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define SECOND_NS    1000000000ULL
#define AGAIN_NS     (SECOND_NS / 50) /* until the program is loaded */
#define LOCKED_NS    (SECOND_NS / 2)
#define BURST_NS     (2 * SECOND_NS) /* this much budget may be saved up */
#define RUN_NS	     300	     /* run time of the program */
#define KEEP_PERCENT 100.0	     /* from this --max-overhead on there is no budget */
#define FILES_MOST   64

static const struct announcer {
	const char *file; /* the beginning of its name */
	const char *provider, *probe;
	uint8_t least; /* the first argument of a full collection is at least this */
	enum ev_collector collector;
} announcers[] = {
	{"python", "python", "gc__start", 2, EV_COLLECTOR_PYTHON}, /* the generation: 0, 1, 2 */
	{"libpython", "python", "gc__start", 2, EV_COLLECTOR_PYTHON},
	{"libjvm.so", "hotspot", "gc__begin", 1, EV_COLLECTOR_HOTSPOT}, /* 1: a full one */
};

/* A file that was looked into.  A changed file is another one. */
struct announcing {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
	const struct announcer *by; /* NULL: it announces nothing */
	struct usdt_places places;
};

struct collecting_process {
	uint32_t pid;
	bool waits; /* to be looked into */
	uint64_t start_ns, since_ns;
	const struct announcer *by;
	struct probe_links *links; /* NULL: not counted */
	struct ev_collections told;
	uint64_t hits, at_ns;
	double credit_ns;
};

struct collections {
	struct collections_host host;
	struct probe_programs programs;
	struct table processes; /* struct collecting_process, by pid */
	struct announcing files[FILES_MOST];
	size_t file_count;
	size_t waiting;
	bool loaded, refused, stepped_down;
	uint64_t due_ns, spent_ns;
};

int collections_open(struct collections **out, const struct collections_host *host)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->host = *host;
	return 0;
}

static struct collecting_process *process_at(const struct collections *c, uint32_t pid)
{
	return table_get(&c->processes, (struct table_key){pid, 0});
}

static void collecting_end(struct collections *c, struct collecting_process *p, bool at_once)
{
	c->waiting -= p->waits;
	p->waits = false;
	if (!p->links)
		return;
	if (at_once)
		probes_detach(p->links);
	else
		probes_detach_later(p->links);
	p->links = NULL;
	kernel_collections_leave(c->host.kernel, p->pid);
}

void collections_close(struct collections *c)
{
	struct table_slot *slot;
	size_t at = 0;

	if (!c)
		return;
	while ((slot = table_next(&c->processes, &at)))
		collecting_end(c, slot->value, true);
	table_free_values(&c->processes);
	free(c);
}

/* --- reports ---------------------------------------------------------------------------------- */

static void collections_tell(struct collections *c, struct collecting_process *p,
			     struct ev_collections *ev)
{
	ev->head = (struct ev_head){.kind = EV_COLLECTIONS, .size = sizeof(*ev)};
	ev->start_ns = p->start_ns;
	ev->since_ns = p->since_ns;
	ev->pid = p->pid;
	ev->collector = p->by ? (uint16_t)p->by->collector : EV_COLLECTOR_UNKNOWN;
	if (p->told.pid && !memcmp(&ev->start_ns, &p->told.start_ns,
				   sizeof(*ev) - offsetof(struct ev_collections, start_ns)))
		return;
	p->told = *ev;
	c->host.tell(c->host.context, &ev->head);
}

static void tell_counted(struct collections *c, struct collecting_process *p, uint16_t flags)
{
	struct ev_collections ev = {.flags = flags};
	struct collecting seen;

	if (kernel_collections_read(c->host.kernel, p->pid, &seen))
		return;
	ev.full = seen.full;
	ev.partial = seen.partial;
	ev.full_ns = seen.full_ns;
	ev.last_ns = seen.last_ns;
	collections_tell(c, p, &ev);
}

static void tell_hidden(struct collections *c, struct collecting_process *p)
{
	struct ev_collections ev = {};

	collections_tell(c, p, &ev);
}

/* --- the probe -------------------------------------------------------------------------------- */

/* Loads the program once the first process needs it.  0; -EAGAIN: not yet; or -errno. */
static int collecting_load(struct collections *c)
{
	int err;

	if (c->loaded || c->refused)
		return c->loaded ? 0 : -ENOTSUP;
	err = kernel_collections_load(c->host.kernel, &c->programs);
	c->loaded = !err;
	c->refused = err && err != -EAGAIN;
	return err;
}

static int collecting_attach(struct collections *c, struct collecting_process *p,
			     const struct announcing *file, int fd)
{
	struct probe_place places[USDT_PLACES_MOST] = {};
	struct probe_programs programs;
	int err = collecting_load(c);

	if (err)
		return err;
	programs = c->programs;
	programs.pid = p->pid;
	for (uint32_t i = 0; i < file->places.count; i++) {
		const struct usdt_place *at = &file->places.all[i];

		places[i] = (struct probe_place){
			.offset = at->offset,
			.semaphore = at->semaphore,
			.cookie = COLLECTION_COOKIE(at->how, at->base, at->size, file->by->least,
						    at->value),
		};
	}
	err = kernel_collections_enter(c->host.kernel, p->pid);
	if (err)
		return err;
	err = probes_attach(&p->links, &programs, fd, places, file->places.count);
	if (err)
		kernel_collections_leave(c->host.kernel, p->pid);
	return err;
}

/* An argument must be one that our program can read. */
static bool can_be_read(const struct usdt_places *places)
{
	for (uint32_t i = 0; i < places->count; i++)
		if (places->all[i].how == USDT_UNKNOWN)
			return false;
	return true;
}

static void look_for_probe(struct announcing *file, const struct announcer *by, int fd)
{
	struct elf_file *elf;

	file->by = NULL;
	if (elf_open(&elf, fd))
		return;
	if (!usdt_find(elf, by->provider, by->probe, &file->places) && can_be_read(&file->places))
		file->by = by;
	elf_close(elf);
}

/* The facts of a file, which is looked into at the first time. */
static const struct announcing *announcing_of(struct collections *c, const struct announcer *by,
					      int fd)
{
	struct announcing *file;
	struct stat st;

	if (fstat(fd, &st))
		return NULL;
	for (size_t i = 0; i < c->file_count && i < FILES_MOST; i++) {
		file = &c->files[i];
		if (file->device == st.st_dev && file->inode == st.st_ino &&
		    file->size == st.st_size && file->changed.tv_sec == st.st_ctim.tv_sec &&
		    file->changed.tv_nsec == st.st_ctim.tv_nsec)
			return file;
	}
	file = &c->files[c->file_count++ % FILES_MOST];
	file->device = st.st_dev;
	file->inode = st.st_ino;
	file->size = st.st_size;
	file->changed = st.st_ctim;
	look_for_probe(file, by, fd);
	debug(DEBUG_PROBE, "inode %ju: %u places of %s %s", (uintmax_t)st.st_ino,
	      file->places.count, by->provider, by->probe);
	return file;
}

static const struct announcer *announcer_named(const char *path)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; slash && i < sizeof(announcers) / sizeof(announcers[0]); i++)
		if (!strncmp(slash + 1, announcers[i].file, strlen(announcers[i].file)))
			return &announcers[i];
	return NULL;
}

/* 0: the process is counted from now on; or -errno. */
static int look_at_mapping(struct collections *c, struct collecting_process *p, const char *line)
{
	const struct announcing *file;
	const struct announcer *by;
	unsigned long start, end;
	char code, path[4096];
	int fd, err;

	if (sscanf(line, "%lx-%lx %*c%*c%c%*c %*x %*s %*u %4095[^\n]", &start, &end, &code, path) !=
		    4 ||
	    code != 'x')
		return -ENOENT;
	by = announcer_named(path);
	fd = by ? memory_open_mapped(p->pid, start, end) : -ENOENT;
	if (fd < 0)
		return -ENOENT;
	file = announcing_of(c, by, fd);
	err = file && file->by ? collecting_attach(c, p, file, fd) : -ENOENT;
	if (!err)
		p->by = by;
	close(fd);
	return err;
}

static int look_at_mappings(struct collections *c, struct collecting_process *p)
{
	char name[32], line[4096 + 128];
	int fd, err = -ENOENT;
	FILE *f;

	if (memory_maps_answer(p->pid))
		return -ESRCH;
	snprintf(name, sizeof(name), "%u/maps", p->pid);
	fd = openat(procfs_folder(c->host.procfs), name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	f = fdopen(fd, "re");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	while (err == -ENOENT && fgets(line, sizeof(line), f))
		err = look_at_mapping(c, p, line);
	fclose(f);
	return err;
}

/* --- processes -------------------------------------------------------------------------------- */

void collections_met(struct collections *c, uint32_t pid, uint64_t start_ns)
{
	struct collecting_process *p = process_at(c, pid);

	if (p || c->processes.count >= COLLECTING_MOST)
		return;
	p = calloc(1, sizeof(*p));
	if (!p || table_put(&c->processes, (struct table_key){pid, 0}, p)) {
		free(p);
		return;
	}
	p->pid = pid;
	p->start_ns = start_ns;
	p->waits = true;
	c->waiting++;
}

void collections_gone(struct collections *c, uint32_t pid, uint64_t start_ns)
{
	struct collecting_process *p = process_at(c, pid);

	if (!p || p->start_ns != start_ns)
		return;
	if (p->links)
		tell_counted(c, p, 0);
	collecting_end(c, p, false);
	free(table_remove(&c->processes, (struct table_key){pid, 0}));
}

static void look_at_process(struct collections *c, struct collecting_process *p)
{
	int err = look_at_mappings(c, p);

	if (err == -EAGAIN)
		return;
	p->waits = false;
	c->waiting--;
	debug(DEBUG_PROBE, "process %u: its collections are %s", p->pid,
	      err ? strerror(-err) : "counted");
	p->at_ns = clock_boot_ns();
	p->since_ns = err ? 0 : p->at_ns;
	p->credit_ns = c->host.max_overhead / 100 * BURST_NS;
	if (err)
		tell_hidden(c, p);
	else
		tell_counted(c, p, 0);
}

void collections_step(struct collections *c, uint64_t now_ns)
{
	struct table_slot *slot;
	size_t at = 0;

	if (!c->waiting || now_ns < c->due_ns)
		return;
	/* To attach a probe, the kernel waits for the memory map of each process that maps the
	 * file, and lets nobody fork meanwhile. */
	c->due_ns = now_ns + (memory_maps_locked() ? LOCKED_NS : AGAIN_NS);
	if (memory_maps_locked())
		return;
	while ((slot = table_next(&c->processes, &at))) {
		struct collecting_process *p = slot->value;

		if (!p->waits)
			continue;
		look_at_process(c, p);
		return;
	}
}

uint64_t collections_next(const struct collections *c)
{
	return c->waiting ? c->due_ns : UINT64_MAX;
}

/* --- the budget ------------------------------------------------------------------------------- */

static bool costs_too_much(struct collections *c, struct collecting_process *p, uint64_t now_ns)
{
	double budget = c->host.max_overhead / 100, most = budget * BURST_NS;
	uint64_t hits = p->told.full + p->told.partial;
	uint64_t spent = (hits - p->hits) * (c->host.hit_ns + RUN_NS);

	c->spent_ns += spent;
	p->credit_ns += budget * (double)(now_ns - p->at_ns) - (double)spent;
	p->credit_ns = p->credit_ns < most ? p->credit_ns : most;
	p->at_ns = now_ns;
	p->hits = hits;
	return p->credit_ns < 0 && c->host.max_overhead < KEEP_PERCENT;
}

void collections_sweep(struct collections *c, uint64_t now_ns)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->processes, &at))) {
		struct collecting_process *p = slot->value;

		if (!p->links)
			continue;
		tell_counted(c, p, 0);
		if (!costs_too_much(c, p, now_ns))
			continue;
		debug(DEBUG_BUDGET, "process %u collects too often to be counted", p->pid);
		tell_counted(c, p, EV_COLLECTIONS_STOPPED);
		collecting_end(c, p, false);
		c->stepped_down = true;
	}
}

bool collections_is_at(const struct collections *c, uint64_t inode, uint64_t offset)
{
	for (size_t i = 0; i < c->file_count && i < FILES_MOST; i++) {
		const struct announcing *file = &c->files[i];

		for (uint32_t k = 0; file->inode == inode && file->by && k < file->places.count;
		     k++)
			if (offset - file->places.all[k].offset <= 1)
				return true;
	}
	return false;
}

uint64_t collections_cost_ns(const struct collections *c)
{
	return c->spent_ns;
}

bool collections_stepped_down(const struct collections *c)
{
	return c->stepped_down;
}
