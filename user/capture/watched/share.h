/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * share.h - whose statements, objects or records found no room in the kernel half, and who has most
 * of a table that is full.
 */
#ifndef DBLEAK_CAPTURE_SHARE_H
#define DBLEAK_CAPTURE_SHARE_H

#include "user/capture/watched/context.h"

/* Looks at a process of the kernel's ledger, and tells what was not followed of it. */
void share_look(struct capture *c, uint32_t pid, const struct process *p);
/* Call when all processes were looked at.  Tells once of each table that is full, with the process
 * that has most of it. */
void shares_tell(struct capture *c);

#endif
