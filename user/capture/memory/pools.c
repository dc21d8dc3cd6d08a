/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pools.c - see pools.h.
 *
 * A take of a pool stands for hundreds of objects, so the probe may stay nearly always.  If takes
 * come too often, a process that has spent its credit loses the probe until half of the credit or
 * more is back.  Chance decides how much: a process that does the same each second must not always
 * be met at the same work.
 */
#include "user/capture/memory/pools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/stack/raw_stack.h"
#include "user/base/table.h"
#include "user/capture/elf/elf.h"
#include "user/capture/probe/file_exit.h"
#include "user/capture/probe/probe.h"
#include "user/capture/kernel/kernel_stack.h"
#include "user/capture/host/memory.h"
#include "user/capture/memory/pool_code.h"
#include "user/capture/stack/python_build.h"
#include "user/system/debug.h"

#define SECOND_NS   1000000000ULL
#define STEP_NS	    (SECOND_NS / 4)
#define BURST_NS    SECOND_NS	    /* this much budget may be saved up */
#define AGE_NS	    (SECOND_NS / 2) /* age of a process, at which its Python has begun */
#define RUN_NS	    1000	    /* run time of the program, until it is measured */
#define RUNS_ENOUGH 100
#define TRIES_MOST  8
#define LARGE_POOLS 10 /* since 3.10 pools have 16 KB, before 4 */

enum pools_gap_kind {
	GAP_KERNEL = 1,
	GAP_KILLS = 2,
	GAP_REPLACED = 4,
	GAP_BUILD = 8,
	GAP_ROOM = 16
};

struct taker { /* a process that grows */
	uint32_t pid, tries;
	uint64_t start_ns;
	struct probe_exits exits; /* of the function, in its file */
	uint64_t bytes;		  /* of a pool */
	int fd;			  /* of the file; -1: none yet */
	bool refused;
	struct probe_links *links;	  /* NULL: the probe is out */
	uint64_t begun_ns, on_ns, off_ns; /* sampled since; time with the probe, and without */
	uint64_t at_ns, takes;
	double credit_ns, wanted_ns; /* credit at which the probe comes back */
};

struct pools {
	struct pools_host host;
	struct kernel_pool *kernel;
	struct probe_programs programs;
	struct probe_cost cost;
	struct table takers; /* struct taker, by pid */
	uint32_t gaps;	     /* enum pools_gap_kind, reported */
	bool loaded, refused;
	uint64_t random, spent_ns;
};

static void pools_tell_gap(struct pools *p, enum pools_gap_kind kind, const char *why)
{
	char text[EV_TEXT_LEN];

	if (p->gaps & kind)
		return;
	p->gaps |= kind;
	snprintf(text, sizeof(text), "memory that Python reuses has no source line: %s", why);
	p->host.gap(p->host.context, text);
}

int pools_open(struct pools **out, const struct pools_host *host)
{
	struct pools *p = calloc(1, sizeof(*p));
	int err;

	*out = NULL;
	if (!p)
		return -ENOMEM;
	p->host = *host;
	p->random = (uintptr_t)p;
	err = kernel_pool_open(&p->kernel, host->kernel);
	if (err) {
		free(p);
		return err;
	}
	*out = p;
	return 0;
}

static void taker_free(struct pools *p, struct taker *t)
{
	probes_detach_later(t->links);
	if (t->fd >= 0)
		close(t->fd);
	kernel_pool_leave(p->kernel, t->pid);
	free(t);
}

void pools_close(struct pools *p)
{
	struct table_slot *slot;
	size_t at = 0;

	if (!p)
		return;
	while ((slot = table_next(&p->takers, &at))) {
		struct taker *t = slot->value;

		probes_detach(t->links); /* at once, before dbleak ends */
		t->links = NULL;
		taker_free(p, t);
	}
	table_free(&p->takers);
	kernel_pool_close(p->kernel);
	free(p);
}

static struct taker *taker_of(const struct pools *p, uint32_t pid)
{
	return table_get(&p->takers, (struct table_key){pid, 0});
}

void pools_enter(struct pools *p, uint32_t pid, uint64_t start_ns)
{
	struct taker *t = taker_of(p, pid);

	if (t || p->refused)
		return;
	t = calloc(1, sizeof(*t));
	if (!t || table_put(&p->takers, (struct table_key){pid, 0}, t)) {
		free(t);
		return;
	}
	t->pid = pid;
	t->start_ns = start_ns;
	t->fd = -1;
}

void pools_leave(struct pools *p, uint32_t pid)
{
	struct taker *t = table_remove(&p->takers, (struct table_key){pid, 0});

	if (t)
		taker_free(p, t);
}

