/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * reach.h - in which processes the probes of a file are.
 *
 * Where processes were selected, only they carry probes: a link for each of them and each file that
 * one of them maps, so that the code of all others stays as it is.  A link is made before its
 * process maps the file, where another selected one has done so; a child that fork made carries its
 * parent's, and gets links of its own as soon as we hear of it.  Where a kernel cannot keep probes
 * to a process they are in all that map a file, if a selected one does; and where nobody was
 * selected, in all that map it.
 *
 * One thread may call reach_task while another one calls the rest.
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
	REACH_EVERYONE,	   /* nobody was selected */
	REACH_CHOSEN,	   /* links are kept to a process */
	REACH_THEIR_FILES, /* this kernel cannot */
};

struct reach_host {
	void *context;
	/* Is the process selected? */
	bool (*wanted)(void *context, uint32_t pid);
	/* From reach_add and reach_step. */
	void (*gap)(void *context, const char *text);
};

/* host is copied.  0 or -ENOMEM. */
int reach_open(struct reach **out, enum reach_how how, const struct reach_host *host);
/* Takes the probes of all sets out and frees them.  Accepts NULL. */
void reach_close(struct reach *r);

/* Probes of a file, for whoever maps it and is to carry them, now and later.  programs, places: as
 * for probes_attach, copied.  0 or -errno: those who map it now could not get them. */
int reach_add(struct reach *r, struct reach_set **out, const struct probe_programs *programs,
	      const struct library_file *file, const struct probe_place *places, size_t n);
/* Takes them out, for good.  Each accepts NULL. */
void reach_remove(struct reach_set *set);
void reach_remove_all(struct reach_set *const *sets, size_t n); /* at once; NULL: none */
void reach_remove_later(struct reach_set *set);			/* soon, without waiting */

/* To put a probe in, or to take one out, the kernel waits for the memory map of each process that
 * maps the file, and lets nobody on the host fork meanwhile.  locked: a process whose memory map
 * does not answer, 0 none.  While there is one none is put in; afterwards those are that were left
 * out. */
void reach_hold(struct reach *r, uint32_t locked);

/* A selected process is to carry probes of the files that others like it map, and of the ready
 * ones. */
void reach_join(struct reach *r, uint32_t pid);
/* From now on files are ready for whoever is selected as soon as they have a set, before anybody
 * maps them: all calls of a command are to be seen. */
void reach_make_ready(struct reach *r);
/* A process maps a file, given as a library_file tells of it. */
void reach_mapped(struct reach *r, uint32_t pid, uint64_t device, uint64_t inode);
/* Nobody maps it any more: it is forgotten, unless it has a set. */
void reach_gone(struct reach *r, uint64_t device, uint64_t inode);
/* A selected process was made, became another program, or ended. */
void reach_task(struct reach *r, const struct raw_task *task);
/* To be called about each second: gives back the links of those that ended, and finds those that
 * joined unheard. */
void reach_step(struct reach *r, const struct procfs *procfs, uint64_t now_ns);

/* Is a probe of a set at that place in a file of that number, or just before it? */
bool reach_is_at(struct reach *r, uint64_t inode, uint64_t offset);

/* How many processes carry probes; 0 unless links are kept to a process. */
size_t reach_carriers(struct reach *r);

#endif
