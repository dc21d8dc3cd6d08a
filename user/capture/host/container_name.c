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
struct name_search {
	struct containers *c;
	const char *id;
	char *name;  /* CONTAINER_NAME_LEN bytes and a NUL */
	uid_t owner; /* required owner of all state files, or FILE_OF_ANYBODY */
};

typedef bool (*place)(struct name_search *s, int root, const char *directory);

/* Could this be the path of a folder?  It comes from a worker that a hostile file may control. */
static bool path_is_sane(const char *path)
{
	if (*path != '/' || strlen(path) >= PATH_MAX)
		return false;
	while (*path && (unsigned char)*path >= ' ' && *path != 0x7f)
		path++;
	return !*path;
}

static bool keep_answer(struct name_search *s, int root, const char *path,
			enum state_question question)
{
	char answer[STATE_ANSWER_MAX];

	return state_reader_ask(s->c->states, root, path, s->owner, question, s->id, answer) > 0 &&
	       keep_name(s->name, answer);
}

static bool docker_in(struct name_search *s, int root, const char *data)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/containers/%s/config.v2.json", data, s->id) <
		       (int)sizeof(path) &&
	       keep_answer(s, root, path, STATE_DOCKER_NAME);
}

static bool podman_driver(struct name_search *s, int root, const char *storage, const char *driver)
{
	static const char *const files[] = {"containers.json", "volatile-containers.json"};
	char path[PATH_MAX];

	for (size_t i = 0; i < COUNT(files); i++)
		if (snprintf(path, sizeof(path), "%s/%s/%s", storage, driver, files[i]) <
			    (int)sizeof(path) &&
		    keep_answer(s, root, path, STATE_PODMAN_NAME))
			return true;
	return false;
}

/* overlay-containers, vfs-containers, btrfs-containers, ... */
static bool podman_in(struct name_search *s, int root, const char *storage)
{
	char names[STATE_ANSWER_MAX], *at = names;
	ssize_t left = state_reader_list(s->c->states, root, storage, s->owner, "-containers",
					 ENTRIES_MAX, names);
	bool found = false;

	for (ssize_t n; left > 0 && !found; left -= n, at += n) {
		n = (ssize_t)strlen(at) + 1;
		found = podman_driver(s, root, storage, at);
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
static bool in_homes(struct name_search *s, const char *below, place look)
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

static bool docker_configured(struct name_search *s, int root, const char *file)
{
	char data[STATE_ANSWER_MAX];

	return state_reader_ask(s->c->states, root, file, s->owner, STATE_DOCKER_ROOT, s->id,
				data) > 0 &&
	       path_is_sane(data) && docker_in(s, root, data);
}

static bool docker_of_daemon(struct name_search *s, uint32_t pid)
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
static bool podman_of_conmon(struct name_search *s, uint32_t pid)
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

void container_forget_helpers(struct containers *c)
{
	free(c->helpers);
	c->helpers = NULL;
	c->helper_count = 0;
}

static bool in_processes(struct name_search *s, const char *comm,
			 bool (*look)(struct name_search *s, uint32_t pid))
{
	bool found = false;

	find_helpers(s->c);
	for (size_t i = 0; i < s->c->helper_count && !found; i++)
		found = is_called(s->c, s->c->helpers[i], comm) && look(s, s->c->helpers[i]);
	return found;
}

static bool docker_name(struct name_search *s)
{
	int root = s->c->root;

	return docker_in(s, root, "/var/lib/docker") ||
	       docker_configured(s, root, "/etc/docker/daemon.json") ||
	       in_homes(s, ".local/share/docker", docker_in) ||
	       in_processes(s, "dockerd", docker_of_daemon);
}

static bool podman_configured(struct name_search *s, int root, const char *file)
{
	char folders[STATE_ANSWER_MAX], *at = folders;
	ssize_t left = state_reader_ask(s->c->states, root, file, s->owner, STATE_PODMAN_ROOTS,
					s->id, folders);
	bool found = false;

	for (ssize_t n; left > 0 && !found; left -= n, at += n) {
		n = (ssize_t)strlen(at) + 1;
		found = path_is_sane(at) && podman_in(s, root, at);
	}
	return found;
}

static bool podman_name(struct name_search *s)
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
	bool (*find)(struct name_search *s);
} namers[] = {
	{"docker", docker_name},
	{"podman", podman_name},
};

void container_find_name(struct containers *c, struct container_entry *e)
{
	struct name_search s = {c, e->container.id, e->container.name, FILE_OF_ANYBODY};

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
		debug(DEBUG_HOST, "container %.12s: %s of %s", e->container.id, e->container.name,
		      e->container.runtime);
		return;
	}
	debug(DEBUG_HOST, "container %.12s of %s: no state file names it, try %u of %d",
	      e->container.id, e->container.runtime, e->attempts, NAME_ATTEMPTS);
}
