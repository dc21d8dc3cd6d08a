/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * refuse.c - see refuse.h.
 */
#include "user/command/refuse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "user/capture/host/platform.h"
#include "user/capture/kernel/feature.h"

static const char *why_not(int err)
{
	switch (err) {
	case -EACCES:
	case -EINVAL:
	case -E2BIG:
		return "this kernel refuses a program of dbleak; DBLEAK_DEBUG=libbpf shows which";
	case -EPERM:
		return "run it as root (sudo), or with CAP_BPF and CAP_PERFMON";
	case -ENOENT:
	case -ESRCH:
		return "this kernel lacks BTF (/sys/kernel/btf/vmlinux) or a hook that is needed";
	case -ENOTSUP:
		return "this kernel offers no way to see socket traffic";
	case -ENOMEM:
		return "no memory, or the locked-memory limit (ulimit -l) is too low";
	default:
		return strerror(-err);
	}
}

/* The first feature without which nothing can be watched, and that the kernel lacks; NULL: none. */
static const struct feature *feature_lacking(void)
{
	for (int id = 0; id < FEATURES; id++) {
		const struct feature *f = feature_about((enum feature_id)id);

		if (f->need == FEATURE_NEEDED && feature_try((enum feature_id)id) &&
		    !feature_is_untried((enum feature_id)id))
			return f;
	}
	return feature_door() == FEATURE_DOOR_NONE ? feature_about(FEATURE_TRACEPOINT_DOOR) : NULL;
}

/* The platform, and the feature that is lacking, say more than the error: EPERM, ENOSYS, EINVAL. */
int refuse_host(int err)
{
	struct utsname host;
	const char *platform = uname(&host) ? NULL : platform_without_bpf(&host);
	const struct feature *lacking = platform || err == -EPERM ? NULL : feature_lacking();

	if (platform)
		fprintf(stderr,
			"dbleak: cannot watch: this is %s, where nobody can load eBPF programs\n",
			platform);
	else if (lacking)
		fprintf(stderr,
			"dbleak: cannot watch: %s is not to be had on this host; what helps: %s\n"
			"\"dbleak doctor\" tells more\n",
			lacking->name, lacking->remedy);
	else
		fprintf(stderr, "dbleak: cannot watch: %s (\"dbleak doctor\" tells more)\n",
			why_not(err));
	return 2;
}
