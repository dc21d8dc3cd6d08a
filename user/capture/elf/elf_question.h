/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * elf_question.h - questions about a file's machine code, which decoders of other rooms answer.
 *
 * A decoder runs where the file is read: while dbleak traces, in the worker of that file.  The main
 * process decodes nothing.  It checks each answer, because a hostile file may control its worker.
 */
#ifndef DBLEAK_CAPTURE_ELF_QUESTION_H
#define DBLEAK_CAPTURE_ELF_QUESTION_H

#include <stdbool.h>
#include <stddef.h>

struct elf_file;

/* in and out have no pointers: both travel as bytes. */
struct elf_question {
	size_t in, out; /* bytes of the question and of its answer */
	/* Answers, in the process that reads the file.  *out is zeroed before.  0 or -errno. */
	int (*answer)(struct elf_file *e, const void *in, void *out);
	/* Whether the asking process can believe the answer.  Sends nothing to the worker. */
	bool (*check)(struct elf_file *e, const void *in, const void *out);
};

/* The questions that workers can answer.  Call before the nursery starts, because a worker inherits
 * them.  The array stays the caller's. */
void elf_questions_use(const struct elf_question *const *all, size_t n);
/* The number of a question; -1: no worker can answer it. */
int elf_question_number(const struct elf_question *question);
/* The question with that number; NULL: there is none. */
const struct elf_question *elf_question_at(size_t number);

#endif
