/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory.c - see memory.h.
 */
#include "memory.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

static ssize_t read_process(const struct memory *m, uint64_t address, void *to, size_t size)
{
	struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};
	ssize_t n = process_vm_readv((pid_t)m->pid, &local, 1, &remote, 1, 0);

	return n < 0 ? -errno : n;
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
