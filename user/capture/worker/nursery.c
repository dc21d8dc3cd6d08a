/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * nursery.c - an order and a notice (a worker's end) are one packet each on the control socket. The
 * order to start carries the worker's ends of its two sockets.
 *
 * The keeper must be the first process of its pid namespace: then the kernel ends all workers when
 * the keeper ends.  unshare(2) puts only children into a new pid namespace.  So a child of ours,
 * the maker, enters the sandbox, creates the keeper as its own sibling, and ends.
 */
#include "user/capture/worker/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/capture/worker/cage.h"
#include "user/capture/worker/kin.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define WORKERS_MAX 16 /* at a time, with those that hang in the kernel */
#define CLOSE_MS    500
#define ROOM_BYTES  (8 << 20) /* send buffer: some 400 requests with the largest stacks */

enum { FD_CONTROL = 3, FD_WIRE = 3, FD_ASKING = 4, FD_FREE = 5 };

enum order_kind {
	ORDER_START = 1,
	ORDER_KILL = 2,
};

struct nursery_order {
	uint32_t kind, role, serial;
};

struct notice {
	uint32_t serial;
	int32_t status;
	uint64_t cpu_ns;
};

struct nursery {
	const struct nursery_role *const *roles;
	size_t count;
	uint8_t *shared;
	int control;
	pid_t maker, keeper; /* maker: 0 once reaped; keeper: 0 not known yet */
	uint32_t serial;
};

/* The state of the keeper, inside the sandbox. */
struct keeper {
	const struct nursery *n;
	struct {
		pid_t pid; /* 0: free */
		uint32_t serial;
	} worker[WORKERS_MAX];
};

union descriptors {
	struct cmsghdr head;
	char room[CMSG_SPACE(2 * sizeof(int))];
};

/* A terminal signals all processes of dbleak; only the parent acts on that. */
static void set_signals(void)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP};
	sigset_t none;

	for (int i = 1; i < SIGSYS; i++)
		signal(i, SIG_DFL);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void nursery_tell(uint32_t serial, int status, uint64_t cpu_ns)
{
	struct notice notice = {serial, status, cpu_ns};

	(void)!send(FD_CONTROL, &notice, sizeof(notice), MSG_NOSIGNAL);
}

/* In its pid namespace the worker sees another pid than we do.  The kernel adds the pid that we see
 * to this packet (SCM_CREDENTIALS). */
static void greet(void)
{
	if (send(FD_ASKING, "", 1, MSG_NOSIGNAL) != 1)
		_exit(1);
}

/* Both ends first move to high numbers, so that one dup2(2) cannot overwrite the other end. */
static _Noreturn void worker(const struct nursery *n, const struct nursery_order *order,
			     const int ends[2])
{
	const struct nursery_role *role = n->roles[order->role];
	int wire = fcntl(ends[0], F_DUPFD, 32), asking = fcntl(ends[1], F_DUPFD, 32);
	pid_t keeper = getppid();

	set_signals();
	prctl(PR_SET_NAME, role->name);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper || dup2(wire, FD_WIRE) < 0 || dup2(asking, FD_ASKING) < 0 ||
	    syscall(SYS_close_range, FD_FREE, ~0U, 0))
		_exit(1);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (cage_shut())
		_exit(1);
	greet();
	role->run(FD_WIRE, FD_ASKING, nursery_shared(n, order->role));
	_exit(0);
}

static void keeper_start(struct keeper *k, const struct nursery_order *order, const int ends[2])
{
	size_t i = 0;
	pid_t pid;

	while (i < WORKERS_MAX && k->worker[i].pid)
		i++;
	pid = i < WORKERS_MAX && order->role < k->n->count ? fork() : -1;
	if (!pid)
		worker(k->n, order, ends);
	if (pid < 0) {
		nursery_tell(order->serial, -1, 0);
		return;
	}
	k->worker[i].pid = pid;
	k->worker[i].serial = order->serial;
}

static void keeper_kill(const struct keeper *k, uint32_t serial)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (k->worker[i].pid && k->worker[i].serial == serial)
			kill(k->worker[i].pid, SIGKILL);
}

static uint64_t usage_ns(const struct rusage *usage)
{
	return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000ULL +
	       (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000;
}

static void keeper_reap(struct keeper *k)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
		for (size_t i = 0; i < WORKERS_MAX; i++)
			if (k->worker[i].pid == pid) {
				k->worker[i].pid = 0;
				nursery_tell(k->worker[i].serial, status, usage_ns(&usage));
			}
}

/* Returns how many descriptors came with the packet. */
static size_t take_descriptors(struct msghdr *message, int ends[2])
{
	struct cmsghdr *head = CMSG_FIRSTHDR(message);

	if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		return 0;
	memcpy(ends, CMSG_DATA(head), 2 * sizeof(int));
	return 2;
}

