/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Functions of small ELF files made here, of this program, of installed libraries, and of damaged
 * files.
 */
#include "user/capture/elf/elf.h"
#include "user/capture/elf/elf_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <unistd.h>

#include "tests/unit/support/extent.h"
#include "tests/unit/support/seed.h"

#define DATA_BASE 0x400000UL   /* address of offset 0 as data */
#define CODE_BASE 0x10000000UL /* ... as code */
#define CODE_AT	  0x400UL
#define CODE_SIZE 0x400UL
#define DATA_SIZE 0x1000UL
#define ROOM	  (1U << 20)

enum hash_kind {
	GNU_HASH,
	SYSV_HASH,
	NO_HASH,
};

/* A file in the making. */
static struct {
	uint8_t bytes[ROOM];
	size_t size;
	uint64_t symbols, strings, string_bytes; /* of the last table put */
} made;

struct made_symbol {
	const char *name;
	uint64_t value, size;
	unsigned char type;
	uint16_t section;
};

/* The second one is a version of the first, without its size. */
static const struct made_symbol exported[] = {
	{"db_open", CODE_BASE + CODE_AT + 0x10, 0, STT_FUNC, 1},
	{"db_open", CODE_BASE + CODE_AT + 0x10, 32, STT_FUNC, 1},
	{"db_close", CODE_BASE + CODE_AT + 0x40, 16, STT_FUNC, 1},
	{"db_long", CODE_BASE + CODE_AT + CODE_SIZE - 8, 4096, STT_FUNC, 1},
	{"db_indirect", CODE_BASE + CODE_AT + 0x80, 16, STT_GNU_IFUNC, 1},
	{"db_table", CODE_BASE + CODE_AT + 0x90, 16, STT_OBJECT, 1},
	{"db_imported", CODE_BASE + CODE_AT + 0xa0, 16, STT_FUNC, SHN_UNDEF},
	{"db_in_data", DATA_BASE + 0x100, 16, STT_FUNC, 1},
	{"db_nowhere", 0xfffffffffffff000, 16, STT_FUNC, 1},
};

static const struct made_symbol local[] = {
	{"static_close.cold", CODE_BASE + CODE_AT + 0x200, 8, STT_FUNC, 1},
	{"static_close", CODE_BASE + CODE_AT + 0x300, 24, STT_FUNC, 1},
	{"static_open", CODE_BASE + CODE_AT + 0x340, 24, STT_FUNC, 1},
};

#define EXPORTED COUNT(exported)
#define LOCAL	 COUNT(local)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint32_t gnu_hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

static uint64_t put(const void *bytes, size_t size)
{
	uint64_t at = roundup(made.size, 16);

	assert_true(at + size <= ROOM);
	memcpy(made.bytes + at, bytes, size);
	made.size = at + size;
	return at;
}

/* Symbols and their names; first so many bytes of other names. */
static void put_symbols(const struct made_symbol *list, size_t n, size_t filler)
{
	Elf64_Sym symbols[16] = {0};
	char *strings = calloc(1, filler + 4096);
	size_t at = 1;

	assert_non_null(strings);
	while (at < filler)
		at += (size_t)sprintf(strings + at, "filler_%zu", at) + 1;
	for (size_t i = 0; i < n; i++) {
		/* Linkers let a name be the end of another one. */
		at += (size_t)sprintf(strings + at, "x_%s", list[i].name) + 1;
		symbols[i + 1] = (Elf64_Sym){
			.st_name = (Elf64_Word)(at - strlen(list[i].name) - 1),
			.st_info = ELF64_ST_INFO(STB_LOCAL, list[i].type),
			.st_shndx = list[i].section,
			.st_value = list[i].value,
			.st_size = list[i].size,
		};
	}
	made.symbols = put(symbols, (n + 1) * sizeof(*symbols));
	made.string_bytes = at;
	made.strings = put(strings, at);
	free(strings);
}

/* One bucket, one bloom word that lets all pass. */
static uint64_t put_gnu_hash(void)
{
	uint32_t table[4 + 2 + 1 + EXPORTED] = {1, 1, 1, 6, UINT32_MAX, UINT32_MAX, 1};

	for (size_t i = 0; i < EXPORTED; i++)
		table[7 + i] = gnu_hash_of(exported[i].name) & ~1U;
	table[6 + EXPORTED] |= 1;
	return put(table, sizeof(table));
}

