/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite_file.c - from the name of a SQLite database to its file.
 *
 * Two files are the same when device and inode are.  A link in /proc/PID shows a path from our root
 * if the process was locked into a part of it (chroot).  If the process lives in another mount
 * namespace, the path is from its own root.  So both are tried.
 *
 * A file system that does not answer hangs whoever looks up a path, asks for a size or reads.  So a
 * task of the fetcher does all of that, and this process only asks it.
 */
#include "user/capture/clientlib/sqlite_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/capture/host/memory.h"

#define PATH_MOST  4096
#define REACH_MOST (PATH_MOST + 32)
#define DELETED	   " (deleted)"

struct lite_place { /* a file that a process can reach, or has open */
	dev_t device;
	ino_t inode;
	char link[PATH_MOST]; /* as the kernel shows it to us */
};

void sqlite_file_free(struct sqlite_file *f)
{
	free(f->path);
	free(f->reach);
	*f = (struct sqlite_file){};
}

static bool read_link(const char *of, char *out, size_t size)
{
	ssize_t n = readlink(of, out, size);

	if (n <= 0 || (size_t)n >= size)
		return false;
	out[n] = '\0';
	return true;
}

static bool is_file(const char *path, const struct lite_place *at)
{
	struct stat st;

	return !stat(path, &st) && st.st_dev == at->device && st.st_ino == at->inode;
}

/* A path of ours for the file at that place.  NULL: it has none. */
static char *reach_of(uint32_t pid, const struct lite_place *at)
{
	char path[REACH_MOST];

	snprintf(path, sizeof(path), "/proc/%u/root%s", pid, at->link);
	if (is_file(path, at))
		return strdup(path);
	return is_file(at->link, at) ? strdup(at->link) : NULL;
}

static bool place_of(int fd, struct lite_place *out)
{
	char self[64];
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	out->device = st.st_dev;
	out->inode = st.st_ino;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return read_link(self, out->link, sizeof(out->link));
}

/* Finds where a path of the process leads; links are followed as the process would follow them. */
static bool sqlite_file_find(uint32_t pid, const char *path, struct lite_place *out)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = path[0] == '/' ? RESOLVE_IN_ROOT : 0};
	char from[64];
	int at, fd;
	bool found;

	snprintf(from, sizeof(from), "/proc/%u/%s", pid, path[0] == '/' ? "root" : "cwd");
	at = open(from, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return false;
	fd = syscall(SYS_openat2, at, path, &how, sizeof(how));
	close(at);
	if (fd < 0)
		return false;
	found = place_of(fd, out);
	close(fd);
	return found;
}

/* --- what a process has open ---------------------------------------------------------------- */

typedef bool open_file_fn(void *context, const char *fd, const struct lite_place *at);

/* Calls fn for each regular file until it returns true. */
static int each_open_file(uint32_t pid, open_file_fn *fn, void *context)
{
	char path[PATH_MOST];
	struct dirent *entry;
	struct lite_place at;
	struct stat st;
	bool done = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!done && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%u/fd/%.20s", pid, entry->d_name);
		if (!read_link(path, at.link, sizeof(at.link)) || at.link[0] != '/' ||
		    stat(path, &st) || !S_ISREG(st.st_mode))
			continue;
		at.device = st.st_dev;
		at.inode = st.st_ino;
		done = fn(context, path, &at);
	}
	closedir(dir);
	return 0;
}

static size_t length_alive(const char *link)
{
	size_t n = strlen(link), tail = strlen(DELETED);

	return n > tail && !strcmp(link + n - tail, DELETED) ? n - tail : n;
}

static bool has_header(const char *path)
{
	static const char header[16] = "SQLite format 3";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char bytes[sizeof(header)];
	ssize_t n;

	if (fd < 0)
		return false;
	n = pread(fd, bytes, sizeof(bytes), 0);
	close(fd);
	return n == sizeof(bytes) && !memcmp(bytes, header, sizeof(header));
}

/* Whether SQLite keeps such a file beside a database. */
static bool is_companion(const char *link)
{
	static const char *const suffixes[] = {"-wal", "-shm", "-journal"};
	size_t n = length_alive(link);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t m = strlen(suffixes[i]);

		if (n > m && !memcmp(link + n - m, suffixes[i], m))
			return true;
	}
	return false;
}

struct tail { /* a search for a file whose path ends with the name, or goes on after it */
	const char *name;
	bool cut;
	struct lite_place *out;
	bool found;
};

