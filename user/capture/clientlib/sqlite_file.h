/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite_file.h - which file a SQLite connection leads to, and how we get at it from here.
 *
 * Processes may live in other roots and mount name spaces, change their directory and delete what
 * they have open.  Nothing is opened for reading but to compare the first bytes of a file.
 */
#ifndef DBLEAK_CAPTURE_SQLITE_FILE_H
#define DBLEAK_CAPTURE_SQLITE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sqlite_file {
	char *path;  /* absolute, as the process names it */
	char *reach; /* the same file, by a path of ours; NULL it has none */
	dev_t device;
	ino_t inode; /* 0: it was not found */
};

/* Frees what the two below filled in. */
void sqlite_file_free(struct sqlite_file *f);

/* The file that name, as given to sqlite3_open, leads to: a path or a URI.  cut: the name went on.
 * 0, -ENOENT it is no file (in memory, or temporary), or -ENOMEM; what cannot be found keeps its
 * name. */
int sqlite_file_named(struct sqlite_file *out, uint32_t pid, const char *name, bool cut);

/* The one database that the process has open.  0, -ENOENT none is, -EMLINK there are several, or
 * another -errno. */
int sqlite_file_only(struct sqlite_file *out, uint32_t pid);

#endif