static uint64_t put_sysv_hash(void)
{
	uint32_t table[2 + 1 + 1 + EXPORTED] = {1, 1 + EXPORTED, 1};

	for (size_t i = 1; i < EXPORTED; i++)
		table[3 + i] = (uint32_t)i + 1;
	return put(table, sizeof(table));
}

static void make_dynamic(enum hash_kind kind, Elf64_Phdr *p)
{
	uint64_t hash = 0, at;

	put_symbols(exported, EXPORTED, 0);
	if (kind == GNU_HASH)
		hash = put_gnu_hash();
	if (kind == SYSV_HASH)
		hash = put_sysv_hash();
	Elf64_Dyn dynamic[] = {
		{DT_SYMTAB, {DATA_BASE + made.symbols}},
		{DT_STRTAB, {DATA_BASE + made.strings}},
		{DT_STRSZ, {made.string_bytes}},
		{kind == GNU_HASH ? DT_GNU_HASH : DT_HASH, {DATA_BASE + hash}},
		{DT_NULL, {0}},
	};
	if (kind == NO_HASH)
		dynamic[3] = (Elf64_Dyn){DT_NULL, {0}};
	at = put(dynamic, sizeof(dynamic));
	*p = (Elf64_Phdr){.p_type = PT_DYNAMIC, .p_offset = at, .p_filesz = sizeof(dynamic)};
}

static void make_note(Elf64_Phdr *p)
{
	static const struct {
		Elf64_Nhdr other;
		char other_name[4], other_text[4];
		Elf64_Nhdr note;
		char name[4];
		uint8_t id[20];
	} notes = {
		{4, 1, 7}, "GNU", "?", {4, 20, NT_GNU_BUILD_ID}, "GNU", {0xab, 1, 2, [19] = 0xcd}};
	uint64_t at = put(&notes, sizeof(notes));

	*p = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = at, .p_filesz = sizeof(notes), .p_align = 4};
}

/* A library: data and code segments, what is exported, a build id, no sections. */
static void make(enum hash_kind kind)
{
	Elf64_Ehdr head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			   .e_type = ET_DYN,
			   .e_machine = EM_X86_64,
			   .e_phoff = sizeof(head),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 4};
	Elf64_Phdr p[4] = {
		{.p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = DATA_BASE, .p_filesz = DATA_SIZE},
		{.p_type = PT_LOAD,
		 .p_flags = PF_R | PF_X,
		 .p_offset = CODE_AT,
		 .p_vaddr = CODE_BASE + CODE_AT,
		 .p_filesz = CODE_SIZE},
	};

	memset(&made, 0, sizeof(made));
	made.size = CODE_AT + CODE_SIZE;
	make_dynamic(kind, &p[2]);
	make_note(&p[3]);
	assert_true(made.size <= DATA_SIZE);
	made.size = DATA_SIZE;
	memcpy(made.bytes, &head, sizeof(head));
	memcpy(made.bytes + sizeof(head), p, sizeof(p));
}

/* What strip leaves or takes: a symbol table, or a compressed file that has one. */
static void add_sections(const Elf64_Shdr *sections, size_t n, const char *names, size_t size)
{
	Elf64_Ehdr *head = (Elf64_Ehdr *)made.bytes;
	Elf64_Shdr all[8] = {0};
	uint64_t at = put(names, size);

	memcpy(all + 1, sections, n * sizeof(*all));
	all[n + 1] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = at, .sh_size = size};
	head->e_shoff = put(all, (n + 2) * sizeof(*all));
	head->e_shentsize = sizeof(*all);
	head->e_shnum = (Elf64_Half)(n + 2);
	head->e_shstrndx = (Elf64_Half)(n + 1);
}

static void add_symtab(size_t filler)
{
	static const char names[] = "\0.symtab\0.strtab";

	put_symbols(local, LOCAL, filler);
	const Elf64_Shdr sections[] = {
		{.sh_name = 1,
		 .sh_type = SHT_SYMTAB,
		 .sh_offset = made.symbols,
		 .sh_size = (1 + LOCAL) * sizeof(Elf64_Sym),
		 .sh_link = 2},
		{.sh_name = 9,
		 .sh_type = SHT_STRTAB,
		 .sh_offset = made.strings,
		 .sh_size = made.string_bytes},
	};
	add_sections(sections, COUNT(sections), names, sizeof(names));
}

