/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pq_wire copy | pipeline | cancel | cursor | rows | pending
 * The corners of PostgreSQL's protocol, each in a loop on one connection.  All leave the session
 * idle, but `pending`, whose last pipeline leaves a transaction open behind it.
 */
#include "pq.h"

static PGconn *connection;

static void copy_in(void)
{
	/* Data that looks like the end of a reply must not be taken for one. */
	static const char line[] = "5\t" SECRET "ZZZZT5ZI\n";

	pq_run(connection, "copy copied from stdin");
	for (int i = 0; i < 5000; i++)
		PQputCopyData(connection, line, sizeof(line) - 1);
	PQputCopyEnd(connection, NULL);
	PQclear(PQgetResult(connection));
	PQclear(PQgetResult(connection));
}

static void copy_out(void)
{
	char *line;

	pq_run(connection, "copy (select * from items limit 20000) to stdout");
	while (PQgetCopyData(connection, &line, 0) > 0)
		PQfreemem(line);
	PQclear(PQgetResult(connection));
	PQclear(PQgetResult(connection));
}

static void copy(void)
{
	pq_run(connection, "truncate copied");
	copy_in();
	copy_out();
}

/* Sends `count` queries before reading a reply, the way a batch does. */
static void batch(const char *const *queries, int count)
{
	PQenterPipelineMode(connection);
	for (int i = 0; i < count; i++)
		PQsendQueryParams(connection, queries[i], 0, NULL, NULL, NULL, NULL, 0);
	PQpipelineSync(connection); /* LEAK: any */
	for (int i = 0; i <= count;) {
		PGresult *result = PQgetResult(connection);

		if (!result || PQresultStatus(result) == PGRES_PIPELINE_SYNC)
			i++;
		PQclear(result);
	}
	PQexitPipelineMode(connection);
}

static void pipeline(void)
{
	static const char *const queries[] = {
		"begin",     ONE_ROW "1", ONE_ROW "2", "insert into notes values (1, '" SECRET "')",
		ONE_ROW "3", "commit",	  ONE_ROW "4", ONE_ROW "5",
	};

	batch(queries, 8);
}

static void pending(void)
{
	static const char *const queries[] = {"begin", ONE_ROW "1",
					      "insert into notes values (2, '" SECRET "')"};

	batch(queries, 3); /* LEAK: pending */
	ready();
	for (;;)
		pause();
}

static void cancel(void)
{
	PGcancel *handle = PQgetCancel(connection);
	char why[256];

	PQsendQuery(connection, "select pg_sleep(30)");
	nap(100);
	PQcancel(handle, why, sizeof(why));
	for (PGresult *result; (result = PQgetResult(connection));)
		PQclear(result);
	PQfreeCancel(handle);
}

static void cursor(void)
{
	int rows = 0;

	pq_run(connection, "begin");
	pq_run(connection, "declare c cursor for select * from items where name <> '" SECRET "'");
	do {
		PGresult *result = PQexec(connection, "fetch 1000 from c");

		rows = PQntuples(result);
		PQclear(result);
		nap(5);
	} while (rows);
	pq_run(connection, "close c");
	pq_run(connection, "commit");
}

/* 600,000 rows, one at a time: a stream, never held in memory. */
static void rows(void)
{
	unsigned long sum = 0;

	PQsendQuery(connection, "select id from items where name <> '" SECRET "'");
	PQsetSingleRowMode(connection);
	for (PGresult *result; (result = PQgetResult(connection)); PQclear(result))
		if (PQntuples(result))
			sum += strtoul(PQgetvalue(result, 0, 0), NULL, 10);
	printf("sum %lu\n", sum);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"copy", copy}, {"pipeline", pipeline}, {"cancel", cancel}, {"cursor", cursor},
		{"rows", rows}, {"pending", pending},	{NULL, NULL},
	};

	connection = pq_open();
	for (int i = 0; run_mode(modes, argc, argv) == 0; i++, nap(500))
		if (i == 0)
			ready();
	return 2;
}
