/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * row_counter.h - where a copy of SQLite counts the rows that a statement has handed out.
 *
 * Pure: bytes in, an answer out.
 */
#ifndef DBLEAK_CAPTURE_ROW_COUNTER_H
#define DBLEAK_CAPTURE_ROW_COUNTER_H

#include <stddef.h>
#include <stdint.h>

/* A statement's u32 that is 1 before its first row and 2 more with each: its rows since it was
 * reset last are half of it.  Looks through the library's n bytes of code for the one place that
 * counts. 0 and where in the statement it is, -ENOENT there is none, -EEXIST there are several that
 * differ. */
int row_counter_find(const uint8_t *code, size_t n, uint32_t *offset);

#endif
