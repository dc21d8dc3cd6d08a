/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * remover.c - see remover.h.
 *
 *   dbleak                           child
 *   KEEP set, descriptors ────────►  a set in its table
 *   TAKE_OUT set ─────────────────►  a thread closes them; the table forgets the set
 *                 ◄──────────────── DONE set
 *   (the socket closes) ──────────►  threads close all that is left; the child ends with the last
 */
#include "user/capture/probe/remover.h"

#include <cap-ng.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/capture/worker/kin.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FDS_AT_ONCE  64		/* descriptors in a message; the kernel takes 253 */
#define SEND_MS	     200	/* the child's queue is full: it makes room at once, or hangs */
#define SOON_MS	     500	/* a set is taken out in some 50 ms */
#define AT_ONCE_MS   3000	/* a program has died: on a busy host, too */
#define CLOSE_MS     2000	/* hundreds of sets, on a busy host */
#define STACK_BYTES  (64 << 10) /* of a thread that only closes */
#define SETS_GROW    64
#define THREADS_MOST 64
#define CLOSED_ALONE 4 /* a link or two for each kind: closed in their order */

enum remover_word { KEEP, TAKE_OUT, TAKE_OUT_AT_ONCE, DONE };

struct remover_message {
	uint32_t word;
	uint32_t wanted; /* with TAKE_OUT: DONE is wanted */
	uint64_t set;
};

struct remover {
	pid_t child;
	int wire;
	pthread_mutex_t lock; /* of all below, and of the order on the wire */
	uint64_t sets;
	bool hung; /* it did not answer in time: nobody waits for it again */
};

/* Room for the descriptors of a message. */
union room {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
};

/* --- the child ---------------------------------------------------------------------------- */

struct kept {
	uint64_t set;
	size_t count, size;
	int *fds;
	bool wanted;  /* its DONE */
	bool at_once; /* in any order */
};

static struct {
	struct kept *all;
	size_t count, size;
} held;

static struct kept *kept_of(uint64_t set)
{
	for (size_t i = held.count; i-- > 0;)
		if (held.all[i].set == set)
			return &held.all[i];
	return NULL;
}

static struct kept *kept_add(uint64_t set)
{
	struct kept *more;

	if (held.count == held.size) {
		more = realloc(held.all, (held.size + SETS_GROW) * sizeof(*more));
		if (!more)
			return NULL;
		held.all = more;
		held.size += SETS_GROW;
	}
	held.all[held.count] = (struct kept){.set = set};
	return &held.all[held.count++];
}

