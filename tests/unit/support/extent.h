/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * extent.h - how much of a long test is run: a part in `make check`, so that a developer does not
 * wait, and all of it in scripts/test (TEST_EXTENT=whole).
 */
#ifndef EXTENT_H
#define EXTENT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The whole, or the part that still shows what the test is to show. */
static inline uint32_t extent(uint32_t whole, uint32_t part)
{
	const char *wanted = getenv("TEST_EXTENT");

	return wanted && !strcmp(wanted, "whole") ? whole : part;
}

#endif
