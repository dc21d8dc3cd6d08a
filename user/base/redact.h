/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * redact.h - command lines without the secrets people put there.
 *
 * The result shows the program, its script, module or class, and the names of its options, so that
 * an operator can recognise the service.  Values are "...", unless they are asked for and are no
 * secret.
 */
#ifndef DBLEAK_BASE_REDACT_H
#define DBLEAK_BASE_REDACT_H

#include <stddef.h>

/* Rises whenever these rules or those of sql.h get stricter.  Recordings made by older ones are
 * redacted again when they are read. */
#define REDACTION_RULES 1

#define REDACT_SHOW_VALUES 0x1U /* values too, except those that may be a secret */
#define REDACT_CUT	   0x2U /* the last argument is not whole */

/* Writes what may be shown of the arguments of a process, each of which ends with a NUL (the last
 * may lack it): at most size - 1 bytes of one line, and a NUL.  Returns the length written. */
size_t redact(char *out, size_t size, const char *arguments, size_t len, unsigned int flags);

/* Redacts, in place, the name of a process (comm), user, database or application.  Hides the part
 * that follows a telling name, and the part between : and @. */
void redact_name(char *name);

/* Returns how many bytes of a file's name may be shown.  The name may be a URL, or a program itself
 * (data:).  A query such as ?key= and a login are not shown. */
size_t redact_path(const char *path);

#endif
