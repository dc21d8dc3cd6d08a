/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Looks at sleeping threads: which stacks are read and believed, what is told of where a thread
 * sleeps and what for, and which requests wait.  The kernel's lists, the readers and the clock are
 * our own; stacks lie in the memory of the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bpf/stack/raw_thread.h"
#include "user/capture/kernel/kernel_stack.h"
#include "user/capture/kernel/kernel_thread.h"
#include "user/capture/stack/present.h"
#include "user/capture/stack/python_object.h"
#include "user/capture/stack/python_thread.h"
#include "user/capture/stack/reader.h"
#include "user/capture/stack/runtime.h"

#define SECOND	1000000000ULL
#define BEGUN	(1000 * SECOND)
#define START	(900 * SECOND)
#define THREADS 64
#define FRAME	0x7000 /* address of the first thread\'s frame */
#define TOLD	8
#define STACK	55 /* the name of each stack that has one */

static struct presents *presents;
static uint64_t now;
static uint64_t stack_of[1024]; /* of the sleeping threads */
static const struct python_build build;

static struct world {
	/* what the kernel says */
	int refuse, again; /* errors: of each look, of so many looks */
	struct raw_thread threads[THREADS];
	size_t thread_count, lists;
	uint32_t runs_meanwhile; /* a thread that ran between the two lists of a look */
	uint64_t list_takes_ns;
	struct raw_socket sockets[4];
	size_t socket_count;
	bool python;
	uint64_t python_self;
	size_t python_many; /* threads of Python; 0: one */
	bool no_process, named;
	/* what was asked for */
	struct thread_file asked[8];
	size_t asked_count, stacks;
	struct raw_stack stack;
	unsigned int begun, python_lists, python_questions;
	size_t python_asked;
	/* what was told */
	size_t told;
	struct ev_thread thread[TOLD];
	unsigned int gaps, requests;
	struct ev_serving request;
} world;

/* --- fakes ----------------------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){(time_t)(now / SECOND), (long)(now % SECOND)};
	return 0;
}

int nanosleep(const struct timespec *t, struct timespec *left)
{
	(void)left;
	now += (uint64_t)t->tv_nsec;
	return 0;
}

int kernel_threads_open(struct kernel_threads **out, struct kernel *kernel)
{
	(void)kernel;
	*out = (void *)&world;
	return 0;
}

void kernel_threads_close(struct kernel_threads *t)
{
	(void)t;
}

void kernel_threads_begin(struct kernel_threads *t)
{
	(void)t;
	world.begun++;
}

int kernel_threads_look(struct kernel_threads *t, const uint32_t *pids, size_t n,
			void (*fn)(void *context, const struct raw_thread *thread), void *context)
{
	(void)t;
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], getpid());
	now += world.list_takes_ns;
	if (world.again && world.again--)
		return -EAGAIN;
	if (world.refuse)
		return world.refuse;
	world.lists++;
	for (size_t i = 0; i < world.thread_count; i++) {
		struct raw_thread thread = world.threads[i];

		if (world.lists == 2 && thread.tid == world.runs_meanwhile)
			thread.switches++;
		fn(context, &thread);
	}
	return 0;
}

int kernel_threads_sockets(struct kernel_threads *t, const uint32_t *pids, size_t n,
			   const struct thread_file *files, size_t file_count,
			   void (*fn)(void *context, const struct raw_socket *socket),
			   void *context)
{
	(void)t, (void)pids, (void)n;
	assert_true(file_count <= 8);
	memcpy(world.asked, files, file_count * sizeof(*files));
	world.asked_count = file_count;
	for (size_t i = 0; i < world.socket_count; i++)
		fn(context, &world.sockets[i]);
	return 0;
}

int kernel_runtime_get(struct kernel *k, uint32_t pid, struct runtime_process *runtime)
{
	(void)k, (void)pid;
	*runtime = (struct runtime_process){.start_ns = START, .runtime = RUNTIME_PYTHON};
	return world.python ? 0 : -ENOENT;
}

const struct python_build *runtimes_python(const struct runtimes *r, uint32_t row)
{
	(void)r, (void)row;
	return &build;
}

int readers_threads(struct readers *r, const struct python_build *its,
		    const struct python_process *of, uint64_t runtime, struct python_thread *out,
		    size_t most)
{
	(void)r, (void)runtime, (void)most;
	assert_ptr_equal(its, &build);
	assert_int_equal(of->start_ns, START);
	world.python_lists++;
	for (size_t i = 0; i < world.python_many; i++)
		out[i] = (struct python_thread){0x2000 + i, FRAME + i};
	if (world.python_many)
		return (int)world.python_many;
	out[0] = (struct python_thread){world.python_self, FRAME};
	return 1;
}

int readers_thread_frames(struct readers *r, const struct python_build *its,
			  const struct python_process *of, uint64_t runtime, const uint64_t *frames,
			  size_t n, struct python_frames *out)
{
	(void)r, (void)its, (void)of, (void)runtime;
	assert_in_range(n, 1, PYTHON_FRAMES_MOST);
	world.python_questions++;
	world.python_asked += n;
	for (size_t i = 0; i < n; i++) {
		assert_in_range(frames[i], FRAME, FRAME + THREADS);
		out[i] = (struct python_frames){.count = 2};
		out[i].frame[0] = (struct raw_frame){.code = 11, .at = frames[i] - FRAME + 1};
		out[i].frame[1] = (struct raw_frame){.code = 12, .at = 2};
	}
	return 0;
}

/* No event loop: nothing here has tasks. */
int readers_tasks(struct readers *r, const struct python_build *its,
		  const struct python_process *of, struct python_tasks_at *at, uint32_t *dropped,
		  python_task_fn *fn, void *context)
{
	(void)r, (void)its, (void)of, (void)at, (void)fn, (void)context;
	*dropped = 0;
	return 0;
}

