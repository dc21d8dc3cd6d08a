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

#include "user/capture/elf/elf_question.h"
#include "user/capture/elf/elf_state.h"

int elf_image_read(const struct image *image, uint64_t at, void *buf, size_t size)
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

bool elf_image_holds(const struct image *image, struct range range)
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
	if (elf_image_read(&e->image, at, e->bytes[slot], e->pages[slot].size))
		return -EBADMSG;
	e->pages[slot].number = number + 1;
	return (int)slot;
}

int elf_peek(struct elf_file *e, uint64_t at, void *buf, size_t size)
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

int elf_head_check(const Elf64_Ehdr *head)
{
	if (memcmp(head->e_ident, ELFMAG, SELFMAG))
		return -EBADMSG;
	if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB ||
	    head->e_machine != EM_X86_64)
		return -ENOTSUP;
	return head->e_type == ET_EXEC || head->e_type == ET_DYN ? 0 : -EBADMSG;
}

struct range elf_range_of(const struct elf_file *e, uint64_t address, uint32_t flags)
{
	for (unsigned int i = 0; i < e->head.e_phnum; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];
		struct range range;

		if (p->p_type != PT_LOAD || (p->p_flags & flags) != flags || address < p->p_vaddr ||
		    address - p->p_vaddr >= p->p_filesz)
			continue;
		if (!elf_image_holds(&e->image, (struct range){p->p_offset, p->p_filesz}))
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
		e->symbols = elf_range_of(e, entry->d_un.d_ptr, 0);
		break;
	case DT_STRTAB:
		e->strings = elf_range_of(e, entry->d_un.d_ptr, 0);
		break;
	case DT_STRSZ:
		sizes->strings = entry->d_un.d_val;
		break;
	case DT_JMPREL:
		e->jumps = elf_range_of(e, entry->d_un.d_ptr, 0);
		break;
	case DT_PLTRELSZ:
		sizes->jumps = entry->d_un.d_val;
		break;
	case DT_RELA:
		e->relocations = elf_range_of(e, entry->d_un.d_ptr, 0);
		break;
	case DT_RELASZ:
		sizes->relocations = entry->d_un.d_val;
		break;
	case DT_GNU_HASH:
		e->gnu_hash = elf_range_of(e, entry->d_un.d_ptr, 0);
		break;
	case DT_HASH:
		e->hash = elf_range_of(e, entry->d_un.d_ptr, 0);
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
		if (elf_peek(e, p->p_offset + i * sizeof(entry), &entry, sizeof(entry)) ||
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
	int err = elf_image_read(&e->image, 0, &e->head, sizeof(e->head));

	if (!err)
		err = elf_head_check(&e->head);
	if (err)
		return err;
	if (e->head.e_phentsize != sizeof(*e->phdrs) || !e->head.e_phnum ||
	    e->head.e_phnum > PHDRS_MAX)
		return -EBADMSG;
	bytes = e->head.e_phnum * sizeof(*e->phdrs);
	e->phdrs = malloc(bytes);
	if (!e->phdrs)
		return -ENOMEM;
	err = elf_image_read(&e->image, e->head.e_phoff, e->phdrs, bytes);
	if (!err)
		dynamic_read(e);
	return err;
}

static int open_through(struct elf_file **out, int fd)
{
	void *room = calloc(1, offsetof(struct elf_file, pages));
	struct elf_file *e = room; /* gcc 14 takes the missing pages for a mistake */
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
	e->look_ms = DEEP_LOOK_MS;
	e->decodes = false;
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

	if (buf && !elf_image_read(&e->image, p->p_offset, buf, p->p_filesz))
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
	err = elf_image_read(&e->image, offset, buf, size);
	return err ? err : (ssize_t)size;
}

ssize_t elf_read_address(struct elf_file *e, uint64_t address, void *buf, size_t size)
{
	struct range range;

	if (e->look)
		return look_read_address(e->look, address, buf, size);
	range = elf_range_of(e, address, 0);
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
static const Elf64_Phdr *elf_code_at(const struct elf_file *e, uint64_t offset)
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
	p = elf_code_at(e, offset);
	return p ? p->p_vaddr + (offset - p->p_offset) : 0;
}

uint64_t elf_section(struct elf_file *e, const char *name)
{
	Elf64_Shdr section;

	if (e->look)
		return look_section(e->look, name);
	return elf_section_by_name(&e->image, &e->head, name, SHT_PROGBITS, &section)
		       ? section.sh_addr
		       : 0;
}

ssize_t elf_read_notes(struct elf_file *e, const char *name, void *buf, size_t size)
{
	Elf64_Shdr section;
	int err;

	if (e->look || !elf_section_by_name(&e->image, &e->head, name, SHT_NOTE, &section))
		return 0;
	if (section.sh_size > size)
		return -E2BIG;
	err = elf_image_read(&e->image, section.sh_offset, buf, section.sh_size);
	return err ? err : (ssize_t)section.sh_size;
}

uint64_t elf_variable_offset(struct elf_file *e, uint64_t address, size_t size)
{
	struct range range = {0};

	if (!e->look)
		range = elf_range_of(e, address, PF_W);
	return range.size >= size ? range.at : 0;
}

int elf_segment(struct elf_file *e, uint64_t offset, uint64_t *start, uint64_t *size)
{
	const Elf64_Phdr *p;

	if (e->look)
		return look_segment(e->look, offset, start, size);
	p = elf_code_at(e, offset);
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
	    elf_peek(e, e->symbols.at + index * sizeof(symbol), &symbol, sizeof(symbol)))
		return n;
	for (size_t i = 0; i < n; i++) {
		size_t bytes = strlen(names[i]) + 1;

		if (bytes > sizeof(text) || bytes > e->strings.size ||
		    symbol.st_name > e->strings.size - bytes ||
		    elf_peek(e, e->strings.at + symbol.st_name, text, bytes))
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

		if (elf_peek(e, table.at + i * sizeof(r), &r, sizeof(r)))
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
		if (elf_peek(e, table.at + i * sizeof(r), &r, sizeof(r)))
			return 0;
		if (r.r_offset != slot || (ELF64_R_TYPE(r.r_info) != R_X86_64_JUMP_SLOT &&
					   ELF64_R_TYPE(r.r_info) != R_X86_64_GLOB_DAT))
			continue;
		index = ELF64_R_SYM(r.r_info);
		if (index >= e->symbols.size / sizeof(symbol) ||
		    elf_peek(e, e->symbols.at + index * sizeof(symbol), &symbol, sizeof(symbol)) ||
		    ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF)
			return 0;
		return symbol.st_value;
	}
	return 0;
}

uint64_t elf_linked(struct elf_file *e, uint64_t slot)
{
	uint64_t address = linked_in(e, e->jumps, slot);

	return address ? address : linked_in(e, e->relocations, slot);
}

int elf_answer(struct elf_file *e, const struct elf_question *question, const void *in, void *out)
{
	if (!e->decodes)
		budget_begin(&e->budget, LOOK_BYTES, CODE_CPU_MS, e->look_ms);
	e->decodes = true;
	return question->answer(e, in, out);
}

int elf_ask(struct elf_file *e, const struct elf_question *question, const void *in, void *out)
{
	int err;

	memset(out, 0, question->out);
	err = e->look ? look_question(e->look, question, in, out)
		      : elf_answer(e, question, in, out);
	if (!err && !question->check(e, in, out)) {
		if (e->look)
			look_distrust(e->look);
		err = -EPROTO;
	}
	if (err)
		memset(out, 0, question->out);
	return err;
}
