/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * notify.c - see notify.h.
 */
#include "user/command/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "user/system/clock.h"

#define NS_PER_US 1000ULL
#define STATUS_NS 10000000000ULL

/* A path, or an abstract name behind @.  The length of the address; 0: it is neither, or too long.
 */
static socklen_t notify_address(struct sockaddr_un *to, const char *name)
{
	size_t length = strlen(name);

	*to = (struct sockaddr_un){.sun_family = AF_UNIX};
	if ((*name != '/' && *name != '@') || length < 2 || length >= sizeof(to->sun_path))
		return 0;
	memcpy(to->sun_path, name, length);
	if (*name == '@')
		to->sun_path[0] = '\0'; /* no NUL ends such a name */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (*name == '/'));
}

static int notify_connect(const char *name)
{
	struct sockaddr_un to;
	socklen_t length = notify_address(&to, name);
	int fd = length ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (fd >= 0 && !connect(fd, (struct sockaddr *)&to, length))
		return fd;
	fprintf(stderr, "dbleak: cannot tell the service manager at NOTIFY_SOCKET: %s\n",
		length ? strerror(errno) : "that is no address of a socket");
	if (fd >= 0)
		close(fd);
	return 0;
}

/* Half of the time after which we would be taken for dead; 0: nobody asks, or not us. */
static uint64_t watchdog_period(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!us || (pid && strtoumax(pid, NULL, 10) != (uintmax_t)getpid()))
		return 0;
	return strtoull(us, NULL, 10) / 2 * NS_PER_US;
}

void notify_open(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*n = (struct notify){.period_ns = watchdog_period()};
	if (name)
		n->fd = notify_connect(name);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *n)
{
	if (n->fd > 0)
		close(n->fd);
	n->fd = 0;
}

void notify_say(const struct notify *n, const char *lines)
{
	if (n->fd > 0)
		(void)!send(n->fd, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void notify_live(struct notify *n)
{
	uint64_t at = n->period_ns ? clock_monotonic_ns() : 0;

	if (!n->period_ns || at < n->due_ns)
		return;
	n->due_ns = at + n->period_ns;
	notify_say(n, "WATCHDOG=1");
}

bool notify_wants_status(struct notify *n)
{
	uint64_t at = n->fd > 0 ? clock_monotonic_ns() : 0;

	if (n->fd <= 0 || at < n->status_ns)
		return false;
	n->status_ns = at + STATUS_NS;
	return true;
}
