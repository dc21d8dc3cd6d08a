/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * hour.c - hour FILE writes a recording of an hour with 10,000 connections, which nobody watched:
 * four processes, of which one leaks connections and one memory.  For the page of --html.
 */
#include "tests/unit/support/memory_story.h"

#define PROCESSES   4
#define CONNECTIONS 10000
#define SECONDS	    3600
#define TEXTS	    300
#define LEAK_EACH   20 /* of the connections of the first process */
#define SITES	    40
#define ID_FIRST    1000 /* of connections */

static uint64_t stacks[PROCESSES][SITES];

static void tell_stacks(void)
{
	for (uint32_t p = 0; p < PROCESSES; p++)
		for (uint32_t i = 0; i < SITES; i++) {
			char file[64], function[32];

			snprintf(file, sizeof(file), "/srv/shop/app/part%u.py", i / 4);
			snprintf(function, sizeof(function), "handle_%u", i);
			stacks[p][i] = through_sqlalchemy(500 + p, file, 10 + i, function);
		}
}

/* Opened, asked something, and closed or left open. */
static void one_lives(uint32_t n)
{
	uint32_t p = n % PROCESSES, pid = 500 + p, site = n / PROCESSES % SITES;
	bool leaks = p == 0 && n / PROCESSES % LEAK_EACH == 0;
	char sql[96];

	site = leaks ? 7 : site;
	*reported(0) = (struct ev_connection){.id = ID_FIRST + n,
					      .start_ns = process_start(pid),
					      .born_ns = story.now,
					      .used_ns = story.now,
					      .pid = pid,
					      .tid = pid,
					      .user_pid = pid,
					      .user_tid = pid,
					      .flags = EV_CONN_AUTHENTICATED,
					      .database = EV_DB_POSTGRESQL,
					      .signs = EV_SIGN_PORT | EV_SIGN_HANDSHAKE,
					      .status = EV_STATUS_IDLE,
					      .comm = "python3"};
	tell(0);
	identify(0, "shop", "app");
	shows_of(EV_AT_OPENED, 0, 0, stacks[p][site]);
	snprintf(sql, sizeof(sql), "SELECT a%u, b FROM orders WHERE customer = ? AND month = ?",
		 n % TEXTS);
	says(0, sql);
	if (leaks) {
		begins(0);
		shows_of(EV_AT_BEGUN, 0, 0, stacks[p][site]);
	} else {
		uses(0);
		story.now += 250000000;
		closes(0);
	}
}

static void look(double second)
{
	struct ev_memory m = memory_of(501, 60 + second / 12);

	m.limit = EV_LIMIT_CGROUP;
	m.limit_bytes = 512 << 20;
	m.limit_used_bytes = m.anonymous_bytes + 30000000;
	tell_memory(&m);
	has(500, 80);
	has(502, 90);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "w") : NULL;
	struct ev_end end = {};
	double next = 0;

	if (!file || recording_open_write(&story.recording, file)) {
		fprintf(stderr, "usage: hour FILE\n");
		return 2;
	}
	story_begins();
	for (uint32_t p = 0; p < PROCESSES; p++)
		process_as(500 + p, "python3", EV_ROLE_CLIENT);
	tell_stacks();
	for (uint32_t n = 0; n < CONNECTIONS; n++) {
		double second = 1 + (double)n * (SECONDS - 2) / CONNECTIONS;

		at(second);
		for (; next < second; next += 10)
			look(second);
		one_lives(n);
	}
	at(SECONDS);
	story_tell(&end, EV_END, sizeof(end));
	return recording_close(story.recording) ? 1 : 0;
}
