/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * container_name.c - the names of containers, from the state files of their run times.
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
#include "user/system/debug.h"

/* Is the name one that Docker and podman allow? */
bool container_name_is_sane(const char *name)
{
	if (!isalnum((unsigned char)*name))
		return false;
	while (*name && (isalnum((unsigned char)*name) || strchr("_.-", *name)))
		name++;
	return !*name;
}

bool container_keep_name(struct name_search *s, const char *text)
{
	if (text && *text == '/')
		text++;
	if (!text || !container_name_is_sane(text))
		return false;
	snprintf(s->found->name, sizeof(s->found->name), "%s", text);
	return true;
}

/* --- state files ------------------------------------------------------------------------- */

void container_keep_image(struct name_search *s, const char *text)
{
	size_t length = strlen(text), i = 0;

	while (i < length && (isalnum((unsigned char)text[i]) || strchr("_.-/:@+", text[i])))
		i++;
	if (i == length && length < sizeof(s->found->image))
		strcpy(s->found->image, text);
}

bool container_path_is_sane(const char *path)
{
	if (*path != '/' || strlen(path) >= PATH_MAX)
		return false;
	while (*path && (unsigned char)*path >= ' ' && *path != 0x7f)
		path++;
	return !*path;
}

/* The first text is the container's name, the second one, if there is any, the image's. */
static bool keep_answer(struct name_search *s, int root, const char *path,
			enum state_question question)
{
	char answer[STATE_ANSWER_MAX];
	ssize_t n = state_reader_ask(s->c->states, root, path, s->owner, question, s->id, answer);
	ssize_t first = n > 0 ? (ssize_t)strlen(answer) + 1 : 0;

	if (n <= 0 || !container_keep_name(s, answer))
		return false;
	if (first < n)
		container_keep_image(s, answer + first);
	return true;
}

static bool docker_in(struct name_search *s, int root, const char *data)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/containers/%s/config.v2.json", data, s->id) <
		       (int)sizeof(path) &&
	       keep_answer(s, root, path, STATE_DOCKER_NAME);
}

static bool podman_driver(struct name_search *s, int root, const char *folder)
{
	static const char *const files[] = {"containers.json", "volatile-containers.json"};
	char path[PATH_MAX];

	for (size_t i = 0; i < COUNT(files); i++)
		if (snprintf(path, sizeof(path), "%s/%s", folder, files[i]) < (int)sizeof(path) &&
		    keep_answer(s, root, path, STATE_PODMAN_NAME))
			return true;
	return false;
}

/* overlay-containers, vfs-containers, btrfs-containers, ... */
static bool storage_in(struct name_search *s, int root, const char *storage)
{
	char names[STATE_ANSWER_MAX], path[PATH_MAX], *at = names;
	ssize_t left = state_reader_list(s->c->states, root, storage, s->owner, "-containers",
					 ENTRIES_MAX, names);
	bool found = false;

	for (ssize_t n; left > 0 && !found; left -= n, at += n) {
		n = (ssize_t)strlen(at) + 1;
		found = snprintf(path, sizeof(path), "%s/%s", storage, at) < (int)sizeof(path) &&
			s->driver(s, root, path);
	}
	return found;
}

/* --- state folders of the run times ------------------------------------------------------ */

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
static bool in_homes(struct name_search *s, const char *below, container_place look)
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

const char *container_option(const char *cmdline, size_t len, const char *const *keys)
{
	const char *value = NULL;

	for (; !value && *keys; keys++)
		value = option(cmdline, len, *keys);
	return value;
}

static bool docker_configured(struct name_search *s, int root, const char *file)
{
	char data[STATE_ANSWER_MAX];

	return state_reader_ask(s->c->states, root, file, s->owner, STATE_DOCKER_ROOT, s->id,
				data) > 0 &&
	       container_path_is_sane(data) && docker_in(s, root, data);
}

static bool docker_of_daemon(void *context, uint32_t pid)
{
	struct name_search *s = context;
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
	data = container_option(cmdline, (size_t)len, data_keys);
	file = container_option(cmdline, (size_t)len, file_keys);
	found = (data && docker_in(s, root, data)) ||
		docker_configured(s, root, file ? file : "/etc/docker/daemon.json") ||
		docker_in(s, root, "/var/lib/docker");
	close(root);
	return found;
}

