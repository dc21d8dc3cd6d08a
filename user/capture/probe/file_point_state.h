/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file_point_state.h - a worker's answers about the code of a function, for file_point.c and its
 * tests.
 */
#ifndef DBLEAK_CAPTURE_FILE_POINT_STATE_H
#define DBLEAK_CAPTURE_FILE_POINT_STATE_H

#include "user/capture/probe/file_point.h"

struct point_answer {
	uint64_t inner;
	uint32_t delta, after, stack;
	uint8_t cheap, nonzero;
	uint8_t holder[PROBE_ARGUMENTS], inner_holder[PROBE_ARGUMENTS];
	uint8_t reserved[6];
};

struct field_answer {
	uint64_t value;
	uint32_t offset;
	uint8_t size, compared, reserved[2];
};

#endif
