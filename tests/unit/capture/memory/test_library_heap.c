/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The client tier of --heap: which files get probes at which calls, how sites are divided between
 * probes that stay and sampling windows, and how the tier ends.  Probes, counts and the clock are
 * our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/elf/elf.h"
#include "user/capture/kernel/kernel_library_heap.h"
#include "user/capture/memory/call_site.h"
#include "user/capture/memory/library_heap.h"
#include "user/capture/probe/probe.h"
#include "user/capture/probe/reach.h"

#define SECOND	1000000000ULL
#define BEGUN	(1000 * SECOND)
#define LOOK_NS (SECOND / 4)
#define WINDOW	(SECOND / 20)
#define HIT_NS	500 /* and 500 for the program: a hit costs 1 us */
#define SETS	64

static struct library_heap *heap;
static uint64_t now;
static int file_fd;

struct reach_set {
	uint32_t file;
	bool windowed, attached;
	size_t count;
	uint64_t offset[CALL_SITES_MOST];
};

static struct world {
	/* what is found in a file */
	int find;
	struct call_sites found;
	const char *anchor; /* of a driver */
	bool program;
	/* the kernel half */
	int load;
	bool shadowed, single;
	bool open; /* the window */
	uint64_t hits[LIBRARY_SITES];
	uint64_t busiest[2]; /* of probes that stay, of those in windows */
	uint64_t run_ns, runs;
	/* what was asked for */
	unsigned int loads, begun, opened, reads, windows, phases, tellings;
	double share;
	bool last;
	const struct balance_file *described;
	struct reach_set sets[SETS];
	size_t set_count;
	/* what was told */
	unsigned int gaps, steps_down;
	char gap[EV_TEXT_LEN];
} world;

/* --- fakes ----------------------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){(time_t)(now / SECOND), (long)(now % SECOND)};
	return 0;
}

int elf_find(struct elf_file *e, const char *const *names, size_t count, bool whole,
	     struct elf_symbol *out)
{
	(void)e, (void)whole, (void)out;
	assert_int_equal(count, 1);
	return world.anchor && !strcmp(*names, world.anchor);
}

bool elf_is_program(const struct elf_file *e)
{
	(void)e;
	return world.program;
}

int call_sites_find(struct elf_file *e, struct call_sites *out)
{
	(void)e;
	*out = world.found;
	return world.find;
}

void kernel_library_heap_begin(struct kernel *k)
{
	(void)k;
	world.begun++;
}

int kernel_library_heap_load(struct kernel *k, struct probe_programs *programs)
{
	(void)k;
	*programs = (struct probe_programs){.multi = !world.single};
	world.loads++;
	return world.load;
}

void kernel_library_heap_window(struct kernel *k, bool open)
{
	(void)k;
	world.open = open;
	world.opened += open;
}

int kernel_library_heap_hits(struct kernel *k, uint32_t n, uint64_t *hits)
{
	(void)k;
	memcpy(hits, world.hits, n * sizeof(*hits));
	return 0;
}

int kernel_library_heap_run_time(struct kernel *k, uint64_t *ns, uint64_t *runs)
{
	(void)k;
	*ns = world.run_ns;
	*runs = world.runs;
	return 0;
}

bool probes_kill_shadowed(const struct probe_programs *programs, uint64_t cookie)
{
	(void)programs;
	assert_true(LIBRARY_WINDOWED(cookie));
	return world.shadowed;
}

int balances_open(struct balances **out, struct kernel *kernel, const struct balances_host *host)
{
	(void)kernel, (void)host;
	*out = (void *)&world;
	return 0;
}

void balances_close(struct balances *b)
{
	(void)b;
}

void balances_read(struct balances *b, const struct balance_file *files, uint64_t hit_ns)
{
	(void)b, (void)hit_ns;
	world.described = files;
	world.reads++;
}

uint64_t balances_busiest(struct balances *b, bool windowed)
{
	uint64_t hits = world.busiest[windowed];

	(void)b;
	world.busiest[windowed] = 0;
	return hits;
}

void balances_window_begins(struct balances *b)
{
	(void)b;
}

void balances_window(struct balances *b)
{
	(void)b;
	world.windows++;
}

void balances_phase(struct balances *b, double share)
{
	(void)b;
	world.share = share;
	world.phases++;
}

void balances_tell(struct balances *b, double share, bool last)
{
	(void)b;
	world.share = share;
	world.last = last;
	world.tellings++;
}

int reach_add(struct reach *r, struct reach_set **out, const struct probe_programs *programs,
	      const struct library_file *file, const struct probe_place *places, size_t n)
{
	struct reach_set *set = &world.sets[world.set_count++];

	(void)programs;
	assert_ptr_equal(r, &world);
	assert_true(world.set_count < SETS);
	assert_true(fcntl(file->fd, F_GETFD) >= 0);
	assert_int_not_equal(file->fd, file_fd);
	*set = (struct reach_set){.file = LIBRARY_FILE_OF(places[0].cookie),
				  .windowed = LIBRARY_WINDOWED(places[0].cookie),
				  .attached = true,
				  .count = n};
	for (size_t i = 0; i < n; i++) {
		set->offset[i] = places[i].offset;
		assert_int_equal(LIBRARY_FILE_OF(places[i].cookie), set->file);
		assert_int_equal(LIBRARY_WINDOWED(places[i].cookie), set->windowed);
	}
	*out = set;
	return 0;
}

void reach_remove_all(struct reach_set *const *sets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sets[i])
			sets[i]->attached = false;
}

void reach_remove_later(struct reach_set *set)
{
	if (set)
		set->attached = false;
}

static void tell(void *context, struct ev_head *record)
{
	(void)context;
	assert_int_equal(record->kind, EV_GAP);
	memcpy(world.gap, ((const struct ev_gap *)(const void *)record)->text, sizeof(world.gap));
	world.gaps++;
}

static void set_tier(void *context, enum ev_tier which)
{
	(void)context;
	assert_int_equal(which, EV_TIER_GROWTH);
	world.steps_down++;
	library_heap_stop(heap, now);
}

/* --- helpers --------------------------------------------------------------------------------- */

