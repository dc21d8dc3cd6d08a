/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * source_line.c - see source_line.h.
 */
#include "user/capture/stack/source_line.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/capture/host/memory.h"

#define PATH_MOST  1024
#define TEXT_MOST  1024	     /* bytes of lines that are looked at */
#define LINES_MOST 12	     /* from the line on: what is done with what came */
#define CALLERS	   3	     /* frames of the program that are looked at */
#define BYTES_MOST (4 << 20) /* of a file: a larger one is not read */

struct line_question {
	uint32_t line;
	char path[PATH_MOST];
};

/* --- words -------------------------------------------------------------------------------------
 */

/* Words of a pool that holds other things. */
static const char *const other_pools[] = {"thread", "worker", "process", "job",	   "task",
					  "buffer", "proxy",  "object",	 "memory", "executor"};
static const char *const connections[] = {"conn",    "cursor", "database", "dbapi",    "dbpool",
					  "psycopg", "mysql",  "postgres", "checkout", "pgpool"};
/* Calls on a connection to a database, and not with one to a client. */
static const char *const queries[] = {"cursor", "execute", "commit",  "rollback",
				      "fetch",	"select ", "insert ", "query("};

static bool contains(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (; *text; text++)
		if (!strncasecmp(text, word, n))
			return true;
	return false;
}

static bool contains_any(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (contains(text, words[i]))
			return true;
	return false;
}

#define ANY(text, words) contains_any(text, words, sizeof(words) / sizeof((words)[0]))

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
	return ANY(text, connections) || names_db(text) ||
	       (contains(text, "pool") && !ANY(text, other_pools));
}

bool words_of_queries(const char *text)
{
	return ANY(text, queries);
}

/* --- the lines ---------------------------------------------------------------------------------
 */

/* Does reading a file there have effects, or no end?  Such files seem regular. */
static bool is_of_kernel(int fd)
{
	static const unsigned long kinds[] = {
		PROC_SUPER_MAGIC,   SYSFS_MAGIC,	DEBUGFS_MAGIC,	     TRACEFS_MAGIC,
		SECURITYFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,
		PSTOREFS_MAGIC,	    EFIVARFS_MAGIC,	BINFMTFS_MAGIC,	     SELINUX_MAGIC,
		DEVPTS_SUPER_MAGIC, HUGETLBFS_MAGIC,	0x65735546, /* FUSE_SUPER_MAGIC */
	};
	struct statfs s;

	if (fstatfs(fd, &s))
		return true;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((unsigned long)s.f_type == kinds[i])
			return true;
	return false;
}

/* Copies lines of an open file.  Returns how many bytes; -ENOENT: it has not so many lines. */
static ssize_t copy_lines(FILE *file, uint32_t line, char *out, size_t size)
{
	uint64_t at = 1, end = (uint64_t)line + LINES_MOST;
	size_t used = 0;
	int c;

	while (at < end && used < size && (c = getc(file)) != EOF) {
		if (at >= line)
			out[used++] = (char)c;
		at += c == '\n';
	}
	return used ? (ssize_t)used : -ENOENT;
}

static ssize_t read_lines(int fd, const struct line_question *q, void *out, size_t size)
{
	struct stat s;
	FILE *file;
	ssize_t n;

	if (is_of_kernel(fd) || fstat(fd, &s) || s.st_size > BYTES_MOST) {
		close(fd);
		return -EINVAL;
	}
	file = fdopen(fd, "re");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	n = copy_lines(file, q->line, out, size);
	fclose(file);
	return n;
}

/* In the fetcher: a file of the process may hang whoever reads it. */
static ssize_t line_task(uint32_t pid, const void *in, size_t n, void *out, size_t size)
{
	const struct line_question *q = in;
	char base[32];
	int root, fd;

	if (n != sizeof(*q) || !memchr(q->path, 0, sizeof(q->path)))
		return -EINVAL;
	snprintf(base, sizeof(base), "/proc/%u/%s", pid, q->path[0] == '/' ? "root" : "cwd");
	root = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = file_open_in(root, q->path, 0);
	close(root);
	return fd < 0 ? fd : read_lines(fd, q, out, size);
}

struct line_words {
	bool connections, queries;
};

/* The text of the line, and of those after it. */
static void line_says(uint32_t pid, const struct frame *f, struct line_words *said)
{
	struct line_question q = {.line = f->line};
	char text[TEXT_MOST + 1];
	ssize_t n;

	if (!f->file || !f->line || f->file[0] == '<' || strlen(f->file) >= sizeof(q.path))
		return;
	memcpy(q.path, f->file, strlen(f->file) + 1);
	n = memory_task(pid, line_task, &q, sizeof(q), text, TEXT_MOST);
	if (n <= 0)
		return;
	text[n] = '\0';
	said->queries |= words_of_queries(text);
	text[strcspn(text, "\n")] = '\0';
	said->connections |= words_of_connections(text);
}

/* --- the frame ---------------------------------------------------------------------------------
 */

static bool text_ends(const char *text, const char *end)
{
	size_t n = text ? strlen(text) : 0, m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* Modules of the language in which threads wait, and tasks. */
static bool is_waiting_module(const struct frame *f)
{
	static const char *const files[] = {"/queue.py", "/threading.py", "/asyncio/queues.py",
					    "/asyncio/locks.py"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (f->language == EV_LANG_PYTHON && text_ends(f->file, files[i]))
			return true;
	return false;
}

/* asyncio.wait_for(), which stands between a wait and the program. */
static bool is_time_limit(const struct frame *f)
{
	return f->language == EV_LANG_PYTHON && text_ends(f->file, "/asyncio/tasks.py");
}

/* Event.wait() of threads calls the wait() of its condition.  Whoever waits so waits for something
 * to happen, and never for a thing that others give back. */
static bool is_event(const struct frame *f, size_t n)
{
	if (text_ends(f[0].file, "/asyncio/locks.py"))
		return text_ends(f[0].function, "Event.wait");
	return n >= 2 && text_ends(f[0].function, "wait") && text_ends(f[1].function, "wait") &&
	       text_ends(f[1].file, "/threading.py");
}

void source_line_mark(uint32_t pid, struct frame *frames, size_t n)
{
	struct line_words said = {};
	size_t i = 0, last;

	while (i < n && (is_waiting_module(&frames[i]) || (i && is_time_limit(&frames[i]))))
		i++;
	if (!i || i == n || is_event(frames, n))
		return;
	last = i + CALLERS < n ? i + CALLERS : n;
	for (size_t at = i; at < last && frames[at].language == EV_LANG_PYTHON; at++) {
		if (is_waiting_module(&frames[at])) /* where the thread began */
			break;
		said.connections |= frames[at].function &&
				    words_of_connections(frames[at].function);
		line_says(pid, &frames[at], &said);
	}
	if (said.connections && said.queries)
		frames[i].flags |= EV_FRAME_TAKES;
}
