/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * host_root.c - see host_root.h.
 */
#include "user/capture/host/host_root.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROC	       "/proc/"
#define ANCESTORS_MOST 32

enum root_kind { ROOT_UNKNOWN, ROOT_OURS, ROOT_OTHER };

static enum root_kind kind_of(const char *path, const struct stat *ours)
{
	struct stat its;

	if (stat(path, &its))
		return ROOT_UNKNOWN;
	return its.st_dev == ours->st_dev && its.st_ino == ours->st_ino ? ROOT_OURS : ROOT_OTHER;
}

/* The parent of a process; 0: none, or unknown. */
static int parent_of(int pid)
{
	char path[32], text[512], *at;
	int fd, parent = 0;
	ssize_t n;

	snprintf(path, sizeof(path), PROC "%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strrchr(text, ')'); /* a name may hold brackets */
	return at && sscanf(at + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

const char *host_root(void)
{
	static char path[32] = PROC "1/root/";
	struct stat ours;
	enum root_kind kind;
	int pid = getpid();

	if (stat("/", &ours))
		return "";
	kind = kind_of(path, &ours);
	for (int i = 0; kind != ROOT_OTHER && i < ANCESTORS_MOST; i++) {
		if (kind == ROOT_OURS && !i) /* of process 1 */
			return "";
		pid = parent_of(pid);
		if (pid <= 1)
			return "";
		snprintf(path, sizeof(path), PROC "%d/root/", pid);
		kind = kind_of(path, &ours);
	}
	return kind == ROOT_OTHER ? path : "";
}

int host_root_pid(const char *root)
{
	int pid;

	return sscanf(root, PROC "%d/root/", &pid) == 1 && pid > 0 ? pid : 0;
}
