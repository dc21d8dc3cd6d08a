/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * errand.c - see errand.h.
 */
#include "user/capture/worker/errand.h"

#include <bpf/bpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/system/clock.h"
#include "user/system/debug.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* The child has nothing else to do, but the host may be busy. */
#define ANSWER_MS  1000
#define FIRST_FREE 3
#define READ_ONLY  (O_RDONLY | O_CLOEXEC | O_NOFOLLOW)

struct errands {
	pid_t child;
	int wire; /* negative: closed after an answer that made no sense */
	uint32_t orders;
};

struct errand_order {
	uint32_t number; /* of this order; its answer repeats it */
	uint32_t pid;	 /* whose pagemap; 0: count run times instead */
};

struct errand_answer {
	uint32_t number;
	int32_t error; /* 0: a descriptor comes with the answer; else -errno */
};

static int errand_run(struct errand_order order)
{
	char path[32];
	int fd;

	if (!order.pid) {
		fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	} else {
		snprintf(path, sizeof(path), "/proc/%u/pagemap", order.pid);
		fd = open(path, READ_ONLY);
	}
	return fd < 0 ? -errno : fd;
}

/* --- the child ---------------------------------------------------------------------------- */

static const int allowed[] = {SCMP_SYS(read),	     SCMP_SYS(sendmsg), SCMP_SYS(close),
			      SCMP_SYS(munmap),	     SCMP_SYS(brk),	SCMP_SYS(exit_group),
			      SCMP_SYS(rt_sigreturn)};

static int errand_filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < COUNT(allowed) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
				       SCMP_A0(SCMP_CMP_EQ, BPF_ENABLE_STATS));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				       SCMP_A2(SCMP_CMP_EQ, READ_ONLY));
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

/*
 * Keeps the three capabilities that open another user's /proc/PID/pagemap and show its frame
 * numbers.  Only root may cut the bounding set.  Without that right the bounding set holds nothing
 * that the child could gain.
 */
static int cut_rights(void)
{
	static const unsigned int wished[] = {CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};
	bool held[COUNT(wished)];

	for (size_t i = 0; i < COUNT(wished); i++)
		held[i] = capng_have_capability(CAPNG_PERMITTED, wished[i]) == 1;
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < COUNT(wished); i++)
		if (held[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, wished[i]);
	return capng_apply(CAPNG_SELECT_BOTH) && capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

/* A terminal signals all processes of dbleak.  The child ignores that and ends with its socket. */
static void ignore_signals(void)
{
	for (int sig = 1; sig < SIGRTMIN; sig++)
		signal(sig, SIG_IGN);
}

static int hand_over(int wire, uint32_t number, int fd)
{
	char room[CMSG_SPACE(sizeof(fd))] = {0};
	struct errand_answer answer = {number, fd < 0 ? fd : 0};
	struct iovec vec = {&answer, sizeof(answer)};
	struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
	struct cmsghdr *head;

	if (fd >= 0) {
		message.msg_control = room;
		message.msg_controllen = sizeof(room);
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	}
	return sendmsg(wire, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static _Noreturn void errand_serve(int wire)
{
	struct errand_order order;
	int taken;

	ignore_signals();
	prctl(PR_SET_NAME, "dbleak-errand");
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* libbpf moves a new descriptor away from 0 to 2 with calls that the filter forbids. */
	for (int fd = 0; fd < FIRST_FREE; fd++)
		if (dup2(wire, fd) < 0)
			_exit(1);
	syscall(SYS_close_range, FIRST_FREE, ~0U, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || cut_rights() || errand_filter_calls())
		_exit(1);
	while (read(0, &order, sizeof(order)) == sizeof(order)) {
		taken = errand_run(order);
		if (hand_over(0, order.number, taken))
			break;
		if (taken >= 0)
			close(taken);
	}
	_exit(0);
}

/* --- the parent --------------------------------------------------------------------------- */

static bool is_of_use(void)
{
	return !capng_get_caps_process() &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) == 1;
}

struct errands *errands_open(void)
{
	struct errands *e = is_of_use() ? calloc(1, sizeof(*e)) : NULL;
	int pair[2];

	if (!e || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		free(e);
		return NULL;
	}
	e->child = fork();
	if (!e->child)
		errand_serve(pair[1]);
	close(pair[1]);
	e->wire = pair[0];
	if (e->child > 0)
		return e;
	close(e->wire);
	free(e);
	return NULL;
}

static void hang_up(struct errands *e)
{
	if (e->wire >= 0)
		close(e->wire);
	e->wire = -1;
}

void errands_close(struct errands *e)
{
	if (!e)
		return;
	hang_up(e);
	while (waitpid(e->child, NULL, 0) < 0 && errno == EINTR)
		;
	free(e);
}

/* Receives one answer, with its descriptor in *fd (or -1).  False: no packet that makes sense. */
static bool take_over(int wire, struct errand_answer *answer, int *fd)
{
	char room[CMSG_SPACE(sizeof(int))];
	struct iovec vec = {answer, sizeof(*answer)};
	struct msghdr message = {.msg_iov = &vec,
				 .msg_iovlen = 1,
				 .msg_control = room,
				 .msg_controllen = sizeof(room)};
	struct cmsghdr *head;

	*fd = -1;
	if (recvmsg(wire, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != sizeof(*answer))
		return false;
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(*fd)))
		memcpy(fd, CMSG_DATA(head), sizeof(*fd));
	return true;
}

/* Drops answers to earlier orders: their callers no longer wait. */
static int errand_wait(struct errands *e, uint32_t number)
{
	struct pollfd wire = {.fd = e->wire, .events = POLLIN};
	int64_t end = clock_monotonic_ms() + ANSWER_MS, left;
	struct errand_answer answer;
	int fd;

	while ((left = end - clock_monotonic_ms()) > 0 && poll(&wire, 1, left) == 1) {
		if (!take_over(e->wire, &answer, &fd)) {
			hang_up(e);
			return -EIO;
		}
		if (answer.number == number)
			return fd >= 0 ? fd : answer.error < 0 ? answer.error : -EMFILE;
		if (fd >= 0)
			close(fd);
	}
	return -ETIMEDOUT;
}

static int errand_ask(struct errands *e, struct errand_order order)
{
	int got;

	if (e->wire < 0)
		return -EIO;
	order.number = ++e->orders;
	if (send(e->wire, &order, sizeof(order), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(order))
		return -EAGAIN;
	got = errand_wait(e, order.number);
	if (got < 0)
		debug(DEBUG_WORKER, "errand for process %u failed: %s", order.pid, strerror(-got));
	return got;
}

static int ask_or_run(struct errands *e, struct errand_order order)
{
	return e ? errand_ask(e, order) : errand_run(order);
}

int errand_clock(struct errands *e)
{
	return ask_or_run(e, (struct errand_order){.pid = 0});
}

int errand_pagemap(struct errands *e, uint32_t pid)
{
	return ask_or_run(e, (struct errand_order){.pid = pid});
}
