/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Lines that take memory in turn, page by page, some to keep it: mem_lines turns|huge|exec|threads
 * SECONDS
 *
 * huge: one of them takes 2 MB at a touch; exec: begins anew as another program after half the
 * time; threads: many at once.  In the end it says what each line keeps: `kept LINE BYTES`.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <sys/mman.h>

#include "common.h"

#define NOINLINE __attribute__((noinline))
#define BLOCK	 4080 /* with its header a page: each touches one, and the one after */
#define MEGA	 (1UL << 20)
#define HUGE	 (2 * MEGA)
#define THREADS	 400

static unsigned long kept[3];
static const char *const names[] = {"keep_a", "keep_b", "keep_huge"};

/* What nobody reads, a compiler leaves out. */
static void fill(void *block, int with)
{
	memset(block, with, BLOCK);
	__asm__ volatile("" : : "r"(block) : "memory");
}

static NOINLINE void keep_a(void)
{
	fill(malloc(BLOCK), 1);
	kept[0] += BLOCK + 16;
}

static NOINLINE void keep_b(void)
{
	fill(malloc(BLOCK), 2);
	kept[1] += BLOCK + 16;
}

static NOINLINE void keep_huge(void)
{
	char *area = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	char *aligned = (char *)(((uintptr_t)area + HUGE - 1) & ~(HUGE - 1));

	madvise(area, 2 * HUGE, MADV_HUGEPAGE);
	aligned[5] = 1;
	kept[2] += HUGE;
}

/* As much as all others take, and all of it given back. */
static NOINLINE void give_back(void)
{
	char *area = mmap(NULL, MEGA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < MEGA; i += 4096)
		area[i] = 1;
	munmap(area, MEGA);
}

static void turns(double seconds, int huge)
{
	for (int i = 0; i < 100 * seconds; i++) {
		for (int k = 0; k < 20; k++) {
			keep_a();
			keep_b();
		}
		if (huge && i % 10 == 0)
			keep_huge();
		if (i % 4 == 0)
			give_back();
		nap(10);
	}
}

static void *one_thread(void *rounds)
{
	for (int i = 0; i < *(int *)rounds; i++) {
		fill(malloc(BLOCK), 1);
		__sync_fetch_and_add(&kept[0], BLOCK + 16);
		nap(20);
	}
	return NULL;
}

static void threads(double seconds)
{
	int rounds = 50 * seconds;
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, one_thread, &rounds))
			fail("thread", "cannot start");
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

static void use_database(void)
{
	sqlite3 *db;

	if (sqlite3_open(":memory:", &db) ||
	    sqlite3_exec(db, "create table t (a); insert into t values (1); select * from t", NULL,
			 NULL, NULL))
		fail("database", sqlite3_errmsg(db));
}

int main(int argc, char **argv)
{
	double seconds = argc == 3 ? atof(argv[2]) : 0;

	if (seconds <= 0)
		fail("usage", "mem_lines turns|huge|exec|threads SECONDS");
	use_database();
	if (!strcmp(argv[1], "threads"))
		threads(seconds);
	else
		turns(seconds, !strcmp(argv[1], "huge"));
	if (!strcmp(argv[1], "exec"))
		execl(argv[0], argv[0], "turns", argv[2], NULL);
	for (int i = 0; i < 3; i++)
		printf("kept %s %lu\n", names[i], kept[i]);
	fflush(stdout);
	nap(700); /* so that it is looked at once more */
	return 0;
}
