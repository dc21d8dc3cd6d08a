/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * feature.c - finds what this host allows, by trying and never by a version number.
 *
 * A try loads a program of a few instructions that does nothing, attaches the program if attaching
 * is what may fail, and closes it again.  kernel_load.c chooses the door by loading its own
 * programs; this file explains a failure.  The kernel_*.c files ask here before they use an
 * iterator or uprobe.multi.
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
#include "user/system/debug.h"

static void feature_mend(enum feature_id id, const char *remedy);

static struct btf *types; /* of the running kernel, kept between tries */

/* --- programs that do nothing ------------------------------------------------------------ */

const char *feature_reason(int err)
{
	static const int unknown[] = {-ENOENT, -EINVAL, -ENOSYS, -EOPNOTSUPP, -524};

	for (size_t i = 0; i < COUNT(unknown); i++)
		if (err == unknown[i])
			return "not in this kernel";
	return strerror(-err);
}

static int kernel_types(void)
{
	if (!types)
		types = btf__load_vmlinux_btf();
	return types ? 0 : -errno;
}

/* The BTF id of the attach target of a tracing program, by the target's name.  Negative: -errno. */
static int target_id(enum bpf_attach_type attach, const char *name)
{
	const char *prefix = attach == BPF_TRACE_RAW_TP ? "btf_trace_"
			     : attach == BPF_TRACE_ITER ? "bpf_iter_"
							: "";
	char full[128];
	int err = kernel_types();

	if (err)
		return err;
	snprintf(full, sizeof(full), "%s%s", prefix, name);
	return btf__find_by_name_kind(
		types, full, attach == BPF_TRACE_RAW_TP ? BTF_KIND_TYPEDEF : BTF_KIND_FUNC);
}

/* A descriptor of the loaded program, or -errno; -ENOENT: the kernel has no such target. */
static int feature_load(enum bpf_attach_type attach, const char *name, const struct bpf_insn *code,
			size_t count)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);
	int id = target_id(attach, name);
	int fd;

	if (id < 0)
		return id;
	opts.attach_btf_id = (uint32_t)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "dbleak_try", "Dual BSD/GPL", code, count, &opts);
	return fd < 0 ? -errno : fd;
}

static int attach_and_close(int program)
{
	int link = bpf_raw_tracepoint_open(NULL, program);
	int err = link < 0 ? -errno : 0;

	if (link >= 0)
		close(link);
	close(program);
	return err;
}

static int try_targets(enum bpf_attach_type attach, const char *const *names, size_t count,
		       char *detail)
{
	for (size_t i = 0; i < count; i++) {
		int fd = feature_load(attach, names[i], return_0, COUNT(return_0));
		int err = fd < 0 ? fd : attach_and_close(fd);

		if (err) {
			snprintf(detail, DETAIL_LEN, "%s: %s", names[i], feature_reason(err));
			return err;
		}
	}
	return 0;
}

static int try_iterator(const char *name, const union bpf_iter_link_info *over)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = (union bpf_iter_link_info *)over,
		    .iter_info_len = over ? sizeof(*over) : 0);
	int program = feature_load(BPF_TRACE_ITER, name, return_0, COUNT(return_0));
	int link, iterator, err = 0;

	if (program < 0)
		return program;
	link = bpf_link_create(program, 0, BPF_TRACE_ITER, &opts);
	iterator = link < 0 ? -1 : bpf_iter_create(link);
	if (iterator < 0)
		err = -errno;
	else
		close(iterator);
	if (link >= 0)
		close(link);
	close(program);
	return err;
}

/* Creates a socket storage map, which needs BTF types for its key and value. */
static int create_storage(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	struct btf *btf = btf__new_empty();
	int type = btf ? btf__add_int(btf, "int", 4, BTF_INT_SIGNED) : -ENOMEM;
	int err = type < 0 ? type : btf__load_into_kernel(btf);
	int fd = -1;

	if (!err) {
		opts.btf_fd = (uint32_t)btf__fd(btf);
		opts.btf_key_type_id = opts.btf_value_type_id = (uint32_t)type;
		fd = bpf_map_create(BPF_MAP_TYPE_SK_STORAGE, "dbleak_try", 4, 4, 0, &opts);
		err = fd < 0 ? -errno : 0;
	}
	btf__free(btf);
	return err ? err : fd;
}

