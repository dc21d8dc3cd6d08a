/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * replay.c - what a model costs: replay FILE.  Prints the seconds of reading and applying the whole
 * recording, and by how many bytes the resident memory grew.  No judge, no report.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user/judge/forget.h"
#include "user/model/model.h"
#include "user/record/recording.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static unsigned long long resident(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%*u %llu", &pages) != 1)
		perror("/proc/self/statm");
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static int apply_all(struct model *m, struct recording *r)
{
	const struct ev_head *record;
	int n, err = 0;

	while ((n = recording_next(r, &record)) > 0 && !err)
		err = judge_apply(m, record);
	return err ? err : n;
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
	struct model *m = model_open();
	struct recording *r = NULL;
	unsigned long long before;
	double start;
	int err;

	if (!file || !m || recording_open_read(&r, file)) {
		fprintf(stderr, "usage: replay FILE\n");
		return 2;
	}
	before = resident();
	start = now();
	err = apply_all(m, r);
	printf("%.6f %llu\n", now() - start, resident() - before);
	if (err)
		fprintf(stderr, "replay: %s\n", strerror(-err));
	recording_close(r);
	model_close(m);
	return err ? 1 : 0;
}
