/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_pprof.c - profiles for go tool pprof and speedscope.app: hostile names, many stacks.
 *
 * What is written is read again: the bytes of the profile here, by hand; the same by the tools that
 * it is for in tests/live/cases_files.py.
 */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>

#include "tests/unit/support/sample_view.h"
#include "user/report/pprof.h"
#include "user/report/speedscope.h"

#define MANY   20000 /* stacks; tests/bench/pprof.c has 100,000 */
#define FRAMES 12

static struct finding_view leak;
static struct process_view app;
static struct report_view report;

static int setup(void **state)
{
	(void)state;
	leak = sample_finding();
	app = sample_process(4711, VERDICT_LEAKING, NULL, &leak);
	report = sample_view(&app, 1);
	return 0;
}

struct bytes {
	uint8_t *at;
	size_t length;
};

static struct bytes unpacked(const char *packed, size_t size)
{
	struct bytes b = {.at = malloc(64 << 20)};
	z_stream z = {.next_in = (Bytef *)packed,
		      .avail_in = size,
		      .next_out = b.at,
		      .avail_out = 64 << 20};

	assert_non_null(b.at);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	b.length = z.total_out;
	inflateEnd(&z);
	return b;
}

/* The profile as bytes of its message; the caller frees them. */
static struct bytes profiled(const struct held *h)
{
	char *packed = NULL;
	size_t size;
	FILE *out = open_memstream(&packed, &size);
	struct bytes b;

	assert_non_null(out);
	assert_int_equal(report_pprof(out, &report, h), 0);
	assert_int_equal(fclose(out), 0);
	b = unpacked(packed, size);
	free(packed);
	return b;
}

static uint64_t varint(struct bytes *b)
{
	uint64_t value = 0;
	unsigned int shift = 0;

	for (;; shift += 7) {
		assert_true(b->length && shift < 64);
		value |= (uint64_t)(*b->at & 0x7f) << shift;
		b->length--;
		if (!(*b->at++ & 0x80))
			return value;
	}
}

/* The next field of a message: its number, and its value or its bytes. */
static uint32_t field(struct bytes *b, uint64_t *value, struct bytes *inner)
{
	uint64_t tag = varint(b);

	*value = varint(b);
	*inner = (struct bytes){0};
	if ((tag & 7) == 2) {
		assert_true(*value <= b->length);
		*inner = (struct bytes){b->at, *value};
		b->at += *value;
		b->length -= *value;
	} else {
		assert_int_equal(tag & 7, 0);
	}
	return (uint32_t)(tag >> 3);
}

static size_t fields_of(struct bytes b, uint32_t number)
{
	struct bytes inner;
	uint64_t value;
	size_t n = 0;

	while (b.length)
		n += field(&b, &value, &inner) == number;
	return n;
}

static bool has_string(struct bytes b, const char *text)
{
	struct bytes inner;
	uint64_t value;

	while (b.length)
		if (field(&b, &value, &inner) == 6 && inner.length == strlen(text) &&
		    !memcmp(inner.at, text, inner.length))
			return true;
	return false;
}

static void a_profile_begins_its_stacks_at_the_line_that_answers(void **state)
{
	struct frame_view frames[2];
	struct held_view all = {.process = &app, .count = {[HELD_CONNECTIONS] = 12}};
	struct held h = {.all = &all, .count = 1};
	struct bytes b;

	(void)state;
	sample_site(&leak, frames);
	all.stack = frames;
	all.stack_count = 2;
	all.site = &frames[1];
	b = profiled(&h);
	assert_int_equal(fields_of(b, 1), HELD_KINDS);
	assert_int_equal(fields_of(b, 2), 1);
	assert_int_equal(fields_of(b, 4), 1); /* locations */
	assert_int_equal(fields_of(b, 5), 1); /* functions */
	assert_true(has_string(b, "report.py:42 monthly()"));
	assert_true(has_string(b, "/srv/shop/app/report.py"));
	assert_false(has_string(b, "connect"));
	free(b.at);
}

static void a_native_frame_has_its_file_and_build_id(void **state)
{
	struct frame_view frame = {.language = EV_LANG_NATIVE,
				   .function = "load",
				   .module = "/srv/libfeed.so",
				   .build_id = "c0ffee",
				   .offset = 64};
	struct held_view all = {
		.process = &app, .stack = &frame, .stack_count = 1, .count = {1, 0, 0, 0}};
	struct held h = {.all = &all, .count = 1};
	struct bytes b = profiled(&h);

	(void)state;
	assert_int_equal(fields_of(b, 3), 1);
	assert_true(has_string(b, "/srv/libfeed.so"));
	assert_true(has_string(b, "c0ffee"));
	assert_true(has_string(b, "libfeed.so+0x40 load()"));
	free(b.at);
}

/* The file of the first mapping, by whose name readers call a profile. */
static struct bytes first_file(struct bytes b)
{
	struct bytes inner, mapping = {}, all = b;
	uint64_t value, file = 0, at = 0;

	while (b.length && !mapping.length)
		if (field(&b, &value, &inner) == 3)
			mapping = inner;
	while (mapping.length)
		if (field(&mapping, &value, &inner) == 5)
			file = value;
	while (all.length)
		if (field(&all, &value, &inner) == 6 && at++ == file)
			return inner;
	return (struct bytes){};
}

