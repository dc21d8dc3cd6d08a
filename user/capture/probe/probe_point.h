/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_point.h - chooses the instruction of a function for a probe, and reads facts from its code.
 *
 * Pure: bytes in, an answer out.
 */
#ifndef DBLEAK_CAPTURE_PROBE_POINT_H
#define DBLEAK_CAPTURE_PROBE_POINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Integer arguments of the System V ABI that a probe wants to read. */
enum probe_argument {
	PROBE_RDI = 1,
	PROBE_RSI = 2,
	PROBE_RDX = 4,
	PROBE_RCX = 8,
	PROBE_R8 = 16,
	PROBE_R9 = 32,
	PROBE_UNMOVED = 64, /* all of them in their own registers */
};

#define PROBE_ARGUMENTS 6

#define PROBE_POINT_CODE_MAX 65536 /* bytes of a function; a longer one is probed at its entry */
#define PROBE_POINT_WALK_MAX 64	   /* most bytes between the entry and a probe */

struct probe_point {
	uint32_t delta; /* bytes from the function's first instruction; 0: its entry */
	bool cheap;	/* the kernel emulates this instruction and does not single-step it */
	bool nonzero;	/* calls whose first argument is NULL do not reach this instruction */
	/* holder[i]: the number (1 to 6) of the argument register that now holds argument i + 1; 0:
	 * none of the six. */
	uint8_t holder[PROBE_ARGUMENTS];
};

/* Chooses a point in the function whose code begins with these n bytes.  Pass all its bytes if
 * possible, because branches back to the beginning must be found.  At the chosen point the stack is
 * always as at the entry: *(rsp) is the return address.  with_return: a return probe sits there
 * too, so no call may be missed, and nonzero stays false.  arguments: bits of enum probe_argument;
 * nonzero can be true only with PROBE_RDI.  Chooses the entry wherever anything is unsure. */
struct probe_point probe_point_choose(const uint8_t *code, size_t n, bool with_return,
				      unsigned int arguments);

/* A wrapper only calls another function with more arguments, and returns the other's result.  A
 * probe at the entry of the other function (the inner one) can watch the wrapper. */
struct probe_inner {
	int64_t target; /* the inner function, in bytes from the wrapper's first instruction */
	uint32_t after; /* the inner function's return address, likewise */
	uint32_t stack; /* bytes from the inner return address up to the wrapper's own */
	uint8_t holder[PROBE_ARGUMENTS];
};

/* Code and arguments as above.  0; -ENOENT: the function is no such wrapper. */
int probe_point_inner(const uint8_t *code, size_t n, unsigned int arguments,
		      struct probe_inner *out);

/* The field of an object that an accessor with one pointer argument returns, as in
 *   test %rdi,%rdi; je ...; mov DISP(%rdi),%eax; ret    or    cmpb $2,DISP(%rdi); sete %al
 * perhaps between calls that lock and unlock a mutex. */
struct probe_field {
	uint32_t offset; /* in bytes from the pointer */
	uint8_t size;	 /* 1, 2, 4, 8 */
	bool compared;	 /* the accessor returns whether the field equals value */
	uint64_t value;
};

/* 0; -ENOENT: the code does anything else. */
int probe_field_of(const uint8_t *code, size_t n, struct probe_field *out);

#endif
