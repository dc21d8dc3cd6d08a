/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * host_check.h - what this host has beside its kernel: cgroups, containers, programs that hide the
 * names of their code.  For doctor.
 */
#ifndef DBLEAK_CAPTURE_HOST_CHECK_H
#define DBLEAK_CAPTURE_HOST_CHECK_H

#include "user/capture/kernel/feature.h"

enum host_check_id {
	HOST_FOLDER,
	HOST_CGROUPS,
	HOST_CONTAINERS,
	HOST_LINES_NODE,
	HOST_LINES_JAVA,
	HOST_LINES_PYTHON,
	HOST_LINES_PHP,
	HOST_LINES_PERL,
	HOST_LINES_RUBY,
	HOST_TLS,
	HOST_CHECKS,
};

const struct feature *host_check_about(enum host_check_id id);

/* Looks.  0: it is there; 1: nothing here needs it; else -errno.  detail: what was found,
 * FEATURE_DETAIL bytes. */
int host_check_try(enum host_check_id id, char *detail);

#endif
