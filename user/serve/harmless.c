/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * harmless.c - see harmless.h.
 */
#include "user/serve/harmless.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY	    65534
#define MEMORY_MOST (512UL << 20)
#define OPEN_MOST   256

void harmless_keep(int first, const int *fds, size_t count)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), end = first + (int)count;
	int high[HARMLESS_MOST];

	for (int fd = 0; fd < first && null >= 0; fd++)
		dup2(null, fd);
	for (size_t i = 0; i < count; i++)
		high[i] = fcntl(fds[i], F_DUPFD, end);
	for (size_t i = 0; i < count; i++)
		if (dup2(high[i], first + (int)i) < 0)
			_exit(1);
	syscall(SYS_close_range, end, ~0U, 0);
}

static void bound(int what, rlim_t most)
{
	const struct rlimit limit = {most, most};

	setrlimit(what, &limit);
}

/* Without a right to change its user the process stays who we are. */
int harmless_become(int (*confine)(void))
{
	bound(RLIMIT_CORE, 0);
	bound(RLIMIT_FSIZE, 0);
	bound(RLIMIT_NOFILE, OPEN_MOST);
#ifndef __SANITIZE_ADDRESS__ /* the sanitizer's shadow memory takes terabytes */
	bound(RLIMIT_DATA, MEMORY_MOST);
#endif
	if (!geteuid() && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
			   setresuid(NOBODY, NOBODY, NOBODY)))
		return -errno;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return confine ? confine() : 0;
}
