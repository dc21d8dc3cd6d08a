/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * In which processes the probes of a file are, with links that only count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/capture/probe/reach.h"

#define LINKS_MOST 64

struct probe_links {
	uint32_t pid;
	uint64_t offset;
	bool in;
};

static struct probe_links links[LINKS_MOST];
static size_t made;
static uint32_t wanted_from; /* processes of that number and above are selected */
static unsigned int gaps;

int probes_attach(struct probe_links **out, const struct probe_programs *programs, int fd,
		  const struct probe_place *places, size_t n)
{
	assert_true(fd >= 0 && n == 1 && made < LINKS_MOST);
	*out = &links[made++];
	**out = (struct probe_links){programs->pid, places[0].offset, true};
	return 0;
}

void probes_detach_later(struct probe_links *l)
{
	if (l)
		l->in = false;
}

void probes_detach_all(struct probe_links *const *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		probes_detach_later(all[i]);
}

int procfs_pids(const struct procfs *procfs, uint32_t **pids, size_t *count)
{
	(void)procfs;
	*pids = NULL;
	*count = 0;
	return 0;
}

/* How many links of that process, at that place, are in. */
static int in(uint32_t pid, uint64_t offset)
{
	int n = 0;

	for (size_t i = 0; i < made; i++)
		n += links[i].in && links[i].pid == pid && links[i].offset == offset;
	return n;
}

static int in_all(void)
{
	int n = 0;

	for (size_t i = 0; i < made; i++)
		n += links[i].in;
	return n;
}

static bool is_wanted(void *context, uint32_t pid)
{
	(void)context;
	return pid >= wanted_from;
}

static void on_gap(void *context, const char *text)
{
	(void)context, (void)text;
	gaps++;
}

static struct reach *open_as(enum reach_how how)
{
	const struct reach_host host = {.wanted = is_wanted, .gap = on_gap};
	struct reach *r;

	made = gaps = 0;
	wanted_from = 100;
	assert_int_equal(reach_open(&r, how, &host), 0);
	return r;
}

/* A set with one probe at that place of the file of that number. */
static struct reach_set *add(struct reach *r, uint64_t inode, uint64_t offset)
{
	const struct library_file file = {.device = 1, .inode = inode, .fd = 0};
	const struct probe_place place = {.offset = offset};
	const struct probe_programs programs = {.multi = true};
	struct reach_set *set;

	assert_int_equal(reach_add(r, &set, &programs, &file, &place, 1), 0);
	return set;
}

static void tell(struct reach *r, uint32_t what, uint32_t pid, uint32_t other)
{
	const struct raw_task task = {.pid = pid, .other = other, .what = what};

	reach_task(r, &task);
}

static void everyone_carries_probes_of_what_somebody_maps(void **state)
{
	struct reach *r = open_as(REACH_EVERYONE);

	(void)state;
	add(r, 7, 0x10);
	assert_int_equal(in_all(), 0);
	reach_mapped(r, 5, 1, 8);
	assert_int_equal(in_all(), 0);
	reach_mapped(r, 5, 1, 7);
	reach_mapped(r, 6, 1, 7);
	assert_int_equal(in(0, 0x10), 1);
	assert_int_equal(in_all(), 1);
	reach_close(r);
	assert_int_equal(in_all(), 0);
}

static void only_the_selected_carry_them(void **state)
{
	struct reach *r = open_as(REACH_CHOSEN);

	(void)state;
	reach_mapped(r, 100, 1, 7); /* before its probes are known */
	add(r, 7, 0x10);
	reach_mapped(r, 5, 1, 7);
	reach_mapped(r, 101, 1, 7);
	reach_mapped(r, 101, 1, 7);
	assert_int_equal(in(100, 0x10), 1);
	assert_int_equal(in(101, 0x10), 1);
	assert_int_equal(in_all(), 2);
	assert_int_equal(reach_carriers(r), 2);
	reach_close(r);
	assert_int_equal(in_all(), 0);
}

static void a_child_carries_what_its_parent_and_others_map(void **state)
{
	struct reach *r = open_as(REACH_CHOSEN);

	(void)state;
	add(r, 7, 0x10);
	add(r, 8, 0x20);
	add(r, 9, 0x30);
	reach_mapped(r, 100, 1, 7);
	reach_mapped(r, 101, 1, 8);
	reach_mapped(r, 5, 1, 9);
	tell(r, TASK_FORKED, 50, 100); /* selected for its parent */
	assert_int_equal(in(50, 0x10), 1);
	assert_int_equal(in(50, 0x20), 1);
	assert_int_equal(in(50, 0x30), 0);
	tell(r, TASK_ENDED, 50, 0);
	reach_close(r);
	assert_int_equal(in_all(), 0);
}

