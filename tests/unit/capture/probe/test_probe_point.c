/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Where a probe may sit in functions of each shape, written out here and as installed libraries
 * have them; and which of these are accessors of a field.
 */
#include "user/capture/probe/probe_point.h"

#undef COUNT
#include "user/capture/elf/elf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/param.h>
#include <unistd.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

#include "tests/unit/support/seed.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIBRARIES    "/usr/lib/x86_64-linux-gnu/"

#define ENDBR	 "\xf3\x0f\x1e\xfa"
#define TEST_RDI "\x48\x85\xff" /* test %rdi,%rdi */
#define TEST_RSI "\x48\x85\xf6" /* test %rsi,%rsi */
#define JE(n)	 "\x74" n
#define JNE(n)	 "\x75" n
#define JE_FAR	 "\x0f\x84\x10\x00\x00\x00" /* je .+22 */
#define JMP(n)	 "\xeb" n
#define PUSH_RBP "\x55"
#define PUSH_RBX "\x53"
#define PUSH_R12 "\x41\x54"
#define POP_RBP	 "\x5d"
#define MOV_RBP	 "\x48\x89\xe5"	    /* mov %rsp,%rbp */
#define SUB_RSP	 "\x48\x83\xec\x18" /* sub $24,%rsp */
#define XOR_EAX	 "\x31\xc0"	    /* xor %eax,%eax */
#define XOR_EDX	 "\x31\xd2"	    /* xor %edx,%edx */
#define RET	 "\xc3"

enum wish {
	ENTRY,	/* an entry probe alone */
	RETURN, /* and one at the return */
};

struct shape {
	const char *what;
	const char *code;
	size_t size;
	enum wish wish;
	unsigned int arguments;
	struct probe_point point;
};

#define CODE(text) text, sizeof(text) - 1
#define CHEAP(at)                            \
	{                                    \
		.delta = (at), .cheap = true \
	}
#define DEAR               \
	{                  \
		.delta = 0 \
	}

/* As tests/fuzz/fuzz_probe_point.c wants it. */
static void keep(const uint8_t *code, size_t n, bool with_return, unsigned int arguments)
{
	uint8_t bytes[1024];

	if (n >= sizeof(bytes))
		return;
	bytes[0] = (uint8_t)(with_return | arguments << 1);
	memcpy(bytes + 1, code, n);
	seed_keep("code", bytes, n + 1);
}

static void check(const struct shape *s)
{
	struct probe_point point = probe_point_choose((const uint8_t *)s->code, s->size,
						      s->wish == RETURN, s->arguments);

	keep((const uint8_t *)s->code, s->size, s->wish == RETURN, s->arguments);
	if (point.delta != s->point.delta || point.cheap != s->point.cheap ||
	    point.nonzero != s->point.nonzero)
		fail_msg("%s: +%u%s%s", s->what, point.delta, point.cheap ? " cheap" : "",
			 point.nonzero ? " nonzero" : "");
}

static void check_all(const struct shape *shapes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(&shapes[i]);
}

static void a_cheap_entry_is_taken(void **state)
{
	static const struct shape shapes[] = {
		{"push", CODE(PUSH_RBP MOV_RBP POP_RBP RET), RETURN, PROBE_RDI, CHEAP(0)},
		{"push %r12", CODE(PUSH_R12 "\x41\x5c" RET), RETURN, PROBE_RDI, CHEAP(0)},
		{"nop", CODE("\x90" RET), RETURN, PROBE_RDI, CHEAP(0)},
		{"jmp", CODE("\xe9\x00\x10\x00\x00"), RETURN, PROBE_RDI, CHEAP(0)},
		{"call", CODE("\xe8\x00\x10\x00\x00" RET), RETURN, PROBE_RDI, CHEAP(0)},
		{"je", CODE(JE("\x01") RET RET), RETURN, PROBE_RDI, CHEAP(0)},
		/* Even if it is the head of a loop. */
		{"loop", CODE(PUSH_RBP POP_RBP JMP("\xfc")), RETURN, PROBE_RDI, CHEAP(0)},
	};

	(void)state;
	check_all(shapes, COUNT(shapes));
}

