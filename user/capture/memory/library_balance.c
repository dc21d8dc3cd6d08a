/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_balance.c - see library_balance.h.
 */
#include "user/capture/memory/library_balance.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/table.h"
#include "user/capture/kernel/kernel_library_heap.h"
#include "user/capture/host/memory.h"
#include "user/capture/memory/library_balance_state.h"
#include "user/system/clock.h"

#define REPORTED_LEAST 0.05 /* of what was taken: the least for a record of its own stack */
#define ALL_BUT	       0.8  /* of what was taken: then what is held was taken there, too */
#define UNREAD_MOST    100  /* one block of so many may be of a size that cannot be read */
#define LINE_BYTES     4096
#define TWICE	       1.96 /* standard deviations: 19 times of 20 */

static struct sum balance_less(const struct sum *a, const struct sum *b)
{
	return (struct sum){a->taken - b->taken, a->freed - b->freed,
			    a->taken_bytes - b->taken_bytes, a->freed_bytes - b->freed_bytes,
			    a->unread - b->unread};
}

static void balance_add(struct sum *to, const struct sum *more, double times)
{
	to->taken += more->taken * times;
	to->freed += more->freed * times;
	to->taken_bytes += more->taken_bytes * times;
	to->freed_bytes += more->freed_bytes * times;
	to->unread += more->unread * times;
}

int balances_open(struct balances **out, struct kernel *kernel, const struct balances_host *host)
{
	struct balances *b = calloc(1, sizeof(*b));

	*out = b;
	if (!b)
		return -ENOMEM;
	b->kernel = kernel;
	b->host = *host;
	return 0;
}

void balances_close(struct balances *b)
{
	if (!b)
		return;
	table_free_values(&b->holders);
	free(b);
}

static uint64_t hits_of(const struct balance_holder *h)
{
	return h->hits[0] + h->hits[1];
}

static struct table_key balance_key_of(const struct library_key *key)
{
	return (struct table_key){key->pid, key->file};
}

static struct balance_holder *holder_of(struct balances *b, const struct library_key *key,
					const struct library_balance *balance)
{
	struct balance_holder *h = table_get(&b->holders, balance_key_of(key));
	struct library_key other = {.pid = key->pid, .file = key->file, .windowed = !key->windowed};

	if (h && h->start_ns == balance->start_ns && h->memory == balance->memory)
		return h;
	if (h) /* another program (exec): what the old one had is gone */
		kernel_library_heap_forget(b->kernel, &other);
	else
		h = malloc(sizeof(*h));
	if (!h)
		return NULL;
	memset(h, 0, sizeof(*h));
	h->key = (struct library_key){.pid = key->pid, .file = key->file};
	h->start_ns = balance->start_ns;
	h->memory = balance->memory;
	h->file = &b->files[key->file];
	h->cpu_phase_ns = h->cpu_ns = clock_process_ns(key->pid);
	if (!table_put(&b->holders, balance_key_of(key), h))
		return h;
	free(h);
	return NULL;
}

/* --- whose allocator ------------------------------------------------------------------------- */

/* A line of /proc/PID/maps. */
struct balance_mapping {
	uint64_t start, end, offset, inode;
	char path[LINE_BYTES];
};

