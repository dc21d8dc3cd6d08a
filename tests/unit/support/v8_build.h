/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * v8_build.h - the stack of one interpreted JavaScript function as Node 20 has it, and the objects
 * that its frame leads to.
 */
#ifndef V8_BUILD_H
#define V8_BUILD_H

#include <string.h>

#include "user/capture/stack/v8.h"
#include "user/capture/stack/v8_position.h"
#include "user/capture/stack/v8_state.h"
#include "tests/unit/support/foreign.h"

enum v8_build_type { /* and number of its map */
		     V8_ONE_BYTE = 8,
		     V8_CONS = 41,
		     V8_SCRIPT = 167,
		     V8_BYTES = 190,
		     V8_BYTECODE = 191,
		     V8_CONTEXT = 210,
		     V8_CODE = 245,
		     V8_SCOPE = 261,
		     V8_SHARED = 262,
		     V8_FUNCTION = 300,
};

#define V8_BUILD_HEAP  0x7000000
#define V8_BUILD_MAPS  0x9000000
#define V8_BUILD_STACK 0x7ff000000
/* The address of a type's map, which has room of its own. */
#define V8_BUILD_MAP(type) (V8_BUILD_MAPS + 16ULL * (type) + 1)

/* Words of the stack: an exit from V8 at 8, the function at 24. */
#define V8_BUILD_MARKER	   7
#define V8_BUILD_ARGUMENTS 21
#define V8_BUILD_NEXT	   24

static struct {
	struct v8 v8;
	struct raw_stack raw;
	struct foreign memory;
	uint64_t context[2], function[8], shared[8], script[8], scope[16], bytecode[12];
	uint64_t name[8], file[8], source[16], positions[4];
	uint64_t code[8], inlined[10], inlined_functions[4], inlined_positions[4];
	uint16_t maps[8 * 512];
} v8_build;

static inline uint64_t v8_build_tagged(const void *object)
{
	return V8_BUILD_HEAP + (uint64_t)((const char *)object - (const char *)&v8_build) + 1;
}

static inline uint64_t v8_build_small(uint32_t value)
{
	return (uint64_t)value << 32;
}

static inline uint64_t *v8_build_stack(void)
{
	return (uint64_t *)(void *)v8_build.raw.bytes;
}

static inline void v8_build_string(uint64_t *object, const char *text)
{
	uint32_t length = (uint32_t)strlen(text);

	object[0] = V8_BUILD_MAP(V8_ONE_BYTE);
	memcpy((char *)object + 12, &length, sizeof(length));
	memcpy((char *)object + 16, text, length);
}

/* As Node 20.20 tells of itself. */
static inline struct v8 v8_build_numbers(void)
{
	return (struct v8){.fp_context = -8,
			   .fp_function = -16,
			   .fp_bytecode = -32,
			   .fp_bytecode_offset = -40,
			   .map_type = 12,
			   .function_shared = 24,
			   .shared_data = 8,
			   .shared_name = 16,
			   .shared_script = 32,
			   .script_name = 16,
			   .script_source = 8,
			   .scope_first = 3,
			   .scope_locals = 2,
			   .length = 8,
			   .array_data = 16,
			   .string_length = 12,
			   .one_byte_data = 16,
			   .two_byte_data = 16,
			   .cons_first = 16,
			   .cons_second = 24,
			   .thin_actual = 16,
			   .sliced_parent = 16,
			   .sliced_offset = 24,
			   .bytecode_data = 54,
			   .bytecode_positions = 32,
			   .is_string_below = 128,
			   .one_byte = 8,
			   .representation = 7,
			   .cons = 1,
			   .thin = 5,
			   .sliced = 3,
			   .type_function = V8_FUNCTION,
			   .type_function_last = V8_FUNCTION + 14,
			   .type_context = 205,
			   .type_context_last = 214,
			   .type_shared = V8_SHARED,
			   .type_script = V8_SCRIPT,
			   .type_scope = V8_SCOPE,
			   .type_bytecode = V8_BYTECODE,
			   .type_bytes = V8_BYTES,
			   .type_trusted_bytes = -1,
			   .type_code = V8_CODE,
			   .kind_mask = 15,
			   .kind_baseline = 11,
			   .function_code = 48,
			   .code_start = 40,
			   .code_flags = 48,
			   .code_size = 56,
			   .code_positions = 24,
			   .code_deoptimization = 16,
			   .inlined_functions = 2,
			   .inlined_positions = 7,
			   .is_code_known = true};
}