int readers_reported(struct readers *r, uint64_t sample, uint64_t *name)
{
	(void)r, (void)sample;
	*name = world.named ? STACK : 0;
	return world.named ? 0 : -EAGAIN;
}

void readers_stack(struct readers *r, const struct ev_head *record)
{
	(void)r;
	memcpy(&world.stack, record, record->size);
	world.stacks++;
}

static void tell(void *context, struct ev_head *record)
{
	(void)context;
	if (record->kind == EV_GAP) {
		world.gaps++;
	} else if (record->kind == EV_SERVING) {
		world.request = *(const struct ev_serving *)(const void *)record;
		world.requests++;
	} else {
		assert_int_equal(record->kind, EV_THREAD);
		assert_true(world.told < TOLD);
		world.thread[world.told++] = *(const struct ev_thread *)(const void *)record;
	}
}

static size_t processes(void *context, struct present_process *out, size_t most)
{
	(void)context;
	assert_true(most);
	out[0] = (struct present_process){(uint32_t)getpid(), START};
	return !world.no_process;
}

static int begin(void **state)
{
	const struct presents_host host = {.tell = tell, .processes = processes};

	(void)state;
	now = BEGUN;
	memset(&world, 0, sizeof(world));
	for (size_t i = 0; i < 1024; i++)
		stack_of[i] = i;
	return presents_open(&presents, (void *)&world, (void *)&world, &host);
}

static int end(void **state)
{
	(void)state;
	presents_close(presents);
	return 0;
}

static struct raw_thread *sleeps(uint32_t tid, uint64_t call)
{
	struct raw_thread *t = &world.threads[world.thread_count++];

	*t = (struct raw_thread){.start_ns = START,
				 .slept_ns = 7 * SECOND,
				 .switches = 100,
				 .thread_at = 0x1234,
				 .call = call,
				 .pid = (uint32_t)getpid(),
				 .tid = tid,
				 .registers = {.sp = (uintptr_t)stack_of}};
	return t;
}

/* The next look. */
static void step(void)
{
	world.lists = world.told = world.stacks = 0;
	if (presents_due(presents) > now)
		now = presents_due(presents);
	presents_step(presents, now);
}

/* --- stacks ---------------------------------------------------------------------------------- */

