/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_exit.c - see probe_exit.h.
 *
 * Why no return probe
 *
 * A return probe of the kernel replaces the return address on the stack.  The kernel keeps the real
 * address in a list of the thread, last in, first out.  Two kinds of programs break that order.
 * The first kind switches stacks inside the call (a coroutine, a fiber, a greenlet).  The second
 * kind leaves the call in another way (an exception, longjmp, a cancelled thread).  The kernel then
 * kills the program with SIGILL, or the program's unwinder finds an unknown address and gives up.
 * An ordinary probe on the instructions that end the function changes only their first byte.
 *
 * Instructions that may be probed
 *
 * A breakpoint must lie on the first byte of an instruction, or the processor runs other code.  So
 * this file does not search for bytes that look like a return.  It walks from the entry,
 * instruction by instruction, along every branch, and no two instructions may overlap.  Where a
 * function jumps through a table of addresses, the code before the jump must show the table and its
 * length.  A function with a jump that cannot be followed, or with bytes that are no instructions,
 * is refused as a whole.  To miss the end of a call would be worse than not to probe the function.
 *
 * If the last call of a function was compiled to a jump (a tail call), the ends of the other
 * function are its own ends: the return address lies at the same place.  Direct calls of the other
 * function reach these ends too, and the BPF program must tell them apart (shared).  The code after
 * a call that never returns (abort, an exception) is walked all the same.  Such code is another
 * part of the function, or belongs to the function behind it, whose calls are then not ours.
 */
#include "user/capture/probe/probe_exit.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MOST   16384 /* instructions of a function, with all parts */
#define SLOTS	     (2 * STEPS_MOST)
#define WINDOW	     4096 /* bytes of code to read at a time */
#define TABLE_MOST   1024 /* addresses in a table */
#define TABLES_MOST  64
#define ENTRIES_MOST 4096
#define WAY_MOST     64	  /* instructions to look at before a jump through a table */
#define OUTSIDE_MOST 4096 /* instructions outside of the function itself */
#define REGISTERS    16
#define COVER_MOST   64 /* instructions to look at before a return */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct instruction {
	ZydisDecodedInstruction is;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	uint64_t address;
};

struct step {
	uint64_t address;
	uint64_t target; /* address that a branch leads to; 0: none */
	uint64_t loads;	 /* address that the step loads into a register (lea); 0: none */
	uint16_t writes; /* bits: registers */
	uint8_t length;
	bool calls;
	bool stops; /* the processor does not go on behind this instruction */
	bool ends;  /* a return: the call of the function ends */
};

/* The known content of a register.  Valid only if no branch leads into the middle of the way. */
enum value_kind {
	VALUE_NONE,
	VALUE_BOUND,  /* a number from 0 to most */
	VALUE_TABLE,  /* the address of a table */
	VALUE_ENTRY,  /* an entry of a table, a distance from the table's address */
	VALUE_TARGET, /* a target address from a table */
};

struct value {
	enum value_kind kind;
	bool distances; /* entries have 4 bytes and are distances from the table; else addresses */
	uint64_t table;
	uint64_t most;	/* highest index of an entry */
	uint64_t since; /* address of the instruction that showed the bound or loaded the table */
	/* For an entry or a target: the register that held the table (-1: none), and its since. */
	int base;
	uint64_t base_since;
};

/* A small number in memory that was compared with a bound. */
struct place {
	ZydisRegister base;
	int64_t at;
	unsigned int bits; /* 0: none */
};

struct known {
	struct value registers[REGISTERS];
	struct value compared_with; /* bound of the last comparison whose flags are still set */
	int compared;		    /* register; -1: a place in memory, -2: nothing */
	struct place compared_place;
	struct place bounded_place; /* the number at this place has the bound `bounded` */
	struct value bounded;
};

/* A jump through a table.  The instructions from the one that bounds the index to the jump must be
 * entered only at the first, and only with this table. */
