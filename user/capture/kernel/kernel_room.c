/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_room.c - see kernel_room.h.
 */
#include "user/capture/kernel/kernel_room.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <unistd.h>

#include "dbleak.skel.h"

static const uint32_t rooms[EV_TABLES] = {
	[EV_TABLE_STATEMENTS] = ROOM_STATEMENTS,   [EV_TABLE_ENCRYPTED] = ROOM_ENCRYPTED,
	[EV_TABLE_CONNECTIONS] = ROOM_CONNECTIONS, [EV_TABLE_SITES] = ROOM_SITES,
	[EV_TABLE_OBJECTS] = ROOM_OBJECTS,	   [EV_TABLE_TEXTS] = ROOM_TEXTS,
};
static uint32_t room_divisor = 1; /* set once, before any thread begins */

int kernel_room_divide(unsigned long divisor)
{
	if (!divisor || divisor > ROOM_DIVISOR_MOST || (divisor & (divisor - 1)))
		return -EINVAL;
	room_divisor = (uint32_t)divisor;
	return 0;
}

uint32_t kernel_room(enum ev_table table)
{
	return rooms[table] / room_divisor;
}

static int map_divide(struct bpf_map *map, uint32_t least)
{
	uint32_t room = bpf_map__max_entries(map) / room_divisor;

	return bpf_map__set_max_entries(map, room < least ? least : room);
}

/* The ring of walks is left as it is: a walk that finds no room begins again, and loses nothing. */
int kernel_room_fill(struct dbleak *maps)
{
	struct bpf_map *tables[] = {
		maps->maps.statements, maps->maps.tls_states, maps->maps.links,
		maps->maps.sites,      maps->maps.handles,    maps->maps.texts,
		maps->maps.processes,  maps->maps.targets,
	};
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	int err;

	if (room_divisor == 1)
		return 0;
	err = map_divide(maps->maps.ring, page);
	if (!err)
		err = map_divide(maps->maps.task_ring, page);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables) && !err; i++)
		err = map_divide(tables[i], 1);
	return err;
}
