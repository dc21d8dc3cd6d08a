/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * frame.h - one frame of a call stack, as the readers of stacks give it.
 */
#ifndef DBLEAK_CAPTURE_FRAME_H
#define DBLEAK_CAPTURE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

/* Strings are raw bytes of watched programs.  The reader owns them, and they are valid until it is
 * called again.  NULL is "not known". */
struct frame {
	const char *function, *file, *module, *build_id;
	uint64_t offset;       /* native: address as the module's ELF file has it; else 0 */
	uint32_t line, column; /* 0 not known */
	enum ev_language language;
	uint32_t flags; /* enum ev_frame_flag */
};

#endif
