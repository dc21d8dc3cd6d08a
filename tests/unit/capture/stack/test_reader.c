/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The way of a sampled stack: which reader names it, what becomes of one that cannot be named, and
 * which sites get a place.  The readers are our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/kernel/kernel_stack.h"
#include "user/capture/stack/native/native.h"
#include "user/capture/stack/node.h"
#include "user/capture/stack/objects.h"
#include "user/capture/stack/python.h"
#include "user/capture/stack/reader.h"
#include "user/capture/stack/runtime.h"
#include "user/capture/stack/source_line.h"
#include "user/capture/stack/stack.h"
#include "user/capture/worker/looking.h"

#define PID    77
#define START  5
#define SAMPLE 1000

static struct world {
	const char *fails; /* the part that cannot be opened */
	char opened[128], closed[128];
	struct stacks_host stacks;
	/* readers */
	int reads, native_err, named_err, evidence_err, caller_err, step;
	uint32_t flags; /* as a reader sets them */
	bool no_build, refused, unread;
	char asked[128]; /* in order */
	struct native_answer answer;
	bool answers;
	int timeout;
	/* stacks */
	unsigned int named, forgotten, shapes, evidences, marked, prepared, processes, gaps;
	uint64_t named_sample, forgotten_sample, evidence_stack, caller_sample;
	size_t named_frames;
	uint32_t named_flags, gap_pid;
	char gap[EV_TEXT_LEN];
} world;

static struct readers *readers;
static struct raw_stack raw;

static void asks(const char *who)
{
	strcat(world.asked, who);
	strcat(world.asked, " ");
}

static int opens(const char *what)
{
	strcat(world.opened, what);
	strcat(world.opened, " ");
	return world.fails && !strcmp(world.fails, what) ? -EMFILE : 0;
}

static void closes(const char *what, const void *part)
{
	if (!part)
		return;
	strcat(world.closed, what);
	strcat(world.closed, " ");
}

/* --- the kernel ------------------------------------------------------------------------------- */

int kernel_stack_forget(struct kernel *k, uint64_t id)
{
	(void)k;
	world.forgotten++;
	world.forgotten_sample = id;
	return 0;
}

int kernel_stack_shape(struct kernel *k, uint64_t key, const struct stack_shape *shape)
{
	(void)k;
	assert_int_equal(key, 33);
	assert_non_null(shape);
	world.shapes++;
	return 0;
}

void looking_at(uint32_t pid, const char *what)
{
	(void)what;
	assert_int_equal(pid, PID);
}

void looking_over(void)
{
}

/* --- stacks ----------------------------------------------------------------------------------- */

int stacks_open(struct stacks **out, const struct stacks_host *host)
{
	int err = opens("stacks");

	world.stacks = *host;
	*out = err ? NULL : (struct stacks *)1;
	return err;
}

void stacks_close(struct stacks *s)
{
	closes("stacks", s);
}

int stacks_named(struct stacks *s, uint64_t sample, const struct stack_owner *owner,
		 const struct frame *frames, size_t n, uint32_t flags)
{
	(void)s, (void)frames;
	assert_int_equal(owner->pid, PID);
	assert_int_equal(owner->start_ns, START);
	world.named++;
	world.named_sample = sample;
	world.named_frames = n;
	world.named_flags = flags;
	return world.named_err;
}

int stacks_evidence(struct stacks *s, const struct ev_evidence *evidence)
{
	(void)s;
	world.evidences++;
	world.evidence_stack = evidence->stack;
	return world.evidence_err;
}

int stacks_reported(struct stacks *s, uint64_t sample, uint64_t *stack)
{
	(void)s;
	*stack = sample + 1;
	return 0;
}

uint64_t stacks_lost(const struct stacks *s)
{
	(void)s;
	return 1;
}

/* --- readers ---------------------------------------------------------------------------------- */

int native_open(struct native **out, struct nursery *nursery)
{
	int err = opens("native");

	(void)nursery;
	*out = err ? NULL : (struct native *)2;
	return err;
}

void native_close(struct native *n)
{
	closes("native", n);
}

int native_fd(const struct native *n)
{
	(void)n;
	return 33;
}

int native_stack(struct native *n, const struct raw_stack *r)
{
	(void)n, (void)r;
	asks("native");
	return world.native_err;
}

int native_caller(struct native *n, uint64_t id, uint32_t pid, uint64_t start_ns, uint64_t address)
{
	(void)n, (void)pid, (void)start_ns;
	assert_int_equal(address, 0xabc);
	world.caller_sample = id;
	asks("caller");
	return world.caller_err;
}

