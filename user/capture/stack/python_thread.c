/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_thread.c - see python_thread.h.
 *
 * The lists lie in memory of the process, which may be hostile or change during the walk.  Each
 * walk ends after a fixed count of steps.
 */
#include "user/capture/stack/python_thread.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define INTERPRETERS_MOST 8
#define CODE_ALIGN	  7ULL /* 3.14 keeps flags in a reference's lowest bits */
#define TYPE_AT		  8    /* in an object */

static uint64_t frame_word(const uint8_t *frame, size_t at)
{
	uint64_t word;

	memcpy(&word, frame + at, sizeof(word));
	return word;
}

/* The innermost frame of a thread's state; 0: none, or it cannot be read. */
static uint64_t innermost(const struct memory *m, const struct python_row *row, uint64_t thread)
{
	uint64_t frame = 0;

	if (memory_u64(m, thread + row->thread_frame, &frame) || !frame || !row->frame_pointer)
		return frame;
	return memory_u64(m, frame + row->frame_pointer - 1, &frame) ? 0 : frame;
}

static size_t threads_of(const struct memory *m, const struct python_row *row, uint64_t thread,
			 struct python_thread *out, size_t most)
{
	size_t n = 0;

	while (thread && n < most) {
		if (memory_u64(m, thread + row->thread_id, &out[n].self))
			break;
		out[n].frame = innermost(m, row, thread);
		n++;
		if (memory_u64(m, thread + row->thread_next, &thread))
			break;
	}
	return n;
}

int python_threads(const struct memory *m, const struct python_row *row, uint64_t runtime,
		   struct python_thread *out, size_t most)
{
	uint64_t interpreter, thread;
	size_t n = 0;
	int err = memory_u64(m, runtime + row->interpreters, &interpreter);

	if (err)
		return err;
	for (int i = 0; i < INTERPRETERS_MOST && interpreter && n < most; i++) {
		err = memory_u64(m, interpreter + row->interpreter_threads, &thread);
		if (err)
			break;
		n += threads_of(m, row, thread, out + n, most - n);
		if (memory_u64(m, interpreter + row->interpreter_next, &interpreter))
			break;
	}
	return n ? (int)n : err;
}

int python_frame_check(const struct memory *m, const struct python_row *row, struct raw_frame *f)
{
	struct python_identity identity = {};
	uint32_t owner = f->at >> PYTHON_OWNER_SHIFT, check;
	int err;

	if (row->strangers >> (owner & 7) & 1)
		return 0;
	err = memory_read(m, f->code + row->identity, identity.name, sizeof(identity.name));
	if (!err)
		err = memory_read(m, identity.name[PYTHON_IDENTITY_WORDS - 1] + PYTHON_LINES_AT,
				  &identity.size, 3 * sizeof(identity.size));
	if (err)
		return err;
	check = python_check(&identity);
	f->code |= (uint64_t)check << PYTHON_ADDRESS_BITS;
	f->at |= (uint64_t)(check >> 16) << PYTHON_ADDRESS_BITS;
	return 0;
}

static bool is_frame_code(const struct memory *m, const struct python_row *row, uint64_t runtime,
			  const struct raw_frame *f)
{
	uint64_t type;

	return !memory_u64(m, (f->code & PYTHON_ADDRESS) + TYPE_AT, &type) &&
	       type == runtime + (uint64_t)row->code_type;
}

/* The innermost frame may belong to the interpreter itself and have no code; then the next one
 * counts. */
static bool are_code(const struct memory *m, const struct python_row *row, uint64_t runtime,
		     const struct raw_stack *s)
{
	return !row->code_type || is_frame_code(m, row, runtime, &s->frame[0]) ||
	       (s->count > 1 && is_frame_code(m, row, runtime, &s->frame[1]));
}

int python_frame_read(const struct memory *m, const struct python_row *row, uint64_t frame,
		      struct raw_frame *out, uint64_t *back)
{
	uint8_t bytes[PYTHON_FRAME_BYTES];
	int err;

	if (!row->frame_bytes || row->frame_bytes > sizeof(bytes))
		return -EINVAL;
	err = memory_read(m, frame, bytes, row->frame_bytes);
	if (err)
		return err;
	out->code = frame_word(bytes, row->frame_code) & ~CODE_ALIGN & PYTHON_ADDRESS;
	out->at = (frame_word(bytes, row->frame_at) & row->at_mask) |
		  (uint64_t)(bytes[row->frame_owner] & row->owner_mask) << PYTHON_OWNER_SHIFT;
	*back = frame_word(bytes, row->frame_back);
	return 0;
}

int python_thread_frames(const struct memory *m, const struct python_row *row, uint64_t runtime,
			 uint64_t frame, struct raw_stack *out)
{
	int err = 0;

	for (out->count = 0; frame && out->count < STACK_FRAMES; out->count++) {
		err = python_frame_read(m, row, frame, &out->frame[out->count], &frame);
		if (err)
			return err;
	}
	if (frame)
		out->flags |= EV_STACK_CUT;
	if (!out->count || !are_code(m, row, runtime, out))
		return -ENOENT;
	for (uint32_t i = 0; i < out->count && !err; i++)
		err = python_frame_check(m, row, &out->frame[i]);
	return err;
}
