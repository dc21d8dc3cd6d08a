/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * container.c - finds the container of a process, and its name in the run time.
 *
 * The innermost container of a cgroup path counts (Docker in Docker).  dbleak talks to no daemon
 * and believes state files only, which a sandboxed worker parses.  Any process may call itself
 * dockerd, so only a daemon that runs as root on this host may name its state folder.  State files
 * of a user must belong to that user.
 */
#include "user/capture/host/container.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/capture/host/container_state.h"
#include "user/capture/host/host_root.h"

/* Names that run times give a container's cgroup: head, 64 hex digits, tail.  Any text may precede
 * a head that begins with ':' (systemd-style names under the cgroupfs driver). */
static const struct scheme {
	const char *head, *tail, *runtime;
} schemes[] = {
	{"docker-", ".scope", "docker"},
	{"libpod-", ".scope", "podman"},
	{"libpod-", "", "podman"},
	{"libpod-payload-", "", "podman"},
	{"cri-containerd-", ".scope", "containerd"},
	{":cri-containerd:", "", "containerd"},
	{":docker:", "", "docker"},
	{"nerdctl-", ".scope", "containerd"},
	{"crio-", ".scope", "cri-o"},
	{"crio-", "", "cri-o"},
	{"", "", NULL}, /* a bare id: see parents */
};

/* The run time of a bare id below these parents.  A bare id elsewhere may be Docker's, with
 * --cgroup-parent. */
static const struct {
	const char *parent, *runtime;
} parents[] = {
	{"docker", "docker"},
	{"default", "containerd"}, /* containerd's own namespace */
	{"libpod_parent", ""},	   /* a pod, not a container: its containers are below */
};

static bool is_hex(const char *text, int len)
{
	for (int i = 0; i < len; i++)
		if (!isdigit((unsigned char)text[i]) && (text[i] < 'a' || text[i] > 'f'))
			return false;
	return true;
}

static bool head_fits(const char *part, int len, const char *head)
{
	int want = (int)strlen(head);

	if (*head == ':')
		return len >= want && !memcmp(part + len - want, head, (size_t)want);
	return len == want && !memcmp(part, head, (size_t)want);
}

static const struct scheme *scheme_of(const char *part, int len, const char **id)
{
	for (size_t i = 0; i < COUNT(schemes); i++) {
		int tail = (int)strlen(schemes[i].tail);
		int head = len - tail - CONTAINER_ID_LEN;

		if (head < 0 || memcmp(part + len - tail, schemes[i].tail, (size_t)tail))
			continue;
		if (!head_fits(part, head, schemes[i].head) ||
		    !is_hex(part + head, CONTAINER_ID_LEN))
			continue;
		*id = part + head;
		return &schemes[i];
	}
	return NULL;
}

/* The run time of a bare id below this parent; NULL: not known; "": not a container. */
static const char *runtime_by_parent(const char *path, const char *parent, int len)
{
	static const char kubernetes[] = "/kubepods";
	size_t before = (size_t)(parent - path);

	for (size_t i = 0; i < COUNT(parents); i++)
		if ((int)strlen(parents[i].parent) == len &&
		    !memcmp(parents[i].parent, parent, (size_t)len))
			return parents[i].runtime;
	return memmem(path, before, kubernetes, sizeof(kubernetes) - 1) ? "containerd" : NULL;
}

struct container_mark container_find(const char *path, int length)
{
	struct container_mark mark = {0};
	const char *parent = path, *part = path;
	const char *id;
	int parent_len = 0, len;

	for (; part < path + length; parent = part, parent_len = len, part += len + 1) {
		const char *slash = memchr(part, '/', (size_t)(path + length - part));
		const struct scheme *scheme;
		const char *runtime;

		len = (int)((slash ? slash : path + length) - part);
		scheme = scheme_of(part, len, &id);
		if (!scheme)
			continue;
		runtime = scheme->runtime ? scheme->runtime
					  : runtime_by_parent(path, parent, parent_len);
		if (runtime && !*runtime)
			continue;
		mark = (struct container_mark){.runtime = runtime,
					       .id = id,
					       .id_len = CONTAINER_ID_LEN,
					       .key = id,
					       .key_len = CONTAINER_ID_LEN,
					       .end = (int)(part + len - path)};
	}
	return mark;
}

/* The length of the word there if containerd would take it as a namespace or an id; else 0. */
static int plain_word(const char *path, int length)
{
	const char *slash = memchr(path, '/', (size_t)length);
	int len = slash ? (int)(slash - path) : length;

	for (int i = 0; i < len; i++)
		if (!isalnum((unsigned char)path[i]) && (!i || !strchr("_.-", path[i])))
			return 0;
	return len <= CONTAINER_PLAIN_MAX ? len : 0;
}

