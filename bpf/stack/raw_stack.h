/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * raw_stack.h - call stacks as the kernel half takes them, and its orders for that.  Shared by both
 * halves, never recorded: user space turns them into EV_FRAME, EV_STACK and EV_EVIDENCE.
 */
#ifndef DBLEAK_RAW_STACK_H
#define DBLEAK_RAW_STACK_H

#include "bpf/event.h"
#include "bpf/raw_kind.h"

#define STACK_FRAMES	  64	/* frames of an interpreted stack, the innermost ones */
#define STACK_BYTES	  16384 /* most bytes of a copied stack */
#define STACK_INTERPRETED 1	/* bit set in the ids of interpreted stacks only */
#define STACK_RETURNS	  4	/* pending return probes noted */
#define STACK_SLOTS	  64	/* return addresses in a known shape */

/* The runtime of a process: it decides which reader takes its stacks. */
enum runtime {
	RUNTIME_NATIVE = 0,
	RUNTIME_PYTHON = 1,
	RUNTIME_PERL = 2,
	RUNTIME_PHP = 3,
};

/* The runtime of one process.  User space sets it; for Python, python_started does. */
struct runtime_process {
	__u64 start_ns; /* start of the process, in full or cut to a clock tick of 10 ms */
	__u64 address;	/* Python: of _PyRuntime; Perl: of PL_curinterp; PHP: of executor_globals */
	__u32 row;	/* row with the offsets of its version */
	__u32 runtime;	/* enum runtime */
};

/* The part of its share of stacks that a process has used.  Each stack moves the time forward by
 * one interval of the share.  The time may be ahead of the clock by STACK_BURST_NS at most. */
struct stack_rate {
	__u64 native_ns, interpreted_ns;
};

#define STACK_BURST_NS 1000000000ULL

/* To wake user space costs several times what a copied stack does.  The first copy of a process
 * wakes it, because the process may be gone soon; later copies wake it only after so long.  In
 * between user space polls. */
#define STACK_WAKE_NS 20000000ULL

/*
 * The places of the return addresses in a copied stack, set by user space once it has unwound such
 * a stack.  Threads at the same instruction with the same stack pointer have the same shape.  Equal
 * addresses in its slots mean equal stacks, because a frame's size follows from its return address.
 */
struct stack_shape {
	__u16 count;		 /* slots in use */
	__u16 bytes;		 /* from the stack pointer to the end of the last slot */
	__u16 slot[STACK_SLOTS]; /* in words above the stack pointer */
};

/* An interpreted frame.  Python: code object and instruction pointer or index; PHP: op_array and
 * opline; Perl: address of the COP, and 0. */
struct raw_frame {
	__u64 code;
	__u64 at;
};

struct raw_registers {
	__u64 ip, sp, bp, bx, r12, r13, r14, r15;
};

/* A return address that a return probe has replaced.  slot: where it lies. */
struct raw_return {
	__u64 slot, address;
};

/* A bit of raw_stack.flags, beside enum ev_stack_flag.  Set: a call has just returned to
 * registers.ip, so the call stands before it.  Not set: ip is the next instruction. */
#define RAW_STACK_RETURNED 0x10000
/* The stack of a sleeping thread, taken by user space. */
#define RAW_STACK_PRESENT 0x20000
/* Of a task of an event loop, taken by user space: it begins where the task does. */
#define RAW_STACK_TASK 0x40000

/* The record is cut after its payload: count frames, or length bytes of copied stack. */
struct raw_stack {
	struct ev_head head;
	__u64 id; /* id of this sample; equal interpreted stacks of a process have equal ids */
	__u64 start_ns;
	__u64 parent_start_ns;
	__u64 shape;  /* native: key of its shape if that is not known yet; 0 known */
	__u32 parent; /* native: parent process that runs the same program; 0 none */
	__u32 pid, tid;
	__u16 runtime; /* enum runtime */
	__u16 row;
	__u32 count;  /* interpreted */
	__u32 length; /* native: bytes copied from sp on */
	__u32 flags;  /* enum ev_stack_flag, RAW_STACK_RETURNED */
	__u32 image;  /* native: changes with an exec */
	struct raw_registers registers;
	struct raw_return returns[STACK_RETURNS]; /* slot 0: none */
	union {
		struct raw_frame frame[STACK_FRAMES];
		__u8 bytes[STACK_BYTES];
	};
};

#endif
