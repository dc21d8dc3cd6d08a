/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * redact.h - command lines without the secrets people put there.
 */
#ifndef DBLEAK_BASE_REDACT_H
#define DBLEAK_BASE_REDACT_H

/* Overwrites secrets in a command line, arguments separated by spaces, with asterisks, in place:
 * the password of a URL, the value of an option or variable whose name speaks of a password,
 * secret or token, and what follows -p for the clients of MySQL.  When in doubt it hides. */
void redact(char *cmdline);

#endif
