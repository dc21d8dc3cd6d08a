/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * host_root.h - where the files of the host are, seen from a container or a chroot of ours.
 *
 * A privileged container with the host's process numbers sees all processes, but has files of its
 * own.  What run-time daemons of the host write (/run, /sys/fs/cgroup) is below the root of
 * process 1 there.  Where nobody may look at process 1, the run time that started us shows it.
 */
#ifndef DBLEAK_CAPTURE_HOST_ROOT_H
#define DBLEAK_CAPTURE_HOST_ROOT_H

/* "" where our root is the host's, or if that cannot be told; else a path below /proc. */
const char *host_root(void);
/* The process whose root this is, where host_root gave the path: our own /proc lists the same
 * processes then.  0: the path is none of those. */
int host_root_pid(const char *root);

#endif
