/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_build.c - see python_build.h.
 *
 * The numbers are offsetof() on x86-64 in the headers of 3.7.16, 3.8.18, 3.9.18, 3.10.13, 3.11.7,
 * 3.12.1, 3.13.0 and 3.14.10.  From 3.13 on the interpreter publishes most of them in the file
 * (Include/internal/pycore_debug_offsets.h).  Published values take precedence over the table.
 */
#include "user/capture/stack/python_build.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "user/capture/stack/python_build_state.h"

#define COUNT(a)	  (sizeof(a) / sizeof((a)[0]))
#define OLDEST		  7
#define FRAME_OBJECT	  112 /* bytes looked at of a PyFrameObject, */
#define FRAME_INNER	  80  /* and of an _PyInterpreterFrame */
#define TASKS_FROM	  11
#define TOGETHER_FROM	  11 /* 3.11: frames lie one after the other */
#define OWNER_C_STACK	  3
#define OWNER_C_STACK_314 4
#define OWNER_INTERPRETER 3

#define INDEX	0xffffffffULL /* f_lasti, an int */
#define POINTER PYTHON_ADDRESS

static const struct version {
	struct python_row row;
	struct python_code_layout code;
} versions[] = {
	{/* 3.7 */
	 {.interpreters = 24,
	  .tss_key = 1508,
	  .interpreter_next = 0,
	  .interpreter_threads = 8,
	  .thread_next = 8,
	  .thread_id = 176,
	  .thread_frame = 24,
	  .frame_bytes = FRAME_OBJECT,
	  .frame_back = 24,
	  .frame_code = 32,
	  .frame_at = 104,
	  .at_mask = INDEX},
	 {.flags = 32,
	  .first_line = 36,
	  .file = 96,
	  .name = 104,
	  .lines = 112,
	  .ascii = 48,
	  .other = 72,
	  .scale = 1,
	  .kind = PYTHON_LNOTAB}},
	{/* 3.8 */
	 {.interpreters = 32,
	  .tss_key = 1396,
	  .interpreter_next = 0,
	  .interpreter_threads = 8,
	  .thread_next = 8,
	  .thread_id = 176,
	  .thread_frame = 24,
	  .frame_bytes = FRAME_OBJECT,
	  .frame_back = 24,
	  .frame_code = 32,
	  .frame_at = 104,
	  .at_mask = INDEX},
	 {.flags = 36,
	  .first_line = 40,
	  .file = 104,
	  .name = 112,
	  .lines = 120,
	  .ascii = 48,
	  .other = 72,
	  .scale = 1,
	  .kind = PYTHON_LNOTAB}},
	{/* 3.9 */
	 {.interpreters = 32,
	  .tss_key = 588,
	  .interpreter_next = 0,
	  .interpreter_threads = 8,
	  .thread_next = 8,
	  .thread_id = 176,
	  .thread_frame = 24,
	  .frame_bytes = FRAME_OBJECT,
	  .frame_back = 24,
	  .frame_code = 32,
	  .frame_at = 104,
	  .at_mask = INDEX},
	 {.flags = 36,
	  .first_line = 40,
	  .file = 104,
	  .name = 112,
	  .lines = 120,
	  .ascii = 48,
	  .other = 72,
	  .scale = 1,
	  .kind = PYTHON_LNOTAB}},
	{/* 3.10 */
	 {.interpreters = 32,
	  .tss_key = 588,
	  .interpreter_next = 0,
	  .interpreter_threads = 8,
	  .thread_next = 8,
	  .thread_id = 176,
	  .thread_frame = 24,
	  .frame_bytes = FRAME_OBJECT,
	  .frame_back = 24,
	  .frame_code = 32,
	  .frame_at = 96,
	  .at_mask = INDEX},
	 {.flags = 36,
	  .first_line = 40,
	  .file = 104,
	  .name = 112,
	  .lines = 120,
	  .ascii = 48,
	  .other = 72,
	  .scale = 2,
	  .kind = PYTHON_LINETABLE}},
	{/* 3.11 */
	 {.interpreters = 40,
	  .tss_key = 596,
	  .interpreter_next = 0,
	  .interpreter_threads = 16,
	  .thread_next = 8,
	  .thread_id = 152,
	  .thread_frame = 56,
	  .frame_pointer = 1 + 8,
	  .frame_bytes = FRAME_INNER,
	  .frame_back = 48,
	  .frame_code = 32,
	  .frame_at = 56,
	  .frame_owner = 69,
	  .owner_mask = 0xff,
	  .at_mask = POINTER},
	 {.flags = 48,
	  .first_line = 72,
	  .file = 112,
	  .name = 120,
	  .qualified = 128,
	  .lines = 136,
	  .bytecode = 184,
	  .ascii = 48,
	  .other = 72,
	  .kind = PYTHON_LOCATIONS}},
	{/* 3.12 */
	 {.interpreters = 40,
	  .tss_key = 1548,
	  .interpreter_next = 0,
	  .interpreter_threads = 72,
	  .thread_next = 8,
	  .thread_id = 136,
	  .thread_frame = 56,
	  .frame_pointer = 1 + 0,
	  .frame_bytes = FRAME_INNER,
	  .frame_back = 8,
	  .frame_code = 0,
	  .frame_at = 56,
	  .frame_owner = 70,
	  .owner_mask = 0xff,
	  .strangers = 1 << OWNER_C_STACK,
	  .at_mask = POINTER},
	 {.flags = 48,
	  .first_line = 68,
	  .file = 112,
	  .name = 120,
	  .qualified = 128,
	  .lines = 136,
	  .bytecode = 192,
	  .ascii = 40,
	  .other = 56,
	  .kind = PYTHON_LOCATIONS}},
	{/* 3.13 */
	 {.interpreters = 632,
	  .tss_key = 2164,
	  .interpreter_next = 7264,
	  .interpreter_threads = 7344,
	  .thread_next = 8,
	  .thread_id = 152,
	  .thread_frame = 72,
	  .frame_bytes = FRAME_INNER,
	  .frame_back = 8,
	  .frame_code = 0,
	  .frame_at = 56,
	  .frame_owner = 70,
	  .owner_mask = 0xff,
	  .strangers = 1 << OWNER_C_STACK,
	  .at_mask = POINTER},
	 {.flags = 48,
	  .first_line = 68,
	  .file = 112,
	  .name = 120,
	  .qualified = 128,
	  .lines = 136,
	  .bytecode = 200,
	  .ascii = 40,
	  .other = 56,
	  .kind = PYTHON_LOCATIONS}},
	{/* 3.14 */
	 {.interpreters = 808,
	  .tss_key = 2340,
	  .interpreter_next = 7272,
	  .interpreter_threads = 7344,
	  .thread_next = 8,
	  .thread_id = 152,
	  .thread_frame = 72,
	  .frame_bytes = FRAME_INNER,
	  .frame_back = 8,
	  .frame_code = 0,
	  .frame_at = 56,
	  .frame_owner = 74,
	  .owner_mask = 0xff,
	  .strangers = 1 << OWNER_INTERPRETER | 1 << OWNER_C_STACK_314,
	  .at_mask = POINTER},
	 {.flags = 48,
	  .first_line = 68,
	  .file = 112,
	  .name = 120,
	  .qualified = 128,
	  .lines = 136,
	  .bytecode = 208,
	  .ascii = 40,
	  .other = 56,
	  .kind = PYTHON_LOCATIONS}},
};

