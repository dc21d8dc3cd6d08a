/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * redact.h - command lines without the secrets people put there.
 *
 * Shows which program runs, with which script, module or class, and the names of its options: who
 * is woken at night must know the service.  Values are "...", unless they are asked for and are no
 * secret.
 */
#ifndef DBLEAK_BASE_REDACT_H
#define DBLEAK_BASE_REDACT_H

#include <stddef.h>

#define REDACT_SHOW_VALUES 0x1U /* values too, except those that may be a secret */
#define REDACT_CUT	   0x2U /* the last argument is not whole */

/* Writes what may be shown of the arguments of a process, each of which ends with a NUL (the last
 * may lack it): at most size - 1 bytes of one line, and a NUL.  Returns the length written. */
size_t redact(char *out, size_t size, const char *arguments, size_t len, unsigned int flags);

/* What a process calls itself (comm), or a user, database or application: in place, without what
 * follows a telling name, or stands between : and @. */
void redact_name(char *name);

/* How many bytes of the name of a file may be shown, which may be a URL or a program itself
 * (data:): none of a query such as ?key=, no login. */
size_t redact_path(const char *path);

#endif
