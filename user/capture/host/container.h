/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * container.h - which container a process is in, and what the run time calls it.
 *
 * Ids come from cgroup paths, names from the run times' own state files, never from their
 * sockets or command line tools.  Names that no run time would allow are dropped, so id and
 * name are always plain text.  All functions return 0 or -errno unless they say otherwise.
 */
#ifndef DBLEAK_CAPTURE_CONTAINER_H
#define DBLEAK_CAPTURE_CONTAINER_H

#include <stddef.h>
#include <stdint.h>

#include "user/capture/host/cgroup.h"
#include "user/capture/host/procfs.h"

#define CONTAINER_ID_LEN   64
#define CONTAINER_NAME_LEN 255

struct container {
	char runtime[16]; /* "docker", "podman", "containerd", "cri-o"; "oci": one of them */
	char id[CONTAINER_ID_LEN + 1];	   /* all 64 hex digits */
	char name[CONTAINER_NAME_LEN + 1]; /* "" not known; may exceed EV_NAME_LEN */
	const char *cgroup;		   /* the container's own, as in /proc/PID/cgroup */
	/* Where that path is; CGROUP_HIERARCHIES: only where the kernel half cannot compare. */
	enum cgroup_hierarchy hierarchy;
};

struct containers;

/* root: "" for this host or a test folder. */
int containers_open(struct containers **out, const char *root);
void containers_close(struct containers *c);

/* The container of a process.  *container lives until containers_close, also after the container
 * ended; NULL on the host.  -ESRCH: the process is gone. */
int containers_of_pid(struct containers *c, uint32_t pid, const struct container **container);

/* All containers that run a process now, by run time and name.  The array is the caller's to
 * free, what it points to is not.  Reads the cgroup trees, not /proc: fit for every second. */
int containers_list(struct containers *c, const struct container ***list, size_t *count);

enum container_match {
	CONTAINER_DIFFERS = 0,
	CONTAINER_BEGINS = 1, /* pattern begins its name, or with 4 hex digits or more its id */
	CONTAINER_IS = 2,     /* pattern is its name or its full id */
};

enum container_match containers_match(const struct container *container, const char *pattern);

/* What the containers are read from; owned by c. */
const struct procfs *containers_procfs(const struct containers *c);
const struct cgroups *containers_cgroups(const struct containers *c);

#endif