struct table_jump {
	uint64_t at;
	struct value by;
};

struct entry {
	uint64_t to, jump; /* the target, and the jump that leads to it */
};

struct edge {
	uint64_t to;
	uint32_t from; /* index of a step */
};

struct walk {
	const struct probe_function *of;
	ZydisDecoder decoder;
	size_t count, outside, pending_count, table_count;
	struct step steps[STEPS_MOST];
	uint32_t slots[SLOTS]; /* 1 + the index of a step, by its address */
	uint64_t pending[STEPS_MOST];
	struct table_jump tables[TABLES_MOST];
	struct entry entries[ENTRIES_MOST]; /* of all tables */
	size_t entry_count;
	size_t resolved;				  /* number of tables resolved so far */
	struct edge edges[2 * STEPS_MOST + ENTRIES_MOST]; /* sorted by their targets */
	size_t edge_count;
	bool visited[STEPS_MOST];
	uint64_t window_at;
	size_t window_bytes;
	uint8_t window[WINDOW];
};

/* --- bytes and instructions ------------------------------------------------------------------- */

static const uint8_t *bytes_at(struct walk *w, uint64_t address, size_t *n)
{
	uint64_t most = w->of->end - address;

	if (address < w->of->first || address >= w->of->end)
		return NULL;
	if (address < w->window_at || address - w->window_at >= w->window_bytes ||
	    w->window_bytes - (address - w->window_at) < ZYDIS_MAX_INSTRUCTION_LENGTH) {
		w->window_at = address;
		w->window_bytes = w->of->read(w->of->context, address, w->window,
					      most < WINDOW ? most : WINDOW);
	}
	*n = w->window_bytes - (address - w->window_at);
	return *n ? w->window + (address - w->window_at) : NULL;
}

static int decode(struct walk *w, uint64_t address, struct instruction *out)
{
	ZydisDecoderContext context;
	size_t n = 0;
	const uint8_t *code = bytes_at(w, address, &n);

	out->address = address;
	if (!code ||
	    !ZYAN_SUCCESS(
		    ZydisDecoderDecodeInstruction(&w->decoder, &context, code, n, &out->is)) ||
	    !ZYAN_SUCCESS(ZydisDecoderDecodeOperands(&w->decoder, &context, &out->is, out->operands,
						     out->is.operand_count)))
		return -EBADMSG;
	return 0;
}

static uint32_t *slot_of(struct walk *w, uint64_t address)
{
	size_t at = (address * 0x9e3779b97f4a7c15ULL) >> 32;

	for (;; at++) {
		uint32_t *slot = &w->slots[at % SLOTS];

		if (!*slot || w->steps[*slot - 1].address == address)
			return slot;
	}
}

static bool is_inside(const struct probe_function *f, uint64_t address)
{
	return f->size && address >= f->entry && address - f->entry < f->size;
}

/* 0, or -E2BIG. */
static int step_add(struct walk *w, const struct step *step)
{
	if (w->count == STEPS_MOST)
		return -E2BIG;
	if (!is_inside(w->of, step->address) && w->of->size && ++w->outside > OUTSIDE_MOST)
		return -E2BIG;
	w->steps[w->count++] = *step;
	*slot_of(w, step->address) = (uint32_t)w->count;
	return 0;
}

/* Notes that the function also goes on at this address. */
static int follow(struct walk *w, uint64_t address)
{
	if (address < w->of->first || address >= w->of->end)
		return -ENOTSUP;
	if (*slot_of(w, address))
		return 0;
	if (w->pending_count == STEPS_MOST)
		return -E2BIG;
	w->pending[w->pending_count++] = address;
	return 0;
}

/* --- tables of addresses ---------------------------------------------------------------------- */

/* The processor's number of a general register; -1: another register, or AH, BH, CH or DH. */
static int number_of(ZydisRegister reg)
{
	ZydisRegister all = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if ((reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) || all < ZYDIS_REGISTER_RAX ||
	    all > ZYDIS_REGISTER_R15)
		return -1;
	return all - ZYDIS_REGISTER_RAX;
}

