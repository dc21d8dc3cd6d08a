/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * elf.c - finds the functions of an ELF file without trusting the file.
 *
 * Reads with pread(2), never by mapping: a file that is truncated during a read must not kill us.
 * Symbol tables are streamed, so their size costs time but no memory.  Ignores functions outside
 * of the code that the program headers load: no probe could sit there.
 *
 * While dbleak traces, a worker process runs this code (look.h).
 */
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

#include "user/capture/worker/budget.h"
#include "user/capture/elf/elf.h"
#include "user/capture/elf/look.h"

#define RELOCATIONS_MAX (1UL << 20)
#define PHDRS_MAX	(65536 / sizeof(Elf64_Phdr)) /* the limit of execve(2) */
#define SECTIONS_MAX	65536
#define DYNAMIC_MAX	4096
#define NOTES_MAX	65536
#define CHAIN_MAX	1024 /* symbols of one hash bucket; linkers aim at a few */
#define TABLE_MAX	(128UL << 20)
#define DEBUGDATA_MAX	(8UL << 20) /* compressed */
#define UNPACKED_MAX	(32UL << 20)
#define UNPACKED_STEP	(1UL << 20)
#define LZMA_MEMORY	(64UL << 20)
#define NAMES_MAX	(32UL << 20) /* bytes of names to keep in memory */
#define NAME_BYTES_MAX	255
/* A search in a library takes microseconds, through its hash table.  A search through all symbols
 * of a large program takes some 10 ms for 100 MB. */
#define LOOK_BYTES (512UL << 20)
#ifdef __SANITIZE_ADDRESS__
#define LOOK_CPU_MS 150 /* the sanitizers take some three times as long */
#else
/* A known client library takes 2 to 7 ms; the rest is for slow and emulated processors. */
#define LOOK_CPU_MS 200
#endif
#define LOOK_MS	    500 /* on a busy machine, and from a slow disk */
#define DEEP_CPU_MS 250
#define DEEP_MS	    2000
#define SPOTS_EACH  8 /* linkers store a name once, and a few times as the end of other names */
#define BLOCK	    65536
#define PAGE	    4096
#define PAGES	    16 /* a power of two */

/* Bytes of a file or of memory. */
struct image {
	int fd;
	const uint8_t *bytes; /* NULL: read fd */
	uint64_t size;
	struct budget *budget; /* shared by all reads of the file */
};

struct range {
	uint64_t at, size; /* in bytes of an image; size 0: none */
};

struct elf_file {
	struct look *look; /* the worker's side of this file; NULL: this process reads it */
	struct image image;
	Elf64_Ehdr head;
	Elf64_Phdr *phdrs;
	/* Tables of the dynamic section, in the file.  Their size runs to the segment's end; the
	 * dynamic section itself limits strings, jumps and relocations. */
	struct range symbols, strings, gnu_hash, hash;
	struct range jumps, relocations;
	bool is_pie; /* a program that may be loaded anywhere */
	struct budget budget;
	uint32_t look_ms; /* elapsed time that a look may take, beside its processor time */
	/* A small cache, since hash lookups jump about in few pages.  Its bytes stay untouched, and
	 * so cost no memory, until used. */
	struct {
		uint64_t number; /* of the page, from 1 on; 0: empty */
		size_t size;
	} pages[PAGES];
	uint8_t bytes[PAGES][PAGE];
};

struct search {
	struct elf_file *file; /* whose segments decide what is code */
	const char *const *names;
	size_t n, found;
	struct elf_symbol *out;
	bool variables; /* search variables, not functions; .offset is an address then */
};

