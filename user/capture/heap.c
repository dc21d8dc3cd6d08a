/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * heap.c - see heap.h.
 */
#include "heap.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/table.h"
#include "allocator.h"
#include "kernel_heap.h"
#include "library.h"

#define SECOND_NS	1000000000ULL
#define BUDGET_EVERY_NS (SECOND_NS / 4)
#define BURST_NS	SECOND_NS /* what was not spent in so long may be spent at once */
#define KEEP_PERCENT	100.0 /* an overhead that nothing can be above */
#define TOLD_EACH_SWEEP 2000
#define NAMES_WAIT	3 /* sweeps that a site may wait for its stack to be named */
#define PROGRAM_NS	150 /* of a program, until it is measured */
#define RUNS_ENOUGH	100
#define BURY_EVERY_NS	(5 * SECOND_NS)
#define SIGMAS		1.96 /* 19 times of 20 */

/* A file that has an allocator, or may have one. */
struct heap_library {
	struct probe_links *links;
	uint32_t index; /* of its own code; HEAP_FILES: none */
	bool deep;	/* all that may tell is its full symbol table, not looked at yet */
	bool refused;
};

struct told_site {
	uint64_t sum; /* of what was told */
	uint64_t sample, stack;
	uint64_t last_ns;
	uint32_t waited;
};

struct heap {
	struct kernel *kernel;
	const struct procfs *procfs;
	struct heap_host host;
	struct libraries *libraries; /* NULL: it has ended, or never began */
	struct kernel_heap memory;
	struct probe_programs programs;
	struct probe_cost cost;
	struct table files; /* struct heap_library, by device and inode */
	uint32_t used;	    /* indices */
	struct told_site told[HEAP_SITES];
	uint32_t next; /* site to begin the next sweep with */
	struct table live; /* numbers of processes that are there; the value says nothing */
	size_t followed;
	uint64_t run_ns; /* of a program, on average */
	uint64_t spent_ns, before_ns, budget_at_ns, buried_ns;
	double credit_ns;
	bool dead, budgeted, stepped_down, full;
};

/* --- telling -------------------------------------------------------------------------------- */

