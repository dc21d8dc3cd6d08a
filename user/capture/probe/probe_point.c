/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_point.c - chooses the instruction of a function for a probe, and reads facts from its code.
 *
 * Where a probe may sit
 *
 * The kernel puts a breakpoint over the first byte of an instruction.  When the breakpoint is hit,
 * the kernel emulates the instruction, or lets the thread single-step a copy of it elsewhere.  The
 * single step is a second trap, which costs ten times as much.  So the instruction sets the price.
 * A probe may sit behind the first instruction if three things still hold there:
 *
 *  - Each call reaches the probe exactly once.  The way from the entry to the probe has no branch,
 *    and no branch of the function leads to the way or to the probe.  The probe itself may sit on a
 *    branch.
 *  - The wanted arguments are still in argument registers.  If one was moved to another argument
 *    register, the answer says so (holder).  Memory is as the caller left it: the probe does not
 *    sit behind an instruction that writes to anything but registers and flags.  (With a return
 *    probe, a write through an argument is allowed: memory behind pointers is then read at the
 *    return.)
 *  - The stack is as at the entry.  A return probe replaces the word at *(rsp).  If that word is
 *    not the return address, the probe destroys a value of the program.  An entry probe would
 *    survive `sub $8,%rsp`, but *(rsp) would no longer be the caller's address, which is half of
 *    what we want to know.  Few functions would gain (11 of the 1370 of SQLite), so a probe never
 *    sits behind such an instruction.  A wrapper, which only calls another function and returns its
 *    result, as sqlite3_prepare_v2 does, is watched at the entry of the inner function.  The return
 *    address there shows which wrapper called, and the wrapper's own return address lies at a known
 *    distance.
 *
 * In compiled code each instruction has one stack height above the return address, on every way to
 * it: the instructions that follow rely on that height.  So a branch that we cannot see (from a
 * jump table, or from a part of the function that was moved elsewhere) is harmless.  At an
 * instruction that the walk reached without a change of the stack, it finds the return address too.
 * At worst a call is counted twice.  Still, a function that cannot be decoded as a whole is probed
 * at its entry.
 *
 * The kernel emulates (arch/x86/kernel/uprobes.c) nop, direct jumps and calls since Linux 3.16, and
 * push of a whole register since 4.16.  Three kinds are never chosen, except as the entry:
 *  - nops of several bytes: emulated since 6.16 only.  The nop of five bytes is turned into a call,
 *    which overwrites data that a leaf function keeps below rsp; `66 90` and others are refused.
 *  - calls: until 6.18 the emulation left out the shadow stack, which kills a program that has one.
 *  - anything with a prefix, except the prefix of a plain `push %r8`...`push %r15`.
 */
#include <Zydis/Zydis.h>
#include <errno.h>
#include <string.h>

#include "user/capture/probe/probe_point.h"

#define STEP_MAX	32   /* instructions of an accessor */
#define INNER_STACK_MAX 4096 /* bytes that a function takes before it calls another */