static bool is_register(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER && number_of(operand->reg.value) >= 0;
}

static struct value *value_of(struct known *k, ZydisRegister reg)
{
	int number = number_of(reg);

	return number < 0 ? NULL : &k->registers[number];
}

static struct place place_of(const ZydisDecodedOperand *operand)
{
	struct place place = {operand->mem.base, operand->mem.disp.value, operand->size};

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    operand->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
	    operand->mem.index != ZYDIS_REGISTER_NONE || number_of(operand->mem.base) < 0)
		place.bits = 0;
	return place;
}

static bool is_same_place(const struct place *a, const struct place *b)
{
	return a->bits && a->bits == b->bits && a->base == b->base && a->at == b->at;
}

static void forget_register(struct known *k, int number)
{
	k->registers[number] = (struct value){0};
	if (k->compared == number)
		k->compared = -2;
	if (number_of(k->bounded_place.base) == number)
		k->bounded_place.bits = 0;
	if (k->compared == -1 && number_of(k->compared_place.base) == number)
		k->compared = -2;
}

static void forget_memory(struct known *k)
{
	k->bounded_place.bits = 0;
	if (k->compared == -1)
		k->compared = -2;
}

/* Forgets all registers, flags and memory that the instruction changes. */
static void forget_changed(struct known *k, const struct instruction *in)
{
	for (unsigned int i = 0; i < in->is.operand_count; i++) {
		const ZydisDecodedOperand *operand = &in->operands[i];

		if (!(operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (is_register(operand))
			forget_register(k, number_of(operand->reg.value));
		else if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY)
			forget_memory(k);
		else if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
			 operand->reg.value == ZYDIS_REGISTER_RFLAGS)
			k->compared = -2;
	}
}

/* Forgets all that a call may change, by the System V ABI. */
static void forget_called(struct known *k)
{
	static const int changed[] = {0, 1, 2, 6, 7, 8, 9, 10, 11};

	for (size_t i = 0; i < COUNT(changed); i++)
		forget_register(k, changed[i]);
	forget_memory(k);
	k->compared = -2;
}

static void know_compare(struct known *k, const struct instruction *in)
{
	const ZydisDecodedOperand *a = &in->operands[0], *b = &in->operands[1];
	struct place place = place_of(a);

	k->compared = -2;
	if (b->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || b->imm.value.s < 0)
		return;
	if (is_register(a))
		k->compared = number_of(a->reg.value);
	else if (place.bits)
		k->compared = -1;
	k->compared_place = place;
	k->compared_with = (struct value){
		.kind = VALUE_BOUND, .most = b->imm.value.u, .since = in->address};
}

