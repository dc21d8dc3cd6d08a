/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_object.c - see python_object.h.
 *
 * A request for memory passes two other processes, so all objects of a stack are read together, in
 * three steps: the code objects, the heads of what they name, and the content of that.
 */
#include "user/capture/stack/python_object.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/stack/raw_stack.h"
#include "user/capture/host/memory.h"

#define HEAD_BYTES   64					      /* of a string */
#define TABLE_BYTES  (PYTHON_LINES_AT + 3 * sizeof(uint64_t)) /* of a bytes object: its head */
#define TYPE_NAME_AT 24

/* Every object begins with its reference count and its type. */
#define TYPE_AT	  8
#define LENGTH_AT 16 /* of a string or bytes */
#define STATE_AT  32 /* of a string */
#define BYTES_AT  32 /* of a bytes object */

/* The names in a code object. */
enum part {
	FUNCTION = 0,
	FILE_NAME = 1,
	LINES = 2,
	PARTS_MOST = 3,
};

/* The types of those that are checked. */
enum type_kind {
	TYPE_CODE = 0,
	TYPE_TEXT = 1,
	TYPE_BYTES = 2,
	TYPES_MOST = 3,
};

static const char *const type_names[TYPES_MOST] = {"code", "str", "bytes"};

#define TYPE_NAME_BYTES 8 /* hold each of these names and its NUL */

/* A text or a table that is to be read. */
struct content {
	uint64_t address;
	uint32_t length; /* of a text in characters, of a table in bytes */
	uint32_t kind;	 /* bytes of a character; 0: there is none to be read */
	uint8_t *bytes;	 /* in python_objects.content */
};

struct python_object {
	bool wanted; /* nothing is wrong with it so far */
	uint8_t code[PYTHON_CODE_BYTES];
	uint8_t head[PARTS_MOST][HEAD_BYTES];
	struct content content[PARTS_MOST];
};

#define ONE_MOST     (PYTHON_LINES_MOST + 2 * 4 * PYTHON_TEXT_MOST) /* content of one object */
#define CONTENT_MOST (4 * ONE_MOST)				    /* read together */
#define WANTS_MOST   (PARTS_MOST * STACK_FRAMES)

struct python_objects {
	struct python_process process;
	uint64_t type[TYPES_MOST]; /* the type objects of that process whose names were checked */
	struct python_object object[STACK_FRAMES];
	struct memory_want want[WANTS_MOST];
	struct python_span spans[PYTHON_SPANS_MOST];
	char text[2][PYTHON_TEXT_MOST + 1];
	uint8_t content[CONTENT_MOST];
};

