/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * map_making.c - see map_making.h.
 */
#include "user/capture/kernel/map_making.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define LARGE_MAP    (256 << 10) /* bytes from which a map is made here */
#define LARGE_MOST   64		 /* maps; further ones are left to libbpf */
#define BUCKET_BYTES 16		 /* struct bucket of the kernel's kernel/bpf/hashtab.c */
#define ELEMENT_HEAD 48		 /* struct htab_elem, before the key */

struct large_map {
	struct bpf_map *map;
	uint64_t bytes;
	int fd; /* -1: not made */
};

struct map_making {
	struct large_map maps[LARGE_MOST];
	size_t count;
	atomic_size_t next;
};

static uint64_t rounded_up(uint64_t n)
{
	uint64_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

uint64_t map_making_bytes(const struct bpf_map *m)
{
	uint64_t entries = bpf_map__max_entries(m);
	uint64_t entry = ELEMENT_HEAD + bpf_map__key_size(m) + bpf_map__value_size(m);

	if (bpf_map__is_internal(m)) /* libbpf fills those itself */
		return 0;
	switch (bpf_map__type(m)) {
	case BPF_MAP_TYPE_RINGBUF:
		return entries;
	case BPF_MAP_TYPE_ARRAY:
		return entries * bpf_map__value_size(m);
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
		return rounded_up(entries) * BUCKET_BYTES +
		       (bpf_map__map_flags(m) & BPF_F_NO_PREALLOC ? 0 : entries * entry);
	default:
		return 0;
	}
}

static int by_bytes(const void *a, const void *b)
{
	const struct large_map *x = a, *y = b;

	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static void map_make(struct large_map *l)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = bpf_map__map_flags(l->map));

	l->fd = bpf_map_create(bpf_map__type(l->map), bpf_map__name(l->map),
			       bpf_map__key_size(l->map), bpf_map__value_size(l->map),
			       bpf_map__max_entries(l->map), &opts);
}

/* Makes the next largest map that nobody makes yet, until none is left. */
static void *make_next(void *context)
{
	struct map_making *work = context;
	size_t i;

	while ((i = atomic_fetch_add(&work->next, 1)) < work->count)
		map_make(&work->maps[i]);
	return NULL;
}

static bool begin_other(pthread_t *other, struct map_making *work)
{
	sigset_t all, before;
	int err;

	/* Block all signals in the new thread: they must wake the thread that waits in poll(2). */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(other, NULL, make_next, work);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !err;
}

static void map_hand_over(struct large_map *l)
{
	if (l->fd < 0)
		return;
	bpf_map__reuse_fd(l->map, l->fd);
	close(l->fd);
}

void map_making_do(struct bpf_object *object)
{
	struct map_making work = {.count = 0};
	struct bpf_map *m;
	pthread_t other;
	bool two;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	bpf_object__for_each_map(m, object) if (map_making_bytes(m) >= LARGE_MAP &&
						work.count < LARGE_MOST)
		work.maps[work.count++] = (struct large_map){m, map_making_bytes(m), -1};
	qsort(work.maps, work.count, sizeof(work.maps[0]), by_bytes);
	two = begin_other(&other, &work);
	make_next(&work);
	if (two)
		pthread_join(other, NULL);
	for (size_t i = 0; i < work.count; i++)
		map_hand_over(&work.maps[i]);
}
