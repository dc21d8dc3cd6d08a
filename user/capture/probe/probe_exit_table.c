/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_exit_table.c - what registers hold, so far as a jump table can be read.
 */
#include "user/capture/probe/probe_exit.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/probe/probe_exit_state.h"

/* A small number in memory that was compared with a bound. */
struct exit_place {
	ZydisRegister base;
	int64_t at;
	unsigned int bits; /* 0: none */
};

struct exit_known {
	struct value registers[REGISTERS];
	struct value compared_with; /* bound of the last comparison whose flags are still set */
	int compared;		    /* register; -1: a place in memory, -2: nothing */
	struct exit_place compared_place;
	struct exit_place bounded_place; /* the number at this place has the bound `bounded` */
	struct value bounded;
};

/* --- tables of addresses ---------------------------------------------------------------------- */

int exit_number_of(ZydisRegister reg)
{
	ZydisRegister all = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if ((reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) || all < ZYDIS_REGISTER_RAX ||
	    all > ZYDIS_REGISTER_R15)
		return -1;
	return all - ZYDIS_REGISTER_RAX;
}

bool exit_is_register(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       exit_number_of(operand->reg.value) >= 0;
}

static struct value *exit_table_value_of(struct exit_known *k, ZydisRegister reg)
{
	int number = exit_number_of(reg);

	return number < 0 ? NULL : &k->registers[number];
}

static struct exit_place place_of(const ZydisDecodedOperand *operand)
{
	struct exit_place place = {operand->mem.base, operand->mem.disp.value, operand->size};

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    operand->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
	    operand->mem.index != ZYDIS_REGISTER_NONE || exit_number_of(operand->mem.base) < 0)
		place.bits = 0;
	return place;
}

static bool is_same_place(const struct exit_place *a, const struct exit_place *b)
{
	return a->bits && a->bits == b->bits && a->base == b->base && a->at == b->at;
}

static void forget_register(struct exit_known *k, int number)
{
	k->registers[number] = (struct value){0};
	if (k->compared == number)
		k->compared = -2;
	if (exit_number_of(k->bounded_place.base) == number)
		k->bounded_place.bits = 0;
	if (k->compared == -1 && exit_number_of(k->compared_place.base) == number)
		k->compared = -2;
}

static void forget_memory(struct exit_known *k)
{
	k->bounded_place.bits = 0;
	if (k->compared == -1)
		k->compared = -2;
}

/* Forgets all registers, flags and memory that the instruction changes. */
static void forget_changed(struct exit_known *k, const struct instruction *in)
{
	for (unsigned int i = 0; i < in->is.operand_count; i++) {
		const ZydisDecodedOperand *operand = &in->operands[i];

		if (!(operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (exit_is_register(operand))
			forget_register(k, exit_number_of(operand->reg.value));
		else if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY)
			forget_memory(k);
		else if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
			 operand->reg.value == ZYDIS_REGISTER_RFLAGS)
			k->compared = -2;
	}
}

/* Forgets all that a call may change, by the System V ABI. */
static void forget_called(struct exit_known *k)
{
	static const int changed[] = {0, 1, 2, 6, 7, 8, 9, 10, 11};

	for (size_t i = 0; i < COUNT(changed); i++)
		forget_register(k, changed[i]);
	forget_memory(k);
	k->compared = -2;
}

static void know_compare(struct exit_known *k, const struct instruction *in)
{
	const ZydisDecodedOperand *a = &in->operands[0], *b = &in->operands[1];
	struct exit_place place = place_of(a);

	k->compared = -2;
	if (b->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || b->imm.value.s < 0)
		return;
	if (exit_is_register(a))
		k->compared = exit_number_of(a->reg.value);
	else if (place.bits)
		k->compared = -1;
	k->compared_place = place;
	k->compared_with = (struct value){
		.kind = VALUE_BOUND, .most = b->imm.value.u, .since = in->address};
}

/* Learns a bound from a branch that was not taken. */
static void know_bound(struct exit_known *k, bool equal_is_above)
{
	struct value bound = k->compared_with;

	if (k->compared == -2 || (equal_is_above && !bound.most))
		return;
	bound.most -= equal_is_above;
	if (k->compared >= 0) {
		k->registers[k->compared] = bound;
	} else {
		k->bounded_place = k->compared_place;
		k->bounded = bound;
	}
}