static void open_heap(double max_overhead)
{
	const struct library_heap_host host = {
		.balances = {.tell = tell}, .tier = set_tier, .max_overhead = max_overhead};

	assert_int_equal(library_heap_open(&heap, (void *)&world, &host), 0);
}

static int begin(void **state)
{
	(void)state;
	now = BEGUN;
	memset(&world, 0, sizeof(world));
	file_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 0;
}

static int end(void **state)
{
	(void)state;
	library_heap_close(heap);
	for (size_t i = 0; i < world.set_count; i++)
		assert_false(world.sets[i].attached);
	heap = NULL;
	close(file_fd);
	return 0;
}

static void file(uint64_t inode, const char *path, const char *name, size_t calls)
{
	const struct library_file f = {.device = 1, .inode = inode, .fd = file_fd, .path = path};

	world.found.count = calls;
	for (size_t i = 0; i < calls; i++)
		world.found.all[i] = (struct call_site){0x1000 * inode + i, LIBRARY_MALLOC};
	library_heap_file(heap, NULL, &f, name);
}

static bool start(void)
{
	return library_heap_start(heap, (void *)&world, HIT_NS, now);
}

/* The probes attached now, of windows or of those that stay. */
static size_t attached(bool windowed)
{
	size_t n = 0;

	for (size_t i = 0; i < world.set_count; i++)
		if (world.sets[i].attached && world.sets[i].windowed == windowed)
			n += world.sets[i].count;
	return n;
}

/* Lets time pass in which sites are called so often a second, the first site rarely.  Probes that
 * are not attached count nothing. */
static void pass(uint64_t quarters, size_t sites, uint64_t rare, uint64_t often)
{
	for (uint64_t i = 0; i < quarters; i++) {
		size_t staying = attached(false);

		for (size_t s = 0; s < staying; s++)
			world.hits[s] += s ? often / 4 : rare / 4;
		world.busiest[false] += rare / 4 + (staying == sites ? often / 4 * (sites - 1) : 0);
		now += LOOK_NS;
		library_heap_step(heap, now);
	}
}

/* Four sites of which three are called so often that they cannot stay. */
static void overspend(void)
{
	for (int i = 0; i < 16 && attached(false) == 4; i++)
		pass(1, 4, 400, 80000);
	assert_int_equal(attached(false), 1);
}

/* Lets the next window open and close; it counts so many hits of the busiest process. */
static void pass_window(uint64_t hits)
{
	now = library_heap_next(heap);
	while (!world.open) {
		library_heap_step(heap, now);
		if (!world.open)
			now = library_heap_next(heap);
	}
	while (world.open) {
		now = library_heap_next(heap);
		world.busiest[true] = hits;
		library_heap_step(heap, now);
	}
}

/* --- files ----------------------------------------------------------------------------------- */