/* Plain ctr puts a container into /NAMESPACE/ID, and its id is any word. */
static struct container_mark find_plain(struct containers *c, const char *path, int length)
{
	int space = length > 1 && *path == '/' ? plain_word(path + 1, length - 1) : 0;
	int at = space + 2, id = space && at < length ? plain_word(path + at, length - at) : 0;

	if (!id || (space > 6 && !memcmp(path + at - 7, ".slice", 6)) ||
	    !containerd_has_namespace(c, path + 1, space))
		return (struct container_mark){0};
	return (struct container_mark){"containerd",   path + at, id,  path + 1,
				       space + 1 + id, at + id,	  true};
}

static struct container_mark find_any(struct containers *c, const char *path, int length)
{
	struct container_mark mark = container_find(path, length);

	return mark.id ? mark : find_plain(c, path, length);
}

/* --- the containers that are known ------------------------------------------------------- */

int containers_open(struct containers **out, const char *root, struct nursery *nursery)
{
	struct containers *c = calloc(1, sizeof(*c));
	struct stat st;
	int err;

	if (!c)
		return -ENOMEM;
	c->root = file_open_root(root);
	err = c->root < 0 ? c->root : procfs_open(&c->procfs, host_root_pid(root) ? "" : root);
	if (!err && *root && !host_root_pid(root))
		err = fstat(c->root, &st) ? -errno : 0;
	c->owner = *root && !host_root_pid(root) && !err ? st.st_uid : 0;
	if (!err)
		err = cgroups_open(&c->cgroups, root);
	if (!err)
		err = state_reader_open(&c->states, nursery);
	if (err) {
		containers_close(c);
		return err;
	}
	*out = c;
	return 0;
}

void containers_close(struct containers *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++) {
		free(c->entries[i]->cgroup);
		free(c->entries[i]);
	}
	free(c->entries);
	container_forget_helpers(c);
	state_reader_close(c->states);
	cgroups_close(c->cgroups);
	procfs_close(c->procfs);
	if (c->root >= 0)
		close(c->root);
	free(c);
}

const struct procfs *containers_procfs(const struct containers *c)
{
	return c->procfs;
}

const struct cgroups *containers_cgroups(const struct containers *c)
{
	return c->cgroups;
}

bool containers_lost(struct containers *c, uid_t *owner)
{
	return state_reader_lost(c->states, owner);
}

static int compare_key(const struct container_mark *mark, const char *key)
{
	int order = strncmp(mark->key, key, (size_t)mark->key_len);

	return order ? order : -(int)(unsigned char)key[mark->key_len];
}