static bool has_tail(const struct tail *t, const char *link)
{
	size_t n = length_alive(link), want = strlen(t->name);
	const char *at;

	if (!t->cut)
		return n > want && link[n - want - 1] == '/' &&
		       !memcmp(link + n - want, t->name, want);
	at = strstr(link, t->name);
	return at && at > link && at[-1] == '/' && !is_companion(link);
}

static bool ends_so(void *context, const char *fd, const struct lite_place *at)
{
	struct tail *t = context;

	(void)fd;
	t->found = has_tail(t, at->link);
	if (t->found)
		*t->out = *at;
	return t->found;
}

/* Finds a file among those that the process has open.  The name alone is not enough if the process
 * changed its directory, deleted the file, or if only the beginning of the name is known. */
static bool find_open(uint32_t pid, const char *name, bool cut, struct lite_place *out)
{
	struct tail t = {.out = out, .cut = cut};

	while (!strncmp(name, "./", 2) || !strncmp(name, "../", 3))
		name = strchr(name, '/') + 1;
	t.name = name + strspn(name, "/");
	if (*t.name)
		each_open_file(pid, ends_so, &t);
	return t.found;
}

struct only {
	struct lite_place at;
	unsigned int count;
};

static bool count_distinct(void *context, const char *fd, const struct lite_place *at)
{
	struct only *o = context;

	if ((o->count && o->at.device == at->device && o->at.inode == at->inode) || !has_header(fd))
		return false;
	o->at = *at;
	return ++o->count > 1;
}

static int find_only(struct sqlite_file *out, uint32_t pid)
{
	struct only o = {};
	int err = each_open_file(pid, count_distinct, &o);

	*out = (struct sqlite_file){};
	if (err)
		return err;
	if (o.count != 1)
		return o.count ? -EMLINK : -ENOENT;
	out->path = strdup(o.at.link);
	out->device = o.at.device;
	out->inode = o.at.inode;
	out->reach = reach_of(pid, &o.at);
	return out->path ? 0 : -ENOMEM;
}

/* --- names ---------------------------------------------------------------------------------- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Turns a URI (sqlite.org/uri.html) into a path.  False: the database is in memory. */
static bool path_of_uri(const char *uri, char *out, size_t size)
{
	const char *query = strchr(uri, '?');
	size_t n = 0;

	if (query && strstr(query, "mode=memory"))
		return false;
	uri += strlen("file:");
	if (!strncmp(uri, "//", 2)) /* an authority, empty or "localhost" */
		uri += 2 + strcspn(uri + 2, "/?#");
	while (*uri && *uri != '?' && *uri != '#' && n + 1 < size) {
		bool escaped = uri[0] == '%' && hex(uri[1]) >= 0 && hex(uri[2]) >= 0;

		/* NOLINTNEXTLINE: both are digits */
		out[n++] = escaped ? hex(uri[1]) << 4 | hex(uri[2]) : *uri;
		uri += escaped ? 3 : 1;
	}
	out[n] = '\0';
	return n && strcmp(out, ":memory:");
}

static char *absolute(uint32_t pid, const char *name)
{
	char link[64], cwd[PATH_MOST] = "", *path;

	if (name[0] == '/')
		return strdup(name);
	while (!strncmp(name, "./", 2))
		name += 2;
	snprintf(link, sizeof(link), "/proc/%u/cwd", pid);
	if (!read_link(link, cwd, sizeof(cwd)))
		return strdup(name);
	return asprintf(&path, "%s/%s", strcmp(cwd, "/") ? cwd : "", name) < 0 ? NULL : path;
}

static int find_named(struct sqlite_file *out, uint32_t pid, const char *name, bool cut)
{
	char decoded[PATH_MOST];
	struct lite_place at;
	bool found;

	*out = (struct sqlite_file){};
	if (!name[0] || !strcmp(name, ":memory:"))
		return -ENOENT;
	/* Without SQLITE_OPEN_URI a name like "file:x" is the plain name of a file. */
	found = !cut && sqlite_file_find(pid, name, &at);
	if (!found && !strncmp(name, "file:", 5)) {
		if (!path_of_uri(name, decoded, sizeof(decoded)))
			return -ENOENT;
		name = decoded;
		found = !cut && sqlite_file_find(pid, name, &at);
	}
	if (found) {
		out->path = absolute(pid, name);
	} else if (find_open(pid, name, cut, &at)) {
		found = true;
		out->path = strndup(at.link, length_alive(at.link));
	} else { /* a relative name stays: its directory is not known */
		out->path = strdup(name);
	}
	if (found) {
		out->reach = reach_of(pid, &at);
		out->device = at.device;
		out->inode = at.inode;
	}
	return out->path ? 0 : -ENOMEM;
}

