/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * container.c - finds the container of a process, and its name in the run time.
 *
 * The innermost container of a cgroup path counts (Docker in Docker).  dbleak talks to no daemon
 * and believes state files only.  Any process may call itself dockerd, so only a daemon that runs
 * as root on this host may name its state folder.  State files of a user must belong to that user.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/capture/host/container.h"

/* A container's state file has some KiB.  Parsed JSON takes 50 times as much memory. */
#define STATE_BYTES_MAX	 (1UL << 20)
#define PASSWD_BYTES_MAX (4UL << 20)
#define ENTRIES_MAX	 64 /* to read of a folder that has one entry for each storage driver */
#define CGROUP_TEXT_MAX	 65536
#define CMDLINE_MAX	 16384
#define NAME_ATTEMPTS	 3 /* a run time may write the state file after the cgroup */
#define HOMES_MAX	 4096

struct entry {
	struct container container;
	char *cgroup;
	unsigned int attempts; /* to find the name */
	bool sure;	       /* the cgroup path names the run time */
	bool listed;
};

struct containers {
	struct procfs *procfs;
	struct cgroups *cgroups;
	int root;
	struct entry **entries; /* ordered by id */
	size_t count, room;
	uint32_t *helpers; /* pids of dockerd and conmon processes; NULL: not searched yet */
	size_t helper_count;
};

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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct mark {
	const char *runtime; /* NULL: not sure */
	const char *id;	     /* in the path, CONTAINER_ID_LEN bytes; NULL: no container */
	int end;	     /* length of the path up to the container's own cgroup */
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

static struct mark find_container(const char *path, int length)
{
	struct mark mark = {0};
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
		mark = (struct mark){runtime, id, (int)(part + len - path)};
	}
	return mark;
}

/* Is the name one that Docker and podman allow? */
static bool name_is_sane(const char *name)
{
	if (!isalnum((unsigned char)*name))
		return false;
	while (*name && (isalnum((unsigned char)*name) || strchr("_.-", *name)))
		name++;
	return !*name;
}

static bool keep_name(char name[CONTAINER_NAME_LEN + 1], const char *text)
{
	if (text && *text == '/')
		text++;
	if (!text || !name_is_sane(text))
		return false;
	snprintf(name, CONTAINER_NAME_LEN + 1, "%s", text);
	return true;
}

/* --- state files ------------------------------------------------------------------------- */

/* A search for one container's name, through the directories that the functions below visit. */
struct search {
	struct containers *c;
	const char *id;
	char *name;  /* CONTAINER_NAME_LEN bytes and a NUL */
	uid_t owner; /* required owner of all state files, or FILE_OF_ANYBODY */
};

static json_t *load_json(const struct search *s, int root, const char *path)
{
	char *text;
	ssize_t len = file_load(root, path, STATE_BYTES_MAX, s->owner, &text);
	json_t *json = len < 0 ? NULL : json_loadb(text, (size_t)len, 0, NULL);

	if (len >= 0)
		free(text);
	return json;
}

static bool docker_in(struct search *s, int root, const char *data)
{
	char path[PATH_MAX];
	json_t *state;
	bool found;

	if (snprintf(path, sizeof(path), "%s/containers/%s/config.v2.json", data, s->id) >=
	    (int)sizeof(path))
		return false;
	state = load_json(s, root, path);
	found = keep_name(s->name, json_string_value(json_object_get(state, "Name")));
	json_decref(state);
	return found;
}

static bool podman_file(struct search *s, int root, const char *path)
{
	json_t *state = load_json(s, root, path);
	bool found = false;
	json_t *item;
	size_t i;

	json_array_foreach(state, i, item)
	{
		const char *id = json_string_value(json_object_get(item, "id"));

		if (!id || strcmp(id, s->id))
			continue;
		found = keep_name(s->name, json_string_value(json_array_get(
						   json_object_get(item, "names"), 0)));
		break;
	}
	json_decref(state);
	return found;
}

static bool podman_driver(struct search *s, int root, const char *storage, const char *driver)
{
	static const char *const files[] = {"containers.json", "volatile-containers.json"};
	char path[PATH_MAX];

	for (size_t i = 0; i < COUNT(files); i++)
		if (snprintf(path, sizeof(path), "%s/%s/%s", storage, driver, files[i]) <
			    (int)sizeof(path) &&
		    podman_file(s, root, path))
			return true;
	return false;
}

static bool ends_with(const char *text, const char *tail)
{
	size_t len = strlen(text), want = strlen(tail);

	return len >= want && !strcmp(text + len - want, tail);
}

