/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * usdt.c - see usdt.h.
 */
#include "user/capture/probe/usdt.h"

#include <Zydis/Zydis.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/elf/elf_question.h"
#include "user/capture/elf/frame_table.h"
#include "user/capture/probe/usdt_state.h"

#define NOTES_BYTES    (1UL << 20) /* libjvm.so, with most probes of all, has 60 KB */
#define NOTE_TYPE      3	   /* of systemtap's sys/sdt.h, as the layout below */
#define FUNCTION_BYTES 65536
#define CODES	       16
#define NOP	       0x90
#define SEMAPHORE      2

/* --- arguments -------------------------------------------------------------------------------- */

static const char *const registers[USDT_REGISTERS][4] = {
	{"rax", "eax", "ax", "al"},	 {"rcx", "ecx", "cx", "cl"},
	{"rdx", "edx", "dx", "dl"},	 {"rbx", "ebx", "bx", "bl"},
	{"rsp", "esp", "sp", "spl"},	 {"rbp", "ebp", "bp", "bpl"},
	{"rsi", "esi", "si", "sil"},	 {"rdi", "edi", "di", "dil"},
	{"r8", "r8d", "r8w", "r8b"},	 {"r9", "r9d", "r9w", "r9b"},
	{"r10", "r10d", "r10w", "r10b"}, {"r11", "r11d", "r11w", "r11b"},
	{"r12", "r12d", "r12w", "r12b"}, {"r13", "r13d", "r13w", "r13b"},
	{"r14", "r14d", "r14w", "r14b"}, {"r15", "r15d", "r15w", "r15b"},
};

static bool take_letter(const char **words, char letter)
{
	bool there = **words == letter;

	*words += there;
	return there;
}

/* Moves past a register's name; whole: only its 64 bits may serve, as for an address. */
static bool take_register(const char **words, bool whole, uint8_t *number)
{
	size_t length;

	if (**words != '%')
		return false;
	length = strcspn(*words + 1, " )");
	for (uint8_t i = 0; i < USDT_REGISTERS; i++)
		for (size_t w = 0; w < (whole ? 1 : 4); w++)
			if (strlen(registers[i][w]) == length &&
			    !memcmp(registers[i][w], *words + 1, length)) {
				*words += 1 + length;
				*number = i;
				return true;
			}
	return false;
}

static bool take_number(const char **words, int64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoll(*words, &end, 0);
	if (errno || end == *words)
		return false;
	*words = end;
	return true;
}

static bool take_size(const char **words, uint8_t *size)
{
	int64_t bytes;

	if (!take_number(words, &bytes) || !take_letter(words, '@'))
		return false;
	bytes = bytes < 0 && bytes >= -8 ? -bytes : bytes; /* a signed one */
	*size = (uint8_t)bytes;
	return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

static enum usdt_how take_operand(const char **words, struct usdt_place *out)
{
	if (take_letter(words, '$'))
		return take_number(words, &out->value) ? USDT_CONSTANT : USDT_UNKNOWN;
	if (**words == '%')
		return take_register(words, false, &out->base) ? USDT_REGISTER : USDT_UNKNOWN;
	if (**words != '(' && !take_number(words, &out->value))
		return USDT_UNKNOWN;
	if (!take_letter(words, '(') || !take_register(words, true, &out->base) ||
	    !take_letter(words, ')') || out->value < INT32_MIN || out->value > INT32_MAX)
		return USDT_UNKNOWN;
	return USDT_MEMORY;
}

void usdt_argument(const char *words, struct usdt_place *out)
{
	enum usdt_how how = USDT_UNKNOWN;

	out->value = 0;
	out->base = out->size = 0;
	if (take_size(&words, &out->size))
		how = take_operand(&words, out);
	if (*words && *words != ' ')
		how = USDT_UNKNOWN;
	out->how = (uint8_t)how;
	if (how != USDT_UNKNOWN)
		return;
	out->value = 0;
	out->base = out->size = 0;
}

/* --- the worker's side ------------------------------------------------------------------------ */

struct usdt_note {
	uint64_t address, base, semaphore;
	const char *provider, *name, *arguments;
};

/* Moves past a text that ends within the bytes left; NULL: none does. */
static const char *take_note_text(const uint8_t **at, size_t *left)
{
	const uint8_t *text = *at, *end = memchr(text, '\0', *left);

	if (!end)
		return NULL;
	*left -= (size_t)(end + 1 - text);
	*at = end + 1;
	return (const char *)text;
}

static bool read_note(const uint8_t *at, size_t size, struct usdt_note *out)
{
	const size_t numbers = 3 * sizeof(uint64_t);

	if (size < numbers)
		return false;
	memcpy(&out->address, at, sizeof(uint64_t));
	memcpy(&out->base, at + sizeof(uint64_t), sizeof(uint64_t));
	memcpy(&out->semaphore, at + 2 * sizeof(uint64_t), sizeof(uint64_t));
	at += numbers;
	size -= numbers;
	out->provider = take_note_text(&at, &size);
	out->name = out->provider ? take_note_text(&at, &size) : NULL;
	out->arguments = out->name ? take_note_text(&at, &size) : NULL;
	return out->arguments;
}

static bool is_wanted(const struct usdt_wish *wish, const struct usdt_note *note)
{
	return !strcmp(note->provider, wish->provider) && !strcmp(note->name, wish->name);
}

/* Is the address that of a one-byte NOP, counted from the start of its function, instruction by
 * instruction?  The kernel emulates it, and nothing jumps into the middle of it. */
static bool is_nop(struct elf_file *elf, uint64_t address)
{
	uint8_t code[FUNCTION_BYTES];
	ZydisDecodedInstruction is;
	struct frame_table table;
	ZydisDecoder decoder;
	uint64_t start, at;
	uint32_t size;

	if (frame_table_open(&table, elf) || frame_table_around(&table, address, &start, &size) ||
	    size > sizeof(code) || elf_read_address(elf, start, code, size) != (ssize_t)size)
		return false;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (at = 0; at < address - start; at += is.length)
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code + at,
								size - at, &is)))
			return false;
	return at == address - start && code[at] == NOP;
}

