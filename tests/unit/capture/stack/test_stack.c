/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_stack.c - samples and evidence in, frames, stacks and evidence out: each once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "user/capture/stack/stack.h"
#include "user/capture/stack/stack_state.h"

#include "user/record/recording.h"

static struct {
	struct stacks *stacks;
	unsigned int count[EV_KIND_MAX];
	uint16_t order[64];
	size_t records;
	struct ev_stack stack;
	struct ev_evidence evidence;
	struct ev_frame frame;
	uint64_t forgotten;
	size_t forgotten_count;
} t;

static void on_tell(void *context, struct ev_head *record)
{
	(void)context;
	assert_int_equal(record_check(record), 0);
	t.count[record->kind]++;
	if (t.records < 64)
		t.order[t.records] = record->kind;
	t.records++;
	if (record->kind == EV_FRAME)
		memcpy(&t.frame, record, record->size);
	if (record->kind == EV_STACK)
		memcpy(&t.stack, record, record->size);
	if (record->kind == EV_EVIDENCE)
		memcpy(&t.evidence, record, record->size);
}

static void on_forget(void *context, uint64_t sample)
{
	(void)context;
	t.forgotten = sample;
	t.forgotten_count++;
}

static int begin(void **state)
{
	const struct stacks_host host = {.tell = on_tell, .forget = on_forget};

	(void)state;
	memset(&t, 0, sizeof(t));
	return stacks_open(&t.stacks, &host);
}

static int end(void **state)
{
	(void)state;
	stacks_close(t.stacks);
	return 0;
}

static const struct stack_owner owner = {.start_ns = 5, .pid = 7};

static void name(uint64_t sample, unsigned int line)
{
	const struct frame frames[] = {
		{.function = "query", .file = "db.py", .line = 3, .language = EV_LANG_PYTHON},
		{.function = "monthly",
		 .file = "report.py",
		 .line = line,
		 .language = EV_LANG_PYTHON},
	};

	assert_int_equal(stacks_named(t.stacks, sample, &owner, frames, 2, 0), 0);
}

static void show(uint64_t sample, uint64_t object)
{
	struct ev_evidence e = {.head = {.kind = EV_EVIDENCE, .size = sizeof(e)},
				.object = object,
				.stack = sample,
				.kind = EV_AT_OPENED};

	assert_int_equal(stacks_evidence(t.stacks, &e), 0);
}

static void a_stack_that_is_evidence_for_nothing_is_not_told(void **state)
{
	(void)state;
	name(1, 42);
	assert_int_equal(t.records, 0);
}

static void frames_come_before_their_stack_and_both_before_the_evidence(void **state)
{
	(void)state;
	name(1, 42);
	show(1, 9);
	assert_int_equal(t.records, 4);
	assert_int_equal(t.order[0], EV_FRAME);
	assert_int_equal(t.order[1], EV_FRAME);
	assert_int_equal(t.order[2], EV_STACK);
	assert_int_equal(t.order[3], EV_EVIDENCE);
	assert_int_equal(t.stack.count, 2);
	assert_int_equal(t.stack.pid, 7);
	assert_int_equal(t.evidence.stack, t.stack.id);
	assert_int_equal(t.evidence.object, 9);
	assert_int_equal(t.frame.line, 42);
	assert_memory_equal(t.frame.text, "monthlyreport.py", 16);
}

static void equal_stacks_are_told_once(void **state)
{
	(void)state;
	name(1, 42);
	name(2, 42);
	show(1, 9);
	show(2, 10);
	name(3, 42);
	show(3, 11);
	assert_int_equal(t.count[EV_FRAME], 2);
	assert_int_equal(t.count[EV_STACK], 1);
	assert_int_equal(t.count[EV_EVIDENCE], 3);
	assert_int_equal(t.evidence.stack, t.stack.id);
}

static void two_lines_of_one_function_stay_two(void **state)
{
	uint64_t first;

	(void)state;
	name(1, 42);
	name(2, 43);
	show(1, 9);
	first = t.stack.id;
	show(2, 10);
	assert_int_equal(t.count[EV_FRAME], 3);
	assert_int_equal(t.count[EV_STACK], 2);
	assert_true(first != t.stack.id);
}

static void evidence_waits_for_its_sample(void **state)
{
	(void)state;
	show(1, 9);
	show(1, 10);
	assert_int_equal(t.records, 0);
	name(1, 42);
	assert_int_equal(t.count[EV_EVIDENCE], 2);
	assert_int_equal(t.evidence.object, 10);
	assert_int_equal(stacks_lost(t.stacks), 0);
}

/* Whoever reads the records forgets in time what it was told. */
static void after_very_many_all_are_told_anew(void **state)
{
	const unsigned int many = STACKS_REPORTED_MOST / 2 + 10;

	(void)state;
	name(1, 1);
	show(1, 9);
	show(100000, 77); /* still unnamed then */
	for (unsigned int i = 2; i <= many; i++) {
		name(i, i);
		show(i, 9);
	}
	assert_int_equal(t.stacks->renewals, 1);
	assert_true(t.forgotten_count > many - 100);
	memset(t.count, 0, sizeof(t.count));
	name(200000, 1); /* the kernel has sent it again */
	show(200000, 10);
	assert_int_equal(t.count[EV_STACK], 1);
	assert_int_equal(t.count[EV_EVIDENCE], 1);
	name(100000, 3);
	assert_int_equal(t.count[EV_EVIDENCE], 2);
	assert_int_equal(t.evidence.object, 77);
	assert_true(t.stacks->reported.count < STACKS_REPORTED_MOST);
	assert_int_equal(stacks_lost(t.stacks), 0);
}

