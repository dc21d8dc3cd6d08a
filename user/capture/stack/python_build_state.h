/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_build_state.h - offsets that an interpreter publishes, for python_build.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_PYTHON_BUILD_STATE_H
#define DBLEAK_CAPTURE_PYTHON_BUILD_STATE_H

#include <stdint.h>

#define PUBLISHED_FROM		13 /* 3.13 */
#define PUBLISHED_BYTES		760
#define PUBLISHED_VERSION	8
#define PUBLISHED_FREE_THREADED 16

/* An offset that an interpreter publishes: where, of 3.13 and 3.14, and what it becomes. */
struct python_published {
	uint16_t at[2];
	uint16_t to, size;
};

#define PUBLISHED_FIELDS 17

extern const struct python_published python_published[PUBLISHED_FIELDS];

#endif