static void the_first_cheap_instruction_on_the_way_is_taken(void **state)
{
	static const struct shape shapes[] = {
		{"endbr64; push", CODE(ENDBR PUSH_RBP MOV_RBP POP_RBP RET), RETURN, 63, CHEAP(4)},
		{"endbr64; jmp", CODE(ENDBR "\xe9\x00\x10\x00\x00"), RETURN, 63, CHEAP(4)},
		{"test; je, all calls come by je", CODE(TEST_RDI JE("\x02") PUSH_RBP POP_RBP RET),
		 RETURN, 63, CHEAP(3)},
		{"xor; test; push", CODE(XOR_EAX TEST_RSI PUSH_RBP POP_RBP RET), RETURN, 63,
		 CHEAP(5)},
		/* mov 8(%rdi),%rax; mov %fs:40,%rcx; lea 8(%rsi),%r10 */
		{"reads",
		 CODE("\x48\x8b\x47\x08\x64\x48\x8b\x0c\x25\x28\0\0\0\x4c\x8d\x56\x08" PUSH_RBX
		      "\x5b" RET),
		 RETURN, PROBE_RDI | PROBE_RSI, CHEAP(17)},
		{"nops of many bytes are passed",
		 CODE("\x66\x90\x0f\x1f\x44\0\0" PUSH_RBX "\x5b" RET), RETURN, 63, CHEAP(7)},
		{"an argument that nobody wants", CODE(XOR_EDX PUSH_RBX "\x5b" RET), RETURN,
		 PROBE_RDI | PROBE_RSI, CHEAP(2)},
		/* call of the function itself */
		{"recursion", CODE(ENDBR PUSH_RBP "\xe8\xf6\xff\xff\xff" POP_RBP RET), RETURN, 63,
		 CHEAP(4)},
		{"a cut end", CODE(ENDBR PUSH_RBP "\xe8\xf6"), RETURN, 63, CHEAP(4)},
	};

	(void)state;
	check_all(shapes, COUNT(shapes));
}

static void calls_with_null_are_spared_only_when_that_is_fine(void **state)
{
	static const struct probe_point nonzero = {.delta = 5, .cheap = true, .nonzero = true},
					far = {.delta = 9, .cheap = true, .nonzero = true};
	const struct shape shapes[] = {
		{"near", CODE(TEST_RDI JE("\x02") PUSH_RBP POP_RBP RET), ENTRY, PROBE_RDI, nonzero},
		{"far", CODE(TEST_RDI JE_FAR PUSH_RBP POP_RBP RET), ENTRY, PROBE_RDI, far},
		{"return probe", CODE(TEST_RDI JE("\x02") PUSH_RBP POP_RBP RET), RETURN, PROBE_RDI,
		 CHEAP(3)},
		{"not asked for", CODE(TEST_RDI JE("\x02") PUSH_RBP POP_RBP RET), ENTRY, PROBE_RSI,
		 CHEAP(3)},
		{"another register", CODE(TEST_RSI JE("\x02") PUSH_RBP POP_RBP RET), ENTRY, 3,
		 CHEAP(3)},
		/* test %edi,%edi */
		{"half of it", CODE("\x85\xff" JE("\x02") PUSH_RBP POP_RBP RET), ENTRY, PROBE_RDI,
		 CHEAP(2)},
		{"other way round", CODE(TEST_RDI JNE("\x02") PUSH_RBP POP_RBP RET), ENTRY,
		 PROBE_RDI, CHEAP(3)},
		{"dear behind it", CODE(TEST_RDI JE("\x04") SUB_RSP RET), ENTRY, PROBE_RDI,
		 CHEAP(3)},
		{"test not right before", CODE(TEST_RDI XOR_EAX JE("\x02") PUSH_RBP POP_RBP RET),
		 ENTRY, PROBE_RDI, CHEAP(5)},
	};

	(void)state;
	check_all(shapes, COUNT(shapes));
}

