/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * cgroup.h - the host's cgroup hierarchies: where they are mounted, what is below a path.
 *
 * A cgroup is named by (hierarchy, id), where id is the inode number of its directory, which is
 * the kernfs node id the kernel half reads from the task's css_set.  The named v1 hierarchies
 * (name=systemd) have no controller to find them by in the kernel, so they are left out.
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
	CGROUP_HIERARCHIES, /* also: a path in a hierarchy that cannot be used */
};

struct cgroups;

/* "v2", or the name of the v1 controller. */
const char *cgroup_hierarchy_name(enum cgroup_hierarchy h);

/* Reads the mounts once.  root: "" for this host or a test folder.  0 or -errno. */
int cgroups_open(struct cgroups **out, const char *root);
void cgroups_close(struct cgroups *c);

/* Where h is mounted (without the root prefix), or NULL. */
const char *cgroups_mount(const struct cgroups *c, enum cgroup_hierarchy h);

/* The v1 hierarchy that container run times are most likely to use, or CGROUP_HIERARCHIES. */
enum cgroup_hierarchy cgroups_first_v1(const struct cgroups *c);

/* Paths are those of /proc/PID/cgroup, "/" first.  -ENOENT: not there or not mounted. */
int cgroups_id(const struct cgroups *c, enum cgroup_hierarchy h, const char *path, uint64_t *id);

/* The first size - 1 bytes of a file of a cgroup, with a NUL after them.  Their number, or -errno.
 */
ssize_t cgroups_read(const struct cgroups *c, enum cgroup_hierarchy h, const char *path,
		     const char *name, char *buf, size_t size);

/* Takes a path of the file system apart, such as /sys/fs/cgroup/pids/a: h and, with "/" first, the
 * path in it, which the caller frees.  -ENOENT: no directory of a usable hierarchy. */
int cgroups_locate(const struct cgroups *c, const char *path, enum cgroup_hierarchy *h,
		   char **inside);

/* Whether any process is in the cgroup or below it. */
bool cgroups_populated(const struct cgroups *c, enum cgroup_hierarchy h, const char *path);

struct cgroup_node {
	const char *path; /* valid during the visit only */
	const char *name; /* its last part */
	uint64_t id;
	int dir;	    /* a descriptor of its directory, valid during the visit only */
	unsigned int depth; /* below the path asked for; that one is 0 */
};

enum cgroup_step { CGROUP_DEEPER = 0, CGROUP_SKIP = 1, CGROUP_STOP = 2 };

typedef enum cgroup_step (*cgroup_visitor)(void *context, const struct cgroup_node *node);

/* Visits the cgroup and all below it, parents first; those that vanish meanwhile are skipped.
 * 0, also when stopped; -ENOENT: path is not there. */
int cgroups_visit(const struct cgroups *c, enum cgroup_hierarchy h, const char *path,
		  cgroup_visitor visitor, void *context);

/* One line of /proc/PID/cgroup. */
struct cgroup_line {
	enum cgroup_hierarchy hierarchy;
	const char *path; /* not ended by a NUL */
	int length;
};

/* Takes the line at *text apart and moves *text behind it; false at the end.  Lines that make no
 * sense are passed over. */
bool cgroup_next(const char **text, struct cgroup_line *line);

#endif