static void add_debugdata(const uint8_t *bytes, size_t size)
{
	static const char names[] = "\0.gnu_debugdata";
	size_t room = lzma_stream_buffer_bound(size), packed = 0;
	uint8_t *out = malloc(room);

	assert_non_null(out);
	assert_int_equal(
		lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, bytes, size, out, &packed, room),
		LZMA_OK);
	const Elf64_Shdr section = {.sh_name = 1,
				    .sh_type = SHT_PROGBITS,
				    .sh_offset = put(out, packed),
				    .sh_size = packed};
	add_sections(&section, 1, names, sizeof(names));
	free(out);
}

/* A descriptor that holds the bytes. */
static int file_of(const uint8_t *bytes, size_t size)
{
	int fd = memfd_create("elf", 0);

	seed_keep("elf", bytes, size);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	return fd;
}

static int opens(const uint8_t *bytes, size_t size)
{
	int fd = file_of(bytes, size);
	struct elf_file *e;
	int err = elf_open(&e, fd);

	assert_true(err ? !e : !!e);
	elf_close(e);
	close(fd);
	return err;
}

static struct elf_file *open_made(void)
{
	struct elf_file *e;

	assert_int_equal(elf_open(&e, file_of(made.bytes, made.size)), 0);
	return e;
}

static void close_made(struct elf_file *e)
{
	close(e->image.fd);
	elf_close(e);
}

static struct elf_symbol find(const char *name, bool deep)
{
	struct elf_file *e = open_made();
	struct elf_symbol symbol = {1, 1};
	int found = elf_find(e, &name, 1, deep, &symbol);

	close_made(e);
	assert_int_equal(found, symbol.offset ? 1 : 0);
	return symbol;
}

static void exported_functions_are_found_with_each_kind_of_hash(void **state)
{
	(void)state;
	for (enum hash_kind kind = GNU_HASH; kind <= NO_HASH; kind++) {
		struct elf_symbol symbol;

		make(kind);
		symbol = find("db_open", false);
		assert_int_equal(symbol.offset, CODE_AT + 0x10);
		assert_int_equal(symbol.size, 32);
		symbol = find("db_close", false);
		assert_int_equal(symbol.offset, CODE_AT + 0x40);
		assert_int_equal(symbol.size, 16);
		/* No further than its segment. */
		assert_int_equal(find("db_long", false).size, 8);
		assert_int_equal(find("db_clos", false).offset, 0);
		assert_int_equal(find("x_db_close", false).offset, 0);
	}
}

static void what_is_no_function_of_this_file_is_not_found(void **state)
{
	static const char *const names[] = {"db_indirect", "db_table",	 "db_imported",
					    "db_in_data",  "db_nowhere", ""};

	(void)state;
	for (enum hash_kind kind = GNU_HASH; kind <= NO_HASH; kind++) {
		make(kind);
		for (size_t i = 0; i < COUNT(names); i++)
			assert_int_equal(find(names[i], true).offset, 0);
	}
}

static void variables_are_found_with_their_addresses(void **state)
{
	static const char *const names[] = {"db_table", "db_open", "db_imported", "db_none"};
	struct elf_symbol out[COUNT(names)];

	(void)state;
	for (enum hash_kind kind = GNU_HASH; kind <= NO_HASH; kind++) {
		struct elf_file *e;

		make(kind);
		e = open_made();
		assert_int_equal(elf_find_variables(e, names, COUNT(names), false, out), 1);
		assert_int_equal(out[0].offset, CODE_BASE + CODE_AT + 0x90);
		assert_int_equal(out[0].size, 16);
		assert_int_equal(out[1].offset, 0);
		close_made(e);
	}
}