/* An entry of a table, at the address base + 4 * index or table + 8 * index. */
static struct value entry_at(struct exit_known *k, const ZydisDecodedOperand *operand)
{
	const struct value *index = exit_table_value_of(k, operand->mem.index);
	const struct value *base = exit_table_value_of(k, operand->mem.base);
	struct value entry = {.base = -1};

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || !index || index->kind != VALUE_BOUND)
		return entry;
	entry.most = index->most;
	entry.since = index->since;
	if (base && base->kind == VALUE_TABLE) {
		entry.base = exit_number_of(operand->mem.base);
		entry.base_since = base->since;
	}
	if (operand->mem.scale == 4 && operand->size == 32 && base && base->kind == VALUE_TABLE &&
	    !operand->mem.disp.value) {
		entry.kind = VALUE_ENTRY;
		entry.distances = true;
		entry.table = base->table;
	} else if (operand->mem.scale == 8 && operand->size == 64 &&
		   operand->mem.base == ZYDIS_REGISTER_NONE && operand->mem.disp.value > 0) {
		entry.kind = VALUE_TARGET;
		entry.table = (uint64_t)operand->mem.disp.value;
	} else if (operand->mem.scale == 8 && operand->size == 64 && base &&
		   base->kind == VALUE_TABLE && !operand->mem.disp.value) {
		entry.kind = VALUE_TARGET;
		entry.table = base->table;
	}
	return entry;
}

static struct value loaded(struct exit_known *k, const struct instruction *in)
{
	const ZydisDecodedOperand *from = &in->operands[1];
	struct value value = entry_at(k, from);
	struct exit_place place = place_of(from);

	if (value.kind != VALUE_NONE)
		return value;
	if (is_same_place(&place, &k->bounded_place))
		return k->bounded;
	if (in->is.mnemonic == ZYDIS_MNEMONIC_MOVZX && from->size == 8)
		return (struct value){.kind = VALUE_BOUND, .most = UINT8_MAX, .since = in->address};
	return value;
}

static struct value moved(struct exit_known *k, const struct instruction *in)
{
	const ZydisDecodedOperand *from = &in->operands[1];
	struct value value = {0};

	if (exit_is_register(from)) {
		value = *exit_table_value_of(k, from->reg.value);
		if (value.kind != VALUE_BOUND && from->size < 64)
			value = (struct value){0};
		if (value.kind == VALUE_NONE && in->is.mnemonic == ZYDIS_MNEMONIC_MOVZX &&
		    from->size == 8)
			value = (struct value){
				.kind = VALUE_BOUND, .most = UINT8_MAX, .since = in->address};
	} else if (from->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		value = loaded(k, in);
	} else if (from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && from->imm.value.s > 0) {
		value = (struct value){
			.kind = VALUE_TABLE, .table = from->imm.value.u, .since = in->address};
	}
	return value;
}

uint64_t exit_relative(const struct instruction *in, const ZydisDecodedOperand *operand)
{
	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || operand->mem.base != ZYDIS_REGISTER_RIP ||
	    operand->mem.index != ZYDIS_REGISTER_NONE)
		return 0;
	return in->address + in->is.length + (uint64_t)operand->mem.disp.value;
}

static struct value lea_value(const struct instruction *in)
{
	uint64_t table = exit_relative(in, &in->operands[1]);

	if (!table)
		return (struct value){0};
	return (struct value){.kind = VALUE_TABLE, .table = table, .since = in->address};
}

static struct value sum(struct exit_known *k, const struct instruction *in)
{
	const struct value *a = exit_table_value_of(k, in->operands[0].reg.value);
	const struct value *b = exit_is_register(&in->operands[1])
					? exit_table_value_of(k, in->operands[1].reg.value)
					: NULL;
	struct value target;

	if (!b || in->operands[0].size != 64)
		return (struct value){0};
	if (a->kind == VALUE_TABLE) {
		const struct value *other = a;

		a = b;
		b = other;
	}
	if (a->kind != VALUE_ENTRY || b->kind != VALUE_TABLE || a->table != b->table)
		return (struct value){0};
	target = *a;
	target.kind = VALUE_TARGET;
	return target;
}

/* The value of the first operand after the instruction. */
static struct value result(struct exit_known *k, const struct instruction *in)
{
	const ZydisDecodedOperand *second = &in->operands[1];

