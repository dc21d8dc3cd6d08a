/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * container_state.h - what the files that name containers share; nobody else includes it.
 */
#ifndef DBLEAK_CAPTURE_CONTAINER_STATE_H
#define DBLEAK_CAPTURE_CONTAINER_STATE_H

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

#include "user/base/file.h"
#include "user/capture/host/state_reader.h"

#define PASSWD_BYTES_MAX  (4UL << 20)
#define ENTRIES_MAX	  64 /* to read of a folder that has one entry for each storage driver */
#define CGROUP_TEXT_MAX	  65536
#define CMDLINE_MAX	  16384
#define NAME_ATTEMPTS	  3 /* a run time may write the state file after the cgroup */
#define HOMES_MAX	  4096
#define TASKS_MAX	  16
#define TASKS_PATH_MAX	  512
#define TASKS_NAMES_MAX	  2048
#define CONTAINER_KEY_MAX (2 * CONTAINER_PLAIN_MAX + 1)

struct container_entry {
	struct container container;
	char *cgroup;
	char key[CONTAINER_KEY_MAX + 1];
	unsigned int attempts; /* to find the name */
	bool sure;	       /* the cgroup path names the run time */
	bool plain;	       /* no container unless a state file says so */
	bool named;	       /* a state file was found */
	bool listed;
};

/* A folder of tasks that a containerd keeps. */
struct containerd_tasks {
	char path[TASKS_PATH_MAX];
	char namespaces[TASKS_NAMES_MAX]; /* one after another, each with its NUL */
	size_t size;			  /* of the names */
};

struct containers {
	struct procfs *procfs;
	struct cgroups *cgroups;
	struct state_reader *states;
	int root;
	uid_t owner;			  /* of this host's own files: root, but in a test folder */
	struct container_entry **entries; /* ordered by key */
	size_t count, room;
	uint32_t *helpers; /* pids of daemons and monitors; NULL: not searched yet */
	size_t helper_count;
	struct containerd_tasks tasks[TASKS_MAX];
	size_t tasks_count;
	char daemons[TASKS_MAX][TASKS_PATH_MAX]; /* state folders that daemons name */
	size_t daemon_count;
	uint64_t tasks_until_ms, daemons_until_ms; /* when to look again; 0: not looked yet */
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A search for one container's name, through the folders that the functions below visit. */
struct name_search;
typedef bool (*container_place)(struct name_search *s, int root, const char *folder);

struct name_search {
	struct containers *c;
	const struct container_entry *entry;
	const char *id;
	struct container *found;
	uid_t owner;		/* required owner of all state files, or FILE_OF_ANYBODY */
	container_place driver; /* looks in the folder of one storage driver */
};

/* Could this be the path of a folder, or a name that run times allow?  It comes from a worker that
 * a hostile file may control. */
bool container_path_is_sane(const char *path);
bool container_name_is_sane(const char *name);

/* Keeps a name that is sane, without the slash that Docker puts before it. */
bool container_keep_name(struct name_search *s, const char *text);

/* Keeps the name of an image if it is one that registries allow. */
void container_keep_image(struct name_search *s, const char *text);

/* The value of the first of the options that is given, as "--key value" or "--key=value"; cmdline
 * is NUL-separated, keys end with NULL. */
const char *container_option(const char *cmdline, size_t len, const char *const *keys);

/* Looks at each process of root on this host that is called so, until `look` finds something. */
bool container_in_processes(struct containers *c, const char *comm,
			    bool (*look)(void *context, uint32_t pid), void *context);

/* Looks in each storage driver's folder of containers/storage, which podman and CRI-O share. */
bool container_in_storages(struct name_search *s, container_place driver);

/* What the specs of containerd and of CRI-O say. */
bool containerd_name(struct name_search *s);
bool crio_name(struct name_search *s);

/* Does a containerd of this host keep a namespace of that name? */
bool containerd_has_namespace(struct containers *c, const char *name, int len);

void container_forget_helpers(struct containers *c);
void container_find_name(struct containers *c, struct container_entry *e);

struct container_mark {
	const char *runtime; /* NULL: not sure */
	const char *id;	     /* in the path; NULL: no container */
	int id_len;
	const char *key; /* in the path: what tells it from all others of the host */
	int key_len;
	int end;    /* length of the path up to the container's own cgroup */
	bool plain; /* its id is any word, so only a state file can tell that it is one */
};

/* The innermost container with an id of CONTAINER_ID_LEN digits that a cgroup path of `length`
 * bytes names. */
struct container_mark container_find(const char *path, int length);

#endif
