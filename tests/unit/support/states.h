/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * states.h - a nursery whose workers read state files of containers, for a group of tests.
 */
#ifndef STATES_H
#define STATES_H

#include "user/capture/host/state_wire.h"
#include "user/capture/worker/nursery.h"

static struct nursery *state_nursery;

static inline int states_begin(void **state)
{
	static const struct nursery_role *const roles[NURSERY_ROLES] = {
		[0 ... NURSERY_ROLES - 1] = &state_role};

	(void)state;
	return nursery_open(&state_nursery, roles, NURSERY_ROLES);
}

static inline int states_end(void **state)
{
	(void)state;
	nursery_close(state_nursery);
	return 0;
}

#endif
