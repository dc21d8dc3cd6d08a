/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * baseline_file.h - the baseline as somebody names it (baseline.h), read before anything starts.
 */
#ifndef DBLEAK_COMMAND_BASELINE_FILE_H
#define DBLEAK_COMMAND_BASELINE_FILE_H

#include "user/judge/baseline.h"

/* path: "-" is standard input.  The caller frees it.  NULL: the reason is on standard error. */
struct baseline *baseline_file_read(const char *path);

#endif
