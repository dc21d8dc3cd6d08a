/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * harmless.h - what a child with the network gives up first of all.
 */
#ifndef DBLEAK_SERVE_HARMLESS_H
#define DBLEAK_SERVE_HARMLESS_H

#include <stddef.h>

#define HARMLESS_MOST 2 /* descriptors */

/* Moves these descriptors to first, first + 1, ... and closes all others; 0 to 2 are the null
 * device. Ends the process where that fails. */
void harmless_keep(int first, const int *fds, size_t count);
/* Bounds memory and files, becomes nobody where that is a right of ours, then calls confine (NULL:
 * nothing).  0 or -errno. */
int harmless_become(int (*confine)(void));

#endif
