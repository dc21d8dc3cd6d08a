/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * v8.c - see v8.h.
 *
 * Pointers to objects have their lowest bit set, small integers (SMI) are in the upper half of a
 * word.  Each object begins with its map, which has its type.  Node.js is built for 64 bits without
 * pointer compression; other builds are not supported.
 */
#include "user/capture/stack/v8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/stack/v8_state.h"

/* The symbols that hold each number; the first that exists counts.  A missing number is fatal
 * unless `instead` has a value for it. */
static const struct number {
	size_t at;
	int32_t instead;
	const char *names[3];
} numbers[] = {
#define NUMBER(field, instead, ...)                  \
	{                                            \
		offsetof(struct v8, field), instead, \
		{                                    \
			__VA_ARGS__                  \
		}                                    \
	}
#define NEEDED INT32_MIN
	NUMBER(fp_context, NEEDED, "v8dbg_off_fp_context"),
	NUMBER(fp_function, NEEDED, "v8dbg_off_fp_function"),
	NUMBER(fp_bytecode, NEEDED, "v8dbg_off_fp_bytecode_array"),
	NUMBER(fp_bytecode_offset, NEEDED, "v8dbg_off_fp_bytecode_offset"),
	NUMBER(map_type, NEEDED, "v8dbg_class_Map__instance_type__uint16_t"),
	NUMBER(function_shared, NEEDED, "v8dbg_class_JSFunction__shared__SharedFunctionInfo"),
	NUMBER(shared_name, NEEDED, "v8dbg_class_SharedFunctionInfo__name_or_scope_info__Object",
	       "v8dbg_class_SharedFunctionInfo__name_or_scope_info__Tagged_Object_",
	       "v8dbg_class_SharedFunctionInfo__name_or_scope_info__Tagged_NameOrScopeInfoT_"),
	NUMBER(shared_script, NEEDED,
	       "v8dbg_class_SharedFunctionInfo__script_or_debug_info__HeapObject",
	       "v8dbg_class_SharedFunctionInfo__script_or_debug_info__Tagged_HeapObject_",
	       "v8dbg_class_SharedFunctionInfo__script__Tagged_HeapObject_"),
	NUMBER(script_name, NEEDED, "v8dbg_class_Script__name__Object"),
	NUMBER(script_source, NEEDED, "v8dbg_class_Script__source__Object"),
	NUMBER(scope_first, NEEDED, "v8dbg_scopeinfo_idx_first_vars"),
	NUMBER(scope_locals, NEEDED, "v8dbg_scopeinfo_idx_ncontextlocals"),
	NUMBER(length, NEEDED, "v8dbg_class_FixedArrayBase__length__SMI"),
	NUMBER(array_data, NEEDED, "v8dbg_class_FixedArray__data__uintptr_t"),
	NUMBER(string_length, NEEDED, "v8dbg_class_String__length__int32_t"),
	NUMBER(one_byte_data, 16, "v8dbg_class_SeqOneByteString__chars__char"),
	NUMBER(two_byte_data, 16, "v8dbg_class_SeqTwoByteString__chars__char"),
	NUMBER(cons_first, NEEDED, "v8dbg_class_ConsString__first__String"),
	NUMBER(cons_second, NEEDED, "v8dbg_class_ConsString__second__String"),
	NUMBER(thin_actual, NEEDED, "v8dbg_class_ThinString__actual__String"),
	NUMBER(sliced_parent, NEEDED, "v8dbg_class_SlicedString__parent__String"),
	NUMBER(sliced_offset, NEEDED, "v8dbg_class_SlicedString__offset__SMI"),
	NUMBER(bytecode_data, NEEDED, "v8dbg_class_BytecodeArray__data__uintptr_t"),
	NUMBER(is_string_below, NEEDED, "v8dbg_FirstNonstringType"),
	NUMBER(one_byte, NEEDED, "v8dbg_OneByteStringTag"),
	NUMBER(representation, NEEDED, "v8dbg_StringRepresentationMask"),
	NUMBER(cons, NEEDED, "v8dbg_ConsStringTag"),
	NUMBER(thin, NEEDED, "v8dbg_ThinStringTag"),
	NUMBER(sliced, NEEDED, "v8dbg_SlicedStringTag"),
	NUMBER(type_function, NEEDED, "v8dbg_FirstJSFunctionType",
	       "v8dbg_type_JSFunction__JS_FUNCTION_TYPE"),
	NUMBER(type_function_last, 0, "v8dbg_LastJSFunctionType"),
	NUMBER(type_context, NEEDED, "v8dbg_FirstContextType"),
	NUMBER(type_context_last, NEEDED, "v8dbg_LastContextType"),
	NUMBER(type_shared, NEEDED, "v8dbg_type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE"),
	NUMBER(type_script, NEEDED, "v8dbg_type_Script__SCRIPT_TYPE"),
	NUMBER(type_scope, NEEDED, "v8dbg_type_ScopeInfo__SCOPE_INFO_TYPE"),
	NUMBER(type_bytecode, NEEDED, "v8dbg_type_BytecodeArray__BYTECODE_ARRAY_TYPE"),
	NUMBER(type_bytes, NEEDED, "v8dbg_type_ByteArray__BYTE_ARRAY_TYPE"),
	NUMBER(bytecode_positions, 0,
	       "v8dbg_class_BytecodeArray__wrapper__Tagged_BytecodeWrapper_"),
	NUMBER(type_trusted_bytes, -1, "v8dbg_type_TrustedByteArray__TRUSTED_BYTE_ARRAY_TYPE"),
	NUMBER(function_code, 0, "v8dbg_class_JSFunction__code__Tagged_Code_",
	       "v8dbg_class_JSFunction__code__CodeT", "v8dbg_class_JSFunction__code__Code"),
	NUMBER(shared_data, 8, "v8dbg_class_SharedFunctionInfo__function_data__Object"),
	NUMBER(type_code, -1, "v8dbg_type_Code__CODE_TYPE"),
	NUMBER(code_start, 0, "v8dbg_class_Code__instruction_start__Address",
	       "v8dbg_class_Code__instruction_start__uintptr_t"),
	NUMBER(code_size, 0, "v8dbg_class_Code__instruction_size__int"),
	NUMBER(code_flags, 0, "v8dbg_class_Code__flags__uint32_t"),
	NUMBER(code_positions, 0, "v8dbg_class_Code__source_position_table__ByteArray"),
	NUMBER(kind_mask, 15, "v8dbg_CodeKindFieldMask"),
	NUMBER(kind_baseline, -1, "v8dbg_CodeKindBaseline"),
	NUMBER(inlined_functions, 2, "v8dbg_DeoptimizationDataLiteralArrayIndex"),
	NUMBER(inlined_positions, 7, "v8dbg_DeoptimizationDataInliningPositionsIndex"),
#undef NUMBER
};