static const char *name_in(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool next_mapping(FILE *f, struct balance_mapping *m)
{
	char line[LINE_BYTES];

	while (fgets(line, sizeof(line), f)) {
		m->path[0] = '\0';
		if (sscanf(line, "%lx-%lx %*s %lx %*s %lu %4095[^\n]", &m->start, &m->end,
			   &m->offset, &m->inode, m->path) >= 4)
			return true;
	}
	return false;
}

/* Whether the mapping is the beginning of the library.  A file below an overlay has two inode
 * numbers, so its name may do, too. */
static bool is_file(const struct balance_mapping *m, const struct balance_file *file)
{
	const char *name = name_in(m->path);
	size_t n = strlen(file->name);

	return !m->offset &&
	       (m->inode == file->inode || (!strncmp(name, file->name, n) && name[n] == '.'));
}

/* Finds where the library's first page is mapped; if address is not 0, the mapping with that
 * address. */
static bool find_mapping(uint32_t pid, const struct balance_file *file, uint64_t address,
			 struct balance_mapping *out)
{
	char path[64];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = memory_maps_answer(pid) ? NULL : fopen(path, "re");
	while (f && !found && next_mapping(f, out))
		found = address ? address >= out->start && address < out->end : is_file(out, file);
	if (f)
		fclose(f);
	return found;
}

/* Finds the allocator that the library's own calls of free() reach.  Before the first call the
 * pointer may lead into a stub of the library itself: then unknown. */
static enum balance_allocator allocator_of(uint32_t pid, const struct balance_file *file)
{
	struct memory memory = memory_of_process(pid);
	struct balance_mapping library, code;
	uint64_t address;

	if (!file->slot || !find_mapping(pid, file, 0, &library) ||
	    memory_u64(&memory, library.start + file->slot, &address) || !address ||
	    !find_mapping(pid, file, address, &code) || code.inode == library.inode)
		return ALLOCATOR_UNKNOWN;
	return !strcmp(name_in(code.path), "libc.so.6") ||
			       !strncmp(name_in(code.path), "libc-2.", 7)
		       ? ALLOCATOR_GLIBC
		       : ALLOCATOR_OTHER;
}

static void tell_other_allocator(struct balances *b, const struct balance_holder *h)
{
	struct ev_gap gap = {.start_ns = h->start_ns, .pid = h->key.pid};

	gap.head = (struct ev_head){.kind = EV_GAP, .size = sizeof(gap)};
	snprintf(gap.text, sizeof(gap.text),
		 "not glibc's allocator: what %s allocates is counted, what it keeps is unknown",
		 h->file->name);
	if (b->host.owner(b->host.context, h->key.pid, h->start_ns))
		b->host.tell(b->host.context, &gap.head);
}

static void learn_allocator(struct balances *b, struct balance_holder *h)
{
	if (h->allocator != ALLOCATOR_UNKNOWN)
		return;
	h->tries++;
	if (h->tries & (h->tries - 1)) /* ever more rarely */
		return;
	h->allocator = allocator_of(h->key.pid, h->file);
	if (h->allocator == ALLOCATOR_OTHER)
		tell_other_allocator(b, h);
}

/* --- counts ---------------------------------------------------------------------------------- */

static void take_balance(void *context, const struct library_key *key,
			 const struct library_balance *balance)
{
	struct balances *b = context;
	struct balance_holder *h;
	int kind = key->windowed;

	h = key->file < LIBRARY_FILES && b->files[key->file].name ? holder_of(b, key, balance)
								  : NULL;
	if (!h)
		return;
	h->hits[kind] = balance->hits;
	if (balance->unwanted)
		return;
	h->now[kind] = (struct sum){(double)balance->taken, (double)balance->freed,
				    (double)balance->taken_bytes, (double)balance->freed_bytes,
				    (double)balance->unread};
	h->windowed |= kind;
	if (balance->first_ns && (!h->first_ns || balance->first_ns < h->first_ns))
		h->first_ns = balance->first_ns;
	if (balance->last_ns > h->last_ns)
		h->last_ns = balance->last_ns;
	learn_allocator(b, h);
}

void balances_read(struct balances *b, const struct balance_file *files, uint64_t hit_ns)
{
	b->files = files;
	b->hit_ns = hit_ns;
	kernel_library_heap_each(b->kernel, take_balance, b);
}

uint64_t balances_busiest(struct balances *b, bool windowed)
{
	struct table_slot *slot;
	uint64_t most = 0;
	size_t at = 0;

	while ((slot = table_next(&b->holders, &at))) {
		struct balance_holder *h = slot->value;
		uint64_t hits = h->hits[windowed] - h->asked[windowed];

		h->asked[windowed] = h->hits[windowed];
		most = hits > most ? hits : most;
	}
	return most;
}

void balances_window_begins(struct balances *b)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&b->holders, &at))) {
		struct balance_holder *h = slot->value;

		h->cpu_window_ns = clock_process_ns(h->key.pid);
		h->hits_window = hits_of(h);
	}
}

/* Skips the counts of a holder that was not known when the window began: they cannot be
 * extrapolated. */
static void skip_window(struct balance_holder *h)
{
	h->phase = h->window = h->now[1];
	h->hits_phase = hits_of(h);
	h->cpu_phase_ns = h->cpu_ns;
}

static void add_window(struct balance_holder *h)
{
	struct sum in = balance_less(&h->now[1], &h->window);
	double held = in.taken_bytes - in.freed_bytes;

	h->window = h->now[1];
	h->sum += held;
	h->squares += held * held;
	h->windows++;
	h->cpu_inside_ns += h->cpu_ns - h->cpu_window_ns;
	h->hits_inside += hits_of(h) - h->hits_window;
}

void balances_window(struct balances *b)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&b->holders, &at))) {
		struct balance_holder *h = slot->value;
		uint64_t cpu = clock_process_ns(h->key.pid);

		h->cpu_ns = cpu ? cpu : h->cpu_ns;
		if (h->cpu_window_ns || h->windows)
			add_window(h);
		else
			skip_window(h);
		h->cpu_window_ns = 0;
	}
}