struct point_instruction {
	ZydisDecodedInstruction is;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static void decoder_init(ZydisDecoder *decoder)
{
	ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

/* 0; -ENODATA: the instruction is cut off; -EBADMSG: no instruction. */
static int decode(const ZydisDecoder *decoder, const uint8_t *code, size_t n,
		  struct point_instruction *out)
{
	ZydisDecoderContext context;
	ZyanStatus status = ZydisDecoderDecodeInstruction(decoder, &context, code, n, &out->is);

	if (ZYAN_SUCCESS(status))
		status = ZydisDecoderDecodeOperands(decoder, &context, &out->is, out->operands,
						    out->is.operand_count);
	if (ZYAN_SUCCESS(status))
		return 0;
	return status == ZYDIS_STATUS_NO_MORE_DATA ? -ENODATA : -EBADMSG;
}

/* code: the bytes of a single instruction, here and below. */
static bool is_push(const uint8_t *code, size_t length)
{
	return (length == 1 && (code[0] & 0xf8) == 0x50) ||
	       (length == 2 && code[0] == 0x41 && (code[1] & 0xf8) == 0x50);
}

static bool is_jump_if(const uint8_t *code, size_t length)
{
	return (length == 2 && (code[0] & 0xf0) == 0x70) ||
	       (length == 6 && code[0] == 0x0f && (code[1] & 0xf0) == 0x80);
}

static bool is_jump(const uint8_t *code, size_t length)
{
	return (length == 2 && code[0] == 0xeb) || (length == 5 && code[0] == 0xe9);
}

static bool is_emulated(const uint8_t *code, size_t length)
{
	return is_push(code, length) || is_jump_if(code, length) || is_jump(code, length) ||
	       (length == 1 && code[0] == 0x90);
}

static bool is_call(const uint8_t *code, size_t length)
{
	return length == 5 && code[0] == 0xe8;
}

static const struct {
	ZydisRegister reg;
	unsigned int argument;
} argument_registers[] = {
	{ZYDIS_REGISTER_RDI, PROBE_RDI}, {ZYDIS_REGISTER_RSI, PROBE_RSI},
	{ZYDIS_REGISTER_RDX, PROBE_RDX}, {ZYDIS_REGISTER_RCX, PROBE_RCX},
	{ZYDIS_REGISTER_R8, PROBE_R8},	 {ZYDIS_REGISTER_R9, PROBE_R9},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The bit of an argument register; 0: another register. */
static unsigned int argument_of(ZydisRegister reg)
{
	for (size_t i = 0; i < COUNT(argument_registers); i++)
		if (argument_registers[i].reg == reg)
			return argument_registers[i].argument;
	return 0;
}

static ZydisRegister point_whole(ZydisRegister reg)
{
	return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
}

static bool writes(const ZydisDecodedOperand *operand)
{
	return operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}

/* For each argument, the registers that hold its value: bits of enum probe_argument. */
struct holders {
	unsigned int of[PROBE_ARGUMENTS];
};

static void holders_init(struct holders *h)
{
	for (size_t i = 0; i < PROBE_ARGUMENTS; i++)
		h->of[i] = argument_registers[i].argument;
}

/* Updates the holders: a changed register loses its argument, and a copy of a whole register adds a
 * holder. */
static void holders_step(struct holders *h, const struct point_instruction *in)
{
	const ZydisDecodedOperand *to = &in->operands[0], *from = &in->operands[1];
	struct holders before = *h;
	unsigned int changed = 0;

	for (unsigned int i = 0; i < in->is.operand_count; i++)
		if (writes(&in->operands[i]) && in->operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER)
			changed |= argument_of(point_whole(in->operands[i].reg.value));
	for (size_t i = 0; i < PROBE_ARGUMENTS; i++)
		h->of[i] &= ~changed;
	if (in->is.mnemonic != ZYDIS_MNEMONIC_MOV || to->type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    from->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return;
	for (size_t i = 0; i < PROBE_ARGUMENTS; i++)
		if (before.of[i] & argument_of(from->reg.value))
			h->of[i] |= argument_of(to->reg.value);
}

static bool holders_have(const struct holders *h, unsigned int arguments)
{
	for (size_t i = 0; i < PROBE_ARGUMENTS; i++) {
		unsigned int own = argument_registers[i].argument;

		if (arguments & own && !(arguments & PROBE_UNMOVED ? h->of[i] & own : h->of[i]))
			return false;
	}
	return true;
}

/* Writes a holder of each argument, its own register if possible. */
static void holders_tell(const struct holders *h, uint8_t *holder)
{
	for (size_t i = 0; i < PROBE_ARGUMENTS; i++) {
		holder[i] = 0;
		for (size_t k = PROBE_ARGUMENTS; k-- > 0;)
			if (h->of[i] & argument_registers[k].argument)
				holder[i] = (uint8_t)(k + 1);
		if (h->of[i] & argument_registers[i].argument)
			holder[i] = (uint8_t)(i + 1);
	}
}

static bool is_argument_memory(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_MEMORY && argument_of(operand->mem.base) &&
	       operand->mem.index == ZYDIS_REGISTER_NONE;
}

/* May a probe sit behind a change of this operand?  Refuses rip too, which only branches change. */
static bool operand_passes(const ZydisDecodedOperand *operand, bool may_store)
{
	ZydisRegister reg;

	if (!writes(operand))
		return true;
	if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return may_store && is_argument_memory(operand);
	reg = point_whole(operand->reg.value);
	return reg != ZYDIS_REGISTER_RSP && reg != ZYDIS_REGISTER_RIP;
}

/* Is the instruction of a kind that only computes, moves and compares? */
static bool is_plain(const ZydisDecodedInstruction *is)
{
	static const ZydisInstructionCategory plain[] = {
		ZYDIS_CATEGORY_BINARY,	ZYDIS_CATEGORY_LOGICAL, ZYDIS_CATEGORY_DATAXFER,
		ZYDIS_CATEGORY_CMOV,	ZYDIS_CATEGORY_SETCC,	ZYDIS_CATEGORY_SHIFT,
		ZYDIS_CATEGORY_ROTATE,	ZYDIS_CATEGORY_BITBYTE, ZYDIS_CATEGORY_NOP,
		ZYDIS_CATEGORY_WIDENOP, ZYDIS_CATEGORY_CONVERT, ZYDIS_CATEGORY_LOGICAL_FP,
	};

	if (is->mnemonic == ZYDIS_MNEMONIC_ENDBR64 || is->mnemonic == ZYDIS_MNEMONIC_LEA)
		return true;
	for (size_t i = 0; i < COUNT(plain); i++)
		if (is->meta.category == plain[i])
			return true;
	return false;
}

static bool may_pass(const struct point_instruction *in, bool may_store)
{
	if (!is_plain(&in->is))
		return false;
	for (unsigned int i = 0; i < in->is.operand_count; i++)
		if (!operand_passes(&in->operands[i],
				    may_store && in->is.mnemonic == ZYDIS_MNEMONIC_MOV))
			return false;
	return true;
}

static bool is_null_test(const struct point_instruction *in)
{
	return in->is.mnemonic == ZYDIS_MNEMONIC_TEST &&
	       in->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       in->operands[0].reg.value == ZYDIS_REGISTER_RDI &&
	       in->operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       in->operands[1].reg.value == ZYDIS_REGISTER_RDI;
}

/* If a `je` at *at follows `test %rdi,%rdi`, moves *at behind it, if the next instruction is cheap
 * too.  A call with NULL then does not trap. */
static bool step_over_null(const ZydisDecoder *decoder, const uint8_t *code, size_t n, size_t *at)
{
	struct point_instruction in;
	size_t next;

	if (decode(decoder, code + *at, n - *at, &in) || in.is.mnemonic != ZYDIS_MNEMONIC_JZ)
		return false;
	next = *at + in.is.length;
	if (decode(decoder, code + next, n - next, &in) || !is_emulated(code + next, in.is.length))
		return false;
	*at = next;
	return true;
}

/* Finds the first cheap instruction on the way from the entry. */
static bool point_walk(const ZydisDecoder *decoder, const uint8_t *code, size_t n, bool with_return,
		       unsigned int arguments, struct probe_point *out)
{
	bool null_tested = false, may_miss_null = !with_return && (arguments & PROBE_RDI);
	struct point_instruction in;
	struct holders holders;

	holders_init(&holders);
	for (size_t at = 0; at < n && at <= PROBE_POINT_WALK_MAX; at += in.is.length) {
		if (decode(decoder, code + at, n - at, &in))
			return false;
		if (is_emulated(code + at, in.is.length)) {
			out->nonzero = null_tested && may_miss_null &&
				       step_over_null(decoder, code, n, &at);
			out->delta = (uint32_t)at;
			out->cheap = true;
			holders_tell(&holders, out->holder);
			return true;
		}
		if (!may_pass(&in, with_return))
			return false;
		holders_step(&holders, &in);
		if (!holders_have(&holders, arguments))
			return false;
		null_tested = is_null_test(&in) && holders.of[0] & PROBE_RDI;
	}
	return false;
}

/* Does a branch lead to the bytes from 0 to last?  True also if an instruction cannot be decoded,
 * but the last one may be cut off. */
static bool is_target(const ZydisDecoder *decoder, const uint8_t *code, size_t n, size_t last)
{
	ZydisDecodedInstruction is;

	for (size_t at = 0; at < n; at += is.length) {
		ZyanStatus status = ZydisDecoderDecodeInstruction(decoder, NULL, code + at, n - at,
								  &is);
		int64_t to;

		if (status == ZYDIS_STATUS_NO_MORE_DATA)
			return false;
		if (!ZYAN_SUCCESS(status))
			return true;
		if (!is.raw.imm[0].is_relative)
			continue;
		to = (int64_t)(at + is.length) + is.raw.imm[0].value.s;
		/* A call of the function itself is a call like any other. */
		if (to >= (is.meta.category == ZYDIS_CATEGORY_CALL) && to <= (int64_t)last)
			return true;
	}
	return false;
}

static bool entry_is_cheap(const ZydisDecoder *decoder, const uint8_t *code, size_t n)
{
	struct point_instruction in;

	return !decode(decoder, code, n, &in) &&
	       (is_emulated(code, in.is.length) || is_call(code, in.is.length));
}

struct probe_point probe_point_choose(const uint8_t *code, size_t n, bool with_return,
				      unsigned int arguments)
{
	struct probe_point entry = {.holder = {1, 2, 3, 4, 5, 6}}, point = {0};
	ZydisDecoder decoder;

	decoder_init(&decoder);
	entry.cheap = entry_is_cheap(&decoder, code, n);
	if (entry.cheap || n > PROBE_POINT_CODE_MAX)
		return entry;
	if (!point_walk(&decoder, code, n, with_return, arguments, &point) ||
	    is_target(&decoder, code, n, point.delta))
		return entry;
	return point;
}

/* By how many bytes the instruction lowers rsp, if it does nothing else; 0: another instruction. */
static uint32_t lowers_stack(const struct point_instruction *in)
{
	bool of_rsp = in->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		      in->operands[0].reg.value == ZYDIS_REGISTER_RSP;

	if (in->is.mnemonic == ZYDIS_MNEMONIC_PUSH && in->is.operand_width == 64)
		return 8;
	if (in->is.mnemonic == ZYDIS_MNEMONIC_SUB && of_rsp && in->is.raw.imm[0].size &&
	    in->is.raw.imm[0].value.s > 0 && in->is.raw.imm[0].value.s < INNER_STACK_MAX &&
	    in->is.raw.imm[0].value.s % 8 == 0)
		return (uint32_t)in->is.raw.imm[0].value.s;
	return 0;
}

/* Is the rest of the function only `add $stack,%rsp; ret`? */
static bool only_returns(const ZydisDecoder *decoder, const uint8_t *code, size_t n, uint32_t stack)
{
	struct point_instruction in;

	if (decode(decoder, code, n, &in) || in.is.mnemonic != ZYDIS_MNEMONIC_ADD ||
	    in.operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    in.operands[0].reg.value != ZYDIS_REGISTER_RSP || !in.is.raw.imm[0].size ||
	    in.is.raw.imm[0].value.s != (int64_t)stack)
		return false;
	code += in.is.length;
	n -= in.is.length;
	return !decode(decoder, code, n, &in) && in.is.mnemonic == ZYDIS_MNEMONIC_RET;
}

/* Finds the first call on the way, if all instructions before only prepare it. */
static bool walk_to_call(const ZydisDecoder *decoder, const uint8_t *code, size_t n,
			 unsigned int arguments, struct probe_inner *out)
{
	struct holders holders;
	struct point_instruction in;
	uint32_t lower;

	holders_init(&holders);
	for (size_t at = 0; at < n && at <= PROBE_POINT_WALK_MAX; at += in.is.length) {
		if (decode(decoder, code + at, n - at, &in))
			return false;
		if (is_call(code + at, in.is.length)) {
			out->after = (uint32_t)(at + in.is.length);
			out->target = out->after + in.is.raw.imm[0].value.s;
			holders_tell(&holders, out->holder);
			return holders_have(&holders, arguments);
		}
		lower = lowers_stack(&in);
		out->stack += lower;
		if (!lower && !may_pass(&in, false))
			return false;
		if (!lower)
			holders_step(&holders, &in);
	}
	return false;
}

int probe_point_inner(const uint8_t *code, size_t n, unsigned int arguments,
		      struct probe_inner *out)
{
	ZydisDecoder decoder;

	decoder_init(&decoder);
	memset(out, 0, sizeof(*out));
	if (n > PROBE_POINT_CODE_MAX || !walk_to_call(&decoder, code, n, arguments, out) ||
	    !out->stack || !only_returns(&decoder, code + out->after, n - out->after, out->stack) ||
	    is_target(&decoder, code, n, n))
		return -ENOENT;
	out->stack += 8; /* the inner function's return address */
	return 0;
}

/*
 * probe_field_of runs an accessor with symbolic values: of each value only its origin is known.
 */
enum point_origin {
	FROM_ELSEWHERE,
	FROM_ARGUMENT, /* the pointer itself */
	FROM_FIELD,    /* a field behind the pointer */
	FROM_COMPARE,  /* the result of comparing a field with a value */
};

struct point_value {
	enum point_origin origin;
	struct probe_field field;
};

struct machine {
	const uint8_t *code;
	size_t n, at;
	struct point_value registers[16]; /* by the processor's numbers */
	struct point_value flags; /* the last comparison: of the argument with 0, or of a field */
};

#define RAX 0
#define RDI 7

static bool is_high_byte(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
}

/* The processor's number of a general register; -1: another register, or AH, BH, CH or DH. */
static int point_number_of(ZydisRegister reg)
{
	ZydisRegister all = point_whole(reg);

	if (is_high_byte(reg) || all < ZYDIS_REGISTER_RAX || all > ZYDIS_REGISTER_R15)
		return -1;
	return all - ZYDIS_REGISTER_RAX;
}

static uint64_t mask_of(unsigned int size)
{
	return UINT64_MAX >> (64 - 8 * size);
}

/* The field that a memory operand reads, if it lies in the object. */
static struct point_value value_in_memory(const struct machine *m,
					  const ZydisDecodedOperand *operand)
{
	int base = point_number_of(operand->mem.base);
	unsigned int size = operand->size / 8;
	struct point_value field = {.origin = FROM_FIELD};

	if (operand->mem.type != ZYDIS_MEMOP_TYPE_MEM || base < 0 ||
	    m->registers[base].origin != FROM_ARGUMENT ||
	    operand->mem.base != point_whole(operand->mem.base) ||
	    operand->mem.index != ZYDIS_REGISTER_NONE ||
	    operand->mem.segment == ZYDIS_REGISTER_FS || operand->mem.segment == ZYDIS_REGISTER_GS)
		return (struct point_value){0};
	if (operand->mem.disp.value < 0 || operand->mem.disp.value > INT32_MAX)
		return (struct point_value){0};
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return (struct point_value){0};
	field.field.offset = (uint32_t)operand->mem.disp.value;
	field.field.size = (uint8_t)size;
	return field;
}

/* The value of a register, unless the operand is only a part of it. */
static struct point_value value_in_register(const struct machine *m,
					    const ZydisDecodedOperand *operand)
{
	int number = point_number_of(operand->reg.value);
	struct point_value value = {0};

	if (number >= 0)
		value = m->registers[number];
	if ((value.origin == FROM_ARGUMENT && operand->size != 64) ||
	    (value.origin == FROM_FIELD && operand->size < 8 * value.field.size))
		return (struct point_value){0};
	return value;
}

static struct point_value point_value_of(const struct machine *m,
					 const ZydisDecodedOperand *operand)
{
	switch (operand->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return value_in_register(m, operand);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return value_in_memory(m, operand);
	default:
		return (struct point_value){0};
	}
}

/* A handler of one mnemonic.  0: go on; 1: the accessor has returned; -ENOENT: no accessor. */
typedef int (*step_fn)(struct machine *m, const struct point_instruction *in);

static int set(struct machine *m, const ZydisDecodedOperand *operand, struct point_value value)
{
	int number;

	if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return -ENOENT;
	number = point_number_of(operand->reg.value);
	if (number < 0)
		return -ENOENT;
	m->registers[number] = value;
	return 0;
}

static int step_nothing(struct machine *m, const struct point_instruction *in)
{
	(void)m;
	(void)in;
	return 0;
}

static int step_move(struct machine *m, const struct point_instruction *in)
{
	return set(m, &in->operands[0], point_value_of(m, &in->operands[1]));
}

/* xor, lea, pop: the result is of no use to us. */
static int step_other(struct machine *m, const struct point_instruction *in)
{
	if (in->is.mnemonic == ZYDIS_MNEMONIC_XOR)
		m->flags = (struct point_value){0};
	return set(m, &in->operands[0], (struct point_value){0});
}

/* Sets the flags for the comparison of a value with a number. */
static int compare(struct machine *m, struct point_value value, bool in_memory, int64_t number)
{
	uint64_t mask;

	m->flags = (struct point_value){0};
	if (value.origin == FROM_ARGUMENT && !number)
		m->flags = value;
	if (value.origin != FROM_FIELD)
		return 0;
	mask = mask_of(value.field.size);
	/* A register may hold the field extended by zeros or by its sign.  For numbers below the
	 * sign bit both are equal. */
	if (!in_memory && (number < 0 || (uint64_t)number > mask >> 1))
		return 0;
	m->flags = (struct point_value){FROM_COMPARE, value.field};
	m->flags.field.compared = true;
	m->flags.field.value = (uint64_t)number & mask;
	return 0;
}

static int step_test(struct machine *m, const struct point_instruction *in)
{
	const ZydisDecodedOperand *a = &in->operands[0], *b = &in->operands[1];

	if (a->type != ZYDIS_OPERAND_TYPE_REGISTER || b->type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    a->reg.value != b->reg.value)
		return -ENOENT;
	return compare(m, point_value_of(m, a), false, 0);
}

static int step_compare(struct machine *m, const struct point_instruction *in)
{
	const ZydisDecodedOperand *a = &in->operands[0], *b = &in->operands[1];

	if (b->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return -ENOENT;
	return compare(m, point_value_of(m, a), a->type == ZYDIS_OPERAND_TYPE_MEMORY,
		       b->imm.value.s);
}

static int step_set_if_equal(struct machine *m, const struct point_instruction *in)
{
	return m->flags.origin == FROM_COMPARE ? set(m, &in->operands[0], m->flags) : -ENOENT;
}

static int step_jump(struct machine *m, const struct point_instruction *in)
{
	int64_t to = (int64_t)m->at + in->operands[0].imm.value.s;

	if (in->operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || to < 0 || to >= (int64_t)m->n)
		return -ENOENT;
	m->at = (size_t)to;
	return 0;
}

/* Takes the way of a pointer that is not NULL: this jump is not taken. */
static int step_jump_if_null(struct machine *m, const struct point_instruction *in)
{
	(void)in;
	return m->flags.origin == FROM_ARGUMENT ? 0 : -ENOENT;
}

static int step_jump_unless_null(struct machine *m, const struct point_instruction *in)
{
	return m->flags.origin == FROM_ARGUMENT ? step_jump(m, in) : -ENOENT;
}

/* A call, such as one that locks the object's mutex, changes registers by the System V ABI. */
static int step_call(struct machine *m, const struct point_instruction *in)
{
	static const unsigned int lost[] = {RAX, 1, 2, 6, RDI, 8, 9, 10, 11};

	(void)in;
	for (size_t i = 0; i < COUNT(lost); i++)
		m->registers[lost[i]] = (struct point_value){0};
	m->flags = (struct point_value){0};
	return 0;
}

static int step_return(struct machine *m, const struct point_instruction *in)
{
	(void)m;
	(void)in;
	return 1;
}

static const struct {
	ZydisMnemonic mnemonic;
	step_fn step;
} steps[] = {
	{ZYDIS_MNEMONIC_ENDBR64, step_nothing},
	{ZYDIS_MNEMONIC_NOP, step_nothing},
	{ZYDIS_MNEMONIC_PUSH, step_nothing},
	{ZYDIS_MNEMONIC_POP, step_other},
	{ZYDIS_MNEMONIC_LEA, step_other},
	{ZYDIS_MNEMONIC_XOR, step_other},
	{ZYDIS_MNEMONIC_MOV, step_move},
	{ZYDIS_MNEMONIC_MOVZX, step_move},
	{ZYDIS_MNEMONIC_MOVSX, step_move},
	{ZYDIS_MNEMONIC_MOVSXD, step_move},
	{ZYDIS_MNEMONIC_TEST, step_test},
	{ZYDIS_MNEMONIC_CMP, step_compare},
	{ZYDIS_MNEMONIC_SETZ, step_set_if_equal},
	{ZYDIS_MNEMONIC_JZ, step_jump_if_null},
	{ZYDIS_MNEMONIC_JNZ, step_jump_unless_null},
	{ZYDIS_MNEMONIC_JMP, step_jump},
	{ZYDIS_MNEMONIC_CALL, step_call},
	{ZYDIS_MNEMONIC_RET, step_return},
};

static int step(struct machine *m, const struct point_instruction *in)
{
	for (size_t i = 0; i < COUNT(steps); i++)
		if (steps[i].mnemonic == in->is.mnemonic)
			return steps[i].step(m, in);
	return -ENOENT;
}

int probe_field_of(const uint8_t *code, size_t n, struct probe_field *out)
{
	struct machine m = {.code = code, .n = n};
	const struct point_value *result = &m.registers[RAX];
	struct point_instruction in;
	ZydisDecoder decoder;
	int ret = 0;

	decoder_init(&decoder);
	m.registers[RDI].origin = FROM_ARGUMENT;
	for (unsigned int i = 0; i < STEP_MAX && !ret; i++) {
		if (decode(&decoder, code + m.at, n - m.at, &in))
			return -ENOENT;
		m.at += in.is.length;
		ret = step(&m, &in);
	}
	if (ret != 1 || (result->origin != FROM_FIELD && result->origin != FROM_COMPARE))
		return -ENOENT;
	*out = result->field;
	return 0;
}