int python_objects_open(struct python_objects **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

static uint64_t word_of(const uint8_t *bytes, size_t at)
{
	uint64_t word;

	memcpy(&word, bytes + at, sizeof(word));
	return word;
}

static uint32_t half_of(const uint8_t *bytes, size_t at)
{
	uint32_t half;

	memcpy(&half, bytes + at, sizeof(half));
	return half;
}

/* --- types ----------------------------------------------------------------------------------- */

/* Remembers those of the types, one of each kind, that have the names of their kinds.  A process
 * has one type of each name. */
static void types_learn(struct python_objects *o, const uint64_t type[TYPES_MOST])
{
	uint64_t at[TYPES_MOST];
	char name[TYPES_MOST][TYPE_NAME_BYTES];
	struct memory_want want[TYPES_MOST] = {};

	for (size_t i = 0; i < TYPES_MOST; i++)
		want[i] = (struct memory_want){type[i] + TYPE_NAME_AT, &at[i], sizeof(at[i]),
					       false};
	if (memory_gather(o->process.pid, want, TYPES_MOST))
		return;
	for (size_t i = 0; i < TYPES_MOST; i++) {
		uint32_t size = (uint32_t)strlen(type_names[i]) + 1;

		/* cppcheck-suppress legacyUninitvar ; names are read there, not taken from it */
		want[i] = (struct memory_want){want[i].got ? at[i] : 0, name[i], size, false};
	}
	if (memory_gather(o->process.pid, want, TYPES_MOST))
		return;
	for (size_t i = 0; i < TYPES_MOST; i++)
		if (want[i].got && !memcmp(name[i], type_names[i], want[i].size))
			o->type[i] = type[i];
}

static bool has_type(struct python_objects *o, uint64_t type, enum type_kind kind)
{
	uint64_t one[TYPES_MOST] = {};

	if (!type || type == o->type[kind])
		return type != 0;
	one[kind] = type;
	types_learn(o, one);
	return type == o->type[kind];
}

/* Learns the types of the first object of each kind together. */
static void types_look_ahead(struct python_objects *o, size_t n)
{
	uint64_t type[TYPES_MOST];

	for (size_t i = 0; i < n; i++) {
		const struct python_object *c = &o->object[i];

		if (!c->wanted)
			continue;
		type[TYPE_CODE] = word_of(c->code, TYPE_AT);
		type[TYPE_TEXT] = word_of(c->head[FUNCTION], TYPE_AT);
		type[TYPE_BYTES] = word_of(c->head[LINES], TYPE_AT);
		if (memcmp(type, o->type, sizeof(type)))
			types_learn(o, type);
		return;
	}
}

/* --- the steps ------------------------------------------------------------------------------- */

/* Reads the code objects themselves. */
static int read_codes(struct python_objects *o, const struct python_wanted *wanted, size_t n)
{
	int err;

	for (size_t i = 0; i < n; i++)
		o->want[i] = (struct memory_want){wanted[i].code, o->object[i].code,
						  PYTHON_CODE_BYTES, false};
	err = memory_gather(o->process.pid, o->want, n);
	for (size_t i = 0; i < n; i++)
		o->object[i].wanted = !err && o->want[i].got;
	return err;
}

/* Reads the heads of the objects that the code objects name. */
static int read_parts(struct python_objects *o, const struct python_code_layout *layout, size_t n)
{
	const uint16_t at[PARTS_MOST] = {
		[FUNCTION] = layout->qualified ? layout->qualified : layout->name,
		[FILE_NAME] = layout->file,
		[LINES] = layout->lines,
	};
	size_t count = 0;
	int err;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; o->object[i].wanted && k < PARTS_MOST; k++)
			o->want[count++] = (struct memory_want){
				.address = word_of(o->object[i].code, at[k]),
				.to = o->object[i].head[k],
				.size = k == LINES ? TABLE_BYTES : HEAD_BYTES,
			};
	err = memory_gather(o->process.pid, o->want, count);
	count = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; o->object[i].wanted && k < PARTS_MOST; k++)
			if (!o->want[count++].got)
				memset(o->object[i].head[k], 0, HEAD_BYTES);
	return err;
}

/* Is this code object the one that the frame ran? */
static bool is_wanted(struct python_objects *o, const struct python_code_layout *layout,
		      const struct python_object *c, uint32_t check)
{
	const uint8_t *lines = c->head[LINES] + PYTHON_LINES_AT;
	struct python_identity identity = {.size = word_of(lines, 0),
					   .hash = word_of(lines, sizeof(uint64_t)),
					   .begin = word_of(lines, 2 * sizeof(uint64_t))};

	memcpy(identity.name,
	       c->code + layout->lines + sizeof(identity.name[0]) - sizeof(identity.name),
	       sizeof(identity.name));
	return python_check(&identity) == check &&
	       has_type(o, word_of(c->code, TYPE_AT), TYPE_CODE);
}

/* Finds the characters of a string.  False: not a string whose characters are known. */
static bool find_text(struct python_objects *o, const struct python_code_layout *layout,
		      const uint8_t *head, uint64_t address, struct content *out)
{
	uint32_t state = half_of(head, STATE_AT), kind = state >> 2 & 7;
	uint64_t length = word_of(head, LENGTH_AT);

	if (!has_type(o, word_of(head, TYPE_AT), TYPE_TEXT) || !(state & 1 << 5) ||
	    (kind != 1 && kind != 2 && kind != 4))
		return false;
	out->address = address + (state & 1 << 6 ? layout->ascii : layout->other);
	out->length = (uint32_t)(length < PYTHON_TEXT_MOST ? length : PYTHON_TEXT_MOST);
	out->kind = kind;
	return true;
}

/* Finds the bytes of a table of lines.  Code behind those that are read has no lines. */
static void find_lines(struct python_objects *o, const uint8_t *head, uint64_t address,
		       struct content *out)
{
	uint64_t size = word_of(head, LENGTH_AT);

