/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file_exit.c - see file_exit.h.
 */
#include "user/capture/probe/file_exit.h"

#include <errno.h>

#include "bpf/clientlib/client.h"
#include "user/capture/elf/frame_table.h"

static size_t read_code(void *context, uint64_t address, uint8_t *bytes, size_t n)
{
	ssize_t got = elf_read_address(context, address, bytes, n);

	return got > 0 ? (size_t)got : 0;
}

static uint64_t linked(void *context, uint64_t slot)
{
	return elf_linked(context, slot);
}

static uint64_t size_of(struct elf_file *elf, uint64_t address)
{
	struct frame_table table;

	return frame_table_open(&table, elf) ? 0 : frame_table_size(&table, address);
}

int file_exits_find(struct elf_file *elf, const struct file_function *function,
		    struct probe_exits *out)
{
	struct probe_function f = {.read = read_code,
				   .linked = linked,
				   .context = elf,
				   .size = function->size,
				   .pointer = function->pointer,
				   .memory = function->memory,
				   .returns_only = function->returns_only};
	uint64_t start, length, away;
	int err;

	out->count = 0;
	f.entry = elf_code_address(elf, function->offset);
	if (!f.entry || elf_segment(elf, function->offset, &start, &length))
		return -EBADMSG;
	away = f.entry - function->offset;
	f.begun = function->begun ? function->begun + away : 0;
	f.first = start + away;
	f.end = f.first + length;
	if (!f.size)
		f.size = size_of(elf, f.entry);
	err = probe_exits_find(&f, out);
	for (size_t i = 0; i < out->count; i++)
		out->all[i].address -= away;
	return err;
}

uint64_t probe_exit_cookie(const struct probe_exit *exit, uint32_t row)
{
	/* The index of each register's word in struct pt_regs, by the processor's numbers. */
	static const uint8_t words[] = {10, 11, 12, 5, 19, 4, 13, 14, 9, 8, 7, 6, 3, 2, 1, 0};

	return EXIT_COOKIE(row, words[exit->result & 15], exit->shared, exit->when, exit->condition,
			   exit->height);
}
