/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file_row_counter.c - see file_row_counter.h.
 */
#include "user/capture/clientlib/file_row_counter.h"

#include <errno.h>
#include <stdlib.h>

#include "user/capture/clientlib/row_counter.h"
#include "user/capture/elf/elf_question.h"

#define SCAN_MOST (16UL << 20) /* bytes of code */

struct counter_search {
	uint64_t start, size;
};

static int counter_answer(struct elf_file *elf, const void *in, void *out)
{
	const struct counter_search *search = in;
	uint8_t *code;
	int err = -EBADMSG;
	ssize_t n;

	if (search->size > SCAN_MOST)
		return -E2BIG;
	code = malloc(search->size + 1);
	if (!code)
		return -ENOMEM;
	n = elf_read(elf, search->start, code, search->size);
	if (n > 0)
		err = row_counter_find(code, (size_t)n, out);
	free(code);
	return err;
}

static bool counter_check(struct elf_file *elf, const void *in, const void *out)
{
	uint32_t offset = *(const uint32_t *)out;

	(void)elf;
	(void)in;
	return offset >= ROW_COUNTER_LEAST && offset <= ROW_COUNTER_MOST &&
	       offset % sizeof(uint32_t) == 0;
}

const struct elf_question row_counter_question = {
	sizeof(struct counter_search),
	sizeof(uint32_t),
	counter_answer,
	counter_check,
};

int file_row_counter_find(struct elf_file *elf, uint64_t start, uint64_t size, uint32_t *offset)
{
	const struct counter_search search = {start, size};

	return elf_ask(elf, &row_counter_question, &search, offset);
}
