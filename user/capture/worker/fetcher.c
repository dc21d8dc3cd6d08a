/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fetcher.c - one request packet and one answer packet for each read.
 *
 * dbleak forks a child at the start, the nest, which forks fetchers at our order.  So a new fetcher
 * still has the rights that dbleak has given up by then.  The nest itself touches nothing foreign.
 *
 * A fetcher that is slow because the machine is busy must not count as hanging.  A fetcher that is
 * ready to run gets a longer timeout than one that sleeps in the kernel.
 */
#include "user/capture/worker/fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/table.h"
#include "user/capture/worker/kin.h"
#include "user/capture/worker/fetcher_state.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define MS_NS	   1000000ULL
#define SOFT_MS	   50		   /* after this time we check the fetcher's state */
#define HARD_MS	   200		   /* limit while asleep: a page from a slow disk or swap */
#define BUSY_MS	   2000		   /* limit while ready to run */
#define ORDER_MS   500		   /* limit for the nest to fork */
#define PEACE_NS   (30000 * MS_NS) /* do not read a process that did not answer for so long */
#define SILENT_MAX 4096

enum { FD_WIRE = 3, FD_FREE = 4 };

struct fetcher_ask {
	uint32_t kind, pid, count, serial; /* count: of pieces, or of the bytes of `in` */
	union {				   /* every fetcher has our code, where we have it */
		fetch_task *task;
		fetch_folder_task *folder_task;
	};
	union {
		struct fetch_piece piece[FETCH_PIECES];
		uint8_t in[FETCH_TASK_BYTES];
	};
};

#define ASK_HEAD    offsetof(struct fetcher_ask, piece)
#define ANSWER_HEAD offsetof(struct fetcher_answer, bytes)

union fetcher_descriptor {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

static bool is_task(uint32_t kind)
{
	return kind == FETCH_TASK || kind == FETCH_FOLDER_TASK;
}

/* The size of the packet; 0: it makes no sense. */
static size_t ask_size(const struct fetcher_ask *a)
{
	if (is_task(a->kind))
		return a->count <= FETCH_TASK_BYTES ? ASK_HEAD + a->count : 0;
	return a->count <= FETCH_PIECES ? ASK_HEAD + a->count * sizeof(a->piece[0]) : 0;
}

/* Requests that may hang: a process about its files or all else, or the folders of a user. */
static struct table_key silent_key(uint32_t kind, uint32_t pid)
{
	return (struct table_key){pid, is_task(kind) ? kind : 0};
}

/* Sends one packet, with fd unless that is negative.  0 or -errno. */
static int packet_send(int wire, const void *bytes, size_t size, int fd)
{
	union fetcher_descriptor with;
	struct iovec vec = {(void *)bytes, size};
	struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};

