/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * host_library.c - see host_library.h.
 */
#include "user/system/host_library.h"

#include <dlfcn.h>

bool host_library_may_open(void)
{
	return true;
}

void *host_library_open(const char *soname)
{
	return dlopen(soname, RTLD_NOW | RTLD_LOCAL);
}

void *host_library_find(void *library, const char *function)
{
	return dlsym(library, function);
}

/* The other demanglers at hand are no better: libiberty's is the same code, static and unsafe to
 * depend on; LLVM's is 100 MB. */
host_demangle_fn *host_library_demangler(void)
{
	void *library = host_library_open("libstdc++.so.6");

	return library ? (host_demangle_fn *)host_library_find(library, "__cxa_demangle") : NULL;
}
