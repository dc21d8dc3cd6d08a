/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Rows of libpq copied one by one, and kept or freed, by a process that may have 512 MiB:
 * mem_rows keep|array|free
 *
 * array: in one that is made larger and larger, and moves.
 */
#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "pq.h"

#define ROWS 2000

struct row {
	struct row *next;
	char name[200];
};

static struct row *kept;

/* Not to be named: it only calls malloc. */
static void __attribute__((noinline)) * xmalloc(size_t size)
{
	void *block = malloc(size);

	if (!block)
		fail("malloc", "no memory");
	return block;
}

static void __attribute__((noinline)) copy_row(const char *name)
{
	struct row *row = xmalloc(sizeof(*row)); /* LEAK: keep */

	snprintf(row->name, sizeof(row->name), "%-190s", name); /* LEAK: keep */
	row->next = kept;
	kept = row;
}

static void __attribute__((noinline)) append_row(const char *name)
{
	static size_t count, room;
	static char(*rows)[200];

	if (count == room) {
		room = room ? 2 * room : 64;
		rows = realloc(rows, room * sizeof(*rows)); /* LEAK: array */
	}
	if (!rows)
		fail("rows", "no memory");
	snprintf(rows[count], sizeof(*rows), "%-190s", name); /* LEAK: array */
	count++; /* last, so that what went before is no jump */
}

static void one_round(PGconn *connection, void (*take)(const char *name))
{
	PGresult *result = PQexec(connection, "select name from items where name <> '" SECRET
					      "' order by id limit 2000");

	if (PQntuples(result) != ROWS)
		fail("rows", PQerrorMessage(connection));
	for (int i = 0; i < ROWS; i++)
		take(PQgetvalue(result, i, 0));
	PQclear(result);
}

static void free_all(void)
{
	while (kept) {
		struct row *next = kept->next;

		free(kept);
		kept = next;
	}
}

/* As a service does that root starts: its files in /proc belong to that user from now on. */
static void become_user(const char *number)
{
	uid_t id = strtoul(number, NULL, 10);

	if (setgroups(0, NULL) || setgid(id) || setuid(id) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		fail("become a user", strerror(errno));
}

int main(int argc, char **argv)
{
	const struct rlimit most = {512UL << 20, 512UL << 20};
	const char *habit = argc == 2 ? argv[1] : "free";
	PGconn *connection;

	if (getenv("BECOME_USER"))
		become_user(getenv("BECOME_USER"));
	connection = pq_open();
	setrlimit(RLIMIT_DATA, &most);
	for (int i = 0;; i++) {
		one_round(connection, strcmp(habit, "array") ? copy_row : append_row);
		if (!strcmp(habit, "free"))
			free_all();
		if (i == 5)
			ready();
		nap(150);
	}
}