	if (fd >= 0) {
		message.msg_control = &with;
		message.msg_controllen = sizeof(with);
		with.head.cmsg_level = SOL_SOCKET;
		with.head.cmsg_type = SCM_RIGHTS;
		with.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&with.head), &fd, sizeof(fd));
	}
	while (sendmsg(wire, &message, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* *fd: the descriptor that came with the packet, or -1.  Returns bytes, 0 at the end, or -errno. */
static ssize_t packet_receive(int wire, void *to, size_t size, int flags, int *fd)
{
	union fetcher_descriptor with;
	struct iovec vec = {to, size};
	struct msghdr message = {.msg_iov = &vec,
				 .msg_iovlen = 1,
				 .msg_control = &with,
				 .msg_controllen = sizeof(with)};
	struct cmsghdr *head;
	ssize_t got;

	*fd = -1;
	do
		got = recvmsg(wire, &message, flags | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(head), sizeof(*fd));
	return got;
}

/* --- the fetcher itself ---------------------------------------------------------------------- */

static int64_t fetch_memory(const struct fetcher_ask *a, uint8_t *to)
{
	struct iovec local = {to, 0}, remote[FETCH_PIECES];
	ssize_t n;

	for (uint32_t i = 0; i < a->count; i++) {
		if (a->piece[i].size > FETCH_BYTES - local.iov_len)
			return -EINVAL;
		remote[i] = (struct iovec){(void *)(uintptr_t)a->piece[i].address,
					   a->piece[i].size};
		local.iov_len += a->piece[i].size;
	}
	n = process_vm_readv((pid_t)a->pid, &local, 1, remote, a->count, 0);
	return n < 0 ? -errno : n;
}

static int64_t fetch_text(const char *name, const struct fetcher_ask *a, uint8_t *to, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", a->pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, to, size);
	if (n < 0)
		n = -errno;
	close(fd);
	return n;
}

/* Does a user-space program answer each read of this file system? */
static bool is_served(const struct statfs *fs)
{
	return fs->f_type == FUSE_SUPER_MAGIC;
}

/* Reads one byte too, so that a server that does not answer hangs the fetcher, not dbleak. */
static int64_t fetch_file(int held, int *out)
{
	struct statfs fs;
	struct stat st;
	char name[32], byte;

	if (held < 0 || fstat(held, &st))
		return -EBADF;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (fstatfs(held, &fs))
		return -errno;
	if (is_served(&fs))
		return -EREMOTE;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", held);
	*out = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (*out < 0)
		return -errno;
	(void)!pread(*out, &byte, 1, 0);
	return 0;
}

static int64_t fetch(const struct fetcher_ask *a, int held, uint8_t *to, int *fd)
{
	int64_t n;

	switch (a->kind) {
	case FETCH_MEMORY:
		return fetch_memory(a, to);
	case FETCH_CMDLINE:
		return fetch_text("cmdline", a, to, FETCH_BYTES);
	case FETCH_MAPS:
		n = fetch_text("maps", a, to, 1);
		return n < 0 ? n : 0;
	case FETCH_FILE:
		return fetch_file(held, fd);
	case FETCH_TASK:
		return a->task(a->pid, a->in, a->count, to, FETCH_BYTES);
	case FETCH_FOLDER_TASK:
		return a->folder_task(held, a->in, a->count, to, FETCH_BYTES);
	default:
		return -EPROTO;
	}
}

static size_t size_of_answer(const struct fetcher_answer *out)
{
	return ANSWER_HEAD + (out->result > 0 ? (size_t)out->result : 0);
}

static _Noreturn void serve(void)
{
	static struct fetcher_answer out;
	static struct fetcher_ask ask;

	for (;;) {
		int held, fd = -1;
		ssize_t got = packet_receive(FD_WIRE, &ask, sizeof(ask), 0, &held);

		if (got < (ssize_t)ASK_HEAD || (size_t)got != ask_size(&ask))
			_exit(0);
		out.serial = ask.serial;
		out.result = fetch(&ask, held, out.bytes, &fd);
		if (packet_send(FD_WIRE, &out, size_of_answer(&out), fd))
			_exit(0);
		if (held >= 0)
			close(held);
		if (fd >= 0)
			close(fd);
	}
}

/* --- the nest -------------------------------------------------------------------------------- */

/* Keeps only the capabilities to read any process and to open any file. */
static void drop_powers(void)
{
	const uint64_t keep = 1ULL << CAP_SYS_PTRACE | 1ULL << CAP_DAC_READ_SEARCH |
			      1ULL << CAP_CHECKPOINT_RESTORE;
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i <= CAP_LAST_CAP; i++)
		if (!(keep >> i & 1))
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	if (syscall(SYS_capget, &head, data))
		_exit(1);
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data))
		_exit(1);
}

static void limit(int what, rlim_t most)
{
	setrlimit(what, &(struct rlimit){most, most});
}

/* A terminal signals all processes of dbleak; only the parent acts on that.  SIGCHLD is ignored,
 * so that the kernel reaps ended fetchers. */
