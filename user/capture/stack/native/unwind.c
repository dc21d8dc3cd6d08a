/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * unwind.c - short rules for the usual CFI, and a small evaluator for the rest.
 *
 * The evaluator has no jumps, so it ends; sums wrap as the processor's do.  Each step must leave
 * the stack pointer higher, except for signal frames, which may be on a stack of their own.
 */
#include "user/capture/stack/native/unwind.h"

#include <dwarf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define OPS_MAX	  48 /* of all expressions of one rule: a signal frame has 18 expressions of 3 */
#define DEPTH_MAX 16
#define KEPT	  (1U << UNWIND_BX | 1U << UNWIND_BP | 0xfU << UNWIND_R12) /* over a call */

enum unwind_value_kind {
	VALUE_UNDEFINED = 0,
	VALUE_CFA = 1,	    /* CFA + offset */
	VALUE_AT_CFA = 2,   /* the word at CFA + offset */
	VALUE_REGISTER = 3, /* base + offset */
	VALUE_OPS = 4,	    /* the result of the expression */
	VALUE_AT_OPS = 5,   /* the word at the address that the expression gives */
};

struct unwind_value {
	uint8_t kind;
	uint8_t target;
	uint8_t base;	/* a register, or the number of operations */
	int32_t offset; /* or the first operation */
};

struct op {
	uint8_t atom;
	int64_t number;
};

struct unwind_rule {
	bool signal;
	uint8_t count;
	struct unwind_value cfa;
	struct op *ops; /* within this allocation */
	struct unwind_value save[];
};

/* A rule while it is made. */
struct draft {
	struct unwind_value cfa, save[UNWIND_REGISTERS];
	struct op ops[OPS_MAX];
	size_t saves, count;
};

void unwind_start(struct unwind *u, const struct raw_stack *raw)
{
	const struct raw_registers *r = &raw->registers;

	memset(u, 0, sizeof(*u));
	u->raw = raw;
	u->returned = raw->flags & RAW_STACK_RETURNED;
	u->reg[UNWIND_BX] = r->bx;
	u->reg[UNWIND_BP] = r->bp;
	u->reg[UNWIND_SP] = r->sp;
	u->reg[UNWIND_R12] = r->r12;
	u->reg[UNWIND_R12 + 1] = r->r13;
	u->reg[UNWIND_R12 + 2] = r->r14;
	u->reg[UNWIND_R12 + 3] = r->r15;
	u->reg[UNWIND_IP] = r->ip;
	u->known = KEPT | 1U << UNWIND_SP | 1U << UNWIND_IP;
}

/* Keeps an expression as it is.  A DW_OP_stack_value at its end says that the result is a value and
 * not an address. */
static bool compile_ops(struct draft *d, struct unwind_value *v, const Dwarf_Op *ops, size_t n)
{
	bool is_value = ops[n - 1].atom == DW_OP_stack_value;

	n -= is_value;
	if (n > OPS_MAX - d->count)
		return false;
	v->kind = is_value ? VALUE_OPS : VALUE_AT_OPS;
	v->base = (uint8_t)n;
	v->offset = (int32_t)d->count;
	for (size_t i = 0; i < n; i++)
		d->ops[d->count++] = (struct op){ops[i].atom, (int64_t)ops[i].number};
	return true;
}

static bool unwind_fits(int64_t number)
{
	return number == (int32_t)number;
}

static bool compile_value(struct draft *d, struct unwind_value *v, const Dwarf_Op *ops, size_t n)
{
	bool is_value = n && ops[n - 1].atom == DW_OP_stack_value;
	size_t left = n - is_value;

	if (!n) {
		v->kind = VALUE_UNDEFINED;
		return true;
	}
	if (left == 1 && ops[0].atom == DW_OP_regx && ops[0].number < UNWIND_REGISTERS) {
		*v = (struct unwind_value){VALUE_REGISTER, v->target, (uint8_t)ops[0].number, 0};
		return true;
	}
	if (ops[0].atom != DW_OP_call_frame_cfa || left > 2 ||
	    (left == 2 &&
	     (ops[1].atom != DW_OP_plus_uconst || !unwind_fits((int64_t)ops[1].number))))
		return compile_ops(d, v, ops, n);
	v->kind = is_value ? VALUE_CFA : VALUE_AT_CFA;
	v->offset = left == 2 ? (int32_t)ops[1].number : 0;
	return true;
}

static bool compile_cfa(struct draft *d, Dwarf_Frame *frame)
{
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_frame_cfa(frame, &ops, &n) || !n)
		return false;
	if (n > 1 || ops[0].atom != DW_OP_bregx)
		return compile_ops(d, &d->cfa, ops, n);
	d->cfa = (struct unwind_value){VALUE_REGISTER, 0, (uint8_t)ops[0].number,
				       (int32_t)ops[0].number2};
	return ops[0].number < UNWIND_REGISTERS && unwind_fits((int64_t)ops[0].number2);
}