/* --- the tries, in the order of enum feature_id ------------------------------------------ */

static bool is_sysfs_mounted(void)
{
	struct statfs fs;

	return !statfs("/sys", &fs) && fs.f_type == SYSFS_MAGIC;
}

static int try_types(char *detail)
{
	struct stat st;
	int err = stat(TYPES_PATH, &st) ? -errno : 0;

	if (err && !is_sysfs_mounted()) {
		snprintf(detail, DETAIL_LEN, "/sys is not mounted");
		feature_mend(FEATURE_TYPES, "mount -t sysfs sysfs /sys");
	}
	if (err)
		return err;
	snprintf(detail, DETAIL_LEN, "%s, %.1f MB", TYPES_PATH, (double)st.st_size / 1e6);
	return kernel_types();
}

static int try_ring_of(uint32_t bytes)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "dbleak_try", 0, 0, bytes, NULL);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int try_memory(char *detail)
{
	struct rlimit limit;
	int err = try_ring_of(RING_BYTES); /* libbpf raises the limit where the kernel counts it */

	if (err == -EPERM)
		return err;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY)
		snprintf(detail, DETAIL_LEN, "RLIMIT_MEMLOCK is unlimited");
	else
		snprintf(detail, DETAIL_LEN, "RLIMIT_MEMLOCK is %llu KiB: %s",
			 (unsigned long long)limit.rlim_cur / 1024, err ? "too little" : "enough");
	return err;
}

static int try_ring(char *detail)
{
	(void)detail;
	return try_ring_of((uint32_t)sysconf(_SC_PAGESIZE));
}

/* Loads a program that takes storage of the socket in its first argument, as our own programs do.
 */
static int try_storage(char *detail)
{
	int map = create_storage();
	struct bpf_insn code[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_1},
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = BPF_REG_1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map},
		{.imm = 0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_sk_storage_get},
		return_0[0],
		return_0[1],
	};
	int program;

	if (map < 0)
		return map;
	program = feature_load(BPF_TRACE_RAW_TP, "sock_send_length", code, COUNT(code));
	if (program < 0)
		program = feature_load(BPF_TRACE_FEXIT, "tcp_sendmsg", code, COUNT(code));
	close(map);
	if (program < 0) {
		snprintf(detail, DETAIL_LEN, "the kernel has it, but not for tracing programs");
		return program;
	}
	close(program);
	return 0;
}

static int try_tracepoint_door(char *detail)
{
	static const char *const names[] = {"sock_send_length", "sock_recv_length"};

	return try_targets(BPF_TRACE_RAW_TP, names, COUNT(names), detail);
}

static int try_fexit_door(char *detail)
{
	static const char *const names[] = {"tcp_sendmsg", "tcp_recvmsg", "unix_stream_sendmsg",
					    "unix_stream_recvmsg"};

	return try_targets(BPF_TRACE_FEXIT, names, COUNT(names), detail);
}

static int try_lifecycle(char *detail)
{
	static const char *const names[] = {"inet_sock_set_state", "tcp_destroy_sock",
					    "task_newtask", "sched_process_exit"};

	return try_targets(BPF_TRACE_RAW_TP, names, COUNT(names), detail);
}

static int try_file_iterator(char *detail)
{
	(void)detail;
	return try_iterator("task_file", NULL);
}

static int try_storage_iterator(char *detail)
{
	int map = create_storage();
	union bpf_iter_link_info over = {.map.map_fd = (uint32_t)map};
	int err;

	(void)detail;
	if (map < 0)
		return map;
	err = try_iterator("bpf_sk_storage_map", &over);
	close(map);
	return err;
}

static int try_map_iterator(char *detail)
{
	int map = bpf_map_create(BPF_MAP_TYPE_HASH, "dbleak_try", 8, 8, 1, NULL);
	union bpf_iter_link_info over = {.map.map_fd = (uint32_t)map};
	int err;

	(void)detail;
	if (map < 0)
		return -errno;
	err = try_iterator("bpf_map_elem", &over);
	close(map);
	return err;
}

