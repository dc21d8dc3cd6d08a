/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_heap.c - see library_heap.h.
 *
 * How the budget is kept
 *
 * At first every probe stays, and all calls are counted.  When the busiest process has spent its
 * credit, the sites are divided.  Sites that are rarely hit stay, as long as together they cost at
 * most a tenth of the budget.  The probes of the others are attached for windows of a twentieth of
 * a second.  Windows are so rare that their cost keeps within the rest of the budget.  If they were
 * rarer than one in five seconds, the tier ends.  The pauses vary by chance: a program that does
 * the same each second must not always be seen at the same work.
 */
#include "user/capture/memory/library_heap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/memory/call_site.h"
#include "user/capture/elf/elf.h"
#include "user/capture/kernel/kernel_library_heap.h"
#include "user/capture/probe/probe.h"
#include "user/capture/probe/reach.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define SECOND_NS     1000000000ULL
#define LOOK_EVERY_NS (SECOND_NS / 4)
#define WINDOW_NS     (SECOND_NS / 20)
#define PAUSE_MOST_NS (5 * SECOND_NS)
#define DUTY_LEAST    ((double)WINDOW_NS / PAUSE_MOST_NS) /* the share of the time that is window */
#define BURST_NS      (2 * SECOND_NS)			  /* this much budget may be saved up */
#define STAY_SHARE    0.1				  /* of the budget, for probes that stay */
#define CALM_SHARE    0.8 /* windows of so much of the time: all probes may stay */
#define LATELY	      8	  /* windows that the averages cover */
#define RUN_NS	      500 /* run time of the program, until it is measured */
#define RUNS_ENOUGH   100

struct lheap_site {
	uint64_t offset;
	uint32_t function, file;
	uint64_t hits;
	double rate; /* hits a second, at the last look */
	bool windowed;
};

struct lheap_heap_file {
	struct library_file of; /* fd is ours */
	char name[EV_SYMBOL_LEN];
	uint32_t first, count; /* sites */
	struct reach_set *stay, *windowed;
};

struct library_heap {
	struct kernel *kernel;
	struct library_heap_host host;
	struct balances *balances;
	struct reach *reach; /* borrowed, once the tier is started */
	struct probe_programs programs;
	struct lheap_heap_file files[LIBRARY_FILES];
	struct balance_file described[LIBRARY_FILES];
	size_t file_count;
	struct lheap_site sites[LIBRARY_SITES];
	size_t site_count, windowed_count;
	struct call_sites found; /* in the file looked at */
	bool running, open;	 /* `open`: a window is */
	bool refused, stepped_down;
	uint64_t hit_ns;
	uint64_t looked_ns;
	uint64_t window_began_ns, window_due_ns, window_length_ns;
	uint64_t phase_ns, windows_ns; /* when the phase began, and how long its windows were */
	double credit_ns;	       /* of the busiest process, for probes that stay */
	double stay_share;	       /* of a CPU, that probes that stay took of it lately */
	double hot_share;	       /* of a CPU, that the others took of it in windows lately */
	uint32_t windows;	       /* of the phase */
	uint64_t random;
	uint64_t spent_ns;
};

static const struct {
	const char *anchor, *name;
} drivers[] = {
	{"PyInit__psycopg", "_psycopg"},
	{"PyInit__mysql", "_mysql"},
};

static void client_heap_tell_gap(struct library_heap *h, const char *text)
{
	struct ev_gap gap = {.head = {.kind = EV_GAP, .size = sizeof(gap)}};

	snprintf(gap.text, sizeof(gap.text), "%s", text);
	h->host.balances.tell(h->host.balances.context, &gap.head);
}

static void tell_uncounted(struct library_heap *h, const char *name, const char *why)
{
	char text[EV_TEXT_LEN];

	snprintf(text, sizeof(text), "memory used by %s is not counted: %s", name, why);
	client_heap_tell_gap(h, text);
}

int library_heap_open(struct library_heap **out, struct kernel *kernel,
		      const struct library_heap_host *host)
{
	struct library_heap *h = calloc(1, sizeof(*h));
	int err;

	*out = h;
	if (!h)
		return -ENOMEM;
	h->kernel = kernel;
	h->host = *host;
	h->random = (uintptr_t)h;
	err = balances_open(&h->balances, kernel, &host->balances);
	if (!err)
		return 0;
	library_heap_close(h);
	*out = NULL;
	return err;
}

