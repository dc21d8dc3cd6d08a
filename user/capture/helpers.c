/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * helpers.c - see helpers.h.
 */
#include "user/capture/helpers.h"

#include <stddef.h>

#include "user/capture/clientlib/file_row_counter.h"
#include "user/capture/clientlib/size_wire.h"
#include "user/capture/elf/elf_question.h"
#include "user/capture/elf/look_wire.h"
#include "user/capture/host/memory.h"
#include "user/capture/host/state_wire.h"
#include "user/capture/memory/call_site.h"
#include "user/capture/memory/pool_code.h"
#include "user/capture/probe/file_exit.h"
#include "user/capture/probe/file_point.h"
#include "user/capture/probe/probe.h"
#include "user/capture/probe/remover.h"
#include "user/capture/probe/usdt.h"
#include "user/capture/stack/native/native_wire.h"
#include "user/capture/stack/object_wire.h"
#include "user/capture/stack/php.h"
#include "user/capture/worker/fetcher.h"
#include "user/capture/worker/nursery.h"

static const struct nursery_role *const roles[NURSERY_ROLES] = {
	[NURSERY_NATIVE] = &native_role, [NURSERY_LOOK] = &look_role, [NURSERY_STATE] = &state_role,
	[NURSERY_OBJECT] = &object_role, [NURSERY_SIZE] = &size_role,
};

/* Answers that the workers which read ELF files can answer beside the questions of elf.h. */
static const struct elf_question *const questions[] = {
	&point_question,       &field_question,	     &exits_question,
	&row_counter_question, &call_sites_question, &pool_slot_question,
	&pool_taker_question,  &php_question,	     &usdt_question,
};

int helpers_open(struct helpers *h)
{
	int err;

	elf_questions_use(questions, sizeof(questions) / sizeof(questions[0]));
	err = nursery_open(&h->nursery, roles, NURSERY_ROLES);
	if (!err)
		err = fetcher_open(&h->fetcher);
	if (err)
		return err;
	memory_use(h->fetcher);
	h->remover = remover_open();
	probes_use(h->remover);
	return 0;
}

void helpers_close(struct helpers *h)
{
	memory_use(NULL);
	probes_use(NULL);
	remover_close(h->remover);
	nursery_close(h->nursery);
	fetcher_close(h->fetcher);
	*h = (struct helpers){NULL, NULL, NULL};
}
