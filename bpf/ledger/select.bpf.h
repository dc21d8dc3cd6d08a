/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * select.bpf.h - did the user select this process?  The kernel half decides, so that an unselected
 * socket costs one storage lookup, and processes that start later are followed.
 */
#ifndef DBLEAK_SELECT_BPF_H
#define DBLEAK_SELECT_BPF_H

#include "bpf/emit.bpf.h"

struct comm_key {
	char comm[EV_COMM_LEN];
};

struct targets_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32); /* process id; its children are added */
	__type(value, __u8);
};

struct comms_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 256);
	__type(key, struct comm_key);
	__type(value, __u8);
};

struct cgroups_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct cgroup_key);
	__type(value, __u8);
};

extern struct targets_map targets SEC(".maps");
extern struct comms_map comms SEC(".maps");
extern struct cgroups_map cgroups SEC(".maps");

/* Goes up when the selection grows: unselected sockets are then looked at again. */
extern __u32 selection_generation;

static __always_inline int selected_by_cgroup(struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_key key = {};
	int i;

	for (i = 0; i < SETTINGS_HIERARCHIES; i++) {
		struct cgroup_subsys_state *css = NULL;

		if (i >= (int)settings.hierarchies)
			break;
		key.hierarchy = settings.hierarchy[i];
		if (key.hierarchy == CGROUP_DEFAULT) {
			key.id = BPF_CORE_READ(set, dfl_cgrp, kn, id);
		} else {
			__u64 slot = (__u64)__builtin_preserve_access_index(&set->subsys[0]);

			bpf_probe_read_kernel(&css, sizeof(css),
					      (void *)(slot + 8ULL * key.hierarchy));
			key.id = BPF_CORE_READ(css, cgroup, kn, id);
		}
		if (bpf_map_lookup_elem(&cgroups, &key))
			return 1;
	}
	return 0;
}

static __always_inline int selected(struct task_struct *task)
{
	__u32 pid = BPF_CORE_READ(task, tgid);
	struct comm_key key = {};

	if (pid == settings.self || pid == settings.asker)
		return 0;
	if (!settings.selective)
		return 1;
	if (bpf_map_lookup_elem(&targets, &pid))
		return 1;
	if (settings.by_comm) {
		BPF_CORE_READ_INTO(&key.comm, task, group_leader, comm);
		if (bpf_map_lookup_elem(&comms, &key))
			return 1;
	}
	return settings.hierarchies && selected_by_cgroup(task);
}

#endif
