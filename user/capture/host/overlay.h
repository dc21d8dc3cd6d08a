/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * overlay.h - files seen through overlayfs, and the same files below it.
 *
 * Whatever is held open, or probed, through a container's overlay keeps that overlay mounted after
 * the container's end, and it cannot be mounted again.  The file below, reached through the host's
 * own mounts, is the same inode and holds nothing of the container.
 */
#ifndef DBLEAK_CAPTURE_OVERLAY_H
#define DBLEAK_CAPTURE_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "user/base/table.h"

struct overlay_file {
	uint64_t device; /* of the overlay, as stat(2) tells */
	uint64_t shown_device,
		shown_inode; /* as maps and events show it: before 6.8 what is below */
	uint32_t pid;	     /* a process that sees the overlay, or 0 */
	const char *path;    /* as that process sees the file */
	int held;	     /* O_PATH of the file */
};

/* Whether the file is of an overlay, and a key of the file below that is the same through every
 * overlay.  Asks no file system that could keep us waiting. */
bool overlay_key(const struct overlay_file *f, struct table_key *key);

/* The file below, not through the overlay: O_PATH.  Only by directories that the kernel has in
 * memory, so that no file system keeps us waiting, and only if it is proven to be the same file.
 * proc: the folder /proc.  -errno; then only the way through the overlay is left. */
int overlay_below(int proc, const struct overlay_file *f);

#endif
