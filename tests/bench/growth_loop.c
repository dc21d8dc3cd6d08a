/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth_loop.c - memory taken in one of these ways: growth_loop MODE SECONDS
 *
 *   steady   malloc(64) and free, over and over
 *   growing  megabytes in blocks of 64 bytes, kept, with work between them: about 100 MB a second
 *   faults   pages touched for the first time and given back, over and over
 *
 * It is a client of a database (SQLite, in memory), so it is watched.  SECONDS are of its processor
 * time.  Prints rounds for each of them.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE  4096
#define PAGES 256
#define BLOCK 64
#define WORK  20000000
#define MEGA  (1 << 20)

static void must(int true, const char *what)
{
	if (true)
		return;
	fprintf(stderr, "growth_loop: %s\n", what);
	exit(1);
}

static double spent_so_far(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double steady(void)
{
	for (int i = 0; i < 10000; i++) {
		void *p = malloc(BLOCK);

		__asm__ volatile("" : : "r"(p) : "memory");
		free(p);
	}
	return 10000;
}

static double growing(void)
{
	volatile unsigned work = 0;

	for (int i = 0; i < MEGA / (BLOCK + 16); i++)
		memset(malloc(BLOCK), i, BLOCK);
	for (int i = 0; i < WORK; i++)
		work += i;
	return 1;
}

static double faults(void)
{
	char *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	must(p != MAP_FAILED, "mmap");
	for (int i = 0; i < PAGES; i++)
		p[i * PAGE] = 1;
	munmap(p, PAGES * PAGE);
	return PAGES;
}

static const struct {
	const char *name;
	double (*round)(void);
} modes[] = {{"steady", steady}, {"growing", growing}, {"faults", faults}};

static void use_database(void)
{
	sqlite3 *db;

	must(!sqlite3_open(":memory:", &db), "cannot open a database");
	must(!sqlite3_exec(db, "create table t (a); insert into t values (1); select * from t",
			   NULL, NULL, NULL),
	     "cannot use it");
}

int main(int argc, char **argv)
{
	double seconds = argc == 3 ? atof(argv[2]) : 0, rounds = 0, start, spent;
	double (*round)(void) = NULL;

	for (size_t i = 0; argc == 3 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			round = modes[i].round;
	must(round && seconds > 0, "usage: growth_loop steady|growing|faults SECONDS");
	use_database();
	start = spent_so_far();
	do {
		rounds += round();
		spent = spent_so_far() - start;
	} while (spent < seconds);
	printf("%.1f\n", rounds / spent);
	return 0;
}
