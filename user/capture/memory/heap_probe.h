/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * heap_probe.h - probes in the files with an allocator that wanted processes map: in those
 * processes, and in nobody else's.
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
	/* Is it to be followed? */
	bool (*wanted)(void *context, uint32_t pid);
	/* It is, and has mapped an allocator. */
	void (*met)(void *context, uint32_t pid);
};

/* kernel and procfs are borrowed, the others copied.  0 or -errno. */
int heap_probes_open(struct heap_probes **out, struct kernel *kernel, const struct procfs *procfs,
		     const struct probe_programs *programs, bool at_entry,
		     const struct heap_probes_host *host);
/* Accepts NULL. */
void heap_probes_close(struct heap_probes *p);

/* What a command, in a process that is about to start it, may map: its first calls are to be seen.
 */
void heap_probes_head_start(struct heap_probes *p, const char *command, uint32_t pid);
/* All that is mapped; wait: nothing is probed before heap_probes_go, for while much is looked at
 * nobody keeps the budget.  Then, when the descriptor is readable, what was mapped since. 0 or
 * -errno. */
int heap_probes_scan(struct heap_probes *p, bool wait);
void heap_probes_go(struct heap_probes *p);
int heap_probes_fd(const struct heap_probes *p);
int heap_probes_poll(struct heap_probes *p);

/* Tells of programs whose allocator could not be found, each once; last: without waiting whether
 * they map one yet. */
void heap_probes_tell_blind(struct heap_probes *p, uint64_t now_ns, bool last);

/* A process is to carry them. */
void heap_probes_follow(struct heap_probes *p, uint32_t pid);
/* To be called about each second. */
void heap_probes_step(struct heap_probes *p, uint64_t now_ns);
/* In which processes they are: for whoever hears of new ones.  Stays until heap_probes_close. */
struct reach *heap_probes_reach(const struct heap_probes *p);

/* Is one of them there, in a file of that number? */
bool heap_probes_is_at(const struct heap_probes *p, uint64_t inode, uint64_t offset);

/* Takes all of them out, for good. */
void heap_probes_detach(struct heap_probes *p);

#endif