/* For 3.11 to 3.13.  From 3.14 on each thread has a list of its tasks, which is not read. */
static const struct python_task_layout task_layouts[] = {
	{.modules = 888,
	 .frame = 80,
	 .state = 75,
	 .stack_top = 64,
	 .locals = 72,
	 .coroutine = 136,
	 .attributes = PYTHON_VALUES_BEFORE,
	 .awaits = -1,
	 .yields = -1},
	{.modules = 944,
	 .frame = 72,
	 .state = 67,
	 .stack_top = 64,
	 .locals = 72,
	 .coroutine = 136,
	 .attributes = PYTHON_VALUES_MARKED,
	 .awaits = -1,
	 .yields = -1},
	{.modules = 7656,
	 .frame = 72,
	 .state = 67,
	 .stack_top = 64,
	 .locals = 72,
	 .coroutine = 120,
	 .attributes = PYTHON_VALUES_INLINE,
	 .awaits = -1,
	 .yields = -2},
};

/* The offsets in _PyRuntime of the values that 3.13 (first) and 3.14 (second) publish. */
#define ROW(field) offsetof(struct python_build, row.field), sizeof(((struct python_row *)0)->field)
#define CODE(field) \
	offsetof(struct python_build, code.field), sizeof(((struct python_code_layout *)0)->field)

const struct python_published python_published[PUBLISHED_FIELDS] = {
	{{40, 40}, ROW(interpreters)},
	{{64, 64}, ROW(interpreter_next)},
	{{72, 72}, ROW(interpreter_threads)},
	{{168, 192}, ROW(thread_next)},
	{{184, 208}, ROW(thread_frame)},
	{{192, 216}, ROW(thread_id)},
	{{232, 256}, ROW(frame_back)},
	{{240, 264}, ROW(frame_code)},
	{{248, 272}, ROW(frame_at)},
	{{264, 288}, ROW(frame_owner)},
	{{280, 320}, CODE(file)},
	{{288, 328}, CODE(name)},
	{{296, 336}, CODE(qualified)},
	{{304, 344}, CODE(lines)},
	{{312, 352}, CODE(first_line)},
	{{344, 384}, CODE(bytecode)},
	{{560, 640}, CODE(ascii)},
};

static uint64_t word_of(const uint8_t *bytes, size_t at)
{
	uint64_t word;

	memcpy(&word, bytes + at, sizeof(word));
	return word;
}

static bool is_in_code(const struct python_published *p)
{
	return p->to >= offsetof(struct python_build, code);
}

/* Is the value possible for its field?  Every field must lie within the bytes that are read. */
static bool is_sane(const struct python_published *p, uint64_t value)
{
	if (p->size == 1)
		return value < FRAME_INNER;
	if (p->to == offsetof(struct python_build, code.bytecode) || !is_in_code(p))
		return value <= UINT16_MAX;
	return value <= PYTHON_CODE_BYTES - 8;
}