void native_process(struct native *n, uint32_t pid, uint64_t start_ns)
{
	(void)n, (void)pid, (void)start_ns;
	assert_int_equal(world.prepared, world.processes + 1); /* the worker first */
	world.processes++;
}

int native_step(struct native *n, native_fn fn, void *context)
{
	(void)n;
	if (world.answers)
		fn(context, &world.answer);
	return world.step;
}

int native_flush(struct native *n, int timeout_ms, native_fn fn, void *context)
{
	world.timeout = timeout_ms;
	return native_step(n, fn, context);
}

struct native_counts native_counts(const struct native *n)
{
	(void)n;
	return (struct native_counts){.lost = 10};
}

int objects_open(struct objects **out, struct nursery *nursery)
{
	int err = opens("objects");

	(void)nursery;
	*out = err ? NULL : (struct objects *)3;
	return err;
}

void objects_prepare(struct objects *o)
{
	(void)o;
	world.prepared++;
}

void objects_close(struct objects *o)
{
	closes("objects", o);
}

int objects_stack(struct objects *o, const struct raw_stack *r, const struct v8 *v8,
		  struct texts *t, struct frame *frames, uint32_t *flags)
{
	(void)o, (void)r, (void)t, (void)frames;
	assert_null(v8);
	asks("objects");
	*flags = world.flags;
	return world.reads;
}

int objects_tasks(struct objects *o, const struct python_build *build,
		  const struct python_process *process, struct python_tasks_at *at,
		  uint32_t *dropped, python_task_fn *fn, void *context)
{
	(void)o, (void)build, (void)process, (void)at, (void)fn, (void)context;
	*dropped = 4;
	return 6;
}

int objects_threads(struct objects *o, const struct python_row *row,
		    const struct python_process *process, uint64_t runtime,
		    struct python_thread *out, size_t most)
{
	(void)o, (void)process, (void)out, (void)most;
	assert_non_null(row);
	assert_int_equal(runtime, 8);
	return world.reads;
}

int objects_thread_frames(struct objects *o, const struct python_row *row,
			  const struct python_process *process, uint64_t runtime,
			  const uint64_t *frames, size_t n, struct python_frames *out)
{
	(void)o, (void)process, (void)frames, (void)n, (void)out;
	assert_non_null(row);
	assert_int_equal(runtime, 8);
	return world.reads;
}

uint64_t objects_unread(const struct objects *o)
{
	(void)o;
	return 100;
}

bool objects_gap(struct objects *o, uint32_t pid, uint64_t start_ns, char *text, size_t size)
{
	(void)o, (void)pid, (void)start_ns;
	snprintf(text, size, "its objects are not read");
	return world.unread;
}

int nodes_open(struct nodes **out, struct objects *objects)
{
	int err = opens("nodes");

	(void)objects;
	*out = err ? NULL : (struct nodes *)4;
	return err;
}

void nodes_close(struct nodes *n)
{
	closes("nodes", n);
}

int nodes_read(struct nodes *n, const struct raw_stack *r, struct texts *t, struct frame *frames,
	       uint32_t *flags)
{
	(void)n, (void)r, (void)t, (void)frames;
	asks("nodes");
	*flags = world.flags;
	return world.reads;
}

int pythons_open(struct pythons **out, struct objects *objects)
{
	int err = opens("pythons");

	assert_non_null(objects);
	*out = err ? NULL : (struct pythons *)5;
	return err;
}

void pythons_close(struct pythons *p)
{
	closes("pythons", p);
}

int python_read(struct pythons *p, const struct python_build *build, const struct raw_stack *r,
		struct frame *frames, uint32_t *flags)
{
	(void)p, (void)build, (void)r, (void)frames;
	asks("python");
	*flags = world.flags;
	return world.reads;
}

const struct python_build *runtimes_python(const struct runtimes *r, uint32_t row)
{
	(void)r;
	assert_int_equal(row, 2);
	return world.no_build ? NULL : (const struct python_build *)6;
}

bool runtimes_gap(const struct runtimes *r, uint32_t pid, char *text, size_t size)
{
	(void)r, (void)pid;
	snprintf(text, size, "Python 2.7 is not read");
	return world.refused;
}

void source_line_mark(uint32_t pid, struct frame *frames, size_t n)
{
	(void)frames;
	assert_int_equal(pid, PID);
	assert_int_equal(n, world.reads);
	world.marked++;
}

/* --- helpers ---------------------------------------------------------------------------------- */

