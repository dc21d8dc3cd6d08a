/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * process.c - see process.h.
 */
#include "user/model/process.h"

#include <stdlib.h>

void ended_add(struct ended *list, struct process_model *p)
{
	p->next_ended = NULL;
	*list->last = p;
	list->last = &p->next_ended;
	list->count++;
}

static void endpoint_free(struct endpoint *e)
{
	free(e->path);
	free(e->name);
	free(e->user);
	free(e->cursors);
	free(e->readers);
	free(e);
}

void process_free(struct process_model *p)
{
	struct endpoint *e, *next;

	for (e = p->endpoints; e; e = next) {
		next = e->next;
		endpoint_free(e);
	}
	free(p->cmdline);
	free(p->runtime);
	free(p->container_id);
	free(p->container_name);
	free(p->past);
	free(p);
}
