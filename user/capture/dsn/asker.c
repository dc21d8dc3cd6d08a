/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * asker.c - see asker.h.
 */
#include "user/capture/dsn/asker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/capture/dsn/ask_server.h"
#include "user/capture/dsn/dsn.h"
#include "user/capture/worker/kin.h"
#include "user/system/clock.h"
#include "user/system/debug.h"
#include "user/system/host_library.h"

#define NOBODY	    65534
#define WIRE	    3
#define CLOSING_MS  500
#define MEMORY_MOST (256UL << 20) /* of the child: a server may send without end */
#define OPEN_MOST   64

struct asker {
	pid_t child;
	int wire; /* negative: closed, no answer will come */
	uint8_t database;
	bool waiting;
	uint32_t number;
	uint64_t until_ms;
	size_t count;
	struct ask_row *rows; /* ASK_ROWS_MOST */
};

/* --- both engines ------------------------------------------------------------------------- */

void ask_copy(char *to, size_t size, const char *from, size_t length)
{
	if (length >= size)
		length = size - 1;
	memcpy(to, from, length);
	memset(to + length, 0, size - length);
}

void ask_fail(struct ask_end *end, const char *why)
{
	end->failed = 1;
	ask_copy(end->words, sizeof(end->words), why, strlen(why));
}

bool ask_address(const char *text, uint8_t address[16])
{
	memset(address, 0, 16);
	if (!strcmp(text, "localhost"))
		text = "127.0.0.1";
	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	memset(address, 0, 16);
	address[10] = address[11] = 0xff;
	return inet_pton(AF_INET, text, address + 12) == 1;
}

void *ask_library(const char *const *names)
{
	void *library = NULL;

	for (; *names && !library; names++)
		library = host_library_open(*names);
	return library;
}

static uint16_t read_end(const struct sockaddr_storage *from, uint8_t address[16])
{
	const struct sockaddr_in *four = (const void *)from;
	const struct sockaddr_in6 *six = (const void *)from;

	memset(address, 0, 16);
	if (from->ss_family == AF_INET6) {
		memcpy(address, &six->sin6_addr, 16);
		return ntohs(six->sin6_port);
	}
	if (from->ss_family != AF_INET)
		return 0;
	address[10] = address[11] = 0xff;
	memcpy(address + 12, &four->sin_addr, 4);
	return ntohs(four->sin_port);
}

void ask_note_server(struct ask_end *end, int fd)
{
	struct sockaddr_storage far = {}, near = {};
	socklen_t far_size = sizeof(far), near_size = sizeof(near);
	uint8_t ours[16];

	if (getpeername(fd, (struct sockaddr *)&far, &far_size) ||
	    getsockname(fd, (struct sockaddr *)&near, &near_size))
		return;
	end->port = read_end(&far, end->address);
	read_end(&near, ours);
	/* A host that talks to itself has one address at both ends. */
	end->local = far.ss_family == AF_UNIX || !memcmp(ours, end->address, sizeof(ours));
}

/* --- the child ---------------------------------------------------------------------------- */

static bool send_packet(int wire, const void *packet, size_t size)
{
	ssize_t sent;

	do
		sent = send(wire, packet, size, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)size;
}

static bool send_row(struct ask_sink *sink, struct ask_row *row)
{
	row->packet = ASK_ROW;
	row->number = sink->number;
	return send_packet(sink->wire, row, sizeof(*row));
}

/* Without a right to change its user the child stays who we are. */
static void become_nobody(void)
{
	if (geteuid())
		return;
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(1);
}

static void close_all_but(int wire)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < WIRE && null >= 0; fd++)
		dup2(null, fd);
	if (dup2(wire, WIRE) < 0)
		_exit(1);
	syscall(SYS_close_range, WIRE + 1, ~0U, 0);
}

static void limit_child(int what, rlim_t most)
{
	const struct rlimit limit = {most, most};

	setrlimit(what, &limit);
}

static void limit_resources(void)
{
	limit_child(RLIMIT_CORE, 0);
	limit_child(RLIMIT_FSIZE, 0);
	limit_child(RLIMIT_NOFILE, OPEN_MOST);
#ifndef __SANITIZE_ADDRESS__ /* the sanitizer's shadow memory takes terabytes */
	limit_child(RLIMIT_DATA, MEMORY_MOST);
#endif
}

static void default_signals(void)
{
	for (int sig = 1; sig < SIGRTMIN; sig++)
		signal(sig, sig == SIGALRM ? SIG_DFL : SIG_IGN);
}

/* A library loaded later than this finds no file that only root may read. */
static _Noreturn void serve(int wire, const char *url, int (*confine)(void))
{
	const struct ask_engine *engine = dsn_database(url) == EV_DB_MYSQL ? &ask_mysql
									   : &ask_postgresql;
	const char *lacks;
	uint32_t number;

	default_signals();
	prctl(PR_SET_NAME, "dbleak-dsn");
	close_all_but(wire);
	setenv("HOME", "/nonexistent", 1);
	lacks = engine->load();
	limit_resources();
	become_nobody();
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (confine && confine())
		_exit(1);
	while (read(WIRE, &number, sizeof(number)) == sizeof(number)) {
		struct ask_sink sink = {.row = send_row, .wire = WIRE, .number = number};
		struct ask_end end = {.packet = ASK_END, .number = number};

		alarm(ASK_MS / 1000 + 1); /* the last resort: a library that does not return */
		if (lacks)
			ask_fail(&end, lacks);
		else
			engine->ask(url, &sink, &end);
		alarm(0);
		if (!send_packet(WIRE, &end, sizeof(end)))
			break;
	}
	_exit(0);
}

