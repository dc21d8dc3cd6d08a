/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What probes on our own functions teach: whether they fire, in which threads, and whether they
 * kill. A probe that kills is a breakpoint that nobody handles, put into the code of this test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/capture/probe/probe.h"

#define FIRST 20
#define CALLS 400 /* of each function, while it is measured */
#define TRAP  0xcc

/* Of calibrate.c. */
void canary_both_end(void);
void canary_through_end(void);

static struct world {
	int attach_err;
	uintptr_t deadly; /* a probe at this place is a trap */
	uint8_t *trapped, before;
	unsigned int attached, detached;
	uint32_t pid; /* of the first that was limited to a process */
	struct probe_place places[PROBE_CANARIES + 1];
	size_t count;
	uint64_t hits[PROBE_CANARIES];
	bool thread_seen;
	unsigned int asked; /* for the hits of the fourth */
} world;

/* --- the kernel ------------------------------------------------------------------------------- */

static void write_code(uint8_t *at, uint8_t byte)
{
	uintptr_t page = (uintptr_t)at & ~(uintptr_t)4095;

	assert_int_equal(mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	*at = byte;
	assert_int_equal(mprotect((void *)page, 4096, PROT_READ | PROT_EXEC), 0);
}

/* Where a function lies in our file, as a probe names it. */
static uint64_t offset_of(uintptr_t address)
{
	unsigned long start, end, offset;
	uint64_t found = 0;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");

	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 &&
		    address >= start && address < end)
			found = address - start + offset;
	fclose(f);
	return found;
}

int probes_attach(struct probe_links **out, const struct probe_programs *programs, int fd,
		  const struct probe_place *places, size_t n)
{
	*out = NULL;
	assert_true(fd >= 0);
	if (world.attach_err)
		return world.attach_err;
	world.attached++;
	*out = (struct probe_links *)&world;
	if (programs->pid)
		world.pid = programs->pid;
	if (n > 1) {
		memcpy(world.places, places, n * sizeof(*places));
		world.count = n;
	} else if (world.deadly && places->offset == offset_of(world.deadly)) {
		world.trapped = (uint8_t *)world.deadly;
		world.before = *world.trapped;
		write_code(world.trapped, TRAP);
	}
	return 0;
}

void probes_detach_later(struct probe_links *links)
{
	if (!links)
		return;
	world.detached++;
	if (world.trapped)
		write_code(world.trapped, world.before);
	world.trapped = NULL;
}

static uint64_t hits(void *context, uint32_t cookie)
{
	assert_ptr_equal(context, &world);
	assert_in_range(cookie, FIRST, FIRST + PROBE_CANARIES - 1);
	if (cookie == FIRST + 3)
		return world.thread_seen ? world.asked++ : 0;
	return world.hits[cookie - FIRST];
}

/* --- helpers ---------------------------------------------------------------------------------- */

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	for (size_t i = 0; i < PROBE_CANARIES; i++)
		world.hits[i] = 2 * CALLS;
	return 0;
}

/* All that was put in is taken out again. */
static int end(void **state)
{
	(void)state;
	return world.attached != world.detached;
}

static struct probe_cost calibrate(const struct probe_programs *programs)
{
	struct probe_cost cost;

	memset(&cost, 0xff, sizeof(cost));
	assert_int_equal(probes_calibrate(&cost, programs, FIRST, hits, &world), 0);
	return cost;
}

static const struct probe_programs ends = {.entered = 5, .left = 6, .multi = true};
static const struct probe_programs returns = {.entered = 5, .returned = 6};

/* --- what is probed --------------------------------------------------------------------------- */