static void tell_gap(struct heap *h, const char *text)
{
	struct ev_gap gap = {.head = {.kind = EV_GAP, .size = sizeof(gap)}};

	snprintf(gap.text, sizeof(gap.text), "%s", text);
	h->host.tell(h->host.context, &gap.head);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* The stack's record if it has one by now.  False: it may still get one. */
static bool stack_known(struct heap *h, const struct heap_site *s, struct told_site *t)
{
	uint64_t stack;

	if (!s->stack || s->stack == t->sample)
		return true;
	if (h->host.stack(h->host.context, s->stack, &stack))
		return false;
	t->sample = s->stack;
	t->stack = stack ? stack : t->stack;
	return true;
}

static uint64_t sum_of(const struct heap_site *s)
{
	return s->taken_bytes + s->freed_bytes + s->taken + s->freed + s->lost + 1;
}

static void fill(const struct heap *h, const struct heap_site *s, struct ev_memory_site *ev)
{
	uint64_t spread = less(s->spread_taken, s->spread_freed);

	ev->start_ns = s->start_ns;
	ev->caller = s->caller;
	ev->taken_bytes = s->taken_bytes;
	ev->held_bytes = less(s->taken_bytes, s->freed_bytes);
	ev->error_bytes = SIGMAS * sqrt((double)h->host.interval * spread);
	ev->taken = (s->taken + 128) / 256;
	ev->freed = (s->freed + 128) / 256;
	ev->first_ns = s->first_ns;
	ev->pid = s->pid;
	ev->tier = EV_TIER_FULL;
	ev->flags = (h->host.interval > 1 ? EV_MEMORY_ESTIMATED : 0) |
		    (s->lost ? EV_MEMORY_LOWER_BOUND : 0);
	snprintf(ev->object, sizeof(ev->object), "%s", allocator_kind(s->kind));
}

/* Another program runs in its process: what it held is gone. */
static bool was_replaced(const struct heap *h, const struct heap_site *s)
{
	struct heap_process p;

	return !kernel_heap_process(h->kernel, s->pid, &p) && p.start_ns == s->start_ns &&
	       p.number != s->process;
}

static void tell_site(struct heap *h, uint32_t number, uint64_t now_ns, bool gone)
{
	const struct heap_site *s = &h->memory.sites[number];
	struct ev_memory_site ev = {.head = {.kind = EV_MEMORY_SITE, .size = sizeof(ev)}};
	struct told_site *t = &h->told[number];

	if (!h->host.owner(h->host.context, s->pid, s->start_ns))
		return;
	if (t->sum != sum_of(s))
		t->last_ns = now_ns;
	t->sum = sum_of(s);
	fill(h, s, &ev);
	ev.site = (uint64_t)s->process << 32 | number;
	ev.stack = t->stack;
	ev.last_ns = t->last_ns;
	if (gone && was_replaced(h, s)) {
		ev.held_bytes = ev.error_bytes = 0;
		ev.freed = ev.taken;
	}
	h->host.tell(h->host.context, &ev.head);
}

/* --- sweeps --------------------------------------------------------------------------------- */

static void see_process(void *context, uint32_t pid, const struct heap_process *p)
{
	struct heap *h = context;
	struct process_facts facts;

	if (procfs_facts(h->procfs, pid, &facts) || !procfs_same_start(facts.start_ns, p->start_ns)) {
		kernel_heap_forget_process(h->kernel, pid);
		h->dead = true;
		return;
	}
	table_put(&h->live, (struct table_key){p->number, 0}, h);
	h->followed++;
}

static bool is_live(const struct heap *h, uint32_t number)
{
	return table_get(&h->live, (struct table_key){number, 0});
}

/* Returns whether it was told. */
static bool sweep_site(struct heap *h, uint32_t number, uint64_t now_ns, bool last)
{
	const struct heap_site *s = &h->memory.sites[number];
	struct told_site *t = &h->told[number];
	uint64_t stack = t->stack;
	bool gone;

	if (!s->start_ns)
		return false;
	gone = !is_live(h, s->process);
	h->dead |= gone;
	if (!stack_known(h, s, t) && !t->sum && !gone && !last && t->waited++ < NAMES_WAIT)
		return false;
	if (t->sum == sum_of(s) && t->stack == stack)
		return false;
	tell_site(h, number, now_ns, gone);
	return true;
}

/* Nobody but us touches a block of a process that is gone. */
static void bury_block(struct kernel_heap *m, uint32_t bucket, int place)
{
	uint64_t key = m->buckets[bucket].key[place];
	uint32_t home = HEAP_HOME(HEAP_HASH(key), m->bucket_count - 1);

	__atomic_store_n(&m->buckets[bucket].key[place], 0, __ATOMIC_RELEASE);
	if (home != bucket)
		__atomic_fetch_sub(&m->buckets[home].spilled, 1, __ATOMIC_RELAXED);
}

/* The blocks and sites of processes that are gone make room. */
static void bury(struct heap *h)
{
	struct kernel_heap *m = &h->memory;

	for (uint32_t b = 0; b < m->bucket_count; b++)
		for (int i = 0; i < HEAP_PLACES; i++) {
			uint64_t key = __atomic_load_n(&m->buckets[b].key[i], __ATOMIC_RELAXED);

			if (key && !is_live(h, HEAP_KEY_PROCESS(key)))
				bury_block(m, b, i);
		}
	for (uint32_t i = 1; i <= *m->sites_used && i < HEAP_SITES; i++) {
		if (!m->sites[i].start_ns || is_live(h, m->sites[i].process))
			continue;
		kernel_heap_forget_site(h->kernel, m, i);
		memset(&h->told[i], 0, sizeof(h->told[i]));
	}
}

void heap_sweep(struct heap *h, uint64_t now_ns, bool last)
{
	uint32_t used, told = 0;

	if (!h->memory.sites)
		return;
	table_free(&h->live);
	h->followed = 0;
	kernel_heap_each(h->kernel, see_process, h);
	used = *h->memory.sites_used < HEAP_SITES - 1 ? *h->memory.sites_used : HEAP_SITES - 1;
	for (uint32_t i = 0; i < used && (last || told < TOLD_EACH_SWEEP); i++) {
		h->next = h->next % used + 1;
		told += sweep_site(h, h->next, now_ns, last);
	}
	if (!h->dead || last || told == TOLD_EACH_SWEEP || now_ns - h->buried_ns < BURY_EVERY_NS)
		return;
	h->dead = false;
	h->buried_ns = now_ns;
	bury(h);
}

/* --- files ---------------------------------------------------------------------------------- */

static bool is_wanted(const struct heap *h, uint32_t pid)
{
	struct process_facts facts;

	if (kernel_heap_targets(h->kernel, pid))
		return true;
	return !procfs_facts(h->procfs, pid, &facts) &&
	       h->host.wanted(h->host.context, pid, facts.comm);
}

static int attach(struct heap *h, struct heap_library *l, const struct allocator *a, int fd)
{
	struct probe_place places[ALLOCATOR_PROBES];
	int err;

	if (h->used >= HEAP_FILES)
		return -ENOSPC;
	for (size_t i = 0; i < a->count; i++) {
		const struct allocator_probe *p = &a->probe[i];

		places[i] = (struct probe_place){
			.offset = p->offset,
			.returns = p->returns,
			.cookie = HEAP_COOKIE(p->kind, p->cheap ? 0 : HEAP_DEAR, h->used,
					      p->before),
		};
	}
	err = kernel_heap_file(h->kernel, h->used, &a->code);
	if (!err)
		err = probes_attach(&l->links, &h->programs, fd, places, a->count);
	if (!err)
		l->index = h->used++;
	return err;
}

static void add_file(struct heap *h, struct heap_library *l, int fd, const char *path)
{
	struct allocator *a = malloc(sizeof(*a));
	char text[EV_TEXT_LEN];
	struct elf_file *elf;
	int err = a ? elf_open(&elf, fd) : -ENOMEM;

	if (err) {
		free(a);
		l->refused = true;
		return;
	}
	err = allocator_find(elf, l->deep, h->host.at_entry, a);
	elf_close(elf);
	if (!err)
		err = attach(h, l, a, fd);
	l->refused = err != 0;
	free(a);
	if (!err || err == -ENOENT)
		return;
	snprintf(text, sizeof(text), "the allocator in %.120s cannot be probed: %s", path,
		 strerror(-err));
	tell_gap(h, text);
}

static struct heap_library *library_of(struct heap *h, uint64_t device, uint64_t inode)
{
	struct table_key key = {device, inode};
	struct heap_library *l = table_get(&h->files, key);

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l || table_put(&h->files, key, l)) {
		free(l);
		return NULL;
	}
	l->index = HEAP_FILES;
	return l;
}

