/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * guests.c - see guests.h.
 */
#include "user/serve/guests.h"

#include <stdlib.h>
#include <sys/socket.h>

/* The server sees the end, and closes it.  Until then it stays in the list. */
static void cut_off(struct guest *guest)
{
	shutdown(guest->fd, SHUT_RDWR);
	guest->fd = -1;
}

static void cut_off_oldest(struct guests *g)
{
	struct guest *guest = g->oldest;

	while (guest && guest->fd < 0)
		guest = guest->next;
	if (guest)
		cut_off(guest);
}

struct guest *guests_add(struct guests *g, int fd, uint64_t now_ms)
{
	struct guest *guest = calloc(1, sizeof(*guest));

	if (!guest)
		return NULL;
	if (g->count >= GUESTS_MOST)
		cut_off_oldest(g);
	guest->fd = fd;
	guest->since_ms = now_ms;
	guest->before = g->newest;
	*(g->newest ? &g->newest->next : &g->oldest) = guest;
	g->newest = guest;
	g->count++;
	return guest;
}

void guests_remove(struct guests *g, struct guest *guest)
{
	if (!guest)
		return;
	*(guest->before ? &guest->before->next : &g->oldest) = guest->next;
	*(guest->next ? &guest->next->before : &g->newest) = guest->before;
	g->count--;
	free(guest);
}

int guests_expire(struct guests *g, uint64_t now_ms)
{
	for (struct guest *guest = g->oldest; guest; guest = guest->next) {
		uint64_t due = guest->since_ms + GUEST_MS;

		if (guest->fd < 0)
			continue;
		if (due > now_ms)
			return (int)(due - now_ms);
		cut_off(guest);
	}
	return -1;
}
