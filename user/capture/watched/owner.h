/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * owner.h - the processes that own what is watched.
 */
#ifndef DBLEAK_CAPTURE_OWNER_H
#define DBLEAK_CAPTURE_OWNER_H

#include "user/capture/watched/context.h"

struct process;

/* Returns the process, looked up and told of when it is new.  NULL: no memory, noted in c. */
struct owner *owner_of(struct capture *c, uint32_t pid, uint64_t start_ns, const char *comm);
/* Tells what about this connection of its process cannot be seen, each kind once. */
void owner_tell_gaps(struct capture *c, struct owner *o, const struct ev_connection *ev);
/* Tells what the kernel counted of its short connections; for kernel_processes. */
void owner_tally(void *context, uint32_t pid, const struct process *p);
/* Tells what changed of everyone's memory and files. */
void owners_tell_usage(struct capture *c);
/* The same between sweeps, of those few for whom it matters. */
void owners_look(struct capture *c, uint64_t now);
/* Asks /proc again who they are, and what memory and files they have, and tells what changed: of
 * those whose turn it is.  Once a sweep. */
void owners_refresh(struct capture *c, uint64_t now);
/* Tells of those that ended without a record of it, and forgets those that ended long ago. */
void owners_tell_ends(struct capture *c);
/* Both, of all, at the end. */
void owners_tell_facts(struct capture *c);

#endif
