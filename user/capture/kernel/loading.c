/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * loading.c - see loading.h.
 */
#include "user/capture/kernel/loading.h"

#include <bpf/libbpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

struct loading {
	struct bpf_object *object;
	pthread_t thread;
	int err;
	atomic_bool done;
};

static void *loading_load(void *context)
{
	struct loading *l = context;

	l->err = bpf_object__load(l->object);
	atomic_store(&l->done, true);
	return NULL;
}

struct loading *loading_begin(struct bpf_object *object)
{
	struct loading *l = calloc(1, sizeof(*l));
	sigset_t all, before;
	int err;

	if (!l)
		return NULL;
	l->object = object;
	/* Block all signals in the new thread: they must wake the thread that waits in poll(2). */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&l->thread, NULL, loading_load, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!err)
		return l;
	free(l);
	return NULL;
}

bool loading_is_done(const struct loading *l)
{
	return atomic_load(&l->done);
}

int loading_end(struct loading *l)
{
	int err;

	pthread_join(l->thread, NULL);
	err = l->err;
	free(l);
	return err;
}
