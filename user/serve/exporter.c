/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * exporter.c - see exporter.h.
 *
 * A document is a memory file whose descriptor goes to the child; one is under way at a time, and
 * the child answers with a status of HTTP or a negative errno.
 */
#include "user/serve/exporter.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/serve/harmless.h"
#include "user/system/clock.h"

#define CLOSING_MS 500
#define WIRE	   3

struct export_entry {
	int fd; /* of the memory file */
	size_t records;
};

struct exporter {
	pid_t child;
	int wire; /* negative: nothing is taken any more */
	bool waiting;
	struct export_entry queue[EXPORT_QUEUE]; /* the first one is under way if waiting */
	size_t count;
	uint64_t sent, lost;
	char why[128];
};

/* --- the child ---------------------------------------------------------------------------- */

/* The descriptor that comes with a packet; negative: the other end is gone. */
static int receive_document(int wire)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(wire, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	c = CMSG_FIRSTHDR(&message);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static _Noreturn void export_all(const struct export_target *t, int wire, const sigset_t *before,
				 int (*confine)(void))
{
	int fd;

	for (int sig = 1; sig < SIGRTMIN; sig++)
		signal(sig, SIG_IGN);
	sigprocmask(SIG_SETMASK, before, NULL);
	prctl(PR_SET_NAME, "dbleak-otlp");
	harmless_keep(WIRE, &wire, 1);
	if (harmless_become(confine))
		_exit(1);
	while ((fd = receive_document(WIRE)) >= 0) {
		int32_t status = post_document(t, fd, WIRE);

		close(fd);
		if (send(WIRE, &status, sizeof(status), MSG_NOSIGNAL) != sizeof(status))
			break;
	}
	_exit(0);
}

/* --- our side ----------------------------------------------------------------------------- */

int exporter_open(struct exporter **out, const struct export_target *t, int (*confine)(void))
{
	struct exporter *e = calloc(1, sizeof(*e));
	sigset_t all, before;
	int pair[2], err;

	*out = NULL;
	if (!e)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		err = -errno;
		free(e);
		return err;
	}
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	e->child = fork();
	if (!e->child)
		export_all(t, pair[1], &before, confine);
	err = e->child < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(pair[1]);
	e->wire = pair[0];
	if (err) {
		exporter_close(e);
		return err;
	}
	*out = e;
	return 0;
}

static void lose(struct exporter *e, size_t records, const char *why)
{
	e->lost += records;
	snprintf(e->why, sizeof(e->why), "%s", why);
}

static int memory_file(const char *text, size_t length)
{
	int fd = memfd_create("dbleak-otlp", MFD_CLOEXEC);

	while (fd >= 0 && length) {
		ssize_t n = write(fd, text, length);

		if (n <= 0) {
			close(fd);
			return -1;
		}
		text += n;
		length -= (size_t)n;
	}
	return fd;
}

void exporter_offer(struct exporter *e, const char *text, size_t length, size_t records)
{
	struct export_entry entry = {.fd = -1, .records = records};

	exporter_step(e);
	if (e->wire >= 0 && e->count < EXPORT_QUEUE && length <= EXPORT_MOST)
		entry.fd = memory_file(text, length);
	if (entry.fd < 0) {
		lose(e, records,
		     e->wire < 0 ? "the process that sends has ended" : "too many wait");
		return;
	}
	e->queue[e->count++] = entry;
	exporter_step(e);
}

static void drop_first(struct exporter *e)
{
	close(e->queue[0].fd);
	memmove(e->queue, e->queue + 1, --e->count * sizeof(e->queue[0]));
	e->waiting = false;
}

static void hang_up_export(struct exporter *e)
{
	if (e->wire >= 0)
		close(e->wire);
	e->wire = -1;
	while (e->count) {
		lose(e, e->queue[0].records, "the process that sends has ended");
		drop_first(e);
	}
}

static void note_answer(struct exporter *e, int32_t status)
{
	char why[64];

	if (status >= 200 && status < 300) {
		e->sent += e->queue[0].records;
	} else {
		snprintf(why, sizeof(why), "status %d of HTTP", (int)status);
		lose(e, e->queue[0].records, status < 0 ? strerror(-status) : why);
	}
	drop_first(e);
}

static void take_answer(struct exporter *e)
{
	int32_t status;
	ssize_t n = recv(e->wire, &status, sizeof(status), MSG_DONTWAIT);

	if (n == sizeof(status))
		note_answer(e, status);
	else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		hang_up_export(e);
}

static void send_first(struct exporter *e)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	char byte = 0;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &e->queue[0].fd, sizeof(int));
	if (sendmsg(e->wire, &message, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		hang_up_export(e);
	else
		e->waiting = true;
}

void exporter_step(struct exporter *e)
{
	if (e->wire >= 0 && e->waiting)
		take_answer(e);
	if (e->wire >= 0 && e->count && !e->waiting)
		send_first(e);
}

void exporter_drain(struct exporter *e, int timeout_ms)
{
	uint64_t until = clock_monotonic_ms() + (uint64_t)timeout_ms;

	for (exporter_step(e); e->count; exporter_step(e)) {
		struct pollfd fd = {.fd = e->wire, .events = POLLIN};
		uint64_t now = clock_monotonic_ms();

		if (now >= until)
			break;
		poll(&fd, 1, (int)(until - now));
	}
	while (e->count) {
		lose(e, e->queue[0].records, "the collector did not answer in time");
		drop_first(e);
	}
}

uint64_t exporter_sent(const struct exporter *e)
{
	return e->sent;
}

uint64_t exporter_lost(const struct exporter *e, const char **why)
{
	*why = e->why;
	return e->lost;
}

pid_t exporter_pid(const struct exporter *e)
{
	return e->child;
}

void exporter_close(struct exporter *e)
{
	if (!e)
		return;
	hang_up_export(e);
	if (e->child > 0)
		for (int ms = 0; ms < CLOSING_MS && !waitpid(e->child, NULL, WNOHANG); ms += 10) {
			if (ms == CLOSING_MS / 2)
				kill(e->child, SIGKILL);
			poll(NULL, 0, 10);
		}
	free(e);
}
