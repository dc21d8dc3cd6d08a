/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * select.h - SELECT of the command line, resolved to what the kernel half can compare.
 *
 * A process is selected when any of the arrays has it: its pid, its comm, or its cgroup.  The
 * arrays are plain; putting them into maps is left to the caller.
 */
#ifndef DBLEAK_CAPTURE_SELECT_H
#define DBLEAK_CAPTURE_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bpf/event.h"
#include "user/capture/host/container.h"

enum select_kind { SELECT_PID, SELECT_COMM, SELECT_CGROUP, SELECT_CONTAINER, SELECT_KINDS };

struct select_pid {
	uint64_t start_ns; /* as procfs gives it */
	uint32_t pid;
};

struct select_comm {
	char comm[EV_COMM_LEN]; /* ends with a NUL, zeros after it */
};

struct select_cgroup {
	uint64_t id;			 /* kernfs node id */
	enum cgroup_hierarchy hierarchy; /* never CGROUP_HIERARCHIES */
};

struct select_wish;
struct select_base;

/* Zeroed is empty: everything is selected.  Read the arrays, write nothing. */
struct select {
	struct select_pid *pids;
	size_t pid_count;
	struct select_comm *comms;
	size_t comm_count;
	struct select_cgroup *cgroups; /* ordered by hierarchy and id; descendants included */
	size_t cgroup_count;
	struct select_cgroup *added; /* cgroups that the last resolve or refresh found new */
	size_t added_count;
	struct select_cgroup *removed; /* those that it no longer found */
	size_t removed_count;

	/* private */
	struct containers *containers;
	struct select_wish *wishes;
	size_t wish_count;
	struct select_base *bases;
	size_t base_count;
};

/* One argument of the command line, kept as it is; -p takes "1,2,3".  0, -EINVAL when it cannot
 * be meant (no number, empty), -ENOMEM. */
int select_add(struct select *s, enum select_kind kind, const char *argument);

/* Nothing was asked for: the whole host. */
bool select_is_empty(const struct select *s);

/* Finds what was asked for.  containers is borrowed until select_free.  An argument that matches
 * nothing is told to errors with what there is instead, and ends in -ENOENT. */
int select_resolve(struct select *s, struct containers *containers, FILE *errors);

/* The hierarchies that cgroups has now or may get by a refresh.  Returns how many; -E2BIG when
 * there is no room for them. */
int select_hierarchies(const struct select *s, enum cgroup_hierarchy *out, size_t room);

/* Looks again, for cgroups and containers only.  1: added or removed are not empty, 0: no change,
 * -ENOMEM.  That nothing is left is no error. */
int select_refresh(struct select *s);

/* Whether a process is selected, for what user space finds by itself.  comm as in struct
 * process_facts. */
bool select_has(const struct select *s, uint32_t pid, const char *comm);

void select_free(struct select *s);

#endif
