/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * known.h - a frame as it is kept, with its texts cut to what a record holds.
 */
#ifndef DBLEAK_CAPTURE_KNOWN_H
#define DBLEAK_CAPTURE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/capture/stack/native/frame.h"

#define KNOWN_TEXTS 4

struct known {
	uint64_t key; /* of its content, never 0 */
	/* For the worker: the id that the frame was sent with, and the generation of that id. */
	uint32_t id, generation;
	uint32_t text_size; /* the texts of frame, each with its NUL */
	struct frame frame;
	char text[];
};

/* Copies a frame into one allocation, for free(3); NULL: no memory.  Function and build id keep
 * their beginning, file and module their end. */
struct known *known_make(const struct frame *frame);

/* Points the texts of a frame into `text`.  There they stand one after the other, each with its
 * NUL, empty for "not known".  False: `text` is not like that. */
bool known_texts(struct frame *frame, const char *text, size_t size);

#endif
