/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory.c - see memory.h.
 */
#include "user/capture/host/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/system/clock.h"

#define PAGE_BYTES  4096
#define LOOK_PAGES  128	 /* to keep; the oldest makes room for a new one */
#define NEAR_PAGES  8ULL /* read together in a worker, whose requests pass two processes */
#define SMALL_BYTES (4ULL * PAGE_BYTES)
#define AHEAD_PAGES 16 /* in one request */

_Static_assert(AHEAD_PAGES *PAGE_BYTES <= FETCH_BYTES && AHEAD_PAGES <= MEMORY_PIECES,
	       "a question asks for so much at most");

static struct fetcher *fetcher;	  /* see memory_use */
static memory_pieces_fn *instead; /* see memory_ask */

/* The cache of one look.  A request to the fetcher takes two switches between processes, which wait
 * for a processor on a busy machine.  To read a whole page costs hardly more than a few bytes. */
static struct {
	uint32_t pid;
	uint32_t count; /* pages read in this look */
	uint64_t begun_ns;
	uint64_t at[LOOK_PAGES];
	uint8_t bytes[LOOK_PAGES][PAGE_BYTES];
} last_look;

void memory_use(struct fetcher *f)
{
	fetcher = f;
}

void memory_ask(memory_pieces_fn *fn)
{
	instead = fn;
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
	struct fetch_piece wanted[MEMORY_PIECES];

	if (n > MEMORY_PIECES)
		return -EINVAL;
	if (instead)
		return instead(pid, pieces, n, to);
	if (!fetcher)
		return read_ourselves(pid, pieces, n, to);
	for (size_t i = 0; i < n; i++)
		wanted[i] = (struct fetch_piece){pieces[i].address, pieces[i].size};
	return fetcher_memory(fetcher, pid, wanted, n, to);
}

/* Collects the pieces of one request.  Returns how many wants it answers. */
static size_t gather_some(const struct memory_want *wants, size_t n, struct memory_piece *pieces)
{
	size_t bytes = 0, i = 0;

	for (; i < n && i < MEMORY_PIECES && bytes + wants[i].size <= FETCH_BYTES; i++) {
		pieces[i] = (struct memory_piece){wants[i].address, wants[i].size};
		bytes += wants[i].size;
	}
	return i;
}

/* Copies the pieces that came whole.  Returns how many. */
static size_t gather_take(struct memory_want *wants, size_t n, const uint8_t *bytes, size_t got)
{
	size_t at = 0, i = 0;

	for (; i < n && wants[i].size <= got - at; i++) {
		memcpy(wants[i].to, bytes + at, wants[i].size);
		wants[i].got = true;
		at += wants[i].size;
	}
	return i;
}

int memory_gather(uint32_t pid, struct memory_want *wants, size_t n)
{
	static uint8_t bytes[FETCH_BYTES];
	struct memory_piece pieces[MEMORY_PIECES];
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		wants[i].got = false;
	while (done < n) {
		size_t some = gather_some(wants + done, n - done, pieces), whole = 0;
		ssize_t got = some ? memory_pieces(pid, pieces, some, bytes) : -EFAULT;

		if (got < 0 && got != -EFAULT)
			return (int)got;
		if (got >= 0)
			whole = gather_take(wants + done, some, bytes, (size_t)got);
		done += whole < some || !some ? whole + 1 : some; /* past the one that failed */
	}
	return 0;
}

/* Reads in steps of FETCH_BYTES, the most that one packet holds. */
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

uint32_t memory_maps_locked(void)
{
	return fetcher ? fetcher_locked(fetcher) : 0;
}

int memory_open_file(uint32_t pid, int held)
{
	return fetcher ? fetcher_open_file(fetcher, pid, held) : file_open_held(held, 0);
}

ssize_t memory_task(uint32_t pid, fetch_task *task, const void *in, size_t n, void *out,
		    size_t size)
{
	return fetcher ? fetcher_task(fetcher, pid, task, in, n, out, size)
		       : task(pid, in, n, out, size);
}