static void keeper_obey(struct keeper *k)
{
	union descriptors with;
	struct nursery_order order;
	struct iovec vec = {&order, sizeof(order)};
	struct msghdr message = {.msg_iov = &vec,
				 .msg_iovlen = 1,
				 .msg_control = &with,
				 .msg_controllen = sizeof(with)};
	ssize_t got = recvmsg(FD_CONTROL, &message, MSG_CMSG_CLOEXEC);
	int ends[2];

	if (got < 0 && errno == EINTR)
		return;
	if (got != sizeof(order))
		_exit(0); /* dbleak is gone; all workers end with the keeper */
	if (order.kind == ORDER_KILL)
		keeper_kill(k, order.serial);
	if (order.kind != ORDER_START || !take_descriptors(&message, ends))
		return;
	keeper_start(k, &order, ends);
	close(ends[0]);
	close(ends[1]);
}

static int watch_children(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static _Noreturn void keeper(const struct nursery *n)
{
	struct keeper k = {.n = n};
	struct pollfd wait[2] = {{FD_CONTROL, POLLIN, 0}, {watch_children(), POLLIN, 0}};
	struct signalfd_siginfo info;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	nursery_tell(0, 0, 0);
	for (;;) {
		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			_exit(1);
		if (wait[1].revents && read(wait[1].fd, &info, sizeof(info)) > 0)
			keeper_reap(&k);
		if (wait[0].revents)
			keeper_obey(&k);
	}
}

/* CLONE_PARENT, because fork(2) would make the keeper a child of the maker, which ends now. */
static _Noreturn void maker(const struct nursery *n, int control)
{
	int fd = fcntl(control, F_DUPFD, 32);
	long pid;

	set_signals();
	prctl(PR_SET_NAME, "dbleak-nursery");
	for (size_t i = 0; i < n->count; i++)
		if (n->roles[i]->prepare)
			n->roles[i]->prepare();
	if (dup2(fd, FD_CONTROL) < 0 || cage_enter())
		_exit(1);
	pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid)
		keeper(n);
	_exit(pid < 0);
}

static int share(struct nursery *n)
{
	void *memory = mmap(NULL, n->count * NURSERY_SHARED, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	n->shared = memory;
	return 0;
}

static int pair_open(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ? -errno : 0;
}

static int pass_credentials(int fd)
{
	return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)) ? -errno : 0;
}

int nursery_open(struct nursery **out, const struct nursery_role *const *roles, size_t count)
{
	struct nursery *n = calloc(1, sizeof(*n));
	int pair[2], err;

	if (!n)
		return -ENOMEM;
	n->roles = roles;
	n->count = count;
	n->control = -1;
	err = share(n);
	if (!err)
		err = pair_open(pair);
	if (err) {
		nursery_close(n);
		return err;
	}
	n->control = pair[0];
	pass_credentials(n->control);
	n->maker = fork();
	if (!n->maker)
		maker(n, pair[1]);
	err = n->maker < 0 ? -errno : 0;
	close(pair[1]);
	if (err) {
		nursery_close(n);
		return err;
	}
	*out = n;
	return 0;
}

/* Reaps a child that is about to end.  Gives up after CLOSE_MS: it may hang in the kernel. */
static void reap(pid_t pid)
{
	uint64_t end = clock_monotonic_ms() + CLOSE_MS;

	while (waitpid(pid, NULL, WNOHANG) == 0 && clock_monotonic_ms() < end)
		poll(NULL, 0, 1);
}

void *nursery_shared(const struct nursery *n, size_t role)
{
	return n->shared + role * NURSERY_SHARED;
}

/* The sender's pid, from the kernel; 0: not given. */
static pid_t sender(struct msghdr *message)
{
	struct ucred who = {0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&who, CMSG_DATA(c), sizeof(who));
	return who.pid;
}

static ssize_t nursery_receive(int fd, void *to, size_t size, pid_t *from)
{
	char room[CMSG_SPACE(sizeof(struct ucred))] __attribute__((aligned(8)));
	struct iovec vec = {to, size};
	struct msghdr message = {.msg_iov = &vec,
				 .msg_iovlen = 1,
				 .msg_control = room,
				 .msg_controllen = sizeof(room)};
	ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got < 0)
		return -errno;
	if (got && from && !*from)
		*from = sender(&message);
	return got;
}

ssize_t nursling_receive(struct nursling *worker, void *to, size_t size)
{
	pid_t known = worker->pid;
	ssize_t got = nursery_receive(worker->asking, to, size, &worker->pid);

	return got == 1 && !known ? nursery_receive(worker->asking, to, size, NULL) : got;
}

/* Reaps the maker, which has usually ended long ago.  -ECHILD: the sandbox failed. */
static int maker_end(struct nursery *n)
{
	int status = 0;

	if (!n->maker)
		return 0;
	while (waitpid(n->maker, &status, 0) < 0 && errno == EINTR)
		;
	n->maker = 0;
	return status ? -ECHILD : 0;
}

