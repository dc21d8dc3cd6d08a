/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * flags.h - which running programs name their own code only if they are told to.
 *
 * For doctor: one look at all processes, by the names of their programs.
 */
#ifndef DBLEAK_CAPTURE_FLAGS_H
#define DBLEAK_CAPTURE_FLAGS_H

#include <stddef.h>

/* Java names its methods in a map beside it.  Node's builds tell where their calls are, or not.  0:
 * nothing is missing; -ENOENT: some lack it.  detail says how many, one clause of plain text. */
int flags_java(char *detail, size_t size);
int flags_node(char *detail, size_t size);

#endif
