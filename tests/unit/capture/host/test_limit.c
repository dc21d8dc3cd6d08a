/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The limit nearest to a process, on fake hosts with either generation of cgroups.
 */
#include "user/capture/host/limit.h"
#include "user/capture/host/cgroup.h"
#include "user/capture/host/procfs.h"
#include "tests/unit/support/tree.h"

#define MIB (1ULL << 20)

struct host {
	struct procfs *procfs;
	struct cgroups *cgroups;
	struct limits *limits;
};

static void host_open(struct host *h, const char *mounts, const char *cgroup)
{
	tree_file("proc/self/mountinfo", mounts);
	tree_file("proc/42/cgroup", cgroup);
	tree_file("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:  1024 kB\n"
				  "MemAvailable:    8388608 kB\n");
	tree_file(
		"proc/42/limits",
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max data size             unlimited            unlimited            bytes     \n"
		"Max address space         unlimited            unlimited            bytes     \n");
	assert_int_equal(procfs_open(&h->procfs, tree_root), 0);
	assert_int_equal(cgroups_open(&h->cgroups, tree_root), 0);
	assert_int_equal(limits_open(&h->limits, h->procfs, h->cgroups), 0);
}

static void host_close(struct host *h)
{
	limits_close(h->limits);
	cgroups_close(h->cgroups);
	procfs_close(h->procfs);
}

static const char v2[] = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
static const char v1[] =
	"33 31 0:30 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n";

static void expect(struct host *h, const struct process_usage *usage, enum ev_limit kind,
		   uint64_t bytes, uint64_t used)
{
	struct limit found = limits_nearest(h->limits, 42, usage);

	assert_int_equal(found.kind, kind);
	assert_int_equal(found.bytes, bytes);
	assert_int_equal(found.used, used);
}

static void an_ancestor_may_be_nearer_than_the_cgroup_itself(void **state)
{
	const struct process_usage usage = {.space_bytes = 100 * MIB, .data_bytes = MIB};
	struct host h;

	(void)state;
	tree_file("sys/fs/cgroup/pod/web/memory.max", "536870912\n");
	tree_file("sys/fs/cgroup/pod/web/memory.current", "104857600\n");
	tree_file("sys/fs/cgroup/pod/web/memory.stat", "anon 94371840\ninactive_file 10485760\n");
	tree_file("sys/fs/cgroup/pod/memory.max", "629145600\n");
	tree_file("sys/fs/cgroup/pod/memory.current", "524288000\n");
	tree_file("sys/fs/cgroup/pod/memory.stat", "inactive_file 0\n");
	host_open(&h, v2, "0::/pod/web\n");
	expect(&h, &usage, EV_LIMIT_CGROUP, 600 * MIB, 500 * MIB);
	/* What can be had back at once is not used; what was read stands for one look. */
	tree_file("sys/fs/cgroup/pod/memory.stat", "anon 1\ninactive_file 471859200\n");
	expect(&h, &usage, EV_LIMIT_CGROUP, 600 * MIB, 500 * MIB);
	limits_begin(h.limits);
	expect(&h, &usage, EV_LIMIT_CGROUP, 512 * MIB, 90 * MIB);
	/* Nobody gets far above where they are slowed down. */
	tree_file("sys/fs/cgroup/pod/web/memory.high", "max\n");
	limits_begin(h.limits);
	expect(&h, &usage, EV_LIMIT_CGROUP, 512 * MIB, 90 * MIB);
	tree_file("sys/fs/cgroup/pod/web/memory.high", "209715200\n");
	limits_begin(h.limits);
	expect(&h, &usage, EV_LIMIT_CGROUP, 200 * MIB, 90 * MIB);
	host_close(&h);
}

static void the_older_generation_says_none_with_a_large_number(void **state)
{
	const struct process_usage usage = {.space_bytes = 100 * MIB, .data_bytes = MIB};
	struct host h;

	(void)state;
	tree_file("sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes", "9223372036854771712\n");
	tree_file("sys/fs/cgroup/memory/docker/a/memory.usage_in_bytes", "1048576\n");
	host_open(&h, v1, "5:memory:/docker/a\n0::/\n");
	expect(&h, &usage, EV_LIMIT_HOST, 16384 * MIB, 8192 * MIB);
	limits_begin(h.limits);
	tree_file("sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes", "10485760\n");
	tree_file("sys/fs/cgroup/memory/docker/a/memory.stat",
		  "inactive_file 5\ntotal_inactive_file 524288\n");
	expect(&h, &usage, EV_LIMIT_CGROUP, 10 * MIB, MIB / 2);
	host_close(&h);
}

static void a_limit_of_the_process_itself_counts_too(void **state)
{
	struct process_usage usage = {.space_bytes = 100 * MIB, .data_bytes = 60 * MIB};
	struct host h;

	(void)state;
	host_open(&h, v2, "0::/\n");
	tree_file(
		"proc/42/limits",
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max data size             67108864             unlimited            bytes     \n"
		"Max address space         1073741824           unlimited            bytes     \n");
	expect(&h, &usage, EV_LIMIT_PROCESS, 64 * MIB, 60 * MIB);
	usage.data_bytes = UNKNOWN64;
	expect(&h, &usage, EV_LIMIT_PROCESS, 1024 * MIB, 100 * MIB);
	host_close(&h);
}

static void what_cannot_be_read_is_no_limit(void **state)
{
	const struct process_usage usage = {.space_bytes = UNKNOWN64, .data_bytes = UNKNOWN64};
	struct host h;

	(void)state;
	host_open(&h, v2, "0::/../../etc\n5:memory:/gone\nnonsense\n");
	tree_file("proc/meminfo", "");
	tree_file("proc/42/limits", "");
	expect(&h, &usage, EV_LIMIT_NONE, UNKNOWN64, UNKNOWN64);
	host_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(an_ancestor_may_be_nearer_than_the_cgroup_itself),
		tree_test(the_older_generation_says_none_with_a_large_number),
		tree_test(a_limit_of_the_process_itself_counts_too),
		tree_test(what_cannot_be_read_is_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
