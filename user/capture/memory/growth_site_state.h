/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth_site_state.h - sites of a growing process, for growth_site.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_GROWTH_SITE_STATE_H
#define DBLEAK_CAPTURE_GROWTH_SITE_STATE_H

#include <stdbool.h>

#include "user/capture/memory/growth_site.h"

#define SITES_MOST 512
#define FILL_MOST  4 /* times what was seen to be kept in pools */

struct gsite_site {
	struct ev_memory_site ev;
	uint64_t votes; /* for ev.connection */
	uint64_t taken, held, samples;
	uint64_t lives;				       /* of held: the object put there lives */
	double squares;				       /* of the weights of what is held */
	uint64_t reply;				       /* bytes of replies, in pages */
	uint64_t pools_taken, pools_reply, pools_kept; /* the same, by samples of pools */
	double pools_squares;
	uint64_t pools_samples;
	bool changed;
};

struct growth_sites {
	uint64_t start_ns;
	uint32_t pid;
	uint64_t checked_ns; /* when pages were looked for; 0 never */
	bool reckoned;	     /* pools were sampled for a part of the time */
	struct pages pages, pools;
	uint64_t pools_least;	  /* pools.least at the last question */
	struct gsite_site *sites; /* the first counts all samples without a stack */
	size_t count;
	struct raw_growth *waiting;
	size_t waiting_count;
};

#endif
