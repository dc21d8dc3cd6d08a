/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * process_entry.c - a pid may get a new process between the look at an entry and its removal.
 *
 * So what is removed is read in the same step, and another process's entry is put back.  For a
 * moment that process has none.  Only a sweep takes objects without one for dead, and it runs in
 * the thread that removes.
 */
#include "user/capture/kernel/process_entry.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

static uint64_t start_of(const void *value)
{
	uint64_t start_ns;

	memcpy(&start_ns, value, sizeof(start_ns));
	return start_ns;
}

/* Before Linux 5.14 no call reads and removes an entry of a hash map: the gap is only made small.
 */
static int forget_in_two_steps(int map, uint32_t pid, uint64_t start_ns, void *room)
{
	int err = bpf_map_lookup_elem(map, &pid, room);

	if (!err && start_of(room) != start_ns)
		err = -ENOENT;
	return err ? err : bpf_map_delete_elem(map, &pid);
}

int process_entry_forget(int map, uint32_t pid, uint64_t start_ns, void *room)
{
	int err = bpf_map_lookup_and_delete_elem(map, &pid, room);

	if (err && err != -ENOENT)
		return forget_in_two_steps(map, pid, start_ns, room);
	if (err || start_of(room) == start_ns)
		return err;
	/* One that the kernel half has made meanwhile is newer. */
	err = bpf_map_update_elem(map, &pid, room, BPF_NOEXIST);
	return err && err != -EEXIST ? err : -ENOENT;
}
