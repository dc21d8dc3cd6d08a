/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * share.c - see share.h.
 */
#include "user/capture/watched/share.h"

#include <stdio.h>
#include <string.h>

#include "user/capture/kernel/kernel.h"
#include "user/capture/kernel/kernel_room.h"
#include "user/capture/kernel/kernel_share.h"
#include "user/capture/watched/owner.h"

/* A process with fewer entries than one part of so many of the table is not the cause. */
#define MOST_LEAST 16

static const char *const names[EV_TABLES] = {
	[EV_TABLE_STATEMENTS] = "prepared statements",
	[EV_TABLE_ENCRYPTED] = "encrypted connections",
	[EV_TABLE_CONNECTIONS] = "connections of client libraries",
	[EV_TABLE_SITES] = "lines that call client libraries",
	[EV_TABLE_OBJECTS] = "objects of client libraries",
};

static bool has_unfollowed(const struct process *p)
{
	for (int i = 0; i < EV_TABLES; i++)
		if (p->refused[i])
			return true;
	return p->unsent;
}

static bool same_unfollowed(const struct ev_unfollowed *a, const struct ev_unfollowed *b)
{
	return !memcmp((const char *)a + sizeof(a->head), (const char *)b + sizeof(b->head),
		       sizeof(*a) - sizeof(a->head));
}

static void share_tell(struct capture *c, uint32_t pid, const struct process *p)
{
	struct owner *o = owner_of(c, pid, p->start_ns, p->comm);
	struct ev_unfollowed ev = {};

	if (!o)
		return;
	INIT(ev, EV_UNFOLLOWED);
	ev.start_ns = p->start_ns;
	ev.pid = pid;
	ev.unsent = p->unsent;
	memcpy(ev.refused, p->refused, sizeof(ev.refused));
	memcpy(ev.crowded, p->crowded, sizeof(ev.crowded));
	for (int i = 0; i < EV_TABLES; i++)
		ev.share[i] = kernel_share(c->kernel, i);
	if (same_unfollowed(&o->unfollowed, &ev))
		return;
	o->unfollowed = ev;
	capture_tell(c, &ev.head);
}

void share_look(struct capture *c, uint32_t pid, const struct process *p)
{
	for (int i = 0; i < EV_TABLES; i++) {
		struct crowd *crowd = &c->crowds[i];

		crowd->refused |= p->crowded[i] > 0;
		if (p->held[i] <= crowd->held)
			continue;
		crowd->held = p->held[i];
		crowd->pid = pid;
		crowd->start_ns = p->start_ns;
	}
	if (has_unfollowed(p))
		share_tell(c, pid, p);
}

static void tell_crowd(struct capture *c, enum ev_table table, const struct crowd *crowd)
{
	uint32_t room = kernel_room(table);
	struct ev_gap gap = {};

	INIT(gap, EV_GAP);
	if (crowd->held < room / MOST_LEAST) {
		snprintf(gap.text, sizeof(gap.text),
			 "%s: no room for more than %u, used by many processes", names[table],
			 room);
	} else {
		gap.pid = crowd->pid;
		gap.start_ns = crowd->start_ns;
		snprintf(gap.text, sizeof(gap.text),
			 "%s: no room for more than %u; this process uses %u, the most",
			 names[table], room, crowd->held);
	}
	capture_tell(c, &gap.head);
}

void shares_tell(struct capture *c)
{
	for (int i = 0; i < EV_TABLES; i++) {
		struct crowd *crowd = &c->crowds[i];

		if (crowd->refused && !crowd->reported && names[i]) {
			tell_crowd(c, i, crowd);
			crowd->reported = true;
		}
		crowd->refused = false;
		crowd->held = crowd->pid = 0;
	}
}
