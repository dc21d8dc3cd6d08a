/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present.c - see present.h.
 *
 * A look has four steps.  The kernel lists the sleeping threads.  The stacks of those that ran
 * since the last look are read from the memory of their process.  The kernel lists the threads once
 * more: a stack whose thread ran meanwhile is thrown away.  The others go to the readers, as
 * samples of the kernel half do, and are reported once they have names.
 */
#include "user/capture/stack/present.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "user/base/table.h"
#include "user/capture/host/memory.h"
#include "user/capture/kernel/kernel_stack.h"
#include "user/capture/kernel/kernel_thread.h"
#include "user/capture/stack/present_request.h"
#include "user/capture/stack/present_state.h"
#include "user/capture/stack/present_task.h"
#include "user/capture/stack/python_object.h"
#include "user/capture/stack/python_thread.h"
#include "user/capture/stack/reader.h"
#include "user/capture/stack/runtime.h"
#include "user/capture/worker/looking.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define LOOK_NS	     1000000000ULL /* between two looks, at least */
#define LOOK_SHARE   100	   /* and so many times as long as the last one took */
#define SOON_NS	     100000000ULL  /* where a look left threads for the next */
#define LOAD_NS	     300000000ULL  /* that the last look waits for its programs */
#define READ_NS	     200000000ULL  /* of a look, to read stacks */
#define NATIVE_MOST  24	   /* stacks of one look that the worker unwinds: its queue is short */
#define THREADS_MOST 16384 /* of all processes */
#define NATIVE_BYTES 8192  /* of a stack */
#define TICK_NS	     10000000ULL /* starts in /proc are cut to it */
/* Low bits of the ids made here; see SITE_SAMPLE in reader.c. */
#define PRESENT_SAMPLE 0xfffc

int presents_open(struct presents **out, struct kernel *kernel, struct readers *readers,
		  const struct presents_host *host)
{
	struct presents *p = calloc(1, sizeof(*p));
	int err = p ? 0 : -ENOMEM;

	*out = NULL;
	if (p) {
		p->kernel = kernel;
		p->readers = readers;
		p->host = *host;
		p->raw = calloc(1, sizeof(*p->raw));
		p->python = calloc(PYTHON_THREADS_MOST, sizeof(*p->python));
		err = p->raw && p->python ? kernel_threads_open(&p->threads, kernel) : -ENOMEM;
	}
	if (err) {
		presents_close(p);
		return err;
	}
	*out = p;
	return 0;
}

void presents_close(struct presents *p)
{
	if (!p)
		return;
	kernel_threads_close(p->threads);
	table_free_values(&p->known);
	table_free(&p->answering);
	table_free_values(&p->tasks);
	free(p->seen);
	free(p->raw);
	free(p->python);
	free(p);
}

void presents_runtimes(struct presents *p, const struct runtimes *runtimes)
{
	p->runtimes = runtimes;
}

void presents_begin(struct presents *p)
{
	kernel_threads_begin(p->threads);
}

uint64_t presents_due(const struct presents *p)
{
	return p->refused ? UINT64_MAX : p->due_ns;
}

/* --- the list of threads -----------------------------------------------------------------------
 */

static struct table_key thread_key(uint32_t tid, uint64_t start_ns)
{
	return (struct table_key){tid, start_ns};
}

static void on_thread(void *context, const struct raw_thread *raw)
{
	struct presents *p = context;
	size_t room = p->seen_room ? 2 * p->seen_room : 256;
	struct raw_thread *more;

	if (p->seen_count >= THREADS_MOST)
		return;
	if (p->seen_count == p->seen_room) {
		more = realloc(p->seen, room * sizeof(*more));
		if (!more)
			return;
		p->seen = more;
		p->seen_room = room;
	}
	p->seen[p->seen_count++] = *raw;
}

