/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * origin.c - see origin.h.
 */
#include "user/command/origin.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_FD   3
#define FD_NO_PROC 65536 /* looked at one by one where /proc is missing */

static struct {
	bool ignored[NSIG];
	sigset_t mask;
	struct rlimit limits[RLIM_NLIMITS];
	int *fds; /* of the caller, beyond the standard streams */
	size_t count;
} origin;

/* A descriptor that is close-on-exec cannot have come through dbleak's own execve(2). */
static void note_fd(int fd)
{
	int flags = fcntl(fd, F_GETFD);
	int *more;

	if (fd < FIRST_FD || flags < 0 || flags & FD_CLOEXEC)
		return;
	more = realloc(origin.fds, (origin.count + 1) * sizeof(*more));
	if (!more)
		return;
	origin.fds = more;
	origin.fds[origin.count++] = fd;
}

static void note_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	for (int fd = FIRST_FD; !dir && fd < FD_NO_PROC; fd++)
		note_fd(fd);
	while (dir && (entry = readdir(dir)))
		if (*entry->d_name != '.')
			note_fd(atoi(entry->d_name));
	if (dir)
		closedir(dir);
}

/* Fills closed standard streams.  Reading from or writing to them then fails with EBADF, as if
 * they were closed. */
static void fill_streams(void)
{
	static const int useless[FIRST_FD] = {O_WRONLY, O_RDONLY, O_RDONLY};

	for (int fd = 0; fd < FIRST_FD; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", useless[fd] | O_CLOEXEC);
}

static void note_signals(void)
{
	struct sigaction action;

	sigprocmask(SIG_SETMASK, NULL, &origin.mask);
	for (int sig = 1; sig < NSIG; sig++)
		origin.ignored[sig] = !sigaction(sig, NULL, &action) &&
				      action.sa_handler == SIG_IGN;
	/* Ends of our own children are not to be missed. */
	signal(SIGCHLD, SIG_DFL);
}

void origin_note(void)
{
	note_signals();
	for (int i = 0; i < RLIM_NLIMITS; i++)
		getrlimit(i, &origin.limits[i]);
	note_fds();
	fill_streams();
}

void origin_raise_files(void)
{
	struct rlimit more = origin.limits[RLIMIT_NOFILE];

	more.rlim_cur = more.rlim_max;
	setrlimit(RLIMIT_NOFILE, &more); /* if it is refused, the parts that lack files say so */
}

void origin_keep_back(const char *path)
{
	static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};

	for (size_t i = 0; path && i < sizeof(folders) / sizeof(*folders); i++) {
		size_t len = strlen(folders[i]);
		int fd = strncmp(path, folders[i], len) ? -1 : atoi(path + len);

		for (size_t k = 0; k < origin.count; k++)
			if (origin.fds[k] == fd)
				origin.fds[k] = -1;
	}
}

static void restore_fds(void)
{
	/* Before 5.11 there is no such flag; descriptors of ours have it from the start. */
	syscall(SYS_close_range, FIRST_FD, ~0U, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; i < origin.count; i++)
		if (origin.fds[i] >= 0)
			fcntl(origin.fds[i], F_SETFD, 0);
}

static void restore_signals(void)
{
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, origin.ignored[sig] ? SIG_IGN : SIG_DFL);
	sigprocmask(SIG_SETMASK, &origin.mask, NULL);
}

void origin_restore(void)
{
	for (int i = 0; i < RLIM_NLIMITS; i++)
		setrlimit(i, &origin.limits[i]);
	restore_fds();
	restore_signals();
}

void origin_let_go(bool keep_output)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC); /* we may write to nothing any more */

	for (size_t i = 0; i < origin.count; i++)
		if (origin.fds[i] >= 0)
			close(origin.fds[i]);
	origin.count = 0;
	if (null < 0)
		return;
	dup3(null, STDIN_FILENO, O_CLOEXEC);
	if (!keep_output)
		dup3(null, STDOUT_FILENO, O_CLOEXEC);
	close(null);
}