static int try_run_time(char *detail)
{
	char text[8];
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (fd < 0)
		return -errno;
	close(fd);
	file_read(AT_FDCWD, "/proc/sys/kernel/bpf_stats_enabled", text, sizeof(text));
	if (*text == '1')
		snprintf(detail, DETAIL_LEN, "on for all programs by kernel.bpf_stats_enabled");
	return 0;
}

/* --- the table --------------------------------------------------------------------------- */

#define CONTAINER_REMEDY "start dbleak on the host, or in a container with --privileged --pid=host"

/* No constant: a try may find a better remedy. */
static struct feature_entry {
	struct feature about;
	int (*try)(char *detail);
	enum feature_id after; /* what it rests on: without that a try would tell nothing */
} table[FEATURES] = {
	[FEATURE_PROC] =
		{
			.about.name = "/proc",
			.about.purpose = "All that is known of processes comes from /proc",
			.about.without = "nothing can be watched",
			.about.remedy = "mount -t proc proc /proc",
			.about.need = FEATURE_NEEDED,
			.try = feature_try_proc,
		},
	[FEATURE_RIGHTS] =
		{
			.about.name = "rights",
			.about.purpose = "Loading programs into the kernel needs root",
			.about.without = "nothing can be watched",
			.about.remedy = "run it with sudo, outside of user namespaces; in a "
					"container that root has started, with --privileged",
			.about.need = FEATURE_NEEDED,
			.try = feature_try_rights,
		},
	[FEATURE_HOST_PIDS] =
		{
			.about.name = "host pids",
			.about.purpose = "Process ids must be those of the host",
			.about.without = "processes outside this container cannot be named",
			.about.remedy = CONTAINER_REMEDY,
			.about.need = FEATURE_NEEDED,
			.try = feature_try_host_pids,
		},
	[FEATURE_ALL_PIDS] =
		{
			.about.name = "all processes",
			.about.purpose = "Processes of other users must be visible in /proc",
			.about.without = "processes of other users are not watched",
			.about.remedy = "run it as root, or with CAP_SYS_PTRACE",
			.about.need = FEATURE_HELPFUL,
			.try = feature_try_all_pids,
		},
	[FEATURE_SECCOMP] =
		{
			.about.name = "no seccomp",
			.about.purpose = "A filter on system calls may forbid what dbleak needs",
			.about.without = "the other lines show what is forbidden",
			.about.remedy = CONTAINER_REMEDY,
			.about.need = FEATURE_REMARK,
			.try = feature_try_seccomp,
		},
	[FEATURE_LOCKDOWN] =
		{
			.about.name = "no lockdown",
			.about.purpose =
				"Kernel lockdown decides whether kernel memory may be read",
			.about.without = "no connection can be read",
			.about.remedy =
				"boot with lockdown=integrity or less, or without secure boot",
			.about.need = FEATURE_NEEDED,
			.try = feature_try_lockdown,
		},
	[FEATURE_TYPES] =
		{
			.about.name = "kernel types",
			.about.purpose = "Type information of the kernel (BTF) tells dbleak where "
					 "its fields are",
			.about.without = "nothing can be watched",
			.about.remedy = "a kernel built with CONFIG_DEBUG_INFO_BTF; a file of "
					"types does not help, since the kernel has to know them",
			.about.need = FEATURE_NEEDED,
			.try = try_types,
		},
	[FEATURE_MEMORY] =
		{
			.about.name = "memory",
			.about.purpose = "Maps in the kernel take a few megabytes",
			.about.without = "nothing can be watched",
			.about.remedy = "ulimit -l unlimited",
			.about.need = FEATURE_NEEDED,
			.try = try_memory,
		},
	[FEATURE_WARNINGS] =
		{
			.about.name = "kernel warnings",
			.about.purpose = "A warning of the kernel must not stop the host",
			.about.without = "dbleak watches nothing: its first probe would stop it",
			.about.remedy = "Linux 6.1 or newer, or sysctl kernel.panic_on_warn=0",
			.about.need = FEATURE_NEEDED,
			.try = feature_try_warnings,
		},
	[FEATURE_RING] =
		{
			.about.name = "ring buffer",
			.about.purpose =
				"Events travel from the kernel to dbleak through a ring buffer",
			.about.without = "nothing can be watched",
			.about.remedy = "Linux 5.8 or newer",
			.about.need = FEATURE_NEEDED,
			.try = try_ring,
		},
	[FEATURE_STORAGE] =
		{
			.about.name = "socket storage",
			.about.purpose = "State of each connection is kept at its socket",
			.about.without = "nothing can be watched",
			.about.remedy = "Linux 5.15 or newer",
			.about.need = FEATURE_NEEDED,
			.after = FEATURE_TYPES,
			.try = try_storage,
		},
	[FEATURE_TRACEPOINT_DOOR] =
		{
			.about.name = "door: tracepoints",
			.about.purpose = "Messages are seen at the tracepoints sock_send_length "
					 "and sock_recv_length",
			.about.without = "dbleak uses fexit instead",
			.about.remedy = "Linux 6.3 or newer",
			.about.need = FEATURE_ALTERNATIVE,
			.after = FEATURE_TYPES,
			.try = try_tracepoint_door,
		},
	[FEATURE_FEXIT_DOOR] =
		{
			.about.name = "door: fexit",
			.about.purpose = "Without those tracepoints, messages are seen where the "
					 "kernel's send and receive functions return",
			.about.without = "nothing, as long as the tracepoints work",
			.about.remedy =
				"a kernel built with CONFIG_FUNCTION_TRACER and CONFIG_KPROBES",
			.about.need = FEATURE_ALTERNATIVE,
			.after = FEATURE_TYPES,
			.try = try_fexit_door,
		},
	[FEATURE_LIFECYCLE] =
		{
			.about.name = "lifecycle",
			.about.purpose = "Tracepoints tell when connections close, and when "
					 "processes start and end",
			.about.without = "nothing can be watched",
			.about.remedy = "Linux 5.15 or newer",
			.about.need = FEATURE_NEEDED,
			.after = FEATURE_TYPES,
			.try = try_lifecycle,
		},
	[FEATURE_FILE_ITERATOR] =
		{
			.about.name = "open files",
			.about.purpose = "Connections opened before dbleak started are found among "
					 "all open files",
			.about.without = "nothing can be watched",
			.about.remedy = "Linux 5.8 or newer",
			.about.need = FEATURE_NEEDED,
			.after = FEATURE_TYPES,
			.try = try_file_iterator,
		},
	[FEATURE_STORAGE_ITERATOR] =
		{
			.about.name = "connections",
			.about.purpose = "The kernel lists the connections it keeps for dbleak",
			.about.without = "each look reads all open files of the host instead, "
					 "which takes longer",
			.about.remedy = "Linux 5.9 or newer, and nothing that forbids iterators "
					"which may write",
			.about.need = FEATURE_HELPFUL,
			.after = FEATURE_TYPES,
			.try = try_storage_iterator,
		},
	[FEATURE_MAP_ITERATOR] =
		{
			.about.name = "statements",
			.about.purpose =
				"The kernel lists the prepared statements it keeps for dbleak",
			.about.without = "dbleak reads them in another way (Linux 5.14)",
			.about.remedy = "Linux 5.9 or newer, and nothing that forbids iterators "
					"which may write",
			.about.need = FEATURE_HELPFUL,
			.after = FEATURE_TYPES,
			.try = try_map_iterator,
		},
	[FEATURE_RUN_TIME] =
		{
			.about.name = "own cost",
			.about.purpose = "The kernel measures the CPU time of dbleak in the kernel",
			.about.without = "the report cannot say what dbleak cost",
			.about.remedy = "Linux 5.8 or newer",
			.about.need = FEATURE_HELPFUL,
			.try = try_run_time,
		},
	[FEATURE_UPROBE_MULTI] =
		{
			.about.name = "uprobe.multi",
			.about.purpose = "Many probes on client libraries are attached at once",
			.about.without = "attaching and detaching them takes seconds; connections "
					 "do not need them",
			.about.remedy = "Linux 6.6 or newer",
			.about.need = FEATURE_HELPFUL,
			.try = feature_try_uprobe_multi,
		},
	[FEATURE_UPROBE_SESSION] =
		{
			.about.name = "uprobe.session",
			.about.purpose = "One probe sees the entry and the return of a function",
			.about.without =
				"--heap full takes two probes for a call, which costs more",
			.about.remedy = "Linux 6.13 or newer",
			.about.need = FEATURE_HELPFUL,
			.try = feature_try_uprobe_session,
		},
	[FEATURE_PERF_EVENTS] =
		{
			.about.name = "perf events",
			.about.purpose =
				"Probes on client libraries, and events of loaded libraries",
			.about.without =
				"client libraries cannot be watched; connections do not need it",
			.about.remedy =
				"a kernel built with CONFIG_PERF_EVENTS and CONFIG_UPROBE_EVENTS",
			.about.need = FEATURE_HELPFUL,
			.after = FEATURE_TYPES,
			.try = feature_try_perf_events,
		},
	[FEATURE_HEAP_FULL] =
		{
			.about.name = "--heap full",
			.about.purpose = "Probes of allocators are kept to the selected processes",
			.about.without =
				"--heap full is not possible; --heap client and growth are",
			.about.remedy = "Linux 6.10 or newer",
			.about.need = FEATURE_HELPFUL,
			.try = feature_try_heap_full,
		},
};

