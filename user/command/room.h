/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * room.h - the variable DBLEAK_ROOM, which makes rings and tables of the kernel half small.
 */
#ifndef DBLEAK_COMMAND_ROOM_H
#define DBLEAK_COMMAND_ROOM_H

/* Takes the divisor of all rooms; NULL: none.  -1, or 2 after a message on standard error: no such
 * divisor. */
int room_choose(const char *divisor);

#endif
