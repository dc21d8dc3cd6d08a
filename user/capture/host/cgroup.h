/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * cgroup.h - the host's cgroup hierarchies: their mount points, and the cgroups below a path.
 *
 * A cgroup is named by (hierarchy, id).  The id is the inode number of its directory, which equals
 * the kernfs node id that the kernel half reads from the task's css_set.  Named v1 hierarchies
 * (name=systemd) are left out: the kernel half could find them by no controller.
 */
#ifndef DBLEAK_CAPTURE_CGROUP_H
#define DBLEAK_CAPTURE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* In order of preference.  v1 controllers that share one mount go by the first of them. */
enum cgroup_hierarchy {
	CGROUP_V2 = 0, /* the default hierarchy: css_set.dfl_cgrp */
	CGROUP_PIDS,
	CGROUP_MEMORY,
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_CPUSET,
	CGROUP_BLKIO,
	CGROUP_DEVICES,
	CGROUP_FREEZER,
	CGROUP_NET_CLS,
	CGROUP_PERF_EVENT,
	CGROUP_NET_PRIO,
	CGROUP_HUGETLB,
	CGROUP_RDMA,
	CGROUP_MISC,
	CGROUP_HIERARCHIES, /* their number; also marks a hierarchy that cannot be used */
};

struct cgroups;

/* "v2", or the name of the v1 controller. */
const char *cgroup_hierarchy_name(enum cgroup_hierarchy h);

/* Reads the mounts once.  root: "" for this host or a test folder.  0 or -errno. */
int cgroups_open(struct cgroups **out, const char *root);
void cgroups_close(struct cgroups *c);

/* The mount point of h (without the root prefix), or NULL. */
const char *cgroups_mount(const struct cgroups *c, enum cgroup_hierarchy h);

/* The v1 hierarchy that container run times are most likely to use, or CGROUP_HIERARCHIES. */
enum cgroup_hierarchy cgroups_first_v1(const struct cgroups *c);

/* The id of a cgroup.  path: as in /proc/PID/cgroup, with "/" first.  -ENOENT: no such cgroup, or
 * h is not mounted. */
int cgroups_id(const struct cgroups *c, enum cgroup_hierarchy h, const char *path, uint64_t *id);

/* Reads the first size - 1 bytes of a file of a cgroup and adds a NUL.  Returns bytes or -errno. */
ssize_t cgroups_read(const struct cgroups *c, enum cgroup_hierarchy h, const char *path,
		     const char *name, char *buf, size_t size);

/* Splits a path of the file system, such as /sys/fs/cgroup/pids/a, into h and the path inside h,
 * which begins with "/" and which the caller frees.  -ENOENT: no directory of a usable hierarchy.
 */
int cgroups_locate(const struct cgroups *c, const char *path, enum cgroup_hierarchy *h,
		   char **inside);

/* Is any process in the cgroup or below it? */
bool cgroups_populated(const struct cgroups *c, enum cgroup_hierarchy h, const char *path);

struct cgroup_node {
	const char *path; /* valid during the visit only */
	const char *name; /* last part of the path */
	uint64_t id;
	int dir;	    /* a descriptor of its directory, valid during the visit only */
	unsigned int depth; /* 0: the visited path itself */
};

enum cgroup_step { CGROUP_DEEPER = 0, CGROUP_SKIP = 1, CGROUP_STOP = 2 };

typedef enum cgroup_step (*cgroup_visitor)(void *context, const struct cgroup_node *node);

/* Visits the cgroup and all below it, parents first, and skips those that vanish meanwhile.  0,
 * also when the visitor stopped; -ENOENT: no such path. */
int cgroups_visit(const struct cgroups *c, enum cgroup_hierarchy h, const char *path,
		  cgroup_visitor visitor, void *context);

/* A line of /proc/PID/cgroup. */
struct cgroup_line {
	enum cgroup_hierarchy hierarchy;
	const char *path; /* not ended by a NUL */
	int length;
};

/* Parses the line at *text and moves *text behind it; false at the end.  Skips malformed lines. */
bool cgroup_next(const char **text, struct cgroup_line *line);

#endif
