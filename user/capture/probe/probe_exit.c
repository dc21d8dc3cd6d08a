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

#include "user/capture/probe/probe_exit_state.h"

/* --- bytes and instructions ------------------------------------------------------------------- */

static const uint8_t *bytes_at(struct exit_walk *w, uint64_t address, size_t *n)
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

int exit_decode(struct exit_walk *w, uint64_t address, struct instruction *out)
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

uint32_t *exit_slot_of(struct exit_walk *w, uint64_t address)
{
	size_t at = (address * 0x9e3779b97f4a7c15ULL) >> 32;

	for (;; at++) {
		uint32_t *slot = &w->slots[at % (size_t)SLOTS];

		if (!*slot || w->steps[*slot - 1].address == address)
			return slot;
	}
}

static bool probe_exit_is_inside(const struct probe_function *f, uint64_t address)
{
	return f->size && address >= f->entry && address - f->entry < f->size;
}

/* 0, or -E2BIG. */
static int step_add(struct exit_walk *w, const struct step *step)
{
	if (w->count == STEPS_MOST)
		return -E2BIG;
	if (!probe_exit_is_inside(w->of, step->address) && w->of->size &&
	    ++w->outside > OUTSIDE_MOST)
		return -E2BIG;
	w->steps[w->count++] = *step;
	*exit_slot_of(w, step->address) = (uint32_t)w->count;
	return 0;
}

int exit_follow(struct exit_walk *w, uint64_t address)
{
	if (address < w->of->first || address >= w->of->end)
		return -ENOTSUP;
	if (*exit_slot_of(w, address))
		return 0;
	if (w->pending_count == STEPS_MOST)
		return -E2BIG;
	w->pending[w->pending_count++] = address;
	return 0;
}

/* --- the walk --------------------------------------------------------------------------------- */

/* Follows a jump through a table, or to the function in a slot of the linkage table. */
static int walk_indirect(struct exit_walk *w, const struct instruction *in, struct step *step)
{
	uint64_t slot = exit_relative(in, &in->operands[0]);

	if (slot) {
		step->target = w->of->linked ? w->of->linked(w->of->context, slot) : 0;
		return step->target ? exit_follow(w, step->target) : -ENOTSUP;
	}
	if (w->table_count == TABLES_MOST)
		return -E2BIG;
	w->tables[w->table_count++] = (struct table_jump){.at = in->address};
	return 0;
}

static int walk_jump(struct exit_walk *w, const struct instruction *in, struct step *step)
{
	const ZydisDecodedOperand *to = &in->operands[0];

	if (in->is.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return -ENOTSUP;
	if (to->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return walk_indirect(w, in, step);
	step->target = in->address + in->is.length + to->imm.value.u;
	return exit_follow(w, step->target);
}

static bool is_near_return(const struct instruction *in)
{
	return in->is.mnemonic == ZYDIS_MNEMONIC_RET &&
	       in->is.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR && !in->is.raw.imm[0].size;
}

/* 1: the processor does not go on behind the instruction; 0: it does; or -errno. */
static int walk_instruction(struct exit_walk *w, const struct instruction *in, struct step *step)
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
		return exit_follow(w, step->target);
	}
	return 0;
}

/* Is the instruction a call at the very end of the function?  Then that call never returns. */
static bool is_last_call(const struct exit_walk *w, const struct instruction *in)
{
	return in->is.meta.category == ZYDIS_CATEGORY_CALL &&
	       probe_exit_is_inside(w->of, in->address) &&
	       !probe_exit_is_inside(w->of, in->address + in->is.length);
}

static void note_writes(const struct instruction *in, struct step *step)
{
	for (unsigned int i = 0; i < in->is.operand_count; i++)
		if (in->operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    exit_is_register(&in->operands[i]))
			step->writes |= 1U << exit_number_of(in->operands[i].reg.value);
	if (in->is.mnemonic == ZYDIS_MNEMONIC_LEA)
		step->loads = exit_relative(in, &in->operands[1]);
	step->calls = in->is.meta.category == ZYDIS_CATEGORY_CALL;
}

