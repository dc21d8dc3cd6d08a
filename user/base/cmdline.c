/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * cmdline.c - see cmdline.h.
 */
#include "user/base/cmdline.h"

#include <stdbool.h>
#include <string.h>

#include "user/base/service.h"

#define MARK	     " " ARGUMENTS_CUT " "
#define SERVICE_SIZE 64

/* Does a character of UTF-8 begin here? */
static bool is_whole(const char *at)
{
	return ((unsigned char)*at & 0xc0) != 0x80;
}

/* Returns the length of the beginning, at most room bytes, up to an argument's end.  An argument
 * that is longer than that itself is cut. */
static size_t head_length(const char *line, size_t room)
{
	size_t n = room;

	while (n && line[n] != ' ')
		n--;
	if (n)
		return n;
	for (n = room; n && !is_whole(line + n); n--)
		;
	return n;
}

/* Returns where the end begins, at most room bytes, at an argument's beginning if there is one. */
static const char *tail_start(const char *line, size_t len, size_t room)
{
	const char *from = line + len - room, *at = from;

	if (from[-1] == ' ')
		return from;
	at = strchr(from, ' ');
	if (at && at[1])
		return at + 1;
	for (at = from; *at && !is_whole(at); at++)
		;
	return at;
}

static size_t put(char *out, size_t at, const char *text, size_t len)
{
	memcpy(out + at, text, len);
	return at + len;
}

/* The name of what the line runs, where neither part that stays has it. */
static size_t lost_service(char *service, const char *line, size_t head, const char *tail)
{
	size_t n = service_name(service, SERVICE_SIZE, line);
	const char *at = n ? strstr(line, service) : NULL;

	return at && at + n > line + head && at < tail ? n : 0;
}

size_t cmdline_fit(char *out, size_t size, const char *line)
{
	size_t len = strlen(line), mark = strlen(MARK), head, service, n;
	char name[SERVICE_SIZE];
	const char *tail;

	if (len < size) {
		memcpy(out, line, len + 1);
		return len;
	}
	if (size < 2 * (mark + SERVICE_SIZE)) {
		n = head_length(line, size ? size - 1 : 0);
		memcpy(out, line, n);
		if (size)
			out[n] = '\0';
		return n;
	}
	head = head_length(line, size / 3);
	tail = tail_start(line, len, size - 1 - head - mark);
	service = lost_service(name, line, head, tail);
	if (service)
		tail = tail_start(line, len, size - 1 - head - 2 * mark - service);
	n = put(out, 0, line, head);
	n = put(out, n, MARK, mark);
	if (service) {
		n = put(out, n, name, service);
		n = put(out, n, MARK, mark);
	}
	n = put(out, n, tail, (size_t)(line + len - tail));
	out[n] = '\0';
	return n;
}
