/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * exports.c - what files for other tools cost: exports STACKS FRAMES.  Prints the seconds in which
 * the profile, the folded stacks and the file for speedscope were written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "user/report/folded.h"
#include "user/report/pprof.h"
#include "user/report/speedscope.h"

#define FUNCTIONS 5000 /* of a large program */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static struct frame_view *functions(void)
{
	struct frame_view *all = calloc(FUNCTIONS, sizeof(*all));

	for (uint32_t i = 0; all && i < FUNCTIONS; i++) {
		char *function = NULL, *file = NULL;

		if (asprintf(&function, "handle_request_of_kind_%u", i) < 0 ||
		    asprintf(&file, "/srv/shop/app/modules/module_%u.py", i / 20) < 0)
			return NULL;
		all[i] = (struct frame_view){.language = EV_LANG_PYTHON,
					     .function = function,
					     .file = file,
					     .line = 1 + i % 700};
	}
	return all;
}

/* Stacks that differ, each with frames of its own, as the judge copies them. */
static bool fill(struct held *h, size_t stacks, size_t depth, const struct process_view *p)
{
	struct frame_view *code = functions(), *frames = calloc(stacks * depth, sizeof(*frames));
	unsigned int seed = 1;

	h->all = calloc(stacks, sizeof(*h->all));
	for (size_t i = 0; code && frames && h->all && i < stacks; i++) {
		for (size_t k = 0; k < depth; k++)
			frames[i * depth + k] = code[(size_t)rand_r(&seed) % FUNCTIONS];
		h->all[i] = (struct held_view){.process = p,
					       .endpoint = "10.0.0.5:5432/shop as app",
					       .server = "10.0.0.5:5432",
					       .site = &frames[i * depth],
					       .stack = &frames[i * depth],
					       .stack_count = depth,
					       .count = {1 + i % 7, i % 2, i % 3, 4096 * i}};
	}
	h->count = stacks;
	return code && frames && h->all;
}

static bool measure(const struct report_view *v, const struct held *h,
		    int (*write)(FILE *, const struct report_view *, const struct held *))
{
	FILE *out = tmpfile();
	double start = now();
	int err = out ? write(out, v, h) : -1;

	if (err || fflush(out))
		return false;
	printf("%.3f\n", now() - start);
	fclose(out);
	return true;
}

int main(int argc, char **argv)
{
	struct process_view p = {.pid = 4711, .comm = "python3"};
	struct report_view v = {.processes = &p, .process_count = 1, .seconds = 60};
	struct held h = {0};

	if (argc != 3 || !fill(&h, strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10), &p)) {
		fprintf(stderr, "usage: exports STACKS FRAMES\n");
		return 2;
	}
	return !(measure(&v, &h, report_pprof) && measure(&v, &h, report_folded) &&
		 measure(&v, &h, report_speedscope));
}