static void set_signals(void)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGCHLD};
	sigset_t none;

	for (int i = 1; i < SIGSYS; i++)
		signal(i, SIG_DFL);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void keep_only(int wire)
{
	int high = fcntl(wire, F_DUPFD, 64), null = open("/dev/null", O_RDWR);

	if (high < 0 || dup2(high, FD_WIRE) < 0)
		_exit(1);
	for (int i = 0; i < 3; i++)
		if (null < 0 || dup2(null, i) < 0)
			_exit(1);
	syscall(SYS_close_range, FD_FREE, ~0U, 0);
}

static _Noreturn void hatch(int wire, pid_t nest)
{
	prctl(PR_SET_NAME, "dbleak-fetch");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != nest)
		_exit(0);
	keep_only(wire);
	limit(RLIMIT_NPROC, 0);
	limit(RLIMIT_FSIZE, 0);
	serve();
}

/* An order is one byte plus the new fetcher's end of its socket.  The answer is that fetcher's
 * pid. */
static _Noreturn void nest(int control, pid_t parent)
{
	pid_t own, pid;
	char order;
	int wire;

	set_signals();
	prctl(PR_SET_NAME, "dbleak-nest");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	keep_only(control);
	limit(RLIMIT_CORE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	drop_powers();
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	own = getpid();
	while (packet_receive(FD_WIRE, &order, 1, 0, &wire) == 1) {
		pid = fork();
		if (!pid)
			hatch(wire, own);
		close(wire);
		packet_send(FD_WIRE, &pid, sizeof(pid), -1);
	}
	_exit(0);
}

/* --- our side -------------------------------------------------------------------------------- */

static bool wait_for(int fd, int ms)
{
	struct pollfd wait = {fd, POLLIN, 0};
	uint64_t end = clock_monotonic_ns() + (uint64_t)ms * MS_NS;

	for (;;) {
		uint64_t now = clock_monotonic_ns();
		int n = poll(&wait, 1, now < end ? (int)((end - now) / MS_NS) : 0);

		if (n > 0 || now >= end)
			return n > 0;
	}
}

static int pair_open(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ? -errno : 0;
}

static int hatch_new(struct fetcher *f)
{
	int pair[2], none, err = pair_open(pair);
	pid_t pid = -1;

	if (err)
		return err;
	err = packet_send(f->nest, "", 1, pair[1]);
	close(pair[1]);
	if (!err &&
	    (!wait_for(f->nest, ORDER_MS) ||
	     packet_receive(f->nest, &pid, sizeof(pid), MSG_DONTWAIT, &none) != sizeof(pid) ||
	     pid <= 0))
		err = -ECHILD;
	if (err) {
		close(pair[0]);
		return err;
	}
	debug(DEBUG_WORKER, "fetcher %d started", pid);
	f->wire = pair[0];
	f->pid = pid;
	return 0;
}

/* A free slot for an abandoned fetcher; frees the slots of those that have ended.  NULL: too many
 * hang. */
static pid_t *stuck_place(struct fetcher *f)
{
	pid_t *place = NULL;

	for (size_t i = 0; i < STUCK_MAX; i++) {
		if (f->stuck[i] && kill(f->stuck[i], 0) && errno == ESRCH)
			f->stuck[i] = 0;
		if (!f->stuck[i])
			place = &f->stuck[i];
	}
	return place;
}

static void abandon(struct fetcher *f)
{
	pid_t *place = stuck_place(f);

	kill(f->pid, SIGKILL);
	close(f->wire);
	f->wire = -1;
	if (place)
		*place = f->pid;
	f->pid = 0;
}

void fetcher_remember(struct fetcher *f, uint32_t kind, uint32_t pid)
{
	struct table_key key = silent_key(kind, pid);
	struct silent *s = table_get(&f->silent, key);

	if (!s && f->silent.count < SILENT_MAX) {
		s = calloc(1, sizeof(*s));
		if (s && table_put(&f->silent, key, s)) {
			free(s);
			s = NULL;
		}
	}
	if (s) {
		s->until_ns = clock_monotonic_ns() + PEACE_NS;
		s->locked |= kind == FETCH_MAPS;
	}
	if (kind != FETCH_FOLDER_TASK &&
	    f->reported_count < sizeof(f->reported) / sizeof(f->reported[0]))
		f->reported[f->reported_count++] = pid;
}

static bool in_peace(struct fetcher *f, uint32_t kind, uint32_t pid)
{
	struct table_key key = silent_key(kind, pid);
	struct silent *s = table_get(&f->silent, key);

	if (!s)
		return false;
	if (clock_monotonic_ns() < s->until_ns)
		return true;
	free(table_remove(&f->silent, key));
	return false;
}

/* Is the process in state R: ready to run, not asleep in the kernel? */
static bool could_run(pid_t pid)
{
	char path[32], text[256], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')');
	return at && at[1] == ' ' && at[2] == 'R';
}

