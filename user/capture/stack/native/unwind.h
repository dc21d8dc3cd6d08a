/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * unwind.h - steps from one frame of a copied stack to the next one out, on x86-64.
 *
 * A rule describes that step for one place in the code.  Rules are made from the file's CFI and can
 * be kept.  Only the copy is read: an address outside of it ends the walk.
 */
#ifndef DBLEAK_CAPTURE_UNWIND_H
#define DBLEAK_CAPTURE_UNWIND_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/stack/raw_stack.h"

/* The numbers of the registers in DWARF. */
enum unwind_register {
	UNWIND_BX = 3,
	UNWIND_BP = 6,
	UNWIND_SP = 7,
	UNWIND_R12 = 12,
	UNWIND_IP = 16,
	UNWIND_REGISTERS = 17,
};

struct unwind_rule;

struct unwind {
	uint64_t reg[UNWIND_REGISTERS];
	uint32_t known; /* a bit for each register */
	bool returned;	/* ip is a return address: the call stands before it */
	uint64_t slot;	/* address that ip was read from; 0 none, or a return probe waited there */
	const struct raw_stack *raw;
};

enum unwind_result {
	UNWIND_STEPPED = 1,
	UNWIND_END = 0,	 /* this was the outermost frame */
	UNWIND_CUT = -1, /* there are more frames, but they cannot be reached */
};

/* raw is borrowed. */
void unwind_start(struct unwind *u, const struct raw_stack *raw);

/* Makes a rule, which the caller frees.  NULL: no memory, or the CFI needs something that is not
 * supported. */
struct unwind_rule *unwind_compile(Dwarf_Frame *frame);

enum unwind_result unwind_step(struct unwind *u, const struct unwind_rule *rule);
/* Steps by the frame pointer, for code without CFI. */
enum unwind_result unwind_step_chain(struct unwind *u);

#endif
