/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * count.h - a count as people read it, with thousands separators.
 */
#ifndef DBLEAK_BASE_COUNT_H
#define DBLEAK_BASE_COUNT_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define COUNT_SIZE 32

/* Writes "12,345" and returns it. */
static inline const char *count_text(char text[COUNT_SIZE], uint64_t n)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;

	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = '\0';
	return text;
}

#endif
