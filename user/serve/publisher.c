/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * publisher.c - see publisher.h.
 */
#include "user/serve/publisher.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/serve/feed_wire.h"
#include "user/serve/harmless.h"

#define WIRE	   3
#define LISTENING  4
#define CLOSING_MS 500
#define SENDING_S  5

struct publisher {
	pid_t child;
	int wire;
	const struct page_table *table;
	void (*begin)(void);
	void *context;
	pthread_t thread;
	bool has_thread;
};

/* --- the process that serves -------------------------------------------------------------- */

static int (*confine_more)(void);

static int confine(void)
{
	return harmless_become(confine_more);
}

/* Ctrl-C reaches it, too, and must not end it before us: signals come in once they are ignored. */
static _Noreturn void serve_pages(const struct http_setup *setup, int wire, const sigset_t *before)
{
	const int kept[] = {wire, setup->listening};
	struct http_setup own = *setup;

	for (int sig = 1; sig < SIGRTMIN; sig++)
		signal(sig, SIG_IGN);
	sigprocmask(SIG_SETMASK, before, NULL);
	prctl(PR_SET_NAME, "dbleak-http");
	harmless_keep(WIRE, kept, 2);
	confine_more = setup->confine;
	own.confine = confine;
	own.wire = WIRE;
	own.listening = LISTENING;
	_exit(http_serve(&own) ? 1 : 0);
}

/* --- the process that watches ------------------------------------------------------------- */

static bool send_all(int wire, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		ssize_t n = send(wire, at, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		length -= (size_t)n;
	}
	return true;
}

/* False: nobody is there any more. */
static bool write_page(const struct publisher *s, uint32_t page)
{
	struct feed_answer head = {.error = -ENOENT};
	char *bytes = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&bytes, &length);
	bool sent;

	if (out && page < s->table->count)
		head.error = s->table->pages[page].write(out, s->context);
	if (!out || fclose(out)) {
		head.error = -ENOMEM;
		length = 0;
	}
	head.length = length;
	sent = send_all(s->wire, &head, sizeof(head)) && send_all(s->wire, bytes, length);
	free(bytes);
	return sent;
}

static void *write_pages(void *context)
{
	const struct publisher *s = context;
	struct feed_question question;

	prctl(PR_SET_NAME, "dbleak-pages");
	if (s->begin)
		s->begin();
	while (recv(s->wire, &question, sizeof(question), MSG_WAITALL) == sizeof(question))
		if (!write_page(s, question.page))
			break;
	shutdown(s->wire, SHUT_RDWR); /* the process ends, which publisher_is_alive tells */
	return NULL;
}

static int start_process(struct publisher *s, const struct http_setup *setup, int wire)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	s->child = fork();
	if (!s->child)
		serve_pages(setup, wire, &before);
	err = s->child < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}

int publisher_open(struct publisher **out, const struct http_setup *setup)
{
	struct publisher *s = calloc(1, sizeof(*s));
	const struct timeval patience = {.tv_sec = SENDING_S};
	int pair[2], err;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		err = -errno;
		free(s);
		return err;
	}
	setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	s->wire = pair[0];
	s->table = setup->table;
	err = start_process(s, setup, pair[1]);
	close(pair[1]);
	if (err) {
		publisher_close(s);
		return err;
	}
	close(setup->listening);
	*out = s;
	return 0;
}

int publisher_begin(struct publisher *s, void (*begin)(void), void *context)
{
	int err;

	s->begin = begin;
	s->context = context;
	err = pthread_create(&s->thread, NULL, write_pages, s);
	s->has_thread = !err;
	return -err;
}

bool publisher_is_alive(const struct publisher *s)
{
	siginfo_t info = {};

	return s->child > 0 && !waitid(P_PID, (id_t)s->child, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid;
}

pid_t publisher_pid(const struct publisher *s)
{
	return s->child;
}

static void end_child(pid_t child)
{
	for (int ms = 0; ms < CLOSING_MS && !waitpid(child, NULL, WNOHANG); ms += 10) {
		if (ms == CLOSING_MS / 2)
			kill(child, SIGKILL);
		poll(NULL, 0, 10);
	}
}

void publisher_close(struct publisher *s)
{
	if (!s)
		return;
	shutdown(s->wire, SHUT_RDWR);
	if (s->has_thread)
		pthread_join(s->thread, NULL);
	close(s->wire);
	if (s->child > 0)
		end_child(s->child);
	free(s);
}
