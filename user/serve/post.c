/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * post.c - see post.h.
 */
#include "user/serve/post.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define TRIES	      4
#define FIRST_WAIT_MS 500
#define PATIENCE_S    3	 /* for each step of a connection */
#define STATUS_SIZE   12 /* HTTP/1.1 200 */
#define REST_PARTS    16 /* of 4 KB, of an answer */
#define BUSY	      429

enum export_url export_target_parse(struct export_target *t, const char *url)
{
	static const char http[] = "http://";
	const char *rest, *slash;
	size_t length;

	memset(t, 0, sizeof(*t));
	if (!strncasecmp(url, "https://", 8))
		return EXPORT_URL_HTTPS;
	if (strncasecmp(url, http, sizeof(http) - 1) != 0)
		return EXPORT_URL_BAD;
	rest = url + sizeof(http) - 1;
	slash = strchr(rest, '/');
	length = slash ? (size_t)(slash - rest) : strlen(rest);
	if (length >= sizeof(t->host) || (slash && strlen(slash) >= sizeof(t->path)))
		return EXPORT_URL_BAD;
	memcpy(t->host, rest, length);
	snprintf(t->path, sizeof(t->path), "%s", slash && slash[1] ? slash : "/v1/logs");
	for (const char *c = t->path; *c; c++)
		if (*c <= ' ' || *c > '~')
			return EXPORT_URL_BAD;
	if (*t->host == ':' || !listen_parse(&t->address, t->host) || *t->address.path)
		return EXPORT_URL_BAD;
	return EXPORT_URL_GOOD;
}

static bool send_whole(int to, const char *text, size_t length)
{
	while (length) {
		ssize_t n = send(to, text, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		length -= (size_t)n;
	}
	return true;
}

static int read_http_status(int from)
{
	char line[STATUS_SIZE + 1] = "";
	size_t have = 0;

	while (have < STATUS_SIZE) {
		ssize_t n = recv(from, line + have, STATUS_SIZE - have, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? (errno == EAGAIN ? -ETIMEDOUT : -errno) : -ECONNRESET;
		have += (size_t)n;
	}
	return !strncmp(line, "HTTP/1.", 7) && atoi(line + 9) >= 100 ? atoi(line + 9) : -EPROTO;
}

/* The rest says no more, but a collector whose words are not read sees a broken connection. */
static void read_rest(int from)
{
	char rest[4096];

	shutdown(from, SHUT_WR);
	for (int i = 0; i < REST_PARTS && recv(from, rest, sizeof(rest), 0) > 0; i++)
		;
}

static int post_over(int to, const struct export_target *t, const char *body, size_t length)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	char head[512];
	int n = snprintf(head, sizeof(head),
			 "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
			 "Content-Length: %zu\r\nConnection: close\r\nUser-Agent: dbleak\r\n\r\n",
			 t->path, t->host, length);

	if (n < 0 || (size_t)n >= sizeof(head))
		return -E2BIG;
	setsockopt(to, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(to, (const struct sockaddr *)&t->address.where, t->address.size))
		return errno == EINPROGRESS ? -ETIMEDOUT : -errno;
	if (!send_whole(to, head, (size_t)n) || !send_whole(to, body, length))
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return read_http_status(to);
}

static int post_once(const struct export_target *t, const char *body, size_t length)
{
	int to = socket(t->address.where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), status;

	if (to < 0)
		return -errno;
	status = post_over(to, t, body, length);
	if (status > 0)
		read_rest(to);
	close(to);
	return status;
}

/* Failures after which another try may help. */
static bool may_pass(int status)
{
	return status < 0 || status == BUSY || status >= 500;
}

static int post_patiently(const struct export_target *t, const char *body, size_t length, int wire)
{
	struct pollfd gone = {.fd = wire, .events = 0};
	int status = post_once(t, body, length);

	for (int i = 1, wait = FIRST_WAIT_MS; i < TRIES && may_pass(status); i++, wait *= 2) {
		if (poll(&gone, 1, wait) > 0)
			break;
		status = post_once(t, body, length);
	}
	return status;
}

int post_document(const struct export_target *t, int fd, int wire)
{
	struct stat s;
	char *body;
	int status;

	if (fstat(fd, &s))
		return -errno;
	if (s.st_size <= 0 || (size_t)s.st_size > EXPORT_MOST)
		return -E2BIG;
	body = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (body == MAP_FAILED)
		return -errno;
	status = post_patiently(t, body, (size_t)s.st_size, wire);
	munmap(body, (size_t)s.st_size);
	return status;
}
