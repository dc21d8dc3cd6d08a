/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_outfile.c - files that others have prepared, streams, and files that are not whole.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/support/said.h"
#include "user/command/outfile.h"

#define OTHER 65534

static char folder[] = "/tmp/dbleak-outfile-XXXXXX";

static const char *in_folder(const char *name)
{
	static char paths[4][256];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void holds(const char *path, const char *text)
{
	char found[64] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_true(fread(found, 1, sizeof(found) - 1, f) < sizeof(found));
	fclose(f);
	assert_string_equal(found, text);
}

/* Nothing of ours lies beside what should be there. */
static void only(size_t files)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	size_t found = 0;

	while ((entry = readdir(dir)))
		found += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(dir);
	assert_int_equal(found, files);
}

static int write_to(const char *path, FILE *input)
{
	struct outfile o;
	int err = outfile_open(&o, path, input);

	if (err)
		return err;
	fputs("report", o.file);
	return outfile_end(&o, true);
}

static void a_file_appears_when_it_is_whole_and_is_private(void **state)
{
	const char *path = in_folder("report");
	struct outfile o;
	struct stat st;

	(void)state;
	umask(0);
	assert_int_equal(outfile_open(&o, path, NULL), 0);
	fputs("report", o.file);
	fflush(o.file);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(outfile_end(&o, true), 0);
	assert_int_equal(outfile_end(&o, true), 0);
	holds(path, "report");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	only(1);
	unlink(path);
}

static void what_is_not_whole_is_gone(void **state)
{
	const char *path = in_folder("report");
	struct outfile o;

	(void)state;
	put(path, "before");
	assert_int_equal(outfile_open(&o, path, NULL), 0);
	fputs("half", o.file);
	assert_int_equal(outfile_end(&o, false), 0);
	holds(path, "before");
	only(1);
	unlink(path);
}

static void wait_for(size_t files)
{
	for (int i = 0; i < 200; i++) {
		DIR *dir = opendir(folder);
		size_t found = 0;

		while (readdir(dir))
			found++;
		closedir(dir);
		if (found == files + 2)
			return;
		usleep(10000);
	}
	only(files);
}

/* A child of ours that is killed in the middle. */
static void killed(const char *path, bool keep_part)
{
	int status, ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		struct outfile o;

		if (outfile_open(&o, path, NULL))
			_exit(1);
		if (keep_part)
			outfile_keep_part(&o);
		fputs("part", o.file);
		fflush(o.file);
		(void)!write(ready[1], "r", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	kill(pid, SIGKILL);
	assert_true(waitpid(pid, &status, 0) == pid);
	close(ready[0]);
	close(ready[1]);
}

static void who_is_killed_leaves_a_recording_but_no_report(void **state)
{
	(void)state;
	killed(in_folder("report"), false);
	wait_for(0);
	put(in_folder("recording"), "before");
	killed(in_folder("recording"), true);
	wait_for(1);
	holds(in_folder("recording"), "part");
	only(1);
	unlink(in_folder("recording"));
}

static void a_file_with_other_names_or_of_somebody_else_is_not_shared(void **state)
{
	const char *path = in_folder("report"), *twin = in_folder("twin");
	struct stat st;
	int reader;

	(void)state;
	put(path, "theirs");
	assert_int_equal(link(path, twin), 0);
	if (!geteuid())
		assert_int_equal(chown(path, OTHER, OTHER), 0);
	reader = open(path, O_RDONLY);
	assert_int_equal(write_to(path, NULL), 0);
	holds(path, "report");
	holds(twin, "theirs");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(lseek(reader, 0, SEEK_END), 6);
	close(reader);
	unlink(path);
	unlink(twin);
}

/* The owner of a file written in a folder of this owner and mode, with SUDO_UID and SUDO_GID. */
static uid_t owner_under_sudo(const char *uid, const char *name, uid_t owner, mode_t mode)
{
	struct outfile o;
	struct stat st;
	char path[512];

	snprintf(path, sizeof(path), "%s/file", in_folder(name));
	assert_int_equal(mkdir(in_folder(name), 0700), 0);
	assert_int_equal(chown(in_folder(name), owner, owner), 0);
	assert_int_equal(chmod(in_folder(name), mode), 0);
	setenv("SUDO_UID", uid, 1);
	setenv("SUDO_GID", uid, 1);
	assert_int_equal(outfile_open(&o, path, NULL), 0);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	fputs("whole", o.file);
	assert_int_equal(outfile_end(&o, true), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, st.st_gid);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(in_folder(name)), 0);
	return st.st_uid;
}

