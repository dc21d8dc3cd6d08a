/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pool_code.c - see pool_code.h.
 *
 * Objects/obmalloc.c of CPython 3.9 to 3.14: PyObject_Malloc calls the function to which
 * _PyObject.malloc points, with _PyObject.ctx as its context.  Both pointers stand side by side.
 * The function is _PyObject_Malloc, unless it was replaced.  If no pool of the right size has a
 * free block left, _PyObject_Malloc calls allocate_from_new_pool.  The latter sets the pool's count
 * of blocks to 1, and its size to 0xffff while it carves the pool off.
 */
#include "user/capture/memory/pool_code.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "user/capture/elf/elf_question.h"
#include "user/capture/elf/frame_table.h"
#include "user/capture/memory/pool_code_state.h"

#define COUNT_AT   0 /* struct pool_header */
#define SIZE_AT	   0x24
#define NO_SIZE	   0xffff
#define SMALL_MOST 512 /* larger blocks have no pool: callers of the function check that */

/* --- what an exported function reads ---------------------------------------------------------- */

/* The number of a general register, 0 to 15; -1: another register. */
static int pool_code_number_of(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	return whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15
		       ? (int)(whole - ZYDIS_REGISTER_RAX)
		       : -1;
}

/* Finds where in memory an operand is.  False: no memory, or the place depends on the call. */
static bool address_of(const struct pool_reading *r, const struct pool_instruction *in,
		       const ZydisDecodedOperand *operand, uint64_t *address)
{
	int base = pool_code_number_of(operand->mem.base);

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    operand->mem.index != ZYDIS_REGISTER_NONE ||
	    operand->mem.segment == ZYDIS_REGISTER_FS || operand->mem.segment == ZYDIS_REGISTER_GS)
		return false;
	*address = (uint64_t)operand->mem.disp.value;
	if (operand->mem.base == ZYDIS_REGISTER_RIP)
		*address += in->next;
	else if (base >= 0 && r->registers[base].known)
		*address += r->registers[base].value;
	else
		return operand->mem.base == ZYDIS_REGISTER_NONE;
	return true;
}

static void note_load(struct pool_reading *r, uint64_t address)
{
	if (r->count < LOADS_MOST)
		r->loads[r->count++] = address;
}

void pool_code_note_jump(struct pool_reading *r, const struct pool_instruction *in)
{
	uint64_t address;

	if (in->is.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE &&
	    address_of(r, in, &in->operands[0], &address))
		note_load(r, address);
}

/* The word of the process's memory at this address.  False: it is not known. */
static bool word_at(struct pool_finder *f, uint64_t address, uint64_t *value)
{
	for (size_t i = 0; i < f->word_count; i++)
		if (f->words[i].address == address) {
			*value = f->words[i].value;
			return f->words[i].is_read;
		}
	f->lacks = true;
	f->lacked = address;
	return false;
}

void pool_code_follow(struct pool_reading *r, struct pool_finder *f,
		      const struct pool_instruction *in)
{
	const ZydisDecodedOperand *to = &in->operands[0], *from = &in->operands[1];
	bool loads = in->is.mnemonic == ZYDIS_MNEMONIC_MOV && from->size == 64;
	bool takes = in->is.mnemonic == ZYDIS_MNEMONIC_LEA, known;
	int target = to->type == ZYDIS_OPERAND_TYPE_REGISTER ? pool_code_number_of(to->reg.value)
							     : -1;
	uint64_t value = 0;

	known = in->is.operand_count > 1 && (loads || takes) && address_of(r, in, from, &value);
	if (known && loads) {
		note_load(r, value);
		known = word_at(f, value, &value);
	}
	for (size_t i = 0; i < in->is.operand_count; i++) {
		const ZydisDecodedOperand *o = &in->operands[i];

		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    pool_code_number_of(o->reg.value) >= 0 &&
		    o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			r->registers[pool_code_number_of(o->reg.value)].known = false;
	}
	if (known && target >= 0 && to->size == 64) {
		r->registers[target].known = true;
		r->registers[target].value = value;
	}
}

bool pool_code_pair_in(const struct pool_reading *r, uint64_t *address)
{
	for (size_t i = 0; i < r->count; i++)
		for (size_t k = 0; k < r->count; k++)
			if (r->loads[k] == r->loads[i] + 8) {
				*address = r->loads[i];
				return true;
			}
	return false;
}

