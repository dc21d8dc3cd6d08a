/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * forget.h - lets go of processes that ended long ago and have nothing to tell, so that a watch of
 * days over short programs does not grow with their number.
 */
#ifndef DBLEAK_MODEL_FORGET_H
#define DBLEAK_MODEL_FORGET_H

#include "user/model/model.h"

void ended_add(struct ended *list, struct process_model *p);

/* Lets go of those of whom there are too many.  They stay in m->forgotten.  0 or -ENOMEM. */
int forget_ended(struct model *m);

/* Frees it with its endpoints.  What else is its own is in the tables of the model. */
void process_free(struct process_model *p);

#endif
