/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * feature.h - what this kernel allows, found by trying and never by a version number.
 *
 * Each feature is tried once and the answer kept.  What is loaded for a try is gone when the
 * call returns.
 */
#ifndef DBLEAK_CAPTURE_FEATURE_H
#define DBLEAK_CAPTURE_FEATURE_H

#include <stdbool.h>

enum feature_id {
	FEATURE_RIGHTS,
	FEATURE_HOST_PIDS,
	FEATURE_SECCOMP,
	FEATURE_LOCKDOWN,
	FEATURE_TYPES,
	FEATURE_MEMORY,
	FEATURE_RING,
	FEATURE_STORAGE,
	FEATURE_TRACEPOINT_DOOR,
	FEATURE_FEXIT_DOOR,
	FEATURE_LIFECYCLE,
	FEATURE_FILE_ITERATOR,
	FEATURE_STORAGE_ITERATOR,
	FEATURE_MAP_ITERATOR,
	FEATURE_RUN_TIME,
	FEATURE_UPROBE_MULTI,
	FEATURE_PERF_EVENTS,
	FEATURES,
};

#define FEATURE_DETAIL 160 /* bytes of what a try found, its NUL included */

enum feature_need {
	FEATURE_NEEDED,	     /* without it there is no report at all */
	FEATURE_ALTERNATIVE, /* one of the doors is enough */
	FEATURE_HELPFUL,     /* something is missing without it */
	FEATURE_REMARK,	     /* dbleak does without */
};

struct feature {
	const char *name;
	const char *purpose; /* what it is for: a sentence without its full stop, as the next two */
	const char *without; /* what is missing without it */
	const char *remedy;  /* how to get it */
	enum feature_need need;
};

/* The sockets' door that would be used; the same names as kernel_door. */
enum feature_door { FEATURE_DOOR_NONE, FEATURE_DOOR_TRACEPOINTS, FEATURE_DOOR_FEXIT };

const struct feature *feature_about(enum feature_id id);

/* 0: there; else the -errno of the try.  -EPERM and -EACCES may mean that only we may not. */
int feature_try(enum feature_id id);

/* What the try found, one clause of plain text; "" nothing to add.  Tries if not yet done. */
const char *feature_detail(enum feature_id id);

/* Not there, but for lack of rights we cannot know. */
bool feature_is_untried(enum feature_id id);

enum feature_door feature_door(void);
const char *feature_door_name(enum feature_door door);

/* Whether processes and their database connections can be watched at all. */
bool feature_main_job(void);

/* Frees what the tries keep; the answers stay. */
void feature_close(void);

#endif
