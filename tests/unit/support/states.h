/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * states.h - a nursery whose workers read state files of containers, for a group of tests.
 */
#ifndef STATES_H
#define STATES_H

#include "tests/unit/support/one_role.h"
#include "user/capture/host/state_wire.h"

static inline int states_begin(void **state)
{
	(void)state;
	return nursery_of(&state_role);
}

#endif
