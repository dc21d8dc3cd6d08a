/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pool_code_state.h - a look into the code of an interpreter, for pool_code.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_POOL_CODE_STATE_H
#define DBLEAK_CAPTURE_POOL_CODE_STATE_H

#include <Zydis/Zydis.h>
#include <stdbool.h>

#include "user/capture/memory/pool_code.h"
#include "user/capture/elf/frame_table.h"

#define ENTRY_MOST    32 /* instructions until an exported function has read its pointers */
#define LOADS_MOST    32
#define FUNCTION_MOST 8192 /* bytes */
#define REGISTERS     16

/* Eight bytes of the process's memory, which the asking process read. */
struct pool_word {
	uint64_t address, value;
	uint64_t is_read; /* 0: the address cannot be read */
};

/* The search in an exported function for the allocator that it calls. */
struct slot_search {
	struct elf_symbol function;
	uint64_t bias, count;
	struct pool_word words[ENTRY_MOST];
};

/* The place of the allocator's context and function in the process; or, if lacks, the address of a
 * word that the search needs. */
struct slot_answer {
	uint64_t address;
	uint64_t lacks;
};

struct pool_finder {
	struct elf_file *elf;
	const struct pool_word *words;
	size_t word_count;
	bool lacks;	 /* the code reads memory that is not among the words ... */
	uint64_t lacked; /* ... at this address */
	struct frame_table functions;
	ZydisDecoder decoder;
	uint8_t code[FUNCTION_MOST];
	size_t size;
};

struct pool_instruction {
	ZydisDecodedInstruction is;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	uint64_t next; /* the address behind it, in the process */
};

/* The registers with known values, and the addresses that were read. */
struct pool_reading {
	struct {
		bool known;
		uint64_t value;
	} registers[REGISTERS];
	uint64_t loads[LOADS_MOST];
	size_t count;
};

/* A jump or call through memory reads that memory, too. */
void pool_code_note_jump(struct pool_reading *r, const struct pool_instruction *in);
/* Follows an instruction: registers that it writes are unknown from then on, unless the value is
 * known. */
void pool_code_follow(struct pool_reading *r, struct pool_finder *f,
		      const struct pool_instruction *in);
/* Finds the pair of context and function: both are read, and stand side by side. */
bool pool_code_pair_in(const struct pool_reading *r, uint64_t *address);
/* Decodes the instruction at byte `at` of f->code, whose first byte has the address start. */
bool pool_code_decode(const struct pool_finder *f, size_t at, uint64_t start,
		      struct pool_instruction *in);
/* Whether the function that was read takes pools into use. */
bool pool_code_is_taker(const struct pool_finder *f);

#endif
