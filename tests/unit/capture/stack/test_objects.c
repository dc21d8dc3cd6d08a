/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_objects.c - objects of Python in our own memory, read by a worker: whole ones, ones made to
 * break the reader, and workers that die, hang and lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/support/one_role.h"
#include "user/capture/host/memory.h"
#include "user/capture/host/parser_state.h"
#include "user/capture/stack/native/native_wire.h"
#include "user/capture/stack/object_wire.h"
#include "user/capture/stack/objects_state.h"
#include "user/capture/stack/perl_state.h"
#include "user/capture/stack/python.h"
#include "user/capture/stack/v8.h"
#include "user/system/clock.h"
#include "tests/unit/support/v8_build.h"

#define BYTECODE   192
#define ASCII	   (1 << 6 | 1 << 5 | 1 << 2)
#define ADDRESS(p) ((uint64_t)(uintptr_t)(p))
#define MANY	   STACK_FRAMES

static const struct python_build build = {
	.minor = 12,
	.row = {.strangers = 1 << 3, .identity = 120},
	.code = {.flags = 48,
		 .first_line = 68,
		 .file = 112,
		 .name = 120,
		 .qualified = 128,
		 .lines = 136,
		 .bytecode = BYTECODE,
		 .ascii = 40,
		 .other = 56,
		 .kind = PYTHON_LOCATIONS},
};

struct type {
	uint64_t head[3];
	const char *name;
};

struct text_object {
	uint64_t count;
	const struct type *type;
	uint64_t length, hash;
	uint32_t state, padding;
	char text[64];
};

struct table_object {
	uint64_t count;
	const struct type *type;
	uint64_t length, hash;
	uint8_t bytes[PYTHON_LINES_MOST + 64];
};

struct code_object {
	uint64_t count;
	const struct type *type;
	char before[52];
	uint32_t first_line;
	char between[40];
	const void *file, *name, *qualified, *lines;
	char after[64];
};

static const struct type type_code = {.name = "code"}, type_text = {.name = "str"},
			 type_bytes = {.name = "bytes"};

static struct text_object file = {
	.type = &type_text, .length = 6, .state = ASCII, .text = "app.py"};
static struct text_object names[MANY];
static struct table_object tables[2];
static struct code_object codes[MANY];

static struct objects *objects;
static struct pythons *pythons;
static struct frame frames[STACK_FRAMES];
static struct texts texts;
static uint32_t flags;

static int begin(void **state)
{
	(void)state;
	return nursery_of(&object_role);
}

/* Functions f00, f01, ..., whose code has a line for each 16 bytes; the second table is a long one.
 */
static void make_objects(void)
{
	for (size_t i = 0; i < 2; i++)
		tables[i] = (struct table_object){.type = &type_bytes, .length = i ? 60000 : 64};
	for (size_t i = 0; i < sizeof(tables[0].bytes); i += 2) {
		tables[0].bytes[i] = tables[1].bytes[i] = 0x80 | 13 << 3 | 7; /* 16 bytes of */
		tables[0].bytes[i + 1] = tables[1].bytes[i + 1] = 2;	      /* the next line */
	}
	for (size_t i = 0; i < MANY; i++) {
		names[i] = file;
		names[i].length = (uint64_t)snprintf(names[i].text, sizeof(names[i].text), "f%02zu",
						     i);
		codes[i] = (struct code_object){.type = &type_code,
						.first_line = 10,
						.file = &file,
						.name = &names[i],
						.qualified = &names[i],
						.lines = &tables[0]};
	}
}