/* A file that exports an allocator, or a program that may hold a copy of one. */
static bool is_candidate(int fd, bool *deep)
{
	static const char *const names[] = {"malloc", "free"};
	struct elf_symbol found[2] = {};
	struct elf_file *elf;
	bool exported, program;

	if (elf_open(&elf, fd))
		return false;
	exported = elf_find(elf, names, 2, false, found) == 2 && found[0].offset && found[1].offset;
	program = elf_is_program(elf);
	elf_close(elf);
	*deep = !exported;
	return exported || program;
}

static void on_file(void *context, const struct library_file *file)
{
	struct heap *h = context;
	struct heap_library *l;
	bool deep;

	if (!is_candidate(file->fd, &deep))
		return;
	l = library_of(h, file->device, file->inode);
	if (!l)
		return;
	l->deep = deep;
	libraries_follow(h->libraries, file);
}

/* Its stacks may come after its end.  /proc knows its start by the clock tick only. */
static void meet(struct heap *h, uint32_t pid)
{
	struct process_facts facts;
	struct heap_process known;

	if (!kernel_heap_process(h->kernel, pid, &known))
		h->host.met(h->host.context, pid, known.start_ns);
	else if (!procfs_facts(h->procfs, pid, &facts))
		h->host.met(h->host.context, pid, facts.start_ns);
}

