/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client_host.h - what those that look after client libraries need of whoever tells their records.
 */
#ifndef DBLEAK_CAPTURE_CLIENT_HOST_H
#define DBLEAK_CAPTURE_CLIENT_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"

struct elf_file;
struct library_file;

/* What this needs of whoever tells the records. */
struct client_host {
	void *context;
	/* Tells one record. */
	void (*tell)(void *context, const struct ev_head *record);
	/* Tells of a process unless that is done; false where there is no memory. */
	bool (*owner)(void *context, uint32_t pid, uint64_t start_ns, const char *comm);
	/* A stack of the kernel half goes with something told of. */
	void (*evidence)(void *context, const struct ev_evidence *evidence);
	/* A site was told of; stack: of its latest call looked at, 0 none since the last time.  Its
	 * caller says where it is only if the program is not interpreted. */
	void (*site)(void *context, const struct ev_site *site, uint64_t stack, bool is_caller);
	/* Did the user ask for that process? */
	bool (*wanted)(void *context, uint32_t pid, const char *comm);
	/* Or for one that it is a child of? */
	bool (*selected)(void *context, uint32_t pid);
	/* A file that was not seen before; library: its name, if it is one of the table.  May be
	 * NULL, as the next two. */
	void (*file)(void *context, struct elf_file *elf, const struct library_file *file,
		     const char *library);
	/* Nobody maps it any more. */
	void (*gone)(void *context, uint64_t device, uint64_t inode);
	/* Is it kept open? */
	bool (*keeps)(void *context, uint64_t device, uint64_t inode);
	bool selective;	  /* somebody was selected */
	uint32_t command; /* that waits to be let go; 0 there is none */
	bool show_literals;
	bool eager;	     /* TLS libraries at once, not when a database connection needs them */
	bool at_entry;	     /* --probe-at=entry: no chosen probe points */
	double max_overhead; /* percent of a CPU for each process that uses a library */
};

#endif
