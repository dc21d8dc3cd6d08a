/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * options.c - see options.h.
 */
#include "user/command/options.h"

#include <stdlib.h>
#include <string.h>

void options_free(struct options *o)
{
	select_free(&o->select);
	free((void *)o->library.pattern);
	options_forget_dsn(o);
	baseline_free(o->baseline);
	o->baseline = NULL;
}

void options_forget_dsn(struct options *o)
{
	if (o->dsn)
		explicit_bzero(o->dsn, strlen(o->dsn));
	free(o->dsn);
	o->dsn = NULL;
}
