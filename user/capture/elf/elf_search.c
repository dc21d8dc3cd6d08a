/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * elf_search.c - finds symbols by name in the tables of an ELF file.
 */
#include "user/capture/elf/elf.h"

#include <elf.h>
#include <errno.h>
#include <lzma.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/capture/elf/elf_state.h"

struct elf_search {
	struct elf_file *file; /* whose segments decide what is code */
	const char *const *names;
	size_t n, found;
	struct elf_symbol *out;
	bool variables; /* search variables, not functions; .offset is an address then */
};

/* Takes the symbol if it is a variable that this file defines. */
static bool search_variable(struct elf_search *s, struct elf_symbol *out, const Elf64_Sym *symbol)
{
	if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_shndx == SHN_UNDEF ||
	    !symbol->st_value || out->offset)
		return false;
	s->found++;
	out->offset = symbol->st_value;
	out->size = symbol->st_size;
	return true;
}

/* Takes the symbol if it is a function that this file defines.  An indirect function (IFUNC) does
 * not count: its code runs once, and returns the address of the real function.  Linkers write some
 * versions of a symbol without a size, so the size may come from any symbol at the same offset.
 * True: there is no more to learn. */
static bool search_hit(struct elf_search *s, size_t name, const Elf64_Sym *symbol)
{
	struct elf_symbol *out = &s->out[name];
	struct range code;

	if (s->variables)
		return search_variable(s, out, symbol);
	if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF)
		return false;
	code = elf_range_of(s->file, symbol->st_value, PF_X);
	if (!code.size || !code.at || (out->offset && out->offset != code.at))
		return false;
	if (!out->offset)
		s->found++;
	out->offset = code.at;
	if (!out->size)
		out->size = MIN(symbol->st_size, code.size);
	return out->size;
}

/* Does this symbol of .dynsym have the wanted name, and is it a hit? */
static bool dynamic_hit(struct elf_search *s, size_t name, uint64_t index)
{
	struct elf_file *e = s->file;
	size_t bytes = strlen(s->names[name]) + 1;
	char text[NAME_BYTES_MAX + 1];
	Elf64_Sym symbol;

	if (index >= e->symbols.size / sizeof(symbol) || bytes > sizeof(text))
		return false;
	if (elf_peek(e, e->symbols.at + index * sizeof(symbol), &symbol, sizeof(symbol)))
		return false;
	if (bytes > e->strings.size || symbol.st_name > e->strings.size - bytes)
		return false;
	return !elf_peek(e, e->strings.at + symbol.st_name, text, bytes) &&
	       !memcmp(text, s->names[name], bytes) && search_hit(s, name, &symbol);
}

static uint32_t gnu_hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

/* A 32-bit word of a hash table; 0 outside of the table. */
static uint32_t elf_search_word_at(struct elf_file *e, struct range table, uint64_t index)
{
	uint32_t word = 0;

	if (index < table.size / sizeof(word))
		elf_peek(e, table.at + index * sizeof(word), &word, sizeof(word));
	return word;
}

/* The table: buckets, first symbol, bloom words, bloom shift; 64-bit bloom filter; buckets; a
 * hash for each symbol, whose lowest bit ends the bucket. */
static void gnu_hash_find(struct elf_search *s, size_t name)
{
	struct elf_file *e = s->file;
	struct range table = e->gnu_hash;
	uint32_t buckets = elf_search_word_at(e, table, 0), first = elf_search_word_at(e, table, 1);
	uint32_t bloom = elf_search_word_at(e, table, 2),
		 shift = elf_search_word_at(e, table, 3) & 31;
	uint32_t hash = gnu_hash_of(s->names[name]), index, filter[2];
	uint64_t at, bits;

	if (!buckets || !bloom)
		return;
	at = 4 + 2 * (uint64_t)(hash / 64 % bloom);
	filter[0] = elf_search_word_at(e, table, at);
	filter[1] = elf_search_word_at(e, table, at + 1);
	bits = filter[0] | (uint64_t)filter[1] << 32;
	if (!(bits >> hash % 64 & bits >> (hash >> shift) % 64 & 1))
		return;
	at = 4 + 2 * (uint64_t)bloom;
	index = elf_search_word_at(e, table, at + hash % buckets);
	if (index < first)
		return;
	at += buckets + (uint64_t)(index - first);
	for (unsigned int i = 0; i < CHAIN_MAX; i++) {
		uint32_t other = elf_search_word_at(e, table, at + i);

		if ((other | 1) == (hash | 1) && dynamic_hit(s, name, (uint64_t)index + i))
			return;
		if (other & 1)
			return;
	}
}

