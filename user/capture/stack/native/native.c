/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * native.c - the parent's side: asks, takes in answers, and looks after the worker.
 *
 * Every number that comes back is checked; a worker that sends nonsense is ended like one that
 * died.  The worker sends each frame once.  Frames are kept here by their ids, at most
 * WIRE_FRAMES_MAX of them.
 */
#include "user/capture/stack/native/native.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "user/base/table.h"
#include "user/capture/stack/native/known.h"
#include "user/capture/stack/native/native_wire.h"
#include "user/capture/stack/native/supplier.h"
#include "user/capture/stack/native/native_state.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define NS_PER_SECOND 1000000000ULL
#define PACKETS	      8			   /* received at a time */
#define LIVED_NS      (10 * NS_PER_SECOND) /* a worker that dies later did not die of its start */
#define WAIT_FIRST_NS (NS_PER_SECOND / 10) /* before another is started, doubled each time */
#define WAIT_LAST_NS  (30 * NS_PER_SECOND)
#define STOP_MS	      100		   /* to die of SIGKILL; later: it hangs in the kernel */
#define SOON_MS	      1			   /* to wait for the next request after an answer */
#define SERVE_NS      20000000ULL	   /* spent on requests in one go: other work waits, too */
#define HANG_NS	      (15 * NS_PER_SECOND) /* of silence, longer than guard.h allows a look */
#define LOOK_SECONDS  5			   /* how often the silence is checked */

void native_frames_forget(struct native *n)
{
	arena_close(n->texts);
	n->texts = NULL;
	n->reported = 0;
}