/* --- the function --------------------------------------------------------------------------- */

/* Finds the return instructions of the function: the program reads the result in rax, and nowhere
 * else. */
static int find_exits(struct elf_file *elf, uint64_t offset, struct probe_exits *exits)
{
	const struct file_function function = {.offset = offset, .returns_only = true};

	return file_exits_find(elf, &function, exits);
}

/* Looks into one file that the process maps as code.  0; -ENOENT: it has no Python; or another
 * -errno. */
static int pools_look_into(struct taker *t, int fd, uint64_t start, uint64_t offset)
{
	struct memory memory = memory_of_process(t->pid);
	struct python_build build;
	struct elf_file *elf;
	uint64_t bias, taker;
	int err;

	if (elf_open(&elf, fd))
		return -ENOENT;
	err = elf_bias(elf, start, offset, &bias);
	if (!err)
		err = python_identify(elf, &build);
	if (!err)
		err = pool_code_find(elf, bias, &memory, &taker);
	if (!err && find_exits(elf, taker, &t->exits))
		err = -ENOTSUP;
	if (!err)
		/* cppcheck-suppress uninitStructMember ; an identified build has its version */
		t->bytes = build.minor >= LARGE_POOLS ? 16 << 10 : 4 << 10;
	elf_close(elf);
	return err;
}

static int look_at_line(struct taker *t, const char *line)
{
	unsigned long start, end, offset, inode;
	char code;
	int fd, err;

	if (sscanf(line, "%lx-%lx %*c%*c%c%*c %lx %*s %lu", &start, &end, &code, &offset, &inode) !=
		    5 ||
	    code != 'x' || !inode)
		return -ENOENT;
	fd = memory_open_mapped(t->pid, start, end);
	if (fd < 0)
		return -ENOENT;
	err = pools_look_into(t, fd, start, offset);
	if (err)
		close(fd);
	else
		t->fd = fd;
	return err;
}