static int order_send(const struct nursery *n, const struct nursery_order *order, const int *ends)
{
	union descriptors with;
	struct iovec vec = {(void *)order, sizeof(*order)};
	struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};

	if (ends) {
		message.msg_control = &with;
		message.msg_controllen = sizeof(with);
		with.head.cmsg_level = SOL_SOCKET;
		with.head.cmsg_type = SCM_RIGHTS;
		with.head.cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(&with.head), ends, 2 * sizeof(int));
	}
	return sendmsg(n->control, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* SO_SNDBUFFORCE passes the system's limit, but needs CAP_NET_ADMIN. */
static void make_wide(int fd)
{
	int bytes = ROOM_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* Drops notices of workers whose end nobody awaits.  A full socket would block the keeper. */
static void forget_notices(struct nursery *n)
{
	struct notice notice;

	while (nursery_receive(n->control, &notice, sizeof(notice), &n->keeper) > 0)
		;
}

int nursery_start(struct nursery *n, size_t role, struct nursling *out)
{
	struct nursery_order order = {ORDER_START, (uint32_t)role, ++n->serial};
	int wire[2] = {-1, -1}, asking[2] = {-1, -1}, err = maker_end(n);

	forget_notices(n);
	*out = (struct nursling){-1, -1, order.serial, 0};
	if (!err)
		err = pair_open(wire);
	if (!err)
		err = pair_open(asking);
	if (!err)
		err = pass_credentials(asking[0]);
	if (!err) {
		make_wide(wire[0]);
		err = order_send(n, &order, (int[2]){wire[1], asking[1]});
	}
	close(wire[1]);
	close(asking[1]);
	debug(DEBUG_WORKER, "worker %u for %s: %s", order.serial, n->roles[role]->name,
	      err ? strerror(-err) : "started");
	out->wire = wire[0];
	out->asking = asking[0];
	return err;
}

/* Drops notices of other workers: nobody waits for those any more. */
static int await_end(struct nursery *n, uint32_t serial, int timeout_ms, struct nursery_end *end)
{
	uint64_t until = clock_monotonic_ms() + (uint64_t)timeout_ms;
	struct notice notice;

	for (;;) {
		struct pollfd wait = {n->control, POLLIN, 0};
		ssize_t got = nursery_receive(n->control, &notice, sizeof(notice), &n->keeper);
		uint64_t now = clock_monotonic_ms();

		if (got == sizeof(notice) && notice.serial == serial) {
			*end = (struct nursery_end){notice.status, notice.cpu_ns};
			return 0;
		}
		if (got > 0)
			continue;
		if (got != -EAGAIN && got != -EINTR)
			return -ECHILD;
		if (now >= until)
			return -ETIMEDOUT;
		poll(&wait, 1, (int)(until - now));
	}
}

static void debug_end(uint32_t serial, int err, const struct nursery_end *end)
{
	bool killed = WIFSIGNALED(end->status);

	if (err)
		debug(DEBUG_WORKER, "worker %u is told to end%s%s", serial,
		      err == -ETIMEDOUT ? "" : ": ", err == -ETIMEDOUT ? "" : strerror(-err));
	else
		debug(DEBUG_WORKER, "worker %u ended by %s %d after %.1f ms of CPU", serial,
		      killed ? "signal" : "status",
		      killed ? WTERMSIG(end->status) : WEXITSTATUS(end->status), end->cpu_ns / 1e6);
}

int nursery_stop(struct nursery *n, struct nursling *worker, int timeout_ms,
		 struct nursery_end *end)
{
	struct nursery_order order = {ORDER_KILL, 0, worker->serial};
	bool started = worker->wire >= 0;
	int err;

	*end = (struct nursery_end){0, 0};
	if (started)
		close(worker->wire);
	if (worker->asking >= 0)
		close(worker->asking);
	*worker = (struct nursling){-1, -1, 0, 0};
	if (!started)
		return 0;
	err = order_send(n, &order, NULL);
	if (!err)
		err = await_end(n, order.serial, timeout_ms, end);
	debug_end(order.serial, err, end);
	return err;
}

uint64_t nursery_cpu_ns(const struct nursery *n)
{
	return kin_cpu_ns(n->keeper);
}

/* Reaps the maker, then the keeper if its pid is known or comes within CLOSE_MS. */
void nursery_close(struct nursery *n)
{
	struct nursery_end none;

	if (!n)
		return;
	if (!maker_end(n) && !n->keeper && n->control >= 0)
		await_end(n, 0, CLOSE_MS, &none);
	if (n->control >= 0)
		close(n->control);
	if (n->keeper > 0)
		reap(n->keeper);
	if (n->shared)
		munmap(n->shared, n->count * NURSERY_SHARED);
	free(n);
}
