/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_point.h - at which instruction of a function a probe may sit, and what its code tells.
 *
 * Pure: bytes in, an answer out.
 */
#ifndef DBLEAK_CAPTURE_PROBE_POINT_H
#define DBLEAK_CAPTURE_PROBE_POINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Integer arguments of the System V ABI a probe wants to find untouched. */
enum probe_argument {
	PROBE_RDI = 1,
	PROBE_RSI = 2,
	PROBE_RDX = 4,
	PROBE_RCX = 8,
	PROBE_R8 = 16,
	PROBE_R9 = 32,
	PROBE_UNMOVED = 64, /* not even in another register */
};

#define PROBE_ARGUMENTS 6

#define PROBE_POINT_CODE_MAX 65536 /* bytes of a function; what is longer is left alone */
#define PROBE_POINT_WALK_MAX 64	   /* bytes between its entry and a probe */

struct probe_point {
	uint32_t delta; /* bytes after the function's first instruction; 0 its entry */
	bool cheap;	/* the kernel emulates the instruction there: no single step */
	bool nonzero;	/* calls whose first argument is NULL do not come by here */
	/* [i]: argument i + 1 is now where argument [i] was; 0 none of the six registers. */
	uint8_t holder[PROBE_ARGUMENTS];
};

/* Chooses for a function whose code begins with these n bytes (as many as are known to belong to
 * it: all of them if possible, for branches back to its beginning are looked for).  The stack is
 * always as at the entry, the caller's return address at *(rsp).  with_return: a return probe sits
 * there too, so no call may be missed, and nonzero stays false.  arguments: bits of enum
 * probe_argument; nonzero only if PROBE_RDI is among them.  The entry where anything is unsure. */
struct probe_point probe_point_choose(const uint8_t *code, size_t n, bool with_return,
				      unsigned int arguments);

/* A function that does nothing but to call another with more arguments, and returns what that does,
 * can be watched at the beginning of the other. */
struct probe_inner {
	int64_t target; /* the other, in bytes from the function's first instruction */
	uint32_t after; /* where it returns to */
	uint32_t stack; /* bytes between its return address and the function's own */
	uint8_t holder[PROBE_ARGUMENTS];
};

/* Code and arguments as above.  0, or -ENOENT when the function does anything else. */
int probe_point_inner(const uint8_t *code, size_t n, unsigned int arguments,
		      struct probe_inner *out);

/* The field that an accessor of one pointer argument returns, as in
 *   test %rdi,%rdi; je ...; mov DISP(%rdi),%eax; ret    or    cmpb $2,DISP(%rdi); sete %al
 * perhaps between calls that take and give back a mutex.
 * Returns 0 and where it is in the object, or -ENOENT when the code does anything else. */
struct probe_field {
	uint32_t offset; /* in bytes from the pointer */
	uint8_t size;	 /* 1, 2, 4, 8 */
	bool compared;	 /* the accessor tells whether the field equals value */
	uint64_t value;
};

int probe_field_of(const uint8_t *code, size_t n, struct probe_field *out);

#endif
