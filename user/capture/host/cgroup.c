/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * cgroup.c - the host's cgroup hierarchies: their mount points, and the cgroups below a path.
 *
 * Knows nothing of containers or of what the user selected.  Changes nothing in any cgroup.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/capture/host/host_root.h"
#include "user/capture/host/cgroup.h"

#define DEPTH_MAX      64
#define MOUNTINFO_MAX  (4UL << 20)
#define MOUNTINFO_ROOM (64UL << 10)

struct mount {
	char *point; /* NULL: not mounted */
	char *top; /* the part of the hierarchy that is mounted; "/": all, as outside containers */
	int dir;
};

struct cgroups {
	int root;
	struct mount mount[CGROUP_HIERARCHIES];
};

static const char *const hierarchy_names[CGROUP_HIERARCHIES] = {
	[CGROUP_V2] = "v2",
	[CGROUP_PIDS] = "pids",
	[CGROUP_MEMORY] = "memory",
	[CGROUP_CPU] = "cpu",
	[CGROUP_CPUACCT] = "cpuacct",
	[CGROUP_CPUSET] = "cpuset",
	[CGROUP_BLKIO] = "blkio",
	[CGROUP_DEVICES] = "devices",
	[CGROUP_FREEZER] = "freezer",
	[CGROUP_NET_CLS] = "net_cls",
	[CGROUP_PERF_EVENT] = "perf_event",
	[CGROUP_NET_PRIO] = "net_prio",
	[CGROUP_HUGETLB] = "hugetlb",
	[CGROUP_RDMA] = "rdma",
	[CGROUP_MISC] = "misc",
};

const char *cgroup_hierarchy_name(enum cgroup_hierarchy h)
{
	return h < CGROUP_HIERARCHIES ? hierarchy_names[h] : "none";
}

/* The most preferred controller named in a list such as "rw,cpu,cpuacct". */
static enum cgroup_hierarchy first_controller(const char *list, size_t len)
{
	enum cgroup_hierarchy best = CGROUP_HIERARCHIES;

	while (len) {
		const char *comma = memchr(list, ',', len);
		size_t part = comma ? (size_t)(comma - list) : len;

		for (int h = CGROUP_PIDS; h < (int)best; h++)
			if (strlen(hierarchy_names[h]) == part &&
			    !memcmp(hierarchy_names[h], list, part))
				best = (enum cgroup_hierarchy)h;
		part += comma != NULL;
		list += part;
		len -= part;
	}
	return best;
}

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

static enum cgroup_hierarchy mounted_hierarchy(const char *type, const char *options)
{
	if (!strcmp(type, "cgroup2"))
		return CGROUP_V2;
	if (!strcmp(type, "cgroup"))
		return first_controller(options, strlen(options));
	return CGROUP_HIERARCHIES;
}

/* A part of a hierarchy may also be mounted elsewhere.  Prefers the mount of the whole. */
static void keep_mount(struct cgroups *c, enum cgroup_hierarchy h, const char *point,
		       const char *top)
{
	struct mount *m = &c->mount[h];

	if (m->point && (!strcmp(m->top, "/") || strcmp(top, "/")))
		return;
	free(m->point);
	free(m->top);
	m->point = strdup(point);
	m->top = strdup(top);
	if (m->point && m->top)
		return;
	free(m->point);
	free(m->top);
	m->point = m->top = NULL;
}

/* 36 35 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu */
static void take_mount(struct cgroups *c, char *line)
{
	char *dash = strstr(line, " - ");
	char *save, *top, *point, *type, *options;
	enum cgroup_hierarchy h;

	if (!dash)
		return;
	*dash = '\0';
	type = strtok_r(dash + 3, " ", &save);
	strtok_r(NULL, " ", &save);
	options = strtok_r(NULL, " ", &save);
	strtok_r(line, " ", &save);
	strtok_r(NULL, " ", &save);
	strtok_r(NULL, " ", &save);
	top = strtok_r(NULL, " ", &save);
	point = strtok_r(NULL, " ", &save);
	if (!type || !options || !top || !point)
		return;
	h = mounted_hierarchy(type, options);
	if (h == CGROUP_HIERARCHIES)
		return;
	unescape(top);
	unescape(point);
	keep_mount(c, h, point, top);
}

/* Grows the buffer until the file fits: a file of /proc does not tell its size. */
static ssize_t read_mountinfo(int root, int pid, char **text)
{
	char path[64] = "proc/self/mountinfo";

	size_t room = MOUNTINFO_ROOM;
	ssize_t got;

	if (pid) /* with another root: the mounts of whoever has that */
		snprintf(path, sizeof(path), "proc/%d/mountinfo", pid);
	for (;; room *= 2) {
		*text = malloc(room);
		if (!*text)
			return -ENOMEM;
		got = file_read(root, path, *text, room);
		if (got >= 0 && ((size_t)got + 1 < room || room >= MOUNTINFO_MAX))
			return got;
		free(*text);
		*text = NULL;
		if (got < 0)
			return got;
	}
}

