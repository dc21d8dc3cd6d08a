/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * tell.c - a golden that no program was watched for: tell FILE writes places.dbleak, with frames,
 * stacks and evidence of what real programs rarely do together.  Run it anew when a record grows.
 */
#include "tests/unit/support/story.h"

#define SHOP 4711
#define FEED 812
#define BIN  "/opt/feed/bin/feed"

static void keep(uint32_t id, double second, uint32_t line)
{
	uint64_t stack = through_sqlalchemy(SHOP, "/srv/shop/app/report.py", line, "monthly");

	at(second);
	opens(id, SHOP, SHOP);
	shows_of(EV_AT_OPENED, id, 0, stack);
	at(second + 0.01);
	begins(id);
	shows_of(EV_AT_BEGUN, id, 0, stack);
	if (id % 5 == 0)
		says(id, "SELECT * FROM orders WHERE month = ?");
}

/* Sessions kept at two lines, and one at a third. */
static void tell_shop(void)
{
	process_as(SHOP, "python3", EV_ROLE_CLIENT);
	for (uint32_t i = 0; i < 11; i++)
		keep(i, 1 + i, i == 7 ? 99 : i % 2 ? 42 : 57);
}

/* A C++ program, stripped: its results come from one place through two return addresses. */
static void tell_feed(void)
{
	const struct place_reported frames[] = {
		{EV_LANG_NATIVE, "PQexec", NULL, "/usr/lib/x86_64-linux-gnu/libpq.so.5.15", 0,
		 0xb2f0, 0},
		{EV_LANG_NATIVE, "pqxx::connection::exec(char const*)", NULL,
		 "/usr/lib/x86_64-linux-gnu/libpqxx-6.4.so", 0, 0x21a30, 0},
		{EV_LANG_NATIVE, "feed::Store::load\033[2J(int)", NULL, BIN, 0, 0x41d2,
		 EV_FRAME_EXPORTED},
		{EV_LANG_NATIVE, NULL, NULL, BIN, 0, 0x3f10, 0},
		{EV_LANG_NATIVE, "__libc_start_call_main", NULL,
		 "/usr/lib/x86_64-linux-gnu/libc.so.6", 0, 0x271ca, 0},
	};
	struct ev_site a = site_of(FEED, 1, EV_RES_RESULT, EV_DB_POSTGRESQL, "PGresult", "PQclear");
	struct ev_site b = site_of(FEED, 2, EV_RES_RESULT, EV_DB_POSTGRESQL, "PGresult", "PQclear");
	uint64_t stack;

	process_as(FEED, "feed", EV_ROLE_CLIENT);
	opens(20, FEED, FEED);
	stack = tell_stack(FEED, frames, sizeof(frames) / sizeof(frames[0]));
	shows_of_site(&a, stack);
	shows_of_site(&b, stack);
	for (int i = 0; i < 9; i++) {
		at(13 + i);
		acquires(i % 2 ? &a : &b, 4);
		tell_site(i % 2 ? &a : &b);
	}
	tell_site(&a);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "w") : NULL;
	struct ev_end end = {};

	if (!file || recording_open_write(&story.recording, file)) {
		fprintf(stderr, "usage: tell FILE\n");
		return 2;
	}
	story_begins();
	tell_shop();
	tell_feed();
	at(22);
	story_tell(&end, EV_END, sizeof(end));
	story_ends();
	return recording_close(story.recording) ? 1 : 0;
}
