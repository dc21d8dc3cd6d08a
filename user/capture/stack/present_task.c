/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present_task.c - see present_task.h.
 *
 * The thread of an event loop runs again and again, while its tasks wait on.  If it slept while its
 * tasks were read, they are true.  Else a task is believed when the next look finds it unchanged.
 */
#include "user/capture/stack/present_task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "user/capture/stack/python_object.h"
#include "user/capture/stack/reader.h"
#include "user/capture/stack/runtime.h"
#include "user/system/debug.h"

#define TASK_NUMBERS   0x80000000U  /* above those of threads */
#define TASK_ALIGN     16	    /* objects of Python lie so */
#define WAIT_MOST      64	    /* looks to leave out */
#define MISSES_MOST    3	    /* looks after which what was read is forgotten */
#define LEAST_NS       500000000ULL /* a task that waits for less is told when it is found again */
#define PROCESSES_MOST 4096
#define KNOWN_MOST     65536 /* threads and tasks of all processes */

bool present_is_loop(const struct raw_thread *t)
{
	return t->call == SYS_epoll_wait || t->call == SYS_epoll_pwait;
}

/* --- a look ------------------------------------------------------------------------------------
 */

static void tell_task_gap(struct presents *p, const struct raw_thread *t,
			  struct present_tasks *tasks, const char *text)
{
	struct ev_gap gap = {.head = {.kind = EV_GAP, .size = sizeof(gap)},
			     .start_ns = t->start_ns,
			     .pid = t->pid};

	if (tasks->gap)
		return;
	tasks->gap = true;
	snprintf(gap.text, sizeof(gap.text), "%s", text);
	p->host.tell(p->host.context, &gap.head);
}

/* How many threads of the process sleep in an event loop? */
static size_t loops_asleep(const struct presents *p, const struct raw_thread *t)
{
	size_t n = 0;

	for (size_t i = 0; i < p->seen_count; i++)
		n += p->seen[i].pid == t->pid && present_is_loop(&p->seen[i]);
	return n;
}

struct task_look {
	struct presents *p;
	const struct raw_thread *loop;
	uint64_t first_loop; /* of the first task */
	uint16_t row;
	bool alone;
	size_t count;
};

/* Tasks have no numbers, so their addresses become some, which differ within a process. */
static uint32_t task_number(const struct raw_thread *loop, const struct python_task *task)
{
	uint32_t number = (uint32_t)(task->task / TASK_ALIGN) ^ loop->pid * 0x9e3779b1U;

	return number | TASK_NUMBERS;
}

static void on_task_read(void *context, const struct python_task *task)
{
	struct task_look *look = context;
	struct presents *p = look->p;
	struct raw_thread t = *look->loop;
	struct present_read *r;

	t.tid = task_number(look->loop, task);
	t.switches = task->identity;
	present_raw_begin(p, look->loop, RUNTIME_PYTHON);
	p->raw->row = look->row;
	p->raw->count = task->count;
	p->raw->flags |= RAW_STACK_TASK | task->flags;
	memcpy(p->raw->frame, task->frame, task->count * sizeof(task->frame[0]));
	present_raw_end(p);
	r = present_keep(p, &t, true);
	if (!r)
		return;
	r->loop = *look->loop;
	if (!look->count++)
		look->first_loop = task->loop;
	look->alone &= task->loop == look->first_loop;
}

/* Reads the tasks.  0 or -errno. */
static int tasks_read(struct presents *p, const struct raw_thread *t,
		      const struct runtime_process *runtime, struct present_tasks *tasks,
		      uint32_t *dropped)
{
	const struct python_build *build = p->runtimes ? runtimes_python(p->runtimes, runtime->row)
						       : NULL;
	const struct python_process process = {t->start_ns, t->pid};
	struct python_tasks_at at = {runtime->address, t->registers.sp, tasks->set};
	struct task_look look = {
		.p = p, .loop = t, .row = (uint16_t)runtime->row, .alone = loops_asleep(p, t) == 1};
	struct present_read **from = p->reads_end;
	int err;

	*dropped = 0;
	if (!build || build->refusal)
		return -ENOENT;
	if (!build->task.modules)
		return -ENOTSUP;
	err = readers_tasks(p->readers, build, &process, &at, dropped, on_task_read, &look);
	tasks->set = at.set;
	for (struct present_read *r = *from; r; r = r->next) {
		r->alone = look.alone;
		r->whole = !err && !*dropped;
	}
	debug(DEBUG_STACK, "process %u has %zu tasks, %u more: %s", t->pid, look.count, *dropped,
	      strerror(-err));
	return err;
}

