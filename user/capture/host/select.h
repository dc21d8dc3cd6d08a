/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * select.h - turns SELECT of the command line into values that the kernel half can compare.
 *
 * A process is selected when one of the arrays has its pid, its comm or its cgroup.  The arrays are
 * plain; the caller puts them into maps.
 */
#ifndef DBLEAK_CAPTURE_SELECT_H
#define DBLEAK_CAPTURE_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bpf/event.h"
#include "user/capture/host/container.h"

enum select_kind {
	SELECT_PID,
	SELECT_COMM,
	SELECT_CGROUP,
	SELECT_CONTAINER,
	SELECT_POD,
	SELECT_NAMESPACE,
	SELECT_KINDS
};

struct select_pid {
	uint64_t start_ns; /* from procfs.h */
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

/* A zeroed struct selects everything.  Callers may read the arrays but write nothing. */
struct select {
	struct select_pid *pids;
	size_t pid_count;
	struct select_comm *comms;
	size_t comm_count;
	struct select_cgroup *cgroups; /* ordered by hierarchy and id; descendants included */
	size_t cgroup_count;
	struct select_cgroup *added; /* cgroups that are new since the resolve or refresh before */
	size_t added_count;
	struct select_cgroup *removed; /* cgroups that the last resolve or refresh did not find */
	size_t removed_count;

	/* private */
	struct containers *containers;
	struct select_wish *wishes;
	size_t wish_count;
	struct select_base *bases;
	size_t base_count;
};

/* Writes the arguments kept so far as the options that name them, "-p 4711 --comm web", cut at size
 * - 1 bytes. */
void select_describe(const struct select *s, char *out, size_t size);

/* Keeps one argument of the command line, unresolved; -p takes "1,2,3".  0, -ENOMEM; -EINVAL: the
 * argument is empty, no number, or no [NAMESPACE/]NAME of a pod. */
int select_add(struct select *s, enum select_kind kind, const char *argument);

/* True: the user selected nothing, so the whole host counts. */
bool select_is_empty(const struct select *s);

/* Resolves the arguments.  containers is borrowed until select_free.  For an argument that matches
 * nothing, or a pod's name that several namespaces have, prints to errors what could be chosen
 * instead, and returns -ENOENT. */
int select_resolve(struct select *s, struct containers *containers, FILE *errors);

/* The hierarchies that the array cgroups uses now or may use after a refresh.  Returns how many;
 * -E2BIG: room is too small. */
int select_hierarchies(const struct select *s, enum cgroup_hierarchy *out, size_t room);

/* Resolves cgroups and containers again.  1: added or removed are not empty; 0: no change; -ENOMEM.
 * To find nothing any more is no error. */
int select_refresh(struct select *s);

/* Is this process, which user space found by itself, selected?  comm: as in struct process_facts.
 */
bool select_has(const struct select *s, uint32_t pid, const char *comm);

void select_free(struct select *s);

#endif
