/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * source.c - asks libdw in an order that works for every compiler.  Units are found by a table made
 * here, since not every compiler writes .debug_aranges.  Then one walk goes down to the function,
 * and on to the calls inlined in it.
 */
#include "user/capture/stack/native/source.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/stack/native/demangle.h"

#define INLINED_MAX 32
#define DEPTH_MAX   48
#define RANGES_MAX  (4U << 20)

struct unit_range {
	uint64_t start, end;
	Dwarf_Off die;
};

struct source {
	Dwarf *dwarf;
	struct unit_range *ranges; /* by start */
	size_t count, room;
};

/* The result of a walk: the function, then the calls inlined in it, each inside the one before. */
struct chain {
	uint64_t address;
	const char *folder; /* to put before relative files; NULL: none */
	Dwarf_Die die[INLINED_MAX];
	size_t count;
};

Dwarf *source_dwarf(struct source *s)
{
	return s->dwarf;
}

static bool range_add(struct source *s, struct unit_range range)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 256;
		struct unit_range *grown = room > RANGES_MAX
						   ? NULL
						   : realloc(s->ranges, room * sizeof(*grown));

		if (!grown)
			return false;
		s->ranges = grown;
		s->room = room;
	}
	s->ranges[s->count++] = range;
	return true;
}

static bool unit_add(struct source *s, Dwarf_Die *die)
{
	struct unit_range range = {.die = dwarf_dieoffset(die)};
	ptrdiff_t at = 0;
	Dwarf_Addr base;

	while ((at = dwarf_ranges(die, at, &base, &range.start, &range.end)) > 0)
		if (range.start < range.end && range.start && !range_add(s, range))
			return false;
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct unit_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void units_read(struct source *s)
{
	Dwarf_CU *unit = NULL;
	uint8_t type;
	Dwarf_Die die;

	while (!dwarf_get_units(s->dwarf, unit, &unit, NULL, &type, &die, NULL))
		if (type != DW_UT_type && !unit_add(s, &die))
			break;
	if (s->count)
		qsort(s->ranges, s->count, sizeof(*s->ranges), by_start);
}

struct source *source_open(Elf *elf, Dwarf *alternate)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	if (!s->dwarf) {
		free(s);
		return NULL;
	}
	if (alternate)
		dwarf_setalt(s->dwarf, alternate);
	units_read(s);
	return s;
}

void source_close(struct source *s)
{
	if (!s)
		return;
	dwarf_end(s->dwarf);
	free(s->ranges);
	free(s);
}

/* Finds the unit of an address.  Ranges of units do not overlap, except for code that linkers threw
 * away. */
static bool unit_find(const struct source *s, uint64_t address, Dwarf_Die *unit)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->ranges[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t back = 0; back < 8 && low; back++, low--)
		if (address < s->ranges[low - 1].end)
			return dwarf_offdie(s->dwarf, s->ranges[low - 1].die, unit);
	return dwarf_addrdie(s->dwarf, address, unit);
}

static bool is_holder(int tag)
{
	switch (tag) {
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
		return true;
	default:
		return false;
	}
}

static bool is_code(int tag)
{
	switch (tag) {
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine:
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
		return true;
	default:
		return false;
	}
}

/* Walks down to the address.  A function can stand inside another (lambdas, nested functions).  The
 * inner one has its own code, so the entries found before it are dropped. */
static bool chain_walk(struct chain *c, Dwarf_Die *parent, int depth)
{
	Dwarf_Die die;

	if (depth == DEPTH_MAX || dwarf_child(parent, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);
		bool in = is_code(tag) && dwarf_haspc(&die, c->address) > 0;

		if (in && tag == DW_TAG_subprogram)
			c->count = 0;
		if (in && (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine) &&
		    c->count < INLINED_MAX)
			c->die[c->count++] = die;
		if ((in || is_holder(tag)) && chain_walk(c, &die, depth + 1))
			return true;
		if (in)
			return true;
	} while (!dwarf_siblingof(&die, &die));
	return false;
}

