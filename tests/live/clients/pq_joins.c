/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Connections of libpq and their sockets, at work in turns: PROGRAM PART, see the table below.
 * Each prints `link PID HANDLE COOKIE` (rows.h), a later one of the same handle replaces it.
 */
#include "pq.h"
#include "rows.h"

#define SOME 4

static PGconn *open_one(void)
{
	PGconn *c = pq_open();

	tell_link(c, PQsocket(c));
	return c;
}

static void open_some(PGconn *c[SOME])
{
	for (int i = 0; i < SOME; i++)
		c[i] = open_one();
}

static void take_turns(PGconn *c[SOME])
{
	ready();
	for (int i = 0;; i = (i + 1) % SOME, nap(50))
		pq_run(c[i], ONE_ROW "5");
}

static void turns(void)
{
	PGconn *c[SOME];

	open_some(c);
	take_turns(c);
}

/* All ask before any reads its answer, so the last socket used says nothing. */
static void interleaved(void)
{
	PGconn *c[SOME];

	open_some(c);
	ready();
	for (;; nap(100)) {
		for (int i = 0; i < SOME; i++)
			PQsendQuery(c[i], ONE_ROW "5");
		for (int i = 0; i < SOME; i++)
			while (PQconsumeInput(c[i]) && PQisBusy(c[i]))
				;
		for (int i = 0; i < SOME; i++)
			for (PGresult *r; (r = PQgetResult(c[i]));)
				PQclear(r);
	}
}

static void *own_turns(void *unused)
{
	PGconn *c = open_one();

	(void)unused;
	for (;; nap(50))
		pq_run(c, ONE_ROW "5");
	return NULL;
}

static void threads(void)
{
	pthread_t thread;

	for (int i = 0; i < SOME; i++)
		if (pthread_create(&thread, NULL, own_turns, NULL))
			fail("thread", "cannot be started");
	nap(1000);
	ready();
	pthread_join(thread, NULL);
}

/* All begin to connect before any is through. */
static void async(void)
{
	PGconn *c[SOME];
	int through = 0;

	for (int i = 0; i < SOME; i++)
		c[i] = PQconnectStart("");
	while (through < SOME)
		for (int i = through = 0; i < SOME; i++) {
			if (PQstatus(c[i]) == CONNECTION_BAD)
				fail("connect", PQerrorMessage(c[i]));
			if (PQstatus(c[i]) == CONNECTION_OK)
				through++;
			else
				PQconnectPoll(c[i]);
		}
	for (int i = 0; i < SOME; i++)
		tell_link(c[i], PQsocket(c[i]));
	take_turns(c);
}

/* After a while each gets another socket. */
static void reset(void)
{
	PGconn *c[SOME];

	open_some(c);
	nap(1500);
	for (int i = 0; i < SOME; i++) {
		PQreset(c[i]);
		tell_link(c[i], PQsocket(c[i]));
	}
	take_turns(c);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"turns", turns},     {"interleaved", interleaved},
		{"threads", threads}, {"async", async},
		{"reset", reset},     {},
	};

	return run_mode(modes, argc, argv);
}
