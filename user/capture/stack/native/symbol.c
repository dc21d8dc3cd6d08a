/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * symbol.c - uses CFI and DWARF if there is any, else the best table of symbols.
 */
#include "user/capture/stack/native/symbol.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/stack/native/demangle.h"
#include "user/capture/stack/native/go_table.h"

#define SEGMENTS_MAX  16
#define SYMBOLS_MAX   (2U << 20)
#define UNPACKED_MAX  (64U << 20)
#define COVERING_MAX  16   /* symbols that begin before an address and may reach it */
#define UNSIZED_REACH 4096 /* of symbols without a size, from assembler */

struct segment {
	uint64_t offset, size, address;
};

struct symbol {
	uint64_t address;
	const char *name; /* in its file's map */
	uint32_t size;
	bool global;
};

struct symbols {
	struct elf_map map;			 /* the file itself */
	struct elf_map debug, alternate, packed; /* files found beside it and in it */
	struct segment segment[SEGMENTS_MAX];
	size_t segments;
	char build_id[2 * 32 + 1];
	char *path;

	bool debug_sought, sources_sought, table_read;
	Dwarf_CFI *frames;
	bool frames_sought;
	Dwarf *shared;
	struct source *source;
	struct symbol *table; /* by address */
	size_t count, room;
	struct go_table go;
	bool go_sought;
	bool exported; /* the table has only exported names */
};

static void segments_read(struct symbols *s)
{
	size_t count;

	if (elf_getphdrnum(s->map.elf, &count))
		return;
	for (size_t i = 0; i < count && s->segments < SEGMENTS_MAX; i++) {
		GElf_Phdr head;

		if (gelf_getphdr(s->map.elf, (int)i, &head) && head.p_type == PT_LOAD &&
		    head.p_flags & PF_X)
			s->segment[s->segments++] = (struct segment){head.p_offset, head.p_filesz,
								     head.p_vaddr};
	}
}

static void build_id_read(struct symbols *s)
{
	const void *bytes;
	ssize_t size = dwelf_elf_gnu_build_id(s->map.elf, &bytes);

	if (size > 32)
		size = 32;
	for (ssize_t i = 0; i < size; i++)
		snprintf(s->build_id + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
}

int symbols_open(struct symbols **out, struct elf_map *map, const char *path)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (s)
		s->path = strdup(path);
	if (!s || !s->path) {
		free(s);
		elf_map_close(map);
		return -ENOMEM;
	}
	s->map = *map;
	memset(map, 0, sizeof(*map));
	segments_read(s);
	build_id_read(s);
	*out = s;
	return 0;
}

void symbols_rest(struct symbols *s)
{
	if (s->frames)
		dwarf_cfi_end(s->frames);
	source_close(s->source);
	if (s->shared)
		dwarf_end(s->shared);
	free(s->table);
	elf_map_close(&s->debug);
	elf_map_close(&s->alternate);
	elf_map_close(&s->packed);
	s->frames = NULL;
	s->source = NULL;
	s->shared = NULL;
	s->table = NULL;
	s->count = s->room = 0;
	s->debug_sought = s->sources_sought = s->table_read = s->frames_sought = false;
	s->go_sought = s->exported = false;
	s->go.count = 0;
}

void symbols_close(struct symbols *s)
{
	if (!s)
		return;
	symbols_rest(s);
	elf_map_close(&s->map);
	free(s->path);
	free(s);
}

bool symbols_are_awake(const struct symbols *s)
{
	return s->frames || s->source || s->table || s->debug.elf;
}

const char *symbols_build_id(const struct symbols *s)
{
	return s->build_id;
}

bool symbols_address(const struct symbols *s, uint64_t offset, uint64_t *address)
{
	for (size_t i = 0; i < s->segments; i++)
		if (offset - s->segment[i].offset < s->segment[i].size) {
			*address = offset - s->segment[i].offset + s->segment[i].address;
			return true;
		}
	return false;
}

static void debug_seek(struct symbols *s, const struct debug_files *files)
{
	if (s->debug_sought)
		return;
	s->debug_sought = true;
	debug_file_open(&s->debug, files, s->map.elf);
}

static bool has_sections(const struct elf_map *m)
{
	GElf_Shdr header;

	return m->elf && (elf_map_section(m->elf, ".debug_info", &header) ||
			  elf_map_section(m->elf, ".zdebug_info", &header));
}

/* Opens the file into which dwz moved debug information, if this file names one.  libdw would look
 * for it by itself, and open any path that the file names.  In this process it cannot open files,
 * so it finds none. */
