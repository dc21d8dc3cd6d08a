/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file.h - read small files whole, also below another root directory.
 *
 * Nothing here opens a FIFO or a device, or follows a symbolic link out of the given root.  The
 * paths can come from programs we do not trust, and opening some devices changes something.  Not
 * for streaming large files.
 */
#ifndef DBLEAK_BASE_FILE_H
#define DBLEAK_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* A descriptor (O_PATH) of the directory "root", "" meaning "/".  Negative: -errno. */
int file_open_root(const char *root);

/* Open path for reading as if the directory root were "/": absolute links stay inside.  It must be
 * a regular file, or with O_DIRECTORY a directory, and is not opened before that is known;
 * O_NOFOLLOW may be set, too.  Negative: -errno, -EINVAL it is something else, -ELOOP a link. */
int file_open_in(int root, const char *path, int flags);
/* The same for a file that is held by a descriptor, O_PATH. */
int file_open_held(int held, int flags);

/* Read at most size - 1 bytes of path, relative to the directory dir, and end them with a NUL.
 * Returns the number of bytes, or -errno with an empty string in buf. */
ssize_t file_read(int dir, const char *path, char *buf, size_t size);

#define FILE_OF_ANYBODY ((uid_t)-1)

/* Load a regular file whole, below root.  *text is the caller's to free and ends with a NUL.
 * Returns its length; -EFBIG above limit, -EINVAL when it is no regular file, -EPERM when it is not
 * owner's, or -errno. */
ssize_t file_load(int root, const char *path, size_t limit, uid_t owner, char **text);

#endif