/* Learns a bound from a branch that was not taken. */
static void know_bound(struct known *k, bool equal_is_above)
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
static struct value entry_at(struct known *k, const ZydisDecodedOperand *operand)
{
	const struct value *index = value_of(k, operand->mem.index);
	const struct value *base = value_of(k, operand->mem.base);
	struct value entry = {.base = -1};

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || !index || index->kind != VALUE_BOUND)
		return entry;
	entry.most = index->most;
	entry.since = index->since;
	if (base && base->kind == VALUE_TABLE) {
		entry.base = number_of(operand->mem.base);
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

static struct value loaded(struct known *k, const struct instruction *in)
{
	const ZydisDecodedOperand *from = &in->operands[1];
	struct value value = entry_at(k, from);
	struct place place = place_of(from);

	if (value.kind != VALUE_NONE)
		return value;
	if (is_same_place(&place, &k->bounded_place))
		return k->bounded;
	if (in->is.mnemonic == ZYDIS_MNEMONIC_MOVZX && from->size == 8)
		return (struct value){.kind = VALUE_BOUND, .most = UINT8_MAX, .since = in->address};
	return value;
}

static struct value moved(struct known *k, const struct instruction *in)
{
	const ZydisDecodedOperand *from = &in->operands[1];
	struct value value = {0};

	if (is_register(from)) {
		value = *value_of(k, from->reg.value);
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

/* The address that an operand names relative to the instruction (rip); 0: none. */
static uint64_t relative(const struct instruction *in, const ZydisDecodedOperand *operand)
{
	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || operand->mem.base != ZYDIS_REGISTER_RIP ||
	    operand->mem.index != ZYDIS_REGISTER_NONE)
		return 0;
	return in->address + in->is.length + (uint64_t)operand->mem.disp.value;
}

static struct value lea_value(const struct instruction *in)
{
	uint64_t table = relative(in, &in->operands[1]);

	if (!table)
		return (struct value){0};
	return (struct value){.kind = VALUE_TABLE, .table = table, .since = in->address};
}

static struct value sum(struct known *k, const struct instruction *in)
{
	const struct value *a = value_of(k, in->operands[0].reg.value);
	const struct value *b = is_register(&in->operands[1])
					? value_of(k, in->operands[1].reg.value)
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
static struct value result(struct known *k, const struct instruction *in)
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
static void know(struct known *k, const struct instruction *in)
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
	if (in->is.operand_count >= 2 && is_register(&in->operands[0]) &&
	    in->operands[0].size >= 32)
		value = result(k, in);
	forget_changed(k, in);
	if (value.kind != VALUE_NONE)
		*value_of(k, in->operands[0].reg.value) = value;
}

static int read_entry(struct walk *w, const struct value *v, uint64_t i, uint64_t *target)
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

static int follow_table(struct walk *w, const struct value *v, uint64_t jump)
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
			w->entries[w->entry_count++] = (struct entry){target, jump};
			err = follow(w, target);
		}
	}
	return err;
}

/* An instruction right before this address that goes on to it; NULL: none. */
static const struct step *step_before(struct walk *w, uint64_t address)
{
	for (uint64_t n = 1; n <= ZYDIS_MAX_INSTRUCTION_LENGTH && n <= address; n++) {
		uint32_t at = *slot_of(w, address - n);

		if (at && w->steps[at - 1].length == n && !w->steps[at - 1].stops)
			return &w->steps[at - 1];
	}
	return NULL;
}

/* The start of the instructions that lie right before the jump, up to WAY_MOST of them.  The
 * processor most likely came this way; is_sure checks that later. */
static uint64_t way_to(struct walk *w, uint64_t jump)
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

static int resolve(struct walk *w, struct table_jump *jump)
{
	struct known known = {.compared = -2};
	const ZydisDecodedOperand *to;
	struct instruction in;
	int err;

	for (uint64_t at = way_to(w, jump->at); at < jump->at; at += in.is.length) {
		err = decode(w, at, &in);
		if (err)
			return err;
		know(&known, &in);
	}
	err = decode(w, jump->at, &in);
	to = &in.operands[0];
	if (!err && is_register(to))
		jump->by = *value_of(&known, to->reg.value);
	else if (!err && to->type == ZYDIS_OPERAND_TYPE_MEMORY)
		jump->by = entry_at(&known, to);
	return err ? err : follow_table(w, &jump->by, jump->at);
}

/* Resolves all tables found since the last call. */
static int resolve_tables(struct walk *w)
{
	int err = 0;

	while (w->resolved < w->table_count && !err)
		err = resolve(w, &w->tables[w->resolved++]);
	return err;
}

/* --- the walk --------------------------------------------------------------------------------- */

/* Follows a jump through a table, or to the function in a slot of the linkage table. */
static int walk_indirect(struct walk *w, const struct instruction *in, struct step *step)
{
	uint64_t slot = relative(in, &in->operands[0]);

	if (slot) {
		step->target = w->of->linked ? w->of->linked(w->of->context, slot) : 0;
		return step->target ? follow(w, step->target) : -ENOTSUP;
	}
	if (w->table_count == TABLES_MOST)
		return -E2BIG;
	w->tables[w->table_count++] = (struct table_jump){.at = in->address};
	return 0;
}