#define NUMBERS	    (sizeof(numbers) / sizeof(numbers[0]))
#define NUMBER_MOST (1 << 20) /* far above those of any build, and sums of them fit an int32_t */

static int number_find(struct elf_file *e, const struct number *n, int32_t *out)
{
	struct elf_symbol symbol[3];
	size_t names = 0;
	int found;

	while (names < 3 && n->names[names])
		names++;
	found = elf_find_variables(e, n->names, names, false, symbol);
	if (found < 0)
		return found;
	for (size_t i = 0; i < names; i++)
		if (symbol[i].offset &&
		    elf_read_address(e, symbol[i].offset, out, sizeof(*out)) == sizeof(*out))
			return *out > -NUMBER_MOST && *out < NUMBER_MOST ? 0 : -ENOTSUP;
	*out = n->instead;
	return n->instead == NEEDED ? -ENOTSUP : 0;
}

/* Derives the numbers that no build publishes. */
static void numbers_derive(struct v8 *v)
{
	if (!v->type_function_last) /* the types of other functions follow it */
		v->type_function_last = v->type_function + 14;
	/* The table of positions follows the wrapper.  Before V8 had wrappers, it followed two
	 * other tables. */
	v->bytecode_positions = v->bytecode_positions ? v->bytecode_positions + 8 : v->length + 24;
}