	switch (in->is.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_MOVSXD:
		return moved(k, in);
	case ZYDIS_MNEMONIC_LEA:
		return lea_value(in);
	case ZYDIS_MNEMONIC_ADD:
		return sum(k, in);
	case ZYDIS_MNEMONIC_AND:
		if (second->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && second->imm.value.s >= 0)
			return (struct value){.kind = VALUE_BOUND,
					      .most = second->imm.value.u,
					      .since = in->address};
		break;
	default:
		break;
	}
	return (struct value){0};
}

/* Updates the known values after an instruction, which is no branch or a branch not taken. */
static void know(struct exit_known *k, const struct instruction *in)
{
	struct value value = {0};

	switch (in->is.mnemonic) {
	case ZYDIS_MNEMONIC_CMP:
		know_compare(k, in);
		return;
	case ZYDIS_MNEMONIC_JNBE:
	case ZYDIS_MNEMONIC_JNB:
		know_bound(k, in->is.mnemonic == ZYDIS_MNEMONIC_JNB);
		return;
	default:
		break;
	}
	if (in->is.meta.category == ZYDIS_CATEGORY_CALL) {
		forget_called(k);
		return;
	}
	if (in->is.operand_count >= 2 && exit_is_register(&in->operands[0]) &&
	    in->operands[0].size >= 32)
		value = result(k, in);
	forget_changed(k, in);
	if (value.kind != VALUE_NONE)
		*exit_table_value_of(k, in->operands[0].reg.value) = value;
}

static int read_entry(struct exit_walk *w, const struct value *v, uint64_t i, uint64_t *target)
{
	size_t size = v->distances ? 4 : 8;
	uint8_t bytes[8];
	int32_t distance;

	if (w->of->read(w->of->context, v->table + i * size, bytes, size) != size)
		return -ENOTSUP;
	memcpy(&distance, bytes, sizeof(distance));
	if (v->distances)
		*target = v->table + (uint64_t)(int64_t)distance;
	else
		memcpy(target, bytes, sizeof(*target));
	return 0;
}

static int follow_table(struct exit_walk *w, const struct value *v, uint64_t jump)
{
	uint64_t target;
	int err = 0;

	if (v->kind != VALUE_TARGET || v->most >= TABLE_MOST)
		return -ENOTSUP;
	for (uint64_t i = 0; i <= v->most && !err; i++) {
		err = read_entry(w, v, i, &target);
		if (!err && w->entry_count == ENTRIES_MOST)
			err = -E2BIG;
		if (!err) {
			w->entries[w->entry_count++] = (struct exit_entry){target, jump};
			err = exit_follow(w, target);
		}
	}
	return err;
}

/* An instruction right before this address that goes on to it; NULL: none. */
static const struct step *step_before(struct exit_walk *w, uint64_t address)
{
	for (uint64_t n = 1; n <= ZYDIS_MAX_INSTRUCTION_LENGTH && n <= address; n++) {
		uint32_t at = *exit_slot_of(w, address - n);

		if (at && w->steps[at - 1].length == n && !w->steps[at - 1].stops)
			return &w->steps[at - 1];
	}
	return NULL;
}

/* The start of the instructions that lie right before the jump, up to WAY_MOST of them.  The
 * processor most likely came this way; is_sure checks that later. */
static uint64_t way_to(struct exit_walk *w, uint64_t jump)
{
	const struct step *before;
	uint64_t from = jump;

	for (int i = 0; i < WAY_MOST; i++) {
		before = step_before(w, from);
		if (!before)
			break;
		from = before->address;
	}
	return from;
}

static int resolve(struct exit_walk *w, struct table_jump *jump)
{
	struct exit_known known = {.compared = -2};
	const ZydisDecodedOperand *to;
	struct instruction in;
	int err;

	for (uint64_t at = way_to(w, jump->at); at < jump->at; at += in.is.length) {
		err = exit_decode(w, at, &in);
		if (err)
			return err;
		know(&known, &in);
	}
	err = exit_decode(w, jump->at, &in);
	to = &in.operands[0];
	if (!err && exit_is_register(to))
		jump->by = *exit_table_value_of(&known, to->reg.value);
	else if (!err && to->type == ZYDIS_OPERAND_TYPE_MEMORY)
		jump->by = entry_at(&known, to);
	return err ? err : follow_table(w, &jump->by, jump->at);
}

int exit_resolve_tables(struct exit_walk *w)
{
	int err = 0;

	while (w->resolved < w->table_count && !err)
		err = resolve(w, &w->tables[w->resolved++]);
	return err;
}
