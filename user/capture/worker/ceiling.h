/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ceiling.h - how much memory we hold ourselves, and whether it is too much.
 *
 * All tables have bounds, and what grows beyond them together does so because the host is larger
 * than those were made for.  A host that is short of memory is not to suffer from whoever looks at
 * it.
 */
#ifndef DBLEAK_CAPTURE_CEILING_H
#define DBLEAK_CAPTURE_CEILING_H

#include <stdbool.h>
#include <stdint.h>

/* Resident bytes of this process; 0 not known. */
uint64_t ceiling_resident(void);
/* More than most bytes, also when what was freed has been given back. */
bool ceiling_is_reached(uint64_t most);

#endif
