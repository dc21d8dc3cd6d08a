/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * overlay.h - from a file of an overlayfs mount to the underlying file.
 *
 * A file that dbleak holds open, or probes, through a container's overlay keeps that overlay
 * mounted after the container's end.  The overlay cannot be mounted again meanwhile.  The
 * underlying file ("the file below"), reached through the host's own mounts, is the same inode to
 * the probes, and keeps no overlay mounted.
 */
#ifndef DBLEAK_CAPTURE_OVERLAY_H
#define DBLEAK_CAPTURE_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "user/base/table.h"

struct overlay_file {
	uint64_t device; /* of the overlay, from stat(2) */
	uint64_t shown_device,
		shown_inode; /* from maps and events; before 6.8 these are the file below's */
	uint32_t pid;	     /* a process that sees the overlay, or 0 */
	const char *path;    /* of the file, in that process's view */
	int held;	     /* O_PATH of the file */
};

/* Is the file on an overlay?  Then *key identifies the file below, the same through every overlay.
 * Never waits for a file system. */
bool overlay_key(const struct overlay_file *f, struct table_key *key);

/* Opens the file below (O_PATH), not through the overlay.  Uses only directories that the kernel
 * has cached, so that no file system can make us wait.  Returns a descriptor only if it is proven
 * to be the same file.  proc: the folder /proc.  -errno: only the way through the overlay is left.
 */
int overlay_below(int proc, const struct overlay_file *f);

#endif
