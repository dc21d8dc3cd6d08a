/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * cage.h - a sandbox in two steps: the process gives up all that it could do harm with.
 *
 * After both steps the process runs as nobody (without root's rights: as the invoking user).  It
 * has no capability, no network and no file system, and sees no other process.  The only system
 * calls left are those for reading bytes and answering.  Any other call kills the process, so that
 * the violation shows.  Calls that open or look up a path, as libraries try to, give ENOENT.
 */
#ifndef DBLEAK_CAPTURE_CAGE_H
#define DBLEAK_CAPTURE_CAGE_H

/* cage_enter closes descriptors from this number on.  Lower ones stay open. */
#define CAGE_FIRST_CLOSED 4

/* First step: user, capabilities, namespaces, root and descriptors.  The process may still fork
 * afterwards; its first child is the first process of a new pid namespace.  Steps that the host
 * does not allow are skipped.  Only capabilities that cannot be dropped are an error: 0 or
 * -errno. */
int cage_enter(void);
/* Second step: resource limits, then the list of allowed system calls.  0 or -errno. */
int cage_shut(void);

#endif