static void a_sample_without_frames_is_evidence_of_nothing(void **state)
{
	(void)state;
	show(1, 9);
	assert_int_equal(stacks_named(t.stacks, 1, &owner, NULL, 0, 0), 0);
	show(1, 10);
	assert_int_equal(t.records, 0);
}

static void a_stack_asked_for_is_told_once_and_known_by_its_id(void **state)
{
	uint64_t stack = 1;

	(void)state;
	assert_int_equal(stacks_reported(t.stacks, 1, &stack), -EAGAIN);
	name(1, 42);
	name(2, 42); /* its equal */
	assert_int_equal(stacks_reported(t.stacks, 1, &stack), 0);
	assert_int_equal(stack, t.stack.id);
	assert_int_equal(t.records, 3);
	assert_int_equal(stacks_reported(t.stacks, 2, &stack), 0);
	assert_int_equal(stack, t.stack.id);
	assert_int_equal(t.records, 3);
	assert_int_equal(stacks_named(t.stacks, 3, &owner, NULL, 0, 0), 0);
	assert_int_equal(stacks_reported(t.stacks, 3, &stack), 0);
	assert_int_equal(stack, 0);
}

static void what_could_not_be_named_may_be_later(void **state)
{
	(void)state;
	assert_int_equal(stacks_named(t.stacks, 1, &owner, NULL, 0, 0), 0);
	name(1, 42);
	show(1, 9);
	assert_int_equal(t.count[EV_EVIDENCE], 1);
}

static void evidence_without_a_stack_replaces_what_was(void **state)
{
	(void)state;
	name(1, 42);
	show(1, 9);
	show(0, 9);
	assert_int_equal(t.count[EV_EVIDENCE], 2);
	assert_int_equal(t.evidence.stack, 0);
	assert_int_equal(t.evidence.object, 9);
}

static void texts_too_long_are_cut_where_they_say_least(void **state)
{
	char function[600], file[600];
	struct frame frame = {.function = function, .file = file, .module = file, .build_id = file};

	(void)state;
	memset(function, 'f', sizeof(function) - 1);
	function[599] = 0;
	snprintf(file, sizeof(file), "%0590d/app.py", 0);
	assert_int_equal(stacks_named(t.stacks, 1, &owner, &frame, 1, 0), 0);
	show(1, 9);
	assert_int_equal(t.frame.function_length, FUNCTION_MOST);
	assert_int_equal(t.frame.file_length, FILE_MOST);
	assert_memory_equal(t.frame.text + FUNCTION_MOST + FILE_MOST - 7, "/app.py", 7);
}

static void a_file_that_is_a_url_keeps_no_password(void **state)
{
	struct frame frame = {.file = "file:///srv/x.mjs?token=geheim"};

	(void)state;
	assert_int_equal(stacks_named(t.stacks, 1, &owner, &frame, 1, 0), 0);
	show(1, 9);
	assert_int_equal(t.frame.file_length, 20);
	assert_memory_equal(t.frame.text, "file:///srv/x.mjs...", 20);
}

static void a_stack_too_deep_is_cut(void **state)
{
	struct frame frames[EV_STACK_FRAMES + 5] = {};

	(void)state;
	for (size_t i = 0; i < EV_STACK_FRAMES + 5; i++)
		frames[i].line = i + 1;
	assert_int_equal(stacks_named(t.stacks, 1, &owner, frames, EV_STACK_FRAMES + 5, 0), 0);
	show(1, 9);
	assert_int_equal(t.stack.count, EV_STACK_FRAMES);
	assert_int_equal(t.stack.flags, EV_STACK_CUT);
}

static void the_oldest_samples_make_room_and_are_asked_for_anew(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= SAMPLES_MOST + 3; i++)
		name(i, 1 + i % 2);
	assert_int_equal(t.forgotten_count, 3);
	assert_int_equal(t.forgotten, 3);
	show(4, 9); /* still known */
	assert_int_equal(t.count[EV_EVIDENCE], 1);
	show(2, 10); /* not any more: it waits for its like, and 4 makes room */
	assert_int_equal(t.count[EV_EVIDENCE], 1);
	assert_int_equal(t.forgotten, 4);
	name(2, 1);
	assert_int_equal(t.count[EV_EVIDENCE], 2);
}

static void evidence_whose_sample_never_comes_is_counted(void **state)
{
	(void)state;
	show(1, 9);
	for (uint64_t i = 2; i <= SAMPLES_MOST + 1; i++)
		name(i, 1);
	assert_int_equal(t.forgotten, 1);
	assert_int_equal(stacks_lost(t.stacks), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
		TEST(a_stack_that_is_evidence_for_nothing_is_not_told),
		TEST(frames_come_before_their_stack_and_both_before_the_evidence),
		TEST(equal_stacks_are_told_once),
		TEST(two_lines_of_one_function_stay_two),
		TEST(evidence_waits_for_its_sample),
		TEST(after_very_many_all_are_told_anew),
		TEST(a_sample_without_frames_is_evidence_of_nothing),
		TEST(a_stack_asked_for_is_told_once_and_known_by_its_id),
		TEST(what_could_not_be_named_may_be_later),
		TEST(evidence_without_a_stack_replaces_what_was),
		TEST(texts_too_long_are_cut_where_they_say_least),
		TEST(a_file_that_is_a_url_keeps_no_password),
		TEST(a_stack_too_deep_is_cut),
		TEST(the_oldest_samples_make_room_and_are_asked_for_anew),
		TEST(evidence_whose_sample_never_comes_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
