/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What a worker may say, and what it may not: packets made here, taken in by the parent's side.
 */
#include "user/capture/stack/native/native.h"
#include "user/capture/stack/native/native_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/support/seed.h"

static struct native n;
static struct native_answer last;
static struct frame last_frame;
static bool last_shaped;
static int answers;

static void keep_answer(void *context, const struct native_answer *answer)
{
	(void)context;
	last = *answer;
	last_shaped = answer->shape;
	answers++;
	if (answer->count)
		last_frame = answer->frames[0];
}

/* A packet in the making, aligned; before it its length, for the fuzzer. */
static struct {
	uint8_t unused[6], length[2];
	uint8_t bytes[4096];
	size_t size;
} made __attribute__((aligned(8)));

static void *put(enum wire_kind kind, size_t size)
{
	struct wire_head *head = (void *)(made.bytes + made.size);

	size = (size + 7) & ~(size_t)7;
	assert_true(made.size + size <= sizeof(made.bytes));
	memset(head, 0, size);
	head->kind = kind;
	head->size = (uint32_t)size;
	made.size += size;
	return head;
}

static struct wire_frame *put_frame(uint32_t id, const char *texts, size_t size)
{
	struct wire_frame *m = put(WIRE_FRAME, sizeof(*m) + size);

	m->id = id;
	m->line = 12;
	m->language = EV_LANG_NATIVE;
	m->text_size = (uint32_t)size;
	memcpy(m->text, texts, size);
	return m;
}

static struct wire_answer *put_answer(uint32_t frame)
{
	struct wire_answer *m = put(WIRE_ANSWER, sizeof(*m) + sizeof(frame));

	m->id = 5;
	m->count = 1;
	m->frame[0] = frame;
	return m;
}

static const char texts[] = "list\0shop.c\0/app/shop\0abcd"; /* and a NUL */

static int start(void **state)
{
	(void)state;
	memset(&made, 0, sizeof(made));
	memset(&last_frame, 0, sizeof(last_frame));
	for (n.outstanding = 0; n.outstanding < 3;) {
		assert_true(native_asked_room(&n));
		native_asked(&n, 0, &(struct asked){5, 1, 8, 77});
	}
	answers = 0;
	return 0;
}

static int finish(void **state)
{
	(void)state;
	native_frames_forget(&n);
	return 0;
}

static int take_made(void)
{
	made.length[0] = (uint8_t)made.size;
	made.length[1] = (uint8_t)(made.size >> 8);
	seed_keep("answer", made.length, sizeof(made.length) + made.size);
	memcpy(n.in, made.bytes, made.size);
	return native_take_packet(&n, made.size, keep_answer, NULL);
}

static void frames_are_told_once_and_used_often(void **state)
{
	(void)state;
	put_frame(1, texts, sizeof(texts));
	put_answer(1);
	put_answer(1);
	assert_int_equal(take_made(), 2);
	assert_int_equal(answers, 2);
	assert_int_equal(n.outstanding, 1);
	assert_int_equal(last.id, 5);
	assert_int_equal(last.pid, 77);
	assert_string_equal(last_frame.function, "list");
	assert_string_equal(last_frame.file, "shop.c");
	assert_string_equal(last_frame.module, "/app/shop");
	assert_string_equal(last_frame.build_id, "abcd");
	assert_int_equal(last_frame.line, 12);
}

static void an_empty_text_is_not_known(void **state)
{
	(void)state;
	put_frame(1, "\0\0m\0", 5);
	put_answer(1);
	assert_int_equal(take_made(), 1);
	assert_null(last_frame.function);
	assert_null(last_frame.file);
	assert_string_equal(last_frame.module, "m");
	assert_null(last_frame.build_id);
}

static void after_a_reset_ids_begin_anew(void **state)
{
	(void)state;
	put_frame(1, texts, sizeof(texts));
	put(WIRE_RESET, sizeof(struct wire_head));
	put_frame(1, "other\0\0\0", 9);
	put_answer(1);
	assert_int_equal(take_made(), 1);
	assert_string_equal(last_frame.function, "other");
}

static void frames_that_were_not_told_are_refused(void **state)
{
	(void)state;
	put_answer(1);
	assert_int_equal(take_made(), -EPROTO);
	start(state);
	put_frame(1, texts, sizeof(texts));
	put_answer(0);
	assert_int_equal(take_made(), -EPROTO);
	assert_int_equal(answers, 0);
}

static void ids_out_of_order_are_refused(void **state)
{
	(void)state;
	put_frame(2, texts, sizeof(texts));
	assert_int_equal(take_made(), -EPROTO);
}

