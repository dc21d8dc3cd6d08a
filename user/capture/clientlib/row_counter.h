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

/* Offsets that are believed.  Pointers to the statement's connection and neighbours come first. */
#define ROW_COUNTER_LEAST 16
#define ROW_COUNTER_MOST  256

/* Finds the u32 in a statement that is 1 before its first row and grows by 2 with each row: half of
 * it is the number of rows since the last reset.  Searches the library's n bytes of code for the
 * one place that counts.  0 and its offset in the statement; -ENOENT: no such place; -EEXIST:
 * several places that differ. */
int row_counter_find(const uint8_t *code, size_t n, uint32_t *offset);

#endif