/* --- files ----------------------------------------------------------------------------------- */

static const char *driver_of(struct elf_file *elf)
{
	struct elf_symbol found;

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (elf_find(elf, &drivers[i].anchor, 1, false, &found) == 1)
			return drivers[i].name;
	return NULL;
}

static struct lheap_heap_file *client_heap_find(const struct library_heap *h, uint64_t device,
						uint64_t inode)
{
	for (size_t i = 0; i < h->file_count; i++)
		if (h->files[i].of.fd >= 0 && h->files[i].of.device == device &&
		    h->files[i].of.inode == inode)
			return (struct lheap_heap_file *)&h->files[i];
	return NULL;
}

bool library_heap_keeps(const struct library_heap *h, uint64_t device, uint64_t inode)
{
	return client_heap_find(h, device, inode);
}

static const char *client_heap_why_not(const struct call_sites *found, int err)
{
	if (err == -ENOENT)
		return found->hidden ? "the library calls the allocator through pointers" : NULL;
	return err == -E2BIG ? "the library has too many allocator calls"
			     : "the code of the library cannot be read";
}

/* Names a file by its base name, without version: "/usr/lib/libpq.so.5" is libpq.  otherwise: used
 * if the path has no such name. */
static void name_of(char out[EV_SYMBOL_LEN], const char *path, const char *otherwise)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;

	snprintf(out, EV_SYMBOL_LEN, "%s", *base && *base != '.' ? base : otherwise);
	out[strcspn(out, ".")] = '\0';
}

/* The number of a file that is gone and had as many sites: most often it was another copy of the
 * same library.  file_count: there is none. */
static uint32_t find_left(const struct library_heap *h)
{
	for (uint32_t i = 0; i < h->file_count; i++)
		if (h->files[i].of.fd < 0 && h->files[i].count == h->found.count)
			return i;
	return (uint32_t)h->file_count;
}

static bool has_room(const struct library_heap *h)
{
	return find_left(h) < h->file_count ||
	       (h->file_count < LIBRARY_FILES &&
		h->site_count + h->found.count <= LIBRARY_SITES - 1);
}

/* Adds a file.  Returns its number, or -errno. */
static int add_file(struct library_heap *h, const struct library_file *file, const char *name)
{
	uint32_t number = find_left(h);
	bool new = number == h->file_count;
	struct lheap_heap_file *f = &h->files[number];
	int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return -errno;
	f->of = *file;
	f->of.fd = fd;
	name_of(f->name, file->path, name);
	f->first = new ? (uint32_t)h->site_count : f->first;
	f->count = (uint32_t)h->found.count;
	for (uint32_t i = 0; i < f->count; i++) {
		struct lheap_site *s = &h->sites[f->first + i];

		*s = (struct lheap_site){.offset = h->found.all[i].offset,
					 .function = h->found.all[i].function,
					 .file = number,
					 .hits = new ? 0 : s->hits};
	}
	h->described[number] = (struct balance_file){
		.name = f->name, .inode = file->inode, .slot = h->found.slot};
	h->site_count += new ? f->count : 0;
	h->file_count += new;
	return (int)number;
}

static void attach_file(struct library_heap *h, uint32_t number, bool windowed);

void library_heap_file(struct library_heap *h, struct elf_file *elf,
		       const struct library_file *file, const char *name)
{
	const char *why;
	int err;

	name = name ? name : driver_of(elf);
	if (!name || elf_is_program(elf) || client_heap_find(h, file->device, file->inode))
		return;
	err = call_sites_find(elf, &h->found);
	if (!err && !has_room(h))
		err = -E2BIG;
	why = err ? client_heap_why_not(&h->found, err) : NULL;
	if (why)
		tell_uncounted(h, name, why);
	if (err)
		return;
	err = add_file(h, file, name);
	if (err >= 0 && h->running)
		attach_file(h, (uint32_t)err, false);
	if (err < 0)
		tell_uncounted(h, name, strerror(-err));
}

