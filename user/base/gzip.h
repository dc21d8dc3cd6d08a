/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * gzip.h - bytes compressed into a file that gunzip reads.
 */
#ifndef DBLEAK_BASE_GZIP_H
#define DBLEAK_BASE_GZIP_H

#include <stddef.h>
#include <stdio.h>

/* Writes one whole gzip member without a name or a time, so that equal bytes give equal files.
 * 0 or -errno. */
int gzip_write(FILE *out, const void *bytes, size_t length);

#endif
