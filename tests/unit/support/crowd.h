/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * crowd.h - a large host: 1,000 processes with 10 connections each, one in ten of them leaking.
 */
#ifndef CROWD_H
#define CROWD_H

#define CROWD_PROCESSES	  1000U
#define CROWD_EACH	  10U /* connections */
#define CROWD_LEAKERS	  10U /* one process of so many */
#define CROWD_SECONDS	  20
#define STORY_CONNECTIONS (CROWD_PROCESSES * CROWD_EACH)

#include "tests/unit/support/story.h"

static inline uint32_t crowd_pid(uint32_t i)
{
	return 1000 + i;
}

static inline void crowd_opens(uint32_t process, uint32_t number)
{
	uint32_t id = process * CROWD_EACH + number;

	opens(id, crowd_pid(process), crowd_pid(process));
	shows_of(EV_AT_OPENED, id, 0,
		 through_sqlalchemy(crowd_pid(process), "/srv/shop/app/report.py", 40 + process % 7,
				    "monthly"));
	uses(id);
	says(id, "SELECT * FROM orders WHERE month = ?");
}

/* One connection a second and process; those of the healthy are used all the time. */
static inline void crowd_second(unsigned int second)
{
	at(second);
	for (uint32_t i = 0; i < CROWD_PROCESSES; i++) {
		if (second < CROWD_EACH)
			crowd_opens(i, second);
		for (uint32_t k = 0; i % CROWD_LEAKERS && k <= second && k < CROWD_EACH; k++)
			uses(i * CROWD_EACH + k);
	}
}

static inline void crowd_lives(void)
{
	story_begins();
	for (uint32_t i = 0; i < CROWD_PROCESSES; i++)
		process(crowd_pid(i));
	for (unsigned int second = 0; second < CROWD_SECONDS; second++)
		crowd_second(second);
}

#endif