static void a_sleeping_thread_is_told_once_its_stack_has_a_name(void **state)
{
	(void)state;
	sleeps(5, SYS_futex);
	step();
	assert_int_equal(world.stacks, 1);
	assert_int_equal(world.stack.tid, 5);
	assert_int_equal(world.stack.runtime, RUNTIME_NATIVE);
	assert_int_equal(world.stack.length, sizeof(stack_of));
	assert_memory_equal(world.stack.bytes, stack_of, sizeof(stack_of));
	assert_int_equal(world.told, 0);
	world.named = true;
	presents_tell(presents, false);
	assert_int_equal(world.told, 1);
	assert_int_equal(world.thread[0].tid, 5);
	assert_int_equal(world.thread[0].stack, STACK);
	assert_int_equal(world.thread[0].state, EV_THREAD_SLEEPS);
	assert_int_equal(world.thread[0].wait, EV_WAIT_LOCK);
	assert_int_equal(world.thread[0].since_ns, BEGUN - 7 * SECOND);
	presents_tell(presents, true);
	assert_int_equal(world.told, 1);
}

static void a_thread_that_sleeps_on_is_not_read_again(void **state)
{
	struct raw_thread *t = sleeps(5, SYS_futex);

	(void)state;
	world.named = true;
	step();
	assert_int_equal(world.lists, 2);
	step();
	assert_int_equal(world.told, 1); /* of the look before */
	assert_int_equal(world.lists, 1);
	assert_int_equal(world.stacks, 0);
	t->switches++;
	step();
	assert_int_equal(world.lists, 2);
	presents_tell(presents, false);
	assert_int_equal(world.told, 1);
	assert_int_equal(world.thread[0].state, EV_THREAD_SLEEPS);
}

static void a_stack_whose_thread_ran_meanwhile_is_thrown_away(void **state)
{
	(void)state;
	sleeps(5, SYS_futex);
	sleeps(6, SYS_futex);
	world.runs_meanwhile = 5;
	step();
	assert_int_equal(world.stacks, 1);
	assert_int_equal(world.stack.tid, 6);
	world.named = true;
	presents_tell(presents, true);
	assert_int_equal(world.told, 1);
	assert_int_equal(world.thread[0].tid, 6);
}

static void a_thread_that_woke_up_moves(void **state)
{
	(void)state;
	sleeps(5, SYS_futex);
	world.named = true;
	step();
	presents_tell(presents, false);
	world.thread_count = 0;
	step();
	assert_int_equal(world.told, 1);
	assert_int_equal(world.thread[0].tid, 5);
	assert_int_equal(world.thread[0].state, EV_THREAD_MOVES);
	assert_int_equal(world.thread[0].stack, 0);
	step();
	assert_int_equal(world.told, 0);
}

static void threads_of_an_ended_process_are_not_told_of(void **state)
{
	(void)state;
	sleeps(5, SYS_futex);
	world.named = true;
	step();
	presents_gone(presents, (uint32_t)getpid(), START + 1);
	presents_tell(presents, false);
	assert_int_equal(world.told, 1);
	presents_gone(presents, (uint32_t)getpid(), START);
	world.thread_count = 0;
	world.no_process = true;
	step();
	assert_int_equal(world.told, 0);
}

static void a_stack_that_cannot_be_read_is_passed_over(void **state)
{
	(void)state;
	sleeps(5, SYS_futex)->registers.sp = 8;
	sleeps(6, SYS_futex);
	step();
	assert_int_equal(world.stacks, 1);
	assert_int_equal(world.stack.tid, 6);
	/* The other is tried again, a second later. */
	assert_int_equal(presents_due(presents), BEGUN + SECOND);
}

static void a_look_copies_few_stacks_and_the_next_comes_soon(void **state)
{
	(void)state;
	for (uint32_t tid = 1; tid <= 30; tid++)
		sleeps(tid, SYS_futex);
	step();
	assert_int_equal(world.stacks, 24);
	assert_int_equal(presents_due(presents), BEGUN + SECOND / 10);
	step();
	assert_int_equal(world.stacks, 6);
}

static void threads_of_python_are_read_by_their_frames(void **state)
{
	uint64_t id;

	(void)state;
	sleeps(5, SYS_futex);
	sleeps(6, SYS_futex)->thread_at = 0x9999; /* runs no Python */
	world.python = true;
	world.python_self = 0x1234;
	step(); /* interpreters are not known yet */
	assert_int_equal(world.stacks, 0);
	presents_runtimes(presents, (void *)&world);
	step();
	assert_int_equal(world.python_lists, 1);
	assert_int_equal(world.stacks, 1);
	assert_int_equal(world.stack.runtime, RUNTIME_PYTHON);
	assert_int_equal(world.stack.count, 2);
	id = world.stack.id;
	assert_int_equal(id & STACK_INTERPRETED, STACK_INTERPRETED);
	/* The same frames have the same id, in another thread, too. */
	world.threads[0].tid = 7;
	step();
	assert_int_equal(world.stack.tid, 7);
	assert_int_equal(world.stack.id, id);
}