static void open_mounts(struct cgroups *c)
{
	for (int h = 0; h < CGROUP_HIERARCHIES; h++) {
		struct mount *m = &c->mount[h];

		if (m->point)
			m->dir = file_open_in(c->root, m->point, O_DIRECTORY);
	}
}

int cgroups_open(struct cgroups **out, const char *root)
{
	struct cgroups *c = calloc(1, sizeof(*c));
	char *text = NULL, *save, *line;
	ssize_t got;

	if (!c)
		return -ENOMEM;
	for (int h = 0; h < CGROUP_HIERARCHIES; h++)
		c->mount[h].dir = -1;
	c->root = file_open_root(root);
	got = c->root < 0 ? c->root : read_mountinfo(c->root, host_root_pid(root), &text);
	if (got < 0) {
		cgroups_close(c);
		return (int)got;
	}
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_mount(c, line);
	free(text);
	open_mounts(c);
	*out = c;
	return 0;
}

void cgroups_close(struct cgroups *c)
{
	if (!c)
		return;
	for (int h = 0; h < CGROUP_HIERARCHIES; h++) {
		free(c->mount[h].point);
		free(c->mount[h].top);
		if (c->mount[h].dir >= 0)
			close(c->mount[h].dir);
	}
	if (c->root >= 0)
		close(c->root);
	free(c);
}

const char *cgroups_mount(const struct cgroups *c, enum cgroup_hierarchy h)
{
	return h < CGROUP_HIERARCHIES && c->mount[h].dir >= 0 ? c->mount[h].point : NULL;
}

enum cgroup_hierarchy cgroups_first_v1(const struct cgroups *c)
{
	int h = CGROUP_PIDS;

	while (h < CGROUP_HIERARCHIES && c->mount[h].dir < 0)
		h++;
	return (enum cgroup_hierarchy)h;
}

static bool has_dotdot(const char *path)
{
	const char *at = path;

	while ((at = strstr(at, ".."))) {
		if ((at == path || at[-1] == '/') && (at[2] == '/' || !at[2]))
			return true;
		at += 2;
	}
	return false;
}

/* Opens the directory of a cgroup.  In a container without a cgroup namespace the paths of /proc
 * begin with the mount's top. */
static int open_cgroup(const struct cgroups *c, enum cgroup_hierarchy h, const char *path)
{
	const struct mount *m;
	size_t top;
	int fd;

	if (h >= CGROUP_HIERARCHIES || c->mount[h].dir < 0 || has_dotdot(path))
		return -ENOENT;
	m = &c->mount[h];
	top = strcmp(m->top, "/") ? strlen(m->top) : 0;
	if (strncmp(path, m->top, top) || (path[top] && path[top] != '/'))
		return -ENOENT;
	path += top;
	while (*path == '/')
		path++;
	fd = openat(m->dir, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cgroups_id(const struct cgroups *c, enum cgroup_hierarchy h, const char *path, uint64_t *id)
{
	int fd = open_cgroup(c, h, path);
	struct stat st;
	int err = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		err = -errno;
	else
		*id = st.st_ino;
	close(fd);
	return err;
}

ssize_t cgroups_read(const struct cgroups *c, enum cgroup_hierarchy h, const char *path,
		     const char *name, char *buf, size_t size)
{
	int fd = open_cgroup(c, h, path);
	ssize_t got;

	buf[0] = '\0';
	if (fd < 0)
		return fd;
	got = file_read(fd, name, buf, size);
	close(fd);
	return got;
}

static bool real_path(int fd, char path[PATH_MAX])
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, PATH_MAX - 1);
	path[len < 0 ? 0 : len] = '\0';
	return len > 0;
}

/* The path without links (cpu -> cpu,cpuacct) and without the root prefix. */
static int canonical(const struct cgroups *c, const char *path, char out[PATH_MAX])
{
	int fd = file_open_in(c->root, path, O_DIRECTORY);
	char root[PATH_MAX];
	size_t len;
	bool ok;

	if (fd < 0)
		return fd;
	ok = real_path(fd, out) && real_path(c->root, root);
	close(fd);
	len = ok && strcmp(root, "/") ? strlen(root) : 0;
	if (!ok || strncmp(out, root, len))
		return -ENOENT;
	memmove(out, out + len, strlen(out + len) + 1);
	return 0;
}