static uint32_t sysv_hash_of(const char *name)
{
	uint32_t hash = 0;

	for (; *name; name++) {
		hash = (hash << 4) + (uint8_t)*name;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
	}
	return hash;
}

/* The table: buckets, symbols; a symbol for each bucket; the next one of each symbol. */
static void sysv_hash_find(struct elf_search *s, size_t name)
{
	struct elf_file *e = s->file;
	uint32_t buckets = elf_search_word_at(e, e->hash, 0);
	uint32_t index;

	if (!buckets)
		return;
	index = elf_search_word_at(e, e->hash,
				   2 + (uint64_t)(sysv_hash_of(s->names[name]) % buckets));
	for (unsigned int i = 0; i < CHAIN_MAX && index; i++) {
		if (dynamic_hit(s, name, index))
			return;
		index = elf_search_word_at(e, e->hash, 2 + (uint64_t)buckets + index);
	}
}

/*
 * Symbol tables without a hash are read in two passes.  The first pass notes the offsets of the
 * wanted names in the string table.  (A name may be the end of a longer string: linkers share
 * those.)  The second pass finds the symbols that use such an offset.
 */
struct elf_search_spot {
	uint64_t at;
	size_t name;
};

#define ENDINGS 256

struct spots {
	struct elf_search_spot *list;
	size_t count;
	size_t *next;	      /* for each name: 1 + another name with the same ending; 0: none */
	size_t head[ENDINGS]; /* 1 + name, by its last two bytes */
	uint8_t *seen;	      /* how often each name was found */
	uint64_t filter[64];  /* bits by the lowest bits of .at */
};

static unsigned int ending_of(const uint8_t *end)
{
	return (end[-1] * 31U + end[-2]) % ENDINGS;
}

static int spots_start(struct spots *p, const struct elf_search *s)
{
	memset(p, 0, sizeof(*p));
	p->list = calloc(s->n, SPOTS_EACH * sizeof(*p->list));
	p->next = calloc(s->n, sizeof(*p->next));
	p->seen = calloc(s->n, sizeof(*p->seen));
	if (!p->list || !p->next || !p->seen)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		size_t len = strlen(s->names[i]);
		unsigned int ending;

		if (len < 2 || len > NAME_BYTES_MAX || s->out[i].offset)
			continue;
		ending = ending_of((const uint8_t *)s->names[i] + len);
		p->next[i] = p->head[ending];
		p->head[ending] = i + 1;
	}
	return 0;
}

static void spots_free(struct spots *p)
{
	free(p->list);
	free(p->next);
	free(p->seen);
}

/* A string of the table ends at offset `at`, and `known` bytes before it are in the buffer. */
static void spots_string(struct spots *p, const struct elf_search *s, const uint8_t *end,
			 size_t known, uint64_t at)
{
	if (known < 2)
		return;
	for (size_t i = p->head[ending_of(end)]; i; i = p->next[i - 1]) {
		const char *name = s->names[i - 1];
		size_t len = strlen(name);
		struct elf_search_spot spot = {at - len, i - 1};

		if (len > known || memcmp(end - len, name, len) || p->seen[i - 1] == SPOTS_EACH)
			continue;
		p->seen[i - 1]++;
		p->list[p->count++] = spot;
		p->filter[spot.at / 64 % 64] |= 1ULL << spot.at % 64;
	}
}