static int image_read(const struct image *image, uint64_t at, void *buf, size_t size)
{
	size_t done = 0;

	if (size > image->size || at > image->size - size)
		return -EBADMSG;
	if (!budget_take(image->budget, size))
		return -EDQUOT;
	if (image->bytes) {
		memcpy(buf, image->bytes + at, size);
		return 0;
	}
	while (done < size) {
		ssize_t got = pread(image->fd, (char *)buf + done, size - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -EBADMSG;
		done += (size_t)got;
	}
	return 0;
}

static bool image_holds(const struct image *image, struct range range)
{
	return range.size && range.size <= image->size && range.at <= image->size - range.size;
}

/* The slot of the cache that holds this page of the file, or -EBADMSG. */
static int page_of(struct elf_file *e, uint64_t number)
{
	unsigned int slot = number % PAGES;
	uint64_t at = number * PAGE;

	if (e->pages[slot].number == number + 1)
		return (int)slot;
	e->pages[slot].number = 0;
	if (at >= e->image.size)
		return -EBADMSG;
	e->pages[slot].size = MIN(PAGE, e->image.size - at);
	if (image_read(&e->image, at, e->bytes[slot], e->pages[slot].size))
		return -EBADMSG;
	e->pages[slot].number = number + 1;
	return (int)slot;
}

/* Reads a few bytes through the cache. */
static int peek(struct elf_file *e, uint64_t at, void *buf, size_t size)
{
	if (!budget_take(&e->budget, 0))
		return -EDQUOT;
	while (size) {
		int slot = page_of(e, at / PAGE);
		size_t skip = at % PAGE, part;

		if (slot < 0 || e->pages[slot].size <= skip)
			return -EBADMSG;
		part = MIN(size, e->pages[slot].size - skip);
		memcpy(buf, e->bytes[slot] + skip, part);
		buf = (char *)buf + part;
		at += part;
		size -= part;
	}
	return 0;
}

static int head_check(const Elf64_Ehdr *head)
{
	if (memcmp(head->e_ident, ELFMAG, SELFMAG))
		return -EBADMSG;
	if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB ||
	    head->e_machine != EM_X86_64)
		return -ENOTSUP;
	return head->e_type == ET_EXEC || head->e_type == ET_DYN ? 0 : -EBADMSG;
}

/* The bytes of the file from this address to the end of its segment, if the segment is loaded with
 * these flags.  size 0: none. */
static struct range range_of(const struct elf_file *e, uint64_t address, uint32_t flags)
{
	for (unsigned int i = 0; i < e->head.e_phnum; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];
		struct range range;

		if (p->p_type != PT_LOAD || (p->p_flags & flags) != flags || address < p->p_vaddr ||
		    address - p->p_vaddr >= p->p_filesz)
			continue;
		if (!image_holds(&e->image, (struct range){p->p_offset, p->p_filesz}))
			continue;
		range.at = p->p_offset + (address - p->p_vaddr);
		range.size = p->p_filesz - (address - p->p_vaddr);
		return range;
	}
	return (struct range){0};
}

/* Sizes of tables, in bytes, from the dynamic section. */
struct dynamic_sizes {
	uint64_t strings, jumps, relocations;
};

#define FLAG_PIE 0x08000000 /* DF_1_PIE */

static void dynamic_note(struct elf_file *e, const Elf64_Dyn *entry, struct dynamic_sizes *sizes)
{
	switch (entry->d_tag) {
	case DT_SYMTAB:
		e->symbols = range_of(e, entry->d_un.d_ptr, 0);
		break;
	case DT_STRTAB:
		e->strings = range_of(e, entry->d_un.d_ptr, 0);
		break;
	case DT_STRSZ:
		sizes->strings = entry->d_un.d_val;
		break;
	case DT_JMPREL:
		e->jumps = range_of(e, entry->d_un.d_ptr, 0);
		break;
	case DT_PLTRELSZ:
		sizes->jumps = entry->d_un.d_val;
		break;
	case DT_RELA:
		e->relocations = range_of(e, entry->d_un.d_ptr, 0);
		break;
	case DT_RELASZ:
		sizes->relocations = entry->d_un.d_val;
		break;
	case DT_GNU_HASH:
		e->gnu_hash = range_of(e, entry->d_un.d_ptr, 0);
		break;
	case DT_HASH:
		e->hash = range_of(e, entry->d_un.d_ptr, 0);
		break;
	case DT_FLAGS_1:
		e->is_pie = entry->d_un.d_val & FLAG_PIE;
		break;
	}
}