int cgroups_locate(const struct cgroups *c, const char *path, enum cgroup_hierarchy *h,
		   char **inside)
{
	char real[PATH_MAX];
	size_t best = 0;
	int err = canonical(c, path, real);

	*inside = NULL;
	*h = CGROUP_HIERARCHIES;
	if (err)
		return err;
	for (int i = 0; i < CGROUP_HIERARCHIES; i++) {
		const struct mount *m = &c->mount[i];
		size_t len = m->dir >= 0 ? strlen(m->point) : 0;

		if (len <= best || strncmp(real, m->point, len))
			continue;
		if (real[len] && real[len] != '/')
			continue;
		best = len;
		*h = (enum cgroup_hierarchy)i;
	}
	if (*h == CGROUP_HIERARCHIES)
		return -ENOENT;
	path = c->mount[*h].top;
	if (asprintf(inside, "%s%s", strcmp(path, "/") ? path : "",
		     real[best] || strcmp(path, "/") ? real + best : "/") < 0) {
		*inside = NULL;
		return -ENOMEM;
	}
	return 0;
}

struct cgroup_walk {
	cgroup_visitor visitor;
	void *context;
	unsigned int depth;
	size_t length;
	bool stopped;
	char path[PATH_MAX];
};

static void visit_children(struct cgroup_walk *w, int dir);

/* Owns dir and closes it. */
static void cgroup_visit(struct cgroup_walk *w, int dir)
{
	const char *slash = strrchr(w->path, '/');
	struct cgroup_node node = {.path = w->path, .dir = dir, .depth = w->depth};
	enum cgroup_step step;
	struct stat st;

	node.name = slash ? slash + 1 : w->path;
	if (fstat(dir, &st)) {
		close(dir);
		return;
	}
	node.id = st.st_ino;
	step = w->visitor(w->context, &node);
	w->stopped = step == CGROUP_STOP;
	/* Each child directory is a link of its parent, so 2 links mean a leaf. */
	if (step == CGROUP_DEEPER && st.st_nlink != 2 && w->depth < DEPTH_MAX)
		visit_children(w, dir);
	else
		close(dir);
}

static void visit_child(struct cgroup_walk *w, int dir, const char *name)
{
	size_t length = w->length, len = strlen(name);
	bool top = length == 1; /* "/" */
	int fd;

	if (length + len + 2 > sizeof(w->path))
		return;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!top)
		w->path[w->length++] = '/';
	memcpy(w->path + w->length, name, len + 1);
	w->length += len;
	w->depth++;
	cgroup_visit(w, fd);
	w->depth--;
	w->length = length;
	w->path[length] = '\0';
}

static bool may_be_child(const struct dirent *entry)
{
	return (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
	       strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static void visit_children(struct cgroup_walk *w, int dir)
{
	DIR *d = fdopendir(dir);
	struct dirent *entry;

	if (!d) {
		close(dir);
		return;
	}
	while (!w->stopped && (entry = readdir(d)))
		if (may_be_child(entry))
			visit_child(w, dirfd(d), entry->d_name);
	closedir(d);
}

int cgroups_visit(const struct cgroups *c, enum cgroup_hierarchy h, const char *path,
		  cgroup_visitor visitor, void *context)
{
	int fd = open_cgroup(c, h, path);
	struct cgroup_walk *w;

	if (fd < 0)
		return fd;
	w = strlen(path) < PATH_MAX ? calloc(1, sizeof(*w)) : NULL;
	if (!w) {
		close(fd);
		return strlen(path) < PATH_MAX ? -ENOMEM : -ENAMETOOLONG;
	}
	w->visitor = visitor;
	w->context = context;
	strcpy(w->path, *path ? path : "/");
	w->length = strlen(w->path);
	cgroup_visit(w, fd);
	free(w);
	return 0;
}

static enum cgroup_step look_for_process(void *context, const struct cgroup_node *node)
{
	bool *found = context;
	char first[4];

	*found = file_read(node->dir, "cgroup.procs", first, sizeof(first)) > 0;
	return *found ? CGROUP_STOP : CGROUP_DEEPER;
}

bool cgroups_populated(const struct cgroups *c, enum cgroup_hierarchy h, const char *path)
{
	bool found = false;

	cgroups_visit(c, h, path, look_for_process, &found);
	return found;
}

/* Strips the mark that the kernel appends to a removed cgroup that still holds a dying process. */
static int live_length(const char *path, const char *end)
{
	static const char mark[] = " (deleted)";
	ptrdiff_t len = end - path, tail = sizeof(mark) - 1;

	if (len > tail && !memcmp(end - tail, mark, (size_t)tail))
		len -= tail;
	return (int)len;
}

/* 4:memory:/a/b, 0::/a/b, 1:name=systemd:/a/b.  A path may hold colons, a controller list cannot.
 */
bool cgroup_next(const char **text, struct cgroup_line *line)
{
	const char *end;

	for (; (end = strchr(*text, '\n')); *text = end + 1) {
		size_t len = (size_t)(end - *text);
		const char *list = memchr(*text, ':', len), *path;

		if (!list++)
			continue;
		path = memchr(list, ':', (size_t)(end - list));
		if (!path || path[1] != '/')
			continue;
		line->hierarchy = path == list ? CGROUP_V2
					       : first_controller(list, (size_t)(path - list));
		line->path = path + 1;
		line->length = live_length(path + 1, end);
		*text = end + 1;
		return true;
	}
	return false;
}
