/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * births.c - see births.h.
 */
#include "user/capture/kernel/births.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct births {
	struct kernel *kernel;
	kernel_task_fn fn;
	void *context;
	pthread_t thread;
	int stop; /* an event: the thread is to end */
};

static void *births_tell(void *context)
{
	struct births *b = context;
	struct pollfd fds[] = {{.fd = kernel_tasks_fd(b->kernel), .events = POLLIN},
			       {.fd = b->stop, .events = POLLIN}};

	for (;;) {
		if (kernel_drain_tasks(b->kernel, b->fn, b->context))
			break;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			break;
	}
	return NULL;
}

/* Signals are for the thread that waits for them. */
static int births_begin(struct births *b)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&b->thread, NULL, births_tell, b);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

int births_open(struct births **out, struct kernel *kernel, kernel_task_fn fn, void *context)
{
	struct births *b = calloc(1, sizeof(*b));
	int err;

	*out = NULL;
	if (!b)
		return -ENOMEM;
	*b = (struct births){.kernel = kernel, .fn = fn, .context = context};
	b->stop = eventfd(0, EFD_CLOEXEC);
	err = b->stop < 0 ? -errno : births_begin(b);
	if (err) {
		if (b->stop >= 0)
			close(b->stop);
		free(b);
		return err;
	}
	*out = b;
	return 0;
}

void births_close(struct births *b)
{
	uint64_t one = 1;

	if (!b)
		return;
	if (write(b->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(b->thread, NULL);
	close(b->stop);
	free(b);
}
