/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * v8.c - see v8.h.
 *
 * Pointers to objects have their lowest bit set, small integers (SMI) are in the upper half of a
 * word.  Each object begins with its map, which has its type.  Only 64-bit builds without pointer
 * compression, as Node is built.
 */
#include "v8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "v8_position.h"

enum {
	TEXT_MOST = 1000,     /* characters of a name */
	SCOPE_COUNTS = 3,     /* words of a ScopeInfo with its flags and numbers */
	NAME_SLOTS = 8,	      /* of a ScopeInfo, where a name is looked for */
	LOCALS_INLINE = 75,   /* kScopeInfoMaxInlinedLocalNamesSize */
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

/* Numbers of the build.  Offsets are from the object's address, which has no tag. */
struct v8 {
	int32_t fp_context, fp_function, fp_bytecode, fp_bytecode_offset;
	int32_t map_type, function_shared, function_code;
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
};

/* Where each number is.  The first name there is counts; a missing number is fatal unless it has
 * something instead. */
static const struct number {
	size_t at;
	int32_t instead;
	const char *names[3];
} numbers[] = {
#define NUMBER(field, instead, ...) {offsetof(struct v8, field), instead, {__VA_ARGS__}}
#define NEEDED INT32_MIN
	NUMBER(fp_context, NEEDED, "v8dbg_off_fp_context"),
	NUMBER(fp_function, NEEDED, "v8dbg_off_fp_function"),
	NUMBER(fp_bytecode, NEEDED, "v8dbg_off_fp_bytecode_array"),
	NUMBER(fp_bytecode_offset, NEEDED, "v8dbg_off_fp_bytecode_offset"),
	NUMBER(map_type, NEEDED, "v8dbg_class_Map__instance_type__uint16_t"),
	NUMBER(function_shared, NEEDED, "v8dbg_class_JSFunction__shared__SharedFunctionInfo"),
	NUMBER(shared_name, NEEDED,
	       "v8dbg_class_SharedFunctionInfo__name_or_scope_info__Object",
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
	NUMBER(bytecode_positions, 0, "v8dbg_class_BytecodeArray__wrapper__Tagged_BytecodeWrapper_"),
	NUMBER(type_trusted_bytes, -1, "v8dbg_type_TrustedByteArray__TRUSTED_BYTE_ARRAY_TYPE"),
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

/* What no build tells. */
static void numbers_derive(struct v8 *v)
{
	if (!v->type_function_last) /* its kinds follow it */
		v->type_function_last = v->type_function + 14;
	/* Its wrapper is before them; before V8 had wrappers, they were behind two other tables. */
	v->bytecode_positions = v->bytecode_positions ? v->bytecode_positions + 8 : v->length + 24;
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
	if (!err)
		numbers_derive(v);
	if (err)
		v8_close(v);
	else
		*out = v;
	return err;
}

void v8_close(struct v8 *v)
{
	free(v);
}

/* One stack being read. */
struct walk {
	const struct v8 *v;
	const struct memory *m;
	const struct raw_stack *raw;
	struct texts *t;
};

/* The address of a tagged object and its type.  False: it is none. */
static bool object_at(const struct walk *w, uint64_t tagged, uint64_t *at, uint16_t *type)
{
	uint64_t map;

	*at = tagged - 1;
	return (tagged & 3) == 1 && !memory_u64(w->m, *at, &map) && (map & 3) == 1 &&
	       !memory_read(w->m, map - 1 + (uint64_t)w->v->map_type, type, sizeof(*type));
}

/* The object that a field points to. */
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

/* n characters of a string, from one on.  False: they cannot be had. */
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
		return false; /* its characters are not V8's */
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

static size_t utf8_put(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 63));
		to[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 63));
	to[2] = (char)(0x80 | (c >> 6 & 63));
	to[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* A string as text; NULL: it is none, or empty, or too long. */
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

/* A function's name, and where it begins in its script, from the description of its scope.  False:
 * the latter is not known. */
static bool scope_read(const struct walk *w, uint64_t scope, const char **name, uint32_t *begin)
{
	const struct v8 *v = w->v;
	uint64_t locals, slot[NAME_SLOTS], first, at, place = 1;
	uint16_t type;

	scope += 8; /* its map */
	if (memory_u64(w->m, scope + 8ULL * (uint64_t)v->scope_locals, &locals) ||
	    !is_small(locals) || small_of(locals) > LOCALS_MOST)
		return false;
	locals = small_of(locals);
	first = (uint64_t)v->scope_first + locals + (locals < LOCALS_INLINE ? locals : 1);
	if (memory_read(w->m, scope + 8 * first, slot, sizeof(slot)))
		return false;
	if (v->scope_first > SCOPE_COUNTS) /* V8 13: it begins with the place */
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

/* Line and column of a place in a script; V8 ends lines as ECMAScript does. */
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
	/* A script within a file has its own beginning. */
	if (!memory_u64(w->m, script + (uint64_t)w->v->script_name + 8, &offset) &&
	    is_small(offset) && small_of(offset) < POSITION_MOST)
		f->line += small_of(offset);
}

/* Bytes of an array of bytes that a field points to, the caller's to free.  NULL: none. */
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

/* A word of the copied stack. */
static bool stack_word(const struct walk *w, uint64_t address, uint64_t *word)
{
	uint64_t skip = address - w->raw->registers.sp;

	if (address % 8 || address < w->raw->registers.sp || w->raw->length < sizeof(*word) ||
	    skip > w->raw->length - sizeof(*word))
		return false;
	memcpy(word, w->raw->bytes + skip, sizeof(*word));
	return true;
}

/* Where in the script the frame is.  False: not known. */
static bool position_read(const struct walk *w, uint64_t fp, struct v8_position *position)
{
	const struct v8 *v = w->v;
	uint64_t word, bytecode, offset;
	uint16_t type;

	if (!stack_word(w, fp + (uint64_t)v->fp_bytecode, &word) ||
	    !stack_word(w, fp + (uint64_t)v->fp_bytecode_offset, &offset) ||
	    !object_at(w, word, &bytecode, &type) || type != v->type_bytecode)
		return false;
	if (!is_small(offset) || small_of(offset) < (uint32_t)v->bytecode_data - 1)
		return false;
	return bytecode_place(w, bytecode, small_of(offset) - (uint32_t)v->bytecode_data + 1,
			      position);
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

/* Is this the frame of a JavaScript function?  shared: what its closures share. */
static bool is_function(const struct walk *w, uint64_t fp, uint64_t *shared)
{
	const struct v8 *v = w->v;
	uint64_t context, function, arguments;
	uint16_t type;

	return stack_word(w, fp + (uint64_t)v->fp_context, &context) &&
	       stack_word(w, fp + (uint64_t)v->fp_function, &function) &&
	       stack_word(w, fp + (uint64_t)v->fp_function - 8, &arguments) &&
	       arguments && arguments < ARGUMENTS_MOST && object_at(w, context, &context, &type) &&
	       type >= v->type_context && type <= v->type_context_last &&
	       object_at(w, function, &function, &type) && type >= v->type_function &&
	       type <= v->type_function_last &&
	       object_of_type(w, function, v->function_shared, v->type_shared, shared);
}

/* Functions of V8 itself have no script, and are left out. */
static bool function_read(const struct walk *w, uint64_t fp, uint64_t shared, struct frame *f)
{
	const struct v8 *v = w->v;
	struct v8_position position;
	uint64_t script, scope;
	uint32_t begin;
	uint16_t type;
	bool known = false;

	*f = (struct frame){.language = EV_LANG_JAVASCRIPT};
	if (!object_of_type(w, shared, v->shared_script, v->type_script, &script))
		return false;
	f->file = file_of(w, script);
	if (!f->file || !object_in(w, shared, v->shared_name, &scope, &type))
		return false;
	if (type == v->type_scope)
		known = scope_read(w, scope, &f->function, &begin);
	else
		f->function = text_of(w, scope, type);
	if (position_read(w, fp, &position)) {
		place_read(w, script, position.offset, f);
	} else if (known) {
		place_read(w, script, begin, f);
		f->flags = EV_FRAME_DEFINED;
	}
	return true;
}

int v8_read(const struct v8 *v, const struct memory *m, const struct raw_stack *raw, uint64_t fp,
	    struct texts *t, struct frame *frames, uint32_t *flags)
{
	struct walk w = {v, m, raw, t};
	bool inside = false; /* V8's part of the stack */
	uint64_t shared, marker, next;
	int n = 0;

	*flags = raw->flags;
	t->used = 0;
	for (int i = 0; i < STEPS_MOST && n < STACK_FRAMES; i++, fp = next) {
		if (!stack_word(&w, fp, &next) ||
		    !stack_word(&w, fp + (uint64_t)v->fp_context, &marker))
			break;
		if (marker && !(marker & 1) && marker < 2 * MARKERS_MOST)
			inside = true;
		else if (inside && is_function(&w, fp, &shared))
			n += function_read(&w, fp, shared, &frames[n]);
		if (next <= fp || next - fp > FRAME_MOST)
			break;
	}
	return n;
}
