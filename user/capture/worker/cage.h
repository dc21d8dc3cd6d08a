/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * cage.h - gives up, in two steps, all that a process could do harm with.
 *
 * After both there is no user but nobody (or, without root's rights, the invoking one), no
 * capability, no network, no file system, no other process, and no system call but those that
 * reading bytes and answering takes.  A call that is none of them ends the process, loudly; one
 * that opens or looks up a path, as libraries try, finds nothing.
 */
#ifndef DBLEAK_CAPTURE_CAGE_H
#define DBLEAK_CAPTURE_CAGE_H

/* Descriptors from this one on are closed by cage_enter; what stands below is kept. */
#define CAGE_FIRST_CLOSED 4

/* What lies around the process: user, capabilities, namespaces, root, descriptors.  Afterwards it
 * may still fork; its children are the first of a pid namespace.  What this host does not allow is
 * left out, but never the capabilities: 0 or -errno. */
int cage_enter(void);
/* What it may do itself: limits, then the list of system calls.  0 or -errno. */
int cage_shut(void);

#endif