void present_tasks_look(struct presents *p, struct present_thread *k, const struct raw_thread *t,
			const struct runtime_process *runtime)
{
	struct present_tasks *tasks = table_value(
		&p->tasks, (struct table_key){t->pid, t->start_ns}, sizeof(*tasks), PROCESSES_MOST);
	uint32_t dropped;
	int err;

	if (!tasks)
		return;
	if (k && tasks->slept != p->look) {
		tasks->slept = p->look;
		tasks->loop = t->tid;
	}
	if ((k && k->listed) || tasks->look == p->look)
		return;
	if (p->look < tasks->look + tasks->wait) {
		tasks->blind = p->look;
		return;
	}
	tasks->look = p->look;
	err = tasks_read(p, t, runtime, tasks, &dropped);
	if (err == -ENOENT || err == -ENOTSUP)
		tasks->wait = tasks->wait < WAIT_MOST ? 2 * tasks->wait + 1 : WAIT_MOST;
	else
		tasks->wait = dropped ? 2 : 0;
	if (err == -EBUSY || err == -EIO || dropped) {
		tasks->blind = p->look;
		tasks->loop = t->tid;
		tasks->misses++;
	} else {
		tasks->misses = 0;
	}
	if (err == -ENOTSUP)
		tell_task_gap(p, t, tasks,
			      "tasks of asyncio are read from Python 3.11 to 3.13: who waits in "
			      "its event loop is unknown");
	if (dropped)
		tell_task_gap(p, t, tasks,
			      "more tasks of asyncio than are read: not all of those that wait are "
			      "counted");
}

/* --- what was read -----------------------------------------------------------------------------
 */

/* A task that is found at another place than before, or for the first time. */
static void task_moved(struct presents *p, struct present_thread *k, const struct present_read *r,
		       bool slept)
{
	const struct raw_stack *raw = (const void *)(r + 1);
	uint64_t waits_ns = slept && r->alone ? r->loop.slept_ns : 0;

	if (k->told)
		present_moves(p, k);
	k->loop = r->loop.tid;
	k->python = true;
	k->switches = r->thread.switches;
	k->sample = raw->id;
	k->doubtful = waits_ns < LEAST_NS;
	k->due = !k->doubtful;
	k->out = (struct ev_thread){.head = {.kind = EV_THREAD, .size = sizeof(k->out)},
				    .start_ns = k->start_ns,
				    .since_ns = raw->head.ns - waits_ns,
				    .state = EV_THREAD_SLEEPS,
				    .wait = EV_WAIT_TASK,
				    .pid = k->pid,
				    .tid = k->tid};
}

static void task_stays(struct presents *p, struct present_thread *k)
{
	k->look = p->look;
	k->due |= k->doubtful;
	k->doubtful = false;
}

void present_task_stay(struct presents *p, struct present_thread *k)
{
	const struct present_tasks *tasks = table_get(&p->tasks,
						      (struct table_key){k->pid, k->start_ns});

	if (k->look == p->look || !tasks || tasks->loop != k->loop)
		return;
	if (tasks->slept == p->look)
		task_stays(p, k);
	else if (tasks->blind == p->look && tasks->misses <= MISSES_MOST)
		k->look = p->look;
}

/* The entry of a task; NULL: there is no room for another one. */
static struct present_thread *task_known(struct presents *p, const struct raw_thread *t)
{
	if (p->known.count >= KNOWN_MOST &&
	    !table_get(&p->known, (struct table_key){t->tid, t->start_ns}))
		return NULL;
	return present_known(p, t);
}

void present_task_believe(struct presents *p, const struct present_read *r, bool slept)
{
	const struct raw_stack *raw = (const void *)(r + 1);
	struct present_thread *k = task_known(p, &r->thread);
	struct present_thread *loop = table_get(&p->known,
						(struct table_key){r->loop.tid, r->loop.start_ns});
	uint64_t stack;

	if (loop && loop->switches == r->loop.switches)
		loop->listed = slept && r->whole;
	if (!k)
		return;
	if (k->loop && k->switches == r->thread.switches)
		task_stays(p, k);
	else
		task_moved(p, k, r, slept);
	k->look = p->look;
	if (readers_reported(p->readers, raw->id, &stack))
		readers_stack(p->readers, &raw->head);
}
