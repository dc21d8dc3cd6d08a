/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * usdt_state.h - the question about static probes as it travels, for usdt.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_USDT_STATE_H
#define DBLEAK_CAPTURE_USDT_STATE_H

#include "user/capture/probe/usdt.h"

#define USDT_NAME 32

struct usdt_wish {
	char provider[USDT_NAME], name[USDT_NAME];
};

#endif