static struct feature_answer {
	char detail[DETAIL_LEN];
	int err;
	bool known;
	bool blocked; /* not tried, for what it rests on is missing */
} answers[FEATURES];

static bool do_without[FEATURES];

static bool is_named(const char *name, const char *word, size_t length)
{
	return strlen(name) == length && !strncmp(name, word, length);
}

int feature_do_without(const char *names, const char **unknown)
{
	for (const char *at = names; at && *at;) {
		size_t length = strcspn(at, ","), id = 0;

		while (id < FEATURES && !is_named(table[id].about.name, at, length))
			id++;
		*unknown = at;
		if (id == FEATURES)
			return -EINVAL;
		do_without[id] = true;
		at += length + (at[length] == ',');
	}
	return 0;
}

bool feature_is_left_out(enum feature_id id)
{
	return do_without[id];
}

static int leave_out(char *detail)
{
	snprintf(detail, DETAIL_LEN, "left out by DBLEAK_WITHOUT");
	return -ENOTSUP;
}

static int say_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static void feature_mend(enum feature_id id, const char *remedy)
{
	table[id].about.remedy = remedy;
}

const struct feature *feature_about(enum feature_id id)
{
	return &table[id].about;
}

static int feature_answer(enum feature_id id, struct feature_answer *a)
{
	enum feature_id after = table[id].after;
	int err = after == id ? 0 : feature_try(after);

	if (do_without[id])
		return leave_out(a->detail);
	if (!err)
		return table[id].try(a->detail);
	a->blocked = true;
	snprintf(a->detail, sizeof(a->detail), "not tried without %s", table[after].about.name);
	return err;
}

