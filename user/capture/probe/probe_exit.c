/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_exit.c - see probe_exit.h.
 *
 * Why no return probe
 *
 * A return probe of the kernel replaces the return address on the stack and keeps the right one in
 * a list of the thread, last in, first out.  A program that goes on with another stack inside the
 * call (a coroutine, a fiber, a greenlet) or leaves the call otherwise (an exception, longjmp, a
 * cancelled thread) does not keep to that order: the kernel then ends it with SIGILL, or its
 * unwinder finds an address that it does not know and gives up.  An ordinary probe on the
 * instructions at which the function itself ends changes nothing but their first byte.
 *
 * What may be probed
 *
 * A breakpoint must lie on the first byte of an instruction, or it changes what the processor runs.
 * So nothing is searched for: what is found is reached from the entry, instruction by instruction,
 * along every branch, and all of it must fit together.  Where a function goes on through a table of
 * addresses, the code before that must show the table and how long it is.  A function that goes on
 * where that cannot be told, or whose bytes make no sense, is refused as a whole: a call that ended
 * unseen would be worse than one that is not looked at.
 *
 * Where a function leaves the rest to another (its last call was made a jump), the ends of the
 * other are its own: the return address lies at the same place.  Calls that others make of that
 * come by, too, and whoever looks must tell them apart.  What follows a call that never returns
 * (abort, an exception) is looked at all the same: it is another part of the function, or of one
 * that lies behind it, and then it ends calls that are not ours.
 */
#include "user/capture/probe/probe_exit.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MOST   16384 /* instructions of a function, with all parts */
#define SLOTS	     (2 * STEPS_MOST)
#define WINDOW	     4096 /* bytes of code that are read at a time */
#define TABLE_MOST   1024 /* addresses in a table */
#define TABLES_MOST  64
#define ENTRIES_MOST 4096
#define WAY_MOST     64	  /* instructions that show a table */
#define OUTSIDE_MOST 4096 /* instructions outside of the function itself */
#define REGISTERS    16
#define COVER_MOST   64 /* instructions before a return that are looked at */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct instruction {
	ZydisDecodedInstruction is;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	uint64_t address;
};

struct step {
	uint64_t address;
	uint64_t target; /* of a branch; 0 none */
	uint64_t loads;	 /* an address, into a register; 0 none */
	uint16_t writes; /* bits: registers */
	uint8_t length;
	bool calls;
	bool stops; /* what follows is not reached from here */
	bool ends;  /* a call of the function */
};

/* What is known of a register, on a way without a branch to its middle. */
enum value_kind {
	VALUE_NONE,
	VALUE_BOUND,  /* a number, most at most */
	VALUE_TABLE,  /* the address of a table */
	VALUE_ENTRY,  /* one of its entries, a distance from it */
	VALUE_TARGET, /* an address from a table */
};

struct value {
	enum value_kind kind;
	bool distances; /* the table's entries are 4 bytes, distances from it; else addresses */
	uint64_t table;
	uint64_t most;	/* of what chooses the entry */
	uint64_t since; /* where that is known from, or what holds the table was loaded */
	/* Of an entry and what is made of it: the register that held the table, since then. */
	int base;
	uint64_t base_since;
};

/* A byte or so in memory that was compared. */
struct place {
	ZydisRegister base;
	int64_t at;
	unsigned int bits; /* 0: none */
};

struct known {
	struct value registers[REGISTERS];
	struct value compared_with; /* the last comparison's bound, if the flags are still its */
	int compared;		    /* register; -1 what is in memory, -2 nothing */
	struct place compared_place;
	struct place bounded_place; /* what is there is known by */
	struct value bounded;
};

/* A jump through a table.  Nobody may come to the instructions that bound what chooses the entry
 * but by the first of them, and to that nobody with another table. */
struct table_jump {
	uint64_t at;
	struct value by;
};

struct entry {
	uint64_t to, jump; /* which leads there */
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
	size_t resolved;				  /* of the tables */
	struct edge edges[2 * STEPS_MOST + ENTRIES_MOST]; /* by where they lead */
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

/* The function goes on there, too. */
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

/* -1 for what is no general register, or the second byte of one. */
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

/* Of what an instruction changes nothing is known afterwards. */
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

/* What a call may leave changed, by the System V ABI. */
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

/* The branch was not taken. */
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

/* What an instruction names relative to itself; 0 nothing. */
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

/* What the first operand holds afterwards. */
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

/* Goes on with what is known after an instruction that is no branch, or one that is not taken. */
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

/* The instruction before that one, if it goes on there; NULL there is none. */
static const struct step *step_before(struct walk *w, uint64_t address)
{
	for (uint64_t n = 1; n <= ZYDIS_MAX_INSTRUCTION_LENGTH && n <= address; n++) {
		uint32_t at = *slot_of(w, address - n);

		if (at && w->steps[at - 1].length == n && !w->steps[at - 1].stops)
			return &w->steps[at - 1];
	}
	return NULL;
}

/* Some way back from the jump, which is what the processor most likely came by. */
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

/* All that were met since the last time. */
static int resolve_tables(struct walk *w)
{
	int err = 0;

	while (w->resolved < w->table_count && !err)
		err = resolve(w, &w->tables[w->resolved++]);
	return err;
}

/* --- the walk --------------------------------------------------------------------------------- */

/* Through a table, or to what a slot of the linkage table holds. */
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

/* 1: the way ends here, 0 it goes on behind the instruction, or -errno. */
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

/* Behind a call at its very end the function does not go on: the call never returns. */
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

/* One way without branches, as far as it was not gone before. */
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

/* --- whether it fits together ------------------------------------------------------------------
 */

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

/* Does whoever comes to the address have the table in that register?  Back along all ways to where
 * it was loaded. */
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

/* Does anybody jump behind the first of the instructions, up to the last? */
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

/* Is it always that table, and no more of it? */
static bool is_sure(struct walk *w, const struct table_jump *jump)
{
	const struct value *v = &jump->by;

	if (is_disturbed(w, v->since, jump->at))
		return false;
	return v->base < 0 || v->base_since >= v->since ||
	       !is_disturbed(w, v->base_since, v->since) ||
	       holds_table(w, v->since, v->base, v->table);
}

/* From here on steps are in order, and no longer found by their addresses. */
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

/* --- cheaper ends -------------------------------------------------------------------------------
 */

/*
 * What a return finds in rax is followed back, along all ways to it, until each has come to an
 * instruction that the kernel emulates: then the value lies in a register there, and the return
 * address at a known distance, and nothing is left of the call but to give back registers.  A
 * branch counts only in the direction that leads here, which the flags tell whoever looks.  One way
 * on which there is none, as behind a call, and the return itself is the end.
 */
struct back {
	uint64_t address; /* of an instruction, before which */
	int result;	  /* this register has the value, */
	int64_t height;	  /* and the return address lies so far above the stack pointer */
};

struct cover {
	struct walk *walk;
	struct probe_exits *out;
	struct back all[COVER_MOST];
	size_t count;
};

/* 0 back to the instruction before, 1 the call returns 0 this way, or -ENOENT. */
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

/* Does it give back a part of the stack, or take one, and nothing else?  How much. */
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

/* As back_result, of any instruction that the way goes on behind. */
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

/* Bytes of one instruction that the kernel emulates (see probe_point.c), but for calls. */
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

/* A second way from the same branch: then it ends calls in both directions.  0, or -ENOENT. */
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

/* The way comes from there: an end, or further back.  0 or -ENOENT. */
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

/* All ways to the return have an end before it. */
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