#define CPU_LEAST_NS 2000000.0 /* least processor time in windows, to extrapolate by it */
#define SHARE_MOST   4	       /* factor by which it may differ from the share of time */

/*
 * The share of a process's work since the phase began that was done in windows.  The share of the
 * time would be wrong: the probes themselves slow the process down in a window, and it is not
 * always as busy.  Its processor time, less what the probes took of it, is closer.
 */
static double share_of(const struct balances *b, const struct balance_holder *h, double share)
{
	double inside = (double)h->cpu_inside_ns - (double)(h->hits_inside * b->hit_ns);
	double all = (double)(h->cpu_ns - h->cpu_phase_ns) -
		     (double)((hits_of(h) - h->hits_phase) * b->hit_ns);
	double by_cpu;

	if (share <= 0 || share >= 1 || inside < CPU_LEAST_NS || all <= inside)
		return share;
	by_cpu = inside / all;
	if (by_cpu > share * SHARE_MOST || by_cpu < share / SHARE_MOST)
		return share;
	return by_cpu;
}

/* The square of the error of what is held, extrapolated from the phase's windows to its whole
 * length.  Differences from window to window are taken as chance. */
static double phase_error(const struct balance_holder *h, double share)
{
	double n = h->windows, variance;

	if (!h->windows || share <= 0 || share >= 1)
		return 0;
	variance = n > 1 ? (h->squares - h->sum * h->sum / n) / (n - 1) : h->squares;
	return variance > 0 ? n * variance * (1 - share) / (share * share) : 0;
}

static void end_phase(const struct balances *b, struct balance_holder *h, double share)
{
	struct sum in = balance_less(&h->now[1], &h->phase);

	h->cpu_ns = clock_process_ns(h->key.pid);
	share = share_of(b, h, share);
	if (share > 0)
		balance_add(&h->base, &in, 1 / share);
	h->base_error += phase_error(h, share);
	h->phase = h->window = h->now[1];
	h->sum = h->squares = 0;
	h->windows = 0;
	h->cpu_phase_ns = h->cpu_ns;
	h->hits_phase = hits_of(h);
	h->cpu_window_ns = h->cpu_inside_ns = h->hits_inside = 0;
}

void balances_phase(struct balances *b, double share)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&b->holders, &at)))
		end_phase(b, slot->value, share);
}

/* --- stacks ---------------------------------------------------------------------------------- */

static void keep_sample(void *context, const struct library_stack_key *key,
			const struct library_stack *stack)
{
	struct balances *b = context;

	if (b->sample_count < SAMPLES_MOST)
		b->samples[b->sample_count++] = (struct balance_sample){*key, stack->bytes};
}

static void add_stack(struct balance_holder *h, uint64_t stack, double bytes)
{
	size_t i = 0;

	h->stack_bytes += bytes;
	while (i < h->stack_count && h->stacks[i].stack != stack)
		i++;
	if (!stack || i == STACKS_MOST)
		return;
	h->stacks[i].stack = stack;
	h->stacks[i].bytes += bytes;
	h->stack_count = i < h->stack_count ? h->stack_count : i + 1;
}

/* Gives samples that are named by now to their holders.  The others wait; the last time they count
 * without a stack. */
static void name_samples(struct balances *b, bool last)
{
	size_t kept = 0;

	kernel_library_heap_stacks(b->kernel, keep_sample, b);
	for (size_t i = 0; i < b->sample_count; i++) {
		struct balance_sample *s = &b->samples[i];
		struct balance_holder *h = table_get(&b->holders, balance_key_of(&s->key.of));
		uint64_t stack = 0;

		if (s->key.stack &&
		    b->host.stack(b->host.context, s->key.stack, &stack) == -EAGAIN && !last)
			b->samples[kept++] = *s;
		else if (h)
			add_stack(h, stack, (double)s->bytes);
	}
	b->sample_count = kept;
}

/* --- records --------------------------------------------------------------------------------- */

struct estimate {
	struct sum sum;
	double error; /* of what is held; 0: it is exact */
	bool held;    /* what is held is known */
};

static struct estimate estimate_of(const struct balances *b, struct balance_holder *h, double share)
{
	struct sum in = balance_less(&h->now[1], &h->phase);
	struct estimate e = {.sum = h->now[0]};
	uint64_t cpu = clock_process_ns(h->key.pid);

	h->cpu_ns = cpu ? cpu : h->cpu_ns;
	share = share_of(b, h, share);
	balance_add(&e.sum, &h->base, 1);
	if (share > 0)
		balance_add(&e.sum, &in, 1 / share);
	e.error = TWICE * sqrt(h->base_error + phase_error(h, share));
	e.held = h->allocator == ALLOCATOR_GLIBC && e.sum.unread * UNREAD_MOST <= e.sum.freed;
	return e;
}