static void a_library_gets_probes_at_its_calls_once_the_tier_starts(void **state)
{
	(void)state;
	open_heap(5);
	library_heap_begin(heap);
	assert_int_equal(world.begun, 1);
	file(7, "/usr/lib/libpq.so.5", "libpq", 3);
	assert_true(library_heap_keeps(heap, 1, 7));
	assert_false(library_heap_keeps(heap, 2, 7));
	assert_int_equal(world.set_count, 0);
	assert_int_equal(library_heap_next(heap), UINT64_MAX);
	assert_true(start());
	assert_int_equal(attached(false), 3);
	assert_int_equal(world.sets[0].offset[2], 0x7002);
	file(8, "/opt/libmariadb.so", "libmariadb", 2);
	assert_int_equal(attached(false), 5);
	assert_int_equal(world.sets[1].file, 1);
	file(8, "/opt/libmariadb.so", "libmariadb", 2); /* seen again */
	assert_int_equal(attached(false), 5);
	library_heap_sweep(heap, now, false);
	assert_string_equal(world.described[0].name, "libpq");
	assert_int_equal(world.described[0].inode, 7);
	assert_string_equal(world.described[1].name, "libmariadb");
	assert_int_equal(world.gaps, 0);
}

static void a_driver_is_known_by_what_it_exports(void **state)
{
	(void)state;
	open_heap(5);
	file(7, "/app/other.so", NULL, 3);
	assert_false(library_heap_keeps(heap, 1, 7));
	world.anchor = "PyInit__psycopg";
	file(8, "", NULL, 3);
	assert_true(library_heap_keeps(heap, 1, 8));
	start();
	library_heap_sweep(heap, now, false);
	assert_string_equal(world.described[0].name, "_psycopg");
	world.program = true;
	file(9, "/app/program", "libpq", 3);
	assert_false(library_heap_keeps(heap, 1, 9));
}

static void a_library_that_cannot_be_counted_is_told_with_the_reason(void **state)
{
	(void)state;
	open_heap(5);
	world.find = -ENOENT;
	file(7, "/a.so", "libpq", 0);
	assert_int_equal(world.gaps, 0); /* it takes no memory by itself */
	world.found.hidden = 2;
	file(7, "/a.so", "libpq", 0);
	assert_string_equal(world.gap, "memory used by libpq is not counted: the library calls "
				       "the allocator through pointers");
	world.find = -E2BIG;
	file(7, "/a.so", "libpq", 0);
	assert_non_null(strstr(world.gap, "too many allocator calls"));
	world.find = -EBADMSG;
	file(7, "/a.so", "libpq", 0);
	assert_non_null(strstr(world.gap, "cannot be read"));
	world.find = 0;
	for (uint64_t inode = 10; inode < 13; inode++)
		file(inode, "/a.so", "libpq", CALL_SITES_MOST);
	assert_int_equal(world.gaps, 3);
	file(13, "/a.so", "libpq", CALL_SITES_MOST); /* more sites than there is room for */
	assert_int_equal(world.gaps, 4);
	assert_false(library_heap_keeps(heap, 1, 13));
	assert_true(library_heap_keeps(heap, 1, 12));
}

static void another_copy_takes_the_number_of_one_that_is_gone(void **state)
{
	(void)state;
	open_heap(5);
	start();
	file(7, "/usr/lib/libpq.so.5", "libpq", 3);
	library_heap_gone(heap, 1, 99);
	assert_int_equal(attached(false), 3);
	library_heap_gone(heap, 1, 7);
	assert_int_equal(attached(false), 0);
	assert_false(library_heap_keeps(heap, 1, 7));
	file(8, "/usr/lib/libpq.so.5", "libpq", 3);
	assert_int_equal(world.sets[1].file, 0);
	library_heap_gone(heap, 1, 8);
	file(9, "/usr/lib/libpq.so.5", "libpq", 4); /* other code */
	assert_int_equal(world.sets[2].file, 1);
}

/* --- the budget ------------------------------------------------------------------------------ */

static void probes_stay_within_the_budget(void **state)
{
	(void)state;
	open_heap(5);
	start();
	file(7, "/a.so", "libpq", 4);
	pass(40, 4, 400, 16000); /* 48,400 hits of 1 us: less than 5 % */
	assert_int_equal(attached(false), 4);
	assert_int_equal(world.set_count, 1);
	assert_int_equal(library_heap_cost_ns(heap), 484000000);
	assert_int_equal(library_heap_next(heap), now + LOOK_NS);
}

static void over_the_budget_busy_sites_are_counted_in_windows(void **state)
{
	(void)state;
	open_heap(5);
	start();
	file(7, "/a.so", "libpq", 4);
	overspend();
	assert_int_equal(attached(false), 1);
	assert_int_equal(attached(true), 0);
	assert_int_equal(world.phases, 1);
	assert_true(library_heap_next(heap) <= now + 5 * SECOND);
	for (now = library_heap_next(heap); !world.open; now = library_heap_next(heap))
		library_heap_step(heap, now);
	assert_int_equal(attached(false), 1);
	assert_int_equal(attached(true), 3);
	/* Nothing is told in the middle of a window. */
	library_heap_sweep(heap, now, false);
	assert_int_equal(world.tellings, 0);
	now += WINDOW;
	world.busiest[true] = 12000;
	library_heap_step(heap, now);
	assert_false(world.open);
	assert_int_equal(attached(true), 0);
	assert_int_equal(world.windows, 1);
	library_heap_sweep(heap, now, false);
	assert_int_equal(world.tellings, 1);
	assert_true(world.share > 0 && world.share < 0.5);
	assert_int_equal(world.steps_down, 0);
}

