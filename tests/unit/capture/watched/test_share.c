/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Whose entries found no room in the tables of the kernel half, and who has most of a full one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "user/capture/kernel/kernel_room.h"
#include "user/capture/kernel/kernel_share.h"
#include "user/capture/watched/owner.h"
#include "user/capture/watched/share.h"

#define GREEDY 7
#define SMALL  8

static struct owner owners[16];
static struct ev_unfollowed reported;
static struct ev_gap gap;
static int unfollowed, gaps;

void capture_head(struct ev_head *head, uint16_t kind, uint16_t size)
{
	*head = (struct ev_head){.ns = 1, .kind = kind, .size = size};
}

void capture_tell(struct capture *c, const struct ev_head *record)
{
	(void)c;
	if (record->kind == EV_UNFOLLOWED) {
		reported = *(const struct ev_unfollowed *)record;
		unfollowed++;
	} else if (record->kind == EV_GAP) {
		gap = *(const struct ev_gap *)record;
		gaps++;
	}
}

struct owner *owner_of(struct capture *c, uint32_t pid, uint64_t start_ns, const char *comm)
{
	(void)c, (void)start_ns, (void)comm;
	return &owners[pid];
}

uint32_t kernel_room(enum ev_table table)
{
	(void)table;
	return 1000;
}

uint32_t kernel_share(const struct kernel *k, enum ev_table table)
{
	(void)k;
	return 100 + table;
}

static int begin(void **state)
{
	(void)state;
	memset(owners, 0, sizeof(owners));
	unfollowed = gaps = 0;
	return 0;
}

static void a_process_is_told_of_when_more_was_refused(void **state)
{
	struct capture c = {};
	struct process p = {.start_ns = 5};

	(void)state;
	share_look(&c, GREEDY, &p);
	assert_int_equal(unfollowed, 0);
	p.refused[EV_TABLE_SITES] = 3;
	share_look(&c, GREEDY, &p);
	share_look(&c, GREEDY, &p);
	assert_int_equal(unfollowed, 1);
	assert_int_equal(reported.pid, GREEDY);
	assert_int_equal(reported.start_ns, 5);
	assert_int_equal(reported.refused[EV_TABLE_SITES], 3);
	assert_int_equal(reported.share[EV_TABLE_SITES], 100 + EV_TABLE_SITES);
	p.unsent = 2;
	share_look(&c, GREEDY, &p);
	assert_int_equal(unfollowed, 2);
	assert_int_equal(reported.unsent, 2);
	shares_tell(&c);
	assert_int_equal(gaps, 0); /* no table is full */
}

static void a_full_table_is_told_of_once_with_who_has_most(void **state)
{
	struct process greedy = {.start_ns = 5}, small = {.start_ns = 6};
	struct capture c = {};

	(void)state;
	greedy.held[EV_TABLE_OBJECTS] = 900;
	small.held[EV_TABLE_OBJECTS] = 100;
	small.refused[EV_TABLE_OBJECTS] = small.crowded[EV_TABLE_OBJECTS] = 1;
	for (int i = 0; i < 2; i++) {
		share_look(&c, GREEDY, &greedy);
		share_look(&c, SMALL, &small);
		shares_tell(&c);
	}
	assert_int_equal(gaps, 1);
	assert_int_equal(gap.pid, GREEDY);
	assert_int_equal(gap.start_ns, 5);
	assert_non_null(strstr(gap.text, "this process uses 900"));
	assert_int_equal(reported.pid, SMALL);
}

static void many_with_little_each_are_not_named(void **state)
{
	struct process small = {.start_ns = 6};
	struct capture c = {};

	(void)state;
	small.held[EV_TABLE_STATEMENTS] = 10;
	small.refused[EV_TABLE_STATEMENTS] = small.crowded[EV_TABLE_STATEMENTS] = 1;
	share_look(&c, SMALL, &small);
	shares_tell(&c);
	assert_int_equal(gaps, 1);
	assert_int_equal(gap.pid, 0);
	assert_non_null(strstr(gap.text, "by many processes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_process_is_told_of_when_more_was_refused, begin),
		cmocka_unit_test_setup(a_full_table_is_told_of_once_with_who_has_most, begin),
		cmocka_unit_test_setup(many_with_little_each_are_not_named, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
