/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * platform.h - the platforms on which nobody can load a program into the kernel.
 */
#ifndef DBLEAK_CAPTURE_PLATFORM_H
#define DBLEAK_CAPTURE_PLATFORM_H

#include <sys/utsname.h>

/* The name of such a platform; NULL: this is none that dbleak knows.  The environment counts too:
 * ask only where programs could not be loaded. */
const char *platform_without_bpf(const struct utsname *host);

#endif
