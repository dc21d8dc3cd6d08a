/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_recording.c - what is written is read back, and whatever is not as written is noticed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include <zlib.h>

#include "user/record/recording.h"

#define RECORDS 6

static struct {
	char *bytes;
	size_t size;
} file;

static void head(void *record, uint16_t kind, size_t size)
{
	struct ev_head *h = record;

	h->ns = 1000000000ULL + kind;
	h->kind = kind;
	h->size = (size + 7) & ~7ULL;
}

static struct ev_begin beginning(void)
{
	struct ev_begin begin = {.magic = EV_MAGIC, .version = EV_VERSION, .kernel = "6.1.0"};

	head(&begin, EV_BEGIN, sizeof(begin));
	return begin;
}

static void write_to(struct recording *r, const void *record)
{
	assert_int_equal(recording_write(r, record), 0);
}

/* Writes one of each shape: fixed, with a text, with a text cut off, the end. */
static void write_all(struct recording *r)
{
	struct ev_begin begin = beginning();
	struct ev_process process = {.pid = 7, .comm = "app", .cmdline = "app --serve"};
	struct ev_connection connection = {.id = 9, .pid = 7, .requests = 3};
	struct ev_sql sql = {.id = 9, .length = 8, .text = "SELECT ?"};
	struct ev_tick tick = {};
	struct ev_end end = {.records = RECORDS - 1};

	head(&process, EV_PROCESS, sizeof(process));
	head(&connection, EV_CONNECTION, sizeof(connection));
	head(&sql, EV_SQL, offsetof(struct ev_sql, text) + 8);
	head(&tick, EV_TICK, sizeof(tick));
	head(&end, EV_END, sizeof(end));
	write_to(r, &begin);
	write_to(r, &process);
	write_to(r, &connection);
	write_to(r, &sql);
	write_to(r, &tick);
	write_to(r, &end);
}

