/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * feature.h - finds what this kernel allows, by trying and never by a version number.
 *
 * Each feature is tried once and the answer is kept.  A try leaves nothing loaded in the kernel.
 */
#ifndef DBLEAK_CAPTURE_FEATURE_H
#define DBLEAK_CAPTURE_FEATURE_H

#include <stdbool.h>

enum feature_id {
	FEATURE_PROC, /* all others rest on it */
	FEATURE_RIGHTS,
	FEATURE_HOST_PIDS,
	FEATURE_ALL_PIDS,
	FEATURE_SECCOMP,
	FEATURE_LOCKDOWN,
	FEATURE_TYPES,
	FEATURE_MEMORY,
	FEATURE_WARNINGS,
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
	FEATURE_UPROBE_SESSION,
	FEATURE_PERF_EVENTS,
	FEATURE_HEAP_FULL,
	FEATURES,
};

#define FEATURE_DETAIL 160 /* bytes of the text that a try leaves, with its NUL */

enum feature_need {
	FEATURE_NEEDED,	     /* no report at all without the feature */
	FEATURE_ALTERNATIVE, /* a door: any one of the doors is enough */
	FEATURE_HELPFUL,     /* a part is missing without the feature */
	FEATURE_REMARK,	     /* dbleak works without the feature */
};

/* purpose, without and remedy are sentences without a full stop. */
struct feature {
	const char *name;
	const char *purpose; /* what the feature is for */
	const char *without; /* what is missing without the feature */
	const char *remedy;  /* how to get the feature */
	enum feature_need need;
};

/* A door is a way for programs to see the messages of sockets.  Same names as kernel_door. */
enum feature_door { FEATURE_DOOR_NONE, FEATURE_DOOR_TRACEPOINTS, FEATURE_DOOR_FEXIT };

const struct feature *feature_about(enum feature_id id);

/* From now on features with these names, between commas, are taken for missing: so a new kernel
 * shows how dbleak works on an old one.  NULL: none.  0, or -EINVAL with the name that no feature
 * has in *unknown. */
int feature_do_without(const char *names, const char **unknown);
bool feature_is_left_out(enum feature_id id);

/* 0: the kernel has the feature; else the -errno of the try.  -EPERM and -EACCES may mean only that
 * dbleak lacks the rights. */
int feature_try(enum feature_id id);

/* A clause of plain text about the result; "": nothing to add.  Tries if not yet done. */
const char *feature_detail(enum feature_id id);

/* True: the try failed for lack of rights, or there was none, since what the feature rests on is
 * missing.  The kernel may still have it. */
bool feature_is_untried(enum feature_id id);

/* The door that dbleak would use. */
enum feature_door feature_door(void);
const char *feature_door_name(enum feature_door door);

/* Can dbleak watch processes and their database connections at all? */
bool feature_main_job(void);

/* Frees the memory of the tries; the answers stay. */
void feature_close(void);

#endif