static void alternate_seek(struct symbols *s, const struct debug_files *files, Elf *elf)
{
	Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	const char *name;
	const void *id;
	ssize_t size = dwarf ? dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id) : 0;

	if (size > 0 && !debug_file_open_alternate(&s->alternate, files, name, id, (size_t)size))
		s->shared = dwarf_begin_elf(s->alternate.elf, DWARF_C_READ, NULL);
	dwarf_end(dwarf);
}

static void sources_seek(struct symbols *s, const struct debug_files *files)
{
	const struct elf_map *holder;

	if (s->sources_sought)
		return;
	s->sources_sought = true;
	debug_seek(s, files);
	holder = has_sections(&s->debug) ? &s->debug : &s->map;
	if (!has_sections(holder))
		return;
	alternate_seek(s, files, holder->elf);
	s->source = source_open(holder->elf, s->shared);
}

static struct unwind_rule *rule_from(Dwarf_CFI *cfi, uint64_t address)
{
	struct unwind_rule *rule;
	Dwarf_Frame *frame;

	if (!cfi || dwarf_cfi_addrframe(cfi, address, &frame))
		return NULL;
	rule = unwind_compile(frame);
	free(frame);
	return rule;
}

/* .eh_frame is in the file itself, .debug_frame may have been split from it. */
struct unwind_rule *symbols_rule(struct symbols *s, const struct debug_files *files,
				 uint64_t address, bool sources)
{
	struct unwind_rule *rule;

	if (!s->frames_sought) {
		s->frames_sought = true;
		s->frames = dwarf_getcfi_elf(s->map.elf);
	}
	rule = rule_from(s->frames, address);
	if (rule || !sources)
		return rule;
	sources_seek(s, files);
	return s->source ? rule_from(dwarf_getcfi(source_dwarf(s->source)), address) : NULL;
}

static bool table_add(struct symbols *s, const struct symbol *symbol)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 1024;
		struct symbol *grown = room > SYMBOLS_MAX
					       ? NULL
					       : realloc(s->table, room * sizeof(*grown));

		if (!grown)
			return false;
		s->table = grown;
		s->room = room;
	}
	s->table[s->count++] = *symbol;
	return true;
}

static bool is_function(const GElf_Sym *symbol)
{
	int type = GELF_ST_TYPE(symbol->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF &&
	       symbol->st_value;
}

/* Adds the functions of one table; returns whether the file has it. */
static bool table_read(struct symbols *s, Elf *elf, const char *name)
{
	GElf_Shdr header;
	Elf_Scn *scn = elf ? elf_map_section(elf, name, &header) : NULL;
	Elf_Data *data = scn && header.sh_type != SHT_NOBITS ? elf_getdata(scn, NULL) : NULL;
	size_t count = data ? data->d_size / sizeof(Elf64_Sym) : 0, before = s->count;

	for (size_t i = 0; i < count && i < INT32_MAX; i++) {
		struct symbol symbol;
		GElf_Sym raw;

		if (!gelf_getsym(data, (int)i, &raw) || !is_function(&raw))
			continue;
		symbol.address = raw.st_value;
		symbol.size = raw.st_size < UINT32_MAX ? (uint32_t)raw.st_size : UINT32_MAX;
		symbol.global = GELF_ST_BIND(raw.st_info) != STB_LOCAL;
		symbol.name = elf_strptr(elf, header.sh_link, raw.st_name);
		if (symbol.name && *symbol.name && !table_add(s, &symbol))
			break;
	}
	return s->count > before;
}

/* Sorts the best symbol of an address last, because a search that goes backwards meets it first. */
static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (!x->size != !y->size)
		return x->size ? 1 : -1;
	return x->global - y->global;
}

static void *unpack(const Elf_Data *packed, size_t *size)
{
	size_t room = 4 * packed->d_size + 4096;

	for (; room <= UNPACKED_MAX; room *= 2) {
		uint64_t memory = UNPACKED_MAX;
		uint8_t *out = malloc(room);
		size_t in = 0;
		lzma_ret ret;

		*size = 0;
		ret = out ? lzma_stream_buffer_decode(&memory, 0, NULL, packed->d_buf, &in,
						      packed->d_size, out, size, room)
			  : LZMA_MEM_ERROR;
		if (ret == LZMA_OK)
			return out;
		free(out);
		if (ret != LZMA_BUF_ERROR || in == packed->d_size)
			break;
	}
	return NULL;
}

/* Distributions that remove .symtab keep the names of functions in .gnu_debugdata, an ELF file
 * packed by xz. */