/* Registers that are not saved need no entry: those of KEPT keep their values, others are lost. */
static bool compile_register(struct draft *d, Dwarf_Frame *frame, int column, int target)
{
	struct unwind_value *v = &d->save[d->saves];
	Dwarf_Op mem[3], *ops;
	size_t n;

	if (dwarf_frame_register(frame, column, mem, &ops, &n))
		return false;
	if (!n && (!ops || (target != UNWIND_IP && !(KEPT & 1U << target))))
		return target != UNWIND_IP || ops;
	v->target = (uint8_t)target;
	if (!compile_value(d, v, ops, n))
		return false;
	if (target != UNWIND_SP || v->kind != VALUE_CFA || v->offset)
		d->saves++;
	return true;
}

static struct unwind_rule *draft_keep(const struct draft *d, bool is_signal)
{
	size_t saves = d->saves * sizeof(struct unwind_value), ops = d->count * sizeof(struct op);
	size_t head = (sizeof(struct unwind_rule) + saves + 7) & ~(size_t)7;
	struct unwind_rule *rule = calloc(1, head + ops);

	if (!rule)
		return NULL;
	rule->signal = is_signal;
	rule->count = (uint8_t)d->saves;
	rule->cfa = d->cfa;
	memcpy(rule->save, d->save, saves);
	rule->ops = (struct op *)((char *)rule + head);
	memcpy(rule->ops, d->ops, ops);
	return rule;
}

struct unwind_rule *unwind_compile(Dwarf_Frame *frame)
{
	struct draft d = {.count = 0};
	bool is_signal = false;
	int column = dwarf_frame_info(frame, NULL, NULL, &is_signal);

	if (column < 0 || !compile_cfa(&d, frame))
		return NULL;
	for (int i = 0; i < UNWIND_IP; i++)
		if (!compile_register(&d, frame, i, i))
			return NULL;
	if (!compile_register(&d, frame, column, UNWIND_IP))
		return NULL;
	return draft_keep(&d, is_signal);
}

static bool fetch(const struct unwind *u, uint64_t address, size_t size, uint64_t *out)
{
	uint64_t at = address - u->raw->registers.sp;

	*out = 0;
	if (at >= u->raw->length || u->raw->length - at < size)
		return false;
	memcpy(out, u->raw->bytes + at, size);
	return true;
}

struct evaluation {
	uint64_t stack[DEPTH_MAX];
	size_t depth;
};

static bool push(struct evaluation *e, uint64_t number)
{
	if (e->depth == DEPTH_MAX)
		return false;
	e->stack[e->depth++] = number;
	return true;
}

static bool push_register(const struct unwind *u, struct evaluation *e, unsigned int n,
			  int64_t plus)
{
	return n < UNWIND_REGISTERS && u->known & 1U << n && push(e, u->reg[n] + (uint64_t)plus);
}

/* Calculates with two numbers, a below b on the stack. */
static bool binary(uint8_t atom, uint64_t a, uint64_t b, uint64_t *out)
{
	switch (atom) {
	case DW_OP_and:
		*out = a & b;
		return true;
	case DW_OP_or:
		*out = a | b;
		return true;
	case DW_OP_xor:
		*out = a ^ b;
		return true;
	case DW_OP_plus:
		*out = a + b;
		return true;
	case DW_OP_minus:
		*out = a - b;
		return true;
	case DW_OP_mul:
		*out = a * b;
		return true;
	case DW_OP_shl:
		*out = b < 64 ? a << b : 0;
		return true;
	case DW_OP_shr:
		*out = b < 64 ? a >> b : 0;
		return true;
	case DW_OP_eq:
		*out = a == b;
		return true;
	case DW_OP_ne:
		*out = a != b;
		return true;
	case DW_OP_ge:
		*out = (int64_t)a >= (int64_t)b;
		return true;
	case DW_OP_gt:
		*out = (int64_t)a > (int64_t)b;
		return true;
	case DW_OP_le:
		*out = (int64_t)a <= (int64_t)b;
		return true;
	case DW_OP_lt:
		*out = (int64_t)a < (int64_t)b;
		return true;
	default:
		return false;
	}
}

static bool unary(const struct unwind *u, const struct op *op, uint64_t *top)
{
	switch (op->atom) {
	case DW_OP_deref:
		return fetch(u, *top, 8, top);
	case DW_OP_deref_size:
		return op->number <= 8 && fetch(u, *top, (size_t)op->number, top);
	case DW_OP_plus_uconst:
		*top += (uint64_t)op->number;
		return true;
	case DW_OP_neg:
		*top = 0 - *top;
		return true;
	case DW_OP_not:
		*top = ~*top;
		return true;
	default:
		return false;
	}
}

static bool calculate(const struct unwind *u, struct evaluation *e, const struct op *op)
{
	uint64_t *top = e->stack + e->depth - 1;

	if (e->depth && unary(u, op, top))
		return true;
	if (e->depth < 2 || !binary(op->atom, top[-1], top[0], top - 1))
		return false;
	e->depth--;
	return true;
}