	*out = (struct content){.address = address + BYTES_AT};
	if (!has_type(o, word_of(head, TYPE_AT), TYPE_BYTES))
		return;
	out->length = (uint32_t)(size < PYTHON_LINES_MOST ? size : PYTHON_LINES_MOST);
	out->kind = 1;
}

/* Finds out where the content of the objects is, and drops what is not what it should be. */
static void find_contents(struct python_objects *o, const struct python_code_layout *layout,
			  const struct python_wanted *wanted, size_t n)
{
	uint16_t name = layout->qualified ? layout->qualified : layout->name;

	types_look_ahead(o, n);
	for (size_t i = 0; i < n; i++) {
		struct python_object *c = &o->object[i];

		c->wanted = c->wanted && is_wanted(o, layout, c, wanted[i].check) &&
			    find_text(o, layout, c->head[FUNCTION], word_of(c->code, name),
				      &c->content[FUNCTION]) &&
			    find_text(o, layout, c->head[FILE_NAME], word_of(c->code, layout->file),
				      &c->content[FILE_NAME]);
		if (c->wanted)
			find_lines(o, c->head[LINES], word_of(c->code, layout->lines),
				   &c->content[LINES]);
	}
}

/* Reads the content of some objects, as much as there is room for.  Returns the number of the first
 * object that is still to be read, or -errno. */
static int read_contents(struct python_objects *o, size_t first, size_t n)
{
	size_t used = 0, count = 0, i;
	int err;

	for (i = first; i < n && (size_t)CONTENT_MOST - used >= (size_t)ONE_MOST; i++)
		for (size_t k = 0; o->object[i].wanted && k < PARTS_MOST; k++) {
			struct content *c = &o->object[i].content[k];
			uint32_t size = c->length * c->kind;

			c->bytes = o->content + used;
			o->want[count++] = (struct memory_want){c->address, c->bytes, size, false};
			used += size;
		}
	err = memory_gather(o->process.pid, o->want, count);
	count = 0;
	for (size_t j = first; j < i; j++) {
		struct python_object *c = &o->object[j];

		if (!c->wanted)
			continue;
		if (!o->want[count + LINES].got)
			c->content[LINES].length = 0;
		c->wanted = o->want[count + FUNCTION].got && o->want[count + FILE_NAME].got;
		count += PARTS_MOST;
	}
	return err ? err : (int)i;
}

static const char *python_text_of(const struct content *c, char text[PYTHON_TEXT_MOST + 1])
{
	python_text(c->bytes, c->length, c->kind, text, PYTHON_TEXT_MOST + 1);
	return text;
}

static void tell_object(struct python_objects *o, const struct python_code_layout *layout, size_t i,
			python_told_fn *fn, void *context)
{
	const struct python_object *c = &o->object[i];
	const struct content *lines = &c->content[LINES];
	uint32_t first = half_of(c->code, layout->first_line);
	const struct python_told told = {
		.function = python_text_of(&c->content[FUNCTION], o->text[0]),
		.file = python_text_of(&c->content[FILE_NAME], o->text[1]),
		.spans = o->spans,
		.span_count = python_spans(layout->kind, lines->bytes, lines->length, first,
					   o->spans, PYTHON_SPANS_MOST),
		.first_line = first,
	};

	fn(context, i, &told);
}

int python_objects_read(struct python_objects *o, const struct python_code_layout *layout,
			const struct python_process *process, const struct python_wanted *wanted,
			size_t n, python_told_fn *fn, void *context)
{
	size_t told = 0;
	int next, err;

	if (n > STACK_FRAMES)
		return -EINVAL;
	if (o->process.pid != process->pid || o->process.start_ns != process->start_ns) {
		o->process = *process;
		memset(o->type, 0, sizeof(o->type));
	}
	err = read_codes(o, wanted, n);
	if (!err)
		err = read_parts(o, layout, n);
	if (err)
		return err;
	find_contents(o, layout, wanted, n);
	while (told < n) {
		next = read_contents(o, told, n);
		if (next < 0)
			return next;
		for (; told < (size_t)next; told++)
			if (o->object[told].wanted)
				tell_object(o, layout, told, fn, context);
	}
	return 0;
}