int feature_try(enum feature_id id)
{
	struct feature_answer *a = &answers[id];
	libbpf_print_fn_t before;

	if (a->known)
		return a->err;
	before = libbpf_set_print(say_nothing);
	a->err = feature_answer(id, a);
	a->known = true;
	libbpf_set_print(before);
	if (a->err && !a->detail[0])
		snprintf(a->detail, sizeof(a->detail), "%s", feature_reason(a->err));
	debug(DEBUG_KERNEL, "feature %s: %s", table[id].about.name, a->err ? a->detail : "works");
	return a->err;
}

const char *feature_detail(enum feature_id id)
{
	feature_try(id);
	return answers[id].detail;
}

bool feature_is_untried(enum feature_id id)
{
	int err = feature_try(id);

	return answers[id].blocked || ((err == -EPERM || err == -EACCES) && id != FEATURE_RIGHTS &&
				       feature_try(FEATURE_RIGHTS));
}

enum feature_door feature_door(void)
{
	if (!feature_try(FEATURE_TRACEPOINT_DOOR))
		return FEATURE_DOOR_TRACEPOINTS;
	if (!feature_try(FEATURE_FEXIT_DOOR))
		return FEATURE_DOOR_FEXIT;
	return FEATURE_DOOR_NONE;
}

const char *feature_door_name(enum feature_door door)
{
	static const char *const names[] = {"none", "tracepoints", "fexit"};

	return names[door];
}

bool feature_main_job(void)
{
	for (int id = 0; id < FEATURES; id++)
		if (table[id].about.need == FEATURE_NEEDED && feature_try((enum feature_id)id))
			return false;
	return feature_door() != FEATURE_DOOR_NONE;
}

void feature_close(void)
{
	btf__free(types);
	types = NULL;
}