static bool operate(const struct unwind *u, struct evaluation *e, const struct op *op, uint64_t cfa)
{
	uint8_t atom = op->atom;

	if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
		return push(e, atom - DW_OP_lit0);
	if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
		return push_register(u, e, atom - DW_OP_breg0, op->number);
	if (atom >= DW_OP_const1u && atom <= DW_OP_consts)
		return push(e, (uint64_t)op->number);
	switch (atom) {
	case DW_OP_addr:
		return push(e, (uint64_t)op->number);
	case DW_OP_call_frame_cfa:
		return push(e, cfa);
	case DW_OP_dup:
		return e->depth && push(e, e->stack[e->depth - 1]);
	case DW_OP_over:
		return e->depth > 1 && push(e, e->stack[e->depth - 2]);
	case DW_OP_drop:
		return e->depth && e->depth--;
	case DW_OP_nop:
		return true;
	default:
		return calculate(u, e, op);
	}
}

static bool evaluate(const struct unwind *u, const struct unwind_rule *rule,
		     const struct unwind_value *v, uint64_t cfa, uint64_t *out)
{
	struct evaluation e = {.depth = 0};

	for (size_t i = 0; i < v->base; i++)
		if (!operate(u, &e, &rule->ops[(size_t)v->offset + i], cfa))
			return false;
	if (!e.depth)
		return false;
	*out = e.stack[e.depth - 1];
	return true;
}

/* Gets a value.  *slot: the address it was read from; 0: not from memory. */
static bool unwind_value_of(const struct unwind *u, const struct unwind_rule *rule,
			    const struct unwind_value *v, uint64_t cfa, uint64_t *out,
			    uint64_t *slot)
{
	uint64_t sum = cfa + (uint64_t)(int64_t)v->offset;

	*slot = 0;
	switch (v->kind) {
	case VALUE_CFA:
		*out = sum;
		return true;
	case VALUE_AT_CFA:
		*slot = sum;
		return fetch(u, sum, 8, out);
	case VALUE_REGISTER:
		*out = u->reg[v->base] + (uint64_t)(int64_t)v->offset;
		return u->known & 1U << v->base;
	case VALUE_OPS:
		return evaluate(u, rule, v, cfa, out);
	case VALUE_AT_OPS:
		return evaluate(u, rule, v, cfa, slot) && fetch(u, *slot, 8, out);
	default:
		return false;
	}
}

/* Returns the original return address where a return probe has put the address of its
 * trampoline. */
static uint64_t unprobed(const struct unwind *u, uint64_t slot, uint64_t address)
{
	for (size_t i = 0; i < STACK_RETURNS; i++)
		if (slot && u->raw->returns[i].slot == slot)
			return u->raw->returns[i].address;
	return address;
}

/* Completes an instruction pointer that was read from a slot. */
static void arrive_from(struct unwind *next, uint64_t slot, uint64_t *address)
{
	uint64_t real = unprobed(next, slot, *address);

	next->slot = real == *address ? slot : 0;
	*address = real;
}

static enum unwind_result arrive(struct unwind *u, struct unwind *next)
{
	if (!(next->known & 1U << UNWIND_IP))
		return UNWIND_CUT;
	*u = *next;
	return u->reg[UNWIND_IP] ? UNWIND_STEPPED : UNWIND_END;
}

enum unwind_result unwind_step(struct unwind *u, const struct unwind_rule *rule)
{
	struct unwind next = *u;
	uint64_t cfa, slot;

	next.slot = 0;

	if (!unwind_value_of(u, rule, &rule->cfa, 0, &cfa, &slot))
		return UNWIND_CUT;
	if (!rule->signal && cfa <= u->reg[UNWIND_SP])
		return UNWIND_CUT;
	next.known &= KEPT;
	next.reg[UNWIND_SP] = cfa;
	next.known |= 1U << UNWIND_SP;
	next.returned = !rule->signal;
	for (size_t i = 0; i < rule->count; i++) {
		const struct unwind_value *v = &rule->save[i];
		uint64_t *out = &next.reg[v->target];

		if (v->target == UNWIND_IP && v->kind == VALUE_UNDEFINED)
			return UNWIND_END;
		next.known &= ~(1U << v->target);
		if (!unwind_value_of(u, rule, v, cfa, out, &slot))
			continue;
		next.known |= 1U << v->target;
		if (v->target == UNWIND_IP)
			arrive_from(&next, slot, out);
	}
	return arrive(u, &next);
}

enum unwind_result unwind_step_chain(struct unwind *u)
{
	struct unwind next = *u;
	uint64_t bp = u->reg[UNWIND_BP];

	if (!(u->known & 1U << UNWIND_BP) || bp < u->reg[UNWIND_SP])
		return bp ? UNWIND_CUT : UNWIND_END;
	if (!fetch(u, bp, 8, &next.reg[UNWIND_BP]) || !fetch(u, bp + 8, 8, &next.reg[UNWIND_IP]))
		return UNWIND_CUT;
	arrive_from(&next, bp + 8, &next.reg[UNWIND_IP]);
	next.reg[UNWIND_SP] = bp + 16;
	next.known = 1U << UNWIND_BP | 1U << UNWIND_SP | 1U << UNWIND_IP;
	next.returned = true;
	return arrive(u, &next);
}
