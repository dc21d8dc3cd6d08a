/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * parts.h - opens the parts of a capture.
 */
#ifndef DBLEAK_CAPTURE_PARTS_H
#define DBLEAK_CAPTURE_PARTS_H

#include "user/capture/watched/context.h"

/* 0 or -errno. */
int parts_open_readers(struct capture *c);
int parts_open_presents(struct capture *c);
int parts_open_growth(struct capture *c);
int parts_open_clients(struct capture *c);
int parts_open_library_heap(struct capture *c);
int parts_open_heap(struct capture *c);
/* After the clients.  Opens nothing where probes cannot be limited to one process. */
int parts_open_collections(struct capture *c);
/* Sets how closely memory is watched from now on. */
void parts_tier(void *context, enum ev_tier tier);
/* All is open and watched: what may be needed later is loaded in the background. */
/* The kernel's programs begin to tell, of the children of selected processes, too.  0 or -errno. */
int parts_attach(struct capture *c);
/* A thread hears of new processes as soon as they are made, where somebody was selected. */
void parts_births(struct capture *c);
bool parts_follow_heap(const struct capture_options *o);

#endif
