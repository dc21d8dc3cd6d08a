/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python.c - what naming Python frames costs when their code is known: python SECONDS.  Objects of
 * our own stand for those of a process.  Prints how many stacks a second one core names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/support/objects_here.h"
#include "user/capture/stack/python.h"

#define FRAMES	   20
#define STACKS	   64 /* that differ in one place */
#define BYTECODE   208
#define TEXT_STATE (1 << 6 | 1 << 5 | 1 << 2) /* compact, ASCII */

struct type {
	uint64_t head[3];
	const char *name;
};

struct object {
	uint64_t count;
	const struct type *type;
	uint64_t length, hash;
	union {
		struct {
			uint32_t state, padding;
			char text[32];
		};
		uint8_t bytes[64];
	};
};

struct code_object {
	uint64_t count;
	const struct type *type;
	char before[52];
	uint32_t first_line;
	char between[40];
	const struct object *file, *name, *qualified, *lines;
	char after[64];
};

static const struct python_build build = {
	.minor = 14,
	.row = {.strangers = 1 << 3 | 1 << 4, .identity = 120},
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

static const struct type type_code = {.name = "code"}, type_text = {.name = "str"},
			 type_bytes = {.name = "bytes"};
static struct object file = {
	.type = &type_text, .length = 14, .state = TEXT_STATE, .text = "shop/report.py"};
static struct object lines = {.type = &type_bytes, .length = 48};
static struct object names[FRAMES];
static struct code_object codes[FRAMES];

static void make(void)
{
	for (size_t i = 0; i < lines.length; i += 2)
		lines.bytes[i] = 0x80 | 11 << 3 | 7; /* 8 units, a line on, two columns */
	for (size_t i = 0; i < FRAMES; i++) {
		names[i] = file;
		names[i].length = (uint64_t)snprintf(names[i].text, sizeof(names[i].text),
						     "Report.step_%zu", i);
		codes[i] = (struct code_object){.type = &type_code,
						.first_line = 10,
						.file = &file,
						.name = &names[i],
						.qualified = &names[i],
						.lines = &lines};
	}
}

static struct raw_frame frame_in(const struct code_object *c, uint64_t at)
{
	struct python_identity i = {};
	uint64_t check;

	memcpy(i.name, &c->name, sizeof(i.name));
	memcpy(&i.size, &c->lines->length, 3 * sizeof(i.size));
	check = python_check(&i);
	return (struct raw_frame){
		.code = (uintptr_t)c | check << PYTHON_ADDRESS_BITS,
		.at = ((uintptr_t)c + BYTECODE + at) | (check >> 16) << PYTHON_ADDRESS_BITS,
	};
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static struct raw_stack raw[STACKS];
	struct frame frames[STACK_FRAMES];
	struct pythons *p;
	double begun = seconds(), spent;
	uint64_t named = 0;
	uint32_t flags;

	if (argc != 2 || pythons_open(&p, NULL))
		return 2;
	make();
	for (size_t i = 0; i < STACKS; i++) {
		raw[i].pid = (uint32_t)getpid();
		raw[i].count = FRAMES;
		for (size_t k = 0; k < FRAMES; k++)
			raw[i].frame[k] = frame_in(&codes[k], 2 * (k ? k : i));
	}
	while ((spent = seconds() - begun) < atof(argv[1]))
		for (size_t i = 0; i < STACKS; i++)
			named += python_read(p, &build, &raw[i], frames, &flags) == FRAMES &&
				 !flags;
	printf("%.0f\n", (double)named / spent);
	pythons_close(p);
	return named ? 0 : 1;
}
