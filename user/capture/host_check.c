/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * host_check.c - see host_check.h.
 */
#include "user/capture/host_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/host/cgroup.h"
#include "user/capture/helpers.h"
#include "user/capture/host/container.h"
#include "user/capture/host/host_root.h"
#include "user/capture/stack/flags.h"

/* Where all is well nobody asks, and who is not root will be when it watches. */
static int try_folder(char *detail)
{
	bool refused = faccessat(AT_FDCWD, ".", W_OK, AT_EACCESS) &&
		       (errno == EROFS || (errno == EACCES && !geteuid()));

	if (refused)
		return -errno;
	snprintf(detail, FEATURE_DETAIL, "root can write to it");
	return 1;
}

static int try_cgroups(char *detail)
{
	struct cgroups *groups;
	int err = cgroups_open(&groups, host_root());
	enum cgroup_hierarchy v1;
	bool v2;

	if (err)
		return err;
	v2 = cgroups_mount(groups, CGROUP_V2);
	v1 = cgroups_first_v1(groups);
	if (v2 && v1 != CGROUP_HIERARCHIES)
		snprintf(detail, FEATURE_DETAIL, "hybrid: v2 at %s, v1 %s and others",
			 cgroups_mount(groups, CGROUP_V2), cgroup_hierarchy_name(v1));
	else if (v2)
		snprintf(detail, FEATURE_DETAIL, "v2 at %s", cgroups_mount(groups, CGROUP_V2));
	else if (v1 != CGROUP_HIERARCHIES)
		snprintf(detail, FEATURE_DETAIL, "v1, %s and others", cgroup_hierarchy_name(v1));
	else
		err = -ENOENT;
	cgroups_close(groups);
	return err;
}

/* "docker 2, podman 1"; the list is ordered by run time. */
static void count_runtimes(const struct container *const *list, size_t count, char *detail)
{
	size_t used = 0, same;

	for (size_t i = 0; i < count && used < FEATURE_DETAIL; i += same) {
		for (same = 1;
		     i + same < count && !strcmp(list[i]->runtime, list[i + same]->runtime);)
			same++;
		used += (size_t)snprintf(detail + used, FEATURE_DETAIL - used, "%s%s %zu",
					 i ? ", " : "running: ", list[i]->runtime, same);
	}
}

/* A sandbox belongs to its pod and runs nothing of it. */
static size_t leave_out_sandboxes(const struct container **list, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!list[i]->sandbox)
			list[kept++] = list[i];
	return kept;
}

static int try_containers(char *detail)
{
	const struct container **list;
	struct containers *c;
	size_t count;
	struct helpers helpers = {};
	int err = helpers_open(&helpers);

	if (!err)
		err = containers_open(&c, host_root(), helpers.nursery);
	if (err) {
		helpers_close(&helpers);
		return err;
	}
	err = containers_list(c, &list, &count);
	count = err ? 0 : leave_out_sandboxes(list, count);
	if (!err && count)
		count_runtimes(list, count, detail);
	else if (!err)
		snprintf(detail, FEATURE_DETAIL,
			 "Docker, podman, containerd and CRI-O are known; none running");
	if (!err)
		free(list);
	containers_close(c);
	helpers_close(&helpers);
	return err;
}

static int try_lines_node(char *detail)
{
	return flags_node(detail, FEATURE_DETAIL);
}

static int try_lines_java(char *detail)
{
	return flags_java(detail, FEATURE_DETAIL);
}

static int try_lines_python(char *detail)
{
	return flags_python(detail, FEATURE_DETAIL);
}

static int try_lines_php(char *detail)
{
	return flags_php(detail, FEATURE_DETAIL);
}

static int try_lines_perl(char *detail)
{
	return flags_perl(detail, FEATURE_DETAIL);
}

static int try_lines_ruby(char *detail)
{
	return flags_ruby(detail, FEATURE_DETAIL);
}

static int try_tls(char *detail)
{
	return flags_tls(detail, FEATURE_DETAIL);
}

