/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * host_library.h - libraries of this host that only some calls need, so dbleak is not linked to
 * them.
 *
 * The static build has no loader: host_library_static.c takes the place of host_library.c there.
 */
#ifndef DBLEAK_SYSTEM_HOST_LIBRARY_H
#define DBLEAK_SYSTEM_HOST_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/* False in the static build, where host_library_open always gives NULL. */
bool host_library_may_open(void);
/* Loads a library by its soname, for as long as the process lives.  NULL: it is not there. */
void *host_library_open(const char *soname);
/* A function of a loaded library; NULL: it has none of that name. */
void *host_library_find(void *library, const char *function);

/* __cxa_demangle of the C++ run time: buf is from malloc or NULL, and so is what it returns. */
typedef char *host_demangle_fn(const char *name, char *buf, size_t *size, int *status);
/* NULL: this host has no C++ run time. */
host_demangle_fn *host_library_demangler(void);

#endif
