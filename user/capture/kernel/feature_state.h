/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * feature_state.h - what the tries of features share; nobody else includes it.
 */
#ifndef DBLEAK_CAPTURE_FEATURE_STATE_H
#define DBLEAK_CAPTURE_FEATURE_STATE_H

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
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "user/base/file.h"

#define TYPES_PATH     "/sys/kernel/btf/vmlinux"
#define DETAIL_LEN     FEATURE_DETAIL
#define HOST_PIDS      "pid:[4026531836]" /* PROC_PID_INIT_INO: the same on every kernel */
#define UPROBE_MULTI   48		  /* BPF_TRACE_UPROBE_MULTI, newer than our headers */
#define UPROBE_SESSION 57		  /* BPF_TRACE_UPROBE_SESSION, likewise */
#define RING_BYTES     (4U << 20)
#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))

static const struct bpf_insn return_0[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
	{.code = BPF_JMP | BPF_EXIT},
};

/* Kernels return any of these for a feature that they do not know; 524 is the kernel's own
 * ENOTSUPP. */
const char *feature_reason(int err);
int feature_try_warnings(char *detail);
int feature_try_proc(char *detail);
int feature_try_rights(char *detail);
int feature_try_host_pids(char *detail);
int feature_try_all_pids(char *detail);
int feature_try_seccomp(char *detail);
int feature_try_lockdown(char *detail);
int feature_try_uprobe_multi(char *detail);
int feature_try_uprobe_session(char *detail);
int feature_try_heap_full(char *detail);
int feature_try_perf_events(char *detail);

#endif
