/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * history.h - how a count of open objects went over time, in a fixed few hundred bytes.
 *
 * Objects in flight come and go; leaked ones stay.  So each interval keeps only its smallest count.
 * When the intervals run out, each two become one.  Times as in bpf/event.h.
 */
#ifndef DBLEAK_MODEL_HISTORY_H
#define DBLEAK_MODEL_HISTORY_H

#include <stdint.h>

#define HISTORY_MOST 64

/* Zeroed is empty. */
struct history {
	uint64_t first_ns; /* start of the first interval */
	uint64_t width_ns; /* of each; 0: nothing was added yet */
	uint32_t used;
	uint32_t latest; /* the count now */
	uint32_t least[HISTORY_MOST];
};

/* Sets the count from ns on.  A count that comes out of order counts as of the latest time. */
void history_add(struct history *h, uint64_t ns, uint64_t count);

/* Adds another count over time.  Where the intervals do not match, the smaller floor counts, so
 * the sum is rather too low than too high. */
void history_join(struct history *h, const struct history *other);

/* The smallest count between two times, as far as the intervals tell them apart; before the first
 * record it was 0. */
uint64_t history_least(const struct history *h, uint64_t from_ns, uint64_t to_ns);

/* The rise of the floor of a count: the part that was never given back. */
struct rise {
	uint64_t base, held;	    /* the floor at first, and now */
	uint64_t first_ns, last_ns; /* when it began to rise, and when it came near to held */
	uint64_t end_ns;	    /* the end of the time looked at */
	unsigned int steps;	    /* intervals in which it rose */
};

/* The rise until end_ns, whatever came later.  The last eighth of the time is no proof of anything
 * held: there the floor may be a peak that has not come down yet. */
struct rise history_rise(const struct history *h, uint64_t end_ns);

/* The rise before a fall.  The fall is within the last second before end_ns, when a process ended
 * and gave back all it had. held is 0 if there was no such fall. */
struct rise history_rise_before_fall(const struct history *h, uint64_t end_ns);

/* The time at which the count fell to less than a quarter, within the last second before end_ns;
 * 0: it did not. */
uint64_t history_fall(const struct history *h, uint64_t end_ns);

#endif