static int walk_jump(struct walk *w, const struct instruction *in, struct step *step)
{
	const ZydisDecodedOperand *to = &in->operands[0];

	if (in->is.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return -ENOTSUP;
	if (to->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return walk_indirect(w, in, step);
	step->target = in->address + in->is.length + to->imm.value.u;
	return follow(w, step->target);
}

static bool is_near_return(const struct instruction *in)
{
	return in->is.mnemonic == ZYDIS_MNEMONIC_RET &&
	       in->is.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR && !in->is.raw.imm[0].size;
}

/* 1: the processor does not go on behind the instruction; 0: it does; or -errno. */
static int walk_instruction(struct walk *w, const struct instruction *in, struct step *step)
{
	int err;

	switch (in->is.meta.category) {
	case ZYDIS_CATEGORY_RET:
		step->ends = is_near_return(in);
		return step->ends ? 1 : -ENOTSUP;
	case ZYDIS_CATEGORY_UNCOND_BR:
		err = walk_jump(w, in, step);
		return err ? err : 1;
	default:
		break;
	}
	if (in->is.mnemonic == ZYDIS_MNEMONIC_UD0 || in->is.mnemonic == ZYDIS_MNEMONIC_UD1 ||
	    in->is.mnemonic == ZYDIS_MNEMONIC_UD2 || in->is.mnemonic == ZYDIS_MNEMONIC_HLT ||
	    in->is.mnemonic == ZYDIS_MNEMONIC_INT3)
		return 1;
	if (in->is.raw.imm[0].is_relative && in->is.meta.category != ZYDIS_CATEGORY_CALL) {
		step->target = in->address + in->is.length + in->is.raw.imm[0].value.u;
		return follow(w, step->target);
	}
	return 0;
}

/* Is the instruction a call at the very end of the function?  Then that call never returns. */
static bool is_last_call(const struct walk *w, const struct instruction *in)
{
	return in->is.meta.category == ZYDIS_CATEGORY_CALL && is_inside(w->of, in->address) &&
	       !is_inside(w->of, in->address + in->is.length);
}

static void note_writes(const struct instruction *in, struct step *step)
{
	for (unsigned int i = 0; i < in->is.operand_count; i++)
		if (in->operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    is_register(&in->operands[i]))
			step->writes |= 1U << number_of(in->operands[i].reg.value);
	if (in->is.mnemonic == ZYDIS_MNEMONIC_LEA)
		step->loads = relative(in, &in->operands[1]);
	step->calls = in->is.meta.category == ZYDIS_CATEGORY_CALL;
}

/* Walks from this address to the end of the way, or to an instruction walked before. */
static int walk_way(struct walk *w, uint64_t address)
{
	struct instruction in;
	int ret = 0;

	while (!ret && !*slot_of(w, address)) {
		struct step step = {.address = address};

		ret = decode(w, address, &in);
		if (ret)
			return ret;
		step.length = in.is.length;
		note_writes(&in, &step);
		ret = walk_instruction(w, &in, &step);
		if (ret >= 0 && is_last_call(w, &in))
			ret = 1;
		step.stops = ret == 1;
		if (ret >= 0 && step_add(w, &step))
			ret = -E2BIG;
		address += in.is.length;
	}
	return ret < 0 ? ret : 0;
}

static int walk_all(struct walk *w)
{
	int err = follow(w, w->of->entry);

	while (!err && w->pending_count) {
		while (!err && w->pending_count)
			err = walk_way(w, w->pending[--w->pending_count]);
		if (!err)
			err = resolve_tables(w);
	}
	return err;
}

/* --- does it all fit together? -------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static int edge_order(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return (x->to > y->to) - (x->to < y->to);
}

static void edge_add(struct walk *w, uint64_t to, size_t from)
{
	w->edges[w->edge_count++] = (struct edge){to, (uint32_t)from};
}

static void find_edges(struct walk *w)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct step *s = &w->steps[i];

		if (s->target)
			edge_add(w, s->target, i);
		if (!s->stops)
			edge_add(w, s->address + s->length, i);
	}
	for (size_t i = 0; i < w->entry_count; i++) {
		const struct step key = {.address = w->entries[i].jump};
		const struct step *jump = bsearch(&key, w->steps, w->count, sizeof(key),
						  by_address);

		if (jump)
			edge_add(w, w->entries[i].to, (size_t)(jump - w->steps));
	}
	qsort(w->edges, w->edge_count, sizeof(w->edges[0]), edge_order);
}

static size_t edges_to(const struct walk *w, uint64_t address)
{
	size_t low = 0, high = w->edge_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (w->edges[middle].to < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_kept_by_calls(int number)
{
	return number == 3 || number == 5 || number >= 12;
}

/* Does this register hold the table on every way to the address?  Goes back along all ways to the
 * instructions that loaded it. */
static bool holds_table(struct walk *w, uint64_t address, int number, uint64_t table)
{
	memset(w->visited, 0, sizeof(w->visited));
	w->pending[0] = address;
	for (size_t n = 1; n;) {
		uint64_t at = w->pending[--n];

		if (at == w->of->entry)
			return false;
		for (size_t i = edges_to(w, at); i < w->edge_count && w->edges[i].to == at; i++) {
			const struct step *s = &w->steps[w->edges[i].from];

			if (s->writes & 1U << number && s->loads != table)
				return false;
			if (s->calls && !is_kept_by_calls(number))
				return false;
			if (s->writes & 1U << number || w->visited[w->edges[i].from])
				continue;
			w->visited[w->edges[i].from] = true;
			w->pending[n++] = s->address;
		}
	}
	return true;
}

/* Does a jump lead behind the first of these instructions, up to the last? */
static bool is_disturbed(const struct walk *w, uint64_t first, uint64_t last)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->steps[i].target > first && w->steps[i].target <= last)
			return true;
	for (size_t i = 0; i < w->entry_count; i++)
		if (w->entries[i].to > first && w->entries[i].to <= last)
			return true;
	return false;
}

