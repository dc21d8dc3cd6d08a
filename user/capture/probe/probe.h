/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe.h - attaches probes to a file's code, detaches them, and measures the cost of a probe.
 *
 * dbleak has two ways to attach: uprobe.multi (Linux 6.6), with one link for all probes of a file,
 * else one perf event for each probe.  A perf event that is limited to a process makes every
 * context switch of its first thread slower.  So only callers that ask for it (taxed) get that.
 */
#ifndef DBLEAK_CAPTURE_PROBE_H
#define DBLEAK_CAPTURE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_ATTACH_TYPE_MULTI	  48 /* BPF_TRACE_UPROBE_MULTI of linux/bpf.h, since 6.6 */
#define PROBE_ATTACH_TYPE_SESSION 57 /* BPF_TRACE_UPROBE_SESSION, since 6.13 */

struct probe_place {
	uint64_t offset; /* in the file */
	uint64_t cookie;
	uint64_t semaphore; /* in the file: the kernel counts these 2 bytes up in each process that
			       carries the probe, and down when it goes; 0: none */
	bool returns;	    /* attach a return probe as well */
	bool begins;	    /* the entry of a function whose ends are probed; excludes returns */
	bool leaves;	    /* an end of a function, for the program `left` */
};

struct probe_programs {
	int entered, returned; /* descriptors; returned 0: no return probes */
	int begun;	       /* for places with begins; 0: `entered` does that too */
	int left;	       /* for the ends of functions; 0: none */
	uint32_t pid; /* multi: only in this process, if the kernel can; 0: wherever the file is
			 mapped */
	bool multi;   /* loaded for PROBE_ATTACH_TYPE_MULTI */
	bool taxed;   /* not multi: limit perf events to pid as well */
	/* `entered` is loaded for PROBE_ATTACH_TYPE_SESSION and decides at each call whether its
	 * return is probed.  A child of fork inherits the breakpoint of its parent: there the
	 * kernel does not run `entered`, and always probes the return. */
	bool session;
};

struct probe_links;
struct remover;

/* From now on links are handed to the remover as well, which takes them out.  Call before the first
 * probe; NULL: to none any more, once all are detached. */
void probes_use(struct remover *r);

/* Attaches all probes or none.  fd: the file, by its inode; the caller may close it afterwards.  0
 * or -errno. */
int probes_attach(struct probe_links **out, const struct probe_programs *programs, int fd,
		  const struct probe_place *places, size_t n);
/* All three accept NULL.  The kernel waits for all CPUs to detach a probe, so probes_detach_all
 * detaches many links in parallel.  Where the memory map of a process does not answer, probes are
 * out some time after these return; without a remover (remover.h) they wait for it. */
void probes_detach(struct probe_links *links);
void probes_detach_later(struct probe_links *links); /* soon, without waiting */
void probes_detach_all(struct probe_links *const *links, size_t n);

/* Detaches every probe of this process at once and allows no new ones: probes_attach then gives
 * -ECANCELED.  The owners of links still free them. */
void probes_withdraw(void);

/* The cost of a call of a probed function on this host, in nanoseconds, our program included. */
struct probe_cost {
	uint64_t cheap_ns;  /* at an instruction that the kernel emulates */
	uint64_t dear_ns;   /* at an instruction that the kernel single-steps */
	uint64_t return_ns; /* added by a return probe, where the programs have return probes */
	uint64_t exit_ns;   /* else added by a probe at a return instruction */
	bool fires;	    /* the probes saw every call of our own test functions */
	bool keeps_to_pid;  /* a probe with a pid sees all threads of that process (not from 6.6 to
			       6.9) */
	bool kills; /* a probe kills processes under seccomp (a return probe from 6.11 to 6.13) */
	/* A probe at a return instruction kills a process that switches stacks, leaves calls by
	 * longjmp or an exception, or has a shadow stack. */
	bool exits_kill;
};

/* Percent of a CPU: from this --max-overhead on there is no budget, and nothing is given up. */
#define OVERHEAD_ANY 100.0

#define PROBE_CANARIES 4

/* Measures the cost on functions of our own.  Tries in children of ours whether a probe kills.
 * hits: reads the counter of a cookie.  The PROBE_CANARIES cookies from first on must belong to
 * probes that only count.  0 or -errno. */
int probes_calibrate(struct probe_cost *cost, const struct probe_programs *programs, uint32_t first,
		     uint64_t (*hits)(void *context, uint32_t cookie), void *context);

/* Does a probe on a call instruction kill a process that has a shadow stack?  Tried on a call of
 * our own; true also if the test cannot be made.  cookie: of a probe that only counts. */
bool probes_kill_shadowed(const struct probe_programs *programs, uint64_t cookie);

#endif