static void a_profile_is_called_by_its_program(void **state)
{
	static const char program[] = "/srv/feed";
	struct frame_view frames[] = {
		{.language = EV_LANG_NATIVE, .function = "load", .module = "/srv/libfeed.so"},
		{.language = EV_LANG_NATIVE, .function = "main", .module = program},
	};
	struct held_view all = {
		.process = &app, .stack = frames, .stack_count = 2, .count = {1, 0, 0, 0}};
	struct held h = {.all = &all, .count = 1};
	struct bytes b = profiled(&h), file = first_file(b);

	(void)state;
	assert_int_equal(file.length, strlen(program));
	assert_memory_equal(file.at, program, strlen(program));
	free(b.at);
}

static const struct frame_view hostile[] = {
	{.language = EV_LANG_PYTHON, .file = "/srv/\x1b[31m.py", .function = "</script><b>\xff"},
	{.language = EV_LANG_PYTHON, .file = "\xe2\x80\xae\"\\.py", .function = "\xf0\x9f\x90\x98"},
	{0},
};

static void names_in_a_profile_are_harmless(void **state)
{
	struct held_view all = {
		.process = &app, .stack = hostile, .stack_count = 3, .count = {1, 0, 0, 0}};
	struct held h = {.all = &all, .count = 1};
	struct bytes b, inner, rest;
	uint64_t value;

	(void)state;
	app.comm = "\x1b]0;x\a";
	b = rest = profiled(&h);
	assert_true(has_string(b, "\\x1b]0;x\\x07"));
	while (rest.length)
		if (field(&rest, &value, &inner) == 6)
			for (size_t i = 0; i < inner.length; i++)
				assert_true(inner.at[i] >= ' ' && inner.at[i] != 0x7f);
	free(b.at);
}

/* What is written, as JSON; the caller gives it up. */
static json_t *scoped(const struct held *h)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_error_t error;
	json_t *root;

	assert_non_null(out);
	assert_int_equal(report_speedscope(out, &report, h), 0);
	assert_int_equal(fclose(out), 0);
	assert_null(strchr(text, '\x1b'));
	assert_null(strstr(text, "</script"));
	root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("%s in %s", error.text, text);
	free(text);
	return root;
}

static void speedscope_reads_each_name_as_it_is(void **state)
{
	struct held_view all = {
		.process = &app, .stack = hostile, .stack_count = 3, .count = {3, 0, 0, 70}};
	struct held h = {.all = &all, .count = 1};
	json_t *root = scoped(&h), *profiles = json_object_get(root, "profiles");
	json_t *frames = json_object_get(json_object_get(root, "shared"), "frames");

	(void)state;
	assert_int_equal(json_array_size(profiles), 2);
	assert_int_equal(json_array_size(frames), 4);
	assert_string_equal(json_string_value(json_object_get(json_array_get(frames, 3), "name")),
			    "\\x1b[31m.py </script><b>\\xff");
	assert_string_equal(json_string_value(json_object_get(json_array_get(frames, 2), "name")),
			    "\\xe2\\x80\\xae\"\\.py \xf0\x9f\x90\x98");
	json_decref(root);
}

static void nothing_held_is_a_file_that_opens(void **state)
{
	struct held h = {0};
	json_t *root = scoped(&h);
	struct bytes b = profiled(&h);

	(void)state;
	assert_int_equal(json_array_size(json_object_get(root, "profiles")), 1);
	assert_int_equal(fields_of(b, 1), HELD_KINDS);
	json_decref(root);
	free(b.at);
}

static void many_stacks_share_their_frames(void **state)
{
	struct held_view *all = calloc(MANY, sizeof(*all));
	struct frame_view *frames = calloc((size_t)MANY * FRAMES, sizeof(*frames));
	struct held h = {.all = all, .count = MANY};
	struct bytes b;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		for (size_t k = 0; k < FRAMES; k++)
			frames[i * FRAMES + k] = (struct frame_view){
				.language = EV_LANG_PYTHON,
				.file = "/srv/app.py",
				.function = "handle",
				.line = (uint32_t)(1 + (i >> k) % 100)};
		all[i] = (struct held_view){.process = &app,
					    .stack = &frames[i * FRAMES],
					    .stack_count = FRAMES,
					    .count = {1, 0, 0, 0}};
	}
	b = profiled(&h);
	assert_int_equal(fields_of(b, 2), MANY);
	assert_int_equal(fields_of(b, 4), 100);
	free(b.at);
	free(frames);
	free(all);
}

static void an_output_that_is_full_is_an_error(void **state)
{
	struct held h = {0};
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	setvbuf(full, NULL, _IONBF, 0);
	assert_int_equal(report_pprof(full, &report, &h), -ENOSPC);
	assert_int_equal(report_speedscope(full, &report, &h), -ENOSPC);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_profile_begins_its_stacks_at_the_line_that_answers, setup),
		cmocka_unit_test_setup(a_native_frame_has_its_file_and_build_id, setup),
		cmocka_unit_test_setup(a_profile_is_called_by_its_program, setup),
		cmocka_unit_test_setup(names_in_a_profile_are_harmless, setup),
		cmocka_unit_test_setup(speedscope_reads_each_name_as_it_is, setup),
		cmocka_unit_test_setup(nothing_held_is_a_file_that_opens, setup),
		cmocka_unit_test_setup(many_stacks_share_their_frames, setup),
		cmocka_unit_test_setup(an_output_that_is_full_is_an_error, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
