/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe.h - probes put into a file's code and taken out again, and what one costs here.
 *
 * Two ways, tried in turn: uprobe.multi (Linux 6.6), one link for all probes of a file; else a
 * perf event each.  Perf events that are kept to a process tax each context switch of its first
 * thread, by each of them: whoever wants that asks for it.
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
	bool returns; /* a return probe as well */
	bool begins;  /* of a function whose ends are probed instead: never with a return probe */
	bool leaves;  /* an end of a function, for the program that is for these */
};

struct probe_programs {
	int entered, returned; /* descriptors; returned 0: there are no return probes */
	int begun;	       /* where ends are probed; 0: entered does that, too */
	int left;	       /* at the ends of functions; 0 none */
	uint32_t pid; /* multi: only in this process, if the kernel can; 0: wherever the file is
			 mapped */
	bool multi;   /* loaded for PROBE_ATTACH_TYPE_MULTI */
	bool taxed;   /* not multi: perf events are kept to pid as well */
	/* entered alone, for PROBE_ATTACH_TYPE_SESSION: it decides on each return.  But in a
	 * process that has the probe for another one's sake, as a child of fork does, the kernel
	 * does not ask it, and takes the return. */
	bool session;
};

struct probe_links;

/* All or none.  fd: the file, of which only the inode counts; free to close after.  0 or -errno. */
int probes_attach(struct probe_links **out, const struct probe_programs *programs, int fd,
		  const struct probe_place *places, size_t n);
/* Each accepts NULL.  Taking probes out makes the kernel wait for all its CPUs: of many files it is
 * done at once. */
void probes_detach(struct probe_links *links);
void probes_detach_later(struct probe_links *links); /* soon, without waiting */
void probes_detach_all(struct probe_links *const *links, size_t n);

/* Takes out every probe that was put in by anybody here, at once, and lets none be put in any more:
 * probes_attach then gives -ECANCELED.  Links stay their owners' to free. */
void probes_withdraw(void);

/* What a call of a probed function costs here, in nanoseconds, our program included. */
struct probe_cost {
	uint64_t cheap_ns;  /* at an instruction the kernel emulates */
	uint64_t dear_ns;   /* at one it steps over */
	uint64_t return_ns; /* of a return probe on top, where the programs have such */
	uint64_t exit_ns;   /* else of a probe at a return instruction */
	bool fires;	    /* every call of our own test function was seen */
	bool keeps_to_pid;  /* with a pid, all threads of that process are seen (not so from 6.6
			       to 6.9) */
	bool kills; /* a probe kills processes that seccomp confines (a return's, 6.11 to 6.13) */
	/* One at a return instruction kills who switches stacks, leaves calls by longjmp or an
	 * exception, or has a shadow stack. */
	bool exits_kill;
};

#define PROBE_CANARIES 4

/* Measures on functions of our own, and tries on children of ours what might kill.  hits reads the
 * counter of a cookie; the cookies given, so many from first on, must be ones that only count.  0
 * or -errno. */
int probes_calibrate(struct probe_cost *cost, const struct probe_programs *programs, uint32_t first,
		     uint64_t (*hits)(void *context, uint32_t cookie), void *context);

/* Does a probe on a call instruction kill who runs under a shadow stack?  Tried on a call of our
 * own; what cannot be tried kills.  cookie: of a probe that only counts. */
bool probes_kill_shadowed(const struct probe_programs *programs, uint64_t cookie);

#endif