ssize_t memory_folder_task(uid_t owner, int root, fetch_folder_task *task, const void *in, size_t n,
			   void *out, size_t size)
{
	return fetcher ? fetcher_folder_task(fetcher, owner, root, task, in, n, out, size)
		       : task(root, in, n, out, size);
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

static const uint8_t *look_page(uint64_t page)
{
	uint32_t kept = last_look.count < LOOK_PAGES ? last_look.count : LOOK_PAGES;

	for (uint32_t i = 0; i < kept; i++)
		if (last_look.at[i] == page)
			return last_look.bytes[i];
	return NULL;
}

static void look_keep(uint64_t page, const uint8_t *bytes)
{
	uint32_t i = last_look.count++ % LOOK_PAGES;

	last_look.at[i] = page;
	memcpy(last_look.bytes[i], bytes, PAGE_BYTES);
}

/* Adds the pages around the first one, as far as there is room. */
static size_t add_near(struct memory_piece *pieces, size_t n)
{
	uint64_t first = pieces[0].address & ~(uint64_t)(NEAR_PAGES * PAGE_BYTES - 1);

	for (uint64_t page = first; page < first + NEAR_PAGES * PAGE_BYTES; page += PAGE_BYTES) {
		size_t i = 0;

		while (i < n && pieces[i].address != page)
			i++;
		if (i == n && n < AHEAD_PAGES && !look_page(page))
			pieces[n++] = (struct memory_piece){page, PAGE_BYTES};
	}
	return n;
}

/* Reads those pages that the look does not have yet, with one request.  0 or -errno. */
static int look_fill(uint32_t pid, const uint64_t *pages, size_t n)
{
	static uint8_t bytes[AHEAD_PAGES * PAGE_BYTES];
	struct memory_piece pieces[AHEAD_PAGES];
	size_t asked = 0;
	ssize_t got;

	for (size_t i = 0; i < n && asked < AHEAD_PAGES; i++)
		if (!look_page(pages[i]))
			pieces[asked++] = (struct memory_piece){pages[i], PAGE_BYTES};
	if (!asked)
		return 0;
	if (instead)
		asked = add_near(pieces, asked);
	got = memory_pieces(pid, pieces, asked, bytes);
	for (size_t i = 0; (ssize_t)((i + 1) * PAGE_BYTES) <= got; i++)
		/* NOLINTNEXTLINE: no more is read than was asked for */
		look_keep(pieces[i].address, bytes + i * PAGE_BYTES);
	return got < 0 ? (int)got : 0;
}

static size_t add_pages(uint64_t *pages, size_t n, uint64_t address, size_t size)
{
	uint64_t page = address & ~(uint64_t)(PAGE_BYTES - 1);

	for (; n < AHEAD_PAGES && page < address + size; page += PAGE_BYTES)
		pages[n++] = page;
	return n;
}

static ssize_t read_for_look(const struct memory *m, uint64_t address, void *to, size_t size)
{
	uint64_t pages[AHEAD_PAGES];
	size_t done = 0;
	int err;

	if (size > SMALL_BYTES || m->pid != last_look.pid || address + size < address)
		return read_process(m, address, to, size);
	err = look_fill(m->pid, pages, add_pages(pages, 0, address, size));
	while (done < size) {
		uint64_t at = address + done, start = at & ~(uint64_t)(PAGE_BYTES - 1);
		size_t n = PAGE_BYTES - (at - start);
		const uint8_t *page = look_page(start);

		if (!page)
			break;
		n = n < size - done ? n : size - done;
		memcpy((char *)to + done, page + (at - start), n);
		done += n;
	}
	return done || !size ? (ssize_t)done : err ? err : -EFAULT;
}

void memory_look_ahead(const struct memory *m, const uint64_t *addresses, size_t n, size_t size)
{
	uint64_t pages[AHEAD_PAGES];
	size_t count = 0;

	if (!n || m->pid != last_look.pid || look_page(addresses[0] & ~(uint64_t)(PAGE_BYTES - 1)))
		return;
	for (size_t i = 0; i < n; i++)
		count = add_pages(pages, count, addresses[i], size);
	look_fill(m->pid, pages, count);
}

struct memory memory_for_look(uint32_t pid, uint64_t age_ns)
{
	uint64_t now = clock_monotonic_ns();

	if (last_look.pid != pid || now - last_look.begun_ns > age_ns) {
		last_look.pid = pid;
		last_look.begun_ns = now;
		last_look.count = 0;
	}
	return (struct memory){.read = read_for_look, .pid = pid};
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

/* Space for n bytes and a NUL, or NULL. */
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
