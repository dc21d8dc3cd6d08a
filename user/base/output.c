/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * output.c - see output.h.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

FILE *output_create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
	struct stat st;
	FILE *file;

	if (fd < 0)
		return NULL;
	/* A file that was there keeps its place but not its readers. */
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && (fchmod(fd, 0600) || ftruncate(fd, 0))) {
		close(fd);
		return NULL;
	}
	file = fdopen(fd, "w");
	if (!file)
		close(fd);
	return file;
}

int output_close(FILE *file)
{
	int err = 0;

	errno = 0;
	if (fflush(file) || ferror(file))
		err = errno ? -errno : -EIO;
	if (file != stdout && file != stderr && fclose(file) && !err)
		err = -errno;
	return err;
}