static bool answers_in_time(const struct fetcher *f)
{
	uint64_t end = clock_monotonic_ns() + BUSY_MS * MS_NS;

	if (wait_for(f->wire, SOFT_MS))
		return true;
	while (clock_monotonic_ns() < end) {
		bool runs = could_run(f->pid);

		if (wait_for(f->wire, runs ? SOFT_MS : HARD_MS - SOFT_MS))
			return true;
		if (!runs && !could_run(f->pid))
			return false;
	}
	return false;
}

/* Leaves the answer in f->answer.  0 or -errno; -ETIMEDOUT: no answer came. */
static int ask_fetcher(struct fetcher *f, struct fetcher_ask *a, int held, int *fd)
{
	ssize_t got;
	int err = 0, none;

	if (!fd)
		fd = &none;
	*fd = -1;
	if (in_peace(f, a->kind, a->pid) || !stuck_place(f))
		return -ETIMEDOUT;
	if (f->wire < 0)
		err = hatch_new(f);
	a->serial = ++f->serial;
	if (!err)
		err = packet_send(f->wire, a, ask_size(a), held);
	if (err && f->wire >= 0)
		abandon(f);
	if (err)
		return err;
	if (!answers_in_time(f)) {
		debug(DEBUG_WORKER, "fetcher %d hangs on process %u and is replaced", f->pid,
		      a->pid);
		abandon(f);
		fetcher_remember(f, a->kind, a->pid);
		return -ETIMEDOUT;
	}
	got = packet_receive(f->wire, &f->answer, sizeof(f->answer), MSG_DONTWAIT, fd);
	if (got >= (ssize_t)ANSWER_HEAD && f->answer.serial == a->serial &&
	    f->answer.result <= (int64_t)(got - (ssize_t)ANSWER_HEAD))
		return 0;
	debug(DEBUG_WORKER, "fetcher %d died or answered nonsense for process %u", f->pid, a->pid);
	abandon(f); /* the fetcher died, or its answer makes no sense */
	return -ECHILD;
}

/* Asks, and copies at most size bytes of the answer.  Returns bytes or -errno. */
static ssize_t fetch_bytes(struct fetcher *f, struct fetcher_ask *ask, int held, void *to,
			   size_t size)
{
	int err = ask_fetcher(f, ask, held, NULL);

	if (err || f->answer.result < 0)
		return err ? err : f->answer.result;
	if ((size_t)f->answer.result < size)
		size = (size_t)f->answer.result;
	memcpy(to, f->answer.bytes, size);
	return (ssize_t)size;
}

ssize_t fetcher_memory(struct fetcher *f, uint32_t pid, const struct fetch_piece *pieces, size_t n,
		       void *to)
{
	struct fetcher_ask ask;

	if (n > FETCH_PIECES)
		return -EINVAL;
	ask.kind = FETCH_MEMORY;
	ask.pid = pid;
	ask.count = (uint32_t)n;
	memcpy(ask.piece, pieces, n * sizeof(*pieces));
	return fetch_bytes(f, &ask, -1, to, FETCH_BYTES);
}

ssize_t fetcher_cmdline(struct fetcher *f, uint32_t pid, char *to, size_t size)
{
	struct fetcher_ask ask = {.kind = FETCH_CMDLINE, .pid = pid};

	return fetch_bytes(f, &ask, -1, to, size);
}

