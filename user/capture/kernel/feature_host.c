/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * feature_host.c - tries what the rules of a host allow, and loads nothing into its kernel.
 */
#include "user/capture/kernel/feature.h"

#include <mntent.h>
#include <sys/utsname.h>

#include "user/capture/kernel/feature_state.h"

int feature_try_proc(char *detail)
{
	struct statfs fs;

	bool mounted = !statfs("/proc", &fs) && fs.f_type == PROC_SUPER_MAGIC;

	snprintf(detail, DETAIL_LEN, "%s", mounted ? "mounted" : "not mounted");
	return mounted ? 0 : -ENODEV;
}

/* Not from /proc/self/status: a host without /proc must not be told that rights are missing. */
static uint64_t effective_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &head, data))
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

/* The first user namespace maps all ids to themselves, and no other has so many to map. */
static bool is_host_root(void)
{
	unsigned int inside, outside, count;
	char map[128];

	if (file_read(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) <= 0)
		return true; /* a kernel without user namespaces */
	return sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && !inside && !outside &&
	       count == UINT32_MAX;
}

int feature_try_rights(char *detail)
{
	uint64_t have = effective_capabilities();
	bool admin = have & 1ULL << CAP_SYS_ADMIN;
	bool split = have & 1ULL << CAP_BPF && have & 1ULL << CAP_PERFMON;

	if (!is_host_root()) {
		snprintf(detail, DETAIL_LEN,
			 "in a user namespace, whose root has no rights on the host");
		return -EPERM;
	}
	snprintf(detail, DETAIL_LEN, "%s%s", geteuid() ? "not root" : "root",
		 admin	 ? ""
		 : split ? ", with CAP_BPF and CAP_PERFMON"
			 : ", without CAP_SYS_ADMIN");
	return admin || split ? 0 : -EPERM;
}

static bool is_hiding(const struct mntent *m)
{
	const char *option = hasmntopt(m, "hidepid");

	return option && strncmp(option, "hidepid=0", 9) != 0 && strncmp(option, "hidepid=off", 11);
}

/* Mounts that lie above others come later. */
int feature_try_all_pids(char *detail)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	bool hides = false;
	struct mntent *m;

	while (mounts && (m = getmntent(mounts)))
		if (!strcmp(m->mnt_dir, "/proc"))
			hides = is_hiding(m);
	if (mounts)
		endmntent(mounts);
	if (!hides || effective_capabilities() & 1ULL << CAP_SYS_PTRACE) {
		snprintf(detail, DETAIL_LEN, "processes of other users are visible, too");
		return 0;
	}
	snprintf(detail, DETAIL_LEN,
		 "/proc is mounted with hidepid, and CAP_SYS_PTRACE is missing");
	return -ESRCH;
}

int feature_try_host_pids(char *detail)
{
	char link[64] = "";
	ssize_t len = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);

	if (len > 0 && !strcmp(link, HOST_PIDS)) {
		snprintf(detail, DETAIL_LEN, "process ids are those of the host");
		return 0;
	}
	snprintf(detail, DETAIL_LEN, "dbleak runs in a container or another pid namespace");
	return -EXDEV;
}

int feature_try_seccomp(char *detail)
{
	char status[4096];

	file_read(AT_FDCWD, "/proc/self/status", status, sizeof(status));
	if (!strstr(status, "\nSeccomp:\t2")) {
		snprintf(detail, DETAIL_LEN, "none");
		return 0;
	}
	snprintf(detail, DETAIL_LEN, "a filter is active for dbleak, and may forbid bpf()");
	return -EOPNOTSUPP;
}

int feature_try_lockdown(char *detail)
{
	char text[128];

	if (file_read(AT_FDCWD, "/sys/kernel/security/lockdown", text, sizeof(text)) <= 0) {
		snprintf(detail, DETAIL_LEN, "none visible");
		return 0;
	}
	if (strstr(text, "[none]")) {
		snprintf(detail, DETAIL_LEN, "none");
		return 0;
	}
	if (!strstr(text, "[confidentiality]")) {
		snprintf(detail, DETAIL_LEN, "integrity, which is no problem");
		return 0;
	}
	snprintf(detail, DETAIL_LEN, "confidentiality");
	return -EOPNOTSUPP;
}

/* Before 6.1 the kernel logs a warning, once, when a program at a probe uses a table that grows.
 * The warning does no harm, unless the host takes each for a reason to stop. */
int feature_try_warnings(char *detail)
{
	unsigned int major = 0, minor = 0;
	struct utsname host;
	char text[8] = "";

	snprintf(detail, DETAIL_LEN, "a watch makes this kernel log none");
	if (uname(&host) || sscanf(host.release, "%u.%u", &major, &minor) != 2 || major > 6 ||
	    (major == 6 && minor >= 1))
		return 0;
	snprintf(detail, DETAIL_LEN, "a watch makes this kernel log one");
	if (file_read(AT_FDCWD, "/proc/sys/kernel/panic_on_warn", text, sizeof(text)) <= 0 ||
	    text[0] != '1')
		return 0;
	snprintf(detail, DETAIL_LEN,
		 "a watch makes this kernel log one, and kernel.panic_on_warn is 1");
	return -ENOTSUP;
}