static void on_mapping(void *context, const struct library_mapping *m)
{
	struct heap *h = context;
	struct heap_library *l = table_get(&h->files, (struct table_key){m->device, m->inode});
	char path[80];
	int fd;

	if (!l || !is_wanted(h, m->pid))
		return;
	meet(h, m->pid);
	if (l->links || l->refused)
		return;
	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", m->pid,
		 (unsigned long long)m->start, (unsigned long long)m->end);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	add_file(h, l, fd, path);
	close(fd);
}

static void add_path(struct heap *h, const char *path)
{
	struct heap_library *l;
	struct stat st;
	bool deep;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && is_candidate(fd, &deep)) {
		l = library_of(h, st.st_dev, st.st_ino);
		if (l && !l->links && !l->refused) {
			l->deep = deep;
			add_file(h, l, fd, path);
		}
	}
	close(fd);
}

/* As execvp(3) finds it. */
static void add_command(struct heap *h, const char *command)
{
	const char *folders = getenv("PATH");
	char *list = strdup(folders ? folders : "/bin:/usr/bin"), *save = NULL, path[PATH_MAX];

	if (strchr(command, '/'))
		add_path(h, command);
	for (char *at = list && !strchr(command, '/') ? strtok_r(list, ":", &save) : NULL; at;
	     at = strtok_r(NULL, ":", &save)) {
		snprintf(path, sizeof(path), "%s/%s", at, command);
		if (!access(path, X_OK)) {
			add_path(h, path);
			break;
		}
	}
	free(list);
}

