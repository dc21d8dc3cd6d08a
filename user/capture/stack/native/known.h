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
	/* Its keeper's: what it was told as, and in which count of ids. */
	uint32_t id, generation;
	uint32_t text_size; /* the texts of frame, each with its NUL */
	struct frame frame;
	char text[];
};

/* One allocation, for free(3); NULL without memory.  Of function and build id the beginning is
 * kept, of file and module the end. */
struct known *known_make(const struct frame *frame);

/* Sets the texts of a frame to what stands in text, one after the other, each with its NUL, empty
 * for "not known".  False: that is not what stands there. */
bool known_texts(struct frame *frame, const char *text, size_t size);

#endif
