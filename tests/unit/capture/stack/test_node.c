/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Programs with V8: each is looked into once, the one used longest ago is dropped, and reading
 * takes no more than its share of time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/elf/elf.h"
#include "user/capture/stack/node.h"
#include "user/capture/stack/objects.h"
#include "user/capture/stack/v8.h"

#define MS    1000000ULL
#define KEPT  256 /* programs */
#define START 5
#define PLAIN 9000 /* from this inode on, programs have no V8 */

static struct world {
	uint64_t now, read_ns; /* a read takes so long */
	uint32_t pid;	       /* whose program was opened last */
	uint64_t inode;	       /* of the next one; 0: as the pid */
	mode_t mode;
	bool gone, no_elf;
	int fd;
	unsigned int looks, open, reads;
	int count;
} world;

static struct nodes *nodes;

/* --- the host --------------------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){(time_t)(world.now / 1000000000ULL),
			       (long)(world.now % 1000000000ULL)};
	return 0;
}

/* Other files are those of the host. */
int open(const char *path, int flags, ...)
{
	va_list more;
	mode_t mode;

	va_start(more, flags);
	mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
	va_end(more);
	if (sscanf(path, "/proc/%u/exe", &world.pid) != 1)
		return openat(AT_FDCWD, path, flags, mode);
	world.fd = world.gone ? -1 : memfd_create("program", MFD_CLOEXEC);
	return world.fd;
}

int fstat(int fd, struct stat *st)
{
	if (fd != world.fd)
		return fstatat(fd, "", st, AT_EMPTY_PATH);
	*st = (struct stat){.st_dev = 3,
			    .st_ino = world.inode ? world.inode : world.pid,
			    .st_mode = world.mode};
	return 0;
}

int elf_open(struct elf_file **out, int fd)
{
	(void)fd;
	world.looks++;
	*out = (struct elf_file *)&world;
	return world.no_elf ? -EBADMSG : 0;
}

void elf_close(struct elf_file *e)
{
	(void)e;
}

int v8_open(struct v8 **out, struct elf_file *e)
{
	(void)e;
	*out = (struct v8 *)&world;
	if ((world.inode ? world.inode : world.pid) >= PLAIN)
		return -ENOENT;
	world.open++;
	return 0;
}

void v8_close(struct v8 *v)
{
	world.open -= v != NULL;
}

int objects_stack(struct objects *o, const struct raw_stack *raw, const struct v8 *v8,
		  struct texts *t, struct frame *frames, uint32_t *flags)
{
	(void)o, (void)raw, (void)t, (void)frames, (void)flags;
	assert_ptr_equal(v8, &world);
	world.reads++;
	world.now += world.read_ns;
	return world.count;
}

/* --- helpers ---------------------------------------------------------------------------------- */

static int begin(void **state)
{
	(void)state;
	world = (struct world){.now = 1000000 * MS, .mode = S_IFREG | 0755, .count = 3};
	return nodes_open(&nodes, NULL);
}

static int end(void **state)
{
	(void)state;
	nodes_close(nodes);
	return world.open != 0;
}

static int reads(uint32_t pid)
{
	static struct raw_stack raw;

	raw.pid = pid;
	raw.start_ns = START;
	return nodes_read(nodes, &raw, NULL, NULL, NULL);
}

/* --- programs --------------------------------------------------------------------------------- */

static void a_program_is_looked_into_once_for_all_its_processes(void **state)
{
	(void)state;
	world.inode = 77;
	assert_int_equal(reads(1), 3);
	assert_int_equal(reads(1), 3);
	assert_int_equal(reads(2), 3);
	assert_int_equal(world.looks, 1);
	assert_int_equal(world.reads, 3);
	world.inode = 78;
	assert_int_equal(reads(3), 3);
	assert_int_equal(world.looks, 2);
	assert_int_equal(world.open, 2);
}

static void a_program_without_v8_is_not_read(void **state)
{
	(void)state;
	assert_int_equal(reads(PLAIN), 0);
	assert_int_equal(reads(PLAIN), 0);
	world.no_elf = true;
	assert_int_equal(reads(PLAIN + 1), 0);
	assert_int_equal(world.looks, 2);
	assert_int_equal(world.reads, 0);
}

static void what_cannot_be_opened_now_may_be_later(void **state)
{
	(void)state;
	world.gone = true;
	assert_int_equal(reads(1), 0);
	world.gone = false;
	world.mode = S_IFIFO;
	assert_int_equal(reads(1), 0);
	assert_int_equal(world.looks, 0);
	world.mode = S_IFREG;
	assert_int_equal(reads(1), 3);
}

static void the_program_used_longest_ago_makes_room(void **state)
{
	(void)state;
	for (uint32_t pid = 1; pid <= KEPT; pid++)
		assert_int_equal(reads(pid), 3);
	assert_int_equal(reads(1), 3); /* used again */
	assert_int_equal(world.open, KEPT);
	assert_int_equal(reads(KEPT + 1), 3);
	assert_int_equal(world.open, KEPT);
	assert_int_equal(reads(1), 3);
	assert_int_equal(world.looks, KEPT + 1);
	assert_int_equal(reads(2), 3); /* this one went, and its process with it */
	assert_int_equal(world.looks, KEPT + 2);
	assert_int_equal(world.open, KEPT);
}

/* --- time ------------------------------------------------------------------------------------- */

/* A fifth of a second at once, then a tenth of the time. */
static void reading_takes_no_more_than_its_share(void **state)
{
	uint64_t began;
	unsigned int before;

	(void)state;
	world.read_ns = 50 * MS;
	for (int i = 0; i < 4; i++)
		assert_int_equal(reads(1), 3);
	before = world.reads;
	assert_in_range(before, 4, 5);
	while (reads(1) == 3)
		;
	assert_in_range(world.reads, before, before + 1);
	began = world.now;
	before = world.reads;
	while (world.now < began + 10000 * MS) {
		world.now += MS;
		reads(1);
	}
	assert_in_range((world.reads - before) * 50, 900, 1100); /* ms of ten seconds */
}

static void time_that_nobody_used_is_not_saved_up(void **state)
{
	(void)state;
	world.read_ns = 50 * MS;
	assert_int_equal(reads(1), 3);
	world.now += 3600000 * MS;
	for (unsigned int i = 0; i < 10; i++)
		reads(1);
	assert_in_range(world.reads, 1 + 4, 1 + 5);
	assert_int_equal(reads(1), -EBUSY);
	assert_int_equal(reads(PLAIN), 0); /* which takes no time */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_program_is_looked_into_once_for_all_its_processes),
		CASE(a_program_without_v8_is_not_read),
		CASE(what_cannot_be_opened_now_may_be_later),
		CASE(the_program_used_longest_ago_makes_room),
		CASE(reading_takes_no_more_than_its_share),
		CASE(time_that_nobody_used_is_not_saved_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