/* Does the jump always use this table, within its bound? */
static bool is_sure(struct walk *w, const struct table_jump *jump)
{
	const struct value *v = &jump->by;

	if (is_disturbed(w, v->since, jump->at))
		return false;
	return v->base < 0 || v->base_since >= v->since ||
	       !is_disturbed(w, v->base_since, v->since) ||
	       holds_table(w, v->since, v->base, v->table);
}

/* Sorts the steps by address.  slot_of no longer works afterwards. */
static int check(struct walk *w)
{
	qsort(w->steps, w->count, sizeof(w->steps[0]), by_address);
	for (size_t i = 1; i < w->count; i++)
		if (w->steps[i].address - w->steps[i - 1].address < w->steps[i - 1].length)
			return -EBADMSG;
	find_edges(w);
	for (size_t i = 0; i < w->table_count; i++)
		if (!is_sure(w, &w->tables[i]))
			return -ENOTSUP;
	return 0;
}

/* --- cheaper ends --------------------------------------------------------------------------- */

/*
 * The kernel single-steps a return, so an instruction before it that the kernel emulates makes a
 * cheaper end.  From the return, the walk goes back along all ways, and follows the returned value
 * (rax at the return) from register to register.  A way is done at a jump (or nop) that the kernel
 * emulates.  At that jump the value lies in a known register and the return address at a known
 * distance.  Then the call only restores registers.  A conditional jump counts only in the
 * direction that leads to the return; the BPF program reads that direction from the flags.  If a
 * single way has no such jump, for instance behind a call, the return itself is the end.
 */