int fetcher_maps_answer(struct fetcher *f, uint32_t pid)
{
	struct fetcher_ask ask = {.kind = FETCH_MAPS, .pid = pid};
	int err = ask_fetcher(f, &ask, -1, NULL);

	return err ? err : f->answer.result < 0 ? (int)f->answer.result : 0;
}

int fetcher_open_file(struct fetcher *f, uint32_t pid, int held)
{
	struct fetcher_ask ask = {.kind = FETCH_FILE, .pid = pid};
	int fd, err = ask_fetcher(f, &ask, held, &fd);

	if (!err && f->answer.result)
		err = (int)f->answer.result;
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}

static ssize_t task_run(struct fetcher *f, struct fetcher_ask *ask, int held, const void *in,
			size_t n, void *out, size_t size)
{
	if (n > FETCH_TASK_BYTES)
		return -E2BIG;
	ask->count = (uint32_t)n;
	memcpy(ask->in, in, n);
	return fetch_bytes(f, ask, held, out, size);
}

ssize_t fetcher_task(struct fetcher *f, uint32_t pid, fetch_task *task, const void *in, size_t n,
		     void *out, size_t size)
{
	struct fetcher_ask ask;

	ask.kind = FETCH_TASK;
	ask.pid = pid;
	ask.task = task;
	return task_run(f, &ask, -1, in, n, out, size);
}

ssize_t fetcher_folder_task(struct fetcher *f, uid_t owner, int root, fetch_folder_task *task,
			    const void *in, size_t n, void *out, size_t size)
{
	struct fetcher_ask ask;

	ask.kind = FETCH_FOLDER_TASK;
	ask.pid = owner;
	ask.folder_task = task;
	return task_run(f, &ask, root, in, n, out, size);
}

uint64_t fetcher_cpu_ns(const struct fetcher *f)
{
	return kin_cpu_ns(f->nest_pid);
}

/* False: the process ended, or its /proc/PID/maps can be read again.  A process that is left alone
 * for now counts as locked without asking. */
static bool is_locked(struct fetcher *f, uint32_t pid, const struct silent *s)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u", pid);
	if (access(path, F_OK))
		return false;
	return clock_monotonic_ns() < s->until_ns || fetcher_maps_answer(f, pid) == -ETIMEDOUT;
}

uint32_t fetcher_locked(struct fetcher *f)
{
	struct table_slot *slot;

	for (size_t at = 0; (slot = table_next(&f->silent, &at));) {
		const struct silent *s = slot->value;
		uint32_t pid = (uint32_t)slot->key.a;

		if (!s->locked)
			continue;
		if (is_locked(f, pid, s))
			return pid;
		free(table_remove(&f->silent,
				  (struct table_key){pid, 0})); /* asking may have removed it */
		at = 0;
	}
	return 0;
}

uint32_t fetcher_silent(struct fetcher *f)
{
	return f->reported_count ? f->reported[--f->reported_count] : 0;
}

int fetcher_open(struct fetcher **out)
{
	struct fetcher *f = calloc(1, sizeof(*f));
	pid_t parent = getpid();
	int pair[2], err;

	*out = NULL;
	if (!f)
		return -ENOMEM;
	err = pair_open(pair);
	if (err) {
		free(f);
		return err;
	}
	f->wire = -1;
	f->nest = pair[0];
	f->nest_pid = fork();
	if (!f->nest_pid)
		nest(pair[1], parent);
	err = f->nest_pid < 0 ? -errno : 0;
	close(pair[1]);
	if (err) {
		close(f->nest);
		free(f);
		return err;
	}
	*out = f;
	return 0;
}

/* A fetcher ends when its socket is closed.  One that hangs ends when the kernel lets it go. */
void fetcher_close(struct fetcher *f)
{
	if (!f)
		return;
	if (f->wire >= 0)
		close(f->wire);
	close(f->nest);
	kill(f->nest_pid, SIGKILL);
	waitpid(f->nest_pid, NULL, 0);
	table_free_values(&f->silent);
	free(f);
}
