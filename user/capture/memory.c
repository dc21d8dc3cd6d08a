/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory.c - see memory.h.
 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../base/file.h"
#include "fetcher.h"

static struct fetcher *fetcher; /* as memory_use says */

void memory_use(struct fetcher *f)
{
	fetcher = f;
}

static ssize_t read_ourselves(uint32_t pid, const struct memory_piece *pieces, size_t n, void *to)
{
	struct iovec local = {to, 0}, remote[MEMORY_PIECES];
	ssize_t got;

	for (size_t i = 0; i < n; i++) {
		remote[i] = (struct iovec){(void *)(uintptr_t)pieces[i].address, pieces[i].size};
		local.iov_len += pieces[i].size;
	}
	got = process_vm_readv((pid_t)pid, &local, 1, remote, n, 0);
	return got < 0 ? -errno : got;
}

ssize_t memory_pieces(uint32_t pid, const struct memory_piece *pieces, size_t n, void *to)
{
	struct fetch_piece asked[MEMORY_PIECES];

	if (n > MEMORY_PIECES)
		return -EINVAL;
	if (!fetcher)
		return read_ourselves(pid, pieces, n, to);
	for (size_t i = 0; i < n; i++)
		asked[i] = (struct fetch_piece){pieces[i].address, pieces[i].size};
	return fetcher_memory(fetcher, pid, asked, n, to);
}

/* A packet holds so much. */
static ssize_t read_process(const struct memory *m, uint64_t address, void *to, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t left = size - done;
		struct memory_piece piece = {address + done,
					     left < FETCH_BYTES ? left : FETCH_BYTES};
		ssize_t n = memory_pieces(m->pid, &piece, 1, (char *)to + done);

		if (n < 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
		if ((size_t)n < piece.size)
			break;
	}
	return (ssize_t)done;
}

ssize_t memory_cmdline(uint32_t pid, char *to, size_t size)
{
	char path[32];
	ssize_t n;

	*to = '\0';
	if (!fetcher) {
		snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
		return file_read(AT_FDCWD, path, to, size);
	}
	n = fetcher_cmdline(fetcher, pid, to, size - 1);
	to[n > 0 ? n : 0] = '\0';
	return n;
}

int memory_maps_answer(uint32_t pid)
{
	return fetcher ? fetcher_maps_answer(fetcher, pid) : 0;
}

int memory_open_file(uint32_t pid, int held)
{
	return fetcher ? fetcher_open_file(fetcher, pid, held) : file_open_held(held, 0);
}

int memory_open_mapped(uint32_t pid, uint64_t start, uint64_t end)
{
	char path[80];
	int held, fd;

	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", pid, (unsigned long long)start,
		 (unsigned long long)end);
	held = open(path, O_PATH | O_CLOEXEC);
	if (held < 0)
		return -errno;
	fd = memory_open_file(pid, held);
	close(held);
	return fd;
}

int memory_at(uint32_t pid, uint64_t address, void *to, size_t size)
{
	struct memory m = memory_of_process(pid);

	return memory_read(&m, address, to, size);
}

struct memory memory_of_process(uint32_t pid)
{
	return (struct memory){.read = read_process, .pid = pid};
}

int memory_read(const struct memory *m, uint64_t address, void *to, size_t size)
{
	ssize_t n = m->read(m, address, to, size);

	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0 : -EFAULT;
}

int memory_u64(const struct memory *m, uint64_t address, uint64_t *value)
{
	return memory_read(m, address, value, sizeof(*value));
}

/* Room for n bytes and a NUL. */
static char *texts_room(struct texts *t, size_t n)
{
	return n < sizeof(t->bytes) - t->used ? t->bytes + t->used : NULL;
}

static const char *texts_keep(struct texts *t, char *text, size_t n)
{
	text[n] = '\0';
	t->used += n + 1;
	return text;
}

const char *texts_add(struct texts *t, const char *bytes, size_t n)
{
	char *text;

	n = strnlen(bytes, n);
	text = texts_room(t, n);
	if (!text)
		return NULL;
	memcpy(text, bytes, n);
	return texts_keep(t, text, n);
}

const char *texts_read(struct texts *t, const struct memory *m, uint64_t address, size_t most)
{
	size_t room = sizeof(t->bytes) - t->used;
	char *text = t->bytes + t->used;
	ssize_t n;

	n = m->read(m, address, text, most + 1 < room ? most + 1 : room);
	if (n <= 0 || !memchr(text, '\0', (size_t)n))
		return NULL;
	return texts_keep(t, text, strlen(text));
}

const char *texts_read_bytes(struct texts *t, const struct memory *m, uint64_t address, size_t n)
{
	char *text = texts_room(t, n);

	if (!text || memory_read(m, address, text, n) || memchr(text, '\0', n))
		return NULL;
	return texts_keep(t, text, n);
}