/* Derives the numbers of machine code, of which each version publishes others.  In V8 13 it is not
 * known which code a function has, so is_code_known stays false. */
static void code_derive(struct v8 *v, uint32_t major)
{
	if (v->code_positions && !v->code_start) { /* V8 11 */
		v->code_start = v->code_positions + 16;
		v->code_flags = v->code_start + 8;
		v->code_size = v->code_start + 16;
		v->function_code = v->function_shared + 24;
	} else if (v->code_start > v->code_size) { /* V8 10 */
		v->is_code_inline = true;
		v->code_positions = v->code_size - 16;
	} else { /* V8 12 */
		v->code_positions = v->code_start - 24;
	}
	v->code_deoptimization = v->code_positions - 8;
	v->is_code_known = major < 13 && v->function_code && v->code_start && v->code_size &&
			   v->code_flags && v->code_deoptimization > 0;
}

static void sizes_read(struct v8 *v, struct elf_file *e)
{
	static const char *const name = "_ZN2v88internal11interpreter9Bytecodes14kBytecodeSizesE";
	struct elf_symbol symbol;

	if (elf_find_variables(e, &name, 1, false, &symbol) != 1 || symbol.size % 3 ||
	    symbol.size > 3 * KINDS_MOST)
		return;
	v->kinds = symbol.size / 3;
	v->sizes = malloc(symbol.size);
	if (v->sizes &&
	    elf_read_address(e, symbol.offset, v->sizes, symbol.size) != (ssize_t)symbol.size) {
		free(v->sizes);
		v->sizes = NULL;
	}
}

static uint32_t major_read(struct elf_file *e)
{
	static const char *const name = "_ZN2v88internal7Version6major_E";
	struct elf_symbol symbol;
	uint32_t major;

	if (elf_find_variables(e, &name, 1, false, &symbol) != 1 ||
	    elf_read_address(e, symbol.offset, &major, sizeof(major)) != sizeof(major))
		return UINT32_MAX;
	return major;
}

int v8_open(struct v8 **out, struct elf_file *e)
{
	struct v8 *v = calloc(1, sizeof(*v));
	int err = v ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < NUMBERS; i++) {
		err = number_find(e, &numbers[i], (int32_t *)((char *)v + numbers[i].at));
		if (err == -ENOTSUP && !i)
			err = -ENOENT;
	}
	if (err) {
		v8_close(v);
		return err;
	}
	numbers_derive(v);
	code_derive(v, major_read(e));
	sizes_read(v, e);
	*out = v;
	return 0;
}

void v8_close(struct v8 *v)
{
	if (v)
		free(v->sizes);
	free(v);
}

_Static_assert(sizeof(struct v8) + 3 * KINDS_MOST <= V8_PACKED_MOST, "a build fits");

size_t v8_pack(const struct v8 *v, void *to)
{
	size_t sizes = v->sizes ? 3 * v->kinds : 0;

	memcpy(to, v, sizeof(*v));
	if (sizes)
		memcpy((char *)to + sizeof(*v), v->sizes, sizes);
	return sizeof(*v) + sizes;
}

int v8_unpack(struct v8 **out, const void *from, size_t size)
{
	struct v8 *v;
	size_t sizes = size - sizeof(*v);

	if (size < sizeof(*v) || sizes > 3 * KINDS_MOST || sizes % 3)
		return -EINVAL;
	v = malloc(sizeof(*v));
	if (!v)
		return -ENOMEM;
	memcpy(v, from, sizeof(*v));
	v->kinds = sizes / 3;
	v->sizes = sizes ? malloc(sizes) : NULL;
	if (v->sizes)
		memcpy(v->sizes, (const char *)from + sizeof(*v), sizes);
	*out = v;
	return 0;
}

/* A frame of that stack. */
struct v8_call {
	uint64_t fp;
	uint64_t pc; /* where the frame goes on after its call */
	uint64_t function, shared;
};

