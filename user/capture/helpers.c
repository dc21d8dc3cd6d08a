/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * helpers.c - see helpers.h.
 */
#include "user/capture/helpers.h"

#include <stddef.h>

#include "user/capture/elf/look_wire.h"
#include "user/capture/host/memory.h"
#include "user/capture/host/state_wire.h"
#include "user/capture/stack/native/native_wire.h"
#include "user/capture/worker/fetcher.h"
#include "user/capture/worker/nursery.h"

static const struct nursery_role *const roles[NURSERY_ROLES] = {
	[NURSERY_NATIVE] = &native_role,
	[NURSERY_LOOK] = &look_role,
	[NURSERY_STATE] = &state_role,
};

int helpers_open(struct helpers *h)
{
	int err = nursery_open(&h->nursery, roles, NURSERY_ROLES);

	if (!err)
		err = fetcher_open(&h->fetcher);
	if (!err)
		memory_use(h->fetcher);
	return err;
}

void helpers_close(struct helpers *h)
{
	memory_use(NULL);
	nursery_close(h->nursery);
	fetcher_close(h->fetcher);
	*h = (struct helpers){NULL, NULL};
}