static void another_thread_s_program_needs_links_anew(void **state)
{
	struct reach *r = open_as(REACH_CHOSEN);

	(void)state;
	add(r, 7, 0x10);
	reach_mapped(r, 100, 1, 7);
	tell(r, TASK_REPLACED, 100, 0);
	assert_int_equal(made, 1);
	tell(r, TASK_REPLACED, 100, 104);
	assert_int_equal(made, 2);
	reach_close(r);
	assert_int_equal(in_all(), 0);
}

static void a_number_that_comes_back_is_another_process(void **state)
{
	struct reach *r = open_as(REACH_CHOSEN);

	(void)state;
	add(r, 7, 0x10);
	reach_mapped(r, 100, 1, 7);
	tell(r, TASK_FORKED, 100, 101); /* the end of the first was not heard */
	assert_int_equal(made, 2);
	reach_close(r);
	assert_int_equal(in_all(), 0);
}

/* Who was left out gets them as soon as the memory map answers again. */
static void nobody_gets_probes_while_a_memory_map_is_locked(void **state)
{
	static const enum reach_how hows[] = {REACH_CHOSEN, REACH_EVERYONE};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct reach *r = open_as(hows[i]);

		add(r, 7, 0x10);
		reach_mapped(r, 100, 1, 7);
		assert_int_equal(in_all(), 1);
		reach_hold(r, 4711);
		assert_int_equal(gaps, 0); /* nothing was left out yet */
		add(r, 8, 0x20);
		reach_mapped(r, 100, 1, 8);
		tell(r, TASK_FORKED, 101, 100);
		assert_int_equal(in_all(), 1);
		reach_hold(r, 4711);
		reach_hold(r, 4711);
		assert_int_equal(gaps, 1);
		reach_hold(r, 0);
		assert_int_equal(in_all(), hows[i] == REACH_CHOSEN ? 4 : 2);
		reach_hold(r, 0);
		assert_int_equal(made, hows[i] == REACH_CHOSEN ? 4 : 2);
		reach_close(r);
		assert_int_equal(in_all(), 0);
	}
}

static void what_is_ready_waits_for_the_command(void **state)
{
	struct reach *r = open_as(REACH_CHOSEN);

	(void)state;
	reach_make_ready(r);
	reach_join(r, 100);
	add(r, 7, 0x10);
	assert_int_equal(in(100, 0x10), 1);
	tell(r, TASK_FORKED, 102, 100);
	assert_int_equal(in(102, 0x10), 1);
	reach_close(r);
}

static void a_kernel_that_cannot_keep_to_them_says_so(void **state)
{
	struct reach *r = open_as(REACH_THEIR_FILES);

	(void)state;
	add(r, 7, 0x10);
	add(r, 8, 0x20);
	reach_mapped(r, 5, 1, 7);
	assert_int_equal(in_all() + (int)gaps, 0);
	reach_mapped(r, 100, 1, 8);
	assert_int_equal(in(0, 0x20), 1);
	assert_int_equal(in_all(), 1);
	assert_int_equal(gaps, 1);
	reach_close(r);
}

static void a_set_that_goes_takes_its_links_along(void **state)
{
	struct reach *r = open_as(REACH_CHOSEN);
	struct reach_set *set = add(r, 7, 0x10);

	(void)state;
	add(r, 7, 0x20);
	reach_mapped(r, 100, 1, 7);
	reach_mapped(r, 101, 1, 7);
	assert_true(reach_is_at(r, 7, 0x1f));
	reach_remove(set);
	assert_false(reach_is_at(r, 7, 0x1f));
	assert_true(reach_is_at(r, 7, 0x20));
	assert_int_equal(in(100, 0x10) + in(101, 0x10), 0);
	assert_int_equal(in_all(), 2);
	reach_gone(r, 1, 7); /* it has a set still */
	assert_true(reach_is_at(r, 7, 0x20));
	reach_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everyone_carries_probes_of_what_somebody_maps),
		cmocka_unit_test(only_the_selected_carry_them),
		cmocka_unit_test(a_child_carries_what_its_parent_and_others_map),
		cmocka_unit_test(another_thread_s_program_needs_links_anew),
		cmocka_unit_test(a_number_that_comes_back_is_another_process),
		cmocka_unit_test(nobody_gets_probes_while_a_memory_map_is_locked),
		cmocka_unit_test(what_is_ready_waits_for_the_command),
		cmocka_unit_test(a_kernel_that_cannot_keep_to_them_says_so),
		cmocka_unit_test(a_set_that_goes_takes_its_links_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