static int compare_spots(const void *a, const void *b)
{
	const struct elf_search_spot *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

static int spots_read(struct spots *p, const struct elf_search *s, const struct image *image,
		      struct range strings, uint8_t *buf)
{
	size_t kept = 0; /* bytes of the last block, before this one */

	for (uint64_t at = 0; at < strings.size; at += BLOCK) {
		size_t size = MIN(BLOCK, strings.size - at);
		uint8_t *block = buf + kept, *end = block + size, *nul = block;
		int err = elf_image_read(image, strings.at + at, block, size);

		if (err)
			return err;
		for (; (nul = memchr(nul, 0, (size_t)(end - nul))); nul++)
			spots_string(p, s, nul, (size_t)(nul - buf), at + (size_t)(nul - block));
		kept = MIN((size_t)(end - buf), NAME_BYTES_MAX);
		memmove(buf, end - kept, kept);
	}
	qsort(p->list, p->count, sizeof(*p->list), compare_spots);
	return 0;
}

static void symbol_check(struct elf_search *s, const struct spots *p, const Elf64_Sym *symbol)
{
	struct elf_search_spot key = {symbol->st_name, 0}, *spot;

	if (!(p->filter[key.at / 64 % 64] >> key.at % 64 & 1))
		return;
	spot = bsearch(&key, p->list, p->count, sizeof(key), compare_spots);
	if (!spot)
		return;
	/* bsearch(3) may hit any of several spots: a caller may want a name more than once. */
	while (spot > p->list && spot[-1].at == key.at)
		spot--;
	for (; spot < p->list + p->count && spot->at == key.at; spot++)
		search_hit(s, spot->name, symbol);
}

static int symbols_read(struct elf_search *s, const struct spots *p, const struct image *image,
			struct range symbols, uint8_t *buf)
{
	const size_t block = BLOCK / sizeof(Elf64_Sym) * sizeof(Elf64_Sym);

	for (uint64_t at = 0; at < symbols.size && s->found < s->n; at += block) {
		size_t size = MIN(block, symbols.size - at);
		int err = elf_image_read(image, symbols.at + at, buf, size);

		if (err)
			return err;
		for (size_t i = 0; i < size / sizeof(Elf64_Sym); i++) {
			Elf64_Sym symbol;

			memcpy(&symbol, buf + i * sizeof(symbol), sizeof(symbol));
			symbol_check(s, p, &symbol);
		}
	}
	return 0;
}

static int table_find(struct elf_search *s, const struct image *image, struct range symbols,
		      struct range strings)
{
	uint8_t *buf;
	struct spots spots;
	int err;

	if (!elf_image_holds(image, symbols) || !elf_image_holds(image, strings) ||
	    symbols.size > TABLE_MAX || strings.size > TABLE_MAX)
		return 0;
	err = spots_start(&spots, s);
	buf = malloc(NAME_BYTES_MAX + BLOCK);
	if (!err && !buf)
		err = -ENOMEM;
	if (!err)
		err = spots_read(&spots, s, image, strings, buf);
	if (!err && spots.count)
		err = symbols_read(s, &spots, image, symbols, buf);
	free(buf);
	spots_free(&spots);
	return err;
}

static int dynamic_find(struct elf_search *s)
{
	struct elf_file *e = s->file;
	struct range symbols = e->symbols;

	if (!e->symbols.size || !e->strings.size)
		return 0;
	if (e->gnu_hash.size || e->hash.size) {
		for (size_t i = 0; i < s->n; i++) {
			if (e->gnu_hash.size)
				gnu_hash_find(s, i);
			else
				sysv_hash_find(s, i);
		}
		return 0;
	}
	/* Without a hash table no field gives the number of symbols.  Linkers put the names right
	 * behind the symbols. */
	if (e->strings.at > symbols.at)
		symbols.size = MIN(symbols.size, e->strings.at - symbols.at);
	return table_find(s, &e->image, symbols, e->strings);
}

static int section_read(const struct image *image, const Elf64_Ehdr *head, uint64_t index,
			Elf64_Shdr *out)
{
	uint64_t at;

	if (__builtin_mul_overflow(index, sizeof(*out), &at) ||
	    __builtin_add_overflow(at, head->e_shoff, &at))
		return -EBADMSG;
	return elf_image_read(image, at, out, sizeof(*out));
}

/* The number of sections and the index of their names.  Section 0 has both when they do not fit
 * into the ELF header. */
static uint64_t section_count(const struct image *image, const Elf64_Ehdr *head, uint32_t *names)
{
	Elf64_Shdr first;

	if (!head->e_shoff || head->e_shentsize != sizeof(first) ||
	    section_read(image, head, 0, &first))
		return 0;
	*names = head->e_shstrndx == SHN_XINDEX ? first.sh_link : head->e_shstrndx;
	return MIN(head->e_shnum ? head->e_shnum : first.sh_size, SECTIONS_MAX);
}

static struct range section_range(const Elf64_Shdr *section)
{
	return (struct range){section->sh_offset, section->sh_size};
}

/* The ranges of .symtab and of its names.  False: no well-formed .symtab. */
static bool symtab_ranges(const struct image *image, const Elf64_Ehdr *head, struct range *symbols,
			  struct range *strings)
{
	uint32_t names;
	uint64_t count = section_count(image, head, &names);

	for (uint64_t i = 1; i < count; i++) {
		Elf64_Shdr table, text;

		if (section_read(image, head, i, &table))
			return false;
		if (table.sh_type != SHT_SYMTAB)
			continue;
		if (section_read(image, head, table.sh_link, &text) || text.sh_type != SHT_STRTAB)
			return false;
		*symbols = section_range(&table);
		*strings = section_range(&text);
		return elf_image_holds(image, *symbols) && elf_image_holds(image, *strings) &&
		       symbols->size <= TABLE_MAX && strings->size <= TABLE_MAX;
	}
	return false;
}

static int symtab_find(struct elf_search *s, const struct image *image, const Elf64_Ehdr *head)
{
	struct range symbols, strings;

	if (!symtab_ranges(image, head, &symbols, &strings))
		return 0;
	return table_find(s, image, symbols, strings);
}

static void function_tell(struct elf_file *e, const Elf64_Sym *symbol, const char *names,
			  uint64_t size, elf_function_fn *fn, void *context)
{
	struct range code;
	struct elf_symbol out;

	if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF ||
	    symbol->st_name >= size)
		return;
	code = elf_range_of(e, symbol->st_value, PF_X);
	if (!code.size || !code.at)
		return;
	out = (struct elf_symbol){code.at, MIN(symbol->st_size, code.size)};
	fn(context, names + symbol->st_name, &out);
}

