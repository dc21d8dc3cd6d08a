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

#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

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
			return 0;
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
	    symbol.size > 3 * 256)
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

/* The state of reading a stack. */
struct walk {
	const struct v8 *v;
	const struct memory *m;
	const struct raw_stack *raw;
	struct texts *t;
	struct frame *frames;
	int count;
};

/* A frame of that stack. */
struct call {
	uint64_t fp;
	uint64_t pc; /* where the frame goes on after its call */
	uint64_t function, shared;
};

/* Finds the address of a tagged object and its type.  False: not an object. */
static bool object_at(const struct walk *w, uint64_t tagged, uint64_t *at, uint16_t *type)
{
	uint64_t map;

	*at = tagged - 1;
	return (tagged & 3) == 1 && !memory_u64(w->m, *at, &map) && (map & 3) == 1 &&
	       !memory_read(w->m, map - 1 + (uint64_t)w->v->map_type, type, sizeof(*type));
}

/* Finds the object that a field points to. */
static bool object_in(const struct walk *w, uint64_t object, int32_t field, uint64_t *at,
		      uint16_t *type)
{
	uint64_t tagged;

	return !memory_u64(w->m, object + (uint64_t)field, &tagged) &&
	       object_at(w, tagged, at, type);
}

static bool object_of_type(const struct walk *w, uint64_t object, int32_t field, int32_t wanted,
			   uint64_t *at)
{
	uint16_t type;

	return object_in(w, object, field, at, &type) && type == wanted;
}

static bool is_small(uint64_t word)
{
	return !(word & 0xffffffff);
}

