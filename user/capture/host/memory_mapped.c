/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory_mapped.c - the file that a process maps at an address.
 *
 * The kernel shows it to those alone who may restore checkpoints: tests put another in its place.
 */
#include "user/capture/host/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int memory_open_mapped(uint32_t pid, uint64_t start, uint64_t end)
{
	char path[80];
	int held, fd;

	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", pid, (unsigned long long)start,
		 (unsigned long long)end);
	held = open(path, O_PATH | O_CLOEXEC);
	if (held < 0)
		return -errno;
	fd = memory_open_file(pid, held);
	close(held);
	return fd;
}