int elf_each(struct elf_file *e, elf_function_fn *fn, void *context)
{
	if (e->look)
		return look_each(e->look, fn, context);
	struct range symbols, strings;
	Elf64_Sym block[BLOCK / 8 / sizeof(Elf64_Sym)];
	char *names;

	if (!symtab_ranges(&e->image, &e->head, &symbols, &strings) || !strings.size)
		return 0;
	if (strings.size > NAMES_MAX) {
		e->budget.spent = true;
		return 0;
	}
	names = malloc(strings.size);
	if (!names)
		return -ENOMEM;
	if (elf_image_read(&e->image, strings.at, names, strings.size))
		symbols.size = 0;
	names[strings.size - 1] = '\0';
	for (uint64_t at = 0; at < symbols.size; at += sizeof(block)) {
		size_t size = MIN(sizeof(block), symbols.size - at);

		if (elf_image_read(&e->image, symbols.at + at, block, size))
			break;
		for (size_t i = 0; i < size / sizeof(block[0]); i++)
			function_tell(e, &block[i], names, strings.size, fn, context);
	}
	free(names);
	return 0;
}

bool elf_section_by_name(const struct image *image, const Elf64_Ehdr *head, const char *name,
			 uint32_t type, Elf64_Shdr *out)
{
	size_t bytes = strlen(name) + 1;
	uint32_t names = 0;
	uint64_t count = section_count(image, head, &names);
	Elf64_Shdr strings;
	char text[32];

	if (bytes > sizeof(text) || names >= count || section_read(image, head, names, &strings))
		return false;
	for (uint64_t i = 1; i < count; i++) {
		if (section_read(image, head, i, out))
			break;
		if (out->sh_type != type || strings.sh_size < bytes ||
		    out->sh_name > strings.sh_size - bytes || strings.sh_offset > image->size)
			continue;
		if (!elf_image_read(image, strings.sh_offset + out->sh_name, text, bytes) &&
		    !memcmp(text, name, bytes))
			return true;
	}
	return false;
}

