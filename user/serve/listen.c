/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * listen.c - see listen.h.
 */
#include "user/serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG	  128
#define UNIX_MODE 0117 /* what is taken from 0777 */
#define HOST_SIZE 64

static bool parse_unix(struct listen_address *a, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&a->where;

	if (*path != '/' || strlen(path) >= sizeof(un->sun_path))
		return false;
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	strcpy(a->path, path);
	a->size = sizeof(*un);
	return true;
}

/* A whole number from 0 to 65535; 0 lets the kernel choose. */
static bool parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > UINT16_MAX)
		return false;
	*port = (uint16_t)n;
	return true;
}

static bool parse_ip(struct listen_address *a, const char *host, uint16_t port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)&a->where;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&a->where;

	if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		a->size = sizeof(*four);
		a->loopback = ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
		return true;
	}
	if (inet_pton(AF_INET6, host, &six->sin6_addr) != 1)
		return false;
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(port);
	a->size = sizeof(*six);
	a->loopback = IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
	return true;
}

/* Copies the part before the last colon, without the brackets of an IPv6 address. */
static bool split_host(char host[HOST_SIZE], const char *text, const char *colon)
{
	size_t length = (size_t)(colon - text);
	bool brackets = length >= 2 && text[0] == '[' && text[length - 1] == ']';

	if (!brackets && memchr(text, ':', length))
		return false;
	text += brackets;
	length -= brackets ? 2 : 0;
	if (length >= HOST_SIZE)
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	return true;
}

bool listen_parse(struct listen_address *a, const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[HOST_SIZE];
	uint16_t port;

	memset(a, 0, sizeof(*a));
	if (!strncmp(text, "unix:", 5))
		return parse_unix(a, text + 5);
	if (!colon || !parse_port(colon + 1, &port) || !split_host(host, text, colon))
		return false;
	if (!*host)
		return parse_ip(a, "::", port);
	return parse_ip(a, strcmp(host, "localhost") != 0 ? host : "127.0.0.1", port);
}

/* A file that is left of an earlier dbleak refuses to connect. */
static bool is_left_behind(const struct listen_address *a)
{
	struct stat s;
	int fd, err;

	if (lstat(a->path, &s) || !S_ISSOCK(s.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	err = connect(fd, (const struct sockaddr *)&a->where, a->size) ? errno : 0;
	close(fd);
	return err == ECONNREFUSED;
}

static int bind_unix(struct listen_address *a, int fd)
{
	mode_t before;
	struct stat s;
	int err;

	if (is_left_behind(a))
		unlink(a->path);
	before = umask(UNIX_MODE);
	err = bind(fd, (const struct sockaddr *)&a->where, a->size) ? -errno : 0;
	umask(before);
	if (err)
		return err;
	if (lstat(a->path, &s))
		return -errno;
	a->device = s.st_dev;
	a->inode = s.st_ino;
	return 0;
}

static int bind_any(struct listen_address *a, int fd)
{
	const int on = 1;

	if (a->where.ss_family == AF_UNIX)
		return bind_unix(a, fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)&a->where, a->size) ? -errno : 0;
}

int listen_open(struct listen_address *a)
{
	int fd = socket(a->where.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = bind_any(a, fd);
	if (!err && listen(fd, BACKLOG))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

void listen_remove(const struct listen_address *a)
{
	struct stat s;

	if (*a->path && a->inode && !lstat(a->path, &s) && s.st_dev == a->device &&
	    s.st_ino == a->inode)
		unlink(a->path);
}

uint16_t listen_port(int fd)
{
	struct sockaddr_storage where;
	socklen_t size = sizeof(where);

	if (getsockname(fd, (struct sockaddr *)&where, &size))
		return 0;
	if (where.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&where)->sin_port);
	return where.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&where)->sin6_port) : 0;
}

bool listen_is_own_host(const char *host)
{
	struct listen_address a = {};
	const char *colon;
	char name[HOST_SIZE];
	uint16_t port;

	if (!host)
		return true;
	colon = strrchr(host, ':');
	if (!colon || strchr(colon, ']'))
		colon = host + strlen(host);
	if (*colon && !parse_port(colon + 1, &port))
		return false;
	if (!split_host(name, host, colon))
		return false;
	return !strcasecmp(name, "localhost") || (parse_ip(&a, name, 0) && a.loopback);
}