/* What a command that is about to start may map: its first calls are to be seen. */
static void head_start(struct heap *h)
{
	static const char *const patterns[] = {
		"/lib/*/libc.so.6",
		"/lib/ld-musl-*.so.1",
		"/usr/lib/*/lib{jemalloc,tcmalloc*,mimalloc}.so.?",
	};
	const char *preload = getenv("LD_PRELOAD");
	char *list = preload ? strdup(preload) : NULL, *save = NULL;
	glob_t found = {};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		glob(patterns[i], GLOB_BRACE | (i ? GLOB_APPEND : 0), NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		add_path(h, found.gl_pathv[i]);
	globfree(&found);
	add_command(h, h->host.command);
	for (char *at = list ? strtok_r(list, " :", &save) : NULL; at;
	     at = strtok_r(NULL, " :", &save))
		add_path(h, at);
	free(list);
}

/* --- the budget ----------------------------------------------------------------------------- */

static void detach(struct heap *h)
{
	struct table_slot *slot;
	size_t at = 0, n = 0;
	struct probe_links **links = calloc(h->files.count + 1, sizeof(*links));

	while ((slot = table_next(&h->files, &at))) {
		struct heap_library *l = slot->value;

		if (!l->links)
			continue;
		if (links)
			links[n++] = l->links;
		else
			probes_detach(l->links);
		l->links = NULL;
		l->refused = true;
	}
	if (links)
		probes_detach_all(links, n);
	free(links);
}

static void measure_program(struct heap *h)
{
	uint64_t ns, runs;

	if (!kernel_heap_run_time(h->kernel, &ns, &runs) && runs >= RUNS_ENOUGH)
		h->run_ns = ns / runs;
}

static void count_cost(struct heap *h)
{
	struct heap_hits hits;

	if (!h->memory.sites || kernel_heap_hits(h->kernel, &hits))
		return;
	measure_program(h);
	h->spent_ns = hits.cheap * h->cost.cheap_ns + hits.dear * h->cost.dear_ns +
		      hits.returns * h->cost.return_ns +
		      (hits.cheap + hits.dear + hits.returns) * h->run_ns;
}

static void step_down(struct heap *h, uint64_t now_ns)
{
	heap_sweep(h, now_ns, true);
	detach(h);
	h->stepped_down = true;
	tell_gap(h, "allocations are not followed any longer, for that cost more than --max-overhead");
	h->host.tier(h->host.context, EV_TIER_CLIENT);
}

/* A program that starts is soon done: what counts is what goes on. */
static void keep_budget(struct heap *h, uint64_t now_ns)
{
	uint64_t passed = now_ns - h->budget_at_ns;
	double rate = h->host.max_overhead / 100 * (h->followed ? h->followed : 1);

	if (passed < BUDGET_EVERY_NS || h->stepped_down)
		return;
	if (!h->budgeted) {
		h->credit_ns = rate * BURST_NS;
		passed = 0;
	}
	h->budgeted = true;
	h->before_ns = h->spent_ns;
	count_cost(h);
	h->credit_ns += rate * passed - (h->spent_ns - h->before_ns);
	if (h->credit_ns > rate * BURST_NS)
		h->credit_ns = rate * BURST_NS;
	h->budget_at_ns = now_ns;
	if (h->credit_ns < 0 && h->host.max_overhead < KEEP_PERCENT)
		step_down(h, now_ns);
}

/* --- life ----------------------------------------------------------------------------------- */

static uint64_t canary_hits(void *context, uint32_t cookie)
{
	struct heap *h = context;
	struct heap_hits hits;

	return kernel_heap_hits(h->kernel, &hits) ? 0 : hits.canary[cookie & 3];
}

static int begin(struct heap *h)
{
	int err = kernel_heap_open(h->kernel, &h->memory, &h->programs);

	h->run_ns = PROGRAM_NS;
	if (!err)
		err = probes_calibrate(&h->cost, &h->programs, HEAP_CANARY, canary_hits, h);
	if (!err && !h->cost.fires)
		err = -EIO;
	if (!err && h->cost.kills)
		err = -EPERM;
	if (!err)
		err = libraries_open(&h->libraries, h->procfs);
	return err;
}

static const char *why_not(int err)
{
	switch (err) {
	case -EIO:
		return "probes on our own functions do not fire";
	case -EPERM:
		return "return probes of this kernel kill processes under a seccomp filter";
	}
	return strerror(-err);
}

int heap_open(struct heap **out, struct kernel *kernel, const struct procfs *procfs,
	      const struct heap_host *host)
{
	struct heap *h = calloc(1, sizeof(*h));
	char text[EV_TEXT_LEN];
	int err;

	*out = h;
	if (!h)
		return -ENOMEM;
	h->kernel = kernel;
	h->procfs = procfs;
	h->host = *host;
	err = begin(h);
	if (err) {
		snprintf(text, sizeof(text), "allocations cannot be followed: %s", why_not(err));
		tell_gap(h, text);
		h->stepped_down = true;
		h->host.tier(h->host.context, EV_TIER_CLIENT);
		return 0;
	}
	libraries_on_mapping(h->libraries, on_mapping);
	if (libraries_watch(h->libraries))
		tell_gap(h, "allocators mapped from now on are found late: no perf events");
	if (h->host.command)
		head_start(h);
	return libraries_scan(h->libraries, on_file, h);
}

void heap_close(struct heap *h)
{
	struct table_slot *slot;

	if (!h)
		return;
	detach(h);
	for (size_t at = 0; (slot = table_next(&h->files, &at));)
		free(slot->value);
	table_free(&h->files);
	table_free(&h->live);
	libraries_close(h->libraries);
	kernel_heap_close(&h->memory);
	free(h);
}

int heap_fd(const struct heap *h)
{
	return h->libraries ? libraries_fd(h->libraries) : -1;
}

int heap_step(struct heap *h, uint64_t now_ns)
{
	int err = 0;

	if (!h->libraries)
		return 0;
	if (!h->stepped_down)
		err = libraries_poll(h->libraries, on_file, h);
	keep_budget(h, now_ns);
	return err < 0 ? err : 0;
}

uint64_t heap_cost_ns(struct heap *h)
{
	if (!h->stepped_down)
		count_cost(h);
	return h->spent_ns;
}

bool heap_stepped_down(const struct heap *h)
{
	return h->stepped_down;
}