static void frames_of_many_threads_are_asked_for_together(void **state)
{
	const size_t many = PYTHON_FRAMES_MOST + 8;

	(void)state;
	world.python = true;
	world.python_many = many;
	for (size_t i = 0; i < many; i++)
		sleeps((uint32_t)(5 + i), SYS_futex)->thread_at = 0x2000 + i;
	presents_runtimes(presents, (void *)&world);
	step();
	assert_int_equal(world.python_lists, 1);
	assert_int_equal(world.python_questions, 2);
	assert_int_equal(world.python_asked, many);
	assert_int_equal(world.stacks, many);
	assert_int_equal(world.stack.frame[0].at, many); /* each has its own */
	step();						 /* all sleep on */
	assert_int_equal(world.python_questions, 2);
	world.threads[3].switches++;
	step();
	assert_int_equal(world.python_asked, many + 1);
	assert_int_equal(world.stack.frame[0].at, 4);
}

/* --- waits ----------------------------------------------------------------------------------- */

static enum ev_wait wait_in(uint64_t call, uint64_t argument0, uint64_t argument1)
{
	static uint64_t runs;
	struct raw_thread *t;

	world.thread_count = 0;
	t = sleeps(5, call);
	t->switches = ++runs;
	t->argument[0] = argument0;
	t->argument[1] = argument1;
	world.named = true;
	step();
	world.told = 0;
	presents_tell(presents, false);
	assert_int_equal(world.told, 1);
	return world.thread[0].wait;
}

static void a_wait_is_named_by_its_system_call(void **state)
{
	struct pollfd one = {.fd = 9}, many[2] = {{.fd = 9}, {.fd = 10}};

	(void)state;
	assert_int_equal(wait_in(SYS_futex, 0, 0), EV_WAIT_LOCK);
	assert_int_equal(wait_in(SYS_read, 9, 0), EV_WAIT_SOCKET);
	assert_int_equal(wait_in(SYS_recvmsg, 9, 0), EV_WAIT_SOCKET);
	assert_int_equal(wait_in(SYS_poll, (uintptr_t)&one, 1), EV_WAIT_SOCKET);
	assert_int_equal(wait_in(SYS_poll, (uintptr_t)many, 2), EV_WAIT_MANY);
	assert_int_equal(wait_in(SYS_poll, 0, 0), EV_WAIT_TIME);
	assert_int_equal(wait_in(SYS_poll, 8, 1), EV_WAIT_MANY); /* cannot be read */
	assert_int_equal(wait_in(SYS_epoll_wait, 4, 0), EV_WAIT_MANY);
	assert_int_equal(wait_in(SYS_accept, 4, 0), EV_WAIT_MANY);
	assert_int_equal(wait_in(SYS_clock_nanosleep, 0, 0), EV_WAIT_TIME);
	assert_int_equal(wait_in(SYS_wait4, 0, 0), EV_WAIT_CHILD);
	assert_int_equal(wait_in(UNKNOWN64, 0, 0), EV_WAIT_UNKNOWN);
}

static void a_wait_for_a_socket_names_its_other_end(void **state)
{
	(void)state;
	sleeps(5, SYS_read)->argument[0] = 9;
	sleeps(6, SYS_write)->argument[0] = 9;
	sleeps(7, SYS_read)->argument[0] = 10; /* a file */
	world.sockets[world.socket_count++] = (struct raw_socket){.start_ns = START,
								  .id = 77,
								  .pid = (uint32_t)getpid(),
								  .fd = 9,
								  .port = 5432,
								  .family = 2,
								  .address = {[15] = 1}};
	world.named = true;
	step();
	presents_tell(presents, false);
	assert_int_equal(world.asked_count, 3);
	assert_int_equal(world.told, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct ev_thread *t = &world.thread[i];

		assert_int_equal(t->wait, EV_WAIT_SOCKET);
		assert_int_equal(t->socket, t->tid == 7 ? 0 : 77);
		assert_int_equal(t->port, t->tid == 7 ? 0 : 5432);
		assert_int_equal(t->address[15], t->tid == 7 ? 0 : 1);
	}
}

