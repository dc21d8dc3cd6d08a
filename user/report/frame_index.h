/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * frame_index.h - numbers the frames of many stacks, each different one once.
 *
 * Files for other tools list frames once and name them by number.
 */
#ifndef DBLEAK_REPORT_FRAME_INDEX_H
#define DBLEAK_REPORT_FRAME_INDEX_H

#include "user/base/table.h"
#include "user/judge/view.h"

/* Zeroed is empty. */
struct frame_index {
	struct table by_address, by_content; /* to the number */
	const struct frame_view **all;	     /* by number, less one */
	size_t count, room;
};

void frame_index_free(struct frame_index *x);
/* The number of a frame, from 1 on; 0 without memory.  The frame must live as long as the index. */
size_t frame_index_of(struct frame_index *x, const struct frame_view *f);

#endif
