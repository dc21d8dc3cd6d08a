/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_python.c - any bytes as a table of lines, as a string, and as the objects of a Python whose
 * frames are named.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support/objects_here.h"
#include "user/capture/stack/python.h"

#define BYTECODE    192
#define PLACES_MOST 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct type {
	uint64_t head[3];
	const char *name;
};

static const struct type types[] = {
	{.name = "code"}, {.name = "str"}, {.name = "bytes"}, {.name = "other"}};

static const struct python_build build = {
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

static void require(int condition)
{
	if (!condition)
		abort();
}

static void try_lines(const uint8_t *data, size_t size)
{
	size_t most = size ? 1 + data[0] : 1, n;
	struct python_span *spans = calloc(most, sizeof(*spans));

	require(spans != NULL);
	for (enum python_lines kind = PYTHON_LNOTAB; kind <= PYTHON_LOCATIONS; kind++) {
		n = python_spans(kind, data, size, 7, spans, most);
		require(n <= most);
		for (size_t i = 0; i < n; i++)
			require(spans[i].end > (i ? spans[i - 1].end : 0));
		for (uint32_t at = 0; at < PLACES_MOST; at++)
			python_line(spans, n, at * at);
	}
	free(spans);
}

static void try_text(const uint8_t *data, size_t size)
{
	static const unsigned int kinds[] = {1, 2, 4};
	size_t room = size ? 1 + data[0] : 1;
	char *to = malloc(room);

	require(to != NULL);
	for (size_t i = 0; i < 3; i++) {
		size_t n = python_text(data, size / kinds[i], kinds[i], to, room);

		require(n < room && strlen(to) == n);
	}
	free(to);
}

/* The next word of the input; 0 behind its end. */
static uint64_t take(const uint8_t **data, size_t *size)
{
	uint64_t word = 0;
	size_t n = *size < sizeof(word) ? *size : sizeof(word);

	memcpy(&word, *data, n);
	*data += n;
	*size -= n;
	return word;
}

/* An object of some type, whose other fields are the input's. */
static uint8_t *make_object(const uint8_t **data, size_t *size, uint64_t choice)
{
	static uint8_t objects[4][256];
	static unsigned int next;
	uint8_t *o = objects[next++ % 4];
	uint64_t type = (uintptr_t)&types[choice & 3];

	for (size_t at = 16; at < sizeof(objects[0]); at += 8) {
		uint64_t word = take(data, size);

		memcpy(o + at, &word, sizeof(word));
	}
	memcpy(o + 8, &type, sizeof(type));
	return o;
}

static void put(uint8_t *code, size_t at, const void *pointer)
{
	memcpy(code + at, &pointer, sizeof(pointer));
}

static void try_stack(const uint8_t *data, size_t size)
{
	static struct raw_stack raw;
	static uint8_t code[256];
	struct frame frames[STACK_FRAMES];
	struct python_identity identity = {};
	uint64_t choice = take(&data, &size), check;
	struct pythons *p;
	uint32_t flags;
	int n;

	put(code, 8, &types[choice >> 8 & 3]);
	put(code, 112, make_object(&data, &size, choice >> 10 | 1));
	put(code, 120, make_object(&data, &size, choice >> 12));
	put(code, 128, make_object(&data, &size, choice >> 14 | 1));
	put(code, 136, make_object(&data, &size, choice >> 16 | 2));
	memcpy(identity.name, code + 120, sizeof(identity.name));
	memcpy(&identity.size, (uint8_t *)(uintptr_t)identity.name[2] + PYTHON_LINES_AT, 24);
	check = python_check(&identity);
	raw = (struct raw_stack){.pid = (uint32_t)getpid(), .count = 2};
	raw.frame[0].code = (uintptr_t)code | check << PYTHON_ADDRESS_BITS;
	raw.frame[0].at = ((uintptr_t)code + BYTECODE + (choice & 0xff)) |
			  (check >> 16) << PYTHON_ADDRESS_BITS;
	raw.frame[1] = (struct raw_frame){take(&data, &size), take(&data, &size)};
	require(!pythons_open(&p, NULL));
	for (int again = 0; again < 2; again++) {
		n = python_read(p, &build, &raw, frames, &flags);
		require(n <= STACK_FRAMES);
		for (int i = 0; i < n; i++)
			require(!frames[i].function ||
				(strlen(frames[i].function) + strlen(frames[i].file)) <
					EV_FRAME_TEXT_LEN);
	}
	pythons_close(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_lines(data, size);
	try_text(data, size);
	try_stack(data, size);
	return 0;
}
