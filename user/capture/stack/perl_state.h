/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * perl_state.h - layouts of Perl, for perl.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_PERL_STATE_H
#define DBLEAK_CAPTURE_PERL_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/stack/stack_perl.h"

/* The layout that all these versions share. */
enum {
	COP_BYTES = 56,
	AT_CODE = 16, /* OP.op_ppaddr */
	AT_TYPE = 32, /* OP.op_type, 9 bits */
	AT_LINE = 36,
	AT_FILE = 48,
	TYPE_BITS = 511,
	LINES_MOST = 1 << 24,
	FILE_MOST = 1024,
	NAME_MOST = 255,
	SV_TYPE = 255, /* in sv_flags */
	IS_GLOB = 9,
	IS_HASH = 12,
	IS_CODE = 13,
	CV_STASH = 32,
	CV_GV = 56, /* or the name itself */
	CV_FLAGS = 92,
	CV_BYTES = 96,
	CV_NAMED = 0x8000,
	GV_NAME = 32, /* and its stash behind it */
	HASH_HAS_AUX = 0x2000000,
	HASH_MAX = 24, /* index of the last bucket */
	HASH_BODY = 32,
	AUX_NAMES = 28, /* 0: it has one name */
};

/* A value: SV, CV, GV, HV. */
struct perl_value {
	uint64_t body;
	uint32_t references, flags;
	uint64_t rest; /* HV: its buckets */
};

/* The layout that differs by version, from the headers of each (x86-64, ithreads). */
struct perl_layout {
	uint16_t next_state, debug_state; /* types of the OPs that are COPs */
	bool with_aux;			  /* xpvhv_aux follows the hash's body, not its buckets */
};

extern const struct perl_layout perl_rows[PERL_ROWS];

#endif