static const char *attribute_text(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;

	return dwarf_formstring(dwarf_attr_integrate(die, name, &attribute));
}

static uint32_t attribute_number(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word word;

	if (dwarf_formudata(dwarf_attr(die, name, &attribute), &word) || word > UINT32_MAX)
		return 0;
	return (uint32_t)word;
}

/* Prefers the linkage name, which includes the classes and namespaces around the function. */
static const char *function_name(Dwarf_Die *die, char *buf, size_t size)
{
	const char *linked = attribute_text(die, DW_AT_linkage_name);

	if (!linked)
		linked = attribute_text(die, DW_AT_MIPS_linkage_name);
	if (linked && demangle(linked, buf, size))
		return buf;
	return attribute_text(die, DW_AT_name);
}

static enum ev_language language_of(Dwarf_Die *unit)
{
	return dwarf_srclang(unit) == DW_LANG_Go ? EV_LANG_GO : EV_LANG_NATIVE;
}

/* Returns the folder in which a unit of Rust was compiled.  Cargo compiles each package in a folder
 * of its own, and only that folder tells whose src/lib.rs a file is.  NULL: not known. */
static const char *folder_of(Dwarf_Die *unit)
{
	return dwarf_srclang(unit) == DW_LANG_Rust ? attribute_text(unit, DW_AT_comp_dir) : NULL;
}

static void line_find(Dwarf_Die *unit, uint64_t address, struct frame *frame)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, address);
	int number;

	if (!line)
		return;
	frame->file = dwarf_linesrc(line, NULL, NULL);
	if (!dwarf_lineno(line, &number) && number > 0)
		frame->line = (uint32_t)number;
	if (!dwarf_linecol(line, &number) && number > 0)
		frame->column = (uint32_t)number;
}

/* Sets frame to the place where the inlined function was called, which is the place of the next
 * frame out. */
static void call_find(Dwarf_Die *unit, Dwarf_Die *inlined, struct frame *frame)
{
	uint32_t file = attribute_number(inlined, DW_AT_call_file);
	Dwarf_Files *files;
	size_t count;

	frame->line = attribute_number(inlined, DW_AT_call_line);
	frame->column = attribute_number(inlined, DW_AT_call_column);
	frame->file = NULL;
	if (!dwarf_getsrcfiles(unit, &files, &count) && file < count)
		frame->file = dwarf_filesrc(files, file, NULL, NULL);
}

/* Tells the frame with its file below the folder of its unit. */
static void frame_tell(const struct chain *c, const struct frame *found, source_fn fn,
		       void *context)
{
	struct frame frame = *found;
	char file[EV_FRAME_TEXT_LEN];

	if (frame.file && *frame.file != '/' && c->folder &&
	    snprintf(file, sizeof(file), "%s/%s", c->folder, frame.file) < (int)sizeof(file))
		frame.file = file;
	fn(context, &frame);
}

static void chain_tell(struct chain *c, Dwarf_Die *unit, struct frame *frame, source_fn fn,
		       void *context)
{
	for (size_t i = c->count; i--;) {
		char buf[EV_FRAME_TEXT_LEN];

		frame->function = function_name(&c->die[i], buf, sizeof(buf));
		frame->flags = i ? EV_FRAME_INLINED : 0;
		frame_tell(c, frame, fn, context);
		if (i)
			call_find(unit, &c->die[i], frame);
	}
}

size_t source_find(struct source *s, uint64_t address, source_fn fn, void *context)
{
	struct chain c = {.address = address};
	struct frame frame = {.line = 0};
	Dwarf_Die unit;

	if (!unit_find(s, address, &unit))
		return 0;
	c.folder = folder_of(&unit);
	frame.language = language_of(&unit);
	line_find(&unit, address, &frame);
	chain_walk(&c, &unit, 0);
	if (!c.count && !frame.line)
		return 0;
	if (!c.count)
		frame_tell(&c, &frame, fn, context);
	chain_tell(&c, &unit, &frame, fn, context);
	return c.count ? c.count : 1;
}
