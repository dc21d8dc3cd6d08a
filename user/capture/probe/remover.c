/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * remover.c - see remover.h.
 *
 *   dbleak                           child
 *   KEEP set, descriptors ────────►  a set in its table
 *   TAKE_OUT set ─────────────────►  processes that end close them; the table forgets the set
 *   (end of a pipe) ◄──────────────  closes the other end, which came with TAKE_OUT
 *   (the socket closes) ──────────►  the same for all that is left; the child ends after the last
 */
#include "user/capture/probe/remover.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
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
#define FDS_AT_ONCE  64	   /* descriptors in a message; the kernel takes 253 */
#define SEND_MS	     200   /* the child's queue is full: it makes room at once, or hangs */
#define SOON_MS	     500   /* a set is taken out in some 50 ms */
#define AT_ONCE_MS   3000  /* hundreds of sets at once, on a busy host */
#define CLOSE_MS     2000  /* hundreds of sets, on a busy host */
#define HUNG_MS	     10000 /* for so long nobody waits for a child that was late */
#define SETS_GROW    64
#define HANDS_MOST   32 /* processes that share a set */
#define LINKS_A_HAND 4	/* a set of no more is one hand's */

enum remover_word { KEEP, TAKE_OUT, TAKE_OUT_AT_ONCE };

struct remover_message {
	uint32_t word;
	uint32_t reserved;
	uint64_t set;
};