struct back {
	uint64_t address; /* before the instruction at this address: */
	int result;	  /* the register with the value, */
	int64_t height;	  /* and bytes from the stack pointer up to the return address */
};

struct cover {
	struct walk *walk;
	struct probe_exits *out;
	struct back all[COVER_MOST];
	size_t count;
};

/* Follows the value back over an instruction that writes its register.  0: go on before it; 1: the
 * call returns 0 on this way, so it needs no end; or -ENOENT. */
static int back_result(const struct walk *w, const struct instruction *in, struct back *b)
{
	const ZydisDecodedOperand *to = &in->operands[0], *from = &in->operands[1];
	bool whole = to->size == 64;

	if (!is_register(to) || number_of(to->reg.value) != b->result || !is_register(from) ||
	    from->size != to->size)
		return -ENOENT;
	if (in->is.mnemonic == ZYDIS_MNEMONIC_XOR && to->reg.value == from->reg.value &&
	    to->size >= 32)
		return w->of->pointer ? 1 : -ENOENT;
	if (in->is.mnemonic != ZYDIS_MNEMONIC_MOV || (!whole && (w->of->pointer || to->size != 32)))
		return -ENOENT;
	b->result = number_of(from->reg.value);
	return b->result == 4 ? -ENOENT : 0;
}

