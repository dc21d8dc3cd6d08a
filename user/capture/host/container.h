/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * container.h - finds the container of a process, and its name in the run time.
 *
 * Ids come from cgroup paths.  Names come from the run times' own state files, never from their
 * sockets or command line tools.  Names that no run time would allow are dropped, so id and name
 * are always plain text.  All functions return 0 or -errno unless their comment says otherwise.
 */
#ifndef DBLEAK_CAPTURE_CONTAINER_H
#define DBLEAK_CAPTURE_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/capture/host/cgroup.h"
#include "user/capture/host/procfs.h"

#define CONTAINER_ID_LEN 64 /* hex digits, where the run time draws the id */
#define CONTAINER_PLAIN_MAX                                                  \
	76 /* the longest id or namespace that containerd lets people choose \
	    */
#define CONTAINER_NAME_LEN	255
#define CONTAINER_POD_LEN	253
#define CONTAINER_IMAGE_LEN	255
#define CONTAINER_NAMESPACE_LEN 63

struct container {
	char runtime[16]; /* "docker", "podman", "containerd", "cri-o"; "oci": not known which */
	char id[CONTAINER_PLAIN_MAX + 1];
	char name[CONTAINER_NAME_LEN + 1];		 /* "": not known; may exceed EV_NAME_LEN */
	char pod[CONTAINER_POD_LEN + 1];		 /* of Kubernetes; "": none, or not known */
	char pod_namespace[CONTAINER_NAMESPACE_LEN + 1]; /* of Kubernetes, as the pod */
	char image[CONTAINER_IMAGE_LEN + 1]; /* the name it was started by; "": not known */
	bool sandbox;	    /* holds a pod's namespaces and runs nothing of it; without a name */
	const char *cgroup; /* the container's own, as in /proc/PID/cgroup */
	/* The hierarchy of that path; CGROUP_HIERARCHIES: one that the kernel half cannot compare.
	 */
	enum cgroup_hierarchy hierarchy;
};

struct containers;
struct nursery;

/* root: "" for this host or a test folder.  A NURSERY_STATE worker of the nursery, which is
 * borrowed, parses the state files; NULL: none is read, so most containers have no name. */
int containers_open(struct containers **out, const char *root, struct nursery *nursery);
void containers_close(struct containers *c);

/* Finds the container of a process.  *container is valid until containers_close, also after the
 * container ended; NULL: the process runs on the host.  -ESRCH: the process is gone. */
int containers_of_pid(struct containers *c, uint32_t pid, const struct container **container);

/* Lists all containers that run a process now, sorted by run time and name.  The caller frees the
 * array, but not its elements.  Reads the cgroup trees, not /proc: cheap enough for each second. */
int containers_list(struct containers *c, const struct container ***list, size_t *count);

enum container_match {
	CONTAINER_DIFFERS = 0,
	CONTAINER_BEGINS = 1, /* its name begins with pattern, or its id with 4 or more digits */
	CONTAINER_IS = 2,     /* its name or its full id equals pattern */
};

enum container_match containers_match(const struct container *container, const char *pattern);

/* The owner of a state file whose worker died or hung, each such failure once: containers may lack
 * their names.  False: there is none. */
bool containers_lost(struct containers *c, uid_t *owner);

/* The sources that c reads; owned by c. */
const struct procfs *containers_procfs(const struct containers *c);
const struct cgroups *containers_cgroups(const struct containers *c);

#endif