static void calm_windows_bring_all_probes_back(void **state)
{
	(void)state;
	open_heap(5);
	start();
	file(7, "/a.so", "libpq", 4);
	overspend();
	assert_int_equal(attached(false), 1);
	for (int i = 0; i < 60 && attached(false) < 4; i++)
		pass_window(10);
	assert_int_equal(attached(false), 4);
	assert_int_equal(attached(true), 0);
	assert_int_equal(world.steps_down, 0);
}

static void busy_windows_end_the_tier(void **state)
{
	(void)state;
	open_heap(0.1);
	start();
	file(7, "/a.so", "libpq", 4);
	pass(16, 4, 400, 80000);
	assert_int_equal(world.steps_down, 1);
	assert_true(library_heap_stepped_down(heap));
	assert_non_null(strstr(world.gap, "over --max-overhead"));
	assert_int_equal(attached(false) + attached(true), 0);
	assert_int_equal(library_heap_next(heap), UINT64_MAX);
}

static void no_cost_is_too_much_where_any_is_allowed(void **state)
{
	(void)state;
	open_heap(OVERHEAD_ANY);
	start();
	file(7, "/a.so", "libpq", 4);
	pass(32, 4, 400, 800000);
	assert_int_equal(attached(false), 4);
	assert_int_equal(world.gaps, 0);
}

static void a_measured_run_replaces_the_guess(void **state)
{
	(void)state;
	open_heap(5);
	start();
	file(7, "/a.so", "libpq", 1);
	world.run_ns = 150 * 200;
	world.runs = 150;
	pass(4, 1, 4000, 0);
	assert_int_equal(library_heap_cost_ns(heap), 4000 * (HIT_NS + 200));
}

/* --- life ------------------------------------------------------------------------------------ */

static void stopped_in_a_window_it_counts_the_window(void **state)
{
	(void)state;
	open_heap(5);
	start();
	file(7, "/a.so", "libpq", 4);
	overspend();
	for (now = library_heap_next(heap); !world.open; now = library_heap_next(heap))
		library_heap_step(heap, now);
	now += WINDOW / 2;
	library_heap_stop(heap, now);
	assert_false(world.open);
	assert_int_equal(world.windows, 1);
	assert_int_equal(attached(false) + attached(true), 0);
	assert_true(start()); /* it may start again */
	assert_int_equal(attached(false), 1);
}

static void the_last_sweep_ends_a_window(void **state)
{
	(void)state;
	open_heap(5);
	start();
	file(7, "/a.so", "libpq", 4);
	overspend();
	for (now = library_heap_next(heap); !world.open; now = library_heap_next(heap))
		library_heap_step(heap, now);
	now += WINDOW / 2;
	library_heap_sweep(heap, now, true);
	assert_false(world.open);
	assert_true(world.last);
	assert_int_equal(world.tellings, 1);
}

static void refused(const char *why)
{
	open_heap(5);
	assert_false(start());
	assert_non_null(strstr(world.gap, why));
	assert_false(start());
	assert_int_equal(world.loads, 1);
	assert_int_equal(world.gaps, 1);
	library_heap_step(heap, now + SECOND);
	library_heap_stop(heap, now + SECOND);
	assert_int_equal(world.reads, 0);
	end(NULL);
	begin(NULL);
}

static void where_the_tier_cannot_start_it_says_why_once(void **state)
{
	(void)state;
	world.load = -EPERM;
	refused("the kernel refuses the probes");
	world.shadowed = true;
	refused("kill programs with a shadow stack");
	world.single = true;
	refused("needs seconds to remove so many probes");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_library_gets_probes_at_its_calls_once_the_tier_starts),
		TEST(a_driver_is_known_by_what_it_exports),
		TEST(a_library_that_cannot_be_counted_is_told_with_the_reason),
		TEST(another_copy_takes_the_number_of_one_that_is_gone),
		TEST(probes_stay_within_the_budget),
		TEST(over_the_budget_busy_sites_are_counted_in_windows),
		TEST(calm_windows_bring_all_probes_back),
		TEST(busy_windows_end_the_tier),
		TEST(no_cost_is_too_much_where_any_is_allowed),
		TEST(a_measured_run_replaces_the_guess),
		TEST(stopped_in_a_window_it_counts_the_window),
		TEST(the_last_sweep_ends_a_window),
		TEST(where_the_tier_cannot_start_it_says_why_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