static void what_changes_anything_is_not_passed(void **state)
{
	static const struct shape shapes[] = {
		{"sub", CODE(SUB_RSP PUSH_RBX RET), RETURN, 0, DEAR},
		{"sub, no return probe", CODE(SUB_RSP PUSH_RBX RET), ENTRY, 0, DEAR},
		{"lea of rsp", CODE("\x48\x8d\x64\x24\xf8" PUSH_RBX RET), ENTRY, 0, DEAR},
		{"pop", CODE("\x58" PUSH_RBX RET), ENTRY, 0, DEAR},
		{"push of a number, single-stepped", CODE("\x6a\x01" PUSH_RBX RET), ENTRY, 0, DEAR},
		{"wanted argument", CODE(XOR_EDX PUSH_RBX "\x5b" RET), RETURN, PROBE_RDX, DEAR},
		/* mov %esi,%r9d */
		{"wanted argument, half of it", CODE("\x41\x89\xf1" PUSH_RBX "\x5b" RET), RETURN,
		 PROBE_R9, DEAR},
		/* mov $1,%dil */
		{"wanted argument, a byte of it", CODE("\x40\xb7\x01" PUSH_RBX "\x5b" RET), ENTRY,
		 PROBE_RDI, DEAR},
		/* mul %rcx writes rdx, which it does not name */
		{"wanted argument, unnamed", CODE("\x48\xf7\xe1" PUSH_RBX "\x5b" RET), RETURN,
		 PROBE_RDX, DEAR},
		{"memory", CODE("\x48\x89\x37" PUSH_RBX "\x5b" RET), ENTRY, PROBE_RDI, DEAR},
		{"return address", CODE("\x48\x89\x04\x24" PUSH_RBX "\x5b" RET), RETURN, 0, DEAR},
		{"rep stos", CODE("\xf3\x48\xab" PUSH_RBX "\x5b" RET), ENTRY, 0, DEAR},
		{"syscall", CODE("\x0f\x05" PUSH_RBX "\x5b" RET), ENTRY, 0, DEAR},
		{"int3", CODE("\xcc" PUSH_RBX "\x5b" RET), ENTRY, 0, DEAR},
		{"ret", CODE(RET PUSH_RBX "\x5b" RET), ENTRY, 0, DEAR},
		{"jump through memory", CODE("\xff\x27" PUSH_RBX "\x5b" RET), ENTRY, 0, DEAR},
		{"call behind endbr64", CODE(ENDBR "\xe8\0\x10\0\0" RET), RETURN, 0, DEAR},
		{"prefixed jump", CODE(ENDBR "\x66\xe9\0\x10\0\0" RET), RETURN, 0, DEAR},
		{"loop", CODE(ENDBR "\xe2\x02" PUSH_RBX "\x5b" RET), RETURN, 0, DEAR},
	};

	(void)state;
	check_all(shapes, COUNT(shapes));
}

#define MOV_RCX_R9 "\x49\x89\xc9" /* mov %rcx,%r9 */
#define MOV_RCX_R8 "\x49\x89\xc8"
#define MOV_R8_R9  "\x4d\x89\xc1"
#define XOR_ECX	   "\x31\xc9"
#define ADD_RSP	   "\x48\x83\xc4" /* and a byte: add $byte,%rsp */
#define PUSH_R8	   "\x41\x50"
#define CALL_FAR   "\xe8\x00\x10\x00\x00"