static void a_file_belongs_to_the_caller_of_sudo(void **state)
{
	(void)state;
	if (geteuid()) {
		assert_int_equal(owner_under_sudo("65534", "own", geteuid(), 0700), geteuid());
		return;
	}
	assert_int_equal(owner_under_sudo("65534", "theirs", OTHER, 0700), OTHER);
	assert_int_equal(owner_under_sudo("65534", "shared", 0, 01777), OTHER);
	/* The caller could not have written there, so root keeps the file. */
	assert_int_equal(owner_under_sudo("65534", "roots", 0, 0755), 0);
	assert_int_equal(owner_under_sudo("0", "shared", 0, 01777), 0);
	assert_int_equal(owner_under_sudo("-1", "shared", 0, 01777), 0);
	assert_int_equal(owner_under_sudo("4294967295", "shared", 0, 01777), 0);
}

static void a_link_in_its_place_is_refused(void **state)
{
	(void)state;
	put(in_folder("target"), "kept");
	assert_int_equal(symlink("target", in_folder("link")), 0);
	assert_int_equal(write_to(in_folder("link"), NULL), -ELOOP);
	holds(in_folder("target"), "kept");
	only(2);
	unlink(in_folder("target"));
	unlink(in_folder("link"));
}

static void a_link_on_the_way_is_followed_if_it_is_ours(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("real"), 0755), 0);
	assert_int_equal(symlink("real", in_folder("way")), 0);
	assert_int_equal(write_to(in_folder("way/report"), NULL), 0);
	holds(in_folder("real/report"), "report");
	unlink(in_folder("real/report"));
	if (!geteuid()) {
		assert_int_equal(lchown(in_folder("way"), OTHER, OTHER), 0);
		assert_int_equal(write_to(in_folder("way/report"), NULL), -ELOOP);
		assert_int_equal(write_to(in_folder("real/../way/report"), NULL), -ELOOP);
	}
	unlink(in_folder("way"));
	assert_int_equal(symlink("way", in_folder("way")), 0);
	assert_int_equal(write_to(in_folder("way/report"), NULL), -ELOOP);
	unlink(in_folder("way"));
	rmdir(in_folder("real"));
}

static void what_is_read_is_not_replaced(void **state)
{
	const char *path = in_folder("recording");
	FILE *input;

	(void)state;
	put(path, "recording");
	assert_int_equal(link(path, in_folder("twin")), 0);
	input = fopen(path, "r");
	assert_int_equal(write_to(path, input), -EEXIST);
	assert_int_equal(write_to(in_folder("twin"), input), -EEXIST);
	holds(path, "recording");
	fclose(input);
	unlink(path);
	unlink(in_folder("twin"));
}

static void a_pipe_without_a_reader_is_refused_at_once(void **state)
{
	const char *path = in_folder("pipe");
	char found[16] = "";
	int reader;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(write_to(path, NULL), -ENXIO);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	assert_int_equal(write_to(path, NULL), 0);
	assert_int_equal(read(reader, found, sizeof(found)), 6);
	assert_string_equal(found, "report");
	if (!geteuid()) {
		assert_int_equal(chown(path, OTHER, OTHER), 0);
		assert_int_equal(write_to(path, NULL), -EPERM);
	}
	close(reader);
	unlink(path);
}

static void descriptors_and_devices_are_written_to(void **state)
{
	char path[64], found[16] = "";
	int wire[2];

	(void)state;
	assert_int_equal(pipe(wire), 0);
	snprintf(path, sizeof(path), "/dev/fd/%d", wire[1]);
	assert_int_equal(write_to(path, NULL), 0);
	assert_int_equal(read(wire[0], found, sizeof(found)), 6);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", wire[0]);
	assert_int_equal(write_to(path, NULL), -EBADF); /* for reading only */
	close(wire[0]);
	close(wire[1]);
	assert_int_equal(write_to("/dev/fd/9999", NULL), -EBADF);
	assert_int_equal(write_to("/dev/null", NULL), 0);
	assert_int_equal(write_to("/dev/full", NULL), -ENOSPC);
}

/* A part that nobody wants any more goes, too. */
static void a_part_that_was_kept_can_still_be_dropped(void **state)
{
	const char *path = in_folder("recording");
	struct outfile o;

	(void)state;
	put(path, "before");
	assert_int_equal(outfile_open(&o, path, NULL), 0);
	outfile_keep_part(&o);
	fputs("half", o.file);
	assert_int_equal(outfile_end(&o, false), 0);
	holds(path, "before");
	assert_int_equal(outfile_open(&o, path, NULL), 0);
	outfile_keep_part(&o);
	fputs("whole", o.file);
	assert_int_equal(outfile_end(&o, true), 0);
	holds(path, "whole");
	only(1);
	unlink(path);
}