void library_heap_gone(struct library_heap *h, uint64_t device, uint64_t inode)
{
	struct lheap_heap_file *f = client_heap_find(h, device, inode);

	if (!f)
		return;
	reach_remove_later(f->stay);
	reach_remove_later(f->windowed);
	f->stay = f->windowed = NULL;
	close(f->of.fd);
	f->of.fd = -1;
}

/* --- probes ---------------------------------------------------------------------------------- */

/* Attaches a file's probes: those that stay, or those of windows. */
static void attach_file(struct library_heap *h, uint32_t number, bool windowed)
{
	struct lheap_heap_file *f = &h->files[number];
	static struct probe_place places[CALL_SITES_MOST];
	struct reach_set **set = windowed ? &f->windowed : &f->stay;
	size_t n = 0;

	for (uint32_t i = f->first; i < f->first + f->count; i++) {
		const struct lheap_site *s = &h->sites[i];

		if (s->windowed == windowed)
			places[n++] = (struct probe_place){
				.offset = s->offset,
				.cookie = LIBRARY_COOKIE(i, s->function, number, windowed)};
	}
	if (n && !*set && reach_add(h->reach, set, &h->programs, &f->of, places, n))
		*set = NULL;
}

static void detach_all(struct library_heap *h)
{
	struct reach_set *sets[2 * LIBRARY_FILES];
	size_t n = 0;

	for (size_t i = 0; i < h->file_count; i++) {
		sets[n++] = h->files[i].stay;
		sets[n++] = h->files[i].windowed;
		h->files[i].stay = h->files[i].windowed = NULL;
	}
	reach_remove_all(sets, n);
}

static void attach_all(struct library_heap *h, bool windowed)
{
	for (size_t i = 0; i < h->file_count; i++)
		if (h->files[i].of.fd >= 0)
			attach_file(h, (uint32_t)i, windowed);
}

void library_heap_close(struct library_heap *h)
{
	if (!h)
		return;
	detach_all(h);
	for (size_t i = 0; i < h->file_count; i++)
		if (h->files[i].of.fd >= 0)
			close(h->files[i].of.fd);
	balances_close(h->balances);
	free(h);
}

/* A cookie of a site that no file gets, outside of a window: its program only counts. */
#define CANARY LIBRARY_COOKIE(LIBRARY_SITES - 1, 0, 0, true)

/* --- the budget ------------------------------------------------------------------------------ */

static uint64_t hit_cost(const struct library_heap *h)
{
	uint64_t ns, runs;

	if (kernel_library_heap_run_time(h->kernel, &ns, &runs) || runs < RUNS_ENOUGH)
		return h->hit_ns + RUN_NS;
	return h->hit_ns + ns / runs;
}

static double budget(const struct library_heap *h)
{
	return h->host.max_overhead / 100;
}

/* Brings the hits of the probes that stay, or of the others, up to date. */
static void count_hits(struct library_heap *h, bool windowed, double seconds, uint64_t cost)
{
	static uint64_t hits[LIBRARY_SITES];

	if (kernel_library_heap_hits(h->kernel, (uint32_t)h->site_count, hits))
		return;
	for (size_t i = 0; i < h->site_count; i++) {
		struct lheap_site *s = &h->sites[i];
		uint64_t more = hits[i] - s->hits;

		if (s->windowed != windowed)
			continue;
		s->rate = seconds > 0 ? (double)more / seconds : 0;
		s->hits = hits[i];
		h->spent_ns += more * cost;
	}
}

/* The share of the phase's time that was window. */
static double share(const struct library_heap *h, uint64_t now)
{
	if (!h->windows_ns || now <= h->phase_ns)
		return 0;
	return h->windows_ns < now - h->phase_ns
		       ? (double)h->windows_ns / (double)(now - h->phase_ns)
		       : 1;
}

static void begin_phase(struct library_heap *h, uint64_t now)
{
	balances_phase(h->balances, share(h, now));
	h->phase_ns = now;
	h->windows_ns = 0;
}

static int by_rate(const void *a, const void *b)
{
	const struct lheap_site *x = *(const struct lheap_site *const *)a,
				*y = *(const struct lheap_site *const *)b;

	return (x->rate > y->rate) - (x->rate < y->rate);
}

