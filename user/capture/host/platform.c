/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * platform.c - see platform.h.
 */
#include "user/capture/host/platform.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What uname(2) says in each sandbox of gVisor: LinuxRelease and LinuxVersion of its
 * pkg/sentry/syscalls/linux. */
#define GVISOR_RELEASE "4.4.0"
#define GVISOR_VERSION "#1 SMP Sun Jan 10 15:06:54 PST 2016"
/* WSL 2 has a kernel of its own: "5.15.90.1-microsoft-standard-WSL2". */
#define WSL1_MARK "-Microsoft"

static bool begins(const char *text, const char *with)
{
	return text && !strncmp(text, with, strlen(with));
}

const char *platform_without_bpf(const struct utsname *host)
{
	if (!strcmp(host->release, GVISOR_RELEASE) && !strcmp(host->version, GVISOR_VERSION))
		return "gVisor";
	if (getenv("AWS_LAMBDA_FUNCTION_NAME"))
		return "AWS Lambda";
	if (begins(getenv("AWS_EXECUTION_ENV"), "AWS_ECS_FARGATE"))
		return "AWS Fargate";
	if (strstr(host->release, WSL1_MARK))
		return "WSL 1";
	return NULL;
}