static uint64_t offset_of_code(struct elf_file *elf, uint64_t address)
{
	struct elf_code codes[CODES];
	size_t n = elf_codes(elf, codes, CODES);

	for (size_t i = 0; i < n; i++)
		if (address >= codes[i].address && address - codes[i].address < codes[i].size)
			return codes[i].offset + (address - codes[i].address);
	return 0;
}

static bool is_among(const struct usdt_places *places, uint64_t offset)
{
	for (uint32_t i = 0; i < places->count; i++)
		if (places->all[i].offset == offset)
			return true;
	return false;
}

/* A prelinked file has moved since its notes were written: the section tells how far. */
static int add_place(struct elf_file *elf, const struct usdt_note *note, struct usdt_places *out)
{
	uint64_t base = elf_section(elf, ".stapsdt.base"), moved = base ? base - note->base : 0;
	uint64_t offset = offset_of_code(elf, note->address + moved);
	struct usdt_place *p = &out->all[out->count];

	if (is_among(out, offset))
		return 0;
	if (out->count == USDT_PLACES_MOST)
		return -E2BIG;
	if (!offset || !is_nop(elf, note->address + moved))
		return -ENOTSUP;
	p->offset = offset;
	if (note->semaphore) {
		p->semaphore = elf_variable_offset(elf, note->semaphore + moved, SEMAPHORE);
		if (!p->semaphore || p->semaphore % SEMAPHORE)
			return -ENOTSUP;
	}
	usdt_argument(note->arguments, p);
	out->count++;
	return 0;
}

static size_t aligned(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

static int look_through_notes(struct elf_file *elf, const uint8_t *bytes, size_t size,
			      const struct usdt_wish *wish, struct usdt_places *out)
{
	static const char owner[] = "stapsdt";
	struct usdt_note note;
	Elf64_Nhdr head;
	int err = 0;

	for (size_t at = 0; !err && size - at >= sizeof(head);) {
		size_t left = size - at - sizeof(head);
		const uint8_t *name = bytes + at + sizeof(head);

		memcpy(&head, bytes + at, sizeof(head));
		if (aligned(head.n_namesz) > left ||
		    aligned(head.n_descsz) > left - aligned(head.n_namesz))
			break;
		if (head.n_type == NOTE_TYPE && head.n_namesz == sizeof(owner) &&
		    !memcmp(name, owner, sizeof(owner)) &&
		    read_note(name + aligned(head.n_namesz), head.n_descsz, &note) &&
		    is_wanted(wish, &note))
			err = add_place(elf, &note, out);
		at += sizeof(head) + aligned(head.n_namesz) + aligned(head.n_descsz);
	}
	return err ? err : out->count ? 0 : -ENOENT;
}

static int usdt_answer(struct elf_file *elf, const void *in, void *out)
{
	uint8_t *bytes = malloc(NOTES_BYTES);
	ssize_t got;
	int err;

	if (!bytes)
		return -ENOMEM;
	got = elf_read_notes(elf, ".note.stapsdt", bytes, NOTES_BYTES);
	err = got < 0 ? (int)got : look_through_notes(elf, bytes, (size_t)got, in, out);
	free(bytes);
	return err;
}

/* --- the asking side -------------------------------------------------------------------------- */

/* The kernel writes to a private, writable mapping of the file alone, whatever its semaphore is
 * said to be.  Code is mapped so while a debugger changes it: there nothing may be counted. */
static bool makes_sense(struct elf_file *elf, const struct usdt_place *p)
{
	uint64_t start, size;

	if (elf_segment(elf, p->offset, &start, &size) || p->how > USDT_MEMORY ||
	    p->base >= USDT_REGISTERS)
		return false;
	if (p->semaphore && (p->semaphore % SEMAPHORE || p->semaphore > INT64_MAX ||
			     !elf_segment(elf, p->semaphore, &start, &size)))
		return false;
	if (p->how == USDT_MEMORY && (p->value < INT32_MIN || p->value > INT32_MAX))
		return false;
	return p->how == USDT_UNKNOWN || p->size == 1 || p->size == 2 || p->size == 4 ||
	       p->size == 8;
}

static bool usdt_check(struct elf_file *elf, const void *in, const void *out)
{
	const struct usdt_places *a = out;

	(void)in;
	if (!a->count || a->count > USDT_PLACES_MOST)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		if (!makes_sense(elf, &a->all[i]))
			return false;
		for (uint32_t k = 0; k < i; k++)
			if (a->all[k].offset == a->all[i].offset)
				return false;
	}
	return true;
}

const struct elf_question usdt_question = {
	sizeof(struct usdt_wish),
	sizeof(struct usdt_places),
	usdt_answer,
	usdt_check,
};

int usdt_find(struct elf_file *elf, const char *provider, const char *name, struct usdt_places *out)
{
	struct usdt_wish wish = {};

	strncpy(wish.provider, provider, sizeof(wish.provider) - 1);
	strncpy(wish.name, name, sizeof(wish.name) - 1);
	return elf_ask(elf, &usdt_question, &wish, out);
}