static uint64_t rounded(double value)
{
	return value > 0 ? (uint64_t)(value + 0.5) : 0;
}

/* The part that a record is about, and so its identity: what is held always has the same one. */
enum balance_part { PART_HELD = 1, PART_REST = 2, PART_STACK = 3 };

/* Reports a part of what the holder took. */
static void tell_part(struct balances *b, const struct balance_holder *h, const struct estimate *e,
		      enum balance_part which, double part, uint64_t stack)
{
	struct ev_memory_site ev = {.start_ns = h->start_ns,
				    .site = (uint64_t)h->key.file << 2 | which,
				    .stack = stack,
				    .taken_bytes = rounded(e->sum.taken_bytes * part),
				    .held_bytes = UNKNOWN64,
				    .taken = rounded(e->sum.taken * part),
				    .freed = UNKNOWN64,
				    .first_ns = h->first_ns,
				    .last_ns = h->last_ns,
				    .pid = h->key.pid,
				    .tier = EV_TIER_CLIENT};

	ev.head = (struct ev_head){.kind = EV_MEMORY_SITE, .size = sizeof(ev)};
	if (which == PART_STACK)
		ev.site ^= stack << 16;
	if (h->windowed)
		ev.flags = EV_MEMORY_ESTIMATED | EV_MEMORY_WINDOWS;
	if (which == PART_HELD)
		ev.freed = rounded(e->sum.freed);
	if (which == PART_HELD && e->held) {
		ev.held_bytes = rounded(e->sum.taken_bytes - e->sum.freed_bytes);
		ev.error_bytes = rounded(e->error);
	}
	snprintf(ev.object, sizeof(ev.object), "%s", h->file->name);
	b->host.tell(b->host.context, &ev.head);
}

/* The stack that took nearly all; NULL: none did. */
static const struct balance_stack_share *main_taker(const struct balance_holder *h)
{
	for (size_t i = 0; i < h->stack_count; i++)
		if (h->stack_bytes > 0 && h->stacks[i].bytes / h->stack_bytes >= ALL_BUT)
			return &h->stacks[i];
	return NULL;
}

/* The counts do not show which stack took what is held: it is reported with the stack that took
 * nearly all.  A stack that had a record of its own keeps having one, even with nothing left. */
static void tell_stacks(struct balances *b, struct balance_holder *h, const struct estimate *e)
{
	const struct balance_stack_share *most = main_taker(h);
	double rest = 1;

	for (size_t i = 0; i < h->stack_count && h->stack_bytes > 0; i++) {
		struct balance_stack_share *t = &h->stacks[i];
		double part = t == most ? 0 : t->bytes / h->stack_bytes;

		part = part < REPORTED_LEAST ? 0 : part;
		if (part > 0 || t->reported)
			tell_part(b, h, e, PART_STACK, part, t->stack);
		t->reported |= part > 0;
		rest -= part;
	}
	if (most)
		rest -= most->bytes / h->stack_bytes;
	if (most && rest > REPORTED_LEAST)
		h->rest_reported = true;
	if (h->rest_reported)
		tell_part(b, h, e, PART_REST, most && rest > 0 ? rest : 0, 0);
	if (most)
		tell_part(b, h, e, PART_HELD, most->bytes / h->stack_bytes, most->stack);
	else
		tell_part(b, h, e, PART_HELD, rest, 0);
}

static void tell_holder(struct balances *b, struct balance_holder *h, double share)
{
	struct estimate e = estimate_of(b, h, share);
	double reported = e.sum.taken_bytes + e.sum.freed_bytes + e.sum.freed + h->stack_bytes;

	if (reported == h->reported || !e.sum.taken + !e.sum.freed == 2 ||
	    !b->host.owner(b->host.context, h->key.pid, h->start_ns))
		return;
	h->reported = reported;
	tell_stacks(b, h, &e);
}

static bool balance_is_alive(uint32_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u", pid);
	return !access(path, F_OK);
}

static void balance_forget(struct balances *b, struct balance_holder *h)
{
	struct library_key key = h->key;

	for (key.windowed = 0; key.windowed < 2; key.windowed++)
		kernel_library_heap_forget(b->kernel, &key);
	free(h);
}

void balances_tell(struct balances *b, double share, bool last)
{
	struct table_walk walk = table_walk(&b->holders);
	struct table_slot *slot;

	name_samples(b, last);
	while ((slot = table_walk_next(&walk))) {
		struct balance_holder *h = slot->value;

		tell_holder(b, h, share);
		if (!balance_is_alive(h->key.pid))
			balance_forget(b, table_walk_remove(&walk));
	}
}