static int set_up(void **state)
{
	(void)state;
	make_objects();
	assert_int_equal(objects_open(&objects, nursery), 0);
	assert_int_equal(pythons_open(&pythons, objects), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pythons_close(pythons);
	objects_close(objects);
	return 0;
}

/* A frame as the kernel half gives it. */
static struct raw_frame frame_in(const struct code_object *c, uint64_t at)
{
	struct python_identity i = {};
	uint64_t check;

	memcpy(i.name, &c->name, sizeof(i.name));
	memcpy(&i.size, (const char *)c->lines + PYTHON_LINES_AT, 3 * sizeof(i.size));
	check = python_check(&i);
	return (struct raw_frame){
		.code = ADDRESS(c) | check << PYTHON_ADDRESS_BITS,
		.at = (ADDRESS(c) + BYTECODE + at) | (check >> 16) << PYTHON_ADDRESS_BITS,
	};
}

static struct raw_stack *stack_of(size_t n)
{
	static struct raw_stack raw;

	raw = (struct raw_stack){.pid = (uint32_t)getpid(),
				 .start_ns = 1,
				 .runtime = RUNTIME_PYTHON,
				 .count = (uint32_t)n};
	for (size_t i = 0; i < n; i++)
		raw.frame[i] = frame_in(&codes[i], 16 * (i % 8));
	return &raw;
}

static int read_stack(size_t n)
{
	return python_read(pythons, &build, stack_of(n), frames, &flags);
}

static void a_worker_names_a_whole_stack(void **state)
{
	char expected[8];

	(void)state;
	assert_int_equal(read_stack(MANY), MANY);
	assert_int_equal(flags, 0);
	for (size_t i = 0; i < MANY; i++) {
		snprintf(expected, sizeof(expected), "f%02zu", i);
		assert_string_equal(frames[i].function, expected);
		assert_string_equal(frames[i].file, "app.py");
		assert_int_equal(frames[i].line, 11 + i % 8);
	}
}

static void known_code_costs_no_question(void **state)
{
	struct raw_stack *raw = stack_of(17);

	(void)state;
	assert_int_equal(python_read(pythons, &build, raw, frames, &flags), 17);
	shutdown(objects->parser->worker.wire, SHUT_RDWR);
	memset(codes, 0, sizeof(codes));
	for (size_t i = 0; i < 17; i++)
		raw->frame[i].at += 16; /* where nobody was before */
	assert_int_equal(python_read(pythons, &build, raw, frames, &flags), 17);
	assert_int_equal(flags, 0);
	for (size_t i = 0; i < 17; i++)
		assert_int_equal(frames[i].line, 12 + i % 8);
	assert_int_equal(python_counts(pythons).read, 17);
}

static void a_long_table_comes_in_parts(void **state)
{
	struct raw_stack *raw;

	(void)state;
	codes[1].lines = &tables[1];
	raw = stack_of(3);
	raw->frame[1] = frame_in(&codes[1], 16 * 29999);
	assert_int_equal(python_read(pythons, &build, raw, frames, &flags), 3);
	assert_int_equal(frames[1].line, 10 + 30000);
	assert_int_equal(frames[2].line, 13);
}

/* --- objects made to break the reader ----------------------------------------------------------
 */

static void hostile_objects_are_not_believed_and_others_are(void **state)
{
	struct text_object itself = names[0], endless = names[0], wide = names[0];
	struct table_object *table = calloc(1, sizeof(*table));
	uint32_t serial;

	(void)state;
	assert_int_equal(read_stack(1), 1);
	serial = objects->parser->worker.serial;
	itself.type = (const struct type *)&itself; /* a cycle */
	codes[0].qualified = &itself;
	codes[1].type = (const struct type *)&codes[1];
	endless.length = 1ULL << 62;
	endless.text[0] = 'x';
	codes[2].qualified = &endless;
	wide.length = UINT64_MAX;
	wide.state = 1 << 5 | 4 << 2;
	codes[3].qualified = &wide;
	codes[4].file = (const void *)8;
	codes[5].qualified = (const void *)UINT64_MAX;
	*table = tables[0];
	table->length = 1ULL << 62;
	codes[6].lines = table;
	codes[7].file = &codes[7];
	assert_int_equal(read_stack(9), 9);
	assert_null(frames[0].function);
	assert_null(frames[1].function);
	assert_true(!frames[2].function || strlen(frames[2].function) <= PYTHON_TEXT_MOST);
	assert_true(!frames[3].function || strlen(frames[3].function) <= PYTHON_TEXT_MOST);
	assert_null(frames[4].function);
	assert_null(frames[5].function);
	assert_null(frames[7].function);
	assert_string_equal(frames[8].function, "f08");
	assert_int_equal(frames[8].line, 11);
	assert_true(flags & EV_STACK_NAMELESS);
	assert_int_equal(objects->parser->worker.serial, serial);
	free(table);
}

static volatile bool changing;

static void *change(void *unused)
{
	unsigned int seed = 1;
	uint8_t *regions[] = {(uint8_t *)codes, (uint8_t *)names, (uint8_t *)tables};
	size_t sizes[] = {sizeof(codes), sizeof(names), 4096};

	(void)unused;
	while (changing) {
		size_t which = (size_t)rand_r(&seed) % 3;
		volatile uint8_t *at = regions[which] + (size_t)rand_r(&seed) % sizes[which];
		uint8_t before = *at;

		*at = (uint8_t)rand_r(&seed);
		sched_yield();
		*at = before;
	}
	return NULL;
}

/* The worker lives on, whatever changes between two reads. */
static void bytes_that_change_do_no_harm(void **state)
{
	struct raw_stack *raw;
	pthread_t thread;
	uint32_t serial;
	int64_t begun;

	(void)state;
	assert_int_equal(read_stack(2), 2);
	raw = stack_of(MANY);
	serial = objects->parser->worker.serial;
	begun = (int64_t)clock_monotonic_ms();
	changing = true;
	assert_int_equal(pthread_create(&thread, NULL, change, NULL), 0);
	for (uint64_t round = 0; round < 200; round++) {
		int n;

		raw->start_ns = 100 + round;
		n = python_read(pythons, &build, raw, frames, &flags);
		assert_true(n >= 0 && n <= MANY);
		for (int i = 0; i < n; i++)
			if (frames[i].function)
				assert_true(strlen(frames[i].function) <= PYTHON_TEXT_MOST);
	}
	changing = false;
	pthread_join(thread, NULL);
	assert_in_range((int64_t)clock_monotonic_ms() - begun, 0, 60000);
	assert_int_equal(objects->parser->worker.serial, serial);
	make_objects();
	assert_int_equal(read_stack(3), 3);
}

/* --- the other readers -------------------------------------------------------------------------
 */

static void frames_of_perl_come_from_the_worker(void **state)
{
	static struct {
		uint64_t next, sibling, code, target;
		uint16_t type, flags;
		uint32_t line;
		uint64_t stash, file;
	} cop = {.code = 0x1000, .line = 42};
	struct raw_stack raw = {.pid = (uint32_t)getpid(),
				.start_ns = 1,
				.runtime = RUNTIME_PERL,
				.row = PERL_5_36,
				.count = 2};

	(void)state;
	cop.type = perl_rows[PERL_5_36].next_state;
	cop.file = ADDRESS("report.pl");
	raw.frame[0].code = raw.frame[1].code = ADDRESS(&cop);
	raw.frame[1].code += 8;
	assert_int_equal(objects_stack(objects, &raw, NULL, &texts, frames, &flags), 1);
	assert_int_equal(flags, EV_STACK_CUT);
	assert_string_equal(frames[0].file, "report.pl");
	assert_null(frames[0].function);
	assert_int_equal(frames[0].line, 42);
	assert_int_equal(frames[0].language, EV_LANG_PERL);
	raw.row = PERL_ROWS;
	assert_int_equal(objects_stack(objects, &raw, NULL, &texts, frames, &flags), -EINVAL);
}

static void a_build_of_v8_arrives_whole(void **state)
{
	uint8_t bytes[V8_PACKED_MOST];
	struct v8 *copy;
	size_t n;

	(void)state;
	v8_build_make();
	n = v8_pack(&v8_build.v8, bytes);
	assert_int_equal(v8_unpack(&copy, bytes, n), 0);
	assert_int_equal(copy->kinds, v8_build.v8.sizes ? v8_build.v8.kinds : 0);
	copy->sizes = v8_build.v8.sizes;
	copy->kinds = v8_build.v8.kinds;
	assert_memory_equal(copy, &v8_build.v8, sizeof(*copy));
	free(copy);
	assert_int_equal(v8_unpack(&copy, bytes, 7), -EINVAL);
	assert_int_equal(v8_unpack(&copy, bytes, sizeof(struct v8) + 1), -EINVAL);
	v8_build.raw.runtime = RUNTIME_NATIVE;
	v8_build.raw.pid = (uint32_t)getpid(); /* where that heap is not */
	assert_int_equal(
		objects_stack(objects, &v8_build.raw, &v8_build.v8, &texts, frames, &flags), 0);
}

/* --- workers that fail -------------------------------------------------------------------------
 */

/* Puts a worker in place that has answered before.  Returns its end. */
static int place_worker(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	if (objects->parser->worker.wire >= 0)
		close(objects->parser->worker.wire);
	objects->parser->worker = (struct nursling){pair[0], -1, 0, 0};
	objects->parser->heard = true;
	return pair[1];
}

static void a_worker_that_died_is_replaced_without_blame(void **state)
{
	char text[EV_TEXT_LEN];

	(void)state;
	assert_int_equal(read_stack(2), 2);
	for (int i = 0; i < WORKERS_MOST - 1; i++) {
		shutdown(objects->parser->worker.wire, SHUT_RDWR);
		codes[3 + i].first_line++;
		assert_int_equal(read_stack(4 + (size_t)i), 4 + i);
		assert_int_equal(flags, 0);
	}
	assert_int_equal(objects_unread(objects), 0);
	assert_false(objects_gap(objects, (uint32_t)getpid(), 1, text, sizeof(text)));
}

static void *stay_silent(void *end)
{
	uint8_t bytes[4096];

	while (recv(*(int *)end, bytes, sizeof(bytes), 0) > 0)
		;
	return NULL;
}

static void a_worker_that_hangs_is_left_in_time_and_its_process_given_up(void **state)
{
	char text[EV_TEXT_LEN];
	struct raw_stack *raw;
	int64_t begun;

	(void)state;
	for (int i = 0; i < STRIKES; i++) {
		int other = place_worker();
		pthread_t thread;

		assert_false(objects_gap(objects, (uint32_t)getpid(), 1, text, sizeof(text)));
		pthread_create(&thread, NULL, stay_silent, &other);
		begun = (int64_t)clock_monotonic_ms();
		assert_int_equal(read_stack(3), -EIO);
		assert_in_range((int64_t)clock_monotonic_ms() - begun, SILENT_MS - 10,
				SILENT_MS + 2000);
		assert_int_equal(objects->parser->worker.wire, -1);
		shutdown(other, SHUT_RDWR);
		pthread_join(thread, NULL);
		close(other);
	}
	assert_int_equal(objects_unread(objects), STRIKES);
	assert_int_equal(read_stack(3), -EDQUOT);
	assert_int_equal(objects_unread(objects), STRIKES + 1);
	assert_true(objects_gap(objects, (uint32_t)getpid(), 1, text, sizeof(text)));
	assert_false(objects_gap(objects, (uint32_t)getpid(), 2, text, sizeof(text)));
	raw = stack_of(3); /* of another process, as far as we know */
	raw->start_ns = 2;
	assert_int_equal(python_read(pythons, &build, raw, frames, &flags), 3);
}

/* --- answers that lie --------------------------------------------------------------------------
 */

struct answer {
	struct object_code code;
	struct python_span span[2];
	char text[64];
};

static const struct answer good = {
	.code = {.head = {OBJECT_CODE, sizeof(good), 0, 0},
		 .first_line = 7,
		 .span_count = 2,
		 .function_size = 2,
		 .file_size = 3},
	.span = {{100, 7}, {200, 8}},
	.text = "f\0f.",
};

static void told(void *context, size_t i, const struct python_told *t)
{
	size_t *count = context;

	assert_in_range(i, 0, 1);
	assert_true(strlen(t->function) <= PYTHON_TEXT_MOST);
	assert_true(strlen(t->file) <= PYTHON_TEXT_MOST);
	assert_true(t->first_line <= INT32_MAX);
	++*count;
}

/* The worker sends these bytes as its answer about two code objects. */
static int answer_with(uint64_t start_ns, const void *bytes, size_t size, size_t *count)
{
	const struct python_process process = {start_ns, (uint32_t)getpid()};
	const struct python_wanted wanted[2] = {{8, 1, 0}, {16, 2, 0}};
	struct objects *o = objects;
	int err, other = place_worker();
	pid_t child;

	*count = 0;
	child = fork();
	if (!child) { /* an answer before the question would be seen as such */
		uint8_t in[4096];

		close(o->parser->worker.wire);
		alarm(10);
		recv(other, in, sizeof(in), 0);
		send(other, bytes, size, 0);
		recv(other, in, sizeof(in), 0);
		_exit(0);
	}
	close(other);
	err = objects_python(o, &build.code, &process, wanted, 2, told, count);
	waitpid(child, NULL, 0);
	return err;
}

/* The same, of a process that has cost no worker before. */
static int lie_with(const void *bytes, size_t size, size_t *count)
{
	table_free_values(&objects->parser->owners);
	objects->parser->failures = (struct credit){};
	return answer_with(1, bytes, size, count);
}

static void failures_have_an_end(void **state)
{
	char text[EV_TEXT_LEN];
	int64_t begun = (int64_t)clock_monotonic_ms();

	(void)state;
	for (uint64_t i = 0; i < WORKERS_MOST + 5; i++) {
		struct raw_stack *raw = stack_of(3);
		size_t count;

		raw->start_ns = 50 + i;
		if (i < WORKERS_MOST)
			assert_int_equal(answer_with(50 + i, "nonsense", 8, &count), -EIO);
		else
			assert_int_equal(python_read(pythons, &build, raw, frames, &flags),
					 -EDQUOT);
	}
	assert_true(objects_gap(objects, 77, 7, text, sizeof(text)));
	assert_int_equal(read_stack(3), -EDQUOT);
	assert_in_range((int64_t)clock_monotonic_ms() - begun, 0, 20000);
	objects->parser->failures.at_ns -= 2 * WORKER_NS;
	assert_int_equal(read_stack(3), 3);
}

static void answers_that_make_no_sense_end_their_worker(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} lies[] = {
		{offsetof(struct answer, code.head.kind), 77},
		{offsetof(struct answer, code.head.kind), OBJECT_FRAMES},
		{offsetof(struct answer, code.head.kind), OBJECT_SPANS_MORE},
		{offsetof(struct answer, code.head.kind), PARSER_BYTES},
		{offsetof(struct answer, code.head.size), 8},
		{offsetof(struct answer, code.head.size), sizeof(good) + 64},
		{offsetof(struct answer, code.head.size), sizeof(good) - 4},
		{offsetof(struct answer, code.head.size), UINT32_MAX - 7},
		{offsetof(struct answer, code.head.count), 2},
		{offsetof(struct answer, code.head.count), UINT32_MAX},
		{offsetof(struct answer, code.span_count), PYTHON_SPANS_MOST + 1},
		{offsetof(struct answer, code.span_count), 3000},
		{offsetof(struct answer, code.span_count), UINT32_MAX},
		{offsetof(struct answer, code.function_size), 0},
		{offsetof(struct answer, code.function_size), 3},
		{offsetof(struct answer, code.function_size), PYTHON_TEXT_MOST + 2},
		{offsetof(struct answer, code.function_size), UINT32_MAX},
		{offsetof(struct answer, code.file_size), 0},
		{offsetof(struct answer, code.file_size), 61},
		{offsetof(struct answer, code.file_size), UINT32_MAX},
	};
	struct {
		struct answer a, b;
		struct parser_head end;
	} all;
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct answer lie = good;

		memcpy((char *)&lie + lies[i].at, &lies[i].value, sizeof(lies[i].value));
		assert_int_equal(lie_with(&lie, sizeof(lie), &count), -EIO);
		assert_int_equal(count, 0);
		assert_int_equal(objects->parser->worker.wire, -1);
	}
	all.a = all.b = good;
	all.end = (struct parser_head){OBJECT_END, sizeof(all.end), 0, 0};
	assert_int_equal(lie_with(&all, sizeof(all), &count), -EIO); /* the same twice */
	all.b.code.head.count = 1;
	all.a.code.first_line = UINT32_MAX;
	assert_int_equal(lie_with(&all, sizeof(all), &count), 0);
	assert_int_equal(count, 2);
	all.end.result = 1;
	assert_int_equal(lie_with(&all, sizeof(all), &count), -EIO);
	all.end.result = -100000;
	assert_int_equal(lie_with(&all, sizeof(all), &count), -EIO);
	all.end.result = 0;
	all.b.code.span_count = 4097; /* the rest never comes */
	assert_int_equal(lie_with(&all, sizeof(all), &count), -EIO);
}

