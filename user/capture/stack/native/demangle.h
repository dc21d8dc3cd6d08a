/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * demangle.h - names of C++ and Rust functions as their authors wrote them.
 */
#ifndef DBLEAK_CAPTURE_DEMANGLE_H
#define DBLEAK_CAPTURE_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/* Loads the demangler; without it names stay as the linker has them.  Optional, and to be called
 * before the process loses its rights.  False: this host has none. */
bool demangle_prepare(void);

/* Writes classes, namespaces and the function, without parameters and return type, cut to size.
 * False: not such a name, or too long to be an honest one. */
bool demangle(const char *name, char *buf, size_t size);

#endif
