/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * demangle.h - names of C++ and Rust functions as their authors wrote them.
 */
#ifndef DBLEAK_CAPTURE_DEMANGLE_H
#define DBLEAK_CAPTURE_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/* Finds the demangler; without it names stay as the linker has them.  To be called before the
 * process locks itself in, and optional otherwise.  False: this host has none. */
bool demangle_prepare(void);

/* Classes, namespaces and the function, without what it takes and returns, cut to size.  False: it
 * is no such name, or too long to be an honest one. */
bool demangle(const char *name, char *buf, size_t size);

#endif
