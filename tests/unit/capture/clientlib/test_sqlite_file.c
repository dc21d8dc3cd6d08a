/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * From the name of a SQLite database to its file, for this very process.
 */
#include "user/capture/clientlib/sqlite_file.h"
#include "user/capture/host/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/dbleak-unit-XXXXXX";

static int make(const char *name, const char *bytes)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, 16), 16);
	return fd;
}

static int in_folder(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	return chdir(folder);
}

static int leave_folder(void **state)
{
	const char *const names[] = {"shop.db", "link.db", "a b.db", "other.db", "text"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(names[i]);
	return chdir("/") || rmdir(folder);
}

/* What this process would open by that name is known by that path. */
static void assert_named(const char *name, const char *path)
{
	struct sqlite_file f;
	char wanted[512];

	assert_int_equal(sqlite_file_named(&f, getpid(), name, false), 0);
	snprintf(wanted, sizeof(wanted), "%s/%s", folder, path);
	assert_string_equal(f.path, wanted);
	assert_non_null(f.reach);
	assert_int_equal(access(f.reach, R_OK), 0);
	assert_true(f.inode);
	sqlite_file_free(&f);
}

static void assert_no_file(const char *name)
{
	struct sqlite_file f;

	assert_int_equal(sqlite_file_named(&f, getpid(), name, false), -ENOENT);
	assert_null(f.path);
}

static void a_name_is_a_path_or_a_uri(void **state)
{
	char uri[512];

	(void)state;
	close(make("shop.db", "SQLite format 3"));
	close(make("a b.db", "SQLite format 3"));
	assert_int_equal(symlink("shop.db", "link.db"), 0);
	assert_named("shop.db", "shop.db");
	assert_named("./shop.db", "shop.db");
	assert_named("link.db", "link.db");
	assert_named("file:shop.db", "shop.db");
	assert_named("file:shop.db?mode=ro#there", "shop.db");
	assert_named("file:a%20b.db", "a b.db");
	snprintf(uri, sizeof(uri), "file://localhost%s/shop.db?cache=shared", folder);
	assert_named(uri, "shop.db");
	snprintf(uri, sizeof(uri), "%s/shop.db", folder);
	assert_named(uri, "shop.db");
}

static void a_database_in_memory_is_no_file(void **state)
{
	(void)state;
	assert_no_file("");
	assert_no_file(":memory:");
	assert_no_file("file::memory:");
	assert_no_file("file:cache?mode=memory&cache=shared");
}

static void what_is_not_there_keeps_its_name(void **state)
{
	struct sqlite_file f;

	(void)state;
	assert_int_equal(sqlite_file_named(&f, getpid(), "nowhere.db", false), 0);
	assert_string_equal(f.path, "nowhere.db");
	assert_null(f.reach);
	assert_int_equal(f.inode, 0);
	sqlite_file_free(&f);
}

static void a_file_that_was_left_behind_is_found_by_its_descriptor(void **state)
{
	char wanted[512];
	struct sqlite_file f;
	int fd = make("other.db", "SQLite format 3");

	(void)state;
	snprintf(wanted, sizeof(wanted), "%s/other.db", folder);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(sqlite_file_named(&f, getpid(), "other.db", false), 0);
	assert_string_equal(f.path, wanted);
	assert_non_null(f.reach);
	sqlite_file_free(&f);
	/* Known by its beginning only, as a long name is. */
	assert_int_equal(sqlite_file_named(&f, getpid(), "oth", true), 0);
	assert_string_equal(f.path, wanted);
	sqlite_file_free(&f);
	assert_int_equal(chdir(folder), 0);
	unlink("other.db");
	assert_int_equal(sqlite_file_named(&f, getpid(), "other.db", false), 0);
	assert_string_equal(f.path, wanted);
	assert_null(f.reach);
	sqlite_file_free(&f);
	close(fd);
}

static void one_database_that_is_open_is_the_one(void **state)
{
	struct sqlite_file f;
	char wanted[512];
	int text = make("text", "no database here"), one, again, other;

	(void)state;
	assert_int_equal(sqlite_file_only(&f, getpid()), -ENOENT);
	one = make("shop.db", "SQLite format 3");
	again = open("shop.db", O_RDONLY);
	snprintf(wanted, sizeof(wanted), "%s/shop.db", folder);
	assert_int_equal(sqlite_file_only(&f, getpid()), 0);
	assert_string_equal(f.path, wanted);
	sqlite_file_free(&f);
	other = make("other.db", "SQLite format 3");
	assert_int_equal(sqlite_file_only(&f, getpid()), -EMLINK);
	close(text);
	close(one);
	close(again);
	close(other);
	assert_int_equal(sqlite_file_only(&f, UINT32_MAX), -ENOENT);
}

/* The child that dbleak asks finds, holds and measures the same. */
static void a_child_finds_them_all(void **state)
{
	struct sqlite_file f;
	struct fetcher *child;
	struct stat st, reported;
	char path[4096];
	int one = make("asked.db", "SQLite format 3");

	(void)state;
	assert_int_equal(fstat(one, &st), 0);
	assert_int_equal(fetcher_open(&child), 0);
	memory_use(child);
	assert_int_equal(sqlite_file_named(&f, getpid(), "asked.db", false), 0);
	assert_int_equal(f.inode, st.st_ino);
	assert_non_null(f.reach);
	assert_int_equal(sqlite_file_stat(getpid(), f.reach, &reported), 0);
	assert_int_equal(reported.st_ino, st.st_ino);
	assert_int_equal(reported.st_size, st.st_size);
	assert_int_equal(sqlite_file_stat(getpid(), "/none/such", &reported), -ENOENT);
	assert_int_equal(sqlite_file_held(getpid(), st.st_dev, st.st_ino, path, sizeof(path)), 0);
	assert_non_null(strstr(path, "/asked.db"));
	assert_int_equal(sqlite_file_held(getpid(), st.st_dev, st.st_ino, path, 4), -ENAMETOOLONG);
	sqlite_file_free(&f);
	assert_int_equal(sqlite_file_only(&f, getpid()), 0);
	assert_int_equal(f.inode, st.st_ino);
	sqlite_file_free(&f);
	close(one);
	assert_int_equal(sqlite_file_held(getpid(), st.st_dev, st.st_ino, path, sizeof(path)),
			 -ENOENT);
	memory_use(NULL);
	unlink("asked.db");
	fetcher_close(child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_a_path_or_a_uri),
		cmocka_unit_test(a_database_in_memory_is_no_file),
		cmocka_unit_test(what_is_not_there_keeps_its_name),
		cmocka_unit_test(a_file_that_was_left_behind_is_found_by_its_descriptor),
		cmocka_unit_test(one_database_that_is_open_is_the_one),
		cmocka_unit_test(a_child_finds_them_all),
	};

	return cmocka_run_group_tests(tests, in_folder, leave_folder);
}