static void hear(void *context, struct ev_head *record)
{
	const struct ev_gap *gap = (const void *)record;

	assert_ptr_equal(context, &world);
	if (record->kind != EV_GAP)
		return;
	world.gaps++;
	world.gap_pid = gap->pid;
	snprintf(world.gap, sizeof(world.gap), "%s", gap->text);
}

static int open_readers(void)
{
	const struct readers_host host = {.context = &world, .tell = hear};

	return readers_open(&readers, NULL, NULL, &host);
}

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	memset(&raw, 0, sizeof(raw));
	raw.id = SAMPLE;
	raw.pid = PID;
	raw.start_ns = START;
	raw.row = 2;
	assert_int_equal(open_readers(), 0);
	readers_runtimes(readers, (const struct runtimes *)7);
	return 0;
}

static int end(void **state)
{
	(void)state;
	readers_close(readers);
	readers = NULL;
	return 0;
}

static void comes(enum runtime runtime, int reads)
{
	world.asked[0] = '\0';
	world.named = world.forgotten = 0;
	raw.runtime = (uint16_t)runtime;
	world.reads = reads;
	readers_stack(readers, &raw.head);
}

/* --- life ------------------------------------------------------------------------------------- */

static void what_was_opened_is_closed_when_the_rest_cannot_be(void **state)
{
	(void)state;
	readers_close(readers);
	readers_close(NULL);
	world.opened[0] = world.closed[0] = '\0';
	world.fails = "nodes";
	assert_int_equal(open_readers(), -EMFILE);
	assert_null(readers);
	assert_string_equal(world.opened, "stacks native objects nodes ");
	assert_string_equal(world.closed, "native objects stacks ");
}

static void stacks_close_last(void **state)
{
	(void)state;
	readers_close(readers);
	readers = NULL;
	assert_string_equal(world.closed, "native nodes pythons objects stacks ");
}

static void all_that_was_lost_is_counted(void **state)
{
	uint64_t stack = 0;

	(void)state;
	assert_int_equal(readers_lost(readers), 111);
	assert_int_equal(readers_fd(readers), 33);
	assert_int_equal(readers_reported(readers, 8, &stack), 0);
	assert_int_equal(stack, 9);
	world.stacks.forget(world.stacks.context, 12);
	assert_int_equal(world.forgotten_sample, 12);
}

/* --- who names what --------------------------------------------------------------------------- */

static void each_runtime_has_its_reader(void **state)
{
	(void)state;
	comes(RUNTIME_PYTHON, 3);
	assert_string_equal(world.asked, "python ");
	assert_int_equal(world.named, 1);
	assert_int_equal(world.named_sample, SAMPLE);
	assert_int_equal(world.named_frames, 3);
	comes(RUNTIME_PERL, 3);
	assert_string_equal(world.asked, "objects ");
	comes(RUNTIME_PHP, 3);
	assert_string_equal(world.asked, "objects ");
	comes(RUNTIME_NATIVE, 3); /* JavaScript is in it */
	assert_string_equal(world.asked, "nodes ");
	assert_int_equal(world.named, 1);
	assert_int_equal(world.forgotten, 0);
}

static void a_copied_stack_without_javascript_goes_to_the_worker(void **state)
{
	(void)state;
	comes(RUNTIME_NATIVE, 0);
	assert_string_equal(world.asked, "nodes native ");
	assert_int_equal(world.named, 0); /* its names come later */
	world.native_err = -ENOBUFS;
	comes(RUNTIME_NATIVE, -ENOENT);
	assert_int_equal(world.named, 1); /* evidence does not wait for it */
	assert_int_equal(world.named_frames, 0);
}

static void javascript_that_cannot_be_waited_for_is_left_without_names(void **state)
{
	(void)state;
	comes(RUNTIME_NATIVE, -EBUSY);
	assert_string_equal(world.asked, "nodes ");
	assert_int_equal(world.named, 1);
	assert_int_equal(world.named_frames, 0);
	assert_int_equal(world.forgotten, 0);
}

/* It may be named the next time, so it does not count as known. */
static void an_interpreted_stack_without_names_is_sent_again(void **state)
{
	(void)state;
	comes(RUNTIME_PYTHON, -EFAULT);
	assert_int_equal(world.named, 1);
	assert_int_equal(world.named_frames, 0);
	assert_int_equal(world.forgotten, 1);
	assert_int_equal(world.forgotten_sample, SAMPLE);
	world.no_build = true;
	comes(RUNTIME_PYTHON, 3); /* no such row */
	assert_string_equal(world.asked, "");
	assert_int_equal(world.forgotten, 1);
	readers_runtimes(readers, NULL);
	comes(RUNTIME_PYTHON, 3);
	assert_string_equal(world.asked, "");
	assert_int_equal(world.named_frames, 0);
}