/* What finds no room is closed at once: then dbleak has the last descriptor. */
static void remover_put(uint64_t set, const int *fds, size_t n)
{
	struct kept *k = kept_of(set);
	int *more;

	if (!k)
		k = kept_add(set);
	if (k && k->count + n > k->size) {
		more = realloc(k->fds, (k->count + n) * sizeof(*more));
		if (!more)
			k = NULL;
		else {
			k->fds = more;
			k->size = k->count + n;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (k)
			k->fds[k->count++] = fds[i];
		else
			close(fds[i]);
}

/* Descriptors that threads close, the last one first. */
struct closing {
	const int *fds;
	size_t count;
	atomic_size_t next;
};

static void *close_next(void *context)
{
	struct closing *c = context;
	size_t i;

	while ((i = atomic_fetch_add(&c->next, 1)) < c->count)
		close(c->fds[c->count - 1 - i]);
	return NULL;
}

/* Some threads share them: the kernel waits for all processors at each, and waits overlap. */
static void close_all(const int *fds, size_t count, size_t alone)
{
	struct closing c = {.fds = fds, .count = count};
	pthread_t threads[THREADS_MOST];
	size_t running = 0;

	while (count > alone && running < THREADS_MOST && running < count &&
	       !pthread_create(&threads[running], NULL, close_next, &c))
		running++;
	close_next(&c);
	while (running)
		pthread_join(threads[--running], NULL);
}

static void close_and_tell(struct kept *k)
{
	const struct remover_message done = {.word = DONE, .set = k->set};

	close_all(k->fds, k->count, k->at_once ? 1 : CLOSED_ALONE);
	free(k->fds);
	if (k->wanted)
		(void)!send(0, &done, sizeof(done), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Threads that close a set.  The child ends after the last: a thread that is killed inside the
 * kernel leaves its probes in until the host starts anew ("failed to unregister, leaking uprobe").
 */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t fewer;
	size_t running;
} taking = {.lock = PTHREAD_MUTEX_INITIALIZER, .fewer = PTHREAD_COND_INITIALIZER};

static void taking_add(int change)
{
	pthread_mutex_lock(&taking.lock);
	taking.running += (size_t)change;
	pthread_cond_signal(&taking.fewer);
	pthread_mutex_unlock(&taking.lock);
}

static void wait_for_taking(void)
{
	pthread_mutex_lock(&taking.lock);
	while (taking.running)
		pthread_cond_wait(&taking.fewer, &taking.lock);
	pthread_mutex_unlock(&taking.lock);
}

static void *take_out(void *context)
{
	struct kept *k = context;

	close_and_tell(k);
	free(k);
	taking_add(-1);
	return NULL;
}

/* Closes a set in a thread of its own: another set may hang. */
static bool take_out_in_thread(const struct kept *k)
{
	struct kept *own = malloc(sizeof(*own));
	pthread_attr_t attr;
	pthread_t thread;
	bool made;

	if (!own)
		return false;
	*own = *k;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	taking_add(1);
	made = !pthread_create(&thread, &attr, take_out, own);
	pthread_attr_destroy(&attr);
	if (!made) {
		taking_add(-1);
		free(own);
	}
	return made;
}

static void remover_drop(const struct remover_message *m)
{
	struct kept *k = kept_of(m->set), taken = {.set = m->set};

	if (k) {
		taken = *k;
		*k = held.all[--held.count];
	}
	taken.wanted = m->wanted;
	taken.at_once = m->word == TAKE_OUT_AT_ONCE;
	if (!taken.count || !take_out_in_thread(&taken))
		close_and_tell(&taken);
}

static void drop_all(void)
{
	size_t count = 0, at = 0;
	int *fds;

	for (size_t i = 0; i < held.count; i++)
		count += held.all[i].count;
	fds = calloc(count + 1, sizeof(*fds));
	for (size_t i = 0; i < held.count; i++)
		for (size_t k = 0; fds && k < held.all[i].count; k++)
			fds[at++] = held.all[i].fds[k];
	if (fds)
		close_all(fds, count, 1); /* else the end of the process closes them */
}

static const int allowed[] = {
#ifdef __SANITIZE_ADDRESS__ /* a thread of its own needs more */
	SCMP_SYS(sigaltstack),
	SCMP_SYS(prctl),
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(sched_yield),
	SCMP_SYS(prlimit64),
	SCMP_SYS(write),
	SCMP_SYS(openat),
	SCMP_SYS(read),
	SCMP_SYS(newfstatat),
#endif
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(close),
	SCMP_SYS(futex),
	SCMP_SYS(clone),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(munmap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_getaffinity)};

static int remover_filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < COUNT(allowed) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	/* The C library makes threads by clone where clone3 is not there. */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

/* Receives a message; false: there is none any more. */
static bool remover_receive(struct remover_message *m, int fds[FDS_AT_ONCE], size_t *n)
{
	union room room = {.bytes = {0}};
	struct iovec vec = {m, sizeof(*m)};
	struct msghdr message = {.msg_iov = &vec,
				 .msg_iovlen = 1,
				 .msg_control = room.bytes,
				 .msg_controllen = sizeof(room.bytes)};
	struct cmsghdr *head;
	ssize_t got;

	do
		got = recvmsg(0, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	head = got == sizeof(*m) ? CMSG_FIRSTHDR(&message) : NULL;
	*n = 0;
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
		*n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(head), *n * sizeof(int));
	}
	return got == sizeof(*m);
}

static _Noreturn void remover_serve(int wire)
{
	struct remover_message m;
	int fds[FDS_AT_ONCE];
	size_t n;

	for (int sig = 1; sig < SIGRTMIN; sig++)
		signal(sig, SIG_IGN);
	prctl(PR_SET_NAME, "dbleak-remover");
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (dup2(wire, 0) < 0)
		_exit(1);
	syscall(SYS_close_range, 1, ~0U, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || capng_apply(CAPNG_SELECT_CAPS) ||
	    remover_filter_calls())
		_exit(1);
	while (remover_receive(&m, fds, &n))
		if (m.word == KEEP)
			remover_put(m.set, fds, n);
		else
			remover_drop(&m);
	drop_all();
	wait_for_taking();
	_exit(0);
}

/* --- dbleak ------------------------------------------------------------------------------- */

struct remover *remover_open(void)
{
	struct remover *r = calloc(1, sizeof(*r));
	int pair[2];

	if (!r || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		free(r);
		return NULL;
	}
	pthread_mutex_init(&r->lock, NULL);
	r->child = fork();
	if (!r->child)
		remover_serve(pair[1]);
	close(pair[1]);
	r->wire = pair[0];
	if (r->child > 0)
		return r;
	close(r->wire);
	free(r);
	return NULL;
}

/* Has the child ended within that time? */
static bool has_ended(pid_t child, unsigned int ms)
{
	uint64_t end = clock_monotonic_ms() + (uint64_t)ms;
	pid_t ended;

	while (!(ended = waitpid(child, NULL, WNOHANG)) || (ended < 0 && errno == EINTR)) {
		if (clock_monotonic_ms() >= end)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

void remover_close(struct remover *r)
{
	if (!r)
		return;
	close(r->wire);
	if (!has_ended(r->child, r->hung ? 0 : CLOSE_MS))
		fprintf(stderr,
			"dbleak: process %d still takes probes out, and ends then; killed, it "
			"would "
			"leave them in until the host restarts\n",
			(int)r->child);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* The child only takes messages in, and soon; one that does not is not waited for. */
static ssize_t send_soon(int wire, const struct msghdr *message)
{
	struct pollfd room = {.fd = wire, .events = POLLOUT};
	ssize_t sent;

	do
		sent = sendmsg(wire, message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && (errno == EINTR || (errno == EAGAIN && poll(&room, 1, SEND_MS) == 1)));
	return sent;
}

static bool remover_send(struct remover *r, struct remover_message m, const int *fds, size_t n)
{
	struct iovec vec = {&m, sizeof(m)};
	struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
	union room room = {.bytes = {0}};
	struct cmsghdr *head;

	if (n) {
		message.msg_control = room.bytes;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(head), fds, n * sizeof(int));
	}
	return send_soon(r->wire, &message) == sizeof(m);
}

static bool order_out(struct remover *r, enum remover_word word, uint64_t set, bool wanted)
{
	struct remover_message m = {.word = word, .wanted = wanted, .set = set};

	return remover_send(r, m, NULL, 0);
}

uint64_t remover_keep(struct remover *r, const int *fds, size_t n)
{
	bool sent = r && n;
	uint64_t set = 0;

	if (!sent)
		return 0;
	pthread_mutex_lock(&r->lock);
	set = ++r->sets;
	for (size_t at = 0; at < n && sent; at += FDS_AT_ONCE)
		sent = remover_send(r, (struct remover_message){.word = KEEP, .set = set}, fds + at,
				    n - at < FDS_AT_ONCE ? n - at : FDS_AT_ONCE);
	if (!sent) {
		debug(DEBUG_PROBE, "the process that takes probes out does not take %zu: %s", n,
		      strerror(errno));
		order_out(r, TAKE_OUT, set, false); /* what it has of them */
		set = 0;
	}
	pthread_mutex_unlock(&r->lock);
	return set;
}

/* Reads so many answers.  Some may be late ones, of sets that were not waited for any more. */
static void remover_wait(struct remover *r, size_t answers, unsigned int ms)
{
	int64_t end = clock_monotonic_ms() + ms, left;
	struct pollfd wire = {.fd = r->wire, .events = POLLIN};
	struct remover_message m;

	while (answers && (left = end - clock_monotonic_ms()) > 0) {
		if (poll(&wire, 1, (int)left) != 1)
			continue;
		if (recv(r->wire, &m, sizeof(m), MSG_DONTWAIT) != sizeof(m))
			return; /* the child is gone, and so are its descriptors */
		answers -= m.word == DONE;
	}
	if (!answers)
		return;
	r->hung = true;
	debug(DEBUG_PROBE, "%zu sets of probes are not out after %u ms", answers, ms);
}

void remover_take_out(struct remover *r, const uint64_t *sets, size_t n, enum remover_haste haste)
{
	static const unsigned int wait[] = {
		[REMOVER_LATER] = 0, [REMOVER_SOON] = SOON_MS, [REMOVER_AT_ONCE] = AT_ONCE_MS};
	enum remover_word word = haste == REMOVER_AT_ONCE ? TAKE_OUT_AT_ONCE : TAKE_OUT;
	unsigned int wait_ms = wait[haste];
	size_t answers = 0;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	if (r->hung)
		wait_ms = 0;
	for (size_t i = 0; i < n; i++)
		if (sets[i] && order_out(r, word, sets[i], wait_ms))
			answers += wait_ms != 0;
	remover_wait(r, answers, wait_ms);
	pthread_mutex_unlock(&r->lock);
}

uint64_t remover_cpu_ns(const struct remover *r)
{
	return r ? kin_cpu_ns(r->child) : 0;
}
