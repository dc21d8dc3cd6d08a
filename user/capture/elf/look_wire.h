/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * look_wire.h - the packets between dbleak and a worker that reads ELF files.
 *
 * Each request packet has one reply packet, but EACH has several.  The replies are not trusted: a
 * hostile file may control the worker.
 */
#ifndef DBLEAK_CAPTURE_LOOK_WIRE_H
#define DBLEAK_CAPTURE_LOOK_WIRE_H

#include <stdint.h>

#include "user/capture/elf/elf_symbol.h"
#include "user/capture/worker/nursery.h"

#define LOOK_PACKET_MAX 65536
#define LOOK_FILES	32  /* open at a time */
#define LOOK_SIGNS	256 /* names that OPEN searches each file for */
#define LOOK_CODES	16

/* The functions of elf.h and elf_question.h. */
enum look_op {
	LOOK_OPEN = 1,	/* with a descriptor; the reply is a look_opened */
	LOOK_CLOSE = 2, /* no reply */
	LOOK_SIGN = 3,	/* no reply: one more name for OPEN to search for */
	LOOK_DEEPEN = 4,
	LOOK_FIND = 5, /* the reply has elf_symbols */
	LOOK_READ = 6,
	LOOK_READ_ADDRESS = 7,
	LOOK_BIAS = 8,
	LOOK_CONSTANTS = 9,
	LOOK_SECTION = 10,
	LOOK_EACH = 11,
	LOOK_BUILD_ID = 12,
	LOOK_ASK = 13, /* the question with number a of elf_question.h */
};

enum look_flag {
	LOOK_DEEP = 1,
	LOOK_VARIABLES = 2,
	LOOK_SECTIONS = 4, /* for SIGN: the name of a section */
};

struct look_opened {
	uint32_t codes, signs;
	struct elf_code code[LOOK_CODES];
	uint8_t sign[LOOK_SIGNS]; /* 1: the file has this name */
};

struct look_request {
	uint32_t op, file; /* file: a number below LOOK_FILES that the asker chooses */
	uint32_t count, flags;
	uint64_t a, b;
	uint32_t size, reserved;
	/* size bytes: count names with their NULs, or a question. */
	char bytes[] __attribute__((aligned(8)));
};

struct look_reply {
	int64_t result;
	uint64_t a, b;
	uint32_t given_up, is_program;
	uint32_t more; /* 1: more reply packets follow */
	uint32_t size; /* of bytes[] */
	uint8_t bytes[] __attribute__((aligned(8)));
};

/* A function in a reply to EACH, aligned to 8 bytes. */
struct look_function {
	uint64_t offset, size;
	uint32_t name_size, reserved; /* name_size: with the NUL */
	char name[];
};

extern const struct nursery_role look_role;

#endif
