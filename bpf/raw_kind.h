/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * raw_kind.h - the records that the kernel half sends to the user half alone.
 *
 * User space turns each into records of event.h, or uses it and throws it away: none is recorded.
 * Their numbers lie behind those of enum ev_kind.
 */
#ifndef DBLEAK_RAW_KIND_H
#define DBLEAK_RAW_KIND_H

#include "bpf/event.h"

enum raw_kind {
	RAW_IDENTITY = 64,
	RAW_SERVER = 65,
	RAW_HOLDER = 66,
	RAW_ALIVE =
		67, /* a head alone, ns its connection's id: it is still there, nothing is new */
	RAW_SITE = 68,
	RAW_HANDLE = 69,
	RAW_DEAD = 70, /* a handle whose process or program is gone */
	RAW_STACK = 71,
	RAW_EVIDENCE = 72, /* struct ev_evidence, its stack the id of a raw_stack */
	RAW_RUN = 73,	   /* a statement has handed out many rows while its process grew */
	RAW_GROWTH = 80,
	RAW_POOL = 82,
	RAW_POOL_SEEN = 83,
	RAW_TASK = 85,
	RAW_DEATH = 86,
	RAW_THREAD = 87,
	RAW_SOCKET = 88,
};

_Static_assert((int)EV_KIND_MAX <= (int)RAW_IDENTITY, "a raw kind has a number of its own");

#endif
