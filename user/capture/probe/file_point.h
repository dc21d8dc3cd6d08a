/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file_point.h - chooses where to probe a function of an ELF file, and reads facts from its code,
 * with probe_point.h.
 *
 * The file's worker decodes, and this side checks what it says (elf_question.h).
 */
#ifndef DBLEAK_CAPTURE_FILE_POINT_H
#define DBLEAK_CAPTURE_FILE_POINT_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/elf/elf.h"
#include "user/capture/probe/probe_point.h"

struct elf_question;

/* A function of a file, and what its probe needs. */
struct file_wish {
	struct elf_symbol function;
	unsigned int arguments; /* bits of enum probe_argument */
	bool with_return;	/* as for probe_point_choose */
	bool inner;		/* if no point is cheap, look for an inner function */
};

struct file_point {
	struct probe_point at;
	/* The inner function of a wrapper, at whose entry a probe is cheap.  Its offset in the
	 * file; 0: none.  The rest is as in struct probe_inner. */
	uint64_t inner;
	uint32_t after, stack;
	uint8_t holder[PROBE_ARGUMENTS];
};

/* The questions of the functions below, for the table of the workers. */
extern const struct elf_question point_question, field_question;

/* Chooses a point of the function.  0; -ENOTSUP: its size is not known or too large; or another
 * -errno, also as elf_ask.  After an error only the entry may be probed. */
int file_point_find(struct elf_file *elf, const struct file_wish *wish, struct file_point *out);

/* Reads a field from the code of an accessor, as probe_field_of.  0 or -errno, also as elf_ask. */
int file_field_find(struct elf_file *elf, const struct elf_symbol *function,
		    struct probe_field *out);

#endif
