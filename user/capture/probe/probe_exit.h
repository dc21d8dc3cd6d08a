/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_exit.h - finds the ends of a function: instructions at which a probe can read the returned
 * value without any change to the stack.
 *
 * Pure: bytes in, an answer out.
 */
#ifndef DBLEAK_CAPTURE_PROBE_EXIT_H
#define DBLEAK_CAPTURE_PROBE_EXIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_EXITS_MOST 64

/* Reads the bytes loaded at an address, at most n.  Returns how many. */
typedef size_t probe_read_fn(void *context, uint64_t address, uint8_t *bytes, size_t n);

/* A function and the code around it.  Addresses of its file, before loading. */
struct probe_function {
	probe_read_fn *read;
	/* The function that a slot of the linkage table leads to; 0: not one of this file.  May be
	 * NULL. */
	uint64_t (*linked)(void *context, uint64_t slot);
	void *context;
	uint64_t entry;
	uint64_t size;	     /* in bytes; 0: not known */
	uint64_t first, end; /* the segment of loaded code, which the function never leaves */
	/* pointer: the probe reads a returned pointer (NULL: nothing is handed out), not only a
	 * number of 32 bits.  memory: the probe also reads memory, so no end may lie before a write
	 * to it. */
	bool pointer, memory;
	bool returns_only; /* accept return instructions only */
	uint64_t begun;	   /* the probe that sees calls begin: no end may lie there; 0: none */
};

struct probe_exit {
	uint64_t address;
	uint32_t height;   /* bytes from the stack pointer to the return address */
	uint8_t result;	   /* register with the returned value, by the processor's number */
	uint8_t when;	   /* enum probe_when */
	uint8_t condition; /* of the branch at this address, by the processor's number */
	bool cheap;	   /* the kernel emulates this instruction */
	/* Lies outside of the function, in code that other functions may use too.  Calls pass here
	 * whose beginning the probe at the entry did not see. */
	bool shared;
};

/* A call that reaches the address ends there ... */
enum probe_when {
	PROBE_ALWAYS,
	PROBE_TAKEN, /* ... if the branch is taken */
	PROBE_NOT_TAKEN,
};

struct probe_exits {
	size_t count;
	struct probe_exit all[PROBE_EXITS_MOST]; /* by address */
};

/* Finds the ends of the function.  Follows its code into parts that lie elsewhere, through jump
 * tables, and into functions of the same segment that it jumps to as its last call.
 *
 * Each call reaches one of the ends.  An end is the return instruction, or, where that is proven
 * safe, the last jump before it.  A jump is better, because the kernel emulates a jump but
 * single-steps a return.  (A call that returns NULL as a constant may reach no end.)
 *
 * 0; -EBADMSG bytes on the way are no instructions, or two instructions overlap; -ENOTSUP the next
 * instruction depends on memory or a register in a way that cannot be followed; -E2BIG the function
 * is too long or has too many ends; -ENOENT it never ends; -ENOMEM. */
int probe_exits_find(const struct probe_function *function, struct probe_exits *out);

#endif
