/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * util.h - texts that may be missing.
 */
#ifndef DBLEAK_BASE_UTIL_H
#define DBLEAK_BASE_UTIL_H

#include <stdbool.h>
#include <string.h>

/* Are both missing, or equal? */
static inline bool same_string(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* NULL for an empty text. */
static inline const char *or_null(const char *s)
{
	return s && *s ? s : NULL;
}

/* A copy, the caller's to free; NULL for an empty text or without memory. */
static inline char *string_keep(const char *s)
{
	return s && *s ? strdup(s) : NULL;
}

#endif
