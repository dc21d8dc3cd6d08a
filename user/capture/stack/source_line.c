/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * source_line.c - see source_line.h.
 */
#include "user/capture/stack/source_line.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/capture/host/memory.h"

#define PATH_MOST  1024
#define LINE_MOST  512	     /* bytes of a line that are looked at */
#define BYTES_MOST (4 << 20) /* of a file: later lines are not read */

struct line_question {
	uint32_t line;
	char path[PATH_MOST];
};

/* --- words -------------------------------------------------------------------------------------
 */

/* Words of a pool that holds other things. */
static const char *const other_pools[] = {"thread", "worker", "process", "job",	   "task",
					  "buffer", "proxy",  "object",	 "memory", "executor"};
static const char *const words[] = {"conn",   "cursor",	  "database", "dbapi",
				    "dbpool", "psycopg",  "mysql",    "postgres",
				    "sqlite", "checkout", "pgpool"};

static bool contains(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (; *text; text++)
		if (!strncasecmp(text, word, n))
			return true;
	return false;
}

/* "db" as a part of a name: db, self.db, db_pool, _db. */
static bool names_db(const char *text)
{
	for (const char *at = text; *at; at++)
		if (!strncasecmp(at, "db", 2) && (at == text || !isalpha((unsigned char)at[-1])) &&
		    !isalpha((unsigned char)at[2]))
			return true;
	return false;
}

bool words_of_connections(const char *text)
{
	bool other = false;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (contains(text, words[i]))
			return true;
	if (names_db(text))
		return true;
	for (size_t i = 0; i < sizeof(other_pools) / sizeof(other_pools[0]); i++)
		other |= contains(text, other_pools[i]);
	return !other && contains(text, "pool");
}

/* --- the line ----------------------------------------------------------------------------------
 */

/* Copies a line of an open file.  Returns its length without the end; -ENOENT: it has not so many.
 */
static ssize_t copy_line(FILE *file, uint32_t line, char *out, size_t size)
{
	size_t used = 0, read = 0;
	uint32_t at = 1;
	int c;

	while ((c = getc(file)) != EOF && read++ < BYTES_MOST) {
		if (c == '\n') {
			if (at++ == line)
				return (ssize_t)used;
		} else if (at == line && used < size) {
			out[used++] = (char)c;
		}
	}
	return at == line && used ? (ssize_t)used : -ENOENT;
}

/* In the fetcher: a file of the process may hang whoever reads it. */
static ssize_t line_task(uint32_t pid, const void *in, size_t n, void *out, size_t size)
{
	const struct line_question *q = in;
	char base[32];
	ssize_t got = -ENOENT;
	FILE *file;
	int root, fd;

	if (n != sizeof(*q) || !memchr(q->path, 0, sizeof(q->path)))
		return -EINVAL;
	snprintf(base, sizeof(base), "/proc/%u/%s", pid, q->path[0] == '/' ? "root" : "cwd");
	root = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = file_open_in(root, q->path, O_NOFOLLOW);
	if (fd == -ELOOP)
		fd = file_open_in(root, q->path, 0);
	close(root);
	if (fd < 0)
		return fd;
	file = fdopen(fd, "re");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	got = copy_line(file, q->line, out, size);
	fclose(file);
	return got;
}

static bool line_speaks(uint32_t pid, const struct frame *f)
{
	struct line_question q = {.line = f->line};
	char text[LINE_MOST + 1] = "";
	ssize_t n;

	if (!f->file || !f->line || f->file[0] == '<' || strlen(f->file) >= sizeof(q.path))
		return false;
	memcpy(q.path, f->file, strlen(f->file) + 1);
	n = memory_task(pid, line_task, &q, sizeof(q), text, LINE_MOST);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return words_of_connections(text);
}

/* --- the frame ---------------------------------------------------------------------------------
 */

/* Modules of the language in which threads wait. */
static bool is_waiting_module(const struct frame *f)
{
	static const char *const names[] = {"/queue.py", "/threading.py"};
	size_t n = f->file ? strlen(f->file) : 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t m = strlen(names[i]);

		if (n >= m && !strcmp(f->file + n - m, names[i]))
			return true;
	}
	return false;
}

void source_line_mark(uint32_t pid, struct frame *frames, size_t n)
{
	size_t i = 0;

	while (i < n && frames[i].language == EV_LANG_PYTHON && is_waiting_module(&frames[i]))
		i++;
	if (!i || i == n || frames[i].language != EV_LANG_PYTHON)
		return;
	if ((frames[i].function && words_of_connections(frames[i].function)) ||
	    line_speaks(pid, &frames[i]))
		frames[i].flags |= EV_FRAME_TAKES;
}