/* Does the instruction only move the stack pointer (pop, add, sub)?  *by: by how many bytes. */
static bool moves_stack(const struct instruction *in, int64_t *by)
{
	const ZydisDecodedOperand *to = &in->operands[0], *from = &in->operands[1];

	if (in->is.mnemonic == ZYDIS_MNEMONIC_POP && is_register(to) && to->size == 64 &&
	    to->reg.value != ZYDIS_REGISTER_RSP) {
		*by = 8;
		return true;
	}
	if ((in->is.mnemonic != ZYDIS_MNEMONIC_ADD && in->is.mnemonic != ZYDIS_MNEMONIC_SUB) ||
	    to->reg.value != ZYDIS_REGISTER_RSP || from->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return false;
	*by = in->is.mnemonic == ZYDIS_MNEMONIC_ADD ? from->imm.value.s : -from->imm.value.s;
	return true;
}

/* Goes back over any instruction that is no branch.  Returns as back_result does. */
static int back_over(const struct walk *w, const struct instruction *in, struct back *b)
{
	struct step effects = {0};
	int64_t by = 0;
	bool moves = moves_stack(in, &by);

	note_writes(in, &effects);
	if (effects.calls || in->is.meta.category == ZYDIS_CATEGORY_SYSCALL ||
	    (effects.writes & 1U << 4 && !moves))
		return -ENOENT;
	for (unsigned int i = 0; i < in->is.operand_count && w->of->memory; i++)
		if (in->operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    in->operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			return -ENOENT;
	b->height += by;
	if (b->height < 0 || b->height > UINT16_MAX)
		return -ENOENT;
	b->address = in->address;
	return effects.writes & 1U << b->result ? back_result(w, in, b) : 0;
}

/* Does the kernel emulate this instruction (see probe_point.c)?  False for calls. */
static bool is_emulated(const uint8_t *code, size_t length)
{
	return (length == 1 && (code[0] == 0x90 || (code[0] & 0xf8) == 0x50)) ||
	       (length == 2 && ((code[0] & 0xf0) == 0x70 || code[0] == 0xeb ||
				(code[0] == 0x41 && (code[1] & 0xf8) == 0x50))) ||
	       (length == 5 && code[0] == 0xe9) ||
	       (length == 6 && code[0] == 0x0f && (code[1] & 0xf0) == 0x80);
}

static bool is_branch(const uint8_t *code, size_t length)
{
	return (length == 2 && (code[0] & 0xf0) == 0x70) || length == 6;
}

/* Adds the second direction of the same branch, which then always ends calls.  0, or -ENOENT. */
static int exit_join(struct probe_exit *old, const struct probe_exit *new)
{
	if (old->result != new->result || old->height != new->height || old->when == PROBE_ALWAYS ||
	    old->when == new->when)
		return -ENOENT;
	old->when = PROBE_ALWAYS;
	return 0;
}

static int exit_add(struct probe_exits *out, const struct probe_exit *new)
{
	for (size_t i = 0; i < out->count; i++)
		if (out->all[i].address == new->address)
			return exit_join(&out->all[i], new);
	if (out->count == PROBE_EXITS_MOST)
		return -ENOENT;
	out->all[out->count++] = *new;
	return 0;
}

/* Takes the step before: either an end is found there, or the walk goes further back.  0 or
 * -ENOENT. */
static int cover_from(struct cover *c, const struct step *s, struct back b)
{
	struct walk *w = c->walk;
	bool taken = s->target == b.address,
	     falls = !s->stops && s->address + s->length == b.address;
	struct probe_exit new = {.address = s->address,
				 .height = (uint32_t)b.height,
				 .result = (uint8_t)b.result,
				 .cheap = true,
				 .shared = !is_inside(w->of, s->address)};
	struct instruction in;
	const uint8_t *code;
	size_t n = 0;
	int ret;

	code = bytes_at(w, s->address, &n);
	if (!code || n < s->length || (taken && falls))
		return -ENOENT;
	if (is_emulated(code, s->length) && (code[0] & 0xf8) != 0x50 && code[0] != 0x41) {
		if (is_branch(code, s->length)) {
			new.when = taken ? PROBE_TAKEN : PROBE_NOT_TAKEN;
			new.condition = code[s->length == 6] & 15;
		}
		return s->address == w->of->begun ? -ENOENT : exit_add(c->out, &new);
	}
	if (!falls || decode(w, s->address, &in))
		return -ENOENT;
	ret = back_over(w, &in, &b);
	if (ret)
		return ret < 0 ? ret : 0;
	if (c->count == COVER_MOST)
		return -ENOENT;
	c->all[c->count++] = b;
	return 0;
}

/* Finds an end before the return on every way to it.  0 or -ENOENT. */
static int cover(struct walk *w, const struct step *s, struct probe_exits *out)
{
	struct cover c = {.walk = w, .out = out};

	c.all[c.count++] = (struct back){.address = s->address};
	for (size_t i = 0; i < c.count; i++) {
		uint64_t at = c.all[i].address;
		size_t first = edges_to(w, at), k = first;
		int err = at == w->of->entry ? -ENOENT : 0;

		for (; !err && k < w->edge_count && w->edges[k].to == at; k++)
			err = cover_from(&c, &w->steps[w->edges[k].from], c.all[i]);
		if (err || k == first)
			return -ENOENT;
	}
	return 0;
}

static int exit_order(const void *a, const void *b)
{
	const struct probe_exit *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static int collect(struct walk *w, struct probe_exits *out)
{
	struct probe_exits before;

	for (size_t i = 0; i < w->count; i++) {
		const struct step *s = &w->steps[i];
		const struct probe_exit end = {.address = s->address,
					       .shared = !is_inside(w->of, s->address)};

		if (!s->ends)
			continue;
		before = *out;
		if (!w->of->returns_only && !cover(w, s, out))
			continue;
		*out = before;
		if (out->count == PROBE_EXITS_MOST)
			return -E2BIG;
		out->all[out->count++] = end;
	}
	qsort(out->all, out->count, sizeof(out->all[0]), exit_order);
	return out->count ? 0 : -ENOENT;
}

int probe_exits_find(const struct probe_function *function, struct probe_exits *out)
{
	struct walk *w = calloc(1, sizeof(*w));
	int err;

	memset(out, 0, sizeof(*out));
	if (!w)
		return -ENOMEM;
	w->of = function;
	ZydisDecoderInit(&w->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	err = walk_all(w);
	if (!err)
		err = check(w);
	if (!err)
		err = collect(w, out);
	free(w);
	return err;
}
