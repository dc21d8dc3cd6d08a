/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * elf_question.c - see elf_question.h.
 */
#include "user/capture/elf/elf_question.h"

static const struct elf_question *const *questions;
static size_t question_count;

void elf_questions_use(const struct elf_question *const *all, size_t n)
{
	questions = all;
	question_count = n;
}

int elf_question_number(const struct elf_question *question)
{
	for (size_t i = 0; i < question_count; i++)
		if (questions[i] == question)
			return (int)i;
	return -1;
}

const struct elf_question *elf_question_at(size_t number)
{
	return number < question_count ? questions[number] : NULL;
}
