/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * flags.h - which running programs can be read only if they were started or built in a certain way.
 *
 * For doctor: one look at all processes, by the file names of their programs.
 */
#ifndef DBLEAK_CAPTURE_FLAGS_H
#define DBLEAK_CAPTURE_FLAGS_H

#include <stddef.h>

/* A Java process can be read if it writes /tmp/perf-PID.map.  A Node.js process can be read if its
 * build has V8's debug data, or if it writes such a map.  Returns 0: all can be read; 1: none runs;
 * -ENOENT: some cannot; or -errno.  detail: how many can be read, as one clause of plain text. */
int flags_java(char *detail, size_t size);
int flags_node(char *detail, size_t size);
/* Python, PHP and Perl can be read where their version and build are supported, Ruby never. */
int flags_python(char *detail, size_t size);
int flags_php(char *detail, size_t size);
int flags_perl(char *detail, size_t size);
int flags_ruby(char *detail, size_t size);
/* Processes with OpenSSL, whose traffic can be read; 1: none runs. */
int flags_tls(char *detail, size_t size);

#endif
