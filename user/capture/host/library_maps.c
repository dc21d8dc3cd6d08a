/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_maps.c - reads which files one process maps as code.
 */
#include "user/capture/host/library.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/host/library_state.h"

/* --- maps of one process ----------------------------------------------------------------- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Parses a number and the character after it.  Returns a pointer behind that; NULL: no number that
 * fits, or at is NULL. */
static const char *library_maps_take_number(const char *at, unsigned base, char after,
					    uint64_t *value)
{
	const char *first = at;
	unsigned digit;

	*value = 0;
	if (!at)
		return NULL;
	while ((digit = (unsigned)digit_of(*at)) < base) {
		if (*value > (UINT64_MAX - digit) / base)
			return NULL;
		*value = *value * base + digit;
		at++;
	}
	return at == first || *at != after ? NULL : at + 1;
}

bool library_parse_line(const char *line, struct sighting *s)
{
	uint64_t major, minor;
	const char *at = library_maps_take_number(line, 16, '-', &s->start);

	at = library_maps_take_number(at, 16, ' ', &s->end);
	if (!at || at[0] == '\n' || at[1] == '\n' || at[2] != 'x' || at[3] == '\n' || at[4] != ' ')
		return false;
	at = library_maps_take_number(at + 5, 16, ' ', &s->offset);
	at = library_maps_take_number(at, 16, ':', &major);
	at = library_maps_take_number(at, 16, ' ', &minor);
	if (!at || major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	s->device = makedev((unsigned)major, (unsigned)minor);
	/* A line without a path may end right after the number (the kernel adds a space). */
	if (!library_maps_take_number(at, 10, ' ', &s->inode) &&
	    !library_maps_take_number(at, 10, '\n', &s->inode))
		return false;
	return s->inode && s->start < s->end;
}

static int see_scanned(struct libraries *l, const struct sighting *s)
{
	int err = library_see(l, s);

	if (err != -ENOENT)
		return err;
	l->counts.vanished++;
	return 0;
}

/* Handles the whole lines in the buffer and moves the rest of the last one to its front. */
static int see_lines(struct libraries *l, uint32_t pid, size_t *have)
{
	char *line = l->buffer, *end, *stop = l->buffer + *have;
	int err = 0;

	while (!err && (end = memchr(line, '\n', (size_t)(stop - line)))) {
		struct sighting s = {.pid = pid};

		if (library_parse_line(line, &s))
			err = see_scanned(l, &s);
		line = end + 1;
	}
	*have = (size_t)(stop - line);
	memmove(l->buffer, line, *have);
	return err;
}

ssize_t library_see_text(struct libraries *l, uint32_t pid, int fd)
{
	size_t have = 0, total = 0;
	ssize_t got;
	int err;

	while ((got = read(fd, l->buffer + have, MAPS_BUFFER - have)) > 0) {
		total += (size_t)got;
		have += (size_t)got;
		err = see_lines(l, pid, &have);
		if (err)
			return err;
		if (have == MAPS_BUFFER)
			return -EPROTO; /* no line of maps is so long: not a maps file */
	}
	return (ssize_t)total;
}

/* struct procmap_query of 6.11, which older headers lack. */
struct query {
	uint64_t size, flags, address;
	uint64_t start, end, area_flags, page_size, offset, inode;
	uint32_t major, minor, name_size, build_id_size;
	uint64_t name, build_id;
};

#define QUERY _IOWR('f', 17, struct query)
#define QUERY_WANTED \
	0x34 /* the next mapping from this address on that is executable and of a file */

ssize_t library_see_queried(struct libraries *l, uint32_t pid, int fd)
{
	struct query q = {.size = sizeof(q), .flags = QUERY_WANTED};
	ssize_t count = 0;
	int err;

	errno = 0;
	for (; !ioctl(fd, QUERY, &q) && q.end > q.address; q.address = q.end, count++) {
		struct sighting s = {
			.start = q.start,
			.end = q.end,
			.offset = q.offset,
			.device = makedev(q.major, q.minor),
			.inode = q.inode,
			.pid = pid,
		};

		err = see_scanned(l, &s);
		if (err)
			return err;
	}
	return !count && errno == ENOTTY ? -ENOTTY : count;
}

/* Positive: the task has mappings.  0: none, as with kernel threads, or the task is gone or
 * forbidden to read.  -ENOMEM. */
static ssize_t scan_task(struct libraries *l, uint32_t pid)
{
	char name[32];
	int fd;
	ssize_t got;

	if (memory_maps_answer(pid) == -ETIMEDOUT)
		return 0;
	snprintf(name, sizeof(name), "%u/maps", pid);
	fd = openat(procfs_folder(l->procfs), name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = library_see_queried(l, pid, fd);
	if (got == -ENOTTY)
		got = library_see_text(l, pid, fd);
	close(fd);
	return got < 0 && got != -ENOMEM ? 0 : got;
}

/* The first thread may have ended and then shows no mappings, while other threads still run. */
static int scan_threads(struct libraries *l, uint32_t pid)
{
	char name[32];
	struct stat st;
	struct dirent *entry;
	ssize_t got = 0;
	DIR *d;
	int fd;

	snprintf(name, sizeof(name), "%u/task", pid);
	if (fstatat(procfs_folder(l->procfs), name, &st, 0) || st.st_nlink <= 3)
		return 0; /* one thread at most: each is a link, beside the usual two */
	fd = openat(procfs_folder(l->procfs), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (!got && (entry = readdir(d))) {
		uint32_t tid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (tid && tid != pid)
			got = scan_task(l, tid);
	}
	closedir(d);
	return got < 0 ? (int)got : 0;
}

int library_scan_process(struct libraries *l, uint32_t pid)
{
	ssize_t got = scan_task(l, pid);

	if (got)
		return got < 0 ? (int)got : 0;
	return scan_threads(l, pid);
}