static bool is_owned(const struct search *s, int fd)
{
	struct stat st;

	return s->owner == FILE_OF_ANYBODY || (!fstat(fd, &st) && st.st_uid == s->owner);
}

/* overlay-containers, vfs-containers, btrfs-containers, ... */
static bool podman_in(struct search *s, int root, const char *storage)
{
	int fd = file_open_in(root, storage, O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool found = false, owned;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	owned = is_owned(s, fd);
	for (int i = 0; owned && !found && i < ENTRIES_MAX && (entry = readdir(d)); i++)
		found = ends_with(entry->d_name, "-containers") &&
			podman_driver(s, root, storage, entry->d_name);
	closedir(d);
	return found;
}

/* --- state folders of the run times ------------------------------------------------------ */

typedef bool (*place)(struct search *s, int root, const char *directory);

/* Parses a line of passwd: name:password:uid:gid:text:home:shell.  NULL: malformed. */
static const char *home_of(char *line, uid_t *owner)
{
	char *end = strrchr(line, ':'), *home, *uid = strchr(line, ':');

	uid = uid ? strchr(uid + 1, ':') : NULL;
	if (!end || !uid || !isdigit((unsigned char)uid[1]))
		return NULL;
	*owner = (uid_t)strtoul(uid + 1, NULL, 10);
	*end = '\0';
	home = strrchr(line, ':');
	return home && home[1] == '/' ? home + 1 : NULL;
}

/* Reads homes from /etc/passwd, not by getpwent(3): a directory service might use the network. */
static bool in_homes(struct search *s, const char *below, place look)
{
	char *text, *save, *line, path[PATH_MAX];
	bool found = false;
	int homes = 0;

	if (file_load(s->c->root, "/etc/passwd", PASSWD_BYTES_MAX, FILE_OF_ANYBODY, &text) < 0)
		return false;
	for (line = strtok_r(text, "\n", &save); line && !found && homes < HOMES_MAX;
	     line = strtok_r(NULL, "\n", &save), homes++) {
		const char *home = home_of(line, &s->owner);

		if (home && snprintf(path, sizeof(path), "%s/%s", home, below) < (int)sizeof(path))
			found = look(s, s->c->root, path);
	}
	s->owner = FILE_OF_ANYBODY;
	free(text);
	return found;
}

/* The value of an option given as "--key value" or "--key=value"; cmdline is NUL-separated. */
static const char *option(const char *cmdline, size_t len, const char *key)
{
	const char *at = cmdline, *end = cmdline + len;
	size_t want = strlen(key);

	for (; at < end; at += strlen(at) + 1) {
		if (strncmp(at, key, want))
			continue;
		if (at[want] == '=')
			return at + want + 1;
		if (!at[want] && at + want + 1 < end)
			return at + want + 1;
	}
	return NULL;
}

static const char *first_option(const char *cmdline, size_t len, const char *const *keys)
{
	const char *value = NULL;

	for (; !value && *keys; keys++)
		value = option(cmdline, len, *keys);
	return value;
}

static bool docker_configured(struct search *s, int root, const char *file)
{
	json_t *config = load_json(s, root, file);
	const char *data = json_string_value(json_object_get(config, "data-root"));
	bool found;

	if (!data)
		data = json_string_value(json_object_get(config, "graph"));
	found = data && docker_in(s, root, data);
	json_decref(config);
	return found;
}

static bool docker_of_daemon(struct search *s, uint32_t pid)
{
	static const char *const data_keys[] = {"--data-root", "--graph", "-g", NULL};
	static const char *const file_keys[] = {"--config-file", NULL};
	char cmdline[CMDLINE_MAX];
	ssize_t len = procfs_read(s->c->procfs, pid, "cmdline", cmdline, sizeof(cmdline));
	int root = procfs_open_root(s->c->procfs, pid);
	const char *data, *file;
	bool found;

	if (len <= 0 || root < 0) {
		if (root >= 0)
			close(root);
		return false;
	}
	data = first_option(cmdline, (size_t)len, data_keys);
	file = first_option(cmdline, (size_t)len, file_keys);
	found = (data && docker_in(s, root, data)) ||
		docker_configured(s, root, file ? file : "/etc/docker/daemon.json") ||
		docker_in(s, root, "/var/lib/docker");
	close(root);
	return found;
}

/* conmon monitors one container, whose name is on its command line: -c ID ... -n NAME. */
static bool podman_of_conmon(struct search *s, uint32_t pid)
{
	char cmdline[CMDLINE_MAX];
	ssize_t len = procfs_read(s->c->procfs, pid, "cmdline", cmdline, sizeof(cmdline));
	const char *id = len <= 0 ? NULL : option(cmdline, (size_t)len, "-c");

	return id && !strcmp(id, s->id) && keep_name(s->name, option(cmdline, (size_t)len, "-n"));
}

static bool is_called(const struct containers *c, uint32_t pid, const char *comm)
{
	char text[32];
	ssize_t got = procfs_read(c->procfs, pid, "comm", text, sizeof(text));

	return got == (ssize_t)strlen(comm) + 1 && !memcmp(text, comm, strlen(comm));
}

/* Is the process root on this host?  In a user namespace every user can be root, so its uid_map
 * must be the identity. */
static bool is_root(const struct containers *c, uint32_t pid)
{
	unsigned int user[4], inner, outer, count;
	char text[8192], *at;

	if (procfs_read(c->procfs, pid, "status", text, sizeof(text)) <= 0)
		return false;
	at = strstr(text, "\nUid:");
	if (!at || sscanf(at + 5, "%u %u %u %u", user, user + 1, user + 2, user + 3) != 4 ||
	    (user[0] | user[1] | user[2] | user[3]))
		return false;
	return procfs_read(c->procfs, pid, "uid_map", text, sizeof(text)) > 0 &&
	       sscanf(text, "%u %u %u", &inner, &outer, &count) == 3 && !inner && !outer &&
	       count == UINT32_MAX;
}

/* Does the process share our root directory?  A process in a container has another. */
static bool sees_this_host(const struct containers *c, uint32_t pid)
{
	int root = procfs_open_root(c->procfs, pid);
	struct stat own, its;
	bool same;

	if (root < 0)
		return false;
	same = !fstat(root, &its) && !fstat(c->root, &own) && its.st_dev == own.st_dev &&
	       its.st_ino == own.st_ino;
	close(root);
	return same;
}

/* Searches all processes for helpers once, for many containers, until forget_helpers. */
static void find_helpers(struct containers *c)
{
	size_t count, kept = 0;
	uint32_t *pids;

	if (c->helpers || procfs_pids(c->procfs, &pids, &count))
		return;
	for (size_t i = 0; i < count; i++)
		if ((is_called(c, pids[i], "dockerd") || is_called(c, pids[i], "conmon")) &&
		    is_root(c, pids[i]) && sees_this_host(c, pids[i]))
			pids[kept++] = pids[i];
	c->helpers = pids;
	c->helper_count = kept;
}

static void forget_helpers(struct containers *c)
{
	free(c->helpers);
	c->helpers = NULL;
	c->helper_count = 0;
}

static bool in_processes(struct search *s, const char *comm,
			 bool (*look)(struct search *s, uint32_t pid))
{
	bool found = false;

	find_helpers(s->c);
	for (size_t i = 0; i < s->c->helper_count && !found; i++)
		found = is_called(s->c, s->c->helpers[i], comm) && look(s, s->c->helpers[i]);
	return found;
}

static bool docker_name(struct search *s)
{
	int root = s->c->root;

	return docker_in(s, root, "/var/lib/docker") ||
	       docker_configured(s, root, "/etc/docker/daemon.json") ||
	       in_homes(s, ".local/share/docker", docker_in) ||
	       in_processes(s, "dockerd", docker_of_daemon);
}

/* graphroot = "/path" and runroot in storage.conf, which is TOML but flat where it matters. */
static bool podman_configured(struct search *s, int root, const char *file)
{
	char *text, *save, *line, *path;
	bool found = false;

	if (file_load(root, file, STATE_BYTES_MAX, s->owner, &text) < 0)
		return false;
	for (line = strtok_r(text, "\n", &save); line && !found;
	     line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		if (strncmp(line, "graphroot", 9) && strncmp(line, "runroot", 7))
			continue;
		path = strchr(line, '"');
		if (!path++ || !strchr(path, '"'))
			continue;
		*strchr(path, '"') = '\0';
		found = podman_in(s, root, path);
	}
	free(text);
	return found;
}

static bool podman_name(struct search *s)
{
	int root = s->c->root;

	return podman_in(s, root, "/var/lib/containers/storage") ||
	       podman_in(s, root, "/run/containers/storage") ||
	       podman_configured(s, root, "/etc/containers/storage.conf") ||
	       podman_configured(s, root, "/usr/share/containers/storage.conf") ||
	       in_homes(s, ".local/share/containers/storage", podman_in) ||
	       in_homes(s, ".config/containers/storage.conf", podman_configured) ||
	       in_processes(s, "conmon", podman_of_conmon);
}

static const struct {
	const char *runtime;
	bool (*find)(struct search *s);
} namers[] = {
	{"docker", docker_name},
	{"podman", podman_name},
};

static void find_name(struct containers *c, struct entry *e)
{
	struct search s = {c, e->container.id, e->container.name, FILE_OF_ANYBODY};

	if (e->container.name[0] || e->attempts >= NAME_ATTEMPTS)
		return;
	e->attempts++;
	for (size_t i = 0; i < COUNT(namers); i++) {
		if (e->sure && strcmp(e->container.runtime, namers[i].runtime))
			continue;
		if (!namers[i].find(&s))
			continue;
		strcpy(e->container.runtime, namers[i].runtime);
		e->sure = true;
		return;
	}
}

/* --- the containers that are known ------------------------------------------------------- */

int containers_open(struct containers **out, const char *root)
{
	struct containers *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->root = file_open_root(root);
	err = c->root < 0 ? c->root : procfs_open(&c->procfs, root);
	if (!err)
		err = cgroups_open(&c->cgroups, root);
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
	forget_helpers(c);
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

/* The index of id, or the index to insert it at. */
static size_t find_slot(const struct containers *c, const char *id, bool *found)
{
	size_t low = 0, high = c->count;

	*found = false;
	while (low < high && !*found) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(id, c->entries[middle]->container.id, CONTAINER_ID_LEN);

		*found = !order;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return *found ? high : low;
}

static int add_entry(struct containers *c, size_t slot, const struct mark *mark)
{
	struct entry *e;

	if (c->count == c->room) {
		size_t room = c->room ? c->room * 2 : 64;
		struct entry **more = realloc(c->entries, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->entries = more;
		c->room = room;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	memcpy(e->container.id, mark->id, CONTAINER_ID_LEN);
	strcpy(e->container.runtime, mark->runtime ? mark->runtime : "oci");
	e->container.hierarchy = CGROUP_HIERARCHIES;
	e->sure = mark->runtime != NULL;
	memmove(c->entries + slot + 1, c->entries + slot, (c->count - slot) * sizeof(*c->entries));
	c->entries[slot] = e;
	c->count++;
	return 0;
}

static int keep_cgroup(struct entry *e, enum cgroup_hierarchy h, const char *path, int len)
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
static int note(struct containers *c, const struct mark *mark, enum cgroup_hierarchy h,
		const char *path, struct entry **out)
{
	bool known;
	size_t slot = find_slot(c, mark->id, &known);
	struct entry *e;
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
static bool best_line(const char *text, struct cgroup_line *best, struct mark *mark)
{
	struct cgroup_line line;
	bool found = false;

	while (cgroup_next(&text, &line)) {
		struct mark here = find_container(line.path, line.length);

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
	struct mark mark;
	struct entry *e;
	int err;

	*container = NULL;
	if (got < 0)
		return (int)got;
	if (!best_line(text, &line, &mark))
		return 0;
	err = note(c, &mark, line.hierarchy, line.path, &e);
	if (err)
		return err;
	if (!e->attempts)
		forget_helpers(c);
	find_name(c, e);
	*container = &e->container;
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
	struct mark mark = find_container(node->path, len);
	struct entry *e;

	if (!mark.id || mark.end != len)
		return CGROUP_DEEPER;
	if (!cgroups_populated(l->c->cgroups, l->hierarchy, node->path))
		return CGROUP_DEEPER;
	l->err = note(l->c, &mark, l->hierarchy, node->path, &e);
	if (l->err)
		return CGROUP_STOP;
	if (!e->listed) {
		e->listed = true;
		l->count++;
		find_name(l->c, e);
	}
	return CGROUP_DEEPER;
}

static int compare_containers(const void *a, const void *b)
{
	const struct container *x = *(const struct container *const *)a;
	const struct container *y = *(const struct container *const *)b;
	int order = strcmp(x->runtime, y->runtime);

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
	forget_helpers(c);
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
	if (!len)
		return CONTAINER_DIFFERS;
	if (!strcmp(container->name, pattern) || !strcmp(container->id, pattern))
		return CONTAINER_IS;
	if (!strncmp(container->name, pattern, len))
		return CONTAINER_BEGINS;
	if (len >= 4 && is_hex(pattern, (int)len) && !strncmp(container->id, pattern, len))
		return CONTAINER_BEGINS;
	return CONTAINER_DIFFERS;
}
