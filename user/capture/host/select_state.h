/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * select_state.h - what the files of select share; nobody else includes it.
 */
#ifndef DBLEAK_CAPTURE_SELECT_STATE_H
#define DBLEAK_CAPTURE_SELECT_STATE_H

#include "user/capture/host/select.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct select_wish {
	enum select_kind kind;
	char *text;
	uint32_t pid;
	bool exact; /* what has exactly this name was found: names that only begin so do not count
		     */
	char namespace[CONTAINER_NAMESPACE_LEN + 1]; /* of a pod; "": not chosen, nor found yet */
};

/* Prints what is there now to errors, for a wish that nothing matches. */
void select_list_pids(struct select *s, const struct select_wish *w, FILE *errors);
void select_list_comms(struct select *s, const struct select_wish *w, FILE *errors);
void select_list_cgroups(struct select *s, const struct select_wish *w, FILE *errors);
void select_list_containers(struct select *s, const struct select_wish *w, FILE *errors);
void select_list_pods(struct select *s, const struct select_wish *w, FILE *errors);
void select_list_namespaces(struct select *s, const struct select_wish *w, FILE *errors);

/* All processes but kernel threads, sorted by comm.  The caller frees them; NULL: none, or no
 * memory. */
struct process_facts *select_programs(const struct procfs *p, size_t *count);

/* Is the wish one for containers, by whatever name? */
bool select_names_containers(const struct select_wish *w);

/* Does the container fit all that is chosen by kinds before this one?  Namespaces come before pods,
 * and pods before containers: each narrows the one before. */
bool select_fits(const struct select *s, enum select_kind before, const struct container *c);

/* Notes which names are exact.  list: all containers that run. */
void select_settle(struct select *s, const struct container *const *list, size_t count);

/* Whether a settled wish for containers has any.  0; -ENOENT; -ENOTUNIQ: pods of several namespaces
 * have that name. */
int select_seek(struct select *s, struct select_wish *w, const struct container *const *list,
		size_t count);

/* Is the container one that was chosen by name? */
bool select_takes(const struct select *s, const struct container *c);

#endif
