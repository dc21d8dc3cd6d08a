/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * options.c - see options.h.
 */
#include "user/command/options.h"

#include <stdlib.h>

void options_free(struct options *o)
{
	select_free(&o->select);
	free((void *)o->library.pattern);
}