static void flags_of_the_kernel_half_stay_here(void **state)
{
	(void)state;
	world.flags = RAW_STACK_RETURNED | RAW_STACK_PRESENT | RAW_STACK_TASK | EV_STACK_NAMELESS;
	comes(RUNTIME_PHP, 2);
	assert_int_equal(world.named_flags, EV_STACK_NAMELESS);
}

static void only_a_sleeping_thread_has_its_lines_looked_at(void **state)
{
	(void)state;
	comes(RUNTIME_PYTHON, 2);
	assert_int_equal(world.marked, 0);
	raw.flags = RAW_STACK_PRESENT;
	comes(RUNTIME_PYTHON, 0);
	assert_int_equal(world.marked, 0);
	comes(RUNTIME_PYTHON, 2);
	assert_int_equal(world.marked, 1);
}

/* --- gaps ------------------------------------------------------------------------------------- */

static void a_process_that_is_not_read_is_told_once(void **state)
{
	(void)state;
	comes(RUNTIME_NATIVE, 0);
	assert_int_equal(world.gaps, 0);
	world.refused = true;
	comes(RUNTIME_NATIVE, 0);
	comes(RUNTIME_NATIVE, 0);
	assert_int_equal(world.gaps, 1);
	assert_int_equal(world.gap_pid, PID);
	assert_string_equal(world.gap, "Python 2.7 is not read");
}