/* A worker gets memory within the limits of one request. */
static void requests_beyond_the_limits_end_their_worker(void **state)
{
	struct parser_pieces p = {.head = {PARSER_PIECES, sizeof(p), 0, 1}};
	size_t count;

	(void)state;
	p.piece[0] = (struct memory_piece){0, FETCH_BYTES + 1};
	assert_int_equal(lie_with(&p, sizeof(p), &count), -EIO);
	p.piece[0] = (struct memory_piece){0, UINT64_MAX};
	p.piece[1] = (struct memory_piece){0, 2};
	p.head.count = 2;
	assert_int_equal(lie_with(&p, sizeof(p), &count), -EIO);
	p.piece[0] = p.piece[1] = (struct memory_piece){0, FETCH_BYTES};
	assert_int_equal(lie_with(&p, sizeof(p), &count), -EIO);
	p.head.count = MEMORY_PIECES + 1;
	assert_int_equal(lie_with(&p, sizeof(p), &count), -EIO);
	p.head.count = 2;
	p.head.size = sizeof(p.head) + 8;
	assert_int_equal(lie_with(&p, p.head.size, &count), -EIO);
}

/* A worker that asks on and on, though it gets no more. */
static void reading_has_an_end(void **state)
{
	static char big[FETCH_BYTES];
	const struct python_process process = {1, (uint32_t)getpid()};
	const struct python_wanted wanted = {8, 1, 0};
	struct objects *o = objects;
	int64_t begun = (int64_t)clock_monotonic_ms();
	int other = place_worker(), status;
	size_t count = 0;
	pid_t child;

	(void)state;
	child = fork();
	if (!child) {
		static uint8_t in[PARSER_PACKET_MAX];
		struct {
			struct parser_head head;
			struct memory_piece piece;
		} ask = {{PARSER_PIECES, sizeof(ask), 0, 1}, {ADDRESS(big), sizeof(big)}};
		uint64_t bytes = 0;
		ssize_t got;

		close(o->parser->worker.wire);
		alarm(20);
		recv(other, in, sizeof(in), 0);
		do {
			send(other, &ask, sizeof(ask), MSG_NOSIGNAL);
			got = recv(other, in, sizeof(in), 0);
			bytes += got > (ssize_t)sizeof(ask.head) ? (uint64_t)got - sizeof(ask.head)
								 : 0;
		} while (got > 0);
		_exit(bytes <= READ_MOST ? 0 : 1);
	}
	close(other);
	assert_int_equal(objects_python(o, &build.code, &process, &wanted, 1, told, &count), -EIO);
	assert_in_range((int64_t)clock_monotonic_ms() - begun, 0, WHOLE_MS + READ_MS + 3000);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void a_process_gets_its_share_of_time_alone(void **state)
{
	struct parser_owner *owner;
	struct raw_stack *raw;

	(void)state;
	assert_int_equal(read_stack(2), 2);
	owner = table_get(&objects->parser->owners, (struct table_key){1, (uint64_t)getpid()});
	assert_non_null(owner);
	owner->credit.left_ns = -10000000000LL;
	assert_int_equal(read_stack(5), 5); /* those that are known */
	assert_true(flags & EV_STACK_NAMELESS);
	raw = stack_of(5);
	raw->start_ns = 2;
	assert_int_equal(python_read(pythons, &build, raw, frames, &flags), 5);
	assert_int_equal(flags, 0);
	objects->parser->all.left_ns = -10000000000LL;
	raw->start_ns = 3;
	assert_int_equal(python_read(pythons, &build, raw, frames, &flags), -EBUSY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_worker_names_a_whole_stack),
		TEST(known_code_costs_no_question),
		TEST(a_long_table_comes_in_parts),
		TEST(hostile_objects_are_not_believed_and_others_are),
		TEST(bytes_that_change_do_no_harm),
		TEST(frames_of_perl_come_from_the_worker),
		TEST(a_build_of_v8_arrives_whole),
		TEST(a_worker_that_died_is_replaced_without_blame),
		TEST(a_worker_that_hangs_is_left_in_time_and_its_process_given_up),
		TEST(failures_have_an_end),
		TEST(answers_that_make_no_sense_end_their_worker),
		TEST(requests_beyond_the_limits_end_their_worker),
		TEST(reading_has_an_end),
		TEST(a_process_gets_its_share_of_time_alone),
	};
#undef TEST

	return cmocka_run_group_tests(tests, begin, nursery_finish);
}
