/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client_host.h - what the files that watch client libraries need from their caller.
 */
#ifndef DBLEAK_CAPTURE_CLIENT_HOST_H
#define DBLEAK_CAPTURE_CLIENT_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"

struct elf_file;
struct library_file;

/* Callbacks and options of the caller, which passes the records on. */
struct client_host {
	void *context;
	/* Reports one record. */
	void (*tell)(void *context, const struct ev_head *record);
	/* Reports a process, unless that is done; false: no memory. */
	bool (*owner)(void *context, uint32_t pid, uint64_t start_ns, const char *comm);
	/* A stack of the kernel half belongs to something that was reported. */
	void (*evidence)(void *context, const struct ev_evidence *evidence);
	/* A site was reported.  stack: of the latest call that was looked at; 0: none since the
	 * last time.  is_caller: the caller's address says where the site is, as in any program
	 * that is not interpreted. */
	void (*site)(void *context, const struct ev_site *site, uint64_t stack, bool is_caller);
	/* Whether the user asked for that process. */
	bool (*wanted)(void *context, uint32_t pid, const char *comm);
	/* Whether the user asked for that process, or for one that it descends from. */
	bool (*selected)(void *context, uint32_t pid);
	/* A file that was not seen before.  library: the name of the client library in it, or NULL.
	 * The callback may be NULL, as the next two. */
	void (*file)(void *context, struct elf_file *elf, const struct library_file *file,
		     const char *library);
	/* The last process has unmapped the file. */
	void (*gone)(void *context, uint64_t device, uint64_t inode);
	/* Whether the caller keeps the file open. */
	bool (*keeps)(void *context, uint64_t device, uint64_t inode);
	bool selective;	  /* processes were selected */
	uint32_t command; /* process that waits to be started; 0: none */
	bool show_literals;
	bool eager;	     /* TLS libraries at once, not when a database connection needs them */
	bool at_entry;	     /* --probe-at=entry: no chosen probe points */
	double max_overhead; /* percent of a CPU for each process that uses a library */
};

#endif