static int by_process(const void *a, const void *b)
{
	const struct raw_thread *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static void sort_seen(struct presents *p)
{
	if (p->seen_count)
		qsort(p->seen, p->seen_count, sizeof(*p->seen), by_process);
}

/* --- stacks ------------------------------------------------------------------------------------
 */

static uint64_t present_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/* Equal frames of a process have one id, so that they are named once. */
static uint64_t frames_id(const struct raw_stack *raw)
{
	uint64_t hash = present_mix(raw->start_ns, raw->pid);

	for (uint32_t i = 0; i < raw->count; i++)
		hash = present_mix(present_mix(hash, raw->frame[i].code), raw->frame[i].at);
	return hash << 16 | PRESENT_SAMPLE | STACK_INTERPRETED;
}

void present_raw_begin(struct presents *p, const struct raw_thread *t, uint16_t runtime)
{
	struct raw_stack *raw = p->raw;

	memset(raw, 0, offsetof(struct raw_stack, frame));
	raw->head = (struct ev_head){.ns = clock_boot_ns(), .kind = RAW_STACK};
	raw->start_ns = t->start_ns;
	raw->pid = t->pid;
	raw->tid = t->tid;
	raw->runtime = runtime;
	raw->flags = RAW_STACK_PRESENT;
}

void present_raw_end(struct presents *p)
{
	p->raw->id = frames_id(p->raw);
	p->raw->head.size = offsetof(struct raw_stack, frame) +
			    p->raw->count * sizeof(p->raw->frame[0]);
}

/* Lists the threads of a Python process, once for each look.  0 or -errno. */
static int list_python(struct presents *p, const struct raw_thread *t,
		       const struct runtime_process *runtime, const struct python_build *build)
{
	const struct python_process process = {t->start_ns, t->pid};
	int n;

	if (p->python_pid == t->pid && p->python_start_ns == t->start_ns)
		return p->python_err;
	p->python_pid = t->pid;
	p->python_start_ns = t->start_ns;
	p->ahead_count = 0;
	n = readers_threads(p->readers, build, &process, runtime->address, p->python,
			    PYTHON_THREADS_MOST);
	p->python_count = n > 0 ? (size_t)n : 0;
	p->python_err = n < 0 ? n : 0;
	return p->python_err;
}

/* Does the thread sleep on, at the stack that is known of it? */
static bool sleeps_on(const struct present_thread *k, const struct raw_thread *t, bool python)
{
	return k && k->switches == t->switches && k->python == python;
}

/* The innermost Python frame of a thread; 0: it runs no Python. */
static uint64_t python_frame_of(const struct presents *p, const struct raw_thread *t)
{
	for (size_t i = 0; i < p->python_count; i++)
		if (p->python[i].self == t->thread_at && p->python[i].frame)
			return p->python[i].frame;
	return 0;
}

/* Reads the frames of a thread, together with those of threads of p->seen behind it whose turn
 * comes next: a question passes two processes.  0 or -errno. */
static int read_python(struct presents *p, const struct raw_thread *t,
		       const struct runtime_process *runtime, const struct python_build *build)
{
	const struct python_process process = {t->start_ns, t->pid};
	const struct raw_thread *next = t, *end = p->seen + p->seen_count;
	size_t n = 0;
	int err;

	for (; next < end && next->pid == t->pid && n < PYTHON_FRAMES_MOST; next++) {
		uint64_t frame = python_frame_of(p, next);
		struct table_key key = thread_key(next->tid, next->start_ns);

		if (frame && (next == t || !sleeps_on(table_get(&p->known, key), next, true)))
			p->ahead_at[n++] = frame;
	}
	p->ahead_count = 0;
	err = readers_thread_frames(p->readers, build, &process, runtime->address, p->ahead_at, n,
				    p->ahead);
	if (!err)
		p->ahead_count = n;
	return err;
}

/* The frames that were read of the thread with this one; NULL: nothing yet. */
static const struct python_frames *read_ahead(const struct presents *p, uint64_t frame)
{
	for (size_t i = 0; i < p->ahead_count; i++)
		if (p->ahead_at[i] == frame)
			return &p->ahead[i];
	return NULL;
}

/* Takes the stack of a Python thread.  -ENOENT: it runs no Python. */
static int take_python(struct presents *p, const struct raw_thread *t,
		       const struct runtime_process *runtime)
{
	const struct python_build *build = p->runtimes ? runtimes_python(p->runtimes, runtime->row)
						       : NULL;
	const struct python_frames *frames;
	uint64_t frame;
	int err;

	if (!build)
		return -ENOENT;
	err = list_python(p, t, runtime, build);
	if (err)
		return err;
	frame = python_frame_of(p, t);
	if (!frame)
		return -ENOENT;
	if (!read_ahead(p, frame))
		err = read_python(p, t, runtime, build);
	if (err)
		return err;
	frames = read_ahead(p, frame);
	if (frames->result)
		return frames->result;
	present_raw_begin(p, t, RUNTIME_PYTHON);
	p->raw->row = runtime->row;
	p->raw->count = frames->count;
	p->raw->flags |= frames->flags;
	memcpy(p->raw->frame, frames->frame, frames->count * sizeof(frames->frame[0]));
	present_raw_end(p);
	return 0;
}

/* Copies the stack of a thread for the worker that unwinds it. */
static int take_native(struct presents *p, const struct raw_thread *t)
{
	struct memory m = memory_of_process(t->pid);
	ssize_t n;

	if (p->natives >= NATIVE_MOST)
		return -EAGAIN;
	present_raw_begin(p, t, RUNTIME_NATIVE);
	n = m.read(&m, t->registers.sp, p->raw->bytes, NATIVE_BYTES);
	if (n < 0)
		return (int)n;
	p->natives++;
	p->raw->registers = t->registers;
	p->raw->length = (uint32_t)n & ~7U;
	p->raw->id = present_mix(present_mix(t->tid, t->switches), t->start_ns) << 16 |
		     PRESENT_SAMPLE;
	p->raw->head.size = offsetof(struct raw_stack, bytes) + p->raw->length;
	return p->raw->length ? 0 : -EFAULT;
}

static bool runs_python(const struct presents *p, const struct raw_thread *t,
			struct runtime_process *runtime)
{
	return !kernel_runtime_get(p->kernel, t->pid, runtime) &&
	       t->start_ns - runtime->start_ns < TICK_NS && runtime->runtime == RUNTIME_PYTHON;
}

struct present_thread *present_known(struct presents *p, const struct raw_thread *t)
{
	struct table_key key = thread_key(t->tid, t->start_ns);
	struct present_thread *k = table_get(&p->known, key);

	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k || table_put(&p->known, key, k)) {
		free(k);
		return NULL;
	}
	k->pid = t->pid;
	k->tid = t->tid;
	k->start_ns = t->start_ns;
	return k;
}