static void packed_seek(struct symbols *s)
{
	GElf_Shdr header;
	Elf_Scn *scn = elf_map_section(s->map.elf, ".gnu_debugdata", &header);
	Elf_Data *data = scn ? elf_getdata(scn, NULL) : NULL;
	size_t size;
	void *bytes = data && data->d_buf && data->d_size ? unpack(data, &size) : NULL;

	if (bytes)
		elf_map_bytes(&s->packed, bytes, size);
}

static void table_seek(struct symbols *s, const struct debug_files *files)
{
	bool full;

	if (s->table_read)
		return;
	s->table_read = true;
	debug_seek(s, files);
	full = table_read(s, s->map.elf, ".symtab") || table_read(s, s->debug.elf, ".symtab");
	if (!full) {
		packed_seek(s);
		full = table_read(s, s->packed.elf, ".symtab");
		table_read(s, s->map.elf, ".dynsym");
	}
	s->exported = !full;
	if (s->count)
		qsort(s->table, s->count, sizeof(*s->table), by_address);
}

/* Returns how many symbols begin at or before the address. */
static size_t table_before(const struct symbols *s, uint64_t address)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->table[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Finds the function that holds the address.  A guess by exported names gets EV_FRAME_EXPORTED. */
static const struct symbol *table_find(const struct symbols *s, uint64_t address, uint32_t *flags)
{
	size_t before = table_before(s, address);
	const struct symbol *nearest = before ? &s->table[before - 1] : NULL;

	for (size_t i = 0; i < COVERING_MAX && i < before; i++) {
		const struct symbol *symbol = &s->table[before - 1 - i];

		if (address - symbol->address < symbol->size)
			return symbol;
	}
	if (nearest && !nearest->size && address - nearest->address < UNSIZED_REACH)
		return nearest;
	if (!s->exported)
		return NULL;
	*flags |= EV_FRAME_EXPORTED;
	return nearest;
}

struct telling {
	struct symbols *s;
	const struct debug_files *files;
	uint64_t address;
	source_fn fn;
	void *context;
};

/* Gives a frame without a function's name the name of its symbol. */
static void complete(struct frame *frame, char *buf, size_t size, struct telling *t)
{
	const struct symbol *symbol;

	if (frame->function)
		return;
	table_seek(t->s, t->files);
	symbol = table_find(t->s, t->address, &frame->flags);
	if (symbol)
		frame->function = demangle(symbol->name, buf, size) ? buf : symbol->name;
}

static void symbol_tell(void *context, const struct frame *found)
{
	struct telling *t = context;
	struct frame frame = *found;
	char buf[EV_FRAME_TEXT_LEN];

	frame.offset = t->address;
	frame.build_id = *t->s->build_id ? t->s->build_id : NULL;
	frame.module = t->s->path;
	if (!(frame.flags & EV_FRAME_INLINED))
		complete(&frame, buf, sizeof(buf), t);
	t->fn(t->context, &frame);
}

static void go_seek(struct symbols *s)
{
	GElf_Shdr header, code = {.sh_addr = 0};
	Elf_Data *data;
	Elf_Scn *scn;

	s->go_sought = true;
	scn = elf_map_section(s->map.elf, ".gopclntab", &header);
	if (!scn)
		scn = elf_map_section(s->map.elf, ".data.rel.ro.gopclntab", &header);
	data = scn ? elf_getdata(scn, NULL) : NULL;
	elf_map_section(s->map.elf, ".text", &code);
	if (!data || !data->d_buf ||
	    !go_table_open(&s->go, data->d_buf, data->d_size, code.sh_addr))
		s->go.count = 0;
}

static bool go_name(struct symbols *s, struct telling *t)
{
	struct frame frame = {.language = EV_LANG_GO};

	if (!s->go_sought)
		go_seek(s);
	if (!s->go.count || !go_table_find(&s->go, t->address, &frame))
		return false;
	symbol_tell(t, &frame);
	return true;
}

size_t symbols_name(struct symbols *s, const struct debug_files *files, uint64_t address,
		    bool sources, source_fn fn, void *context)
{
	struct telling t = {s, files, address, fn, context};
	struct frame bare = {.language = EV_LANG_NATIVE};
	size_t count = 0;

	if (sources)
		sources_seek(s, files);
	if (sources && s->source)
		count = source_find(s->source, address, symbol_tell, &t);
	if (!count && !go_name(s, &t))
		symbol_tell(&t, &bare);
	return count ? count : 1;
}
