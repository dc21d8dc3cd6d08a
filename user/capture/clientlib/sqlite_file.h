/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite_file.h - which file a SQLite connection leads to, and how we get at it from here.
 *
 * Processes may live in other roots and mount namespaces, change their directory, and delete what
 * they have open.  A file is opened for reading only to compare its first bytes.  A child that can
 * be left behind (fetcher.h) looks at the files: -ETIMEDOUT where a file system does not answer it.
 */
#ifndef DBLEAK_CAPTURE_SQLITE_FILE_H
#define DBLEAK_CAPTURE_SQLITE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct sqlite_file {
	char *path;  /* absolute, as the process names it */
	char *reach; /* the same file, by a path of ours; NULL: it has none */
	dev_t device;
	ino_t inode; /* 0: it was not found */
};

/* Frees what the two functions below filled in. */
void sqlite_file_free(struct sqlite_file *f);

/* Finds the file that a name given to sqlite3_open leads to: a path or a URI. cut: the name goes
 * on, its end is not known.  0; -ENOENT: no file (in memory, or temporary); or -ENOMEM.  A file
 * that cannot be found keeps its name. */
int sqlite_file_named(struct sqlite_file *out, uint32_t pid, const char *name, bool cut);

/* Finds the one database that the process has open.  0; -ENOENT: none is open; -EMLINK: there are
 * several; or another -errno. */
int sqlite_file_only(struct sqlite_file *out, uint32_t pid);

/* As stat(2), of a file that the process uses.  0 or -errno. */
int sqlite_file_stat(uint32_t pid, const char *path, struct stat *out);

/* The path of a regular file that the process has open, as the kernel shows it.  0; -ENOENT: it is
 * not open; or another -errno. */
int sqlite_file_held(uint32_t pid, dev_t device, ino_t inode, char *path, size_t size);

#endif
