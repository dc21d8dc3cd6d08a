/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * server.c - see server.h.
 *
 * Checks a program's file without opening it, and only folders that the kernel has cached.  A
 * user's own file system (FUSE) may lie about its files and may never answer.  But a user can mount
 * it only on a folder of the user's own, which the check of the folders refuses.
 */
#include "user/capture/host/server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ONLY_CACHED 0x20 /* RESOLVE_CACHED, 5.12 */
/* User ids of people, as distributions and systemd assign them.  Above lie the accounts that
 * systemd makes for services, and nobody. */
#define PEOPLE_FIRST 1000
#define PEOPLE_END   61184

static int read_of(const struct procfs *procfs, uint32_t pid, const char *what, struct statx *st)
{
	char name[48];

	snprintf(name, sizeof(name), "%u/%s", pid, what);
	return statx(procfs_folder(procfs), name, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, st)
		       ? -errno
		       : 0;
}

static bool is_system(uint32_t uid)
{
	return uid < PEOPLE_FIRST || (uid >= PEOPLE_END && uid <= UINT16_MAX);
}

/* Belongs to root, and no other user can write it. */
static bool is_roots(const struct statx *st)
{
	return st->stx_uid == 0 && !(st->stx_mode & (S_IWGRP | S_IWOTH));
}

static int open_cached(const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
			       .resolve = ONLY_CACHED | RESOLVE_NO_MAGICLINKS |
					  RESOLVE_NO_SYMLINKS};
	int fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static bool is_roots_at(const char *path)
{
	struct statx st;
	int fd = open_cached(path);
	bool is = fd >= 0 &&
		  !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) &&
		  is_roots(&st);

	if (fd >= 0)
		close(fd);
	return is;
}

/* Do all folders above the file belong to root? */
static bool lies_with_root(const char *path)
{
	char part[PATH_MAX];

	if (*path != '/' || !is_roots_at("/"))
		return false;
	for (const char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		if (!is_roots_at(part))
			return false;
	}
	return true;
}

static bool same_space(const struct procfs *procfs, uint32_t pid, const char *other)
{
	struct statx a, b;
	char name[48];

	snprintf(name, sizeof(name), "%s/ns/mnt", other);
	return !read_of(procfs, pid, "ns/mnt", &a) &&
	       !statx(procfs_folder(procfs), name, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &b) &&
	       a.stx_ino == b.stx_ino;
}

/* Does the process see the host's files?  Its mount namespace must be that of process 1, or ours.
 */
static bool is_on_host(const struct procfs *procfs, uint32_t pid)
{
	return same_space(procfs, pid, "1") || same_space(procfs, pid, "self");
}

static bool read_path(const struct procfs *procfs, uint32_t pid, char path[PATH_MAX])
{
	static const char mark[] = " (deleted)"; /* an upgrade replaced the file */
	char name[32];
	ssize_t n;

	snprintf(name, sizeof(name), "%u/exe", pid);
	n = readlinkat(procfs_folder(procfs), name, path, PATH_MAX - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	if (n >= (ssize_t)sizeof(mark) && !strcmp(path + n - (sizeof(mark) - 1), mark))
		path[n - (sizeof(mark) - 1)] = '\0';
	return true;
}

static bool is_named(const char *path, uint8_t database, uint8_t (*database_named)(const char *))
{
	const char *slash = strrchr(path, '/');

	return slash && database && database_named(slash + 1) == database;
}

enum server_proof server_prove(const struct procfs *procfs, uint32_t pid, uint64_t start_ns,
			       uint8_t database, uint8_t (*database_named)(const char *name))
{
	struct statx file, process;
	struct process_facts facts;
	char path[PATH_MAX];
	char self[16];

	snprintf(self, sizeof(self), "%u", pid);
	if (!read_path(procfs, pid, path) || !is_named(path, database, database_named) ||
	    read_of(procfs, pid, "exe", &file) || !is_roots(&file) ||
	    statx(procfs_folder(procfs), self, 0, STATX_BASIC_STATS, &process) ||
	    procfs_facts(procfs, pid, &facts) || !procfs_same_start(facts.start_ns, start_ns))
		return SERVER_UNPROVEN;
	return is_system(process.stx_uid) && is_on_host(procfs, pid) && lies_with_root(path)
		       ? SERVER_PROVEN
		       : SERVER_LIKELY;
}
