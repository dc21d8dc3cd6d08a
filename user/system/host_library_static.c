/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * host_library_static.c - host_library.h for the static build.
 *
 * A static program of glibc can load only libraries of the very glibc that it was built with, and
 * crashes with others.  So this build loads none, and has the demangler linked in.
 */
#include "user/system/host_library.h"

#define UNUSED __attribute__((unused))

extern char *__cxa_demangle(const char *name, char *buf, size_t *size, int *status);

bool host_library_may_open(void)
{
	return false;
}

void *host_library_open(const char *soname UNUSED)
{
	return NULL;
}

void *host_library_find(void *library UNUSED, const char *function UNUSED)
{
	return NULL;
}

host_demangle_fn *host_library_demangler(void)
{
	return __cxa_demangle;
}
