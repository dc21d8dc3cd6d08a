/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * feature_probe.c - tries whether uprobes fire here: uprobe.multi, and perf events.
 */
#include "user/capture/kernel/feature.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "user/capture/kernel/feature_state.h"

/* A function of our own: a try puts a probe on it and calls it. */
static __attribute__((noinline)) void probed(void)
{
	__asm__ volatile("nop");
}

static int find_offset(struct dl_phdr_info *info, size_t size, void *context)
{
	uint64_t address = (uint64_t)(uintptr_t)probed, *offset = context;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		uint64_t from = address - info->dlpi_addr - info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type == PT_LOAD && from < info->dlpi_phdr[i].p_filesz)
			*offset = info->dlpi_phdr[i].p_offset + from;
	}
	return 1; /* the program itself comes first */
}

/* The offset of `probed` in our executable. */
static uint64_t probed_offset(void)
{
	uint64_t offset = 0;

	dl_iterate_phdr(find_offset, &offset);
	return offset;
}

/* Loads a program for this attach type that counts its runs in the array map.  Returns a descriptor
 * or -errno. */
static int load_counter(int map, uint32_t attach_type)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = (enum bpf_attach_type)attach_type);
	const struct bpf_insn code[] = {
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = BPF_REG_1,
		 .src_reg = BPF_PSEUDO_MAP_VALUE,
		 .imm = map},
		{.imm = 0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 1},
		{.code = BPF_STX | BPF_ATOMIC | BPF_DW,
		 .dst_reg = BPF_REG_1,
		 .src_reg = BPF_REG_2,
		 .imm = BPF_ADD},
		return_0[0],
		return_0[1],
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "dbleak_try", "Dual BSD/GPL", code,
			       COUNT(code), &opts);

	return fd < 0 ? -errno : fd;
}

/* The part of bpf_attr for uprobe.multi links, which older headers lack. */
struct link_uprobes {
	uint32_t program, target, attach_type, flags;
	uint64_t path, offsets, ref_counters, cookies;
	uint32_t count, uprobe_flags, pid, reserved;
};

/* Attaches the counter to our own process only, in the way that probes are attached to others. */
static int attach_counter(int program, uint32_t attach_type)
{
	uint64_t offset = probed_offset(), cookie = 1;
	struct link_uprobes link = {
		.program = (uint32_t)program,
		.attach_type = attach_type,
		.path = (uint64_t)(uintptr_t) "/proc/self/exe",
		.offsets = (uint64_t)(uintptr_t)&offset,
		.cookies = (uint64_t)(uintptr_t)&cookie,
		.count = 1,
		.pid = (uint32_t)getpid(),
	};
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link));

	return fd < 0 ? -errno : fd;
}

static int was_hit(uint64_t hits, char *detail)
{
	if (hits)
		return 0;
	snprintf(detail, DETAIL_LEN, "a test probe did not fire");
	return -EIO;
}

static void *probed_in_thread(void *context)
{
	(void)context;
	probed();
	return NULL;
}

/* The hits of a probe that is limited to this process, at one call in this thread or another one;
 * or -errno. */
static int hits_of_own(uint32_t attach_type, bool in_thread)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "dbleak_try", 4, 8, 1, NULL);
	int program = map < 0 ? -errno : load_counter(map, attach_type);
	int link = program < 0 ? program : attach_counter(program, attach_type);
	uint64_t hits = 0;
	uint32_t key = 0;
	int err = link;
	pthread_t thread;

	if (link >= 0) {
		if (!in_thread)
			probed();
		else if (!pthread_create(&thread, NULL, probed_in_thread, NULL))
			pthread_join(thread, NULL);
		bpf_map_lookup_elem(map, &key, &hits);
		err = (int)hits;
		close(link);
	}
	if (program >= 0)
		close(program);
	if (map >= 0)
		close(map);
	return err;
}

int feature_try_uprobe_multi(char *detail)
{
	int hits = hits_of_own(UPROBE_MULTI, false);

	return hits < 0 ? hits : was_hit((uint64_t)hits, detail);
}

/* A kernel before 6.13 loads such a program as well, but does not attach it. */
int feature_try_uprobe_session(char *detail)
{
	int hits = hits_of_own(UPROBE_SESSION, false);

	return hits < 0 ? hits : was_hit((uint64_t)hits, detail);
}

/* Linux 6.6 to 6.9 may limit a probe to the first thread of a process instead. */
int feature_try_heap_full(char *detail)
{
	int hits;

	if (feature_try(FEATURE_UPROBE_MULTI))
		return feature_try(FEATURE_PERF_EVENTS);
	hits = hits_of_own(UPROBE_MULTI, true);
	if (!hits)
		snprintf(detail, DETAIL_LEN, "probes reach only the first thread of a process");
	return hits < 0 ? hits : hits ? 0 : -ENOTSUP;
}

static int open_event(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	int fd;

	attr->size = sizeof(*attr);
	fd = (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Opens the event for new code mappings of all processes on one CPU. */
static int try_mapping_events(char *detail)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_DUMMY, .mmap = 1, .mmap2 = 1};
	int fd = open_event(&attr, -1, 0);

	if (fd < 0) {
		snprintf(detail, DETAIL_LEN, "no events of loaded libraries: %s",
			 feature_reason(fd));
		return fd;
	}
	close(fd);
	return 0;
}

/* Opens a probe as a perf event: without uprobe.multi each probe is one. */
static int try_probe_event(char *detail)
{
	struct perf_event_attr attr = {.config1 = (uint64_t)(uintptr_t) "/proc/self/exe",
				       .config2 = probed_offset()};
	uint64_t hits = 0;
	char text[16];
	int fd;

	if (file_read(AT_FDCWD, "/sys/bus/event_source/devices/uprobe/type", text, sizeof(text)) <=
	    0) {
		snprintf(detail, DETAIL_LEN, "this kernel has no probes by perf events");
		return -ENOENT;
	}
	attr.type = (uint32_t)strtoul(text, NULL, 10);
	fd = open_event(&attr, 0, -1);
	if (fd < 0) {
		snprintf(detail, DETAIL_LEN, "no probes by perf events: %s", feature_reason(fd));
		return fd;
	}
	probed();
	if (read(fd, &hits, sizeof(hits)) != sizeof(hits))
		hits = 0;
	close(fd);
	return was_hit(hits, detail);
}

int feature_try_perf_events(char *detail)
{
	int err = try_mapping_events(detail);

	if (!err)
		err = try_probe_event(detail);
	if (!err)
		snprintf(detail, DETAIL_LEN, "events of mappings and probes");
	return err;
}