static uint32_t small_of(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

/* Reads n characters of a string, starting with the character `from`.  False: they cannot be
 * read. */
static bool characters(const struct walk *w, uint64_t at, uint16_t type, uint32_t from, uint32_t n,
		       unsigned int depth, uint16_t *out)
{
	const struct v8 *v = w->v;
	uint8_t narrow[1024];
	uint32_t length, first;
	uint64_t word;

	if (type >= v->is_string_below || depth > DEPTH_MOST || n > sizeof(narrow) ||
	    memory_read(w->m, at + (uint64_t)v->string_length, &length, sizeof(length)) ||
	    from > length || n > length - from)
		return false;
	type &= (uint16_t)v->representation | (uint16_t)v->one_byte;
	if (type == v->one_byte) {
		if (memory_read(w->m, at + (uint64_t)v->one_byte_data + from, narrow, n))
			return false;
		for (uint32_t i = 0; i < n; i++)
			out[i] = narrow[i];
		return true;
	}
	if (!type)
		return !memory_read(w->m, at + (uint64_t)v->two_byte_data + 2ULL * from, out,
				    2ULL * n);
	type &= (uint16_t)v->representation;
	depth++;
	if (type == v->thin)
		return object_in(w, at, v->thin_actual, &at, &type) &&
		       characters(w, at, type, from, n, depth, out);
	if (type == v->sliced)
		return !memory_u64(w->m, at + (uint64_t)v->sliced_offset, &word) &&
		       is_small(word) && object_in(w, at, v->sliced_parent, &at, &type) &&
		       characters(w, at, type, small_of(word) + from, n, depth, out);
	if (type != v->cons)
		return false; /* an external string: V8 does not hold its characters */
	if (!object_in(w, at, v->cons_first, &word, &type) ||
	    memory_read(w->m, word + (uint64_t)v->string_length, &first, sizeof(first)))
		return false;
	if (from < first) {
		uint32_t part = n < first - from ? n : first - from;

		if (!characters(w, word, type, from, part, depth, out))
			return false;
		out += part;
		from += part;
		n -= part;
	}
	return !n || (object_in(w, at, v->cons_second, &word, &type) &&
		      characters(w, word, type, from - first, n, depth, out));
}

/* Returns a string as UTF-8; NULL: not a string, or empty, too long or not readable. */
static const char *text_of(const struct walk *w, uint64_t at, uint16_t type)
{
	uint16_t wide[TEXT_MOST];
	char text[3 * TEXT_MOST];
	uint32_t length;
	size_t n = 0;

	if (type >= w->v->is_string_below ||
	    memory_read(w->m, at + (uint64_t)w->v->string_length, &length, sizeof(length)) ||
	    !length || length > TEXT_MOST || !characters(w, at, type, 0, length, 0, wide))
		return NULL;
	for (uint32_t i = 0; i < length; i++) {
		uint32_t c = wide[i];

		if (c >= 0xd800 && c < 0xdc00 && i + 1 < length && wide[i + 1] >= 0xdc00 &&
		    wide[i + 1] < 0xe000)
			c = 0x10000 + ((c - 0xd800) << 10) + (wide[++i] - 0xdc00);
		n += utf8_put(text + n, c);
	}
	return texts_add(w->t, text, n);
}

/* Reads a function's name, and where it begins in its script, from the description of its scope.
 * False: the beginning is not known. */
static bool scope_read(const struct walk *w, uint64_t scope, const char **name, uint32_t *begin)
{
	const struct v8 *v = w->v;
	uint64_t locals, slot[NAME_SLOTS], first, at, place = 1;
	uint16_t type;

	scope += 8; /* skip its map */
	if (memory_u64(w->m, scope + 8ULL * (uint64_t)v->scope_locals, &locals) ||
	    !is_small(locals) || small_of(locals) > LOCALS_MOST)
		return false;
	locals = small_of(locals);
	first = (uint64_t)v->scope_first + locals + (locals < LOCALS_INLINE ? locals : 1);
	if (memory_read(w->m, scope + 8 * first, slot, sizeof(slot)))
		return false;
	if (v->scope_first > SCOPE_COUNTS) /* V8 13: the place comes first */
		memory_u64(w->m, scope + 8 * SCOPE_COUNTS, &place);
	for (size_t i = 0; i < NAME_SLOTS; i++) {
		if (!is_small(slot[i]) && !*name && object_at(w, slot[i], &at, &type))
			*name = text_of(w, at, type);
		if (i && is_small(slot[i]) && is_small(slot[i - 1]) &&
		    small_of(slot[i - 1]) < small_of(slot[i]) && !is_small(place))
			place = slot[i - 1];
	}
	*begin = small_of(place);
	return is_small(place);
}

/* Sets line and column of a place in a script; V8 ends lines as ECMAScript does. */
static void place_read(const struct walk *w, uint64_t script, uint32_t position, struct frame *f)
{
	uint16_t block[1024], type, last = 0;
	uint32_t line = 1, begin = 0;
	uint64_t source, offset;

	if (position > POSITION_MOST || !object_in(w, script, w->v->script_source, &source, &type))
		return;
	for (uint32_t at = 0; at < position; at += 1024) {
		uint32_t n = position - at < 1024 ? position - at : 1024;

		if (!characters(w, source, type, at, n, 0, block))
			return;
		for (uint32_t i = 0; i < n; i++) {
			uint16_t c = block[i];

			if (c == '\n' && last == '\r')
				begin = at + i + 1;
			else if (c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029) {
				begin = at + i + 1;
				line++;
			}
			last = c;
		}
	}
	f->line = line;
	f->column = position - begin + 1;
	/* A script may begin further down in its file: its line offset follows its name. */
	if (!memory_u64(w->m, script + (uint64_t)w->v->script_name + 8, &offset) &&
	    is_small(offset) && small_of(offset) < POSITION_MOST)
		f->line += small_of(offset);
}

/* Reads the byte array that a field points to; the caller frees it.  NULL: none. */
static uint8_t *bytes_read(const struct walk *w, uint64_t object, int32_t field, size_t *size)
{
	uint64_t at, length;
	uint16_t type;
	uint8_t *bytes;

	if (!object_in(w, object, field, &at, &type) ||
	    (type != w->v->type_bytes && type != w->v->type_trusted_bytes) ||
	    memory_u64(w->m, at + (uint64_t)w->v->length, &length) || !is_small(length) ||
	    !small_of(length) || small_of(length) > TABLE_MOST)
		return NULL;
	*size = small_of(length);
	bytes = malloc(*size);
	if (bytes && memory_read(w->m, at + (uint64_t)w->v->array_data, bytes, *size)) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

static bool bytecode_place(const struct walk *w, uint64_t bytecode, uint32_t offset,
			   struct v8_position *position)
{
	size_t size;
	uint8_t *table = bytes_read(w, bytecode, w->v->bytecode_positions, &size);
	int err = table ? v8_position_find(table, size, offset, position) : -ENOENT;

	free(table);
	return !err;
}

/* Reads a word of the copied stack.  False: it is not in the copy. */
static bool stack_word(const struct walk *w, uint64_t address, uint64_t *word)
{
	uint64_t skip = address - w->raw->registers.sp;

	if (address % 8 || address < w->raw->registers.sp || w->raw->length < sizeof(*word) ||
	    skip > w->raw->length - sizeof(*word))
		return false;
	memcpy(word, w->raw->bytes + skip, sizeof(*word));
	return true;
}

/* Do the instructions of this Code object hold the frame's pc?  Sets *at to its offset in them. */
static bool code_holds(const struct walk *w, uint64_t code, uint64_t pc, uint32_t *at)
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
static bool code_find(const struct walk *w, const struct call *c, uint64_t *code, uint32_t *at)
{
	const struct v8 *v = w->v;

	if (!v->is_code_known)
		return false;
	return (object_of_type(w, c->function, v->function_code, v->type_code, code) &&
		code_holds(w, *code, c->pc, at)) ||
	       (object_of_type(w, c->shared, v->shared_data, v->type_code, code) &&
		code_holds(w, *code, c->pc, at));
}

static bool code_is_baseline(const struct walk *w, uint64_t code)
{
	uint32_t flags;

	return !memory_read(w->m, code + (uint64_t)w->v->code_flags, &flags, sizeof(flags)) &&
	       (int32_t)(flags & (uint32_t)w->v->kind_mask) == w->v->kind_baseline;
}

/* Finds the position in baseline code, which is the bytecode compiled one after the other. */
static bool baseline_place(const struct walk *w, uint64_t code, uint32_t at, uint64_t bytecode,
			   struct v8_position *position)
{
	const struct v8 *v = w->v;
	uint64_t word;
	uint8_t *bytes, *table;
	uint32_t length, offset;
	size_t size = 0;
	bool found;

	if (!v->sizes || memory_u64(w->m, bytecode + (uint64_t)v->length, &word) ||
	    !is_small(word) || small_of(word) > CODE_MOST)
		return false;
	length = small_of(word);
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
static bool optimised_place(const struct walk *w, uint64_t code, uint32_t at,
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
static bool position_read(const struct walk *w, const struct call *c, struct v8_position *position,
			  uint64_t *code)
{
	const struct v8 *v = w->v;
	uint64_t word, bytecode, offset;
	uint16_t type;
	uint32_t at;

	*code = 0;
	if (stack_word(w, c->fp + (uint64_t)v->fp_bytecode, &word) &&
	    stack_word(w, c->fp + (uint64_t)v->fp_bytecode_offset, &offset) &&
	    object_at(w, word, &bytecode, &type) && type == v->type_bytecode) {
		position->inlined = 0;
		if (is_small(offset))
			return small_of(offset) >= (uint32_t)v->bytecode_data - 1 &&
			       bytecode_place(w, bytecode,
					      small_of(offset) - (uint32_t)v->bytecode_data + 1,
					      position);
		return code_find(w, c, &word, &at) && code_is_baseline(w, word) &&
		       baseline_place(w, word, at, bytecode, position);
	}
	if (!code_find(w, c, code, &at) || code_is_baseline(w, *code))
		return false;
	return optimised_place(w, *code, at, position);
}

static const char *file_of(const struct walk *w, uint64_t script)
{
	static const char scheme[] = "file://";
	const char *file;
	uint64_t name;
	uint16_t type;

	if (!object_in(w, script, w->v->script_name, &name, &type))
		return NULL;
	file = text_of(w, name, type);
	if (file && !strncmp(file, scheme, sizeof(scheme) - 1))
		file += sizeof(scheme) - 1;
	return file;
}

/* Is this the frame of a JavaScript function? */
static bool is_function(const struct walk *w, struct call *c)
{
	const struct v8 *v = w->v;
	uint64_t context, function, arguments;
	uint16_t type;

	return stack_word(w, c->fp + (uint64_t)v->fp_context, &context) &&
	       stack_word(w, c->fp + (uint64_t)v->fp_function, &function) &&
	       stack_word(w, c->fp + (uint64_t)v->fp_function - 8, &arguments) && arguments &&
	       arguments < ARGUMENTS_MOST && object_at(w, context, &context, &type) &&
	       type >= v->type_context && type <= v->type_context_last &&
	       object_at(w, function, &c->function, &type) && type >= v->type_function &&
	       type <= v->type_function_last &&
	       object_of_type(w, c->function, v->function_shared, v->type_shared, &c->shared);
}

/* Adds the frame of a function at its position; position NULL: where the function begins.
 * Functions of V8 itself have no script, and are left out. */
static void frame_add(struct walk *w, uint64_t shared, const struct v8_position *position,
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
	    !object_of_type(w, shared, v->shared_script, v->type_script, &script))
		return;
	f->file = file_of(w, script);
	if (!f->file || !object_in(w, shared, v->shared_name, &scope, &type))
		return;
	if (type == v->type_scope)
		known = scope_read(w, scope, &f->function, &begin);
	else
		f->function = text_of(w, scope, type);
	if (position) {
		place_read(w, script, position->offset, f);
	} else if (known) {
		place_read(w, script, begin, f);
		f->flags |= EV_FRAME_DEFINED;
	}
	w->count++;
}

/* Finds the array at this index of the code's table of inlined calls (deoptimization data). */
static bool inlined_array(const struct walk *w, uint64_t code, int32_t index, uint64_t *at)
{
	const struct v8 *v = w->v;
	uint64_t table, length;
	uint16_t type;

	return object_in(w, code, v->code_deoptimization, &table, &type) &&
	       !memory_u64(w->m, table + (uint64_t)v->length, &length) && is_small(length) &&
	       index < (int32_t)small_of(length) && small_of(length) < TABLE_MOST &&
	       object_in(w, table, v->array_data + 8 * index, at, &type);
}

/* Adds the frame of an inlined call, and sets *position to the place of that call.  False: not
 * known. */
static bool inlined_add(struct walk *w, uint64_t code, struct v8_position *position)
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
	    memory_u64(w->m, positions + (uint64_t)v->length, &length) || !is_small(length) ||
	    small_of(length) < 16U * position->inlined ||
	    memory_read(w->m,
			positions + (uint64_t)v->array_data + 16ULL * (position->inlined - 1U),
			&entry, sizeof(entry)) ||
	    entry.function < 0 || memory_u64(w->m, functions + (uint64_t)v->length, &length) ||
	    !is_small(length) || (uint32_t)entry.function >= small_of(length) ||
	    !object_in(w, functions, v->array_data + 8 * entry.function, &shared, &type) ||
	    type != v->type_shared || v8_position_of(entry.position, &outer) ||
	    outer.inlined >= position->inlined)
		return false;
	frame_add(w, shared, position, EV_FRAME_INLINED);
	*position = outer;
	return true;
}

static void call_add(struct walk *w, const struct call *c)
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
	struct walk w = {.v = v, .m = m, .raw = raw, .t = t, .frames = frames};
	struct call c = {.fp = fp};
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