/* A static program has no dynamic section, and a broken one yields no names: both are no error. */
static void dynamic_read(struct elf_file *e)
{
	const Elf64_Phdr *p = NULL;
	struct dynamic_sizes sizes = {};
	Elf64_Dyn entry;

	for (unsigned int i = 0; i < e->head.e_phnum && !p; i++)
		if (e->phdrs[i].p_type == PT_DYNAMIC)
			p = &e->phdrs[i];
	if (!p)
		return;
	for (unsigned int i = 0; i < DYNAMIC_MAX && i < p->p_filesz / sizeof(entry); i++) {
		if (peek(e, p->p_offset + i * sizeof(entry), &entry, sizeof(entry)) ||
		    entry.d_tag == DT_NULL)
			break;
		dynamic_note(e, &entry, &sizes);
	}
	e->strings.size = MIN(e->strings.size, sizes.strings);
	e->jumps.size = MIN(e->jumps.size, sizes.jumps);
	e->relocations.size = MIN(e->relocations.size, sizes.relocations);
}

static int elf_start(struct elf_file *e)
{
	size_t bytes;
	int err = image_read(&e->image, 0, &e->head, sizeof(e->head));

	if (!err)
		err = head_check(&e->head);
	if (err)
		return err;
	if (e->head.e_phentsize != sizeof(*e->phdrs) || !e->head.e_phnum ||
	    e->head.e_phnum > PHDRS_MAX)
		return -EBADMSG;
	bytes = e->head.e_phnum * sizeof(*e->phdrs);
	e->phdrs = malloc(bytes);
	if (!e->phdrs)
		return -ENOMEM;
	err = image_read(&e->image, e->head.e_phoff, e->phdrs, bytes);
	if (!err)
		dynamic_read(e);
	return err;
}

static int open_through(struct elf_file **out, int fd)
{
	struct elf_file *e = calloc(1, offsetof(struct elf_file, pages));
	int err = e ? look_open(&e->look, fd) : -ENOMEM;

	if (err)
		free(e);
	else
		*out = e;
	return err;
}

int elf_open(struct elf_file **out, int fd)
{
	struct elf_file *e;
	struct stat st;
	int err;

	*out = NULL;
	if (look_is_used())
		return open_through(out, fd);
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	e = malloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	memset(e, 0, offsetof(struct elf_file, bytes));
	e->image = (struct image){.fd = fd, .size = (uint64_t)st.st_size, .budget = &e->budget};
	e->look_ms = LOOK_MS;
	budget_begin(&e->budget, LOOK_BYTES, LOOK_CPU_MS, e->look_ms);
	err = elf_start(e);
	if (err)
		elf_close(e);
	else
		*out = e;
	return err;
}

void elf_deepen(struct elf_file *e)
{
	if (e->look) {
		look_deepen(e->look);
		return;
	}
	e->look_ms = DEEP_MS;
	budget_begin(&e->budget, LOOK_BYTES, DEEP_CPU_MS, e->look_ms);
}

void elf_resume(struct elf_file *e)
{
	if (!e->look)
		budget_resume(&e->budget, e->look_ms);
}

bool elf_given_up(const struct elf_file *e)
{
	return e->look ? look_given_up(e->look) : e->budget.spent;
}

void elf_close(struct elf_file *e)
{
	if (!e)
		return;
	look_close(e->look);
	free(e->phdrs);
	free(e);
}