static void our_own_functions_are_probed_and_told_apart(void **state)
{
	struct probe_cost cost = calibrate(&ends);

	(void)state;
	assert_int_equal(world.count, PROBE_CANARIES + 1);
	for (uint32_t i = 0; i < PROBE_CANARIES; i++) {
		assert_int_equal(world.places[i].cookie, FIRST + i);
		for (uint32_t k = 0; k < i; k++)
			assert_true(world.places[i].offset != world.places[k].offset);
	}
	assert_int_equal(world.places[4].offset, offset_of((uintptr_t)canary_both_end));
	assert_int_equal(world.places[4].cookie, FIRST + 2); /* the end of the third */
	assert_true(world.places[4].leaves);
	assert_false(world.places[2].returns);
	assert_int_equal(cost.return_ns, 0);
}

static void where_the_kernel_sees_returns_no_end_is_probed(void **state)
{
	struct probe_cost cost = calibrate(&returns);
	struct probe_programs session = ends;

	(void)state;
	assert_int_equal(world.count, PROBE_CANARIES);
	assert_true(world.places[2].returns);
	assert_int_equal(cost.exit_ns, 0);
	session.session = true;
	calibrate(&session);
	assert_int_equal(world.count, PROBE_CANARIES);
}

static void probes_that_cannot_be_put_in_are_an_error(void **state)
{
	struct probe_cost cost;

	(void)state;
	world.attach_err = -EACCES;
	assert_int_equal(probes_calibrate(&cost, &ends, FIRST, hits, &world), -EACCES);
	assert_false(cost.fires || cost.keeps_to_pid);
}

/* --- whether they fire ------------------------------------------------------------------------ */

static void probes_fire_that_saw_every_call(void **state)
{
	(void)state;
	assert_true(calibrate(&ends).fires);
	world.hits[0] = world.hits[1] = CALLS;
	assert_true(calibrate(&ends).fires);
	world.hits[2] = 2 * CALLS - 1; /* a beginning and an end each */
	assert_false(calibrate(&ends).fires);
	assert_true(calibrate(&returns).fires); /* the return counts with its beginning */
	for (size_t i = 0; i < 2; i++) {
		begin(NULL);
		world.hits[i] = CALLS - 1;
		assert_false(calibrate(&ends).fires);
	}
}

static void a_limit_to_a_process_has_to_see_its_threads(void **state)
{
	struct probe_programs taxed = returns;

	(void)state;
	assert_false(calibrate(&ends).keeps_to_pid); /* the second thread was not seen */
	assert_int_equal(world.pid, getpid());
	world.thread_seen = true;
	assert_true(calibrate(&ends).keeps_to_pid);
	world.pid = 0;
	assert_false(calibrate(&returns).keeps_to_pid); /* those cannot be limited */
	assert_int_equal(world.pid, 0);
	taxed.taxed = true;
	assert_true(calibrate(&taxed).keeps_to_pid);
}

/* --- whether they kill ------------------------------------------------------------------------ */

static void probes_that_do_nothing_kill_nobody(void **state)
{
	struct probe_cost cost = calibrate(&ends);

	(void)state;
	assert_false(cost.kills);
	assert_false(cost.exits_kill);
	assert_false(probes_kill_shadowed(&ends, FIRST));
}

static void a_probe_at_an_end_that_kills_is_found_out(void **state)
{
	(void)state;
	world.deadly = (uintptr_t)canary_through_end;
	assert_true(calibrate(&ends).exits_kill);
	assert_false(calibrate(&returns).exits_kill); /* none is used there */
	assert_null(world.trapped);
}

static void what_cannot_be_tried_counts_as_deadly(void **state)
{
	(void)state;
	world.attach_err = -EBUSY;
	assert_true(probes_kill_shadowed(&ends, FIRST));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(our_own_functions_are_probed_and_told_apart),
		CASE(where_the_kernel_sees_returns_no_end_is_probed),
		CASE(probes_that_cannot_be_put_in_are_an_error),
		CASE(probes_fire_that_saw_every_call),
		CASE(a_limit_to_a_process_has_to_see_its_threads),
		CASE(probes_that_do_nothing_kill_nobody),
		CASE(a_probe_at_an_end_that_kills_is_found_out),
		CASE(what_cannot_be_tried_counts_as_deadly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
