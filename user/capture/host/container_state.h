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

#define PASSWD_BYTES_MAX (4UL << 20)
#define ENTRIES_MAX	 64 /* to read of a folder that has one entry for each storage driver */
#define CGROUP_TEXT_MAX	 65536
#define CMDLINE_MAX	 16384
#define NAME_ATTEMPTS	 3 /* a run time may write the state file after the cgroup */
#define HOMES_MAX	 4096

struct container_entry {
	struct container container;
	char *cgroup;
	unsigned int attempts; /* to find the name */
	bool sure;	       /* the cgroup path names the run time */
	bool listed;
};

struct containers {
	struct procfs *procfs;
	struct cgroups *cgroups;
	struct state_reader *states;
	int root;
	struct container_entry **entries; /* ordered by id */
	size_t count, room;
	uint32_t *helpers; /* pids of dockerd and conmon processes; NULL: not searched yet */
	size_t helper_count;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void container_forget_helpers(struct containers *c);
void container_find_name(struct containers *c, struct container_entry *e);

struct container_mark {
	const char *runtime; /* NULL: not sure */
	const char *id;	     /* in the path, CONTAINER_ID_LEN bytes; NULL: no container */
	int end;	     /* length of the path up to the container's own cgroup */
};

/* The innermost container that a cgroup path of `length` bytes names. */
struct container_mark container_find(const char *path, int length);

#endif