/* Walks from this address to the end of the way, or to an instruction walked before. */
static int walk_way(struct exit_walk *w, uint64_t address)
{
	struct instruction in;
	int ret = 0;

	while (!ret && !*exit_slot_of(w, address)) {
		struct step step = {.address = address};

		ret = exit_decode(w, address, &in);
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

static int walk_all(struct exit_walk *w)
{
	int err = exit_follow(w, w->of->entry);

	while (!err && w->pending_count) {
		while (!err && w->pending_count)
			err = walk_way(w, w->pending[--w->pending_count]);
		if (!err)
			err = exit_resolve_tables(w);
	}
	return err;
}

/* --- cheaper ends --------------------------------------------------------------------------- */

struct cover {
	struct exit_walk *walk;
	struct probe_exits *out;
	struct back all[COVER_MOST];
	size_t count;
};

/* Follows the value back over an instruction that writes its register.  0: go on before it; 1: the
 * call returns 0 on this way, so it needs no end; or -ENOENT. */
static int back_result(const struct exit_walk *w, const struct instruction *in, struct back *b)
{
	const ZydisDecodedOperand *to = &in->operands[0], *from = &in->operands[1];
	bool whole = to->size == 64;

	if (!exit_is_register(to) || exit_number_of(to->reg.value) != b->result ||
	    !exit_is_register(from) || from->size != to->size)
		return -ENOENT;
	if (in->is.mnemonic == ZYDIS_MNEMONIC_XOR && to->reg.value == from->reg.value &&
	    to->size >= 32)
		return w->of->pointer ? 1 : -ENOENT;
	if (in->is.mnemonic != ZYDIS_MNEMONIC_MOV || (!whole && (w->of->pointer || to->size != 32)))
		return -ENOENT;
	b->result = exit_number_of(from->reg.value);
	return b->result == 4 ? -ENOENT : 0;
}

/* Does the instruction only move the stack pointer (pop, add, sub)?  *by: by how many bytes. */
static bool moves_stack(const struct instruction *in, int64_t *by)
{
	const ZydisDecodedOperand *to = &in->operands[0], *from = &in->operands[1];

	if (in->is.mnemonic == ZYDIS_MNEMONIC_POP && exit_is_register(to) && to->size == 64 &&
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
static int back_over(const struct exit_walk *w, const struct instruction *in, struct back *b)
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
	struct exit_walk *w = c->walk;
	bool taken = s->target == b.address,
	     falls = !s->stops && s->address + s->length == b.address;
	struct probe_exit new = {.address = s->address,
				 .height = (uint32_t)b.height,
				 .result = (uint8_t)b.result,
				 .cheap = true,
				 .shared = !probe_exit_is_inside(w->of, s->address)};
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
	if (!falls || exit_decode(w, s->address, &in))
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
static int cover(struct exit_walk *w, const struct step *s, struct probe_exits *out)
{
	struct cover c = {.walk = w, .out = out};

	c.all[c.count++] = (struct back){.address = s->address};
	for (size_t i = 0; i < c.count; i++) {
		uint64_t at = c.all[i].address;
		size_t first = exit_edges_to(w, at), k = first;
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

static int probe_exit_collect(struct exit_walk *w, struct probe_exits *out)
{
	struct probe_exits before;

	for (size_t i = 0; i < w->count; i++) {
		const struct step *s = &w->steps[i];
		const struct probe_exit end = {.address = s->address,
					       .shared = !probe_exit_is_inside(w->of, s->address)};

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
	struct exit_walk *w = malloc(sizeof(*w));
	int err;

	memset(out, 0, sizeof(*out));
	if (!w)
		return -ENOMEM;
	memset(w, 0, offsetof(struct exit_walk, steps));
	w->of = function;
	ZydisDecoderInit(&w->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	err = walk_all(w);
	if (!err)
		err = exit_check(w);
	if (!err)
		err = probe_exit_collect(w, out);
	free(w);
	return err;
}
