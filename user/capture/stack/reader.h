/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * reader.h - who reads which stack: samples of the kernel half go to the reader of their run time,
 * and what it makes of them becomes records.
 */
#ifndef DBLEAK_CAPTURE_READER_H
#define DBLEAK_CAPTURE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/kernel/kernel.h"

struct nursery;
struct readers;
struct runtimes;

struct readers_host {
	void *context;
	/* Tells one record; its time is the host's to set. */
	void (*tell)(void *context, struct ev_head *record);
};

/* kernel and nursery are borrowed, host is copied.  0 or -errno. */
int readers_open(struct readers **out, struct kernel *kernel, struct nursery *nursery,
		 const struct readers_host *host);
/* Accepts NULL. */
void readers_close(struct readers *r);

/* Who knows which interpreter is where; borrowed.  Until then no Python is read. */
void readers_runtimes(struct readers *r, const struct runtimes *runtimes);

/* Readable when readers_step is due. */
int readers_fd(const struct readers *r);
/* What was read since.  0 or -errno. */
int readers_step(struct readers *r);
/* Waits for what is still being read, but no longer than so. */
void readers_finish(struct readers *r, int timeout_ms);

/* A process was met of which stacks are likely to come: what it maps is looked at while it lives.
 */
void readers_process(struct readers *r, uint32_t pid, uint64_t start_ns);
/* RAW_STACK and RAW_EVIDENCE of the kernel half. */
void readers_stack(struct readers *r, const struct ev_head *record);
void readers_evidence(struct readers *r, const struct ev_head *record);
/* A site has a stack, if only for this time, or else its caller, if that is where it is. */
void readers_site(struct readers *r, const struct ev_site *site, uint64_t stack, bool is_caller);

/* The EV_STACK that a sample is; see stacks_told. */
int readers_told(struct readers *r, uint64_t sample, uint64_t *stack);

/* Stacks that could not be told of, for want of room. */
uint64_t readers_lost(const struct readers *r);

#endif
