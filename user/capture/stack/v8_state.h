/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * v8_state.h - how a build of V8 is read, for v8.c and v8_*.c.
 */
#ifndef DBLEAK_CAPTURE_V8_STATE_H
#define DBLEAK_CAPTURE_V8_STATE_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/utf8.h"
#include "user/capture/stack/v8_position.h"

enum {
	TEXT_MOST = 1000,   /* characters of a name */
	SCOPE_COUNTS = 3,   /* words of a ScopeInfo with its flags and numbers */
	NAME_SLOTS = 8,	    /* of a ScopeInfo, where a name is looked for */
	LOCALS_INLINE = 75, /* kScopeInfoMaxInlinedLocalNamesSize */
	LOCALS_MOST = 1 << 16,
	ARGUMENTS_MOST = 1 << 16,
	TABLE_MOST = 1 << 16, /* bytes of positions of one function */
	CODE_MOST = 1 << 20,  /* bytes of code of one function */
	FRAME_MOST = 1 << 15, /* bytes between two frame pointers */
	STEPS_MOST = 256,
	DEPTH_MOST = 4, /* strings within a string */
	MARKERS_MOST = 64,
	KINDS_MOST = 256,	 /* of bytecodes */
	POSITION_MOST = 4 << 20, /* in a script */
};

/* The layout of one build.  Offsets count from the object's address without its tag. */
struct v8 {
	int32_t fp_context, fp_function, fp_bytecode, fp_bytecode_offset;
	int32_t map_type, function_shared, function_code, shared_data;
	int32_t shared_name, shared_script;
	int32_t script_name, script_source;
	int32_t scope_first, scope_locals;
	int32_t length, array_data; /* of arrays */
	int32_t string_length, one_byte_data, two_byte_data;
	int32_t cons_first, cons_second, thin_actual, sliced_parent, sliced_offset;
	int32_t bytecode_data;
	int32_t is_string_below, one_byte, representation, cons, thin, sliced;
	int32_t type_function, type_function_last, type_context, type_context_last;
	int32_t type_shared, type_script, type_scope, type_bytecode, type_bytes, type_trusted_bytes;
	int32_t bytecode_positions;
	/* Machine code; the fields from code_start on are valid only if is_code_known. */
	int32_t type_code, code_start, code_size, code_flags, code_positions, code_deoptimization;
	int32_t kind_mask, kind_baseline;
	int32_t inlined_functions, inlined_positions;
	bool is_code_known;
	bool is_code_inline; /* instructions lie in the object, at code_start */
	uint8_t *sizes;	     /* of bytecodes: three rows of kinds; NULL not known */
	size_t kinds;
};

/* The state of reading a stack. */
struct v8_walk {
	const struct v8 *v;
	const struct memory *m;
	const struct raw_stack *raw;
	struct texts *t;
	struct frame *frames;
	int count;
};

/* Finds the address of a tagged object and its type.  False: not an object. */
bool v8_object_at(const struct v8_walk *w, uint64_t tagged, uint64_t *at, uint16_t *type);
/* Finds the object that a field points to. */
bool v8_object_in(const struct v8_walk *w, uint64_t object, int32_t field, uint64_t *at,
		  uint16_t *type);
bool v8_object_of_type(const struct v8_walk *w, uint64_t object, int32_t field, int32_t wanted,
		       uint64_t *at);
bool v8_is_small(uint64_t word);
uint32_t v8_small_of(uint64_t word);
/* Returns a string as UTF-8; NULL: not a string, or empty, too long or not readable. */
const char *v8_text_of(const struct v8_walk *w, uint64_t at, uint16_t type);
/* Reads a function's name, and where it begins in its script, from the description of its scope.
 * False: the beginning is not known. */
bool v8_scope_read(const struct v8_walk *w, uint64_t scope, const char **name, uint32_t *begin);
/* Sets line and column of a place in a script; V8 ends lines as ECMAScript does. */
void v8_place_read(const struct v8_walk *w, uint64_t script, uint32_t position, struct frame *f);

#endif