/* conmon monitors one container, whose name is on its command line: -c ID ... -n NAME. */
static bool podman_of_conmon(void *context, uint32_t pid)
{
	struct name_search *s = context;
	char cmdline[CMDLINE_MAX];
	ssize_t len = procfs_read(s->c->procfs, pid, "cmdline", cmdline, sizeof(cmdline));
	const char *id = len <= 0 ? NULL : option(cmdline, (size_t)len, "-c");

	return id && !strcmp(id, s->id) &&
	       container_keep_name(s, option(cmdline, (size_t)len, "-n"));
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

static bool is_helper(const struct containers *c, uint32_t pid)
{
	static const char *const helpers[] = {"dockerd", "conmon", "containerd"};
	char text[32], *end;

	if (procfs_read(c->procfs, pid, "comm", text, sizeof(text)) <= 0)
		return false;
	end = strchr(text, '\n');
	if (end)
		*end = '\0';
	for (size_t i = 0; i < COUNT(helpers); i++)
		if (!strcmp(text, helpers[i]))
			return true;
	return false;
}

/* Searches all processes for helpers once, for many containers, until forget_helpers. */
static void find_helpers(struct containers *c)
{
	size_t count, kept = 0;
	uint32_t *pids;

	if (c->helpers || procfs_pids(c->procfs, &pids, &count))
		return;
	for (size_t i = 0; i < count; i++)
		if (is_helper(c, pids[i]) && is_root(c, pids[i]) && sees_this_host(c, pids[i]))
			pids[kept++] = pids[i];
	c->helpers = pids;
	c->helper_count = kept;
}

void container_forget_helpers(struct containers *c)
{
	free(c->helpers);
	c->helpers = NULL;
	c->helper_count = 0;
}

bool container_in_processes(struct containers *c, const char *comm,
			    bool (*look)(void *context, uint32_t pid), void *context)
{
	bool found = false;

	find_helpers(c);
	for (size_t i = 0; i < c->helper_count && !found; i++)
		found = is_called(c, c->helpers[i], comm) && look(context, c->helpers[i]);
	return found;
}

static bool docker_name(struct name_search *s)
{
	int root = s->c->root;

	return docker_in(s, root, "/var/lib/docker") ||
	       docker_configured(s, root, "/etc/docker/daemon.json") ||
	       in_homes(s, ".local/share/docker", docker_in) ||
	       container_in_processes(s->c, "dockerd", docker_of_daemon, s);
}

static bool storage_configured(struct name_search *s, int root, const char *file)
{
	char folders[STATE_ANSWER_MAX], *at = folders;
	ssize_t left = state_reader_ask(s->c->states, root, file, s->owner, STATE_PODMAN_ROOTS,
					s->id, folders);
	bool found = false;

	for (ssize_t n; left > 0 && !found; left -= n, at += n) {
		n = (ssize_t)strlen(at) + 1;
		found = container_path_is_sane(at) && storage_in(s, root, at);
	}
	return found;
}

bool container_in_storages(struct name_search *s, container_place driver)
{
	int root = s->c->root;

	s->driver = driver;
	return storage_in(s, root, "/var/lib/containers/storage") ||
	       storage_in(s, root, "/run/containers/storage") ||
	       storage_configured(s, root, "/etc/containers/storage.conf") ||
	       storage_configured(s, root, "/usr/share/containers/storage.conf");
}

static bool podman_name(struct name_search *s)
{
	return container_in_storages(s, podman_driver) ||
	       in_homes(s, ".local/share/containers/storage", storage_in) ||
	       in_homes(s, ".config/containers/storage.conf", storage_configured) ||
	       container_in_processes(s->c, "conmon", podman_of_conmon, s);
}

static const struct {
	const char *runtime;
	bool (*find)(struct name_search *s);
} namers[] = {
	{"docker", docker_name},
	{"podman", podman_name},
	{"containerd", containerd_name},
	{"cri-o", crio_name},
};

void container_find_name(struct containers *c, struct container_entry *e)
{
	struct name_search s = {.c = c, .entry = e, .id = e->container.id, .found = &e->container};

	if (e->named || e->attempts >= NAME_ATTEMPTS)
		return;
	e->attempts++;
	for (size_t i = 0; i < COUNT(namers) && !e->named; i++) {
		if (e->sure && strcmp(e->container.runtime, namers[i].runtime))
			continue;
		s.owner = FILE_OF_ANYBODY;
		if (!namers[i].find(&s))
			continue;
		strcpy(e->container.runtime, namers[i].runtime);
		e->sure = e->named = true;
	}
	debug(DEBUG_HOST, "container %.12s of %s: %s, pod %s, try %u of %d", e->container.id,
	      e->container.runtime, e->named ? e->container.name : "no state file names it",
	      e->container.pod, e->attempts, NAME_ATTEMPTS);
}