static void arguments_are_followed_from_register_to_register(void **state)
{
	static const struct {
		const char *what, *code;
		unsigned int arguments;
		bool cheap;
		uint8_t holder[PROBE_ARGUMENTS];
	} moves[] = {
		{"one", MOV_RCX_R9 XOR_ECX PUSH_RBX, PROBE_RCX, true, {1, 2, 3, 6, 5, 0}},
		{"a row of them",
		 MOV_R8_R9 MOV_RCX_R8 XOR_ECX PUSH_RBX,
		 PROBE_RCX | PROBE_R8,
		 true,
		 {1, 2, 3, 5, 6, 0}},
		{"its own register is best",
		 MOV_RCX_R9 PUSH_RBX,
		 PROBE_RCX,
		 true,
		 {1, 2, 3, 4, 5, 0}},
		{"overwritten by another", MOV_RCX_R9 PUSH_RBX, PROBE_R9, false, {0}},
		{"copied too late", XOR_ECX MOV_RCX_R9 PUSH_RBX, PROBE_RCX, false, {0}},
		/* mov %ecx,%r9d */
		{"half of it", "\x41\x89\xc9" XOR_ECX PUSH_RBX, PROBE_RCX, false, {0}},
		/* mov %rcx,%rax */
		{"to no argument's register",
		 "\x48\x89\xc8" XOR_ECX PUSH_RBX,
		 PROBE_RCX,
		 false,
		 {0}},
		{"not to be moved",
		 MOV_RCX_R9 XOR_ECX PUSH_RBX,
		 PROBE_RCX | PROBE_UNMOVED,
		 false,
		 {0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(moves); i++) {
		struct probe_point at = probe_point_choose((const uint8_t *)moves[i].code,
							   strlen(moves[i].code), true,
							   moves[i].arguments);

		if (at.cheap != moves[i].cheap ||
		    (at.cheap && memcmp(at.holder, moves[i].holder, sizeof(at.holder))))
			fail_msg("%s", moves[i].what);
	}
}

static void stores_through_arguments_are_passed_with_a_return_probe(void **state)
{
	static const struct shape shapes[] = {
		/* movq $0,(%rsi) */
		{"return", CODE("\x48\xc7\x06\0\0\0\0" PUSH_RBX "\x5b" RET), RETURN,
		 PROBE_RDI | PROBE_RSI, CHEAP(7)},
		{"entry", CODE("\x48\xc7\x06\0\0\0\0" PUSH_RBX "\x5b" RET), ENTRY,
		 PROBE_RDI | PROBE_RSI, DEAR},
		/* mov %rsi,(%rax), mov %rsi,8(%rdi,%rax), add %rsi,(%rdi) */
		{"elsewhere", CODE("\x48\x89\x30" PUSH_RBX "\x5b" RET), RETURN, PROBE_RDI, DEAR},
		{"anywhere", CODE("\x48\x89\x74\x07\x08" PUSH_RBX "\x5b" RET), RETURN, PROBE_RDI,
		 DEAR},
		{"reading first", CODE("\x48\x01\x37" PUSH_RBX "\x5b" RET), RETURN, PROBE_RDI,
		 DEAR},
	};

	(void)state;
	check_all(shapes, COUNT(shapes));
}

static void a_function_that_only_calls_another_is_seen_through(void **state)
{
	static const struct {
		const char *what, *code;
		size_t size;
		bool found;
	} shapes[] = {
		/* sqlite3_prepare_v2 */
		{"it is", CODE(SUB_RSP MOV_RCX_R9 XOR_ECX PUSH_R8 CALL_FAR ADD_RSP "\x20" RET),
		 true},
		{"stack not given back",
		 CODE(SUB_RSP MOV_RCX_R9 PUSH_R8 CALL_FAR ADD_RSP "\x18" RET), false},
		{"another result",
		 CODE(SUB_RSP MOV_RCX_R9 PUSH_R8 CALL_FAR XOR_EAX ADD_RSP "\x20" RET), false},
		{"two calls", CODE(SUB_RSP MOV_RCX_R9 PUSH_R8 CALL_FAR CALL_FAR ADD_RSP "\x20" RET),
		 false},
		{"argument lost", CODE(SUB_RSP XOR_ECX PUSH_R8 CALL_FAR ADD_RSP "\x20" RET), false},
		{"a way around",
		 CODE(SUB_RSP MOV_RCX_R9 JE("\x02") PUSH_R8 CALL_FAR ADD_RSP "\x20" RET), false},
		/* mov %rsi,(%rsp) */
		{"memory", CODE(SUB_RSP "\x48\x89\x34\x24" PUSH_R8 CALL_FAR ADD_RSP "\x20" RET),
		 false},
		/* sub %rax,%rsp */
		{"who knows how much", CODE("\x48\x29\xc4" PUSH_R8 CALL_FAR ADD_RSP "\x08" RET),
		 false},
		{"a branch to its end",
		 CODE(SUB_RSP MOV_RCX_R9 PUSH_R8 CALL_FAR ADD_RSP "\x20" RET JMP("\xf9")), false},
		{"cut", CODE(SUB_RSP MOV_RCX_R9 PUSH_R8 CALL_FAR ADD_RSP "\x20"), false},
		{"nothing", CODE(""), false},
	};
	const uint8_t holder[] = {1, 2, 3, 6, 5, 0};
	struct probe_inner in;

	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		bool found = !probe_point_inner((const uint8_t *)shapes[i].code, shapes[i].size,
						PROBE_RDI | PROBE_RSI | PROBE_RCX, &in);

		if (found != shapes[i].found)
			fail_msg("%s", shapes[i].what);
		if (!found)
			continue;
		assert_int_equal(in.after, 16);
		assert_int_equal(in.target, 16 + 0x1000);
		assert_int_equal(in.stack, 24 + 8 + 8);
		assert_memory_equal(in.holder, holder, sizeof(holder));
	}
}

static void where_branches_lead_no_probe_is_moved(void **state)
{
	static const struct shape shapes[] = {
		{"to the probe", CODE(XOR_EAX PUSH_RBX "\x5b" JNE("\xfc") RET), RETURN, 0, DEAR},
		{"before it", CODE(XOR_EAX TEST_RSI PUSH_RBX "\x5b" JNE("\xf9") RET), ENTRY, 0,
		 DEAR},
		{"to the entry", CODE(XOR_EAX PUSH_RBX "\x5b" JMP("\xfa")), ENTRY, 0, DEAR},
		{"into an instruction", CODE(XOR_EAX PUSH_RBX "\x5b" JMP("\xfb")), ENTRY, 0, DEAR},
		{"far", CODE(XOR_EAX PUSH_RBX "\x5b\x0f\x85\xf8\xff\xff\xff" RET), ENTRY, 0, DEAR},
		{"call of its middle", CODE(XOR_EAX PUSH_RBX "\xe8\xf8\xff\xff\xff\x5b" RET), ENTRY,
		 0, CHEAP(2)},
		{"call of its middle", CODE(XOR_EAX PUSH_RBX "\xe8\xfa\xff\xff\xff\x5b" RET), ENTRY,
		 0, DEAR},
		{"behind it", CODE(XOR_EAX PUSH_RBX "\x5b" JNE("\xfd") RET), RETURN, 0, CHEAP(2)},
		{"before the function", CODE(XOR_EAX PUSH_RBX "\x5b" JMP("\xf0")), RETURN, 0,
		 CHEAP(2)},
	};

	(void)state;
	check_all(shapes, COUNT(shapes));
}

static void what_cannot_be_decoded_is_left_alone(void **state)
{
	static uint8_t code[PROBE_POINT_CODE_MAX + 1];
	static const struct shape shapes[] = {
		{"nothing", "", 0, RETURN, 0, DEAR},
		{"too short", CODE(ENDBR), RETURN, 0, DEAR},
		{"cut", CODE(ENDBR "\x41"), RETURN, 0, DEAR},
		{"bad at the end", CODE(ENDBR PUSH_RBX "\x5b" RET "\x06"), RETURN, 0, DEAR},
		{"bad at once", CODE("\x06" PUSH_RBX "\x5b" RET), RETURN, 0, DEAR},
	};
	struct probe_point point;

	(void)state;
	check_all(shapes, COUNT(shapes));
	memset(code, 0x53, sizeof(code));
	memcpy(code, ENDBR, 4);
	point = probe_point_choose(code, PROBE_POINT_CODE_MAX, true, 0);
	assert_true(point.delta == 4 && point.cheap);
	point = probe_point_choose(code, PROBE_POINT_CODE_MAX + 1, true, 0);
	assert_true(point.delta == 0 && !point.cheap);
	/* A long way without anything cheap. */
	memset(code, 0x90, sizeof(code));
	for (size_t i = 0; i + 1 < 2 * PROBE_POINT_WALK_MAX; i += 2)
		memcpy(code + i, XOR_EAX, 2);
	point = probe_point_choose(code, 4 * PROBE_POINT_WALK_MAX, true, 0);
	assert_true(point.delta == 0 && !point.cheap);
}

struct accessor {
	const char *what;
	const char *code;
	size_t size;
	struct probe_field field; /* size 0: it is no accessor */
};

static void check_field(const struct accessor *a)
{
	struct probe_field field = {0};
	int err = probe_field_of((const uint8_t *)a->code, a->size, &field);

	keep((const uint8_t *)a->code, a->size, true, PROBE_RDI);
	if (err != (a->field.size ? 0 : -ENOENT))
		fail_msg("%s: %d", a->what, err);
	if (field.offset != a->field.offset || field.size != a->field.size ||
	    field.compared != a->field.compared || field.value != a->field.value)
		fail_msg("%s: %u, %u bytes, %d %lu", a->what, field.offset, field.size,
			 field.compared, field.value);
}

#define LOAD	   "\x8b\x87\x58\x01\0\0"   /* mov 0x158(%rdi),%eax */
#define LOAD_LONG  "\x48\x8b\x47\x58"	    /* mov 0x58(%rdi),%rax */
#define LOAD_BYTE  "\x0f\xb6\x47\x65"	    /* movzbl 0x65(%rdi),%eax */
#define COMPARE	   "\x80\xbf\xc5\0\0\0\x02" /* cmpb $2,0xc5(%rdi) */
#define SAVE_RDI   "\x48\x89\xfb"	    /* mov %rdi,%rbx */
#define CALL_NEAR  "\xe8\x40\0\0\0"	    /* call .+0x45 */
#define LOAD_SAVED "\x44\x0f\xb6\x63\x65"   /* movzbl 0x65(%rbx),%r12d */
#define SETE	   "\x0f\x94\xc0"	    /* sete %al */
#define MOV_EAX	   "\xb8\x04\0\0\0"	    /* mov $4,%eax */

static void accessors_tell_their_field(void **state)
{
	static const struct accessor accessors[] = {
		{"plain", CODE(LOAD RET), {0x158, 4, false, 0}},
		{"endbr64", CODE(ENDBR LOAD_LONG RET), {0x58, 8, false, 0}},
		{"first field", CODE("\x8b\x07" RET), {0, 4, false, 0}},
		{"byte", CODE(LOAD_BYTE RET), {0x65, 1, false, 0}},
		{"frame", CODE(PUSH_RBP MOV_RBP LOAD POP_RBP RET), {0x158, 4, false, 0}},
		{"copy", CODE("\x48\x89\xf8\x48\x8b\x40\x10" RET), {0x10, 8, false, 0}},
		{"NULL, fall through",
		 CODE(TEST_RDI JE("\x07") LOAD RET MOV_EAX RET),
		 {0x158, 4, false, 0}},
		{"NULL, jump",
		 CODE(TEST_RDI JNE("\x06") MOV_EAX RET LOAD RET),
		 {0x158, 4, false, 0}},
		{"NULL, value before",
		 CODE(MOV_EAX TEST_RDI JE("\x06") LOAD RET),
		 {0x158, 4, false, 0}},
		/* cmp $0,%rdi */
		{"NULL, compared",
		 CODE("\x48\x83\xff\0" JE("\x06") LOAD RET),
		 {0x158, 4, false, 0}},
		{"under a mutex",
		 CODE(PUSH_RBX SAVE_RDI CALL_NEAR LOAD_SAVED CALL_NEAR "\x44\x89\xe0\x5b" RET),
		 {0x65, 1, false, 0}},
		{"jump to a shared end", CODE(LOAD JMP("\x02") XOR_EAX RET), {0x158, 4, false, 0}},
		{"compare",
		 CODE(XOR_EAX TEST_RDI JE("\x0c") XOR_EAX COMPARE SETE RET),
		 {0xc5, 1, true, 2}},
		{"compare, widened", CODE(COMPARE SETE "\x0f\xb6\xc0" RET), {0xc5, 1, true, 2}},
		/* cmp $2,%al */
		{"compare in a register", CODE(LOAD_BYTE "\x3c\x02" SETE RET), {0x65, 1, true, 2}},
		{"compare with 0", CODE(LOAD "\x85\xc0" SETE RET), {0x158, 4, true, 0}},
		/* cmpl $-1,8(%rdi) */
		{"compare with -1", CODE("\x83\x7f\x08\xff" SETE RET), {8, 4, true, UINT32_MAX}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(accessors); i++)
		check_field(&accessors[i]);
}

static void other_code_is_no_accessor(void **state)
{
	static const struct accessor others[] = {
		{"nothing", "", 0, {0}},
		{"cut", CODE(LOAD), {0}},
		{"another argument", CODE("\x8b\x46\x08" RET), {0}},
		{"a number", CODE(MOV_EAX RET), {0}},
		{"the argument", CODE("\x48\x89\xf8" RET), {0}},
		{"two steps", CODE("\x48\x8b\x07\x48\x8b\x40\x08" RET), {0}},
		{"an element", CODE("\x8b\x04\xb7" RET), {0}},
		{"before the object", CODE("\x8b\x47\xf8" RET), {0}},
		{"another base", CODE("\x64\x8b\x47\x08" RET), {0}},
		{"half of the pointer", CODE("\x67\x8b\x47\x08" RET), {0}},
		{"part of the field", CODE(LOAD_LONG "\x89\xc0" RET), {0}},
		{"changed", CODE(LOAD "\x83\xc0\x01" RET), {0}},
		{"written", CODE("\x89\x77\x08" LOAD RET), {0}},
		{"lost", CODE(LOAD XOR_EAX RET), {0}},
		{"pointer lost by a call", CODE(CALL_NEAR LOAD RET), {0}},
		{"value lost by a call", CODE(LOAD CALL_NEAR RET), {0}},
		{"what a call returns", CODE(PUSH_RBX SAVE_RDI CALL_NEAR "\x5b" RET), {0}},
		{"pointer lost", CODE("\x31\xff" LOAD RET), {0}},
		{"a second condition", CODE(LOAD "\x85\xc0" JE("\x03") "\x8b\x47\x10" RET), {0}},
		{"another condition", CODE(TEST_RSI JE("\x06") LOAD RET), {0}},
		{"flags lost", CODE(TEST_RDI XOR_EAX JE("\x06") LOAD RET), {0}},
		{"unequal", CODE(COMPARE "\x0f\x95\xc0" RET), {0}},
		{"compare, flags lost", CODE(COMPARE XOR_EAX SETE RET), {0}},
		/* cmp $0xffffff80,%eax: of a byte that may have been extended either way */
		{"compare beyond the field", CODE(LOAD_BYTE "\x83\xf8\x80" SETE RET), {0}},
		/* cmp $0x80,%eax */
		{"compare beyond its half", CODE(LOAD_BYTE "\x3d\x80\0\0\0" SETE RET), {0}},
		{"call", CODE(LOAD "\xe8\0\0\0\0" RET), {0}},
		{"endless", CODE(JMP("\xfe")), {0}},
		{"away", CODE(LOAD JMP("\x70")), {0}},
		{"second byte", CODE(LOAD "\x8a\x67\x01" RET), {0}},
		{"bad", CODE("\x06"), {0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(others); i++)
		check_field(&others[i]);
}

/* The code of a function of an installed library; 0 it is not installed. */
static size_t code_of(const char *library, const char *name, uint8_t *buf, size_t size)
{
	char path[128];
	struct elf_symbol symbol;
	struct elf_file *e;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), LIBRARIES "%s", library);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	assert_int_equal(elf_open(&e, fd), 0);
	if (elf_find(e, &name, 1, false, &symbol) != 1)
		fail_msg("%s has no %s", library, name);
	n = elf_read(e, symbol.offset, buf, MIN(symbol.size, size));
	assert_true(n > 0);
	keep(buf, (size_t)n, true, PROBE_RDI);
	elf_close(e);
	close(fd);
	return (size_t)n;
}

/* Builds differ, so what each function gets is told, and only what is cheap is held to its word. */
static void main_functions_of_installed_libraries_have_points(void **state)
{
	static const struct {
		const char *library, *names[12];
	} libraries[] = {
		{"libpq.so.5",
		 {"PQexec", "PQexecParams", "PQprepare", "PQexecPrepared", "PQclear", "PQfinish",
		  "PQconnectdb", "PQconnectPoll", "PQmakeEmptyPGresult", "PQgetResult",
		  "PQsendQuery", "PQreset"}},
		{"libmariadb.so.3",
		 {"mysql_init", "mysql_real_connect", "mysql_close", "mysql_real_query",
		  "mysql_store_result", "mysql_use_result", "mysql_free_result", "mysql_stmt_init",
		  "mysql_stmt_prepare", "mysql_stmt_execute", "mysql_stmt_close", "mysql_query"}},
		{"libsqlite3.so.0",
		 {"sqlite3_open", "sqlite3_open_v2", "sqlite3_close", "sqlite3_close_v2",
		  "sqlite3_prepare_v2", "sqlite3_prepare_v3", "sqlite3_finalize", "sqlite3_step",
		  "sqlite3_reset", "sqlite3_exec", "sqlite3_free", "sqlite3_malloc64"}},
		{"libssl.so.3",
		 {"SSL_read", "SSL_write", "SSL_read_ex", "SSL_write_ex", "SSL_new", "SSL_free",
		  "SSL_set_fd", "SSL_connect", "SSL_shutdown", "SSL_accept", "SSL_set_bio",
		  "SSL_do_handshake"}},
		{"libhiredis.so.0.14", {"redisConnect", "redisFree", "redisCommand"}},
		{"libc.so.6", {"malloc", "free", "calloc", "realloc"}},
	};
	static uint8_t code[PROBE_POINT_CODE_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(libraries); i++) {
		unsigned int known = 0, cheap = 0, moved = 0;

		for (size_t k = 0; k < 12 && libraries[i].names[k]; k++) {
			struct probe_point point;
			size_t n = code_of(libraries[i].library, libraries[i].names[k], code,
					   sizeof(code));

			if (!n)
				continue;
			point = probe_point_choose(code, n, true, PROBE_RDI);
			assert_true(point.delta < n && !point.nonzero);
			assert_true(point.cheap || !point.delta);
			known++;
			cheap += point.cheap;
			moved += point.delta > 0;
		}
		print_message("%s: %u of %u main functions are cheap with a return probe, %u of "
			      "them not at the entry\n",
			      libraries[i].library, cheap, known, moved);
		assert_true(!known || cheap);
	}
}

static void accessors_of_installed_libraries_are_understood(void **state)
{
	static const struct {
		const char *library, *name;
		uint8_t size;
	} accessors[] = {
		{"libsqlite3.so.0", "sqlite3_get_autocommit", 1},
		{"libsqlite3.so.0", "sqlite3_sql", 8},
		{"libsqlite3.so.0", "sqlite3_total_changes64", 8},
		{"libsqlite3.so.0", "sqlite3_db_handle", 8},
		{"libsqlite3.so.0", "sqlite3_last_insert_rowid", 8},
		{"libpq.so.5", "PQsocket", 4},
		{"libpq.so.5", "PQstatus", 4},
		{"libpq.so.5", "PQdb", 8},
		{"libpq.so.5", "PQresultMemorySize", 8},
		{"libpq.so.5", "PQntuples", 4},
		{"libmariadb.so.3", "mysql_thread_id", 8},
		{"libmariadb.so.3", "mysql_num_rows", 8},
	};
	uint8_t code[256];

	(void)state;
	for (size_t i = 0; i < COUNT(accessors); i++) {
		struct probe_field field;
		size_t n = code_of(accessors[i].library, accessors[i].name, code, sizeof(code));

		if (!n)
			continue;
		if (probe_field_of(code, n, &field))
			fail_msg("%s is no accessor", accessors[i].name);
		assert_int_equal(field.size, accessors[i].size);
		assert_true(!field.compared && field.offset < 4096);
	}
	if (code_of("libpq.so.5", "PQclear", code, sizeof(code))) {
		struct probe_field field;

		assert_int_equal(probe_field_of(code, sizeof(code), &field), -ENOENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cheap_entry_is_taken),
		cmocka_unit_test(the_first_cheap_instruction_on_the_way_is_taken),
		cmocka_unit_test(calls_with_null_are_spared_only_when_that_is_fine),
		cmocka_unit_test(what_changes_anything_is_not_passed),
		cmocka_unit_test(arguments_are_followed_from_register_to_register),
		cmocka_unit_test(stores_through_arguments_are_passed_with_a_return_probe),
		cmocka_unit_test(a_function_that_only_calls_another_is_seen_through),
		cmocka_unit_test(where_branches_lead_no_probe_is_moved),
		cmocka_unit_test(what_cannot_be_decoded_is_left_alone),
		cmocka_unit_test(accessors_tell_their_field),
		cmocka_unit_test(other_code_is_no_accessor),
		cmocka_unit_test(main_functions_of_installed_libraries_have_points),
		cmocka_unit_test(accessors_of_installed_libraries_are_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