/* The index of the container, or the index to insert it at. */
static size_t find_slot(const struct containers *c, const struct container_mark *mark, bool *found)
{
	size_t low = 0, high = c->count;

	*found = false;
	while (low < high && !*found) {
		size_t middle = low + (high - low) / 2;
		int order = compare_key(mark, c->entries[middle]->key);

		*found = !order;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return *found ? high : low;
}

static int add_entry(struct containers *c, size_t slot, const struct container_mark *mark)
{
	struct container_entry *e;

	if (c->count == c->room) {
		size_t room = c->room ? c->room * 2 : 64;
		struct container_entry **more = realloc(c->entries, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->entries = more;
		c->room = room;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	memcpy(e->container.id, mark->id, (size_t)mark->id_len);
	memcpy(e->key, mark->key, (size_t)mark->key_len);
	strcpy(e->container.runtime, mark->runtime ? mark->runtime : "oci");
	e->container.hierarchy = CGROUP_HIERARCHIES;
	e->sure = mark->runtime != NULL;
	e->plain = mark->plain;
	memmove(c->entries + slot + 1, c->entries + slot, (c->count - slot) * sizeof(*c->entries));
	c->entries[slot] = e;
	c->count++;
	return 0;
}

static int keep_cgroup(struct container_entry *e, enum cgroup_hierarchy h, const char *path,
		       int len)
{
	char *copy = strndup(path, (size_t)len);

	if (!copy)
		return -ENOMEM;
	free(e->cgroup);
	e->cgroup = copy;
	e->container.cgroup = copy;
	e->container.hierarchy = h;
	return 0;
}

/* Returns the container's entry, a new one if need be.  Keeps its path in the most preferred
 * hierarchy. */
static int note(struct containers *c, const struct container_mark *mark, enum cgroup_hierarchy h,
		const char *path, struct container_entry **out)
{
	bool known;
	size_t slot = find_slot(c, mark, &known);
	struct container_entry *e;
	int err = known ? 0 : add_entry(c, slot, mark);

	if (err)
		return err;
	e = c->entries[slot];
	if (!e->cgroup || h < e->container.hierarchy) {
		err = keep_cgroup(e, h, path, mark->end);
		if (err && !e->cgroup)
			return err;
	}
	*out = e;
	return 0;
}

/* Finds the line that names a container, in the most preferred hierarchy. */
static bool best_line(struct containers *c, const char *text, struct cgroup_line *best,
		      struct container_mark *mark)
{
	struct cgroup_line line;
	bool found = false;

	while (cgroup_next(&text, &line)) {
		struct container_mark here = find_any(c, line.path, line.length);

		if (!here.id || (found && line.hierarchy >= best->hierarchy))
			continue;
		*best = line;
		*mark = here;
		found = true;
	}
	return found;
}

int containers_of_pid(struct containers *c, uint32_t pid, const struct container **container)
{
	char text[CGROUP_TEXT_MAX];
	ssize_t got = procfs_read(c->procfs, pid, "cgroup", text, sizeof(text));
	struct cgroup_line line;
	struct container_mark mark;
	struct container_entry *e;
	int err;

	*container = NULL;
	if (got < 0)
		return (int)got;
	if (!best_line(c, text, &line, &mark))
		return 0;
	err = note(c, &mark, line.hierarchy, line.path, &e);
	if (err)
		return err;
	if (!e->attempts)
		container_forget_helpers(c);
	container_find_name(c, e);
	*container = e->plain && !e->named ? NULL : &e->container;
	return 0;
}

struct listing {
	struct containers *c;
	enum cgroup_hierarchy hierarchy;
	size_t count;
	int err;
};

static enum cgroup_step list_node(void *context, const struct cgroup_node *node)
{
	struct listing *l = context;
	int len = (int)strlen(node->path);
	struct container_mark mark = find_any(l->c, node->path, len);
	struct container_entry *e;

	if (!mark.id || mark.end != len)
		return CGROUP_DEEPER;
	if (!cgroups_populated(l->c->cgroups, l->hierarchy, node->path))
		return CGROUP_DEEPER;
	l->err = note(l->c, &mark, l->hierarchy, node->path, &e);
	if (l->err)
		return CGROUP_STOP;
	if (!e->listed) {
		container_find_name(l->c, e);
		e->listed = e->named || !e->plain;
		l->count += e->listed;
	}
	return CGROUP_DEEPER;
}

static int compare_containers(const void *a, const void *b)
{
	const struct container *x = *(const struct container *const *)a;
	const struct container *y = *(const struct container *const *)b;
	int order = strcmp(x->runtime, y->runtime);

	if (!order)
		order = strcmp(x->pod_namespace, y->pod_namespace);
	if (!order)
		order = strcmp(x->pod, y->pod);
	if (!order)
		order = strcmp(x->name, y->name);
	return order ? order : strcmp(x->id, y->id);
}

static int collect_listed(struct containers *c, size_t count, const struct container ***list)
{
	size_t filled = 0;

	*list = calloc(count + 1, sizeof(**list));
	if (!*list)
		return -ENOMEM;
	for (size_t i = 0; i < c->count; i++)
		if (c->entries[i]->listed)
			(*list)[filled++] = &c->entries[i]->container;
	qsort(*list, filled, sizeof(**list), compare_containers);
	return 0;
}

/* A run time puts a container into all v1 controllers, so one v1 hierarchy is enough.  v2 is read
 * too, because on hybrid hosts either may hold the containers. */
int containers_list(struct containers *c, const struct container ***list, size_t *count)
{
	enum cgroup_hierarchy trees[] = {CGROUP_V2, cgroups_first_v1(c->cgroups)};
	struct listing l = {.c = c};

	*list = NULL;
	*count = 0;
	container_forget_helpers(c);
	for (size_t i = 0; i < c->count; i++)
		c->entries[i]->listed = false;
	for (size_t i = 0; i < COUNT(trees) && !l.err; i++) {
		l.hierarchy = trees[i];
		cgroups_visit(c->cgroups, trees[i], "/", list_node, &l);
	}
	if (!l.err)
		l.err = collect_listed(c, l.count, list);
	if (!l.err)
		*count = l.count;
	return l.err;
}

enum container_match containers_match(const struct container *container, const char *pattern)
{
	size_t len;

	if (*pattern == '/')
		pattern++;
	len = strlen(pattern);
	if (!len || container->sandbox)
		return CONTAINER_DIFFERS;
	if (!strcmp(container->name, pattern) || !strcmp(container->id, pattern))
		return CONTAINER_IS;
	if (!strncmp(container->name, pattern, len))
		return CONTAINER_BEGINS;
	if (len >= 4 && is_hex(pattern, (int)len) && !strncmp(container->id, pattern, len))
		return CONTAINER_BEGINS;
	return CONTAINER_DIFFERS;
}