static const struct check_entry {
	struct feature about;
	int (*try)(char *detail);
} table[HOST_CHECKS] = {
	[HOST_FOLDER] =
		{
			.about.name = "this folder",
			.about.purpose = "record writes its file here unless it is given a name",
			.about.without = "a recording needs a name somewhere else",
			.about.remedy = "dbleak record -o /run/dbleak.rec",
			.about.need = FEATURE_REMARK,
			.try = try_folder,
		},
	[HOST_CGROUPS] =
		{
			.about.name = "cgroups",
			.about.purpose = "Containers are recognised by their cgroups",
			.about.without = "--container and --cgroup find nothing",
			.about.remedy = "mount -t cgroup2 none /sys/fs/cgroup",
			.about.need = FEATURE_HELPFUL,
			.try = try_cgroups,
		},
	[HOST_CONTAINERS] =
		{
			.about.name = "containers",
			.about.purpose = "Names of containers and of their pods",
			.about.without = "containers are shown by their ids",
			.about.remedy = "",
			.about.need = FEATURE_REMARK,
			.try = try_containers,
		},
	[HOST_LINES_NODE] =
		{
			.about.name = "lines of Node.js",
			.about.purpose = "Builds of nodejs.org have readable lines; others must be "
					 "started with options",
			.about.without = "leaks have no source lines",
			.about.remedy = "start node with --perf-basic-prof and "
					"--interpreted-frames-native-stack, or use such a build",
			.about.need = FEATURE_REMARK,
			.try = try_lines_node,
		},
	[HOST_LINES_JAVA] =
		{
			.about.name = "lines of Java",
			.about.purpose =
				"Java names its compiled methods only in /tmp/perf-PID.map",
			.about.without = "leaks have no source lines",
			.about.remedy = "start java with -XX:+PreserveFramePointer; when warm, run "
					"`jcmd PID Compiler.perfmap` (JDK 17 and newer)",
			.about.need = FEATURE_REMARK,
			.try = try_lines_java,
		},
	[HOST_LINES_PYTHON] =
		{
			.about.name = "lines of Python",
			.about.purpose = "Python 3.7 to 3.14 has readable lines; debug and "
					 "free-threaded builds have not",
			.about.without = "leaks have no source lines",
			.about.remedy = "run it with a build of the distribution or of python.org",
			.about.need = FEATURE_REMARK,
			.try = try_lines_python,
		},
	[HOST_LINES_PHP] =
		{
			.about.name = "lines of PHP",
			.about.purpose = "PHP 7.4 to 8.4 has readable lines; builds with threads "
					 "(ZTS) have not",
			.about.without = "leaks have no source lines",
			.about.remedy = "run it with a supported version, built without threads",
			.about.need = FEATURE_REMARK,
			.try = try_lines_php,
		},
	[HOST_LINES_PERL] =
		{
			.about.name = "lines of Perl",
			.about.purpose = "Perl 5.32 to 5.42 has readable lines; builds without "
					 "ithreads have not",
			.about.without = "leaks have no source lines",
			.about.remedy =
				"run it with a supported version, as distributions build it",
			.about.need = FEATURE_REMARK,
			.try = try_lines_perl,
		},
	[HOST_LINES_RUBY] =
		{
			.about.name = "lines of Ruby",
			.about.purpose =
				"Lines of Ruby are not readable; those of its C extensions are",
			.about.without = "leaks name the extension, and no line of Ruby",
			.about.remedy = "",
			.about.need = FEATURE_REMARK,
			.try = try_lines_ruby,
		},
	[HOST_TLS] =
		{
			.about.name = "TLS",
			.about.purpose = "Encrypted connections are readable at OpenSSL; GnuTLS, "
					 "Go and rustls hide them",
			.about.without = "connections are counted, transactions and statements are "
					 "not visible",
			.about.remedy = "",
			.about.need = FEATURE_REMARK,
			.try = try_tls,
		},
};

const struct feature *host_check_about(enum host_check_id id)
{
	return &table[id].about;
}

int host_check_try(enum host_check_id id, char *detail)
{
	int err;

	*detail = 0;
	err = table[id].try(detail);
	if (err < 0 && !*detail)
		snprintf(detail, FEATURE_DETAIL, "%s", strerror(-err));
	return err;
}
