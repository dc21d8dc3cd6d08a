/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file_point.c - see file_point.h.
 */
#include "user/capture/probe/file_point.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/elf/elf_question.h"
#include "user/capture/probe/file_point_state.h"

#define ACCESSOR_BYTES	96
#define POINT_MOST	(PROBE_POINT_WALK_MAX + 16)   /* the last instruction may lie behind */
#define INNER_STACK	(PROBE_POINT_WALK_MAX * 4096) /* each instruction takes less */
#define IS_INSIDE(f, x) ((x) >= (f)->offset && (x) - (f)->offset < (f)->size)

/* --- the worker's side ----------------------------------------------------------------------- */

/* A function that only calls another one is probed at the other's entry, if a probe there is cheap
 * (the kernel emulates the instruction). */
static void find_inner(struct elf_file *elf, const struct file_wish *wish, const uint8_t *code,
		       struct point_answer *out)
{
	uint64_t target, start, size, own, own_size;
	struct probe_inner inner;
	uint8_t first[ACCESSOR_BYTES];
	struct probe_point at;
	ssize_t n;

	if (probe_point_inner(code, wish->function.size, wish->arguments, &inner))
		return;
	target = wish->function.offset + (uint64_t)inner.target;
	if (elf_segment(elf, target, &start, &size) ||
	    elf_segment(elf, wish->function.offset, &own, &own_size) || start != own)
		return;
	n = elf_read(elf, target, first, sizeof(first));
	if (n <= 0)
		return;
	at = probe_point_choose(first, (size_t)n, true, wish->arguments);
	if (!at.cheap || at.delta)
		return;
	out->inner = target;
	out->after = inner.after;
	out->stack = inner.stack;
	memcpy(out->inner_holder, inner.holder, sizeof(out->inner_holder));
}

/* A jump back to the beginning of a function may come from anywhere in it, so all of it is decoded.
 */
static int point_answer(struct elf_file *elf, const void *in, void *out)
{
	const struct file_wish *wish = in;
	struct point_answer *answer = out;
	struct probe_point at;
	uint8_t *code;

	if (!wish->function.size || wish->function.size > PROBE_POINT_CODE_MAX)
		return -ENOTSUP;
	code = malloc(wish->function.size);
	if (!code)
		return -ENOMEM;
	if (elf_read(elf, wish->function.offset, code, wish->function.size) !=
	    (ssize_t)wish->function.size) {
		free(code);
		return -EBADMSG;
	}
	at = probe_point_choose(code, wish->function.size, wish->with_return, wish->arguments);
	answer->delta = at.delta;
	answer->cheap = at.cheap;
	answer->nonzero = at.nonzero;
	memcpy(answer->holder, at.holder, sizeof(answer->holder));
	if (wish->inner && !at.cheap)
		find_inner(elf, wish, code, answer);
	free(code);
	return 0;
}

static int field_answer(struct elf_file *elf, const void *in, void *out)
{
	const struct elf_symbol *function = in;
	struct field_answer *answer = out;
	uint8_t code[ACCESSOR_BYTES];
	struct probe_field field;
	size_t size = function->size && function->size < sizeof(code) ? function->size
								      : sizeof(code);
	ssize_t n = elf_read(elf, function->offset, code, size);

	if (n <= 0)
		return -EBADMSG;
	memset(&field, 0, sizeof(field));
	if (probe_field_of(code, (size_t)n, &field))
		return -ENOENT;
	answer->value = field.value;
	answer->offset = field.offset;
	answer->size = field.size;
	answer->compared = field.compared;
	return 0;
}

/* --- the asking side ------------------------------------------------------------------------- */

static bool are_holders(const uint8_t holder[PROBE_ARGUMENTS])
{
	for (size_t i = 0; i < PROBE_ARGUMENTS; i++)
		if (holder[i] > PROBE_ARGUMENTS)
			return false;
	return true;
}

/* The inner function lies elsewhere in the same segment of code, where a call reaches it. */
static bool inner_makes_sense(struct elf_file *elf, const struct file_wish *wish,
			      const struct point_answer *a)
{
	int64_t outer = (int64_t)(wish->function.offset + a->after - a->inner);
	uint64_t start, size, own, own_size;

	if (!wish->inner || a->cheap || IS_INSIDE(&wish->function, a->inner) ||
	    elf_segment(elf, a->inner, &start, &size) ||
	    elf_segment(elf, wish->function.offset, &own, &own_size) || start != own)
		return false;
	return outer >= INT32_MIN && outer <= INT32_MAX && a->after &&
	       a->after < wish->function.size && a->stack <= INNER_STACK && a->stack % 8 == 0 &&
	       are_holders(a->inner_holder);
}

static bool point_check(struct elf_file *elf, const void *in, const void *out)
{
	const struct file_wish *wish = in;
	const struct point_answer *a = out;

	if (a->delta >= wish->function.size || a->delta > POINT_MOST || a->cheap > 1 ||
	    a->nonzero > 1 || (a->delta && !a->cheap) || !are_holders(a->holder))
		return false;
	return !a->inner || inner_makes_sense(elf, wish, a);
}

static bool field_check(struct elf_file *elf, const void *in, const void *out)
{
	const struct field_answer *a = out;

	(void)elf;
	(void)in;
	return a->offset <= INT32_MAX && a->compared <= 1 &&
	       (a->size == 1 || a->size == 2 || a->size == 4 || a->size == 8) &&
	       a->value <= UINT64_MAX >> (64 - 8 * a->size);
}

const struct elf_question point_question = {
	sizeof(struct file_wish),
	sizeof(struct point_answer),
	point_answer,
	point_check,
};

const struct elf_question field_question = {
	sizeof(struct elf_symbol),
	sizeof(struct field_answer),
	field_answer,
	field_check,
};

int file_point_find(struct elf_file *elf, const struct file_wish *wish, struct file_point *out)
{
	struct point_answer a;
	int err = elf_ask(elf, &point_question, wish, &a);

	*out = (struct file_point){
		.at = {.delta = a.delta, .cheap = a.cheap, .nonzero = a.nonzero},
		.inner = a.inner,
		.after = a.after,
		.stack = a.stack,
	};
	memcpy(out->at.holder, a.holder, sizeof(out->at.holder));
	memcpy(out->holder, a.inner_holder, sizeof(out->holder));
	return err;
}

int file_field_find(struct elf_file *elf, const struct elf_symbol *function,
		    struct probe_field *out)
{
	struct field_answer a;
	int err = elf_ask(elf, &field_question, function, &a);

	*out = (struct probe_field){
		.offset = a.offset, .size = a.size, .compared = a.compared, .value = a.value};
	return err;
}