/* Takes the values that the interpreter publishes.  False: a value is not one that can be used. */
static bool take_published(struct python_build *b, const uint8_t *bytes)
{
	size_t which = b->minor - PUBLISHED_FROM;

	for (size_t i = 0; i < COUNT(python_published); i++) {
		const struct python_published *p = &python_published[i];
		uint64_t value = word_of(bytes, p->at[which]);
		uint16_t narrow = (uint16_t)value;

		if (!is_sane(p, value))
			return false;
		memcpy((char *)b + p->to, &narrow, p->size); /* little endian */
	}
	return true;
}

static bool exports(struct elf_file *elf, const char *name)
{
	struct elf_symbol found;

	return elf_find(elf, &name, 1, false, &found) == 1;
}

static bool exports_variable(struct elf_file *elf, const char *name)
{
	struct elf_symbol found;

	return elf_find_variables(elf, &name, 1, false, &found) == 1;
}

/* Finds the minor version by the functions that each version exported first.  0: not known. */
static unsigned int minor_by_names(struct elf_file *elf)
{
	static const struct {
		const char *name;
		unsigned int minor;
	} firsts[] = {
		{"Py_NewRef", 10},
		{"PyFrame_GetCode", 9},
		{"Py_InitializeFromConfig", 8},
		{"PyInterpreterState_GetID", 7},
	};

	for (size_t i = 0; i < COUNT(firsts); i++)
		if (exports(elf, firsts[i].name))
			return firsts[i].minor;
	return 0;
}

static unsigned int minor_of(uint64_t hexversion)
{
	return hexversion >> 24 == 3 ? hexversion >> 16 & 0xff : 0;
}

/* Finds the minor version by Py_Version, which exists from 3.11 on, else by the published data,
 * else by exported names. */
static unsigned int minor_in(struct elf_file *elf, uint64_t version_at, const uint8_t *bytes)
{
	uint64_t version = 0;

	if (version_at && elf_read_address(elf, version_at, &version, sizeof(version)) == 8)
		return minor_of(version);
	if (bytes)
		return minor_of(word_of(bytes, PUBLISHED_VERSION));
	return minor_by_names(elf);
}

static const char *python_build_refuse(struct elf_file *elf, struct python_build *b,
				       const uint8_t *bytes)
{
	const struct version *v;

	if (b->minor < OLDEST || b->minor >= OLDEST + COUNT(versions))
		return "no source lines: unsupported version";
	if (exports(elf, "_Py_NegativeRefcount") || exports_variable(elf, "_Py_RefTotal"))
		return "no source lines: a debug build";
	if (bytes && word_of(bytes, PUBLISHED_FREE_THREADED))
		return "no source lines: a free-threaded build";
	v = &versions[b->minor - OLDEST];
	b->row = v->row;
	b->code = v->code;
	if (b->minor >= TASKS_FROM && b->minor < TASKS_FROM + COUNT(task_layouts))
		b->task = task_layouts[b->minor - TASKS_FROM];
	if (b->minor >= PUBLISHED_FROM && (!bytes || !take_published(b, bytes)))
		return "no source lines: the build hides where its frames are";
	b->row.window = b->minor >= TOGETHER_FROM ? PYTHON_WINDOW : b->row.frame_bytes;
	b->row.identity = (uint8_t)(b->code.lines - (PYTHON_IDENTITY_WORDS - 1) * sizeof(uint64_t));
	return NULL;
}

static void find_start(struct elf_file *elf, struct python_build *b)
{
	static const char *const name = "Py_InitializeFromConfig";
	struct elf_symbol found;

	if (elf_find(elf, &name, 1, false, &found) != 1)
		return;
	b->start = found.offset;
	b->row.runtime = (int64_t)(b->runtime - elf_code_address(elf, found.offset));
}

int python_identify(struct elf_file *elf, struct python_build *out)
{
	static const char *const names[] = {"_PyRuntime", "PyCode_Type", "Py_Version"};
	struct elf_symbol found[COUNT(names)];
	uint8_t bytes[PUBLISHED_BYTES];
	bool tells;

	memset(out, 0, sizeof(*out));
	if (elf_find_variables(elf, names, COUNT(names), false, found) < 0)
		return -ENOENT;
	out->runtime = found[0].offset ? found[0].offset : elf_section(elf, ".PyRuntime");
	if (!out->runtime)
		return -ENOENT;
	tells = elf_read_address(elf, out->runtime, bytes, sizeof(bytes)) == sizeof(bytes) &&
		memcmp(bytes, "xdebugpy", 8) == 0;
	out->minor = minor_in(elf, found[2].offset, tells ? bytes : NULL);
	out->refusal = python_build_refuse(elf, out, tells ? bytes : NULL);
	if (out->refusal)
		return 0;
	if (found[1].offset)
		out->row.code_type = (int64_t)(found[1].offset - out->runtime);
	find_start(elf, out);
	return 0;
}