/* Decides which sites stay: those that are hit most rarely, while together they cost no more than
 * STAY_SHARE.  busiest: hits a second of the busiest process. */
static void divide(struct library_heap *h, double busiest, uint64_t cost)
{
	static struct lheap_site *order[LIBRARY_SITES];
	double all = 0, sum = 0, most;

	for (size_t i = 0; i < h->site_count; i++) {
		order[i] = &h->sites[i];
		all += order[i]->rate;
	}
	most = all > 0 && busiest > 0 ? STAY_SHARE * budget(h) * SECOND_NS / (double)cost *
						(all > busiest ? all / busiest : 1)
				      : all;
	qsort(order, h->site_count, sizeof(order[0]), by_rate);
	h->windowed_count = 0;
	for (size_t i = 0; i < h->site_count; i++) {
		sum += order[i]->rate;
		order[i]->windowed = sum > most;
		h->windowed_count += order[i]->windowed;
	}
}

/* Plans the next window.  Removing probes takes a while, too, so the pause is not shorter than
 * WINDOW_NS, before chance varies it. */
static void plan_window(struct library_heap *h, double duty, uint64_t now)
{
	/* NOLINTNEXTLINE(bugprone-integer-division) it divides without a rest */
	double window = WINDOW_NS, pause;

	duty = duty < CALM_SHARE ? duty : CALM_SHARE;
	if (duty > 0.5)
		window *= duty / (1 - duty);
	pause = window * (1 / duty - 1);

	h->window_length_ns = (uint64_t)window;
	h->random = h->random * 6364136223846793005ULL + 1442695040888963407ULL;
	pause *= 0.7 + 0.6 * (double)(h->random >> 40) / (1 << 24);
	h->window_due_ns = now + (uint64_t)(pause < PAUSE_MOST_NS ? pause : PAUSE_MOST_NS);
}

/* Attaches all probes anew, after the sites were divided. */
static void arrange(struct library_heap *h, uint64_t now)
{
	detach_all(h);
	begin_phase(h, now);
	attach_all(h, false);
	h->credit_ns = budget(h) * BURST_NS;
	h->stay_share = 0;
	h->windows = 0;
}

/* The share of the time that may be window. */
static double duty_of(const struct library_heap *h)
{
	double left = budget(h) - h->stay_share;

	if (left < budget(h) / 4)
		left = budget(h) / 4;
	return h->hot_share > left ? left / h->hot_share : 1;
}

static void client_heap_step_down(struct library_heap *h)
{
	if (!h->running)
		return;
	debug(DEBUG_BUDGET,
	      "--heap client: probes could stay for %.2f %% of the time alone: --heap growth",
	      duty_of(h) * 100);
	h->stepped_down = true;
	client_heap_tell_gap(h, "client library memory is no longer counted (over --max-overhead): "
				"now as with --heap growth");
	h->host.tier(h->host.balances.context, EV_TIER_GROWTH);
}

/* Plans the next window, or ends the tier. */
static void go_on(struct library_heap *h, uint64_t now)
{
	double duty = duty_of(h);

	/* NOLINTNEXTLINE(bugprone-integer-division) it divides without a rest */
	if (duty >= DUTY_LEAST)
		plan_window(h, duty, now);
	else
		client_heap_step_down(h);
}

static void open_window(struct library_heap *h)
{
	attach_all(h, true);
	kernel_library_heap_window(h->kernel, true);
	balances_window_begins(h->balances);
	h->open = true;
	h->window_began_ns = clock_boot_ns();
	h->window_due_ns = h->window_began_ns + h->window_length_ns;
}

static void close_window(struct library_heap *h)
{
	uint64_t cost = hit_cost(h), now;
	double seconds, hot;

	kernel_library_heap_window(h->kernel, false);
	now = clock_boot_ns();
	seconds = (double)(now - h->window_began_ns) / SECOND_NS;
	for (size_t i = 0; i < h->file_count; i++) {
		reach_remove_later(h->files[i].windowed);
		h->files[i].windowed = NULL;
	}
	h->open = false;
	h->windows_ns += now - h->window_began_ns;
	balances_read(h->balances, h->described, hit_cost(h));
	balances_window(h->balances);
	hot = (double)balances_busiest(h->balances, true) / seconds * (double)cost / SECOND_NS;
	count_hits(h, true, seconds, cost);
	/* An average, for the last window alone misleads: longer pauses after busy moments would
	 * show too few of them. */
	h->hot_share += (hot - h->hot_share) / LATELY;
	if (++h->windows >= LATELY && duty_of(h) >= CALM_SHARE) {
		for (size_t i = 0; i < h->site_count; i++)
			h->sites[i].windowed = false;
		h->windowed_count = 0;
		arrange(h, now);
		return;
	}
	go_on(h, now);
}

