/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * heap_probe.h - probes in the allocators that wanted processes map, and in no other process.
 */
#ifndef DBLEAK_CAPTURE_HEAP_PROBE_H
#define DBLEAK_CAPTURE_HEAP_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/kernel/kernel.h"
#include "user/capture/probe/probe.h"
#include "user/capture/host/procfs.h"

struct heap_probes;

struct heap_probes_host {
	void *context;
	void (*gap)(void *context, const char *text);
	/* Whether the process is to be followed. */
	bool (*wanted)(void *context, uint32_t pid);
	/* A process that is to be followed has mapped an allocator. */
	void (*met)(void *context, uint32_t pid);
};

/* kernel and procfs are borrowed, the others copied.  0 or -errno. */
int heap_probes_open(struct heap_probes **out, struct kernel *kernel, const struct procfs *procfs,
		     const struct probe_programs *programs, bool at_entry,
		     const struct heap_probes_host *host);
/* Accepts NULL. */
void heap_probes_close(struct heap_probes *p);

/* Probes what a command may map, before the process starts it, so that its first calls are seen. */
void heap_probes_head_start(struct heap_probes *p, const char *command, uint32_t pid);
/* heap_probes_scan looks at all that is mapped.  wait: nothing is probed before heap_probes_go, for
 * the budget is not kept during such a long look.  heap_probes_poll looks at what was mapped since,
 * when the descriptor is readable.  0 or -errno. */
int heap_probes_scan(struct heap_probes *p, bool wait);
void heap_probes_go(struct heap_probes *p);
int heap_probes_fd(const struct heap_probes *p);
int heap_probes_poll(struct heap_probes *p);

/* Reports programs whose allocator could not be found, each once.  last: does not wait for one that
 * they may still map. */
void heap_probes_tell_blind(struct heap_probes *p, uint64_t now_ns, bool last);

/* Puts the probes into a process. */
void heap_probes_follow(struct heap_probes *p, uint32_t pid);
/* To be called about each second. */
void heap_probes_step(struct heap_probes *p, uint64_t now_ns);
/* The processes that carry the probes, so that the caller can add new ones.  Valid until
 * heap_probes_close. */
struct reach *heap_probes_reach(const struct heap_probes *p);

/* Whether one of the probes is at this offset of the file with this inode. */
bool heap_probes_is_at(const struct heap_probes *p, uint64_t inode, uint64_t offset);

/* Removes all probes, for good. */
void heap_probes_detach(struct heap_probes *p);

#endif