/* --- tasks ---------------------------------------------------------------------------------- */

struct lite_question {
	bool only, cut; /* only: the one database that the process has open; no name */
	char name[PATH_MOST];
};

struct lite_answer {
	dev_t device;
	ino_t inode;
	bool reached;
	char path[2 * PATH_MOST], reach[REACH_MOST];
};

static ssize_t find_task(uint32_t pid, const void *in, size_t n, void *out, size_t size)
{
	const struct lite_question *q = in;
	struct lite_answer *answer = out;
	struct sqlite_file f;
	int err;

	if (n != sizeof(*q) || size < sizeof(*answer))
		return -EINVAL;
	err = q->only ? find_only(&f, pid) : find_named(&f, pid, q->name, q->cut);
	if (!err) {
		memset(answer, 0, sizeof(*answer));
		answer->device = f.device;
		answer->inode = f.inode;
		answer->reached = f.reach != NULL;
		snprintf(answer->path, sizeof(answer->path), "%s", f.path);
		snprintf(answer->reach, sizeof(answer->reach), "%s", f.reach ? f.reach : "");
	}
	sqlite_file_free(&f);
	return err ? err : (ssize_t)sizeof(*answer);
}

static int ask_for_file(struct sqlite_file *out, uint32_t pid, const struct lite_question *q)
{
	struct lite_answer answer;
	ssize_t n = memory_task(pid, find_task, q, sizeof(*q), &answer, sizeof(answer));

	*out = (struct sqlite_file){};
	if (n < 0)
		return (int)n;
	if (n != sizeof(answer))
		return -EIO;
	out->device = answer.device;
	out->inode = answer.inode;
	out->path = strdup(answer.path);
	out->reach = answer.reached ? strdup(answer.reach) : NULL;
	return out->path ? 0 : -ENOMEM;
}

int sqlite_file_only(struct sqlite_file *out, uint32_t pid)
{
	const struct lite_question q = {.only = true};

	return ask_for_file(out, pid, &q);
}

int sqlite_file_named(struct sqlite_file *out, uint32_t pid, const char *name, bool cut)
{
	struct lite_question q = {.cut = cut};
	int err;

	snprintf(q.name, sizeof(q.name), "%s", name);
	err = ask_for_file(out, pid, &q);
	if (!err || err == -ENOENT || err == -ENOMEM)
		return err;
	out->path = strdup(name); /* its file system does not answer */
	return out->path ? 0 : -ENOMEM;
}

static ssize_t stat_task(uint32_t pid, const void *in, size_t n, void *out, size_t size)
{
	(void)pid;
	if (!n || ((const char *)in)[n - 1] || size < sizeof(struct stat))
		return -EINVAL;
	return stat(in, out) ? -errno : (ssize_t)sizeof(struct stat);
}

int sqlite_file_stat(uint32_t pid, const char *path, struct stat *out)
{
	ssize_t n = memory_task(pid, stat_task, path, strlen(path) + 1, out, sizeof(*out));

	return n < 0 ? (int)n : n == sizeof(*out) ? 0 : -EIO;
}

struct lite_held {
	struct lite_place at;
	bool found;
};

static bool is_held(void *context, const char *fd, const struct lite_place *at)
{
	struct lite_held *h = context;

	(void)fd;
	h->found = at->device == h->at.device && at->inode == h->at.inode;
	if (h->found)
		h->at = *at;
	return h->found;
}

static ssize_t held_task(uint32_t pid, const void *in, size_t n, void *out, size_t size)
{
	struct lite_held h = {.found = false};
	size_t length;

	if (n != sizeof(h.at))
		return -EINVAL;
	memcpy(&h.at, in, sizeof(h.at));
	each_open_file(pid, is_held, &h);
	length = strlen(h.at.link) + 1;
	if (!h.found || length > size)
		return -ENOENT;
	memcpy(out, h.at.link, length);
	return (ssize_t)length;
}

int sqlite_file_held(uint32_t pid, dev_t device, ino_t inode, char *path, size_t size)
{
	const struct lite_place at = {.device = device, .inode = inode};
	ssize_t n = memory_task(pid, held_task, &at, sizeof(at), path, size);

	return n < 0 ? (int)n : n && !path[n - 1] ? 0 : -ENAMETOOLONG;
}