struct remover {
	pid_t child;
	int wire;
	/* Of `sets`, and of the order on the wire.  Held for SEND_MS at most. */
	pthread_mutex_t lock;
	uint64_t sets;
	_Atomic int64_t hung_ms; /* when something took too long last; 0: never */
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
	int done; /* to be closed when the set is out; below 0: nobody waits */
	bool at_once;
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

/* A descriptor without room is closed at once: then dbleak has the last descriptor. */
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

/*
 * Hands: processes that end, and so close what they hold.
 *
 * A close that takes a probe out must not meet SIGKILL, nor the end of a container: the kernel
 * would give up halfway ("failed to unregister, leaking uprobe"), and the probe would stay in until
 * the host restarts.  No signal reaches a process of one thread that ends.  So each hand holds its
 * links alone, and then ends; whoever waits for it knows that they are out.
 */
static struct {
	struct hand {
		pid_t pid;
		uint64_t set;
		int done; /* of its set */
	} * all;
	size_t count, size;
} hands;

static int highest; /* descriptor that was received */

static bool hands_reserve(void)
{
	struct hand *more;

	if (hands.count < hands.size)
		return true;
	more = realloc(hands.all, (hands.size + SETS_GROW) * sizeof(*more));
	if (!more)
		return false;
	hands.all = more;
	hands.size += SETS_GROW;
	return true;
}

/* Lets go of all but its own, says so, and ends when the remover has closed its copies. */
static _Noreturn void hand_ends(const bool *own, int wire)
{
	char word = 0;

	for (int fd = 0; fd <= highest; fd++)
		if (!own[fd] && fd != wire)
			close(fd);
	(void)!send(wire, &word, 1, MSG_NOSIGNAL);
	(void)!recv(wire, &word, 1, 0);
	_exit(0);
}

/* Makes a hand that holds each step-th descriptor from the first on, and closes them here.  Without
 * memory or processes for a hand, the close here takes the probes out.  Returns the hand; not above
 * 0: there is none. */
static pid_t hand_make(const int *fds, size_t count, size_t first, size_t step)
{
	bool *own = calloc((size_t)highest + 1, sizeof(*own));
	int pair[2] = {-1, -1};
	pid_t hand = -1;
	char word;

	for (size_t i = first; own && i < count; i += step)
		own[fds[i]] = true;
	if (own && hands_reserve() && !socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		hand = fork();
	if (!hand) {
		close(pair[0]);
		hand_ends(own, pair[1]);
	}
	close(pair[1]);
	if (hand > 0)
		(void)!recv(pair[0], &word, 1, 0);
	for (size_t i = first; i < count; i += step)
		close(fds[i]);
	close(pair[0]);
	free(own);
	return hand;
}

/* Several hands share a large set: the kernel waits for all processors at each link, and waits
 * overlap.  Returns how many there are. */
static size_t hand_out(const struct kept *k)
{
	size_t step = k->count > (k->at_once ? 1 : LINKS_A_HAND) ? k->count : 1, made = 0;

	if (step > HANDS_MOST)
		step = HANDS_MOST;
	for (size_t i = 0; i < step && i < k->count; i++) {
		pid_t hand = hand_make(k->fds, k->count, i, step);

		if (hand <= 0)
			continue;
		hands.all[hands.count++] = (struct hand){hand, k->set, k->done};
		made++;
	}
	return made;
}

static void hand_ended(pid_t pid)
{
	struct hand ended = {.done = -1};

	for (size_t i = 0; i < hands.count; i++)
		if (hands.all[i].pid == pid) {
			ended = hands.all[i];
			hands.all[i] = hands.all[--hands.count];
			break;
		}
	for (size_t i = 0; i < hands.count; i++)
		if (hands.all[i].set == ended.set)
			return;
	if (ended.done >= 0)
		close(ended.done);
}

/* done: as in struct kept. */
static void remover_drop(const struct remover_message *m, int done)
{
	struct kept *k = kept_of(m->set), taken = {.set = m->set};

	if (k) {
		taken = *k;
		*k = held.all[--held.count];
	}
	taken.done = done;
	taken.at_once = m->word == TAKE_OUT_AT_ONCE;
	if (!hand_out(&taken) && done >= 0)
		close(done);
	free(taken.fds);
}

static void drop_all(void)
{
	struct kept all = {.done = -1, .at_once = true};

	for (size_t i = 0; i < held.count; i++)
		all.count += held.all[i].count;
	all.fds = calloc(all.count + 1, sizeof(*all.fds));
	all.count = 0;
	for (size_t i = 0; i < held.count; i++)
		for (size_t k = 0; all.fds && k < held.all[i].count; k++)
			all.fds[all.count++] = held.all[i].fds[k];
	hand_out(&all); /* without memory the end of this process closes them */
}

static const int allowed[] = {
#ifdef __SANITIZE_ADDRESS__ /* a process of its own needs more */
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
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	SCMP_SYS(ppoll),
	SCMP_SYS(socketpair),
	SCMP_SYS(close),
	SCMP_SYS(wait4),
	SCMP_SYS(futex),
	SCMP_SYS(clone),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(brk),
	SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq)};

static int remover_filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < COUNT(allowed) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
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
	for (size_t i = 0; i < *n; i++)
		if (fds[i] > highest)
			highest = fds[i];
	return got == sizeof(*m);
}

static void wake(int sig)
{
	(void)sig;
}

/* Waits for a message, and tells of the hands that end meanwhile. */
static void wait_for_message(void)
{
	struct pollfd wire = {.fd = 0, .events = POLLIN};
	sigset_t none;
	pid_t pid;

	sigemptyset(&none);
	do
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			hand_ended(pid);
	while (ppoll(&wire, 1, NULL, &none) < 0);
}

/* Only SIGCHLD counts, and that only while nothing is done. */
static void remover_ignore_signals(void)
{
	sigset_t child;

	for (int sig = 1; sig <= SIGRTMAX; sig++)
		signal(sig, sig == SIGCHLD ? wake : SIG_IGN);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_SETMASK, &child, NULL);
}

