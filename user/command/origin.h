/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * origin.h - how we were started: what a command that we start finds again.
 *
 * Signals that were ignored, the signal mask, resource limits and open descriptors are noted
 * before anything of ours changes them.  Descriptors of ours never reach the command.
 */
#ifndef DBLEAK_COMMAND_ORIGIN_H
#define DBLEAK_COMMAND_ORIGIN_H

#include <stdbool.h>

/* First of all.  Closed standard streams are filled with what fails when it is used, so that no
 * file of ours takes their numbers. */
void origin_note(void);
/* As many files as we may have at all: some 400, and more for each processor and each library.  The
 * command has its own limit again. */
void origin_raise_files(void);
/* The path names a descriptor of the caller, as /dev/fd/63 does: meant for us, not for the
 * command.  Accepts NULL. */
void origin_keep_back(const char *path);
/* In the child, right before execve(2): everything as noted. */
void origin_restore(void);
/* In the parent, when the command has its own copies: whoever reads the other ends of the caller's
 * descriptors waits for the command alone.  Standard error, and standard output if it is still
 * ours to write to, stay. */
void origin_let_go(bool keep_output);

#endif