static void addresses_are_those_of_the_segments(void **state)
{
	struct elf_file *e;
	uint64_t bias = 1;
	char bytes[8];

	(void)state;
	make(GNU_HASH);
	memcpy(made.bytes + CODE_AT + 4, "here", 4);
	e = open_made();
	assert_int_equal(elf_read_address(e, CODE_BASE + CODE_AT + 4, bytes, 4), 4);
	assert_memory_equal(bytes, "here", 4);
	assert_int_equal(elf_read_address(e, CODE_BASE + CODE_AT + CODE_SIZE - 3, bytes, 8), 3);
	assert_int_equal(elf_read_address(e, CODE_BASE + CODE_AT + CODE_SIZE, bytes, 8), -EFAULT);
	assert_int_equal(elf_bias(e, 0x7f0000000000 + DATA_BASE, 0, &bias), 0);
	assert_int_equal(bias, 0x7f0000000000);
	assert_int_equal(elf_bias(e, 0x7f0000000000, 16 * PAGE, &bias), -ENOENT);
	close_made(e);
}

static void many_names_are_counted(void **state)
{
	const char *const names[] = {"db_open", "nothing", "db_close", "static_open", "db_open"};
	struct elf_symbol out[COUNT(names)];
	struct elf_file *e;

	(void)state;
	make(GNU_HASH);
	add_symtab(0);
	e = open_made();
	assert_int_equal(elf_find(e, names, COUNT(names), false, out), 3);
	assert_int_equal(elf_find(e, names, COUNT(names), true, out), 4);
	assert_int_equal(out[0].offset, CODE_AT + 0x10);
	assert_int_equal(out[1].offset, 0);
	assert_int_equal(out[3].offset, CODE_AT + 0x340);
	assert_int_equal(out[4].offset, CODE_AT + 0x10);
	assert_int_equal(elf_find(e, NULL, 0, true, NULL), 0);
	close_made(e);
}

static void local_functions_are_found_deep_and_parts_of_them_are_not(void **state)
{
	(void)state;
	make(GNU_HASH);
	add_symtab(0);
	assert_int_equal(find("static_close", false).offset, 0);
	assert_int_equal(find("static_close", true).offset, CODE_AT + 0x300);
	assert_int_equal(find("static_close", true).size, 24);
	assert_int_equal(find("close", true).offset, 0);
}

/* The name then lies on either side of the end of a block, or across it. */
static void names_are_found_wherever_the_blocks_of_a_long_table_end(void **state)
{
	(void)state;
	for (size_t filler = BLOCK - 80; filler < BLOCK + 16; filler += 5) {
		make(GNU_HASH);
		add_symtab(filler);
		assert_int_equal(find("static_close", true).offset, CODE_AT + 0x300);
		assert_int_equal(find("static_open", true).offset, CODE_AT + 0x340);
	}
}

static void a_compressed_symbol_table_is_found_deep(void **state)
{
	uint8_t *inner;
	size_t size;

	(void)state;
	make(GNU_HASH);
	add_symtab(0);
	size = made.size;
	inner = malloc(size);
	assert_non_null(inner);
	memcpy(inner, made.bytes, size);
	make(GNU_HASH);
	add_debugdata(inner, size);
	assert_int_equal(find("static_open", false).offset, 0);
	assert_int_equal(find("static_open", true).offset, CODE_AT + 0x340);
	free(inner);
}

static void a_compressed_bomb_is_refused(void **state)
{
	size_t size = UNPACKED_MAX + 1;
	uint8_t *zeros = calloc(1, size);

	(void)state;
	assert_non_null(zeros);
	make(GNU_HASH);
	add_symtab(0);
	memcpy(zeros, made.bytes, made.size);
	make(GNU_HASH);
	add_debugdata(zeros, size);
	free(zeros);
	assert_int_equal(find("static_open", true).offset, 0);
	assert_int_equal(find("db_open", true).offset, CODE_AT + 0x10);
}

static void a_bucket_ends_where_it_says_or_is_left(void **state)
{
	struct elf_file *e;
	uint64_t table;

	(void)state;
	make(GNU_HASH);
	e = open_made();
	table = e->gnu_hash.at;
	close_made(e);
	/* An end in its middle: what follows is not of the bucket. */
	made.bytes[table + 28 + 4 * 2] |= 1;
	assert_int_equal(find("db_close", false).offset, CODE_AT + 0x40);
	assert_int_equal(find("db_long", false).offset, 0);
	/* From here to the end of the file: the right hash, and no end. */
	for (uint64_t at = table + 28; at + 4 <= made.size; at += 4) {
		uint32_t hash = gnu_hash_of("nothing") & ~1U;

		memcpy(made.bytes + at, &hash, sizeof(hash));
	}
	assert_int_equal(find("nothing", false).offset, 0);
}

