/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/* Results lost on one path of two, and connections lost at two places: says of each function its
 * line. */
#include <libpq-fe.h>

#include "common.h"

#define ROUNDS 400

static __attribute__((noinline)) void show(const PGresult *r, int last)
{
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		fail("query", PQresultErrorMessage(r));
	nap(last ? 30 : 20);
}

enum { LIST_LINE = __LINE__ + 3 };
static __attribute__((noinline)) void list_orders(PGconn *c, int i)
{
	PGresult *r = PQexec(c, ONE_ROW "2");

	show(r, i);
	if (i % 2)
		return; /* lost */
	PQclear(r);
}

enum { REPORT_LINE = __LINE__ + 3 };
static __attribute__((noinline)) PGconn *open_report(void)
{
	PGconn *c = PQconnectdb("");

	return PQstatus(c) == CONNECTION_OK ? c : NULL;
}

int main(void)
{
	PGconn *c = PQconnectdb("");

	if (PQstatus(c) != CONNECTION_OK)
		fail("connect", PQerrorMessage(c));
	printf("line list_orders %d\nline open_report %d\n", LIST_LINE, REPORT_LINE);
	ready();
	for (int i = 0; i < ROUNDS; i++) {
		list_orders(c, i);
		if (i % 16 == 0 && !open_report())
			fail("connect", "open_report");
		nap(50);
	}
	return 0;
}