struct present_read *present_keep(struct presents *p, const struct raw_thread *t, bool python)
{
	struct present_read *r = malloc(sizeof(*r) + p->raw->head.size);

	if (!r)
		return NULL;
	*r = (struct present_read){.thread = *t, .python = python};
	memcpy(r + 1, p->raw, p->raw->head.size);
	*p->reads_end = r;
	p->reads_end = &r->next;
	return r;
}

static void read_thread(struct presents *p, const struct raw_thread *t)
{
	struct present_thread *k = table_get(&p->known, thread_key(t->tid, t->start_ns));
	struct runtime_process runtime;
	bool python = runs_python(p, t, &runtime);
	int err;

	if (sleeps_on(k, t, python)) {
		k->look = p->look;
		if (python && present_is_loop(t))
			present_tasks_look(p, k, t, &runtime);
		return;
	}
	if (clock_monotonic_ns() > p->read_until_ns) {
		p->left = true;
		return;
	}
	err = python ? take_python(p, t, &runtime) : take_native(p, t);
	if (err == -EAGAIN || err == -EBUSY) /* busy: its share of time comes back soon */
		p->left = true;
	if (!err)
		present_keep(p, t, python);
	if (python && present_is_loop(t))
		present_tasks_look(p, NULL, t, &runtime);
}

