/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * remover.h - a small child process takes probes out, because that may hang.
 *
 * To take a probe out the kernel waits for the memory map of each process that maps the file, and
 * nothing ends that wait.  A map may be held for ever: by a file server that does not answer, or
 * in a memory group that is full.  So the child holds a descriptor of each link as well, and closes
 * its own last: what we close is never the last one, and so we never wait.
 *
 * The child ends with its socket, and takes out all that is left: also when we are killed.  If
 * somebody kills the child, too, its end does that.
 */
#ifndef DBLEAK_CAPTURE_REMOVER_H
#define DBLEAK_CAPTURE_REMOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct remover;

/* Forks the child.  Call before opening anything that the child must not have.  NULL: it could not
 * be started, and probes are taken out by whoever closes their descriptors. */
struct remover *remover_open(void);
/* Waits a while until all probes are out.  A child that hangs is left behind, with a line on
 * standard error.  Accepts NULL. */
void remover_close(struct remover *r);

/* All functions below may be called from any thread, and take NULL for a child that is not there.
 */

/* Hands copies of n descriptors over.  Returns the number of the set, for remover_take_out; 0: the
 * child does not have them. */
uint64_t remover_keep(struct remover *r, const int *fds, size_t n);
/* Closes the descriptors of n sets in the child; 0 is no set.  The caller has closed its own.  Sets
 * that a child which hangs cannot be told of stay in until its end. */
enum remover_haste {
	REMOVER_LATER,	 /* nobody waits */
	REMOVER_SOON,	 /* the caller waits, for 0.7 s at most */
	REMOVER_AT_ONCE, /* all at the same time, and the caller waits for 3.2 s at most */
};
void remover_take_out(struct remover *r, const uint64_t *sets, size_t n, enum remover_haste haste);

/* Processor time of the child, in ns. */
uint64_t remover_cpu_ns(const struct remover *r);

#endif
