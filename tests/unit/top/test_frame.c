/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_frame.c - a large host is drawn in time: 1,000 processes with 10,000 connections.
 *
 * The bound is wide, for the sanitizers cost several times what is measured; tests/bench has the
 * figures of what users run.
 */
#include "tests/unit/support/crowd.h"

#include <time.h>

#include "user/top/display.h"

#define MS_MOST 2000

static double spent_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void a_large_host_is_judged_and_drawn_in_time(void **state)
{
	struct screen screen = {.utf8 = true};
	double begin, judged, drawn;
	struct display d = {};
	struct report_view *v;

	(void)state;
	crowd_lives();
	begin = spent_ms();
	v = judge_view(story.model, &story.library);
	judged = spent_ms();
	assert_non_null(v);
	assert_int_equal(v->process_count, CROWD_PROCESSES);
	assert_int_equal(v->processes[CROWD_PROCESSES / CROWD_LEAKERS - 1].verdict,
			 VERDICT_LEAKING);
	assert_int_equal(display_take(&d, v), 0);
	assert_int_equal(display_key(&d, 't'), 0);
	assert_int_equal(screen_size(&screen, 50, 200), 0);
	assert_int_equal(display_draw(&d, &screen), 0);
	drawn = spent_ms();
	print_message("1,000 processes, 10,000 connections: judged in %.1f ms, drawn in %.1f ms\n",
		      judged - begin, drawn - judged);
	assert_int_equal(d.rows.count, CROWD_PROCESSES);
	assert_true(drawn - begin < MS_MOST);
	display_free(&d);
	screen_free(&screen);
	model_close(story.model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_host_is_judged_and_drawn_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