/* --- what they wait for ------------------------------------------------------------------------
 */

/* The descriptor that a thread reads from, writes to or polls alone; -1: none, or several. */
static int64_t descriptor_of(const struct raw_thread *t)
{
	struct memory m = memory_of_process(t->pid);
	int32_t fd;

	switch (t->call) {
	case SYS_read:
	case SYS_write:
	case SYS_readv:
	case SYS_writev:
	case SYS_recvfrom:
	case SYS_sendto:
	case SYS_recvmsg:
	case SYS_sendmsg:
	case SYS_connect:
		return (int32_t)t->argument[0];
	case SYS_poll:
	case SYS_ppoll: /* an array of struct pollfd, which begins with the descriptor */
		return t->argument[1] != 1 || memory_read(&m, t->argument[0], &fd, sizeof(fd)) ? -1
											       : fd;
	}
	return -1;
}

static enum ev_wait wait_of(const struct raw_thread *t, int64_t fd)
{
	if (fd >= 0)
		return EV_WAIT_SOCKET;
	switch (t->call) {
	case SYS_futex:
		return EV_WAIT_LOCK;
	case SYS_poll:
	case SYS_ppoll:
	case SYS_select:
	case SYS_pselect6:
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_accept:
	case SYS_accept4:
		return t->argument[1] || t->call > SYS_poll ? EV_WAIT_MANY : EV_WAIT_TIME;
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
	case SYS_pause:
		return EV_WAIT_TIME;
	case SYS_wait4:
	case SYS_waitid:
		return EV_WAIT_CHILD;
	}
	return EV_WAIT_UNKNOWN;
}

/* --- a look ------------------------------------------------------------------------------------
 */

/* Has the thread slept since it was listed first? */
static bool slept_on(const struct presents *p, const struct raw_thread *t)
{
	const struct raw_thread *now = bsearch(t, p->seen, p->seen_count, sizeof(*p->seen),
					       by_process);

	return now && now->start_ns == t->start_ns && now->switches == t->switches;
}

/* The thread has slept all the time: its stack is true. */
static void believe(struct presents *p, const struct present_read *r)
{
	const struct raw_stack *raw = (const void *)(r + 1);
	struct present_thread *k = present_known(p, &r->thread);
	int64_t fd = descriptor_of(&r->thread);
	uint64_t stack;

	if (!k)
		return;
	k->look = p->look;
	k->switches = r->thread.switches;
	k->python = r->python;
	k->listed = false;
	k->sample = raw->id;
	k->due = true;
	k->out = (struct ev_thread){.head = {.kind = EV_THREAD, .size = sizeof(k->out)},
				    .start_ns = k->start_ns,
				    .since_ns = raw->head.ns - r->thread.slept_ns,
				    .state = EV_THREAD_SLEEPS,
				    .wait = wait_of(&r->thread, fd),
				    .pid = k->pid,
				    .tid = k->tid};
	if (fd >= 0) {
		k->fd = (uint32_t)fd;
		k->next_asking = p->asking;
		p->asking = k;
	}
	if (readers_reported(p->readers, raw->id, &stack))
		readers_stack(p->readers, &raw->head);
}

static void believe_reads(struct presents *p)
{
	struct present_read *next;

	sort_seen(p);
	for (struct present_read *r = p->reads; r; r = next) {
		next = r->next;
		if (r->loop.tid)
			present_task_believe(p, r, slept_on(p, &r->loop));
		else if (slept_on(p, &r->thread))
			believe(p, r);
		free(r);
	}
	p->reads = NULL;
}

void present_moves(struct presents *p, struct present_thread *k)
{
	struct ev_thread out = k->out;

	k->told = false;
	out.stack = 0;
	out.state = EV_THREAD_MOVES;
	p->host.tell(p->host.context, &out.head);
}

/* Threads that do not sleep any more where they slept. */
static void forget_moved(struct presents *p)
{
	struct table_walk walk = table_walk(&p->known);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		struct present_thread *k = slot->value;

		if (k->loop)
			present_task_stay(p, k);
		if (k->look == p->look)
			continue;
		if (k->told)
			present_moves(p, k);
		free(table_walk_remove(&walk));
	}
}

