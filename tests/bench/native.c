/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * native.c - what unwinding and naming costs when all places are known: native PROGRAM SECONDS.
 * PROGRAM is tests/unit/programs/stack.c.  Prints the milliseconds that the first stack took; how
 * many a second one core does, of the processor time of both sides, asking and answering; frames
 * and bytes of each; and the worker's resident memory in MB.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/stack/native/native.h"
#include "user/capture/stack/native/native_wire.h"
#include "user/capture/host/procfs.h"

static struct nursery *nursery;
static size_t frames;

static void count_frames(void *context, const struct native_answer *answer)
{
	(void)context;
	frames += answer->count;
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double spent(struct native *n)
{
	return seconds(CLOCK_PROCESS_CPUTIME_ID) + (double)native_counts(n).cpu_ns / 1e9;
}

static uint64_t start_of(uint32_t pid)
{
	struct process_facts facts = {.start_ns = 0};
	struct procfs *p;

	if (!procfs_open(&p, "")) {
		procfs_facts(p, pid, &facts);
		procfs_close(p);
	}
	return facts.start_ns;
}

static FILE *start(const char *program, struct raw_stack *raw, int *in)
{
	int pipes[2][2];
	FILE *out;

	if (pipe2(pipes[0], O_CLOEXEC) || pipe2(pipes[1], O_CLOEXEC))
		return NULL;
	if (!fork()) {
		dup2(pipes[0][0], 0);
		dup2(pipes[1][1], 1);
		execl(program, program, "plain", (char *)NULL);
		_exit(127);
	}
	close(pipes[0][0]);
	close(pipes[1][1]);
	*in = pipes[0][1];
	out = fdopen(pipes[1][0], "r");
	if (!out || fread(raw, sizeof(*raw), 1, out) != 1)
		return NULL;
	raw->start_ns = start_of(raw->pid);
	return out;
}

static void one(struct native *n, struct raw_stack *raw)
{
	double begun = seconds(CLOCK_MONOTONIC);

	native_stack(n, raw);
	native_flush(n, 10000, count_frames, NULL);
	printf("%.1f ", 1e3 * (seconds(CLOCK_MONOTONIC) - begun));
}

static void many(struct native *n, struct raw_stack *raw, double length)
{
	double end = seconds(CLOCK_MONOTONIC) + length, before = spent(n);
	struct native_counts first = native_counts(n), last;
	struct pollfd wait = {native_fd(n), POLLIN, 0};

	frames = 0;
	while (seconds(CLOCK_MONOTONIC) < end) {
		for (int i = 0; i < 64; i++)
			native_stack(n, raw);
		poll(&wait, 1, 1);
		native_step(n, count_frames, NULL);
	}
	native_flush(n, 10000, count_frames, NULL);
	last = native_counts(n);
	before = spent(n) - before;
	printf("%.0f ", (double)(last.answered - first.answered) / before);
	printf("%.1f ", (double)frames / (double)(last.answered - first.answered));
	printf("%u %.1f\n", raw->length, (double)last.rss_bytes / 1e6);
}

static int open_native(struct native **out)
{
	static const struct nursery_role *const roles[] = {[NURSERY_NATIVE] = &native_role};
	int err = nursery_open(&nursery, roles, 1);

	return err ? err : native_open(out, nursery);
}

int main(int argc, char **argv)
{
	static struct raw_stack raw;
	struct native *n;
	FILE *out = NULL;
	int in = -1;

	if (argc == 3)
		out = start(argv[1], &raw, &in);
	if (!out || open_native(&n)) {
		fprintf(stderr, "usage: native PROGRAM SECONDS\n");
		return 2;
	}
	one(n, &raw);
	many(n, &raw, atof(argv[2]));
	native_close(n);
	nursery_close(nursery);
	close(in);
	fclose(out);
	while (wait(NULL) > 0)
		;
	return 0;
}
