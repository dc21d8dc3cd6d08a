/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * reach.h - decides which processes carry the probes of a file.
 *
 * If the user selected processes, only these carry probes.  Each of them gets a link for each file
 * that a selected process maps, so that the code of all other processes stays unchanged.  The link
 * exists before the process maps the file, if another selected process has mapped the file already.
 * A child of fork inherits the breakpoints of its parent.  The child gets links of its own as soon
 * as we learn of the child.
 *
 * A kernel that cannot limit probes to a process puts them into all processes that map the file, as
 * soon as a selected one does.  If the user selected nothing, all processes that map a file carry
 * its probes.
 *
 * A second thread may call reach_task while the first one calls the other functions.
 */
#ifndef DBLEAK_CAPTURE_REACH_H
#define DBLEAK_CAPTURE_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/settings.h"
#include "user/capture/host/library.h"
#include "user/capture/probe/probe.h"

struct reach;
struct reach_set;

enum reach_how {
	REACH_EVERYONE,	   /* the user selected nothing */
	REACH_CHOSEN,	   /* each link is limited to a process */
	REACH_THEIR_FILES, /* selected processes, but the kernel cannot limit links to them */
};

struct reach_host {
	void *context;
	/* Is the process selected? */
	bool (*wanted)(void *context, uint32_t pid);
	/* Reports that some processes carry no probes, or others do. */
	void (*gap)(void *context, const char *text);
};

/* host is copied.  0 or -ENOMEM. */
int reach_open(struct reach **out, enum reach_how how, const struct reach_host *host);
/* Detaches the probes of all sets and frees the sets.  Accepts NULL. */
void reach_close(struct reach *r);

/* Adds probes of a file, for all processes that are to carry them, now and later.  programs,
 * places: as for probes_attach, copied.  0 or -errno: a process that maps the file now could not
 * get them. */
int reach_add(struct reach *r, struct reach_set **out, const struct probe_programs *programs,
	      const struct library_file *file, const struct probe_place *places, size_t n);
/* Detach the probes of sets and free the sets.  All three accept NULL. */
void reach_remove(struct reach_set *set);
void reach_remove_all(struct reach_set *const *sets, size_t n); /* in parallel; NULL: none */
void reach_remove_later(struct reach_set *set);			/* soon, without waiting */

/* Holds new probes back while a process's memory map is locked.  To attach or detach a probe, the
 * kernel waits for the memory map of each process that maps the file.  Meanwhile the kernel blocks
 * every fork on the host.  locked: the pid of a process whose memory map does not answer; 0: none.
 * With 0, the probes that were left out are attached. */
void reach_hold(struct reach *r, uint32_t locked);

/* A selected process joins: it carries the probes of all files that selected processes map, and of
 * the ready files. */
void reach_join(struct reach *r, uint32_t pid);
/* From now on a file is ready as soon as it has a set: selected processes carry its probes before
 * any process maps it.  So even the first calls of a command are seen. */
void reach_make_ready(struct reach *r);
/* A process maps a file.  device, inode: as in its struct library_file. */
void reach_mapped(struct reach *r, uint32_t pid, uint64_t device, uint64_t inode);
/* No process maps the file any more.  Forgets the file unless it has a set. */
void reach_gone(struct reach *r, uint64_t device, uint64_t inode);
/* A selected process was forked, became another program, or ended. */
void reach_task(struct reach *r, const struct raw_task *task);
/* Call about once a second.  Frees the links of processes that ended, and finds selected processes
 * whose start was missed. */
void reach_step(struct reach *r, const struct procfs *procfs, uint64_t now_ns);

/* Does a set have a probe at this offset in a file with this inode number, or on the instruction
 * just before? */
bool reach_is_at(struct reach *r, uint64_t inode, uint64_t offset);

/* Number of processes that carry probes; 0 unless links are limited to a process. */
size_t reach_carriers(struct reach *r);

#endif
