/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * nearest.c - see nearest.h.
 */
#include "user/command/nearest.h"

#include <string.h>

#define LENGTH_MOST 31

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Letters to insert, delete, replace or swap with the next one. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t d[LENGTH_MOST + 1][LENGTH_MOST + 1];

	for (size_t i = 0; i <= a_length; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= b_length; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= a_length; i++)
		for (size_t j = 1; j <= b_length; j++) {
			size_t replaced = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			d[i][j] = least(replaced, least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[a_length][b_length];
}

struct nearest nearest_begin(const char *word, size_t length)
{
	return (struct nearest){
		.word = word, .length = length, .distance = length < 3 ? 0 : length / 3 + 1};
}

void nearest_try(struct nearest *n, const char *name)
{
	size_t length = strlen(name), distance;

	if (n->length > LENGTH_MOST || length > LENGTH_MOST)
		return;
	distance = edit_distance(n->word, n->length, name, length);
	if (distance >= n->distance)
		return;
	n->distance = distance;
	n->name = name;
}