static void the_build_id_is_told(void **state)
{
	struct elf_file *e;
	char hex[64], three[4] = "???";

	(void)state;
	make(GNU_HASH);
	e = open_made();
	elf_build_id(e, hex, sizeof(hex));
	assert_string_equal(hex, "ab010200000000000000000000000000000000cd");
	elf_build_id(e, three, 3);
	assert_string_equal(three, "ab");
	e->phdrs[3].p_filesz -= 8;
	elf_build_id(e, hex, sizeof(hex));
	assert_string_equal(hex, "");
	close_made(e);
}

static void other_files_are_refused(void **state)
{
	Elf64_Ehdr *head = (Elf64_Ehdr *)made.bytes;
	struct elf_file *e;
	int ends[2];

	(void)state;
	assert_int_equal(opens((const uint8_t *)"#!/bin/sh\n", 10), -EBADMSG);
	make(GNU_HASH);
	assert_int_equal(opens(made.bytes, made.size), 0);
	assert_int_equal(opens(made.bytes, sizeof(*head)), -EBADMSG);
	head->e_machine = EM_AARCH64;
	assert_int_equal(opens(made.bytes, made.size), -ENOTSUP);
	make(GNU_HASH);
	head->e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(opens(made.bytes, made.size), -ENOTSUP);
	make(GNU_HASH);
	head->e_type = ET_CORE;
	assert_int_equal(opens(made.bytes, made.size), -EBADMSG);
	make(GNU_HASH);
	head->e_phoff = UINT64_MAX - 8;
	assert_int_equal(opens(made.bytes, made.size), -EBADMSG);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(elf_open(&e, ends[0]), -EBADMSG);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(elf_open(&e, -1), -EBADF);
	elf_close(NULL);
}

