/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_exit.h - where a function ends: the instructions of its own at which a probe can read what
 * it returns, without a change of anything on the stack.
 *
 * Pure: bytes in, an answer out.
 */
#ifndef DBLEAK_CAPTURE_PROBE_EXIT_H
#define DBLEAK_CAPTURE_PROBE_EXIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_EXITS_MOST 64

/* Bytes as they are loaded at an address, at most n.  Returns how many. */
typedef size_t probe_read_fn(void *context, uint64_t address, uint8_t *bytes, size_t n);

/* A function and what surrounds it.  Addresses as its file has them. */
struct probe_function {
	probe_read_fn *read;
	/* The function whose address a slot of the linkage table holds: of the same code, or 0. May
	 * be NULL. */
	uint64_t (*linked)(void *context, uint64_t slot);
	void *context;
	uint64_t entry;
	uint64_t size;	     /* 0 not known */
	uint64_t first, end; /* the loaded code that it lies in, and never leaves */
	/* What is read at its ends: a pointer that it returns (0: it hands out nothing) and not
	 * only a number of 32 bits; and what lies in memory. */
	bool pointer, memory;
	bool returns_only; /* no other ends are wanted */
	uint64_t
		begun; /* where calls are seen to begin: no end can be seen there, too; 0 nowhere */
};

struct probe_exit {
	uint64_t address;
	uint32_t height; /* bytes from the stack pointer there to the return address */
	uint8_t result;	 /* which register has what the call returns, as the processor numbers them
			  */
	uint8_t when;	 /* enum probe_when */
	uint8_t condition; /* of the branch that it is, as the processor numbers them */
	bool cheap;	   /* the kernel emulates the instruction there */
	/* In a part that may be another function's, too: it ends calls that nobody saw begin. */
	bool shared;
};

/* Whoever comes by is at an end of the call */
enum probe_when {
	PROBE_ALWAYS,
	PROBE_TAKEN, /* if the branch is taken */
	PROBE_NOT_TAKEN,
};

struct probe_exits {
	size_t count;
	struct probe_exit all[PROBE_EXITS_MOST]; /* by address */
};

/* Where a call of the function ends, wherever it goes: through parts that lie elsewhere, jump
 * tables, and functions of the same code that it leaves the rest to.  Each call comes by one of
 * them: its return instruction, or, where that can be shown, the last jump before it, after which
 * nothing but that is left to do; for the kernel emulates a jump, and single-steps a return. (Calls
 * that return the constant 0 for a pointer may come by none.) 0; -EBADMSG bytes on its way are no
 * instructions, or one lies within another; -ENOTSUP it goes on where only memory or a register
 * says; -E2BIG too long, or too many ends; -ENOENT it never ends; -ENOMEM. */
int probe_exits_find(const struct probe_function *function, struct probe_exits *out);

#endif