static void two_outputs_of_one_place_are_found(void **state)
{
	(void)state;
	assert_true(outfile_is_same(in_folder("report"), in_folder("report")));
	assert_true(outfile_is_same(in_folder("report"), in_folder("./report")));
	assert_false(outfile_is_same(in_folder("report"), in_folder("recording")));
	assert_false(outfile_is_same(in_folder("no/report"), in_folder("no/report")));
	assert_true(outfile_is_same("-", "/dev/stdout"));
	assert_false(outfile_is_same("-", "/dev/stderr"));
	assert_false(outfile_is_same("-", in_folder("report")));
	assert_false(outfile_is_same("/dev/null", "/dev/null"));
	assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
	assert_true(outfile_is_same(in_folder("pipe"), in_folder("pipe")));
	unlink(in_folder("pipe"));
	assert_int_equal(mkdir(in_folder("real"), 0755), 0);
	assert_int_equal(symlink("real", in_folder("way")), 0);
	assert_true(outfile_is_same(in_folder("way/report"), in_folder("real/report")));
	unlink(in_folder("way"));
	rmdir(in_folder("real"));
}

static void a_dash_is_standard_output(void **state)
{
	char found[16] = "";
	int wire[2], before = dup(STDOUT_FILENO), err;

	(void)state;
	assert_int_equal(pipe(wire), 0);
	fflush(stdout);
	dup2(wire[1], STDOUT_FILENO);
	err = write_to("-", NULL);
	dup2(before, STDOUT_FILENO);
	assert_int_equal(err, 0);
	assert_int_equal(read(wire[0], found, sizeof(found)), 6);
	assert_string_equal(outfile_name("-"), "standard output");
	assert_string_equal(outfile_name(NULL), "standard output");
	assert_string_equal(outfile_name("report"), "report");
	close(before);
	close(wire[0]);
	close(wire[1]);
	only(0);
}

/* Other tools take the name of a format behind -o. */
static void a_file_called_like_a_format_is_written_with_a_hint(void **state)
{
	char before[256];
	struct outfile o;

	(void)state;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(folder), 0);
	said_begin();
	assert_int_equal(outfile_begin(&o, "json", NULL), -1);
	assert_string_equal(said_end(),
			    "dbleak: -o names a file, here \"json\"; --json chooses JSON\n");
	assert_int_equal(outfile_end(&o, true), 0);
	unlink("json");
	said_begin();
	assert_int_equal(outfile_begin(&o, "report", NULL), -1);
	assert_int_equal(outfile_end(&o, false), 0);
	assert_int_equal(outfile_begin(&o, NULL, NULL), -1);
	assert_null(o.file);
	assert_string_equal(said_end(), "");
	said_begin();
	assert_int_equal(outfile_begin(&o, ".", NULL), 2);
	assert_string_equal(said_end(), "dbleak: cannot write .: Is a directory\n");
	assert_int_equal(chdir(before), 0);
	only(0);
}

static void what_is_no_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(write_to(folder, NULL), -EISDIR);
	assert_int_equal(write_to(in_folder(""), NULL), -EISDIR);
	assert_int_equal(write_to(in_folder(".."), NULL), -EISDIR);
	assert_int_equal(write_to(in_folder("no/such"), NULL), -ENOENT);
	put(in_folder("file"), "");
	assert_int_equal(write_to(in_folder("file/report"), NULL), -ENOTDIR);
	unlink(in_folder("file"));
	only(0);
}

static int make_folder(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_appears_when_it_is_whole_and_is_private),
		cmocka_unit_test(what_is_not_whole_is_gone),
		cmocka_unit_test(who_is_killed_leaves_a_recording_but_no_report),
		cmocka_unit_test(a_file_with_other_names_or_of_somebody_else_is_not_shared),
		cmocka_unit_test(a_file_belongs_to_the_caller_of_sudo),
		cmocka_unit_test(a_link_in_its_place_is_refused),
		cmocka_unit_test(a_link_on_the_way_is_followed_if_it_is_ours),
		cmocka_unit_test(what_is_read_is_not_replaced),
		cmocka_unit_test(a_pipe_without_a_reader_is_refused_at_once),
		cmocka_unit_test(descriptors_and_devices_are_written_to),
		cmocka_unit_test(a_part_that_was_kept_can_still_be_dropped),
		cmocka_unit_test(two_outputs_of_one_place_are_found),
		cmocka_unit_test(a_dash_is_standard_output),
		cmocka_unit_test(a_file_called_like_a_format_is_written_with_a_hint),
		cmocka_unit_test(what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
