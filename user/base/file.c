/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file.c - read small files whole, also below another root directory.
 *
 * Nothing here opens a FIFO or a device, or follows a symbolic link out of the given root.  The
 * paths can come from programs we do not trust, and opening some devices changes something.  Not
 * for streaming large files.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/base/file.h"

int file_open_root(const char *root)
{
	int fd = open(*root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A container run time may hide openat2 behind ENOSYS; a plain open is then all there is. */
static int open_below(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS) {
		while (*path == '/')
			path++;
		fd = openat(root, *path ? path : ".", (int)how.flags);
	}
	return fd < 0 ? -errno : fd;
}

int file_open_held(int held, int flags)
{
	char name[32];
	struct stat st;
	int fd;

	if (fstat(held, &st))
		return -errno;
	if (flags & O_DIRECTORY ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", held);
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (flags & O_DIRECTORY));
	return fd < 0 ? -errno : fd;
}

int file_open_in(int root, const char *path, int flags)
{
	int held = open_below(root, path, O_PATH | (flags & O_NOFOLLOW)), fd;

	if (held < 0)
		return held;
	fd = file_open_held(held, flags);
	close(held);
	return fd;
}

static ssize_t read_fully(int fd, char *buf, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t got = read(fd, buf + have, size - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

ssize_t file_read(int dir, const char *path, char *buf, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	got = read_fully(fd, buf, size - 1);
	close(fd);
	buf[got < 0 ? 0 : got] = '\0';
	return got;
}

static ssize_t load_fd(int fd, size_t limit, uid_t owner, char **text)
{
	struct stat st;
	ssize_t got;

	if (fstat(fd, &st))
		return -errno;
	if (owner != FILE_OF_ANYBODY && st.st_uid != owner)
		return -EPERM;
	if ((size_t)st.st_size > limit)
		return -EFBIG;
	*text = malloc((size_t)st.st_size + 1);
	if (!*text)
		return -ENOMEM;
	got = read_fully(fd, *text, (size_t)st.st_size);
	if (got < 0) {
		free(*text);
		*text = NULL;
		return got;
	}
	(*text)[got] = '\0';
	return got;
}

ssize_t file_load(int root, const char *path, size_t limit, uid_t owner, char **text)
{
	int fd = file_open_in(root, path, 0);
	ssize_t got;

	*text = NULL;
	if (fd < 0)
		return fd;
	got = load_fd(fd, limit, owner, text);
	close(fd);
	return got;
}
