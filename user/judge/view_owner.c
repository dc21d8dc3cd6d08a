/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * view_owner.c - the end of a view, with all that it owns.
 */
#include "user/judge/view_owner.h"

void view_close(struct report_view *v)
{
	if (v)
		arena_close(((struct view_owner *)v)->arena);
}
