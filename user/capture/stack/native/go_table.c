/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * go_table.c - the layout of debug/gosym in Go's own sources: a header, a sorted list of functions,
 * and for each function small byte programs that give file and line by address.
 */
#include "user/capture/stack/native/go_table.h"

#include <string.h>

#define STEPS_MAX (1U << 20) /* of a byte program: one for each line of a function */
#define TEXT_MAX  4096

/* Offsets of the fields of a function, after its address. */
enum { FUNCTION_NAME = 0, FUNCTION_FILES = 16, FUNCTION_LINES = 20, FUNCTION_UNIT = 28 };

static bool go_table_number(const struct go_table *t, uint64_t at, unsigned int width,
			    uint64_t *out)
{
	*out = 0;
	if (at > t->size || t->size - at < width)
		return false;
	memcpy(out, t->bytes + at, width);
	return true;
}

static const char *text(const struct go_table *t, uint64_t base, uint64_t offset)
{
	uint64_t at = base + offset;
	size_t most;

	if (at < base || at >= t->size)
		return NULL;
	most = t->size - at < TEXT_MAX ? t->size - at : TEXT_MAX;
	return memchr(t->bytes + at, 0, most) ? (const char *)t->bytes + at : NULL;
}

bool go_table_open(struct go_table *t, const void *bytes, size_t size, uint64_t start)
{
	uint64_t magic, field[8] = {0}, quantum, pointer;
	size_t fields, at = 0;

	*t = (struct go_table){.bytes = bytes, .size = size};
	if (!go_table_number(t, 0, 4, &magic) || !go_table_number(t, 6, 1, &quantum) ||
	    !go_table_number(t, 7, 1, &pointer))
		return false;
	if ((magic != GO_1_16 && magic != GO_1_18 && magic != GO_1_20) || pointer != 8 || !quantum)
		return false;
	fields = magic == GO_1_16 ? 7 : 8;
	for (size_t i = 0; i < fields; i++)
		if (!go_table_number(t, 8 + 8 * i, 8, &field[i]))
			return false;
	t->quantum = quantum;
	t->width = magic == GO_1_16 ? 8 : 4;
	t->count = field[at++];
	at++; /* files */
	if (magic != GO_1_16)
		t->text = field[at++];
	if (magic != GO_1_16 && !t->text)
		t->text = start;
	t->names = field[at++];
	t->units = field[at++];
	t->files = field[at++];
	t->values = field[at++];
	t->functions = field[at];
	return t->functions < size && t->count < (size - t->functions) / (2ULL * t->width);
}

/* Reads the address of function i and the offset of its other data.  The entry behind the last
 * function has the address where code ends. */
static bool function_at(const struct go_table *t, uint64_t i, uint64_t *address, uint64_t *more)
{
	uint64_t at = t->functions + 2ULL * t->width * i;

	if (!go_table_number(t, at, t->width, address))
		return false;
	*address += t->text;
	return !more || go_table_number(t, at + t->width, t->width, more);
}

static bool function_find(const struct go_table *t, uint64_t address, uint64_t *entry,
			  uint64_t *more)
{
	uint64_t low = 0, high = t->count, end;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2, start;

		if (!function_at(t, middle, &start, NULL))
			return false;
		if (start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || !function_at(t, low - 1, entry, more) || !function_at(t, low, &end, NULL))
		return false;
	*more += t->functions;
	return address < end && *more >= t->functions;
}

static bool varint(const struct go_table *t, uint64_t *at, uint32_t *out)
{
	*out = 0;
	for (unsigned int shift = 0; shift < 35; shift += 7) {
		uint64_t byte;

		if (!go_table_number(t, (*at)++, 1, &byte))
			return false;
		*out |= (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

/* Runs a program from the function's first address on.  Each step has a difference of the value,
 * and for how many bytes of code the value holds. */
static bool value_at(const struct go_table *t, uint64_t program, uint64_t entry, uint64_t address,
		     int32_t *out)
{
	uint64_t at = t->values + program, pc = entry;
	uint32_t value = UINT32_MAX, change, length;

	for (uint32_t i = 0; i < STEPS_MAX; i++) {
		if (!varint(t, &at, &change) || (!change && i) || !varint(t, &at, &length))
			return false;
		value += change & 1 ? ~(change >> 1) : change >> 1;
		pc += length * t->quantum;
		if (address < pc) {
			*out = (int32_t)value;
			return true;
		}
	}
	return false;
}

static const char *go_table_file_of(const struct go_table *t, uint64_t unit, int32_t file)
{
	uint64_t offset;

	if (file < 0 || !go_table_number(t, t->units + 4 * (unit + (uint64_t)file), 4, &offset))
		return NULL;
	return offset == UINT32_MAX ? NULL : text(t, t->files, offset);
}

bool go_table_find(const struct go_table *t, uint64_t address, struct frame *frame)
{
	uint64_t entry, more, name, files, lines, unit;
	int32_t value;

	if (!function_find(t, address, &entry, &more))
		return false;
	more += t->width; /* skip its address */
	if (!go_table_number(t, more + FUNCTION_NAME, 4, &name) ||
	    !go_table_number(t, more + FUNCTION_FILES, 4, &files) ||
	    !go_table_number(t, more + FUNCTION_LINES, 4, &lines) ||
	    !go_table_number(t, more + FUNCTION_UNIT, 4, &unit))
		return false;
	frame->language = EV_LANG_GO;
	frame->function = text(t, t->names, name);
	if (value_at(t, files, entry, address, &value))
		frame->file = go_table_file_of(t, unit, value);
	if (value_at(t, lines, entry, address, &value) && value > 0)
		frame->line = (uint32_t)value;
	return frame->function;
}
