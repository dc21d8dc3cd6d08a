/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * tell_memory.c - another golden that no program was watched for: tell_memory FILE writes
 * memory.dbleak, an hour's leak in a minute.  One process keeps rows in a cache, in a container
 * with a limit; one, in C, frees on one path of two; one has a cache that is full; one is well.
 */
#include "tests/unit/support/memory_story.h"

#define SHOP 4711
#define FEED 812
#define FULL 815
#define WELL 816

static void connect_all(void)
{
	static const uint32_t pids[] = {SHOP, FEED, FULL, WELL};
	struct ev_process shop = {.start_ns = process_start(SHOP),
				  .nofile_limit = 1024,
				  .pid = SHOP,
				  .parent_pid = 1,
				  .comm = "python3",
				  .cmdline = "python3 orders-api",
				  .runtime = "docker",
				  .container_id = "0123456789ab",
				  .container_name = "web1"};

	process_as(SHOP, "python3", EV_ROLE_CLIENT);
	story_tell(&shop, EV_PROCESS, sizeof(shop));
	process_as(FEED, "feed", EV_ROLE_CLIENT);
	process_as(FULL, "python3", EV_ROLE_CLIENT);
	process_as(WELL, "python3", EV_ROLE_CLIENT);
	for (uint32_t i = 0; i < 4; i++)
		opens(i, pids[i], pids[i]);
	says(0, "SELECT * FROM orders WHERE customer = ?");
}

#define STEP 4 /* seconds between two looks: a small recording is a seed for the fuzzer, too */

static void tell_shop(int t, struct ev_memory_site *cache, struct ev_memory_site *page)
{
	struct ev_memory m = memory_of(SHOP, 45 + 1.6 * t + (t % 2) * 2);

	m.limit = EV_LIMIT_CGROUP;
	m.limit_bytes = 512 << 20;
	m.limit_used_bytes = m.anonymous_bytes + 30000000;
	tell_memory(&m);
	cache->reply_bytes += STEP * 1100000;
	takes(cache, STEP * 1.2, 0);
	takes(page, STEP * 0.9, STEP * 0.8);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "w") : NULL;
	struct ev_memory_site cache, page, row;
	struct ev_end end = {};

	if (!file || recording_open_write(&story.recording, file)) {
		fprintf(stderr, "usage: tell_memory FILE\n");
		return 2;
	}
	story_begins();
	connect_all();
	cache = pages_of(SHOP, 1,
			 through_sqlalchemy(SHOP, "/srv/shop/app/cache.py", 17, "remember"));
	cache.connection = reported(0)->id;
	page = pages_of(SHOP, 2, at_line(SHOP, "/srv/shop/app/page.py", 80, "render"));
	row = blocks_of(FEED, 1, at_c_line(FEED, 42, "store_row"));
	for (int t = 1; t <= 61; t += STEP) {
		at(t);
		for (uint32_t i = 0; i < 4; i++)
			uses(i);
		tell_shop(t, &cache, &page);
		row.taken += STEP * 100;
		row.freed += STEP * 50;
		takes(&row, STEP * 0.01, STEP * 0.005);
		has(FEED, 21 + 0.005 * t);
		has(FULL, t < 15 ? 60 + 4 * t : 116);
		has(WELL, 52 + (t % 2) * 0.2);
	}
	story_tell(&end, EV_END, sizeof(end));
	story_ends();
	return recording_close(story.recording) ? 1 : 0;
}