/* Reads the byte array that a field points to; the caller frees it.  NULL: none. */
static uint8_t *bytes_read(const struct v8_walk *w, uint64_t object, int32_t field, size_t *size)
{
	uint64_t at, length;
	uint16_t type;
	uint8_t *bytes;

	if (!v8_object_in(w, object, field, &at, &type) ||
	    (type != w->v->type_bytes && type != w->v->type_trusted_bytes) ||
	    memory_u64(w->m, at + (uint64_t)w->v->length, &length) || !v8_is_small(length) ||
	    !v8_small_of(length) || v8_small_of(length) > TABLE_MOST)
		return NULL;
	*size = v8_small_of(length);
	bytes = malloc(*size);
	if (bytes && memory_read(w->m, at + (uint64_t)w->v->array_data, bytes, *size)) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

static bool bytecode_place(const struct v8_walk *w, uint64_t bytecode, uint32_t offset,
			   struct v8_position *position)
{
	size_t size;
	uint8_t *table = bytes_read(w, bytecode, w->v->bytecode_positions, &size);
	int err = table ? v8_position_find(table, size, offset, position) : -ENOENT;

	free(table);
	return !err;
}

/* Reads a word of the copied stack.  False: it is not in the copy. */
static bool stack_word(const struct v8_walk *w, uint64_t address, uint64_t *word)
{
	uint64_t skip = address - w->raw->registers.sp;

	if (address % 8 || address < w->raw->registers.sp || w->raw->length < sizeof(*word) ||
	    skip > w->raw->length - sizeof(*word))
		return false;
	memcpy(word, w->raw->bytes + skip, sizeof(*word));
	return true;
}

/* Do the instructions of this Code object hold the frame's pc?  Sets *at to its offset in them. */
static bool code_holds(const struct v8_walk *w, uint64_t code, uint64_t pc, uint32_t *at)
{
	const struct v8 *v = w->v;
	uint64_t start = code + (uint64_t)v->code_start;
	uint32_t size;

	if (!v->is_code_inline && memory_u64(w->m, start, &start))
		return false;
	if (memory_read(w->m, code + (uint64_t)v->code_size, &size, sizeof(size)) || pc <= start ||
	    pc - start > size)
		return false;
	*at = (uint32_t)(pc - start);
	return true;
}

/* Finds the code that runs in the frame: the function's code now, or the code that it had
 * before. */
static bool code_find(const struct v8_walk *w, const struct v8_call *c, uint64_t *code,
		      uint32_t *at)
{
	const struct v8 *v = w->v;

	if (!v->is_code_known)
		return false;
	return (v8_object_of_type(w, c->function, v->function_code, v->type_code, code) &&
		code_holds(w, *code, c->pc, at)) ||
	       (v8_object_of_type(w, c->shared, v->shared_data, v->type_code, code) &&
		code_holds(w, *code, c->pc, at));
}

static bool code_is_baseline(const struct v8_walk *w, uint64_t code)
{
	uint32_t flags;

	return !memory_read(w->m, code + (uint64_t)w->v->code_flags, &flags, sizeof(flags)) &&
	       (int32_t)(flags & (uint32_t)w->v->kind_mask) == w->v->kind_baseline;
}

/* Finds the position in baseline code, which is the bytecode compiled one after the other. */
static bool baseline_place(const struct v8_walk *w, uint64_t code, uint32_t at, uint64_t bytecode,
			   struct v8_position *position)
{
	const struct v8 *v = w->v;
	uint64_t word;
	uint8_t *bytes, *table;
	uint32_t length, offset;
	size_t size = 0;
	bool found;

	if (!v->sizes || memory_u64(w->m, bytecode + (uint64_t)v->length, &word) ||
	    !v8_is_small(word) || v8_small_of(word) > CODE_MOST)
		return false;
	length = v8_small_of(word);
	bytes = malloc(length + 1);
	table = bytes_read(w, code, v->code_positions, &size);
	found = bytes && table &&
		!memory_read(w->m, bytecode + (uint64_t)v->bytecode_data, bytes, length) &&
		!v8_bytecode_find(table, size, bytes, length, v->sizes, v->kinds, at, &offset);
	free(bytes);
	free(table);
	return found && bytecode_place(w, bytecode, offset, position);
}

/* Finds the position in optimised code, which has its own table. */
static bool optimised_place(const struct v8_walk *w, uint64_t code, uint32_t at,
			    struct v8_position *position)
{
	size_t size;
	uint8_t *table = bytes_read(w, code, w->v->code_positions, &size);
	int err = table ? v8_position_find(table, size, at - 1, position) : -ENOENT;

	free(table);
	return !err;
}

/* Finds the frame's position in its script.  *code: optimised code, which may hold inlined calls;
 * 0: other code.  False: not known. */
static bool position_read(const struct v8_walk *w, const struct v8_call *c,
			  struct v8_position *position, uint64_t *code)
{
	const struct v8 *v = w->v;
	uint64_t word, bytecode, offset;
	uint16_t type;
	uint32_t at;

	*code = 0;
	if (stack_word(w, c->fp + (uint64_t)v->fp_bytecode, &word) &&
	    stack_word(w, c->fp + (uint64_t)v->fp_bytecode_offset, &offset) &&
	    v8_object_at(w, word, &bytecode, &type) && type == v->type_bytecode) {
		position->inlined = 0;
		if (v8_is_small(offset))
			return v8_small_of(offset) >= (uint32_t)v->bytecode_data - 1 &&
			       bytecode_place(w, bytecode,
					      v8_small_of(offset) - (uint32_t)v->bytecode_data + 1,
					      position);
		return code_find(w, c, &word, &at) && code_is_baseline(w, word) &&
		       baseline_place(w, word, at, bytecode, position);
	}
	if (!code_find(w, c, code, &at) || code_is_baseline(w, *code))
		return false;
	return optimised_place(w, *code, at, position);
}

static const char *v8_file_of(const struct v8_walk *w, uint64_t script)
{
	static const char scheme[] = "file://";
	const char *file;
	uint64_t name;
	uint16_t type;

	if (!v8_object_in(w, script, w->v->script_name, &name, &type))
		return NULL;
	file = v8_text_of(w, name, type);
	if (file && !strncmp(file, scheme, sizeof(scheme) - 1))
		file += sizeof(scheme) - 1;
	return file;
}

/* Is this the frame of a JavaScript function? */
static bool is_function(const struct v8_walk *w, struct v8_call *c)
{
	const struct v8 *v = w->v;
	uint64_t context, function, arguments;
	uint16_t type;

	return stack_word(w, c->fp + (uint64_t)v->fp_context, &context) &&
	       stack_word(w, c->fp + (uint64_t)v->fp_function, &function) &&
	       stack_word(w, c->fp + (uint64_t)v->fp_function - 8, &arguments) && arguments &&
	       arguments < ARGUMENTS_MOST && v8_object_at(w, context, &context, &type) &&
	       type >= v->type_context && type <= v->type_context_last &&
	       v8_object_at(w, function, &c->function, &type) && type >= v->type_function &&
	       type <= v->type_function_last &&
	       v8_object_of_type(w, c->function, v->function_shared, v->type_shared, &c->shared);
}

/* Adds the frame of a function at its position; position NULL: where the function begins.
 * Functions of V8 itself have no script, and are left out. */
static void frame_add(struct v8_walk *w, uint64_t shared, const struct v8_position *position,
		      uint32_t flags)
{
	const struct v8 *v = w->v;
	struct frame *f = &w->frames[w->count];
	uint64_t script, scope;
	uint32_t begin;
	uint16_t type;
	bool known = false;

	*f = (struct frame){.language = EV_LANG_JAVASCRIPT, .flags = flags};
	if (w->count == STACK_FRAMES ||
	    !v8_object_of_type(w, shared, v->shared_script, v->type_script, &script))
		return;
	f->file = v8_file_of(w, script);
	if (!f->file || !v8_object_in(w, shared, v->shared_name, &scope, &type))
		return;
	if (type == v->type_scope)
		known = v8_scope_read(w, scope, &f->function, &begin);
	else
		f->function = v8_text_of(w, scope, type);
	if (position) {
		v8_place_read(w, script, position->offset, f);
	} else if (known) {
		v8_place_read(w, script, begin, f);
		f->flags |= EV_FRAME_DEFINED;
	}
	w->count++;
}

/* Finds an element of an array of objects. */
static bool element_find(const struct v8_walk *w, uint64_t array, int32_t index, uint64_t *at,
			 uint16_t *type)
{
	const struct v8 *v = w->v;
	uint64_t length;

	return !memory_u64(w->m, array + (uint64_t)v->length, &length) && v8_is_small(length) &&
	       v8_small_of(length) < TABLE_MOST && index >= 0 &&
	       (uint32_t)index < v8_small_of(length) &&
	       v8_object_in(w, array, v->array_data + 8 * index, at, type);
}

/* Finds the array at this index of the code's table of inlined calls (deoptimization data). */
static bool inlined_array(const struct v8_walk *w, uint64_t code, int32_t index, uint64_t *at)
{
	uint64_t table;
	uint16_t type;

	return v8_object_in(w, code, w->v->code_deoptimization, &table, &type) &&
	       element_find(w, table, index, at, &type);
}

/* Adds the frame of an inlined call, and sets *position to the place of that call.  False: not
 * known. */
static bool inlined_add(struct v8_walk *w, uint64_t code, struct v8_position *position)
{
	const struct v8 *v = w->v;
	struct {
		uint64_t position;
		int32_t function, unused;
	} entry;
	struct v8_position outer;
	uint64_t positions, functions, shared, length;
	uint16_t type;

	if (!inlined_array(w, code, v->inlined_positions, &positions) ||
	    !inlined_array(w, code, v->inlined_functions, &functions) ||
	    memory_u64(w->m, positions + (uint64_t)v->length, &length) || !v8_is_small(length) ||
	    v8_small_of(length) < 16U * position->inlined ||
	    memory_read(w->m,
			positions + (uint64_t)v->array_data + 16ULL * (position->inlined - 1U),
			&entry, sizeof(entry)) ||
	    !element_find(w, functions, entry.function, &shared, &type) || type != v->type_shared ||
	    v8_position_of(entry.position, &outer) || outer.inlined >= position->inlined)
		return false;
	frame_add(w, shared, position, EV_FRAME_INLINED);
	*position = outer;
	return true;
}

static void call_add(struct v8_walk *w, const struct v8_call *c)
{
	struct v8_position position;
	uint64_t code;
	bool known = position_read(w, c, &position, &code);

	while (known && code && position.inlined)
		known = inlined_add(w, code, &position);
	frame_add(w, c->shared, known ? &position : NULL, 0);
}

int v8_read(const struct v8 *v, const struct memory *m, const struct raw_stack *raw, uint64_t fp,
	    struct texts *t, struct frame *frames, uint32_t *flags)
{
	struct v8_walk w = {.v = v, .m = m, .raw = raw, .t = t, .frames = frames};
	struct v8_call c = {.fp = fp};
	bool inside = false; /* in V8's part of the stack */
	uint64_t marker, next, back;

	*flags = raw->flags;
	t->used = 0;
	for (int i = 0; i < STEPS_MOST && w.count < STACK_FRAMES; i++) {
		if (!stack_word(&w, c.fp, &next) || !stack_word(&w, c.fp + 8, &back) ||
		    !stack_word(&w, c.fp + (uint64_t)v->fp_context, &marker))
			break;
		if (marker && !(marker & 1) && marker < 2 * MARKERS_MOST)
			inside = true;
		else if (inside && is_function(&w, &c))
			call_add(&w, &c);
		if (next <= c.fp || next - c.fp > FRAME_MOST)
			break;
		c.fp = next;
		c.pc = back;
	}
	return w.count;
}