static int list_threads(struct presents *p, const uint32_t *pids)
{
	p->seen_count = 0;
	return kernel_threads_look(p->threads, pids, p->process_count, on_thread, p);
}

static int look(struct presents *p)
{
	uint32_t pids[THREAD_PROCESSES];
	int err;

	p->process_count = p->host.processes(p->host.context, p->processes, THREAD_PROCESSES);
	for (size_t i = 0; i < p->process_count; i++)
		pids[i] = p->processes[i].pid;
	err = p->process_count ? list_threads(p, pids) : 0;
	if (err)
		return err;
	p->look++;
	p->natives = 0;
	p->left = false;
	p->asking = NULL;
	p->reads_end = &p->reads;
	p->python_pid = 0;
	p->read_until_ns = clock_monotonic_ns() + READ_NS;
	if (p->process_count) {
		sort_seen(p);
		for (size_t i = 0; i < p->seen_count; i++) {
			looking_at(p->seen[i].pid, "the threads");
			read_thread(p, &p->seen[i]);
		}
		looking_over();
		if (p->reads)
			err = list_threads(p, pids);
		believe_reads(p);
		present_requests_look(p, pids);
	}
	forget_moved(p);
	return err;
}

/* Tells once that no look can be had. */
static void present_tell_refused(struct presents *p, int err)
{
	struct ev_gap gap = {.head = {.kind = EV_GAP, .size = sizeof(gap)}};

	p->refused = true;
	snprintf(gap.text, sizeof(gap.text),
		 "this kernel cannot list sleeping threads (%s): who waits for a connection is "
		 "unknown",
		 strerror(-err));
	p->host.tell(p->host.context, &gap.head);
}

void presents_step(struct presents *p, uint64_t now_ns)
{
	uint64_t from = clock_monotonic_ns(), took;
	int err;

	presents_tell(p, false);
	if (p->refused || now_ns < p->due_ns)
		return;
	err = look(p);
	took = clock_monotonic_ns() - from;
	p->due_ns = now_ns + (took * LOOK_SHARE > LOOK_NS ? took * LOOK_SHARE : LOOK_NS);
	if (err == -EAGAIN || p->left)
		p->due_ns = now_ns + SOON_NS;
	else if (err)
		present_tell_refused(p, err);
	debug(DEBUG_STACK, "looked at %zu threads of %zu processes in %llu us: %s", p->seen_count,
	      p->process_count, (unsigned long long)took / 1000, strerror(-err));
}

/* A short watch ends while its programs are still being loaded; it waits for them a little. */
void presents_finish(struct presents *p)
{
	uint64_t until = clock_monotonic_ns() + LOAD_NS;
	int err = p->refused ? 0 : look(p);

	while (err == -EAGAIN && clock_monotonic_ns() < until) {
		nanosleep(&(struct timespec){.tv_nsec = LOAD_NS / 20}, NULL);
		err = look(p);
	}
	if (err && err != -EAGAIN)
		present_tell_refused(p, err);
}

void presents_tell(struct presents *p, bool last)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&p->known, &at))) {
		struct present_thread *k = slot->value;
		uint64_t stack = 0;

		if (!k->due || (readers_reported(p->readers, k->sample, &stack) && !last))
			continue;
		k->out.stack = stack;
		k->due = false;
		k->told = true;
		p->host.tell(p->host.context, &k->out.head);
	}
}

void presents_gone(struct presents *p, uint32_t pid, uint64_t start_ns)
{
	struct table_walk walk = table_walk(&p->known);
	struct table_slot *slot;

	free(table_remove(&p->tasks, (struct table_key){pid, start_ns}));
	while ((slot = table_walk_next(&walk))) {
		const struct present_thread *k = slot->value;

		if (k->pid == pid && k->start_ns == start_ns)
			free(table_walk_remove(&walk));
	}
}
