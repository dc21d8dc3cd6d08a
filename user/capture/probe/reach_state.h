/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * reach_state.h - who carries which probes, for the files reach.c and reach_*.c here.
 */
#ifndef DBLEAK_CAPTURE_REACH_STATE_H
#define DBLEAK_CAPTURE_REACH_STATE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/table.h"

#define RECONCILE_NS 5000000000ULL /* between two searches for processes whose record was lost */
/* Bytes of the longest instruction, and one more: the address right behind it counts too. */
#define INSTRUCTION_MOST 16
#define REAP_MOST	 256 /* links of ended processes to collect for one thread */

struct reached_file {
	uint64_t device, inode;
	struct reach_set *sets;
	bool mapped; /* ready, or a process that is to carry its probes has mapped it */
};

struct reach_set {
	struct reach *reach;
	struct reached_file *file;
	struct reach_set *next; /* of the file */
	struct probe_programs programs;
	struct probe_links *everywhere;
	int fd;
	size_t count;
	struct probe_place places[];
};

/* A process that carries probes. */
struct carrier {
	struct table links; /* struct probe_links, by set */
	struct table files; /* struct reached_file that it maps, by itself */
	uint32_t pid;
};

struct reach {
	pthread_mutex_t lock; /* protects all that follows */
	enum reach_how how;
	struct reach_host host;
	struct table files;    /* struct reached_file, by device and inode */
	struct table carriers; /* struct carrier, by pid */
	struct probe_links *dead[REAP_MOST];
	size_t dead_count;
	uint64_t reconciled_ns;
	uint32_t locked; /* pid of a process with a locked memory map: attach no probe; 0: none */
	bool left_out;	 /* some probes were not attached because of locked */
	int full;	 /* why a process could not get its probes; 0 or -errno */
	bool ready, reported_full, reported_wide, reported_held;
};

struct table_key reach_key_of(const void *pointer);
void reach_tell_full(struct reach *r);
void reach_attach_file_in(struct reached_file *f, struct carrier *c);
int reach_attach_everywhere(struct reach_set *set);
void reach_reap(struct reach *r);
void reach_bury(struct reach *r, struct probe_links *links);
/* The process may soon map the files that other selected processes map, so it gets their probes. */
void reach_attach_hoped(struct reach *r, struct carrier *c);
struct reached_file *reach_file_of(struct reach *r, uint64_t device, uint64_t inode);
void reach_map_everywhere(struct reach *r, struct reached_file *f);

#endif