static void bytes_are_read_within_the_file(void **state)
{
	struct elf_file *e;
	uint8_t buf[64];

	(void)state;
	make(GNU_HASH);
	made.bytes[CODE_AT] = 0x55;
	e = open_made();
	assert_int_equal(elf_read(e, CODE_AT, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(buf[0], 0x55);
	assert_int_equal(elf_read(e, made.size - 3, buf, sizeof(buf)), 3);
	assert_int_equal(elf_read(e, made.size, buf, sizeof(buf)), 0);
	assert_int_equal(elf_read(e, UINT64_MAX, buf, sizeof(buf)), 0);
	/* Cut short behind our back. */
	assert_int_equal(ftruncate(e->image.fd, CODE_AT + 8), 0);
	assert_int_equal(elf_read(e, CODE_AT, buf, sizeof(buf)), -EBADMSG);
	close_made(e);
}

/* A function of this program that is no symbol of .dynsym. */
static void this_program_is_read_right(void **state)
{
	const char *const name = "this_program_is_read_right";
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct elf_symbol symbol;
	struct elf_file *e;
	uint8_t buf[16];

	(void)state;
	assert_int_equal(elf_open(&e, fd), 0);
	assert_int_equal(elf_find(e, &name, 1, true, &symbol), 1);
	assert_true(symbol.size > sizeof(buf));
	assert_int_equal(elf_read(e, symbol.offset, buf, sizeof(buf)), sizeof(buf));
	assert_memory_equal(buf, (const void *)this_program_is_read_right, sizeof(buf));
	elf_close(e);
	close(fd);
}

static void count_itself(void *context, const char *name, const struct elf_symbol *symbol)
{
	unsigned int *found = context;

	assert_true(symbol->offset);
	if (!strcmp(name, "each_function_of_this_program_is_told"))
		found[0]++;
	found[1]++;
}

static void each_function_of_this_program_is_told(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	unsigned int found[2] = {0};
	struct elf_file *e;

	(void)state;
	assert_int_equal(elf_open(&e, fd), 0);
	assert_int_equal(elf_each(e, count_itself, found), 0);
	assert_int_equal(found[0], 1);
	assert_true(found[1] > 50);
	elf_close(e);
	close(fd);
}

static void installed_libraries_are_read_right(void **state)
{
	static const struct {
		const char *path, *names[3];
	} libraries[] = {
		{"libpq.so.5", {"PQexec", "PQclear", "PQfinish"}},
		{"libmariadb.so.3", {"mysql_real_connect", "mysql_close", "mysql_free_result"}},
		{"libsqlite3.so.0", {"sqlite3_open_v2", "sqlite3_step", "sqlite3_close"}},
		{"libssl.so.3", {"SSL_read", "SSL_write", "SSL_free"}},
		{"libc.so.6", {"malloc", "free", "realloc"}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(libraries); i++) {
		char path[128], hex[64];
		struct elf_symbol out[3];
		struct elf_file *e;
		int fd;

		snprintf(path, sizeof(path), "/usr/lib/x86_64-linux-gnu/%s", libraries[i].path);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		assert_int_equal(elf_open(&e, fd), 0);
		assert_int_equal(elf_find(e, libraries[i].names, 3, false, out), 3);
		for (int k = 0; k < 3; k++)
			assert_true(out[k].offset && out[k].size);
		elf_build_id(e, hex, sizeof(hex));
		assert_int_equal(strlen(hex), 40);
		elf_close(e);
		close(fd);
	}
}

static uint32_t random_next(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Most of what matters is in the tables, so that is where most damage is done. */
static void damage(uint32_t *seed)
{
	for (unsigned int i = random_next(seed) % 8 + 1; i; i--) {
		size_t at = random_next(seed) % made.size;

		if (random_next(seed) % 4)
			at = random_next(seed) % 2 ? at % 512 : CODE_AT + CODE_SIZE + at % 0x600;
		if (random_next(seed) % 4 == 0)
			at = made.size - 1 - at % 512;
		made.bytes[at] = random_next(seed) % 3 ? (uint8_t)random_next(seed) : 0xff;
	}
}

static void is_within(void *context, const char *name, const struct elf_symbol *symbol)
{
	unsigned int *reported = context;

	assert_true(strlen(name) < made.size);
	assert_true(symbol->offset <= made.size && symbol->size <= made.size - symbol->offset);
	(*reported)++;
}

static void damaged_files_do_no_harm(void **state)
{
	const char *const names[] = {"db_open", "db_close", "static_open", "static_close"};
	uint32_t seed = 42;
	const unsigned int rounds = extent(3000, 600);
	unsigned int opened = 0, reported = 0;

	(void)state;
	for (unsigned int round = 0; round < rounds; round++) {
		struct elf_symbol out[COUNT(names)];
		struct elf_file *e;
		char hex[64];
		int fd, n;

		make(round % 3);
		if (round % 4)
			add_symtab(0);
		else
			add_debugdata(made.bytes, made.size);
		damage(&seed);
		fd = file_of(made.bytes, made.size);
		if (!elf_open(&e, fd)) {
			n = elf_find(e, names, COUNT(names), true, out);
			for (size_t i = 0; i < COUNT(names) && n >= 0; i++)
				assert_true(out[i].offset <= made.size &&
					    out[i].size <= made.size - out[i].offset);
			assert_int_equal(elf_each(e, is_within, &reported), 0);
			elf_build_id(e, hex, sizeof(hex));
			assert_true(strlen(hex) < sizeof(hex));
			opened++;
		}
		elf_close(e);
		close(fd);
	}
	assert_true(opened > rounds / 3);
	assert_true(reported > rounds / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exported_functions_are_found_with_each_kind_of_hash),
		cmocka_unit_test(what_is_no_function_of_this_file_is_not_found),
		cmocka_unit_test(variables_are_found_with_their_addresses),
		cmocka_unit_test(addresses_are_those_of_the_segments),
		cmocka_unit_test(many_names_are_counted),
		cmocka_unit_test(local_functions_are_found_deep_and_parts_of_them_are_not),
		cmocka_unit_test(names_are_found_wherever_the_blocks_of_a_long_table_end),
		cmocka_unit_test(a_compressed_symbol_table_is_found_deep),
		cmocka_unit_test(a_compressed_bomb_is_refused),
		cmocka_unit_test(a_bucket_ends_where_it_says_or_is_left),
		cmocka_unit_test(the_build_id_is_told),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(bytes_are_read_within_the_file),
		cmocka_unit_test(this_program_is_read_right),
		cmocka_unit_test(each_function_of_this_program_is_told),
		cmocka_unit_test(installed_libraries_are_read_right),
		cmocka_unit_test(damaged_files_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