/* Finds the file with Python among those that the process maps, and where in it pools are taken. */
static int find_code(struct pools *p, struct taker *t)
{
	char name[32], line[4096 + 128];
	int fd, err = -ENOENT;
	FILE *f;

	if (memory_maps_answer(t->pid))
		return -ESRCH;
	snprintf(name, sizeof(name), "%u/maps", t->pid);
	fd = openat(procfs_folder(p->host.procfs), name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	f = fdopen(fd, "re");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	while (err == -ENOENT && fgets(line, sizeof(line), f))
		err = look_at_line(t, line);
	fclose(f);
	return err;
}

/* --- the probe ------------------------------------------------------------------------------ */

static int pools_load(struct pools *p)
{
	int err;

	if (p->loaded || p->refused)
		return p->loaded ? 0 : -ENOTSUP;
	err = kernel_pool_load(p->kernel, &p->programs);
	if (err == -EAGAIN)
		return err;
	if (!err)
		err = probes_calibrate(&p->cost, &p->programs, POOL_CANARY, kernel_pool_canaries,
				       p->kernel);
	if (err || !p->cost.fires)
		pools_tell_gap(p, GAP_KERNEL, "this kernel cannot remove probes quickly");
	else if (p->cost.kills || p->cost.exits_kill)
		pools_tell_gap(p, GAP_KILLS, "on this kernel such probes could kill programs");
	p->loaded = !err && p->cost.fires && !p->cost.kills && !p->cost.exits_kill;
	p->refused = !p->loaded;
	return p->loaded ? 0 : -ENOTSUP;
}

static int pools_attach(struct pools *p, struct taker *t)
{
	struct probe_place places[PROBE_EXITS_MOST] = {};
	struct probe_programs programs = p->programs;

	programs.pid = t->pid;
	for (size_t i = 0; i < t->exits.count; i++)
		places[i] = (struct probe_place){.offset = t->exits.all[i].address, .leaves = true};
	return probes_attach(&t->links, &programs, t->fd, places, t->exits.count);
}

static uint64_t hit_cost(const struct pools *p)
{
	uint64_t ns, runs, run = RUN_NS;

	if (!kernel_pool_run_time(p->kernel, &ns, &runs) && runs >= RUNS_ENOUGH)
		run = ns / runs;
	return p->cost.exit_ns + run;
}

static double budget(const struct pools *p)
{
	return p->host.max_overhead / 100;
}

static int pools_follow(struct pools *p, struct taker *t, uint64_t now)
{
	const struct pool_taker how = {.start_ns = t->start_ns, .bytes = t->bytes};
	int err = kernel_pool_enter(p->kernel, t->pid, &how);

	if (!err)
		err = pools_attach(p, t);
	t->begun_ns = t->at_ns = now;
	t->credit_ns = budget(p) * BURST_NS;
	return err;
}

static void pools_refuse(struct pools *p, struct taker *t, int err)
{
	t->refused = true;
	switch (err) {
	case -EPERM:
		pools_tell_gap(p, GAP_REPLACED,
			       "Python runs with another allocator (PYTHONMALLOC, tracemalloc)");
		return;
	case -ENOTSUP:
		pools_tell_gap(p, GAP_BUILD,
			       "unsupported build of CPython (3.9 to 3.14): its allocator was not "
			       "recognised");
		return;
	case -ESRCH:
	case -ENOENT:
		return;
	}
	pools_tell_gap(p, GAP_ROOM, strerror(-err));
}

/* Attaches the probe once Python runs in the process.  A process may start Python later, or have
 * hardly started it. */
static void try(struct pools *p, struct taker *t, uint64_t now)
{
	struct runtime_process runtime;
	int err;

	if (t->refused || t->fd >= 0 || now < t->start_ns + AGE_NS ||
	    kernel_runtime_get(p->host.kernel, t->pid, &runtime) ||
	    runtime.runtime != RUNTIME_PYTHON || pools_load(p))
		return;
	err = find_code(p, t);
	if (!err)
		err = pools_follow(p, t, now);
	if (err && (err != -ENOENT || ++t->tries == TRIES_MOST))
		pools_refuse(p, t, err);
}

/* --- the budget ----------------------------------------------------------------------------- */

static void let_alone(struct pools *p, struct taker *t)
{
	debug(DEBUG_BUDGET,
	      "process %u: the probe of its pool allocator rests, %.1f ms spent so far", t->pid,
	      p->spent_ns / 1e6);
	probes_detach_later(t->links);
	t->links = NULL;
	p->random = p->random * 6364136223846793005ULL + 1442695040888963407ULL;
	t->wanted_ns = budget(p) * BURST_NS * (0.5 + (double)(p->random >> 40) / (1 << 25));
}

static void keep_budget(struct pools *p, struct taker *t, uint64_t now)
{
	uint64_t passed = now - t->at_ns, spent = 0;
	double most = budget(p) * BURST_NS;
	struct pool_taker state;

	*(t->links ? &t->on_ns : &t->off_ns) += passed;
	t->at_ns = now;
	if (!kernel_pool_state(p->kernel, t->pid, &state)) {
		spent = (state.takes - t->takes) * hit_cost(p);
		t->takes = state.takes;
	}
	p->spent_ns += spent;
	t->credit_ns += budget(p) * passed - spent;
	if (t->credit_ns > most)
		t->credit_ns = most;
	if (p->host.max_overhead >= OVERHEAD_ANY)
		return;
	if (t->links && t->credit_ns < 0)
		let_alone(p, t);
	else if (!t->links && t->credit_ns >= t->wanted_ns && pools_attach(p, t))
		t->refused = true; /* the process is gone */
}

uint64_t pools_step(struct pools *p, uint64_t now)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&p->takers, &at))) {
		struct taker *t = slot->value;

		if (t->fd >= 0 && !t->refused)
			keep_budget(p, t, now);
		else
			try(p, t, now);
	}
	return p->takers.count ? now + STEP_NS : UINT64_MAX;
}

/* --- what is known -------------------------------------------------------------------------- */

bool pools_holds(struct pools *p, uint32_t pid, uint64_t pool)
{
	return kernel_pool_is_sampled(p->kernel, pid, pool);
}

uint64_t pools_bytes(const struct pools *p, uint32_t pid)
{
	const struct taker *t = taker_of(p, pid);

	return t && t->begun_ns ? t->bytes : 0;
}

double pools_scale(const struct pools *p, uint32_t pid)
{
	const struct taker *t = taker_of(p, pid);

	return t && t->on_ns ? (double)(t->on_ns + t->off_ns) / t->on_ns : 1;
}

void pools_forget(struct pools *p, uint32_t pid, uint64_t pool)
{
	kernel_pool_forget(p->kernel, pid, pool);
}

void pools_forget_all(struct pools *p, uint32_t pid)
{
	kernel_pool_forget_all(p->kernel, pid);
}

void pools_note(struct pools *p, uint32_t pid, uint64_t pool)
{
	kernel_pool_note(p->kernel, pid, pool);
}

uint64_t pools_cost_ns(const struct pools *p)
{
	return p->spent_ns;
}
