/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * scrape.c - what a scrape of `dbleak serve` costs with 200 programs of 10 connections: scrape N,
 * where one in N leaks them, and the others use theirs all the time.  Prints the milliseconds of
 * the judge and of the exposition, medians of several, and the number of series.
 */
#define PROGRAMS	  200U
#define EACH		  10U /* connections */
#define SECONDS		  20U
#define STORY_CONNECTIONS (PROGRAMS * EACH)

#include "tests/bench/timing.h"
#include "tests/unit/support/story.h"
#include "user/report/metrics.h"

/* Let in after 2 ms. */
static void program_opens(uint32_t id, uint32_t pid)
{
	opens(id, pid, pid);
	reported(id)->used_ns += 2000000;
	tell(id);
	shows_of(EV_AT_OPENED, id, 0,
		 through_sqlalchemy(pid, "/srv/shop/app/report.py", 40, "monthly"));
	uses(id);
	says(id, "SELECT * FROM orders WHERE month = ?");
}

/* A connection a second and program, up to ten. */
static void program_second(uint32_t program, uint32_t second, bool leaks)
{
	uint32_t first = program * EACH;

	if (second < EACH)
		program_opens(first + second, 1000 + program);
	for (uint32_t k = 0; !leaks && k <= second && k < EACH; k++)
		uses(first + k);
}

static void programs_live(uint32_t one_in)
{
	char comm[EV_COMM_LEN];

	story_begins();
	for (uint32_t i = 0; i < PROGRAMS; i++) {
		snprintf(comm, sizeof(comm), "service-%u", i);
		process_as(1000 + i, comm, EV_ROLE_CLIENT);
	}
	for (uint32_t second = 0; second < SECONDS; second++) {
		at(second);
		for (uint32_t i = 0; i < PROGRAMS; i++)
			program_second(i, second, i % one_in == 0);
	}
}

/* Lines that are no comment. */
static size_t samples_in(const char *text)
{
	size_t samples = 0;

	for (; *text; text = strchr(text, '\n') + 1)
		samples += *text != '#';
	return samples;
}

static size_t scrape(struct metrics_totals *totals, double *judged, double *told)
{
	double begin = now_ms();
	struct report_view *v = judge_view(story.model, &story.library);
	char *text = NULL;
	size_t size, samples;
	FILE *out = open_memstream(&text, &size);

	*judged = now_ms() - begin;
	begin = now_ms();
	if (!v || !out || report_metrics(out, v, METRICS_OPEN, totals) || fclose(out))
		exit(2);
	*told = now_ms() - begin;
	samples = samples_in(text);
	free(text);
	view_close(v);
	return samples;
}

int main(int argc, char **argv)
{
	uint32_t one_in = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	struct metrics_totals *totals = metrics_totals_open();
	double judged[TIMES], told[TIMES];
	size_t samples = 0;

	if (!one_in)
		return 2;
	programs_live(one_in);
	for (int i = 0; i < TIMES; i++) {
		at(SECONDS + (unsigned int)i);
		samples = scrape(totals, &judged[i], &told[i]);
	}
	printf("%.2f %.2f %zu\n", median(judged), median(told), samples);
	metrics_totals_close(totals);
	model_close(story.model);
	return 0;
}
