/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * row_counter.c - where a copy of SQLite counts the rows that a statement has handed out.
 *
 * Each row makes the cursors' caches stale, by `p->cacheCtr = (p->cacheCtr + 2) | 1`; a reset sets
 * the field to 1.  The field has moved from version to version, but no other code has this form.
 * So the offset is read from the code itself, and no other source is believed.
 */
#include "user/capture/clientlib/row_counter.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define OR_ONE_BYTES 3
#define BACK_MOST    32 /* bytes before that instruction in which the field is loaded */
#define STEPS_MOST   12 /* instructions from the load to the store */

struct counter_instruction {
	ZydisDecodedInstruction is;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/* The last of the four steps that was seen. */
enum counter_stage { LOADED, ADDED, ODD, STORED };

struct match {
	enum counter_stage stage;
	ZydisRegister value, base; /* whole registers */
	int64_t offset;
};

static ZydisRegister row_counter_whole(ZydisRegister reg)
{
	return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
}

static bool is_value(const struct match *m, const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER && operand->size == 32 &&
	       row_counter_whole(operand->reg.value) == m->value;
}

static bool is_number(const ZydisDecodedOperand *operand, int64_t number)
{
	return operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operand->imm.value.s == number;
}

/* Four bytes at base + offset, and nothing else. */
static bool is_field(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->size == 32 &&
	       operand->mem.type == ZYDIS_MEMOP_TYPE_MEM &&
	       operand->mem.index == ZYDIS_REGISTER_NONE &&
	       operand->mem.segment != ZYDIS_REGISTER_FS &&
	       operand->mem.segment != ZYDIS_REGISTER_GS &&
	       operand->mem.base != ZYDIS_REGISTER_NONE &&
	       operand->mem.base != ZYDIS_REGISTER_RIP && operand->mem.base != ZYDIS_REGISTER_RSP;
}

static bool is_load(const struct counter_instruction *in, struct match *m)
{
	const ZydisDecodedOperand *to = &in->operands[0], *from = &in->operands[1];

	if (in->is.mnemonic != ZYDIS_MNEMONIC_MOV || to->type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    !is_field(from))
		return false;
	m->value = row_counter_whole(to->reg.value);
	m->base = from->mem.base;
	m->offset = from->mem.disp.value;
	return m->value != m->base;
}

static bool is_add(const struct counter_instruction *in, const struct match *m)
{
	const ZydisDecodedOperand *to = &in->operands[0], *from = &in->operands[1];

	if (!is_value(m, to))
		return false;
	if (in->is.mnemonic == ZYDIS_MNEMONIC_ADD)
		return is_number(from, 2);
	return in->is.mnemonic == ZYDIS_MNEMONIC_LEA && from->mem.base == m->value &&
	       from->mem.index == ZYDIS_REGISTER_NONE && from->mem.disp.value == 2;
}

static bool is_or(const struct counter_instruction *in, const struct match *m)
{
	return in->is.mnemonic == ZYDIS_MNEMONIC_OR && is_value(m, &in->operands[0]) &&
	       is_number(&in->operands[1], 1);
}

static bool is_store(const struct counter_instruction *in, const struct match *m)
{
	const ZydisDecodedOperand *to = &in->operands[0];

	return in->is.mnemonic == ZYDIS_MNEMONIC_MOV && is_field(to) && to->mem.base == m->base &&
	       to->mem.disp.value == m->offset && is_value(m, &in->operands[1]);
}

/* Whether an instruction in between leaves both registers alone and does not branch. */
static bool is_other(const struct counter_instruction *in, const struct match *m)
{
	if (in->is.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE)
		return false;
	for (size_t i = 0; i < in->is.operand_count; i++) {
		const ZydisDecodedOperand *o = &in->operands[i];

		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (row_counter_whole(o->reg.value) == m->value ||
		    row_counter_whole(o->reg.value) == m->base)
			return false;
	}
	return true;
}

/* Takes one more instruction after the load.  Returns whether the code may still match. */
static bool row_counter_take(struct match *m, const struct counter_instruction *in)
{
	bool (*const wanted[])(const struct counter_instruction *,
			       const struct match *) = {is_add, is_or, is_store};

	if (wanted[m->stage](in, m)) {
		m->stage++;
		return true;
	}
	return is_other(in, m);
}

/* Whether all four steps begin with this instruction. */
static bool counter_begins(const ZydisDecoder *decoder, const uint8_t *code, size_t n,
			   uint32_t *offset)
{
	struct match m = {.stage = LOADED};
	struct counter_instruction in;

	for (unsigned int i = 0; i < STEPS_MOST; i++) {
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, code, n, &in.is, in.operands)))
			return false;
		code += in.is.length;
		n -= in.is.length;
		if (!(i ? row_counter_take(&m, &in) : is_load(&in, &m)))
			return false;
		if (m.stage == STORED)
			break;
	}
	*offset = (uint32_t)m.offset;
	return m.stage == STORED && m.offset >= ROW_COUNTER_LEAST && m.offset <= ROW_COUNTER_MOST &&
	       m.offset % sizeof(uint32_t) == 0;
}

/* Whether the code is `or $1` of any 32-bit register. */
static bool is_or_one(const uint8_t *code)
{
	return code[0] == 0x83 && (code[1] & 0xf8) == 0xc8 && code[2] == 1;
}

int row_counter_find(const uint8_t *code, size_t n, uint32_t *offset)
{
	uint32_t found = 0, here;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (size_t at = 0; at + OR_ONE_BYTES <= n; at++) {
		if (!is_or_one(code + at))
			continue;
		for (size_t back = 1; back <= BACK_MOST && back <= at; back++) {
			if (!counter_begins(&decoder, code + at - back, n - at + back, &here))
				continue;
			if (found && found != here)
				return -EEXIST;
			found = here;
		}
	}
	*offset = found;
	return found ? 0 : -ENOENT;
}
