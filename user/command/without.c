/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * without.c - see without.h.
 */
#include "user/command/without.h"

#include <stdio.h>
#include <string.h>

#include "user/capture/kernel/feature.h"

int without_choose(const char *list)
{
	const char *unknown = NULL;

	if (!feature_do_without(list, &unknown))
		return -1;
	fprintf(stderr,
		"dbleak: DBLEAK_WITHOUT: no feature \"%.*s\"\n"
		"\"dbleak doctor -v\" lists all features of the kernel\n",
		(int)strcspn(unknown, ","), unknown);
	return 2;
}