/* --- requests -------------------------------------------------------------------------------- */

static struct raw_socket *socket_at(uint16_t port, bool listening, uint64_t received_ns)
{
	struct raw_socket *s = &world.sockets[world.socket_count++];

	*s = (struct raw_socket){.start_ns = START,
				 .pid = (uint32_t)getpid(),
				 .fd = UNKNOWN32,
				 .local_port = port,
				 .state = listening ? TCP_LISTEN : TCP_ESTABLISHED,
				 .flags = received_ns ? RAW_SOCKET_ASKED : 0,
				 .received_ns = received_ns,
				 .sent_ns = 100};
	return s;
}

static void requests_that_came_in_where_it_listens_are_counted(void **state)
{
	(void)state;
	socket_at(8080, true, 0);
	socket_at(8080, false, 300);
	socket_at(8080, false, 200);
	socket_at(40000, false, 150); /* its own request to another */
	step();
	assert_int_equal(world.requests, 1);
	assert_int_equal(world.request.pid, getpid());
	assert_int_equal(world.request.unanswered, 2);
	assert_int_equal(world.request.came_ns[0], 200);
	assert_int_equal(world.request.came_ns[1], 300);
	/* All are answered: that is told once. */
	world.socket_count = 1;
	step();
	assert_int_equal(world.requests, 2);
	assert_int_equal(world.request.unanswered, 0);
	assert_int_equal(world.request.came_ns[0], 0);
	step();
	assert_int_equal(world.requests, 2);
}

/* --- times ----------------------------------------------------------------------------------- */

static void looks_take_a_share_of_the_time(void **state)
{
	(void)state;
	assert_int_equal(presents_due(presents), 0);
	presents_begin(presents);
	assert_int_equal(world.begun, 1);
	step();
	assert_int_equal(presents_due(presents), BEGUN + SECOND);
	presents_step(presents, BEGUN + SECOND - 1);
	assert_int_equal(presents_due(presents), BEGUN + SECOND);
	now = BEGUN + SECOND;
	world.list_takes_ns = 50000000; /* one list: nobody sleeps */
	presents_step(presents, now);
	assert_int_equal(presents_due(presents), BEGUN + SECOND + 5 * SECOND);
}

static void a_kernel_that_lists_no_threads_is_told_once(void **state)
{
	(void)state;
	world.again = 2;
	step();
	assert_int_equal(presents_due(presents), now + SECOND / 10);
	step();
	assert_int_equal(world.gaps, 0);
	world.refuse = -ENOTSUP;
	step();
	assert_int_equal(world.gaps, 1);
	assert_int_equal(presents_due(presents), UINT64_MAX);
	presents_step(presents, now + 100 * SECOND);
	presents_finish(presents);
	assert_int_equal(world.gaps, 1);
}

static void the_last_look_waits_a_little_for_its_programs(void **state)
{
	(void)state;
	sleeps(5, SYS_futex);
	world.again = 3;
	presents_finish(presents);
	assert_int_equal(world.stacks, 1);
	world.again = 1000;
	presents_finish(presents);
	assert_true(world.again > 0);
	assert_int_equal(world.gaps, 0);
	/* Without a name in time it is told without. */
	presents_tell(presents, true);
	assert_int_equal(world.told, 1);
	assert_int_equal(world.thread[0].stack, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_sleeping_thread_is_told_once_its_stack_has_a_name),
		TEST(a_thread_that_sleeps_on_is_not_read_again),
		TEST(a_stack_whose_thread_ran_meanwhile_is_thrown_away),
		TEST(a_thread_that_woke_up_moves),
		TEST(threads_of_an_ended_process_are_not_told_of),
		TEST(a_stack_that_cannot_be_read_is_passed_over),
		TEST(a_look_copies_few_stacks_and_the_next_comes_soon),
		TEST(threads_of_python_are_read_by_their_frames),
		TEST(frames_of_many_threads_are_asked_for_together),
		TEST(a_wait_is_named_by_its_system_call),
		TEST(a_wait_for_a_socket_names_its_other_end),
		TEST(requests_that_came_in_where_it_listens_are_counted),
		TEST(looks_take_a_share_of_the_time),
		TEST(a_kernel_that_lists_no_threads_is_told_once),
		TEST(the_last_look_waits_a_little_for_its_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