/* Takes the symbol if it is a variable that this file defines. */
static bool search_variable(struct search *s, struct elf_symbol *out, const Elf64_Sym *symbol)
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
static bool search_hit(struct search *s, size_t name, const Elf64_Sym *symbol)
{
	struct elf_symbol *out = &s->out[name];
	struct range code;

	if (s->variables)
		return search_variable(s, out, symbol);
	if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF)
		return false;
	code = range_of(s->file, symbol->st_value, PF_X);
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
static bool dynamic_hit(struct search *s, size_t name, uint64_t index)
{
	struct elf_file *e = s->file;
	size_t bytes = strlen(s->names[name]) + 1;
	char text[NAME_BYTES_MAX + 1];
	Elf64_Sym symbol;

	if (index >= e->symbols.size / sizeof(symbol) || bytes > sizeof(text))
		return false;
	if (peek(e, e->symbols.at + index * sizeof(symbol), &symbol, sizeof(symbol)))
		return false;
	if (bytes > e->strings.size || symbol.st_name > e->strings.size - bytes)
		return false;
	return !peek(e, e->strings.at + symbol.st_name, text, bytes) &&
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
static uint32_t word_at(struct elf_file *e, struct range table, uint64_t index)
{
	uint32_t word = 0;

	if (index < table.size / sizeof(word))
		peek(e, table.at + index * sizeof(word), &word, sizeof(word));
	return word;
}

/* The table: buckets, first symbol, bloom words, bloom shift; 64-bit bloom filter; buckets; a
 * hash for each symbol, whose lowest bit ends the bucket. */
static void gnu_hash_find(struct search *s, size_t name)
{
	struct elf_file *e = s->file;
	struct range table = e->gnu_hash;
	uint32_t buckets = word_at(e, table, 0), first = word_at(e, table, 1);
	uint32_t bloom = word_at(e, table, 2), shift = word_at(e, table, 3) & 31;
	uint32_t hash = gnu_hash_of(s->names[name]), index, filter[2];
	uint64_t at, bits;

	if (!buckets || !bloom)
		return;
	at = 4 + 2 * (uint64_t)(hash / 64 % bloom);
	filter[0] = word_at(e, table, at);
	filter[1] = word_at(e, table, at + 1);
	bits = filter[0] | (uint64_t)filter[1] << 32;
	if (!(bits >> hash % 64 & bits >> (hash >> shift) % 64 & 1))
		return;
	at = 4 + 2 * (uint64_t)bloom;
	index = word_at(e, table, at + hash % buckets);
	if (index < first)
		return;
	at += buckets + (uint64_t)(index - first);
	for (unsigned int i = 0; i < CHAIN_MAX; i++) {
		uint32_t other = word_at(e, table, at + i);

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
static void sysv_hash_find(struct search *s, size_t name)
{
	struct elf_file *e = s->file;
	uint32_t buckets = word_at(e, e->hash, 0);
	uint32_t index;

	if (!buckets)
		return;
	index = word_at(e, e->hash, 2 + (uint64_t)(sysv_hash_of(s->names[name]) % buckets));
	for (unsigned int i = 0; i < CHAIN_MAX && index; i++) {
		if (dynamic_hit(s, name, index))
			return;
		index = word_at(e, e->hash, 2 + (uint64_t)buckets + index);
	}
}

/*
 * Symbol tables without a hash are read in two passes.  The first pass notes the offsets of the
 * wanted names in the string table.  (A name may be the end of a longer string: linkers share
 * those.)  The second pass finds the symbols that use such an offset.
 */
struct spot {
	uint64_t at;
	size_t name;
};

#define ENDINGS 256

struct spots {
	struct spot *list;
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

static int spots_start(struct spots *p, const struct search *s)
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
static void spots_string(struct spots *p, const struct search *s, const uint8_t *end, size_t known,
			 uint64_t at)
{
	if (known < 2)
		return;
	for (size_t i = p->head[ending_of(end)]; i; i = p->next[i - 1]) {
		const char *name = s->names[i - 1];
		size_t len = strlen(name);
		struct spot spot = {at - len, i - 1};

		if (len > known || memcmp(end - len, name, len) || p->seen[i - 1] == SPOTS_EACH)
			continue;
		p->seen[i - 1]++;
		p->list[p->count++] = spot;
		p->filter[spot.at / 64 % 64] |= 1ULL << spot.at % 64;
	}
}

static int compare_spots(const void *a, const void *b)
{
	const struct spot *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

static int spots_read(struct spots *p, const struct search *s, const struct image *image,
		      struct range strings, uint8_t *buf)
{
	size_t kept = 0; /* bytes of the last block, before this one */

	for (uint64_t at = 0; at < strings.size; at += BLOCK) {
		size_t size = MIN(BLOCK, strings.size - at);
		uint8_t *block = buf + kept, *end = block + size, *nul = block;
		int err = image_read(image, strings.at + at, block, size);

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

static void symbol_check(struct search *s, const struct spots *p, const Elf64_Sym *symbol)
{
	struct spot key = {symbol->st_name, 0}, *spot;

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

static int symbols_read(struct search *s, const struct spots *p, const struct image *image,
			struct range symbols, uint8_t *buf)
{
	const size_t block = BLOCK / sizeof(Elf64_Sym) * sizeof(Elf64_Sym);

	for (uint64_t at = 0; at < symbols.size && s->found < s->n; at += block) {
		size_t size = MIN(block, symbols.size - at);
		int err = image_read(image, symbols.at + at, buf, size);

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

static int table_find(struct search *s, const struct image *image, struct range symbols,
		      struct range strings)
{
	uint8_t *buf;
	struct spots spots;
	int err;

	if (!image_holds(image, symbols) || !image_holds(image, strings) ||
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

static int dynamic_find(struct search *s)
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
	return image_read(image, at, out, sizeof(*out));
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
		return image_holds(image, *symbols) && image_holds(image, *strings) &&
		       symbols->size <= TABLE_MAX && strings->size <= TABLE_MAX;
	}
	return false;
}

static int symtab_find(struct search *s, const struct image *image, const Elf64_Ehdr *head)
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
	code = range_of(e, symbol->st_value, PF_X);
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
	if (image_read(&e->image, strings.at, names, strings.size))
		symbols.size = 0;
	names[strings.size - 1] = '\0';
	for (uint64_t at = 0; at < symbols.size; at += sizeof(block)) {
		size_t size = MIN(sizeof(block), symbols.size - at);

		if (image_read(&e->image, symbols.at + at, block, size))
			break;
		for (size_t i = 0; i < size / sizeof(block[0]); i++)
			function_tell(e, &block[i], names, strings.size, fn, context);
	}
	free(names);
	return 0;
}

static bool section_by_name(const struct image *image, const Elf64_Ehdr *head, const char *name,
			    Elf64_Shdr *out)
{
	size_t bytes = strlen(name) + 1;
	uint32_t names;
	uint64_t count = section_count(image, head, &names);
	Elf64_Shdr strings;
	char text[32];

	if (bytes > sizeof(text) || names >= count || section_read(image, head, names, &strings))
		return false;
	for (uint64_t i = 1; i < count; i++) {
		if (section_read(image, head, i, out))
			break;
		if (out->sh_type != SHT_PROGBITS || strings.sh_size < bytes ||
		    out->sh_name > strings.sh_size - bytes || strings.sh_offset > image->size)
			continue;
		if (!image_read(image, strings.sh_offset + out->sh_name, text, bytes) &&
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
	int err = packed ? image_read(image, range.at, packed, range.size) : -ENOMEM;

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
static int debugdata_find(struct search *s)
{
	const struct image *outer = &s->file->image;
	Elf64_Shdr section;
	struct range range;
	struct image inner = {.fd = -1, .budget = outer->budget};
	Elf64_Ehdr head;
	uint8_t *bytes = NULL;
	size_t size = 0;
	int err;

	if (!section_by_name(outer, &s->file->head, ".gnu_debugdata", &section))
		return 0;
	range = section_range(&section);
	if (!image_holds(outer, range) || range.size > DEBUGDATA_MAX)
		return 0;
	err = unpack_range(outer, range, &bytes, &size);
	inner.bytes = bytes;
	inner.size = size;
	if (!err && !image_read(&inner, 0, &head, sizeof(head)) && !head_check(&head))
		err = symtab_find(s, &inner, &head);
	free(bytes);
	return err == -EBADMSG || err == -EDQUOT ? 0 : err;
}

static int search_run(struct search *s, bool deep)
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
	struct search s = {.file = e, .names = names, .n = n, .out = out};

	return e->look ? look_find(e->look, names, n, deep, false, out) : search_run(&s, deep);
}

int elf_find_variables(struct elf_file *e, const char *const *names, size_t n, bool deep,
		       struct elf_symbol *out)
{
	struct search s = {.file = e, .names = names, .n = n, .out = out, .variables = true};

	return e->look ? look_find(e->look, names, n, deep, true, out) : search_run(&s, deep);
}

/* Returns the build id within buf; NULL: none. */
static const uint8_t *note_find(const uint8_t *buf, size_t size, size_t align, size_t *id_size)
{
	size_t at = 0;

	while (size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		size_t name = at + sizeof(note), text, next;

		memcpy(&note, buf + at, sizeof(note));
		if (note.n_namesz > size || note.n_descsz > size)
			return NULL;
		text = roundup(name + note.n_namesz, align);
		next = roundup(text + note.n_descsz, align);
		if (text > size || note.n_descsz > size - text)
			return NULL;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    !memcmp(buf + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU))) {
			*id_size = note.n_descsz;
			return buf + text;
		}
		at = MIN(next, size);
	}
	return NULL;
}

static void notes_hex(struct elf_file *e, const Elf64_Phdr *p, char *hex, size_t size)
{
	uint8_t *buf = p->p_filesz && p->p_filesz <= NOTES_MAX ? malloc(p->p_filesz) : NULL;
	size_t id_size = 0;
	const uint8_t *id = NULL;

	if (buf && !image_read(&e->image, p->p_offset, buf, p->p_filesz))
		id = note_find(buf, p->p_filesz, p->p_align == 8 ? 8 : 4, &id_size);
	for (size_t i = 0; id && i < id_size && 2 * i + 3 <= size; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	free(buf);
}

void elf_build_id(struct elf_file *e, char *hex, size_t size)
{
	if (e->look) {
		look_build_id(e->look, hex, size);
		return;
	}
	*hex = '\0';
	for (unsigned int i = 0; i < e->head.e_phnum && !*hex; i++)
		if (e->phdrs[i].p_type == PT_NOTE)
			notes_hex(e, &e->phdrs[i], hex, size);
}

ssize_t elf_read(struct elf_file *e, uint64_t offset, void *buf, size_t size)
{
	int err;

	if (e->look)
		return look_read(e->look, offset, buf, size);
	if (offset >= e->image.size)
		return 0;
	size = MIN(size, e->image.size - offset);
	err = image_read(&e->image, offset, buf, size);
	return err ? err : (ssize_t)size;
}

ssize_t elf_read_address(struct elf_file *e, uint64_t address, void *buf, size_t size)
{
	struct range range;

	if (e->look)
		return look_read_address(e->look, address, buf, size);
	range = range_of(e, address, 0);
	if (!range.size)
		return -EFAULT;
	return elf_read(e, range.at, buf, MIN(size, range.size));
}

int elf_bias(struct elf_file *e, uint64_t start, uint64_t offset, uint64_t *bias)
{
	if (e->look)
		return look_bias(e->look, start, offset, bias);
	for (unsigned int i = 0; i < e->head.e_phnum; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];

		if (p->p_type != PT_LOAD || p->p_offset / PAGE != offset / PAGE)
			continue;
		*bias = start - (p->p_vaddr - p->p_offset % PAGE);
		return 0;
	}
	return -ENOENT;
}

static bool is_code(const Elf64_Phdr *p)
{
	return p->p_type == PT_LOAD && p->p_flags & PF_X && p->p_filesz;
}

/* The segment of code that holds this offset. */
static const Elf64_Phdr *code_at(const struct elf_file *e, uint64_t offset)
{
	for (unsigned int i = 0; i < e->head.e_phnum; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];

		if (is_code(p) && offset >= p->p_offset && offset - p->p_offset < p->p_filesz)
			return p;
	}
	return NULL;
}

int elf_code(struct elf_file *e, uint64_t *offset, uint64_t *address)
{
	if (e->look)
		return look_code(e->look, offset, address);
	for (unsigned int i = 0; i < e->head.e_phnum; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];

		if (!is_code(p))
			continue;
		*offset = p->p_offset;
		*address = p->p_vaddr;
		return 0;
	}
	return -ENOENT;
}

size_t elf_codes(const struct elf_file *e, struct elf_code *out, size_t most)
{
	size_t count = 0;

	for (unsigned int i = 0; i < e->head.e_phnum && count < most; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];

		if (is_code(p))
			out[count++] = (struct elf_code){p->p_offset, p->p_filesz, p->p_vaddr};
	}
	return count;
}

int elf_constants(const struct elf_file *e, unsigned int i, uint64_t *offset, uint64_t *size)
{
	if (e->look)
		return look_constants(e->look, i, offset, size);
	for (unsigned int at = 0; at < e->head.e_phnum; at++) {
		const Elf64_Phdr *p = &e->phdrs[at];

		if (p->p_type != PT_LOAD || p->p_flags & PF_W || !p->p_filesz || i--)
			continue;
		*offset = p->p_offset;
		*size = p->p_filesz;
		return 0;
	}
	return -ENOENT;
}

uint64_t elf_code_address(struct elf_file *e, uint64_t offset)
{
	const Elf64_Phdr *p;

	if (e->look)
		return look_code_address(e->look, offset);
	p = code_at(e, offset);
	return p ? p->p_vaddr + (offset - p->p_offset) : 0;
}

uint64_t elf_section(struct elf_file *e, const char *name)
{
	Elf64_Shdr section;

	if (e->look)
		return look_section(e->look, name);
	return section_by_name(&e->image, &e->head, name, &section) ? section.sh_addr : 0;
}

int elf_segment(struct elf_file *e, uint64_t offset, uint64_t *start, uint64_t *size)
{
	const Elf64_Phdr *p;

	if (e->look)
		return look_segment(e->look, offset, start, size);
	p = code_at(e, offset);
	if (!p)
		return -ENOENT;
	*start = p->p_offset;
	*size = p->p_filesz;
	return 0;
}

bool elf_is_program(const struct elf_file *e)
{
	if (e->look)
		return look_is_program(e->look);
	for (unsigned int i = 0; i < e->head.e_phnum; i++)
		if (e->phdrs[i].p_type == PT_INTERP)
			return true;
	return e->head.e_type == ET_EXEC || e->is_pie; /* static programs have no PT_INTERP */
}

/* The index in `names` of this symbol's name; n: none of them. */
static size_t name_of_symbol(struct elf_file *e, uint64_t index, const char *const *names, size_t n)
{
	char text[NAME_BYTES_MAX + 1];
	Elf64_Sym symbol;

	if (index >= e->symbols.size / sizeof(symbol) ||
	    peek(e, e->symbols.at + index * sizeof(symbol), &symbol, sizeof(symbol)))
		return n;
	for (size_t i = 0; i < n; i++) {
		size_t bytes = strlen(names[i]) + 1;

		if (bytes > sizeof(text) || bytes > e->strings.size ||
		    symbol.st_name > e->strings.size - bytes ||
		    peek(e, e->strings.at + symbol.st_name, text, bytes))
			continue;
		if (!memcmp(text, names[i], bytes))
			return i;
	}
	return n;
}

static void slots_of(struct elf_file *e, struct range table, uint32_t type,
		     const char *const *names, size_t n, uint64_t *slots)
{
	uint64_t count = MIN(table.size / sizeof(Elf64_Rela), RELOCATIONS_MAX);
	Elf64_Rela r;

	for (uint64_t i = 0; i < count; i++) {
		size_t name;

		if (peek(e, table.at + i * sizeof(r), &r, sizeof(r)))
			return;
		if (ELF64_R_TYPE(r.r_info) != type)
			continue;
		name = name_of_symbol(e, ELF64_R_SYM(r.r_info), names, n);
		if (name < n)
			slots[name] = r.r_offset;
	}
}

void elf_slots(struct elf_file *e, const char *const *names, size_t n, uint64_t *calls,
	       uint64_t *pointers)
{
	if (e->look) {
		look_slots(e->look, names, n, calls, pointers);
		return;
	}
	memset(calls, 0, n * sizeof(*calls));
	memset(pointers, 0, n * sizeof(*pointers));
	slots_of(e, e->jumps, R_X86_64_JUMP_SLOT, names, n, calls);
	slots_of(e, e->relocations, R_X86_64_GLOB_DAT, names, n, pointers);
}

static uint64_t linked_in(struct elf_file *e, struct range table, uint64_t slot)
{
	uint64_t count = MIN(table.size / sizeof(Elf64_Rela), RELOCATIONS_MAX), index;
	Elf64_Sym symbol;
	Elf64_Rela r;

	for (uint64_t i = 0; i < count; i++) {
		if (peek(e, table.at + i * sizeof(r), &r, sizeof(r)))
			return 0;
		if (r.r_offset != slot || (ELF64_R_TYPE(r.r_info) != R_X86_64_JUMP_SLOT &&
					   ELF64_R_TYPE(r.r_info) != R_X86_64_GLOB_DAT))
			continue;
		index = ELF64_R_SYM(r.r_info);
		if (index >= e->symbols.size / sizeof(symbol) ||
		    peek(e, e->symbols.at + index * sizeof(symbol), &symbol, sizeof(symbol)) ||
		    ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF)
			return 0;
		return symbol.st_value;
	}
	return 0;
}

uint64_t elf_linked(struct elf_file *e, uint64_t slot)
{
	uint64_t address;

	if (e->look)
		return look_linked(e->look, slot);
	address = linked_in(e, e->jumps, slot);
	return address ? address : linked_in(e, e->relocations, slot);
}
