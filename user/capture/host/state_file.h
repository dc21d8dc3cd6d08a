/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * state_file.h - fetches state files of container run times, without a look at their content.
 *
 * Users of the host own some of these files and may mount what they like there.  A file system that
 * does not answer hangs whoever looks up a path or reads, so the fetcher does both.
 */
#ifndef DBLEAK_CAPTURE_STATE_FILE_H
#define DBLEAK_CAPTURE_STATE_FILE_H

#include <sys/types.h>

/* The identity of the file. */
struct state_file {
	uid_t owner;
	dev_t device;
	ino_t inode;
};

/* Loads the regular file at path below root.  owner: who it must belong to, or FILE_OF_ANYBODY.
 * *text is the caller's to free, also after an error.  Returns its bytes; -EPERM: it is not
 * owner's; -EFBIG: larger than STATE_BYTES_MAX; -ETIMEDOUT: its file system does not answer; or
 * another -errno. */
ssize_t state_file_load(int root, const char *path, uid_t owner, struct state_file *file,
			char **text);

/* Lists names in the folder at path below root that end like `tail`, one after another, each with
 * its NUL, of at most `most` entries.  Returns the bytes of all, at most size; or -errno as above.
 */
ssize_t state_folder_list(int root, const char *path, uid_t owner, const char *tail, int most,
			  char *names, size_t size);

#endif
