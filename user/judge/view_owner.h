/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * view_owner.h - a view and the arena that holds it; between the judge and view_close only.
 */
#ifndef DBLEAK_MODEL_VIEW_OWNER_H
#define DBLEAK_MODEL_VIEW_OWNER_H

#include "user/base/table.h"
#include "user/judge/view.h"

struct view_owner {
	struct report_view view; /* first, so that a pointer to the view is one to its owner */
	struct arena *arena;
};

#endif