static void texts_that_do_not_end_or_are_too_long_are_refused(void **state)
{
	char text[512];

	(void)state;
	put_frame(1, texts, sizeof(texts) - 1);
	assert_int_equal(take_made(), -EPROTO);
	start(state);
	memset(text, 'a', sizeof(text));
	memset(text + 400, 0, 4);
	put_frame(1, text, 404);
	assert_int_equal(take_made(), -EPROTO);
}

static void sizes_that_lie_are_refused(void **state)
{
	(void)state;
	put_frame(1, texts, sizeof(texts))->text_size = 4096;
	assert_int_equal(take_made(), -EPROTO);
	start(state);
	put_frame(1, texts, sizeof(texts));
	put_answer(1)->count = EV_STACK_FRAMES + 1;
	assert_int_equal(take_made(), -EPROTO);
	finish(state);
	start(state);
	put_frame(1, texts, sizeof(texts));
	put_answer(1)->count = 100;
	assert_int_equal(take_made(), -EPROTO);
	start(state);
	put_answer(1)->head.size = 4;
	assert_int_equal(take_made(), -EPROTO);
	start(state);
	put_answer(1)->head.size = 0xfffffff8;
	assert_int_equal(take_made(), -EPROTO);
}

static void answers_to_no_question_are_refused(void **state)
{
	(void)state;
	n.outstanding = 0;
	put_frame(1, texts, sizeof(texts));
	put_answer(1);
	assert_int_equal(take_made(), -EPROTO);
	assert_int_equal(answers, 0);
}

static void answers_out_of_order_are_refused(void **state)
{
	(void)state;
	put_frame(1, texts, sizeof(texts));
	put_answer(1)->id = 6;
	assert_int_equal(take_made(), -EPROTO);
}

static bool is_shape_taken(uint16_t count, uint16_t bytes, uint16_t slot)
{
	struct wire_answer *m;

	start(NULL);
	native_frames_forget(&n);
	put_frame(1, texts, sizeof(texts));
	m = put_answer(1);
	m->shape = (struct stack_shape){.count = count, .bytes = bytes, .slot = {slot}};
	assert_int_equal(take_made(), 1);
	assert_int_equal(last.shape_key, 8);
	return last_shaped;
}

static void a_shape_whose_slots_lie_outside_is_ignored(void **state)
{
	(void)state;
	assert_true(is_shape_taken(1, 24, 2));
	assert_true(is_shape_taken(1, STACK_BYTES, STACK_BYTES / 8 - 1));
	assert_false(is_shape_taken(1, 24, 3));
	assert_false(is_shape_taken(1, STACK_BYTES, STACK_BYTES / 8));
	assert_false(is_shape_taken(1, STACK_BYTES + 8, 0));
	assert_false(is_shape_taken(STACK_SLOTS + 1, STACK_BYTES, 0));
	assert_false(is_shape_taken(0, 24, 2));
}

static void what_is_lost_is_told_of_in_order(void **state)
{
	(void)state;
	n.outstanding = 0;
	for (uint64_t i = 0; i < 1000; i++) {
		assert_true(native_asked_room(&n));
		native_asked(&n, 0, &(struct asked){i, 2, 0, 78});
		if (i < 200) {
			n.first++; /* answered */
			n.outstanding--;
		}
	}
	native_tell_lost(&n, keep_answer, NULL);
	assert_int_equal(answers, 800);
	assert_int_equal(last.id, 999);
	assert_int_equal(last.pid, 78);
	assert_int_equal(last.count, 0);
	assert_int_equal(n.outstanding, 0);
}

static void unknown_messages_and_languages_are_refused(void **state)
{
	(void)state;
	put(99, 16);
	assert_int_equal(take_made(), -EPROTO);
	start(state);
	put_frame(1, texts, sizeof(texts))->language = 99;
	assert_int_equal(take_made(), -EPROTO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_are_told_once_and_used_often),
		TEST(an_empty_text_is_not_known),
		TEST(after_a_reset_ids_begin_anew),
		TEST(frames_that_were_not_told_are_refused),
		TEST(ids_out_of_order_are_refused),
		TEST(texts_that_do_not_end_or_are_too_long_are_refused),
		TEST(sizes_that_lie_are_refused),
		TEST(answers_to_no_question_are_refused),
		TEST(answers_out_of_order_are_refused),
		TEST(a_shape_whose_slots_lie_outside_is_ignored),
		TEST(what_is_lost_is_told_of_in_order),
		TEST(unknown_messages_and_languages_are_refused),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(n.asked);
	free(n.frames);
	return failed;
}