static int watch(struct native *n, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(n->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int tell_guard(struct native *n)
{
	struct wire_guard m = {.head = {WIRE_GUARD, sizeof(m)}};

	memcpy(m.file, n->guard.file, sizeof(m.file));
	return send(n->worker.wire, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int worker_start(struct native *n)
{
	int err;

	guard_take(&n->guard); /* the last worker may have marked on when it was ended */
	err = nursery_start(n->nursery, NURSERY_NATIVE, &n->worker);
	if (!err)
		err = watch(n, n->worker.wire);
	if (!err)
		err = watch(n, n->worker.asking);
	if (!err)
		err = tell_guard(n);
	n->started_ns = n->heard_ns = clock_monotonic_ns();
	return err;
}

/* Ends the worker; *status: how it ended.  False: it hangs in the kernel, where even SIGKILL
 * waits. */
static bool worker_stop(struct native *n, int *status)
{
	struct nursery_end end;
	int err = nursery_stop(n->nursery, &n->worker, STOP_MS, &end);

	n->dead_cpu_ns += end.cpu_ns;
	native_frames_forget(n);
	if (n->supplier)
		supplier_forget(n->supplier);
	*status = end.status;
	return err != -ETIMEDOUT;
}

void native_tell_lost(struct native *n, native_fn fn, void *context)
{
	n->counts.lost += n->outstanding;
	for (; n->outstanding; n->outstanding--, n->first++) {
		const struct asked *asked = &n->asked[n->first % n->asked_room];
		struct native_answer answer = {.frames = n->stack, .key = 1};

		answer.id = asked->id;
		answer.start_ns = asked->start_ns;
		answer.pid = asked->pid;
		fn(context, &answer);
	}
}

static void worker_died(struct native *n, native_fn fn, void *context)
{
	struct guard_file marked = guard_take(&n->guard);
	bool got = supplier_gave(n->supplier, marked.device, marked.inode);
	uint64_t now = clock_monotonic_ns();
	int status;
	bool died = worker_stop(n, &status);
	int how = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	debug(DEBUG_WORKER, "the worker for stacks died, %zu stacks are lost; file %llx:%llu %s",
	      (size_t)n->outstanding, (unsigned long long)marked.device,
	      (unsigned long long)marked.inode, got ? "is blamed" : "is not to blame");
	n->counts.deaths++;
	if (got)
		guard_blame(&n->guard, &marked, !died || how == SIGPROF || how == SIGALRM);
	if (now - n->started_ns > LIVED_NS || !n->wait_ns)
		n->wait_ns = WAIT_FIRST_NS;
	else if (n->wait_ns < WAIT_LAST_NS)
		n->wait_ns *= 2;
	n->retry_ns = now + n->wait_ns;
	native_tell_lost(n, fn, context);
}

static bool worker_ready(struct native *n)
{
	int status;

	if (n->worker.wire >= 0)
		return true;
	if (clock_monotonic_ns() < n->retry_ns)
		return false;
	if (!worker_start(n))
		return true;
	worker_stop(n, &status);
	n->retry_ns = clock_monotonic_ns() + NS_PER_SECOND;
	return false;
}

static int timer_start(struct native *n)
{
	struct itimerspec often = {{LOOK_SECONDS, 0}, {LOOK_SECONDS, 0}};

	n->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (n->timer < 0 || timerfd_settime(n->timer, 0, &often, NULL))
		return -errno;
	return watch(n, n->timer);
}

int native_open(struct native **out, struct nursery *nursery)
{
	struct native *n = calloc(1, sizeof(*n));
	int err = -ENOMEM;

	if (!n)
		return err;
	n->nursery = nursery;
	n->worker = (struct nursling){-1, -1, 0, 0};
	n->epoll = n->timer = -1;
	guard_share(&n->guard, nursery_shared(nursery, NURSERY_NATIVE));
	err = supplier_open(&n->supplier);
	if (!err && (n->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
		err = -errno;
	if (!err)
		err = timer_start(n);
	if (!err)
		err = worker_start(n);
	if (err) {
		native_close(n);
		return err;
	}
	*out = n;
	return 0;
}

void native_close(struct native *n)
{
	int status;

	if (!n)
		return;
	worker_stop(n, &status);
	if (n->epoll >= 0)
		close(n->epoll);
	if (n->timer >= 0)
		close(n->timer);
	supplier_close(n->supplier);
	free(n->frames);
	free(n->asked);
	free(n);
}

int native_fd(const struct native *n)
{
	return n->epoll;
}

/* Sends a question.  A dead worker is not noticed here but in native_step, which reads the answers
 * that are left of it. */
static int native_ask(struct native *n, const void *first, size_t first_size, const void *then,
		      size_t size)
{
	struct iovec vec[2] = {{(void *)first, first_size}, {(void *)then, size}};
	struct msghdr message = {.msg_iov = vec, .msg_iovlen = 2};

	return worker_ready(n) &&
			       sendmsg(n->worker.wire, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0
		       ? 0
		       : -EAGAIN;
}

bool native_asked_room(struct native *n)
{
	size_t room = n->asked_room ? 2 * n->asked_room : 256;
	struct asked *grown;

	if (n->outstanding < n->asked_room)
		return true;
	grown = calloc(room, sizeof(*grown));
	if (!grown)
		return false;
	for (size_t i = 0; i < n->outstanding; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero) what is outstanding has room */
		grown[i] = n->asked[(n->first + i) % n->asked_room];
	free(n->asked);
	n->asked = grown;
	n->asked_room = room;
	n->first = 0;
	return true;
}

int native_asked(struct native *n, int err, const struct asked *asked)
{
	n->counts.asked++;
	n->counts.lost += err != 0;
	if (!err && !n->outstanding)
		n->heard_ns = clock_monotonic_ns();
	if (!err)
		n->asked[(n->first + n->outstanding++) % n->asked_room] = *asked;
	return err;
}

int native_stack(struct native *n, const struct raw_stack *raw)
{
	struct wire_head head = {WIRE_STACK, 0};
	size_t size = offsetof(struct raw_stack, bytes) + raw->length;
	int err = -EAGAIN;

	head.size = (uint32_t)(sizeof(head) + size);
	supplier_name(n->supplier, raw->pid, raw->start_ns);
	if (raw->parent)
		supplier_name(n->supplier, raw->parent, raw->parent_start_ns);
	if (raw->length <= STACK_BYTES && native_asked_room(n))
		err = native_ask(n, &head, sizeof(head), raw, size);
	return native_asked(n, err, &(struct asked){raw->id, raw->start_ns, raw->shape, raw->pid});
}

static int request(struct native *n, const struct wire_request *r)
{
	supplier_name(n->supplier, r->pid, r->start_ns);
	return native_ask(n, r, sizeof(*r), NULL, 0);
}

int native_caller(struct native *n, uint64_t id, uint32_t pid, uint64_t start_ns, uint64_t address)
{
	struct wire_request r = {{WIRE_CALLER, sizeof(r)}, id, start_ns, address, pid, 0};
	int err = native_asked_room(n) ? request(n, &r) : -EAGAIN;

	return native_asked(n, err, &(struct asked){id, start_ns, 0, pid});
}

void native_process(struct native *n, uint32_t pid, uint64_t start_ns)
{
	struct wire_request r = {{WIRE_PROCESS, sizeof(r)}, 0, start_ns, 0, pid, 0};

	request(n, &r);
}

static struct frame *frame_room(struct native *n)
{
	if (n->reported == n->room) {
		uint32_t room = n->room ? 2 * n->room : 1024;
		struct frame *grown = realloc(n->frames, room * sizeof(*grown));

		if (!grown)
			return NULL;
		n->frames = grown;
		n->room = room;
	}
	return &n->frames[n->reported];
}

static int take_frame(struct native *n, const struct wire_frame *m)
{
	struct frame *frame;
	const char *text;

	if (m->head.size < sizeof(*m) || m->text_size > m->head.size - sizeof(*m) ||
	    m->id != n->reported + 1 || m->id > WIRE_FRAMES_MAX || m->language > EV_LANG_GO)
		return -EPROTO;
	if (!n->texts)
		n->texts = arena_open();
	text = n->texts ? arena_copy(n->texts, m->text, m->text_size) : NULL;
	frame = frame_room(n);
	if (!text || !frame)
		return -ENOMEM;
	*frame = (struct frame){.offset = m->offset, .line = m->line, .column = m->column};
	frame->language = m->language;
	frame->flags = m->flags;
	if (!known_texts(frame, text, m->text_size))
		return -EPROTO;
	n->reported++;
	return 0;
}

/* Checks a shape; the worker may send anything. */
static bool shape_is_sound(const struct stack_shape *shape)
{
	if (!shape->count || shape->count > STACK_SLOTS || shape->bytes > STACK_BYTES)
		return false;
	for (size_t i = 0; i < shape->count; i++)
		if (shape->slot[i] * 8U + 8 > shape->bytes)
			return false;
	return true;
}

static int take_answer(struct native *n, const struct wire_answer *m, native_fn fn, void *context)
{
	const struct asked *asked = n->outstanding ? &n->asked[n->first % n->asked_room] : NULL;
	struct native_answer answer = {.frames = n->stack};

	if (m->head.size < sizeof(*m) || m->count > EV_STACK_FRAMES || !asked ||
	    m->id != asked->id || m->count * sizeof(*m->frame) > m->head.size - sizeof(*m))
		return -EPROTO;
	for (uint32_t i = 0; i < m->count; i++) {
		if (m->frame[i] - 1 >= n->reported)
			return -EPROTO;
		n->stack[i] = n->frames[m->frame[i] - 1];
	}
	answer.id = asked->id;
	answer.start_ns = asked->start_ns;
	answer.key = m->key;
	answer.pid = asked->pid;
	answer.flags = m->flags;
	answer.count = m->count;
	answer.shape_key = asked->shape;
	answer.shape = shape_is_sound(&m->shape) ? &m->shape : NULL;
	n->first++;
	n->outstanding--;
	n->counts.answered++;
	fn(context, &answer);
	return 1;
}

static int native_take(struct native *n, const struct wire_head *head, native_fn fn, void *context)
{
	switch (head->kind) {
	case WIRE_FRAME:
		return take_frame(n, (const void *)head);
	case WIRE_ANSWER:
		return take_answer(n, (const void *)head, fn, context);
	case WIRE_RESET:
		native_frames_forget(n);
		return 0;
	default:
		return -EPROTO;
	}
}

int native_take_packet(struct native *n, size_t size, native_fn fn, void *context)
{
	int count = 0;

	for (size_t at = 0; at < size;) {
		const struct wire_head *head = (const void *)(n->in + at);
		int done;

		if (size - at < sizeof(*head) || head->size < sizeof(*head) || head->size % 8 ||
		    head->size > size - at)
			return -EPROTO;
		done = native_take(n, head, fn, context);
		if (done < 0)
			return done;
		count += done;
		at += head->size;
	}
	return count;
}

/* Does the worker ask for more at once?  The next request follows an answer within microseconds.
 * To wait for it is cheaper than to come back, also for the worker. */
static bool asks_soon(const struct native *n)
{
	struct pollfd wait[2] = {{n->worker.asking, POLLIN, 0}, {n->worker.wire, POLLIN, 0}};

	return supplier_is_asked(n->supplier) && poll(wait, 2, SOON_MS) > 0 && wait[0].revents;
}

/* Answers the worker's requests, and checks how long the worker has been silent.  0, or -errno: the
 * worker is to be ended. */
static int look_after(struct native *n)
{
	uint64_t ticks, until = clock_monotonic_ns() + SERVE_NS;
	int err;

	while (!(err = supplier_step(n->supplier, &n->worker)) && clock_monotonic_ns() < until &&
	       asks_soon(n))
		;
	if (!n->outstanding)
		n->heard_ns = clock_monotonic_ns();
	if (!err && read(n->timer, &ticks, sizeof(ticks)) > 0 &&
	    clock_monotonic_ns() - n->heard_ns > HANG_NS)
		err = -ETIME;
	return err;
}

int native_step(struct native *n, native_fn fn, void *context)
{
	int count = 0;

	if (n->worker.wire >= 0 && look_after(n))
		worker_died(n, fn, context);
	for (int i = 0; i < PACKETS && n->worker.wire >= 0; i++) {
		ssize_t got = recv(n->worker.wire, n->in, sizeof(n->in), MSG_DONTWAIT);
		int done;

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		n->heard_ns = clock_monotonic_ns();
		done = got > 0 ? native_take_packet(n, (size_t)got, fn, context) : -EPIPE;
		if (done < 0)
			worker_died(n, fn, context);
		else
			count += done;
	}
	return count;
}

int native_flush(struct native *n, int timeout_ms, native_fn fn, void *context)
{
	uint64_t end = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000ULL,
		 now = clock_monotonic_ns();
	int count = 0, status;

	while (n->outstanding && now < end) {
		struct pollfd wait = {n->epoll, POLLIN, 0};

		poll(&wait, 1, (int)((end - now) / 1000000ULL) + 1);
		count += native_step(n, fn, context);
		now = clock_monotonic_ns();
	}
	if (n->outstanding) {
		worker_stop(n, &status);
		native_tell_lost(n, fn, context);
	}
	return count;
}

static uint64_t rss_bytes(pid_t pid)
{
	unsigned long long pages = 0;
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%*u %llu", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct native_counts native_counts(const struct native *n)
{
	struct native_counts counts = n->counts;

	counts.given_up = n->guard.given_up;
	counts.cpu_ns = n->dead_cpu_ns;
	if (n->worker.pid <= 0)
		return counts;
	counts.cpu_ns += clock_process_ns(n->worker.pid);
	counts.rss_bytes = rss_bytes(n->worker.pid);
	return counts;
}