bool pool_code_decode(const struct pool_finder *f, size_t at, uint64_t start,
		      struct pool_instruction *in)
{
	if (at >= f->size ||
	    !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&f->decoder, f->code + at, f->size - at, &in->is,
						 in->operands)))
		return false;
	in->next = start + at + in->is.length;
	return true;
}

static int slot_answer(struct elf_file *elf, const void *in, void *out)
{
	const struct slot_search *search = in;
	struct pool_finder f = {.elf = elf, .words = search->words, .word_count = search->count};
	uint64_t start = elf_code_address(elf, search->function.offset) + search->bias;
	struct slot_answer *answer = out;
	struct pool_reading r = {};
	struct pool_instruction here;
	ssize_t n = elf_read(elf, search->function.offset, f.code, sizeof(f.code));

	ZydisDecoderInit(&f.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	f.size = n < 0 ? 0 : (size_t)n;
	if (search->function.size && search->function.size < f.size)
		f.size = search->function.size;
	for (size_t i = 0, at = 0; i < ENTRY_MOST && pool_code_decode(&f, at, start, &here); i++) {
		pool_code_note_jump(&r, &here);
		pool_code_follow(&r, &f, &here);
		if (pool_code_pair_in(&r, &answer->address))
			return 0;
		if (f.lacks) {
			*answer = (struct slot_answer){f.lacked, 1};
			return 0;
		}
		at += here.is.length;
	}
	return -ENOTSUP;
}

/* Each word is asked for once.  Any address may be read: where there is no memory, the read fails.
 */
static bool slot_check(struct elf_file *elf, const void *in, const void *out)
{
	const struct slot_search *search = in;
	const struct slot_answer *answer = out;

	(void)elf;
	for (uint64_t i = 0; answer->lacks && i < search->count; i++)
		if (search->words[i].address == answer->address)
			return false;
	return answer->lacks <= 1;
}

const struct elf_question pool_slot_question = {
	sizeof(struct slot_search),
	sizeof(struct slot_answer),
	slot_answer,
	slot_check,
};

/* Finds where the allocator stands that an exported function calls, and reads the process's memory
 * for the worker that looks for it.  0; -ENOTSUP; or another -errno. */
static int slot_of(struct elf_file *elf, uint64_t bias, const struct memory *m,
		   const struct elf_symbol *function, uint64_t *slot)
{
	struct slot_search search = {.function = *function, .bias = bias};

	for (;;) {
		struct slot_answer answer;
		struct pool_word *word;
		int err = elf_ask(elf, &pool_slot_question, &search, &answer);

		if (err)
			return err;
		if (!answer.lacks) {
			*slot = answer.address;
			return 0;
		}
		if (search.count == ENTRY_MOST)
			return -ENOTSUP;
		word = &search.words[search.count++];
		word->address = answer.address;
		word->is_read = !memory_u64(m, word->address, &word->value);
	}
}

/* --- the function that takes pools ------------------------------------------------------------ */

/* Reads all of a function's code.  False: none begins there, or it is too long. */
static bool read_function(struct pool_finder *f, uint64_t address)
{
	uint32_t size = frame_table_size(&f->functions, address);

	f->size = 0;
	if (!size || size > sizeof(f->code) ||
	    elf_read_address(f->elf, address, f->code, size) != (ssize_t)size)
		return false;
	f->size = size;
	return true;
}

/* Whether the instruction writes that number, as four bytes, so far behind a pointer. */
static bool writes(const struct pool_instruction *in, int64_t number, int64_t offset)
{
	const ZydisDecodedOperand *to = &in->operands[0], *from = &in->operands[1];

	return in->is.mnemonic == ZYDIS_MNEMONIC_MOV && to->type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       to->size == 32 && to->mem.disp.value == offset &&
	       to->mem.index == ZYDIS_REGISTER_NONE && to->mem.base != ZYDIS_REGISTER_RSP &&
	       pool_code_number_of(to->mem.base) >= 0 &&
	       from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && from->imm.value.s == number;
}

static bool asks_for_size(const struct pool_instruction *in)
{
	const ZydisDecodedOperand *with = &in->operands[1];

	return in->is.mnemonic == ZYDIS_MNEMONIC_CMP &&
	       with->type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
	       (with->imm.value.s == SMALL_MOST || with->imm.value.s == SMALL_MOST - 1);
}

bool pool_code_is_taker(const struct pool_finder *f)
{
	bool counts = false, carves = false;
	struct pool_instruction in;
	size_t at = 0;

	for (; at < f->size && pool_code_decode(f, at, 0, &in); at += in.is.length) {
		if (asks_for_size(&in))
			return false;
		counts |= writes(&in, 1, COUNT_AT);
		carves |= writes(&in, NO_SIZE, SIZE_AT);
	}
	return at == f->size && counts && carves;
}

#define CALLEES_MOST 32

/* Lists the functions that the one at that address calls directly.  Returns how many. */
static size_t callees(struct pool_finder *f, uint64_t address, uint64_t found[CALLEES_MOST])
{
	struct pool_instruction in;
	size_t n = 0;

	if (!read_function(f, address))
		return 0;
	for (size_t at = 0; n < CALLEES_MOST && pool_code_decode(f, at, address, &in);
	     at += in.is.length)
		if (in.is.mnemonic == ZYDIS_MNEMONIC_CALL &&
		    in.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			found[n++] = in.next + (uint64_t)in.operands[0].imm.value.s;
	return n;
}

static int offset_of(const struct pool_finder *f, uint64_t address, uint64_t *offset)
{
	uint64_t code_offset, code_address;

	if (elf_code(f->elf, &code_offset, &code_address))
		return -ENOTSUP;
	*offset = address - code_address + code_offset;
	return elf_code_address(f->elf, *offset) == address ? 0 : -ENOTSUP;
}

static int find_taker(struct pool_finder *f, uint64_t allocator, uint64_t *offset)
{
	uint64_t called[CALLEES_MOST];
	size_t n = callees(f, allocator, called);

	for (size_t i = 0; i < n; i++)
		if (read_function(f, called[i]) && pool_code_is_taker(f))
			return offset_of(f, called[i], offset);
	return -ENOTSUP;
}

/* From the address of the allocator to the offset of the function. */
static int taker_answer(struct elf_file *elf, const void *in, void *out)
{
	uint64_t allocator = *(const uint64_t *)in;
	struct pool_finder f = {.elf = elf};

	if (frame_table_open(&f.functions, elf))
		return -ENOTSUP;
	if (!frame_table_size(&f.functions, allocator))
		return -EPERM;
	ZydisDecoderInit(&f.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return find_taker(&f, allocator, out);
}

static bool taker_check(struct elf_file *elf, const void *in, const void *out)
{
	uint64_t start, size;

	(void)in;
	return !elf_segment(elf, *(const uint64_t *)out, &start, &size);
}

const struct elf_question pool_taker_question = {
	sizeof(uint64_t),
	sizeof(uint64_t),
	taker_answer,
	taker_check,
};

/* Finds the allocator that the process has now.  -EPERM: not Python's own. */
static int allocator_of(struct elf_file *elf, uint64_t bias, const struct memory *m,
			const struct elf_symbol found[2], uint64_t *address)
{
	uint64_t slot, raw_slot, raw_address, context;
	int err = slot_of(elf, bias, m, &found[0], &slot);

	if (!err)
		err = slot_of(elf, bias, m, &found[1], &raw_slot);
	if (!err)
		err = memory_u64(m, slot, &context);
	if (!err)
		err = memory_u64(m, slot + 8, address);
	if (!err)
		err = memory_u64(m, raw_slot + 8, &raw_address);
	if (err)
		return err;
	return context || *address == raw_address ? -EPERM : 0;
}

int pool_code_find(struct elf_file *elf, uint64_t bias, const struct memory *m, uint64_t *offset)
{
	static const char *const names[] = {"PyObject_Malloc", "PyMem_RawMalloc"};
	struct elf_symbol found[2] = {};
	uint64_t allocator;
	int err;

	if (elf_find(elf, names, 2, false, found) != 2 || !found[0].offset || !found[1].offset)
		return -ENOENT;
	err = allocator_of(elf, bias, m, found, &allocator);
	if (err)
		return err;
	allocator -= bias;
	return elf_ask(elf, &pool_taker_question, &allocator, offset);
}