static void objects_that_are_not_read_any_more_are_told(void **state)
{
	(void)state;
	world.unread = true;
	comes(RUNTIME_PHP, 3);
	assert_int_equal(world.gaps, 0);
	world.flags = EV_STACK_NAMELESS; /* part of it has no names */
	comes(RUNTIME_PHP, 3);
	assert_int_equal(world.gaps, 1);
	assert_string_equal(world.gap, "its objects are not read");
	comes(RUNTIME_PHP, -EBUSY);
	assert_int_equal(world.gaps, 1);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answers(size_t count)
{
	world.answers = true;
	world.named = world.forgotten = 0;
	world.answer = (struct native_answer){.id = SAMPLE,
					      .pid = PID,
					      .start_ns = START,
					      .count = count,
					      .flags = EV_STACK_NAMELESS,
					      .shape_key = 33,
					      .shape = (const void *)&world};
}

static void a_workers_answer_teaches_the_kernel_its_shape(void **state)
{
	(void)state;
	answers(4);
	assert_int_equal(readers_step(readers), 0);
	assert_int_equal(world.named_frames, 4);
	assert_int_equal(world.named_flags, EV_STACK_NAMELESS);
	assert_int_equal(world.shapes, 1);
	assert_int_equal(world.forgotten, 0);
	world.answer.shape = NULL;
	assert_int_equal(readers_step(readers), 0);
	assert_int_equal(world.shapes, 1);
}

static void a_stack_without_names_is_copied_again(void **state)
{
	(void)state;
	answers(0);
	readers_finish(readers, 1500);
	assert_int_equal(world.timeout, 1500);
	assert_int_equal(world.named, 1);
	assert_int_equal(world.forgotten, 1);
	assert_int_equal(world.shapes, 0);
}

static void an_answer_that_cannot_be_kept_ends_the_watch(void **state)
{
	(void)state;
	world.step = 5; /* so many answers */
	assert_int_equal(readers_step(readers), 0);
	world.step = -EPIPE;
	assert_int_equal(readers_step(readers), -EPIPE);
	answers(4);
	world.named_err = -ENOMEM;
	assert_int_equal(readers_step(readers), -ENOMEM);
	world.answers = false, world.step = 0;
	assert_int_equal(readers_step(readers), -ENOMEM); /* for good */
}

static void evidence_that_cannot_be_kept_ends_it_too(void **state)
{
	const struct ev_evidence evidence = {.stack = SAMPLE};

	(void)state;
	readers_evidence(readers, &evidence.head);
	assert_int_equal(readers_step(readers), 0);
	world.evidence_err = -ENOMEM;
	readers_evidence(readers, &evidence.head);
	assert_int_equal(readers_step(readers), -ENOMEM);
	assert_int_equal(world.evidence_stack, SAMPLE);
}

/* --- sites ------------------------------------------------------------------------------------ */

static struct ev_site site_of(uint64_t number)
{
	return (struct ev_site){.site = number,
				.pid = PID,
				.start_ns = START,
				.caller = 0xabc,
				.acquired = 2,
				.released = 2};
}

static void a_site_without_a_stack_is_named_by_its_caller_once(void **state)
{
	struct ev_site site = site_of(9), other = site_of(10);

	(void)state;
	readers_site(readers, &site, 0, true);
	assert_string_equal(world.asked, "caller ");
	assert_int_equal(world.evidence_stack, world.caller_sample);
	assert_int_equal(world.caller_sample & 0xffff, 0xfffe); /* no id of the kernel half */
	readers_site(readers, &site, 0, true);
	assert_int_equal(world.evidences, 1);
	world.evidence_stack = world.caller_sample;
	readers_site(readers, &other, 0, true);
	assert_int_equal(world.caller_sample >> 16, 2); /* never twice the same */
	assert_int_equal(world.named, 0);
}

static void an_interpreter_says_nothing_by_its_caller(void **state)
{
	struct ev_site site = site_of(9), unknown = site_of(10);

	(void)state;
	readers_site(readers, &site, 0, false);
	unknown.caller = 0;
	readers_site(readers, &unknown, 0, true);
	assert_int_equal(world.evidences, 0);
	assert_string_equal(world.asked, "");
}

static void later_stacks_of_a_site_count_while_it_leaks(void **state)
{
	struct ev_site site = site_of(9);

	(void)state;
	readers_site(readers, &site, SAMPLE, true);
	assert_int_equal(world.evidences, 1);
	assert_int_equal(world.evidence_stack, SAMPLE);
	readers_site(readers, &site, SAMPLE + 1, true); /* all was given back */
	assert_int_equal(world.evidences, 1);
	site.acquired++;
	readers_site(readers, &site, SAMPLE + 2, true);
	assert_int_equal(world.evidences, 2);
	assert_int_equal(world.evidence_stack, SAMPLE + 2);
}

static void a_caller_that_nobody_can_ask_for_is_left_without_names(void **state)
{
	struct ev_site site = site_of(9);

	(void)state;
	world.caller_err = -ENOBUFS;
	readers_site(readers, &site, 0, true);
	assert_int_equal(world.named, 1);
	assert_int_equal(world.named_sample, world.caller_sample);
	assert_int_equal(world.named_frames, 0);
}

static void threads_that_a_worker_could_not_read_are_a_gap(void **state)
{
	static const struct python_build build;
	const struct python_process process = {START, PID};

	(void)state;
	world.unread = true;
	world.reads = -EBUSY; /* soon again */
	assert_int_equal(readers_threads(readers, &build, &process, 8, NULL, 0), -EBUSY);
	assert_int_equal(world.gaps, 0);
	world.reads = -EIO;
	assert_int_equal(readers_thread_frames(readers, &build, &process, 8, NULL, 0, NULL), -EIO);
	assert_int_equal(world.gaps, 1);
}

static void a_process_that_is_met_gets_workers_ready(void **state)
{
	uint32_t dropped = 0;

	(void)state;
	readers_process(readers, PID, START);
	assert_int_equal(world.processes, 1);
	assert_int_equal(readers_tasks(readers, NULL, NULL, NULL, &dropped, NULL, NULL), 6);
	assert_int_equal(dropped, 4);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_was_opened_is_closed_when_the_rest_cannot_be),
		CASE(stacks_close_last),
		CASE(all_that_was_lost_is_counted),
		CASE(each_runtime_has_its_reader),
		CASE(a_copied_stack_without_javascript_goes_to_the_worker),
		CASE(javascript_that_cannot_be_waited_for_is_left_without_names),
		CASE(an_interpreted_stack_without_names_is_sent_again),
		CASE(flags_of_the_kernel_half_stay_here),
		CASE(only_a_sleeping_thread_has_its_lines_looked_at),
		CASE(a_process_that_is_not_read_is_told_once),
		CASE(objects_that_are_not_read_any_more_are_told),
		CASE(a_workers_answer_teaches_the_kernel_its_shape),
		CASE(a_stack_without_names_is_copied_again),
		CASE(an_answer_that_cannot_be_kept_ends_the_watch),
		CASE(evidence_that_cannot_be_kept_ends_it_too),
		CASE(a_site_without_a_stack_is_named_by_its_caller_once),
		CASE(an_interpreter_says_nothing_by_its_caller),
		CASE(later_stacks_of_a_site_count_while_it_leaks),
		CASE(a_caller_that_nobody_can_ask_for_is_left_without_names),
		CASE(threads_that_a_worker_could_not_read_are_a_gap),
		CASE(a_process_that_is_met_gets_workers_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
