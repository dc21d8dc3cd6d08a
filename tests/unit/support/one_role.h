/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * one_role.h - a nursery whose workers all have one role, for the tests of a program.
 */
#ifndef ONE_ROLE_H
#define ONE_ROLE_H

#include "user/capture/worker/nursery.h"

static struct nursery *nursery;

/* For the setup of a group.  0 or -errno. */
static inline int nursery_of(const struct nursery_role *role)
{
	static const struct nursery_role *roles[NURSERY_ROLES]; /* borrowed */

	for (size_t i = 0; i < NURSERY_ROLES; i++)
		roles[i] = role;
	return nursery_open(&nursery, roles, NURSERY_ROLES);
}

/* The teardown of a group. */
static inline int nursery_finish(void **state)
{
	(void)state;
	nursery_close(nursery);
	return 0;
}

#endif
