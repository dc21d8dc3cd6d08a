/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * top_frame.c - what a second of `dbleak top` costs with 1,000 processes and 10,000 connections.
 * Prints the milliseconds of the judge, of the rows and trends, and of a frame on 80 x 24 and on
 * 200 x 50: medians of several.
 */
#include "tests/bench/timing.h"
#include "tests/unit/support/crowd.h"
#include "user/top/display.h"

static double judge_and_take(struct display *d, double *judged, int i)
{
	double begin = now_ms();
	struct report_view *v = judge_view(story.model, &story.library);

	judged[i] = now_ms() - begin;
	begin = now_ms();
	if (!v || display_take(d, v))
		exit(2);
	return now_ms() - begin;
}

/* Of the chosen rows and of all that is drawn. */
static double frame(struct display *d, struct screen *s, size_t rows, size_t columns)
{
	double begin = now_ms();

	if (display_key(d, TOP_KEY_DOWN) || screen_size(s, rows, columns) || display_draw(d, s))
		exit(2);
	return now_ms() - begin;
}

int main(void)
{
	double judged[TIMES], taken[TIMES], small[TIMES], large[TIMES];
	struct screen screen = {.utf8 = true};
	struct display display = {};

	crowd_lives();
	for (int i = 0; i < TIMES; i++) {
		at(CROWD_SECONDS + i);
		taken[i] = judge_and_take(&display, judged, i);
		small[i] = frame(&display, &screen, 24, 80);
		large[i] = frame(&display, &screen, 50, 200);
	}
	printf("%.2f %.2f %.2f %.2f\n", median(judged), median(taken), median(small),
	       median(large));
	display_free(&display);
	screen_free(&screen);
	model_close(story.model);
	return 0;
}
