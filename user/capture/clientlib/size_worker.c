/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * size_worker.c - the worker process that reads objects of client libraries: object_size.c behind a
 * socket.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "bpf/event.h"
#include "user/capture/clientlib/size_wire.h"
#include "user/capture/host/parser_worker.h"
#include "user/system/clock.h"

#define LOOK_NS	   5000000ULL	/* looks so close together share the pages they read */
#define ANSWER_NS  20000000ULL	/* objects that are left then wait for another question */
#define OBJECT_NS  300000000ULL /* for one object: memory may come slowly */
#define AHEAD	   16		/* objects whose first pages are read together */
#define AHEAD_SIZE 128		/* bytes of each */
#define BEFORE	   16		/* bytes before an object that tell of its block */

static struct {
	union {
		struct parser_head head;
		struct size_question objects;
		struct size_cache cache;
	} in;
	struct object_size size[SIZES_MOST];
} asked;

/* Reads the first pages of the next objects with one request, unless that is done. */
static void first_pages_ahead(const struct memory *m, const struct object_wanted *wanted, size_t n)
{
	uint64_t addresses[AHEAD];
	size_t i = 0;

	for (; i < n && i < AHEAD; i++)
		addresses[i] = wanted[i].address - BEFORE;
	memory_look_ahead(m, addresses, i, AHEAD_SIZE);
}

/* Memory that can be read until some time. */
struct timed {
	struct memory of;
	uint64_t end_ns;
};

static ssize_t timed_read(const struct memory *m, uint64_t address, void *to, size_t size)
{
	const struct timed *t = m->context;

	if (clock_monotonic_ns() > t->end_ns)
		return -ETIME;
	return t->of.read(&t->of, address, to, size);
}

static struct object_size timed_size(const struct memory *m, const struct object_wanted *wanted)
{
	const struct timed t = {*m, clock_monotonic_ns() + OBJECT_NS};
	const struct memory memory = {timed_read, &t, m->pid};
	struct object_size size = object_size(&memory, wanted);
	const struct object_size unknown = {UNKNOWN64, UNKNOWN64};

	return clock_monotonic_ns() > t.end_ns ? unknown : size;
}

static void answer_sizes(const struct size_question *q)
{
	uint64_t begun = clock_monotonic_ns();
	struct size_answer *m;
	size_t n = 0;

	do {
		struct memory memory = memory_for_look(q->pid, n ? LOOK_NS : 0);

		first_pages_ahead(&memory, &q->wanted[n], q->head.count - n);
		asked.size[n] = timed_size(&memory, &q->wanted[n]);
		n++;
	} while (n < q->head.count && clock_monotonic_ns() - begun < ANSWER_NS);
	m = parser_worker_add(SIZE_ANSWER, offsetof(struct size_answer, size[n]));
	m->head.count = (uint32_t)n;
	memcpy(m->size, asked.size, n * sizeof(m->size[0]));
	parser_worker_flush();
}

static void answer_cache(const struct size_cache *q)
{
	const struct memory memory = memory_for_look(q->pid, 0);
	uint32_t kib = sqlite_cache_kib(&memory, &q->wanted);
	struct parser_head *m = parser_worker_add(SIZE_CACHED, sizeof(*m));

	m->count = kib;
	parser_worker_flush();
}

static bool is_about_objects(const struct size_question *q, ssize_t size)
{
	return q->head.kind == SIZE_OBJECTS && q->head.count && q->head.count <= SIZES_MOST &&
	       size == (ssize_t)offsetof(struct size_question, wanted[q->head.count]);
}

/* A malformed question would be a bug in size_reader.c, so the worker may exit. */
static void size_run(int wire, int asking, void *shared)
{
	ssize_t got;

	(void)asking;
	(void)shared;
	parser_worker_begin(wire);
	while ((got = parser_worker_receive(&asked.in, sizeof(asked.in))) >=
	       (ssize_t)sizeof(asked.in.head)) {
		if (is_about_objects(&asked.in.objects, got))
			answer_sizes(&asked.in.objects);
		else if (asked.in.head.kind == SIZE_CACHE && got == (ssize_t)sizeof(asked.in.cache))
			answer_cache(&asked.in.cache);
		else
			return;
	}
}

const struct nursery_role size_role = {"dbleak-size", NULL, size_run};