static _Noreturn void remover_serve(int wire)
{
	struct remover_message m;
	int fds[FDS_AT_ONCE];
	size_t n;

	remover_ignore_signals();
	prctl(PR_SET_NAME, "dbleak-remover");
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (dup2(wire, 0) < 0)
		_exit(1);
	syscall(SYS_close_range, 1, ~0U, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || capng_apply(CAPNG_SELECT_CAPS) ||
	    remover_filter_calls())
		_exit(1);
	for (wait_for_message(); remover_receive(&m, fds, &n); wait_for_message())
		if (m.word == KEEP)
			remover_put(m.set, fds, n);
		else
			remover_drop(&m, n ? fds[0] : -1);
	drop_all();
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
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

static bool hung_lately(const struct remover *r)
{
	return r->hung_ms && clock_monotonic_ms() - r->hung_ms < HUNG_MS;
}

void remover_close(struct remover *r)
{
	if (!r)
		return;
	close(r->wire);
	if (!has_ended(r->child, hung_lately(r) ? 0 : CLOSE_MS))
		fprintf(stderr,
			"dbleak: process %d still takes probes out, and ends then; killed, it "
			"would "
			"leave them in until the host restarts\n",
			(int)r->child);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* The child makes room soon, unless it hangs.  ms: how long to wait for that. */
static ssize_t send_soon(int wire, const struct msghdr *message, int ms)
{
	struct pollfd room = {.fd = wire, .events = POLLOUT};
	ssize_t sent;

	do
		sent = sendmsg(wire, message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && (errno == EINTR || (errno == EAGAIN && poll(&room, 1, ms) == 1)));
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
	if (send_soon(r->wire, &message, hung_lately(r) ? 0 : SEND_MS) == sizeof(m))
		return true;
	if (errno == EAGAIN)
		r->hung_ms = clock_monotonic_ms();
	return false;
}

/* done: as in struct kept. */
static bool order_out(struct remover *r, enum remover_word word, uint64_t set, int done)
{
	struct remover_message m = {.word = word, .set = set};

	return remover_send(r, m, &done, done >= 0);
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
		order_out(r, TAKE_OUT, set, -1); /* what it has of them */
		set = 0;
	}
	pthread_mutex_unlock(&r->lock);
	return set;
}

/* Waits until the child has closed all other ends of the pipe. */
static void remover_wait(struct remover *r, int end, int ms)
{
	int64_t until = clock_monotonic_ms() + ms, left;
	struct pollfd done = {.fd = end};

	while ((left = until - clock_monotonic_ms()) > 0)
		if (poll(&done, 1, (int)left) == 1)
			return;
	r->hung_ms = clock_monotonic_ms();
	debug(DEBUG_PROBE, "probes are not out after %d ms", ms);
}

void remover_take_out(struct remover *r, const uint64_t *sets, size_t n, enum remover_haste haste)
{
	static const int wait[] = {
		[REMOVER_LATER] = 0, [REMOVER_SOON] = SOON_MS, [REMOVER_AT_ONCE] = AT_ONCE_MS};
	enum remover_word word = haste == REMOVER_AT_ONCE ? TAKE_OUT_AT_ONCE : TAKE_OUT;
	int wait_ms = wait[haste], ends[2] = {-1, -1};
	size_t ordered = 0, wanted = 0;

	if (!r)
		return;
	if (haste == REMOVER_SOON && hung_lately(r))
		wait_ms = 0;
	if (wait_ms && pipe2(ends, O_CLOEXEC))
		wait_ms = 0;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < n; i++)
		if (sets[i]) {
			wanted++;
			ordered += order_out(r, word, sets[i], ends[1]);
		}
	pthread_mutex_unlock(&r->lock);
	if (ordered < wanted)
		debug(DEBUG_PROBE, "%zu of %zu sets of probes stay in until the end: %s",
		      wanted - ordered, wanted, strerror(errno));
	if (!wait_ms)
		return;
	close(ends[1]);
	remover_wait(r, ends[0], wait_ms);
	close(ends[0]);
}

uint64_t remover_cpu_ns(const struct remover *r)
{
	return r ? kin_cpu_ns(r->child) : 0;
}
