/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * raw_stack.h - call stacks as the kernel half takes them, and how it is told to.  Shared by both
 * halves, never recorded: user space turns them into EV_FRAME, EV_STACK and EV_EVIDENCE.
 */
#ifndef DBLEAK_RAW_STACK_H
#define DBLEAK_RAW_STACK_H

#include "bpf/event.h"

#define STACK_FRAMES	  64	/* of an interpreted stack, the innermost */
#define STACK_BYTES	  16384 /* of a copied one, at most */
#define STACK_INTERPRETED 1	/* bit of the ids of interpreted stacks, and of no others */
#define STACK_RETURNS	  4	/* pending return probes noted */
#define STACK_SLOTS	  64	/* return addresses of a stack whose shape is known */

/* Who runs the process's code: which reader takes its stacks. */
enum runtime {
	RUNTIME_NATIVE = 0,
	RUNTIME_PYTHON = 1,
	RUNTIME_PERL = 2,
	RUNTIME_PHP = 3,
};

/* Of one process; set by user space, or, for Python, by its first instructions. */
struct runtime_process {
	__u64 start_ns; /* to the nanosecond, or cut to a clock tick of 10 ms */
	__u64 address;	/* Python: of _PyRuntime; Perl: of PL_curinterp; PHP: of executor_globals */
	__u32 row;	/* of the offsets of its version */
	__u32 runtime;	/* enum runtime */
};

/* How much of its share of stacks a process has had: each one moves the time forward by the share's
 * interval, and it may not run ahead of the clock by more than STACK_BURST_NS. */
struct stack_rate {
	__u64 native_ns, interpreted_ns;
};

#define STACK_BURST_NS 1000000000ULL

/* To wake user space costs several times what a copied stack does.  So it is woken at the first one
 * of a process, which may be gone soon, and else after so long; until then it looks by itself. */
#define STACK_WAKE_NS 20000000ULL

/*
 * Where the return addresses lie in a copied stack, told by user space once it has unwound one.
 * Threads that stand at the same instruction with the same stack pointer have the same shape, and
 * equal addresses in its slots are equal stacks: a frame's size follows from its return address.
 */
struct stack_shape {
	__u16 count;		 /* slots in use */
	__u16 bytes;		 /* from the stack pointer to the end of the last slot */
	__u16 slot[STACK_SLOTS]; /* words above the stack pointer */
};

/* Kernel to user only. */
#define RAW_STACK    71
#define RAW_EVIDENCE 72 /* struct ev_evidence, its stack the id of a raw_stack */

/* An interpreted frame.  Python: code object and instruction pointer or index; PHP: op_array and
 * opline; Perl: address of the COP, and 0. */
struct raw_frame {
	__u64 code;
	__u64 at;
};

struct raw_registers {
	__u64 ip, sp, bp, bx, r12, r13, r14, r15;
};

/* Where a return probe has replaced a return address, and what it was. */
struct raw_return {
	__u64 slot, address;
};

/* In raw_stack.flags, beside those of enum ev_stack_flag: a call has just returned to registers.ip,
 * so the call stands before it; else ip is what the thread was about to run. */
#define RAW_STACK_RETURNED 0x10000

/* Cut after its payload: count frames, or length bytes of copied stack. */
struct raw_stack {
	struct ev_head head;
	__u64 id; /* of this sample; interpreted stacks: equal stacks of a process, equal ids */
	__u64 start_ns;
	__u64 parent_start_ns;
	__u64 shape;  /* native: key of its shape, which is not known yet; 0 it is */
	__u32 parent; /* native: the process that it is a fork of, and runs the same program; 0 none
		       */
	__u32 pid, tid;
	__u16 runtime; /* enum runtime */
	__u16 row;
	__u32 count;  /* interpreted */
	__u32 length; /* native: bytes copied from sp on */
	__u32 flags;  /* enum ev_stack_flag, RAW_STACK_RETURNED */
	__u32 image;  /* native: changes when the process runs another program */
	struct raw_registers registers;
	struct raw_return returns[STACK_RETURNS]; /* slot 0: none */
	union {
		struct raw_frame frame[STACK_FRAMES];
		__u8 bytes[STACK_BYTES];
	};
};

#endif
