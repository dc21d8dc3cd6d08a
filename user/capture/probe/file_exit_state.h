/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file_exit_state.h - a worker's answer about the ends of a function, for file_exit.c and its
 * tests.
 */
#ifndef DBLEAK_CAPTURE_FILE_EXIT_STATE_H
#define DBLEAK_CAPTURE_FILE_EXIT_STATE_H

#include "user/capture/probe/file_exit.h"

struct exits_answer {
	uint32_t count, reserved;
	struct exit_told {
		uint64_t offset; /* in the file */
		uint32_t height;
		uint8_t result, when, condition;
		uint8_t flags; /* enum exit_flag */
	} all[PROBE_EXITS_MOST];
};

enum exit_flag {
	EXIT_CHEAP = 1,
	EXIT_SHARED_CODE = 2,
};

#endif