static inline void v8_build_objects(void)
{
	/* At bytecode 2 is position 28, the fifth character of line 3. */
	static const uint8_t table[] = {2 * 3, 2 * 2 * (28 + 1)};

	v8_build.context[0] = V8_BUILD_MAP(V8_CONTEXT);
	v8_build.function[0] = V8_BUILD_MAP(V8_FUNCTION);
	v8_build.function[3] = v8_build_tagged(v8_build.shared);
	v8_build.shared[0] = V8_BUILD_MAP(V8_SHARED);
	v8_build.shared[2] = v8_build_tagged(v8_build.scope);
	v8_build.shared[4] = v8_build_tagged(v8_build.script);
	v8_build.script[0] = V8_BUILD_MAP(V8_SCRIPT);
	v8_build.script[1] = v8_build_tagged(v8_build.source);
	v8_build.script[2] = v8_build_tagged(v8_build.file);
	v8_build.scope[0] = V8_BUILD_MAP(V8_SCOPE);
	v8_build.scope[3] = v8_build_small(1); /* a local: its name, and what it is */
	v8_build.scope[4] = v8_build_tagged(v8_build.file);
	v8_build.scope[6] = v8_build_tagged(v8_build.name);
	v8_build.scope[7] = v8_build_small(9);
	v8_build.scope[8] = 0x666; /* no object */
	v8_build.scope[9] = v8_build_small(14);
	v8_build.scope[10] = v8_build_small(40);
	v8_build.bytecode[0] = V8_BUILD_MAP(V8_BYTECODE);
	v8_build.bytecode[1] = v8_build_small(20);
	v8_build.bytecode[4] = v8_build_tagged(v8_build.positions);
	v8_build.positions[0] = V8_BUILD_MAP(V8_BYTES);
	v8_build.positions[1] = v8_build_small(sizeof(table));
	memcpy(&v8_build.positions[2], table, sizeof(table));
	v8_build_string(v8_build.name, "monthly");
	v8_build_string(v8_build.file, "file:///srv/report.js");
	v8_build_string(v8_build.source, "'use strict'\nmonthly()\r\n    query()\n");
}

/* The frame is of optimised code, where it is in a call of the function by itself: position 13,
 * with the call at 28. */
static inline void v8_build_optimise(void)
{
	static const uint64_t inlined = 1ULL << 31 | 2 * (13 + 1), outer = 2 * (28 + 1);
	uint8_t table[8] = {2 * 2};
	size_t size = 1;

	for (uint64_t delta = 2 * inlined; delta || size == 1; delta >>= 7)
		table[size++] = (uint8_t)((delta & 0x7f) | (delta >> 7 ? 0x80 : 0));
	v8_build_stack()[V8_BUILD_NEXT - 4] = 0;
	v8_build_stack()[8 + 1] = 0x5002;
	v8_build.code[5] = 0x5000;
	v8_build.code[7] = 100;
	v8_build.function[6] = v8_build_tagged(v8_build.code);
	v8_build.code[0] = V8_BUILD_MAP(V8_CODE);
	v8_build.code[2] = v8_build_tagged(v8_build.inlined);
	v8_build.code[3] = v8_build_tagged(v8_build.positions);
	v8_build.positions[1] = v8_build_small((uint32_t)size);
	memcpy(&v8_build.positions[2], table, size);
	v8_build.inlined[0] = V8_BUILD_MAP(V8_BYTES);
	v8_build.inlined[1] = v8_build_small(8);
	v8_build.inlined[2 + 2] = v8_build_tagged(v8_build.inlined_functions);
	v8_build.inlined[2 + 7] = v8_build_tagged(v8_build.inlined_positions);
	v8_build.inlined_functions[0] = V8_BUILD_MAP(V8_BYTES);
	v8_build.inlined_functions[1] = v8_build_small(1);
	v8_build.inlined_functions[2] = v8_build_tagged(v8_build.shared);
	v8_build.inlined_positions[0] = V8_BUILD_MAP(V8_BYTES);
	v8_build.inlined_positions[1] = v8_build_small(16);
	v8_build.inlined_positions[2] = outer;
	v8_build.inlined_positions[3] = 0;
}

static inline void v8_build_make(void)
{
	uint64_t *stack = v8_build_stack();

	memset(&v8_build, 0, sizeof(v8_build));
	v8_build.v8 = v8_build_numbers();
	v8_build_objects();
	for (uint16_t type = 0; type < 512; type++)
		v8_build.maps[8 * type + 6] = type;
	v8_build.raw.registers.sp = V8_BUILD_STACK;
	v8_build.raw.registers.bp = V8_BUILD_STACK + 8 * 8;
	v8_build.raw.length = 8 * 32;
	stack[8] = V8_BUILD_STACK + 24 * 8;
	stack[V8_BUILD_MARKER] = 2 * 3;
	stack[24 - 1] = v8_build_tagged(v8_build.context);
	stack[24 - 2] = v8_build_tagged(v8_build.function);
	stack[V8_BUILD_ARGUMENTS] = 1;
	stack[24 - 4] = v8_build_tagged(v8_build.bytecode);
	stack[24 - 5] = v8_build_small(54 - 1 + 2);
	foreign_put(&v8_build.memory, V8_BUILD_HEAP, &v8_build, sizeof(v8_build));
	foreign_put(&v8_build.memory, V8_BUILD_MAPS, v8_build.maps, sizeof(v8_build.maps));
}

#endif
