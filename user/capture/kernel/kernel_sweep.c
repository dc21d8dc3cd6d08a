/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_sweep.c - drains the rings, and hands over what iterators and walks tell.
 */
#include "user/capture/kernel/kernel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "dbleak.skel.h"
#include "user/capture/kernel/kernel_share.h"
#include "user/capture/kernel/kernel_state.h"
#include "user/system/clock.h"

static const struct {
	const char *iterator, *walk, *map;
} map_sweeps[KERNEL_SWEEPS] = {
	[SWEEP_STATEMENTS] = {"sweep_statements", "walk_statements", "statements"},
	[SWEEP_SITES] = {"sweep_sites", "walk_sites", "sites"},
	[SWEEP_LINKS] = {"sweep_links", "walk_links", "links"},
	[SWEEP_HANDLES] = {"sweep_handles", "walk_handles", "handles"},
};

int kernel_link_map_sweeps(struct kernel *k)
{
	int err = 0;

	if (feature_try(FEATURE_MAP_ITERATOR))
		return 0;
	for (int i = 0; i < KERNEL_SWEEPS && !err; i++)
		err = kernel_link_iterator(
			k, &k->sweeps[i], map_sweeps[i].iterator,
			bpf_object__find_map_by_name(k->skel->obj, map_sweeps[i].map));
	return err;
}

int kernel_drain(struct kernel *k, int timeout_ms, kernel_record_fn fn, void *context)
{
	int n;

	k->fn = fn;
	k->context = context;
	k->drain_end_ns = clock_monotonic_ns() + DRAIN_NS;
	n = timeout_ms ? ring_buffer__poll(k->ring, timeout_ms) : ring_buffer__consume(k->ring);
	k->drain_end_ns = 0;
	k->behind = n == -EAGAIN;
	return n == -EINTR || n == -EAGAIN ? 0 : n < 0 ? n : 0;
}

bool kernel_is_behind(const struct kernel *k)
{
	return k->behind;
}

int kernel_drain_tasks(struct kernel *k, kernel_task_fn fn, void *context)
{
	int n;

	k->task_fn = fn;
	k->task_context = context;
	n = ring_buffer__consume(k->tasks);
	return n < 0 ? n : 0;
}

int kernel_tasks_fd(const struct kernel *k)
{
	return ring_buffer__epoll_fd(k->tasks);
}

int kernel_ring_fd(const struct kernel *k)
{
	return ring_buffer__epoll_fd(k->ring);
}

/* Hands over the whole records in the buffer; returns the bytes of one that is cut. */
static size_t hand_over(char *buffer, size_t have, kernel_record_fn fn, void *context)
{
	size_t at = 0;

	while (have - at >= sizeof(struct ev_head)) {
		const struct ev_head *head = (const void *)(buffer + at);

		if (head->size < sizeof(*head) || head->size > have - at)
			break;
		fn(context, head);
		at += head->size;
	}
	memmove(buffer, buffer + at, have - at);
	return have - at;
}

int kernel_read_iterator(struct kernel *k, struct bpf_link *link, kernel_record_fn fn,
			 void *context)
{
	int fd = bpf_iter_create(bpf_link__fd(link)), err = 0;
	size_t have = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	for (;;) {
		n = read(fd, k->buffer + have, READ_BYTES - have);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		have = hand_over(k->buffer, have + n, fn, context);
	}
	if (n < 0)
		err = -errno;
	close(fd);
	return err;
}

int kernel_scan(struct kernel *k, uint32_t mode, kernel_record_fn fn, void *context)
{
	k->skel->bss->scan_mode = mode;
	return kernel_read_iterator(k, k->scan, fn, context);
}

/* Each round hands over the elements that did not fit into the ring in the round before.  A map
 * that fills faster than we read must not hold up the caller, so the next sweep takes the rest. */
static int walk_map(struct kernel *k, enum kernel_sweep which, kernel_record_fn fn, void *context)
{
	struct bpf_program *p = loaded_program(&k->loaded, map_sweeps[which].walk);
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int err, n;

	if (!p)
		return -ENOENT;
	k->fn = fn;
	k->context = context;
	for (int round = 0; round < WALKS_MOST; round++) {
		k->skel->bss->walk_full = 0;
		err = bpf_prog_test_run_opts(bpf_program__fd(p), &opts);
		if (err)
			return err;
		n = ring_buffer__consume(k->walked);
		if (n < 0 || !k->skel->bss->walk_full)
			return n < 0 ? n : 0;
	}
	return 0;
}

int kernel_sweep_map(struct kernel *k, enum kernel_sweep which, kernel_record_fn fn, void *context)
{
	return k->sweeps[which] ? kernel_read_iterator(k, k->sweeps[which], fn, context)
				: walk_map(k, which, fn, context);
}

int kernel_statements_forget(struct kernel *k, uint64_t connection, uint64_t before_ns)
{
	struct table_key key = {connection, 0};
	uint64_t *before = table_get(&k->forgotten, key), now = clock_boot_ns();

	if (before_ns > now) /* statements prepared from now on still count */
		before_ns = now;
	if (!before) {
		before = calloc(1, sizeof(*before));
		if (!before || table_put(&k->forgotten, key, before)) {
			free(before);
			return -ENOMEM;
		}
	}
	if (*before < before_ns)
		*before = before_ns;
	return 0;
}

/* Removes the statements of all connections to forget in one pass over the map, because a pass for
 * a single connection costs as much. */
static void forget_statements(struct kernel *k)
{
	DECLARE_LIBBPF_OPTS(bpf_map_batch_opts, opts);
	int fd = bpf_map__fd(k->skel->maps.statements), err = 0;
	struct ledger_statement *statements = (struct ledger_statement *)k->buffer;
	struct statement_key keys[FORGET_BATCH];
	uint32_t place = 0, count;
	void *from = NULL;

	if (!k->forgotten.count)
		return;
	while (!err) {
		count = FORGET_BATCH;
		err = bpf_map_lookup_batch(fd, from, &place, keys, statements, &count, &opts);
		if (err && err != -ENOENT)
			break;
		from = &place;
		for (uint32_t i = 0; i < count; i++) {
			uint64_t *before = table_get(&k->forgotten,
						     (struct table_key){keys[i].id, 0});

			if (before && statements[i].born_ns < *before &&
			    !bpf_map_delete_elem(fd, &keys[i]))
				kernel_share_give(k, EV_TABLE_STATEMENTS, statements[i].pid,
						  statements[i].born_ns);
		}
	}
	table_free_values(&k->forgotten);
}

int kernel_sweep(struct kernel *k, kernel_record_fn fn, void *context)
{
	int err;

	if (!k->tell_all && k->skel->data->births_allowed < BIRTHS_EACH_SWEEP)
		k->skel->data->births_allowed = BIRTHS_EACH_SWEEP;
	forget_statements(k);
	err = k->sweep_connections ? kernel_read_iterator(k, k->sweep_connections, fn, context)
				   : kernel_scan(k, SCAN_SWEEP, fn, context);
	return err ? err : kernel_sweep_map(k, SWEEP_STATEMENTS, fn, context);
}
