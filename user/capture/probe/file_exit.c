/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file_exit.c - see file_exit.h.
 */
#include "user/capture/probe/file_exit.h"

#include <errno.h>

#include "bpf/clientlib/client.h"
#include "user/capture/elf/elf_question.h"
#include "user/capture/elf/frame_table.h"
#include "user/capture/probe/file_exit_state.h"

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

static int find_in_file(struct elf_file *elf, const struct file_function *function,
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

/* --- the question to a worker ----------------------------------------------------------------- */

static int exits_answer(struct elf_file *elf, const void *in, void *out)
{
	struct exits_answer *answer = out;
	struct probe_exits exits;
	int err = find_in_file(elf, in, &exits);

	if (err)
		return err;
	answer->count = (uint32_t)exits.count;
	for (size_t i = 0; i < exits.count; i++) {
		const struct probe_exit *e = &exits.all[i];

		answer->all[i] = (struct exit_told){
			.offset = e->address,
			.height = e->height,
			.result = e->result,
			.when = e->when,
			.condition = e->condition,
			.flags = (uint8_t)((e->cheap ? EXIT_CHEAP : 0) |
					   (e->shared ? EXIT_SHARED_CODE : 0)),
		};
	}
	return 0;
}

/* Whether an end is shared, if that can be told: the function's size must be known. */
static bool is_shared_rightly(const struct file_function *function, const struct exit_told *e)
{
	bool inside = e->offset >= function->offset &&
		      e->offset - function->offset < function->size;

	return !function->size || inside == !(e->flags & EXIT_SHARED_CODE);
}

static bool exit_makes_sense(const struct file_function *function, const struct exit_told *e)
{
	return e->result < 16 && e->when <= PROBE_NOT_TAKEN && e->condition < 16 &&
	       e->height <= UINT16_MAX && e->flags <= (EXIT_CHEAP | EXIT_SHARED_CODE) &&
	       !(e->flags & EXIT_CHEAP && function->begun && e->offset == function->begun) &&
	       is_shared_rightly(function, e);
}

static bool exits_check(struct elf_file *elf, const void *in, const void *out)
{
	const struct file_function *function = in;
	const struct exits_answer *answer = out;
	uint64_t start, length;

	if (!answer->count || answer->count > PROBE_EXITS_MOST ||
	    elf_segment(elf, function->offset, &start, &length))
		return false;
	for (uint32_t i = 0; i < answer->count; i++) {
		const struct exit_told *e = &answer->all[i];

		if (e->offset < start || e->offset - start >= length ||
		    (i && e->offset <= answer->all[i - 1].offset) || !exit_makes_sense(function, e))
			return false;
	}
	return true;
}

const struct elf_question exits_question = {
	sizeof(struct file_function),
	sizeof(struct exits_answer),
	exits_answer,
	exits_check,
};

int file_exits_find(struct elf_file *elf, const struct file_function *function,
		    struct probe_exits *out)
{
	struct exits_answer answer;
	int err = elf_ask(elf, &exits_question, function, &answer);

	out->count = answer.count;
	for (uint32_t i = 0; i < answer.count; i++) {
		const struct exit_told *e = &answer.all[i];

		out->all[i] = (struct probe_exit){
			.address = e->offset,
			.height = e->height,
			.result = e->result,
			.when = e->when,
			.condition = e->condition,
			.cheap = e->flags & EXIT_CHEAP,
			.shared = e->flags & EXIT_SHARED_CODE,
		};
	}
	return err;
}

uint64_t probe_exit_cookie(const struct probe_exit *exit, uint32_t row)
{
	/* The index of each register's word in struct pt_regs, by the processor's numbers. */
	static const uint8_t words[] = {10, 11, 12, 5, 19, 4, 13, 14, 9, 8, 7, 6, 3, 2, 1, 0};

	return EXIT_COOKIE(row, words[exit->result & 15], exit->shared, exit->when, exit->condition,
			   exit->height);
}