/* Charges the probes that stay.  If they have spent more than they may, divides the sites. */
static void look_at_budget(struct library_heap *h, uint64_t now)
{
	double passed = (double)(now - h->looked_ns), busiest, spent;
	uint64_t cost = hit_cost(h);

	h->looked_ns = now;
	balances_read(h->balances, h->described, hit_cost(h));
	busiest = (double)balances_busiest(h->balances, false);
	count_hits(h, false, passed / SECOND_NS, cost);
	spent = busiest * (double)cost;
	h->stay_share = passed > 0 ? spent / passed : 0;
	if (h->host.max_overhead >= OVERHEAD_ANY)
		return;
	h->credit_ns += budget(h) * passed - spent;
	if (h->credit_ns > budget(h) * BURST_NS)
		h->credit_ns = budget(h) * BURST_NS;
	if (h->credit_ns >= 0 || h->open)
		return;
	divide(h, busiest / (passed / SECOND_NS), cost);
	arrange(h, now);
	h->hot_share = spent / passed;
	go_on(h, now);
}

/* --- life ------------------------------------------------------------------------------------ */

void library_heap_begin(struct library_heap *h)
{
	kernel_library_heap_begin(h->kernel);
}

bool library_heap_start(struct library_heap *h, struct reach *reach, uint64_t hit_ns, uint64_t now)
{
	if (h->running || h->refused)
		return h->running;
	h->refused = true;
	if (kernel_library_heap_load(h->kernel, &h->programs)) {
		tell_uncounted(h, "a client library", "the kernel refuses the probes");
		return false;
	}
	if (probes_kill_shadowed(&h->programs, CANARY)) {
		tell_uncounted(
			h, "a client library",
			"on this kernel such probes would kill programs with a shadow stack");
		return false;
	}
	if (!h->programs.multi) {
		tell_uncounted(h, "a client library",
			       "this kernel needs seconds to remove so many probes");
		return false;
	}
	h->refused = false;
	h->running = true;
	h->reach = reach;
	h->hit_ns = hit_ns;
	h->looked_ns = h->phase_ns = now;
	h->credit_ns = budget(h) * BURST_NS;
	attach_all(h, false);
	return true;
}

void library_heap_stop(struct library_heap *h, uint64_t now)
{
	if (!h->running)
		return;
	h->running = false;
	if (h->open)
		close_window(h);
	look_at_budget(h, now);
	begin_phase(h, now);
	detach_all(h);
}

void library_heap_step(struct library_heap *h, uint64_t now)
{
	if (!h->running)
		return;
	if (h->windowed_count && now >= h->window_due_ns) {
		if (h->open)
			close_window(h);
		else
			open_window(h);
	}
	if (h->running && now >= h->looked_ns + LOOK_EVERY_NS)
		look_at_budget(h, now);
}

uint64_t library_heap_next(const struct library_heap *h)
{
	uint64_t look = h->looked_ns + LOOK_EVERY_NS;

	if (!h->running)
		return UINT64_MAX;
	return h->windowed_count && h->window_due_ns < look ? h->window_due_ns : look;
}

void library_heap_sweep(struct library_heap *h, uint64_t now, bool last)
{
	if (h->running && last && h->open)
		close_window(h);
	if (h->running && !h->open)
		balances_read(h->balances, h->described, hit_cost(h));
	if (!h->open)
		balances_tell(h->balances, share(h, now), last);
}

uint64_t library_heap_cost_ns(const struct library_heap *h)
{
	return h->spent_ns;
}

bool library_heap_stepped_down(const struct library_heap *h)
{
	return h->stepped_down;
}
