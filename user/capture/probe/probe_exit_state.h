/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_exit_state.h - the walk over a function's instructions, for probe_exit.c and
 * probe_exit_*.c.
 */
#ifndef DBLEAK_CAPTURE_PROBE_EXIT_STATE_H
#define DBLEAK_CAPTURE_PROBE_EXIT_STATE_H

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MOST   16384 /* instructions of a function, with all parts */
#define SLOTS	     (2 * STEPS_MOST)
#define WINDOW	     4096 /* bytes of code to read at a time */
#define TABLE_MOST   1024 /* addresses in a table */
#define TABLES_MOST  64
#define ENTRIES_MOST 4096
#define WAY_MOST     64	  /* instructions to look at before a jump through a table */
#define OUTSIDE_MOST 4096 /* instructions outside of the function itself */
#define REGISTERS    16
#define COVER_MOST   64 /* instructions to look at before a return */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct instruction {
	ZydisDecodedInstruction is;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	uint64_t address;
};

struct step {
	uint64_t address;
	uint64_t target; /* address that a branch leads to; 0: none */
	uint64_t loads;	 /* address that the step loads into a register (lea); 0: none */
	uint16_t writes; /* bits: registers */
	uint8_t length;
	bool calls;
	bool stops; /* the processor does not go on behind this instruction */
	bool ends;  /* a return: the call of the function ends */
};

/* The known content of a register.  Valid only if no branch leads into the middle of the way. */
enum value_kind {
	VALUE_NONE,
	VALUE_BOUND,  /* a number from 0 to most */
	VALUE_TABLE,  /* the address of a table */
	VALUE_ENTRY,  /* an entry of a table, a distance from the table's address */
	VALUE_TARGET, /* a target address from a table */
};

struct value {
	enum value_kind kind;
	bool distances; /* entries have 4 bytes and are distances from the table; else addresses */
	uint64_t table;
	uint64_t most;	/* highest index of an entry */
	uint64_t since; /* address of the instruction that showed the bound or loaded the table */
	/* For an entry or a target: the register that held the table (-1: none), and its since. */
	int base;
	uint64_t base_since;
};

/* A jump through a table.  The instructions from the one that bounds the index to the jump must be
 * entered only at the first, and only with this table. */
struct table_jump {
	uint64_t at;
	struct value by;
};

struct exit_entry {
	uint64_t to, jump; /* the target, and the jump that leads to it */
};

struct edge {
	uint64_t to;
	uint32_t from; /* index of a step */
};

/* The arrays behind `slots` hold only what their counts say.  So no walk pays for clearing all of
 * them, which is more than a MB. */
struct exit_walk {
	const struct probe_function *of;
	ZydisDecoder decoder;
	size_t count, outside, pending_count, table_count, entry_count, edge_count;
	size_t resolved; /* number of tables resolved so far */
	uint64_t window_at;
	size_t window_bytes;
	uint32_t slots[SLOTS]; /* 1 + the index of a step, by its address */
	struct step steps[STEPS_MOST];
	uint64_t pending[STEPS_MOST];
	struct table_jump tables[TABLES_MOST];
	struct exit_entry entries[ENTRIES_MOST];	  /* of all tables */
	struct edge edges[2 * STEPS_MOST + ENTRIES_MOST]; /* sorted by their targets */
	bool visited[STEPS_MOST];
	uint8_t window[WINDOW];
};

/*
 * The kernel single-steps a return, so an instruction before it that the kernel emulates makes a
 * cheaper end.  From the return, the walk goes back along all ways, and follows the returned value
 * (rax at the return) from register to register.  A way is done at a jump (or nop) that the kernel
 * emulates.  At that jump the value lies in a known register and the return address at a known
 * distance.  Then the call only restores registers.  A conditional jump counts only in the
 * direction that leads to the return; the BPF program reads that direction from the flags.  If a
 * single way has no such jump, for instance behind a call, the return itself is the end.
 */
struct back {
	uint64_t address; /* before the instruction at this address: */
	int result;	  /* the register with the value, */
	int64_t height;	  /* and bytes from the stack pointer up to the return address */
};

int exit_decode(struct exit_walk *w, uint64_t address, struct instruction *out);
uint32_t *exit_slot_of(struct exit_walk *w, uint64_t address);
/* Notes that the function also goes on at this address. */
int exit_follow(struct exit_walk *w, uint64_t address);
/* The processor's number of a general register; -1: another register, or AH, BH, CH or DH. */
int exit_number_of(ZydisRegister reg);
bool exit_is_register(const ZydisDecodedOperand *operand);
/* The address that an operand names relative to the instruction (rip); 0: none. */
uint64_t exit_relative(const struct instruction *in, const ZydisDecodedOperand *operand);
/* Resolves all tables found since the last call. */
int exit_resolve_tables(struct exit_walk *w);
size_t exit_edges_to(const struct exit_walk *w, uint64_t address);
/* Does the jump always use this table, within its bound? */
bool exit_is_sure(struct exit_walk *w, const struct table_jump *jump);
/* Sorts the steps by address.  slot_of no longer works afterwards. */
int exit_check(struct exit_walk *w);

#endif
