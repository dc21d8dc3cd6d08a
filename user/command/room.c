/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * room.c - see room.h.
 */
#include "user/command/room.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/capture/kernel/kernel_room.h"

int room_choose(const char *divisor)
{
	char *end;

	if (!divisor || (isdigit((unsigned char)*divisor) &&
			 !kernel_room_divide(strtoul(divisor, &end, 10)) && !*end))
		return -1;
	fprintf(stderr, "dbleak: DBLEAK_ROOM: a power of two from 1 to %d divides the room\n",
		ROOM_DIVISOR_MOST);
	return 2;
}
