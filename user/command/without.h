/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * without.h - the variable DBLEAK_WITHOUT, which takes features of the kernel for missing.
 */
#ifndef DBLEAK_COMMAND_WITHOUT_H
#define DBLEAK_COMMAND_WITHOUT_H

/* Takes the features that a list names for missing; NULL: none.  -1, or 2 after a message on
 * standard error: a word names no feature. */
int without_choose(const char *list);

#endif
