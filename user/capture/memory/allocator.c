/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * allocator.c - see allocator.h.
 */
#include "user/capture/memory/allocator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/probe/file_exit.h"
#include "user/capture/probe/file_point.h"

/* malloc and free come first: without them there is no allocator.  C++'s operators matter in an
 * allocator's file only; those of C++'s own library call malloc. */
static const struct allocator_row {
	const char *symbol;
	uint8_t kind; /* enum heap_kind */
} rows[] = {
	{"malloc", HEAP_MALLOC},
	{"free", HEAP_FREE},
	{"calloc", HEAP_CALLOC},
	{"realloc", HEAP_REALLOC},
	{"reallocf", HEAP_REALLOC},
	{"reallocarray", HEAP_REALLOCARRAY},
	{"memalign", HEAP_ALIGNED},
	{"aligned_alloc", HEAP_ALIGNED},
	{"posix_memalign", HEAP_POSIX},
	{"valloc", HEAP_VALLOC},
	{"pvalloc", HEAP_VALLOC},
	{"cfree", HEAP_FREE},
	{"free_sized", HEAP_FREE},
	{"free_aligned_sized", HEAP_FREE},
	{"mallocx", HEAP_VALLOC},
	{"rallocx", HEAP_REALLOC},
	{"dallocx", HEAP_FREE},
	{"sdallocx", HEAP_FREE},
	{"mmap", HEAP_MMAP},
	{"mmap64", HEAP_MMAP},
	{"munmap", HEAP_MUNMAP},
	{"mremap", HEAP_MREMAP},
	{"mprotect", HEAP_MPROTECT},
	{"_Znwm", HEAP_MALLOC},
	{"_Znam", HEAP_VALLOC},
	{"_ZnwmRKSt9nothrow_t", HEAP_VALLOC},
	{"_ZnamRKSt9nothrow_t", HEAP_VALLOC},
	{"_ZnwmSt11align_val_t", HEAP_VALLOC},
	{"_ZnamSt11align_val_t", HEAP_VALLOC},
	{"_ZnwmSt11align_val_tRKSt9nothrow_t", HEAP_VALLOC},
	{"_ZnamSt11align_val_tRKSt9nothrow_t", HEAP_VALLOC},
	{"_ZdlPv", HEAP_FREE},
	{"_ZdaPv", HEAP_FREE},
	{"_ZdlPvm", HEAP_FREE},
	{"_ZdaPvm", HEAP_FREE},
	{"_ZdlPvRKSt9nothrow_t", HEAP_FREE},
	{"_ZdaPvRKSt9nothrow_t", HEAP_FREE},
	{"_ZdlPvSt11align_val_t", HEAP_FREE},
	{"_ZdaPvSt11align_val_t", HEAP_FREE},
	{"_ZdlPvmSt11align_val_t", HEAP_FREE},
	{"_ZdaPvmSt11align_val_t", HEAP_FREE},
	{"_ZdlPvSt11align_val_tRKSt9nothrow_t", HEAP_FREE},
	{"_ZdaPvSt11align_val_tRKSt9nothrow_t", HEAP_FREE},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Functions inside glibc and musl that call the functions above, in copies linked into programs. */
static const char *const insiders[] = {
	"_int_malloc",
	"_int_free",
	"_int_realloc",
	"_int_memalign",
	"_mid_memalign",
	"sysmalloc",
	"systrim",
	"sysmalloc_mmap",
	"munmap_chunk",
	"new_heap",
	"alloc_new_heap",
	"sysmalloc_mmap_fallback",
	"heap_trim",
	"mremap_chunk",
	"tcache_init",
	"arena_get2",
	"__libc_malloc",
	"__libc_free",
	"__libc_realloc",
	"__libc_malloc_impl",
	"__malloc_alloc_meta",
	"alloc_slot",
	"alloc_group",
	"nontrivial_free",
	"default_malloc",
	"__simple_malloc",
	"__expand_heap",
	"__libc_calloc",
	/* stacks of threads */
	"allocate_stack",
	"pthread_create",
	"__pthread_create",
	"__pthread_create_2_1",
};

static const struct {
	const char *name;
	unsigned int arguments; /* bits of enum probe_argument */
} kinds[HEAP_KINDS] = {
	[HEAP_MALLOC] = {"malloc", PROBE_RDI},
	[HEAP_CALLOC] = {"calloc", PROBE_RDI | PROBE_RSI},
	[HEAP_REALLOC] = {"realloc", PROBE_RDI | PROBE_RSI},
	[HEAP_REALLOCARRAY] = {"reallocarray", PROBE_RDI | PROBE_RSI | PROBE_RDX},
	[HEAP_ALIGNED] = {"aligned_alloc", PROBE_RSI},
	[HEAP_POSIX] = {"posix_memalign", PROBE_RDI | PROBE_RDX},
	[HEAP_FREE] = {"free", PROBE_RDI},
	[HEAP_MMAP] = {"mmap", PROBE_RSI | PROBE_RDX | PROBE_RCX},
	[HEAP_MUNMAP] = {"munmap", PROBE_RDI | PROBE_RSI},
	[HEAP_MREMAP] = {"mremap", PROBE_RDI | PROBE_RSI | PROBE_RDX},
	[HEAP_MPROTECT] = {"mmap", PROBE_RDI | PROBE_RSI | PROBE_RDX},
	[HEAP_VALLOC] = {"malloc", PROBE_RDI},
};

const char *allocator_kind(uint32_t kind)
{
	return kind < HEAP_KINDS && kinds[kind].name ? kinds[kind].name : "";
}

static bool allocator_gives_back(uint8_t kind)
{
	return kind == HEAP_FREE || kind == HEAP_MUNMAP;
}

/* Whether the file is a C library.  A C library calls its own allocator as other code does, and so
 * does a program. (Some files are both.) */
static bool is_library(struct elf_file *elf)
{
	const char *const sign = "fopen";
	struct elf_symbol found;

	return elf_find(elf, &sign, 1, false, &found) == 1 && found.offset;
}

static void add_range(struct allocator *a, uint64_t start, const struct elf_symbol *symbol)
{
	struct heap_file *f = &a->code;

	if (!symbol->size || f->ranges == HEAP_RANGES)
		return;
	f->range[f->ranges].start = symbol->offset - start;
	f->range[f->ranges].end = symbol->offset - start + symbol->size;
	f->ranges++;
}

struct insider_search {
	struct allocator *allocator;
	uint64_t start;
};

/* Compilers add endings such as ".part.0". */
static void on_function(void *context, const char *name, const struct elf_symbol *symbol)
{
	struct insider_search *s = context;
	size_t length = strcspn(name, ".");

	for (size_t i = 0; i < sizeof(insiders) / sizeof(insiders[0]); i++)
		if (!strncmp(name, insiders[i], length) && !insiders[i][length] &&
		    symbol->offset >= s->start)
			add_range(s->allocator, s->start, symbol);
}

static struct probe_point allocator_choose(struct elf_file *elf, const struct elf_symbol *symbol,
					   uint8_t kind, bool at_entry)
{
	const struct file_wish wish = {
		.function = *symbol,
		.arguments = kinds[kind].arguments | PROBE_UNMOVED,
		.with_return = !allocator_gives_back(kind),
	};
	struct file_point found;

	if (file_point_find(elf, &wish, &found) || (at_entry && found.at.delta))
		return (struct probe_point){};
	return found.at;
}

static bool allocator_is_known(const struct elf_symbol *found, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (found[k].offset == found[i].offset)
			return true;
	return false;
}

/* Whether a function may throw: C++'s operators new do (bad_alloc, or what a handler throws), apart
 * from those named nothrow. */
static bool may_throw(const char *symbol)
{
	return (!strncmp(symbol, "_Znw", 4) || !strncmp(symbol, "_Zna", 4)) &&
	       !strstr(symbol, "nothrow_t");
}

static bool is_exit(const struct allocator *a, uint64_t address)
{
	for (size_t i = 0; i < a->exit_count; i++)
		if (a->exit[i].address == address)
			return true;
	return false;
}

/* Adds the ends of a function.  False: they cannot all be found, or there is no room. */
static bool add_exits(struct elf_file *elf, const struct elf_symbol *symbol, uint64_t begun,
		      struct allocator *out)
{
	const struct file_function function = {
		.offset = symbol->offset, .size = symbol->size, .pointer = true, .begun = begun};
	struct probe_exits exits;

	if (file_exits_find(elf, &function, &exits) ||
	    out->exit_count + exits.count > ALLOCATOR_EXITS)
		return false;
	for (size_t i = 0; i < exits.count; i++)
		if (!is_exit(out, exits.all[i].address))
			out->exit[out->exit_count++] = exits.all[i];
	return true;
}

static int add_probes(struct elf_file *elf, const struct elf_symbol *found, bool at_entry,
		      struct allocator *out)
{
	uint64_t start, length, own, own_length;

	if (elf_segment(elf, found[0].offset, &start, &length) || length > UINT32_MAX)
		return -EBADMSG;
	out->code.length = length;
	for (size_t i = 0; i < ROWS && out->count < ALLOCATOR_PROBES; i++) {
		bool throws = may_throw(rows[i].symbol);
		struct probe_point at;

		if (!found[i].offset || allocator_is_known(found, i) ||
		    elf_segment(elf, found[i].offset, &own, &own_length) || own != start)
			continue;
		at = allocator_choose(elf, &found[i], rows[i].kind, at_entry);
		if (throws && !add_exits(elf, &found[i], found[i].offset + at.delta, out)) {
			out->refused = true;
			continue;
		}
		add_range(out, start, &found[i]);
		out->probe[out->count++] = (struct allocator_probe){
			.offset = found[i].offset + at.delta,
			.before = found[i].offset + at.delta - start,
			.kind = rows[i].kind,
			.returns = !allocator_gives_back(rows[i].kind) && !throws,
			.throws = throws,
			.cheap = at.cheap,
		};
	}
	return 0;
}

/* Adds the allocator's own code beside the functions that are probed. */
static int add_insiders(struct elf_file *elf, struct allocator *a)
{
	struct insider_search search = {a, a->probe[0].offset - a->probe[0].before};

	if (a->whole) {
		a->code.ranges = 1;
		a->code.range[0].start = 0;
		a->code.range[0].end = a->code.length;
		return 0;
	}
	a->code.library = is_library(elf);
	return a->code.library ? 0 : elf_each(elf, on_function, &search);
}

int allocator_find(struct elf_file *elf, bool deep, bool at_entry, struct allocator *out)
{
	struct elf_symbol found[ROWS] = {};
	const char *names[ROWS];
	int err;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < ROWS; i++)
		names[i] = rows[i].symbol;
	err = elf_find(elf, names, 2, deep, found);
	if (err != 2 || !found[0].offset || !found[1].offset)
		return err < 0 ? err : -ENOENT;
	err = elf_find(elf, names, ROWS, deep, found);
	if (err < 0)
		return err;
	out->whole = !elf_is_program(elf) && !is_library(elf);
	err = add_probes(elf, found, at_entry, out);
	return err ? err : add_insiders(elf, out);
}