/* Unpacks at most UNPACKED_MAX bytes, step by step, since a few bytes may unpack to very many. */
static int unpack(lzma_stream *stream, struct budget *budget, uint8_t **out, size_t *size)
{
	for (lzma_ret ret = LZMA_OK; ret == LZMA_OK; *size = stream->total_out) {
		uint8_t *grown;

		if (*size >= UNPACKED_MAX || !budget_take(budget, UNPACKED_STEP)) {
			budget->spent = true;
			return -EDQUOT;
		}
		grown = realloc(*out, *size + UNPACKED_STEP);
		if (!grown)
			return -ENOMEM;
		*out = grown;
		stream->next_out = grown + *size;
		stream->avail_out = UNPACKED_STEP;
		ret = lzma_code(stream, LZMA_FINISH);
		if (ret != LZMA_OK && ret != LZMA_STREAM_END)
			return -EBADMSG;
	}
	return 0;
}

static int unpack_range(const struct image *image, struct range range, uint8_t **out, size_t *size)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	uint8_t *packed = malloc(range.size);
	int err = packed ? elf_image_read(image, range.at, packed, range.size) : -ENOMEM;

	if (!err && lzma_stream_decoder(&stream, LZMA_MEMORY, 0) != LZMA_OK)
		err = -ENOMEM;
	if (!err) {
		stream.next_in = packed;
		stream.avail_in = range.size;
		err = unpack(&stream, image->budget, out, size);
	}
	lzma_end(&stream);
	free(packed);
	return err;
}

/* Distributions that strip .symtab may keep function names here: an ELF file, packed by xz. */
static int debugdata_find(struct elf_search *s)
{
	const struct image *outer = &s->file->image;
	Elf64_Shdr section;
	struct range range;
	struct image inner = {.fd = -1, .budget = outer->budget};
	Elf64_Ehdr head;
	uint8_t *bytes = NULL;
	size_t size = 0;
	int err;

	if (!elf_section_by_name(outer, &s->file->head, ".gnu_debugdata", SHT_PROGBITS, &section))
		return 0;
	range = section_range(&section);
	if (!elf_image_holds(outer, range) || range.size > DEBUGDATA_MAX)
		return 0;
	err = unpack_range(outer, range, &bytes, &size);
	inner.bytes = bytes;
	inner.size = size;
	if (!err && !elf_image_read(&inner, 0, &head, sizeof(head)) && !elf_head_check(&head))
		err = symtab_find(s, &inner, &head);
	free(bytes);
	return err == -EBADMSG || err == -EDQUOT ? 0 : err;
}

static int search_run(struct elf_search *s, bool deep)
{
	int err;

	if (!s->n)
		return 0;
	memset(s->out, 0, s->n * sizeof(*s->out));
	err = dynamic_find(s);
	if (!err && deep && s->found < s->n)
		err = symtab_find(s, &s->file->image, &s->file->head);
	if (!err && deep && s->found < s->n)
		err = debugdata_find(s);
	return err ? err : (int)s->found;
}

int elf_find(struct elf_file *e, const char *const *names, size_t n, bool deep,
	     struct elf_symbol *out)
{
	struct elf_search s = {.file = e, .names = names, .n = n, .out = out};

	return e->look ? look_find(e->look, names, n, deep, false, out) : search_run(&s, deep);
}

int elf_find_variables(struct elf_file *e, const char *const *names, size_t n, bool deep,
		       struct elf_symbol *out)
{
	struct elf_search s = {.file = e, .names = names, .n = n, .out = out, .variables = true};

	return e->look ? look_find(e->look, names, n, deep, true, out) : search_run(&s, deep);
}
