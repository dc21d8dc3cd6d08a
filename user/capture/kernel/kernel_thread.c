/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_thread.c - see kernel_thread.h.
 */
#include "user/capture/kernel/kernel_thread.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "dbleak.skel.h"
#include "user/capture/kernel/kernel_skel.h"
#include "user/capture/kernel/kernel_state.h"

struct kernel_threads {
	struct kernel *kernel;
	struct bpf_link *threads, *sockets; /* NULL: not linked yet */
	void (*on_thread)(void *context, const struct raw_thread *thread);
	void (*on_socket)(void *context, const struct raw_socket *socket);
	void *context;
};

int kernel_threads_open(struct kernel_threads **out, struct kernel *kernel)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->kernel = kernel;
	return 0;
}

void kernel_threads_close(struct kernel_threads *t)
{
	if (!t)
		return;
	bpf_link__destroy(t->threads);
	bpf_link__destroy(t->sockets);
	free(t);
}

void kernel_threads_begin(struct kernel_threads *t)
{
	kernel_more_begin(t->kernel, MORE_THREADS);
}

static int threads_link(struct kernel_threads *t)
{
	const struct dbleak *more;
	int err;

	if (t->threads && t->sockets)
		return 0;
	err = kernel_more_try(t->kernel, MORE_THREADS);
	if (err)
		return err;
	more = kernel_more(t->kernel, MORE_THREADS);
	if (!t->threads)
		t->threads = bpf_program__attach_iter(more->progs.look_threads, NULL);
	if (t->threads && !t->sockets)
		t->sockets = bpf_program__attach_iter(more->progs.look_sockets, NULL);
	return t->threads && t->sockets ? 0 : -errno;
}

static int threads_map(struct kernel_threads *t, const char *name)
{
	return bpf_object__find_map_fd_by_name(kernel_skeleton(t->kernel)->obj, name);
}

/* Enters keys into a map for one pass.  Returns how many; fewer than n: *err says why. */
static size_t ask_for(int map, const void *keys, size_t size, size_t n, int *err)
{
	const uint8_t one = 1;
	size_t asked = 0;

	while (asked < n && !*err) {
		*err = bpf_map_update_elem(map, (const char *)keys + asked * size, &one, BPF_ANY);
		asked += !*err;
	}
	return asked;
}

static void ask_no_more(int map, const void *keys, size_t size, size_t asked)
{
	while (asked-- > 0)
		bpf_map_delete_elem(map, (const char *)keys + asked * size);
}

static void thread_seen(void *context, const struct ev_head *record)
{
	const struct kernel_threads *t = context;

	if (record->kind == RAW_THREAD && record->size == sizeof(struct raw_thread))
		t->on_thread(t->context, (const void *)record);
}

int kernel_threads_look(struct kernel_threads *t, const uint32_t *pids, size_t n,
			void (*fn)(void *context, const struct raw_thread *thread), void *context)
{
	int map = threads_map(t, "thread_processes"), err = threads_link(t);
	size_t asked = ask_for(map, pids, sizeof(*pids), n, &err);

	t->on_thread = fn;
	t->context = context;
	if (!err)
		err = kernel_read_iterator(t->kernel, t->threads, thread_seen, t);
	ask_no_more(map, pids, sizeof(*pids), asked);
	return err;
}

static void socket_seen(void *context, const struct ev_head *record)
{
	const struct kernel_threads *t = context;

	if (record->kind == RAW_SOCKET && record->size == sizeof(struct raw_socket))
		t->on_socket(t->context, (const void *)record);
}

int kernel_threads_sockets(struct kernel_threads *t, const uint32_t *pids, size_t n,
			   const struct thread_file *files, size_t file_count,
			   void (*fn)(void *context, const struct raw_socket *socket),
			   void *context)
{
	int processes = threads_map(t, "thread_processes"), map = threads_map(t, "thread_files");
	int err = threads_link(t);
	size_t asked = ask_for(processes, pids, sizeof(*pids), n, &err);
	size_t asked_files = ask_for(map, files, sizeof(*files), file_count, &err);

	t->on_socket = fn;
	t->context = context;
	if (!err)
		err = kernel_read_iterator(t->kernel, t->sockets, socket_seen, t);
	ask_no_more(processes, pids, sizeof(*pids), asked);
	ask_no_more(map, files, sizeof(*files), asked_files);
	return err;
}