static int setup(void **state)
{
	struct recording *r;

	(void)state;
	assert_int_equal(recording_open_write(&r, open_memstream(&file.bytes, &file.size)), 0);
	write_all(r);
	assert_int_equal(recording_close(r), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(file.bytes);
	return 0;
}

/* Reads n bytes to the end or the first trouble.  Returns that, and how many records came. */
static int read_all(const void *bytes, size_t n, size_t *records)
{
	const struct ev_head *record;
	struct recording *r;
	char *copy = malloc(n + 1);
	FILE *in;
	int err;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	in = fmemopen(copy, n ? n : 1, "r");
	assert_non_null(in);
	if (!n)
		fgetc(in);
	assert_int_equal(recording_open_read(&r, in), 0);
	*records = 0;
	while ((err = recording_next(r, &record)) == 1)
		++*records;
	assert_int_equal(recording_next(r, &record) == 1, 0);
	recording_close(r);
	free(copy);
	return err;
}

static void what_is_written_is_read(void **state)
{
	static const uint16_t kinds[RECORDS] = {EV_BEGIN, EV_PROCESS, EV_CONNECTION,
						EV_SQL,	  EV_TICK,    EV_END};
	const struct ev_head *record;
	struct recording *r;
	uint64_t offset = 0;

	(void)state;
	assert_int_equal(recording_open_read(&r, fmemopen(file.bytes, file.size, "r")), 0);
	for (size_t i = 0; i < RECORDS; i++) {
		assert_int_equal(recording_next(r, &record), 1);
		assert_int_equal(record->kind, kinds[i]);
		assert_int_equal(record->ns, 1000000000ULL + kinds[i]);
		assert_int_equal((uintptr_t)record % 8, 0);
		offset += record->size;
		assert_int_equal(recording_offset(r), offset);
		if (record->kind == EV_SQL)
			assert_memory_equal(((const struct ev_sql *)record)->text, "SELECT ?", 8);
		if (record->kind == EV_CONNECTION)
			assert_int_equal(((const struct ev_connection *)record)->requests, 3);
	}
	assert_int_equal(recording_next(r, &record), 0);
	assert_int_equal(recording_next(r, &record), 0);
	assert_int_equal(offset, file.size);
	recording_close(r);
}

static void a_recording_cut_anywhere_says_so(void **state)
{
	size_t records;

	(void)state;
	for (size_t n = 0; n < file.size; n++) {
		int err = read_all(file.bytes, n, &records);

		assert_int_equal(err, n < sizeof(struct ev_begin) ? -EPROTO : -ENODATA);
		assert_true(records < RECORDS);
	}
}

static void every_flipped_bit_is_noticed(void **state)
{
	size_t records;

	(void)state;
	for (size_t at = 0; at < file.size; at++)
		for (int bit = 0; bit < 8; bit++) {
			int err;

			file.bytes[at] ^= 1 << bit;
			err = read_all(file.bytes, file.size, &records);
			assert_true(err < 0);
			assert_true(records < RECORDS);
			file.bytes[at] ^= 1 << bit;
		}
	assert_int_equal(read_all(file.bytes, file.size, &records), 0);
}

static void what_follows_the_end_is_not_read(void **state)
{
	char *longer = malloc(file.size + 100);
	size_t records;

	(void)state;
	assert_non_null(longer);
	memcpy(longer, file.bytes, file.size);
	memset(longer + file.size, 'x', 100);
	assert_int_equal(read_all(longer, file.size + 100, &records), 0);
	assert_int_equal(records, RECORDS);
	free(longer);
}

static void other_files_are_no_recordings(void **state)
{
	char zeros[4096] = {};
	size_t records;

	(void)state;
	assert_int_equal(read_all("", 0, &records), -EPROTO);
	assert_int_equal(read_all("\x7f"
				  "ELF is something else",
				  22, &records),
			 -EPROTO);
	assert_int_equal(read_all(zeros, sizeof(zeros), &records), -EPROTO);
	memset(zeros, 0xff, sizeof(zeros));
	assert_int_equal(read_all(zeros, sizeof(zeros), &records), -EPROTO);
	/* records, but not from the start */
	assert_int_equal(read_all(file.bytes + sizeof(struct ev_begin),
				  file.size - sizeof(struct ev_begin), &records),
			 -EPROTO);
}

static void a_newer_version_is_refused_as_such(void **state)
{
	struct ev_begin begin = beginning();
	size_t records;

	(void)state;
	begin.version = EV_VERSION + 1;
	begin.head.crc = 12345; /* even its checksum may be made otherwise */
	assert_int_equal(read_all(&begin, sizeof(begin), &records), -ENOTSUP);
	assert_int_equal(records, 0);
}

static void a_record_of_the_wrong_size_is_not_written(void **state)
{
	struct ev_sql sql = {.length = 8};
	struct ev_tick tick = {};
	struct recording *r;
	char *bytes;
	size_t size;

	(void)state;
	assert_int_equal(recording_open_write(&r, open_memstream(&bytes, &size)), 0);
	head(&tick, EV_TICK, sizeof(tick) - 8);
	assert_int_equal(recording_write(r, &tick.head), -EINVAL);
	head(&tick, EV_TICK, sizeof(tick));
	tick.head.size++;
	assert_int_equal(recording_write(r, &tick.head), -EINVAL);
	head(&tick, 0, sizeof(tick));
	assert_int_equal(recording_write(r, &tick.head), -EINVAL);
	head(&tick, EV_KIND_MAX, sizeof(tick));
	assert_int_equal(recording_write(r, &tick.head), -EINVAL);
	/* a text longer than its record, or than its field */
	head(&sql, EV_SQL, offsetof(struct ev_sql, text));
	assert_int_equal(recording_write(r, &sql.head), -EINVAL);
	head(&sql, EV_SQL, sizeof(sql));
	sql.length = EV_SQL_LEN + 1;
	assert_int_equal(recording_write(r, &sql.head), -EINVAL);
	sql.length = UINT32_MAX;
	assert_int_equal(recording_write(r, &sql.head), -EINVAL);
	assert_int_equal(recording_close(r), 0);
	assert_int_equal(size, 0);
	free(bytes);
}

static void a_frame_with_texts_beyond_its_end_is_refused(void **state)
{
	struct ev_frame frame = {.id = 1, .function_length = 7, .file_length = 6};

	(void)state;
	head(&frame, EV_FRAME, offsetof(struct ev_frame, text) + 16);
	assert_int_equal(record_check(&frame.head), 0);
	frame.module_length = 4;
	assert_int_equal(record_check(&frame.head), -EBADMSG);
	frame.head.size = sizeof(frame);
	assert_int_equal(record_check(&frame.head), 0);
	frame.function_length = frame.file_length = UINT16_MAX;
	assert_int_equal(record_check(&frame.head), -EBADMSG);
}

static void a_stack_with_frames_beyond_its_end_is_refused(void **state)
{
	struct ev_stack stack = {.id = 1, .count = 2};

	(void)state;
	head(&stack, EV_STACK, offsetof(struct ev_stack, frame) + 16);
	assert_int_equal(record_check(&stack.head), 0);
	stack.count = 3;
	assert_int_equal(record_check(&stack.head), -EBADMSG);
	head(&stack, EV_STACK, sizeof(stack));
	stack.count = EV_STACK_FRAMES;
	assert_int_equal(record_check(&stack.head), 0);
	stack.count = UINT32_MAX;
	assert_int_equal(record_check(&stack.head), -EBADMSG);
}

static void a_text_without_end_is_refused(void **state)
{
	struct ev_process process = {.pid = 7};
	struct ev_begin begin = beginning();
	struct ev_gap gap = {};

	(void)state;
	head(&process, EV_PROCESS, sizeof(process));
	assert_int_equal(record_check(&process.head), 0);
	memset(process.comm, 'x', sizeof(process.comm));
	assert_int_equal(record_check(&process.head), -EBADMSG);
	memset(begin.kernel, 'x', sizeof(begin.kernel));
	assert_int_equal(record_check(&begin.head), -EBADMSG);
	head(&gap, EV_GAP, sizeof(gap));
	memset(gap.text, 'x', sizeof(gap.text));
	assert_int_equal(record_check(&gap.head), -EBADMSG);
}

static ssize_t refuse(void *cookie, const char *bytes, size_t n)
{
	(void)cookie, (void)bytes, (void)n;
	errno = ENOSPC;
	return 0;
}

static void a_full_disk_is_an_error(void **state)
{
	struct ev_begin begin = beginning();
	struct recording *r;
	int err = 0;

	(void)state;
	assert_int_equal(
		recording_open_write(
			&r, fopencookie(NULL, "w", (cookie_io_functions_t){.write = refuse})),
		0);
	for (int i = 0; i < 100; i++)
		err |= recording_write(r, &begin.head);
	err |= recording_close(r);
	assert_true(err < 0);
}

static void nothing_may_be_closed(void **state)
{
	(void)state;
	assert_int_equal(recording_close(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_recording_cut_anywhere_says_so),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(what_follows_the_end_is_not_read),
		cmocka_unit_test(other_files_are_no_recordings),
		cmocka_unit_test(a_newer_version_is_refused_as_such),
		cmocka_unit_test(a_record_of_the_wrong_size_is_not_written),
		cmocka_unit_test(a_frame_with_texts_beyond_its_end_is_refused),
		cmocka_unit_test(a_stack_with_frames_beyond_its_end_is_refused),
		cmocka_unit_test(a_text_without_end_is_refused),
		cmocka_unit_test(a_full_disk_is_an_error),
		cmocka_unit_test(nothing_may_be_closed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
