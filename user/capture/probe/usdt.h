/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * usdt.h - the static probes (USDT) that a program or library declares in its notes: where they
 * are, the semaphore that turns each on, and where its first argument lies.
 *
 * The file's worker reads the notes and decodes, and this side checks what it says
 * (elf_question.h).  bcc reads such notes too, but not here: it opens a path, and the worker has no
 * file system; it copies names without a limit on where they end; and its parser of arguments is
 * C++ that is reached through a path alone.  A unit test holds this reader to bcc's answers.
 */
#ifndef DBLEAK_CAPTURE_USDT_H
#define DBLEAK_CAPTURE_USDT_H

#include <stdint.h>

#include "user/capture/elf/elf.h"

struct elf_question;

#define USDT_PLACES_MOST 8
#define USDT_REGISTERS	 16

/* The way to the value of an argument. */
enum usdt_how {
	USDT_UNKNOWN = 0,  /* no argument, or in a way that is not read */
	USDT_CONSTANT = 1, /* value */
	USDT_REGISTER = 2,
	USDT_MEMORY = 3, /* at the register's value plus value */
};

/* One place of a probe: the same probe may sit in several. */
struct usdt_place {
	uint64_t offset;    /* in the file, of a one-byte NOP */
	uint64_t semaphore; /* in the file: 2 bytes that count who listens; 0: needs none */
	int64_t value;
	uint8_t how;  /* enum usdt_how, of the first argument */
	uint8_t base; /* the register, as x86 instructions number them: rax 0, rcx 1, ... r15 15 */
	uint8_t size; /* of the argument: 1, 2, 4 or 8 bytes */
	uint8_t reserved[5];
};

struct usdt_places {
	uint32_t count, reserved;
	struct usdt_place all[USDT_PLACES_MOST];
};

/* The question of usdt_find, for the table of the workers. */
extern const struct elf_question usdt_question;

/* Finds the places of a probe, such as "python" "gc__start"; both names shorter than 32 bytes.
 * 0; -ENOENT: the file has no such probe; -ENOTSUP: it has, but not where a probe may sit;
 * -E2BIG: too many notes or places; or another -errno, also as elf_ask. */
int usdt_find(struct elf_file *elf, const char *provider, const char *name,
	      struct usdt_places *out);

/* Reads where an argument lies from its words in the note ("-4@112(%rsp)").  Pure.  Leaves
 * out->how USDT_UNKNOWN if the words are of another kind. */
void usdt_argument(const char *words, struct usdt_place *out);

#endif