/* --- the parent --------------------------------------------------------------------------- */

int asker_open(struct asker **out, const char *url, int (*confine)(void))
{
	struct asker *a = calloc(1, sizeof(*a));
	int pair[2], err;

	*out = NULL;
	if (!a)
		return -ENOMEM;
	a->rows = calloc(ASK_ROWS_MOST, sizeof(*a->rows));
	if (!a->rows || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		err = a->rows ? -errno : -ENOMEM;
		free(a->rows);
		free(a);
		return err;
	}
	a->child = fork();
	if (!a->child)
		serve(pair[1], url, confine);
	err = a->child < 0 ? -errno : 0;
	close(pair[1]);
	a->wire = pair[0];
	a->database = dsn_database(url);
	if (err) {
		asker_close(a);
		return err;
	}
	*out = a;
	return 0;
}

static void hang_up(struct asker *a)
{
	if (a->wire >= 0)
		close(a->wire);
	a->wire = -1;
}

/* A child that waits for a server is killed: nobody waits for its answer any more. */
void asker_close(struct asker *a)
{
	if (!a)
		return;
	hang_up(a);
	if (a->child > 0) {
		if (a->waiting)
			kill(a->child, SIGKILL);
		for (int ms = 0; ms < CLOSING_MS && !waitpid(a->child, NULL, WNOHANG); ms += 10) {
			if (ms == CLOSING_MS / 2)
				kill(a->child, SIGKILL);
			poll(NULL, 0, 10);
		}
	}
	free(a->rows);
	free(a);
}

void asker_ask(struct asker *a)
{
	if (a->waiting)
		return;
	a->number++;
	a->count = 0;
	a->waiting = true;
	a->until_ms = clock_monotonic_ms() + ASK_MS;
	if (a->wire >= 0 && send(a->wire, &a->number, sizeof(a->number),
				 MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(a->number))
		hang_up(a);
}

bool asker_is_waiting(const struct asker *a)
{
	return a->waiting;
}

static void ask_end_text(char *text, size_t size)
{
	text[size - 1] = '\0';
}

/* Texts of the child end, whatever it sent. */
static void ask_row_check(struct ask_row *row)
{
	ask_end_text(row->user, sizeof(row->user));
	ask_end_text(row->name, sizeof(row->name));
	ask_end_text(row->application, sizeof(row->application));
	ask_end_text(row->text, sizeof(row->text));
	if (row->status > EV_STATUS_FAILED)
		row->status = EV_STATUS_UNKNOWN;
}

/* Packets of earlier questions are dropped.  True: the end is there. */
static bool take_packet(struct asker *a, const void *packet, size_t size, struct ask_end *end)
{
	const struct ask_row *row = packet;

	if (size == sizeof(*row) && row->packet == ASK_ROW && row->number == a->number) {
		if (a->count == ASK_ROWS_MOST)
			return false;
		a->rows[a->count] = *row;
		ask_row_check(&a->rows[a->count++]);
		return false;
	}
	if (size != sizeof(*end))
		return false;
	memcpy(end, packet, sizeof(*end));
	ask_end_text(end->words, sizeof(end->words));
	return end->packet == ASK_END && end->number == a->number;
}

/* All packets that have come.  True: the end is among them. */
static bool take_packets(struct asker *a, struct ask_end *end)
{
	union {
		struct ask_row row;
		struct ask_end end;
	} packet;
	ssize_t size;

	while (a->wire >= 0) {
		size = recv(a->wire, &packet, sizeof(packet), MSG_DONTWAIT);
		if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return false;
		if (size <= 0)
			hang_up(a);
		else if (take_packet(a, &packet, (size_t)size, end))
			return true;
	}
	return false;
}

static bool give_up(struct asker *a, struct ask_end *end, const char *why)
{
	*end = (struct ask_end){.packet = ASK_END, .number = a->number};
	ask_fail(end, why);
	a->count = 0;
	return true;
}

static bool take_end(struct asker *a, int timeout_ms, struct ask_end *end)
{
	uint64_t now = clock_monotonic_ms(), until = now + (uint64_t)timeout_ms;

	if (until > a->until_ms)
		until = a->until_ms;
	while (!take_packets(a, end)) {
		struct pollfd fd = {.fd = a->wire, .events = POLLIN};

		now = clock_monotonic_ms();
		if (a->wire < 0)
			return give_up(a, end, "the child that asks it has ended");
		if (now >= a->until_ms)
			return give_up(a, end, "the server did not answer within 3 s");
		if (now >= until)
			return false;
		poll(&fd, 1, (int)(until - now));
	}
	return true;
}

bool asker_take(struct asker *a, int timeout_ms, struct ask_answer *answer)
{
	if (!a->waiting || !take_end(a, timeout_ms, &answer->end))
		return false;
	a->waiting = false;
	if (answer->end.failed)
		a->count = 0;
	debug(DEBUG_WORKER, "the server of --dsn told of %zu sessions%s%s", a->count,
	      answer->end.failed ? ": " : "", answer->end.words);
	answer->rows = a->rows;
	answer->count = a->count;
	return true;
}

uint8_t asker_database(const struct asker *a)
{
	return a->database;
}

pid_t asker_pid(const struct asker *a)
{
	return a->child;
}

uint64_t asker_cpu_ns(const struct asker *a)
{
	return kin_cpu_ns(a->child);
}
